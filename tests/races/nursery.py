"""Workers by fork: CKAN is loaded once, and a worker that may be killed is there in milliseconds.

`python -m tests.races.nursery [SECONDS]` reads a line for each worker that it shall start and answers with its process
id. SECONDS: for so long a worker may be silent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from ckanext.gkopen.embedded.places import PROJECT


class Nursery:
    """Starts workers and remembers which of them were not killed."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.alive: list[int] = []

    def start(self) -> int:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        self.alive.append(pid)
        return pid

    def kill(self, pid: int) -> None:
        self.alive.remove(pid)
        os.kill(pid, signal.SIGKILL)


@contextmanager
def nursery(log: Path, silent: float | None = None) -> Iterator[Nursery]:
    """A nursery whose workers write to `log`; all of them are killed at the end. `silent`: seconds after which workers
    that give no sign of life lose what they hold."""
    with log.open("ab") as err:
        process = subprocess.Popen([sys.executable, "-m", "tests.races.nursery", *([str(silent)] if silent else [])],
                                   cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err)
    workers = Nursery(process)
    try:
        yield workers
    finally:
        for pid in list(workers.alive):
            workers.kill(pid)
        process.kill()
        process.communicate()


def main() -> None:
    from ckan import model
    from ckan.cli import load_config
    from ckan.config.middleware import make_app
    from ckanext.datastore.backend.postgres import get_write_engine

    from ckanext.gkopen.harvest import life, worker

    make_app(load_config(str(PROJECT / "test.ini")))
    for seconds in map(float, sys.argv[1:]):
        life.SILENT, life.BEAT = timedelta(seconds=seconds), seconds / 10
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)          # the system buries those who die
    for _ in sys.stdin:
        model.Session.remove()
        model.ensure_engine().dispose()                    # no two processes on one connection
        get_write_engine().dispose()
        pid = os.fork()
        if pid == 0:
            with life.signs():
                worker.work()
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
