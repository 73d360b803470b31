"""What PostgreSQL, Valkey and Solr have in common: a remembered port, a start, a wait until healthy, a stop."""

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from .guarded import Guarded
from .keeping import JsonFile, free_port
from .places import StartError

PORT_TAKEN = ("address already in use", "failed to bind")
PORT_ATTEMPTS = 3


class Server(ABC):
    """One server below `home`, on the loopback address only."""

    name: str
    stop_signal = signal.SIGTERM
    patience = 60.0  # seconds from start to healthy; a recovery after a crash is part of it
    user: str | None = None

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / self.name
        self.kept = JsonFile(home / "servers.json")
        self.port: int = self.kept.read().get(f"{self.name}_port", 0)
        self.running: Guarded | None = None
        self.lock: Sequence[int] = ()

    @property
    @abstractmethod
    def url(self) -> str:
        """The address with its password, as CKAN's settings take it."""

    @abstractmethod
    def prepare(self) -> None:
        """Bring the folder into a state from which `command` can run; also after a crash."""

    @abstractmethod
    def command(self) -> list[str | Path]:
        """What to run, with `self.port` chosen."""

    @abstractmethod
    def healthy(self) -> bool:
        """Whether it answers a real request. Raises StartError where waiting cannot help."""

    def launch(self, lock: Sequence[int] = ()) -> None:
        """Start without waiting. `lock` is kept open until the server has ended."""
        self.lock = lock
        self.prepare()
        self.port = free_port(self.port or None)
        self.running = Guarded(
            self.command(),
            self.home / f"{self.name}.log",
            stop_signal=self.stop_signal,
            user=self.user,
            keep_open=lock,
        )

    def wait(self) -> None:
        """Return when the server is healthy; take another port when somebody was quicker."""
        for attempt in range(PORT_ATTEMPTS):
            if self._became_healthy():
                self.kept.change(**{f"{self.name}_port": self.port})
                return
            if not self._port_was_taken() or attempt == PORT_ATTEMPTS - 1:
                break
            self.stop()
            self.port = 0
            self.launch(self.lock)
        said = self.running.tail() if self.running else ""
        log = self.home / f"{self.name}.log"
        self.stop()
        raise StartError(f"{self.name} did not start: read {log} for the reason, which ends with:\n{said[-1500:]}")

    def stop(self) -> None:
        if self.running:
            self.running.stop()
            self.running = None

    def _became_healthy(self) -> bool:
        until = time.monotonic() + self.patience
        while time.monotonic() < until and self.running and self.running.alive():
            if self.healthy():
                return True
            time.sleep(0.05)
        return False

    def _port_was_taken(self) -> bool:
        said = self.running.tail().lower() if self.running else ""
        return any(sign in said for sign in PORT_TAKEN)
