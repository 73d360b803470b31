"""A child process that never outlives its owner (guard.py says how)."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")
LOG_TAIL_BYTES = 4000


class Guarded:
    """One running command; its output goes to `log`, and the run before that stays as `<log>.1`.

    `grace` is in seconds: how long the command may take to end by itself. `keep_open` are file descriptors
    that the guard holds until the command has ended; `inherits` is one that the command gets.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace: float = 20,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        keep_open: Sequence[int] = (),
        inherits: int | None = None,
    ) -> None:
        self.log = log
        self.began = time.monotonic()
        self.grace = grace
        if log.exists():
            log.replace(log.with_name(f"{log.name}.1"))
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    str(GUARD),
                    str(int(stop_signal)),
                    str(grace),
                    user or "-",
                    "-" if inherits is None else str(inherits),
                    *map(str, command),
                ],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(env or {})},
                pass_fds=(*keep_open, *(() if inherits is None else (inherits,))),
            )

    def age(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    def alive(self) -> bool:
        return self.process.poll() is None

    def ask_to_stop(self) -> None:
        """Begin to stop and return at once; `stop` waits."""
        if self.process.stdin:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def stop(self) -> None:
        self.ask_to_stop()
        try:
            self.process.wait(self.grace + 5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def tail(self) -> str:
        """The end of what the command printed."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
            return file.read().decode("utf-8", "replace").strip()
