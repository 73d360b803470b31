"""python -m ckanext.gkopen.embedded demo | test [PYTEST ARGUMENTS] | search | servers | clean"""

import os
import shutil
import signal
import sys
import threading

from .keeping import HomeLock
from .places import BROWSERS, PROJECT, StartError, gkopen_home, require_libmagic


def demo() -> None:
    from .demo import demo as run

    run()


def servers() -> None:
    """Start the demo's servers alone, print their addresses, stay until Ctrl-C."""
    from .servers import Servers

    with Servers(gkopen_home() / "demo") as running:
        print(
            f"GKOPEN_POSTGRES_URL={running.postgres_url}\nGKOPEN_REDIS_URL={running.redis_url}\n"
            f"GKOPEN_SOLR_URL={running.solr_url}",
            flush=True,
        )
        threading.Event().wait()


def search() -> None:
    from .search_trial import search_trial

    search_trial()


def test(arguments: list[str]) -> None:
    """Become pytest: tests/conftest.py starts the servers when a test needs them.

    Without arguments two workers share the tests, where the servers are our own.
    """
    from .servers import ELSEWHERE

    require_libmagic()
    if not any(map(shutil.which, BROWSERS)):
        print(
            "!! Chromium is missing, so the browser tests cannot pass: install it "
            "(Debian: apt-get install chromium-headless-shell fonts-noto-cjk).",
            file=sys.stderr,
            flush=True,
        )
    if not arguments and not any(name in os.environ for name in ELSEWHERE.values()):
        arguments = ["-n2"]
    os.chdir(PROJECT)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])


def clean() -> None:
    """Remove the data of demo, tests and benchmarks; what was downloaded stays."""
    home = gkopen_home()
    for folder in (home / "demo", home / "test", *home.glob("test-*"), home / "bench", home / "search"):
        if not folder.exists():
            continue
        lock = HomeLock(folder)
        if not lock.acquire():
            raise StartError(f"{folder} is in use: stop the process that runs its servers first (Ctrl-C).")
        shutil.rmtree(folder)
        lock.release()
        print(f"removed {folder}")


def main(arguments: list[str]) -> int:
    commands = {"demo": demo, "servers": servers, "search": search, "clean": clean}
    # A script that starts this in the background has Ctrl-C ignored, and would find no way to stop it but SIGTERM.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        if arguments[:1] == ["test"]:
            test(arguments[1:])
        elif len(arguments) == 1 and arguments[0] in commands:
            commands[arguments[0]]()
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except StartError as error:
        print(f"\ngkopen: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n已停止 / stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
