"""Real front-end databases for the tests: one in the test servers' PostgreSQL, one MariaDB of Debian's package."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pymysql

from ckanext.gkopen.embedded.keeping import free_port

PASSWORD = "口令-p@ss/word"
USER = "gkopen_reader"
TABLES = Path("/usr/share/mysql")
MARIADBD = shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin:/usr/bin")


@dataclass
class Front:
    """A database that a platform fills. `owner` is the platform's connection; gkopen comes as `USER`, who may only read
    what was granted.
    """

    kind: str
    host: str
    port: int
    database: str
    owner: Any

    @property
    def url(self) -> str:
        return f"{self.kind}://{USER}@{self.host}:{self.port}/{self.database}"

    def run(self, *statements: str) -> None:
        with self.owner.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def fill(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        with self.owner.cursor() as cursor:
            cursor.executemany(sql, rows)


@contextmanager
def postgresql(server: str) -> Iterator[Front]:
    """`server`: address of a superuser. The database and the account go at the end."""
    name = "gkopen_front"
    with _owner(server) as cursor:
        cursor.execute(f"drop database if exists {name} with (force)")
        cursor.execute(f"drop role if exists {USER}")
        cursor.execute(f"create database {name}")
        cursor.execute(f"create role {USER} login password %s", [PASSWORD])
    parts = urlsplit(server)
    owner = psycopg2.connect(parts._replace(path=f"/{name}").geturl())
    owner.autocommit = True
    try:
        yield Front("postgresql", str(parts.hostname), int(parts.port or 5432), name, owner)
    finally:
        owner.close()
        with _owner(server) as cursor:
            cursor.execute(f"drop database {name} with (force)")
            cursor.execute(f"drop role {USER}")


@contextmanager
def postgresql_in(encoding: str, server: str) -> Iterator[Front]:
    """A further database in another encoding, beside `postgresql`, whose account it shares."""
    name = "gkopen_front_encoded"
    with _owner(server) as cursor:
        cursor.execute(f"drop database if exists {name} with (force)")
        cursor.execute(f"create database {name} encoding '{encoding}' locale 'C' template template0")
    parts = urlsplit(server)
    owner = psycopg2.connect(parts._replace(path=f"/{name}").geturl(), client_encoding=encoding)
    owner.autocommit = True
    try:
        yield Front("postgresql", str(parts.hostname), int(parts.port or 5432), name, owner)
    finally:
        owner.close()
        with _owner(server) as cursor:
            cursor.execute(f"drop database {name} with (force)")


@contextmanager
def _owner(server: str) -> Iterator[Any]:
    connection = psycopg2.connect(server)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


@contextmanager
def mariadb(folder: Path) -> Iterator[Front]:
    """A MariaDB of its own below `folder`, without the installer that Debian packs with the client."""
    assert MARIADBD is not None
    small = ["--no-defaults", f"--user={getpass.getuser()}", f"--datadir={folder / 'data'}",
             "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=0",
             "--skip-log-bin"]  # fmt: skip
    (folder / "data").mkdir(parents=True)
    scripts = [(TABLES / name).read_text("utf-8") for name in ("mysql_system_tables.sql",
                                                               "mysql_system_tables_data.sql")]
    begin = "create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n"
    subprocess.run([MARIADBD, *small, "--bootstrap"], input=begin + "".join(scripts), text=True, check=True,
                   capture_output=True)
    port, socket = free_port(None), folder / "socket"
    server = subprocess.Popen([MARIADBD, *small, f"--port={port}", f"--socket={socket}", "--bind-address=127.0.0.1"],
                              stderr=subprocess.PIPE, text=True)
    try:
        _until_ready(server)
        owner = pymysql.connect(unix_socket=str(socket), user="root", autocommit=True, charset="utf8mb4")
        with owner.cursor() as cursor:
            cursor.execute("create database front character set utf8mb4")
            cursor.execute(f"create user {USER}@'127.0.0.1' identified by %s", [PASSWORD])
            cursor.execute("use front")
        yield Front("mysql", "127.0.0.1", port, "front", owner)
        owner.close()
    finally:
        server.terminate()
        server.wait(30)


def _until_ready(server: subprocess.Popen[str]) -> None:
    assert server.stderr is not None
    said = []
    for line in server.stderr:
        said.append(line)
        if "ready for connections" in line:
            # Whoever writes into a full pipe waits for a reader.
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return
    raise AssertionError("MariaDB did not start:\n" + "".join(said))
