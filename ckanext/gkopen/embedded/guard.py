"""guard.py SIGNAL GRACE USER SOCKET COMMAND...: run one server, and end it when whoever started it is gone.

Started by guarded.py as a plain script with nothing but the standard library, so that it is small and quick.
Its standard input is a pipe whose other end the owner holds: the pipe closes when the owner stops the
server, and also when the owner crashes or is killed with -9. The server then gets SIGNAL, after GRACE
seconds SIGKILL, and all that it left in its process group too. USER is `-` or an account to run as, SOCKET
`-` or the descriptor that the server inherits. Should the guard itself be killed, Linux passes SIGNAL on to
the server.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PARENT_CHECK_SECONDS = 1.0


def follow_parent(number: int) -> Callable[[], None] | None:
    """What the server does between fork and exec, so that the kernel signals it when this guard dies."""
    if sys.platform != "linux":
        return None
    libc, guard = ctypes.CDLL(None), os.getpid()

    def arm() -> None:
        libc.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != guard:
            os._exit(1)

    return arm


def wait_for_owner(owner: int) -> None:
    """Return when the pipe's other end is closed. The parent's id is looked at too: a process that the owner
    forked may hold a copy of the pipe for longer than the owner lives.
    """
    while os.getppid() == owner:
        readable, _, _ = select.select([0], [], [], PARENT_CHECK_SECONDS)
        if readable and not os.read(0, 64):
            return


def main() -> int:
    number, grace, user, inherited, *command = int(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:]
    owner = os.getppid()
    account = {} if user == "-" else {"user": user, "group": user, "extra_groups": []}
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        process_group=0,
        pass_fds=() if inherited == "-" else (int(inherited),),
        preexec_fn=follow_parent(number),  # noqa: PLW1509  (no thread runs yet)
        **account,
    )

    def end() -> None:
        server.send_signal(number)
        try:
            server.wait(grace)
        except subprocess.TimeoutExpired:
            server.kill()

    def watch() -> None:
        wait_for_owner(owner)
        end()

    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=end, daemon=True).start())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()
    code = server.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(server.pid, signal.SIGKILL)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
