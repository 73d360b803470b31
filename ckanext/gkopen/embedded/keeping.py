"""What a home remembers between starts: who runs its servers, their ports, and the passwords made for it."""

import fcntl
import json
import os
import secrets
import socket
from pathlib import Path
from typing import Any

from .places import StartError

LAST_PORT = 65535


class JsonFile:
    """A small dictionary in a file that only its owner can read; each change replaces the file as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any]:
        try:
            return json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise StartError(f"{self.path} is damaged ({error}): delete that file, or run `make clean`.") from error

    def change(self, **values: Any) -> None:
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({**self.read(), **values}, file, ensure_ascii=False, indent=1)
        new.replace(self.path)


def secret(home: Path, name: str) -> str:
    """The password with this name, made when it is first asked for and kept in the home (mode 0600)."""
    kept = JsonFile(home / "secrets.json")
    known = kept.read()
    if name not in known:
        known[name] = secrets.token_urlsafe(24)
        kept.change(**{name: known[name]})
    return known[name]


def free_port(preferred: int | None = None) -> int:
    """The preferred port of the loopback address where nobody listens on it, else any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port is None:
                continue
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise StartError("No free port was found on 127.0.0.1: stop programs that hold very many connections open.")


def listener_from(port: int) -> socket.socket:
    """A socket that listens on the first free port of the loopback address at or above this one, for a server yet to
    come. Raises StartError.
    """
    for candidate in range(port, LAST_PORT + 1):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
            listener.listen()
        except OSError:
            listener.close()
            continue
        return listener
    raise StartError(f"No port from {port} on is free on 127.0.0.1: stop a program that listens there.")


class HomeLock:
    """Held by the process that runs a home's servers, and by their guards until the last of them has ended."""

    def __init__(self, home: Path) -> None:
        self.path = home / "servers.lock"
        self.descriptor: int | None = None

    def acquire(self) -> bool:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self.descriptor = descriptor
        return True

    def release(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None
