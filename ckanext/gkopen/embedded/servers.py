"""The three servers of one home, started together and stopped together."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from .keeping import HomeLock, JsonFile
from .places import StartError, make_folder, require_space
from .postgres import Postgres
from .server import Server
from .solr import Solr
from .valkey import Valkey

ELSEWHERE = {"postgres": "GKOPEN_POSTGRES_URL", "valkey": "GKOPEN_REDIS_URL", "solr": "GKOPEN_SOLR_URL"}
WAIT_FOR_OTHERS_SECONDS = 120


class Servers:
    """PostgreSQL, Valkey and Solr below `home`, on free ports that the home remembers.

    A home whose servers another process runs is joined: nothing is started, and `stop` leaves them alone. A
    server that a GKOPEN_*_URL names is used as it is. `durable=False` is for tests. `tell` takes lines of
    progress.

    Raises StartError with one sentence that says what to do.
    """

    def __init__(
        self,
        home: Path,
        solr_core: str = "ckan",
        *,
        durable: bool = True,
        tell: Callable[[str], None] = print,
    ) -> None:
        self.home = Path(home).resolve()
        self.tell = tell
        self.solr = Solr(self.home, solr_core, tell)
        self.all: tuple[Server, ...] = (self.solr, Postgres(self.home, durable), Valkey(self.home))
        self.lock: HomeLock | None = None

    def __enter__(self) -> "Servers":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def postgres_url(self) -> str:
        """Of the superuser, database `postgres`."""
        return self._url("postgres")

    @property
    def redis_url(self) -> str:
        return self._url("valkey")

    @property
    def solr_url(self) -> str:
        """Of the core."""
        return self._url("solr")

    @property
    def index_is_new(self) -> bool:
        """Whether this start made an empty index, so that the site must be indexed again."""
        return self.solr.emptied

    def start(self) -> None:
        make_folder(self.home)
        require_space(self.home)
        own = [server for server in self.all if ELSEWHERE[server.name] not in os.environ]
        if not own:
            return
        lock = HomeLock(self.home)
        if not self._acquire(lock, own):
            self.tell(f"using the servers that already run for {self.home}")
            return
        self.lock = lock
        try:
            self._start(own)
        except BaseException:  # Ctrl-C too: nothing may be left behind
            self.stop()
            raise

    def stop(self) -> None:
        if self.lock is None:
            return
        JsonFile(self.home / "servers.json").change(ready=False)
        started = [server.running for server in self.all if server.running]
        for running in started:
            running.ask_to_stop()
        for server in self.all:
            server.stop()
        self.lock.release()
        self.lock = None

    def failed(self) -> list[str]:
        """Names of servers that this process started and that have ended."""
        return [server.name for server in self.all if server.running and not server.running.alive()]

    def _start(self, own: list[Server]) -> None:
        assert self.lock is not None
        assert self.lock.descriptor is not None
        kept = JsonFile(self.home / "servers.json")
        kept.change(ready=False)
        for server in own:
            server.launch([self.lock.descriptor])
        for server in own:
            server.wait()
        kept.change(ready=True)

    def _acquire(self, lock: HomeLock, own: list[Server]) -> bool:
        """True with the lock, False when another process runs these servers and all are healthy."""
        until = time.monotonic() + WAIT_FOR_OTHERS_SECONDS
        while not lock.acquire():
            kept = JsonFile(self.home / "servers.json").read()
            if kept.get("ready"):
                for server in own:
                    server.port = kept.get(f"{server.name}_port", 0)
                if all(server.healthy() for server in own):
                    return False
            if time.monotonic() > until:
                raise StartError(
                    f"Another process has held the servers of {self.home} for "
                    f"{WAIT_FOR_OTHERS_SECONDS} s without getting them ready: stop it (`fuser "
                    f"{lock.path}` names it), or set GKOPEN_HOME to another folder."
                )
            time.sleep(0.1)
        return True

    def _url(self, name: str) -> str:
        return os.environ.get(ELSEWHERE[name]) or next(server.url for server in self.all if server.name == name)
