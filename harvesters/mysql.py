"""MySQL, MariaDB, and what speaks their protocol, as a front-end database."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import certifi
import pymysql
from pymysql import converters
from pymysql.constants import CR, ER

from ckanext.gkopen.harvesters import dialect
from ckanext.gkopen.harvesters.base import Limits
from ckanext.gkopen.harvesters.dialect import Address, Column, Form, Kind, Mark
from ckanext.gkopen.harvesters.errors import HarvestError

TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")
NUMBERS = ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year")
PRINTED = ("enum", "set", "bit", "float")
"""An enum is ordered as its list is, but compared with a text as a text; a float is not the number that it prints."""
KINDS: Mapping[str, Kind] = {
    "date": "date", "datetime": "time", "timestamp": "time", **dict.fromkeys(PRINTED, "printed"),
    **dict.fromkeys(TEXTS, "text"), **dict.fromkeys(NUMBERS, "number"),
}  # fmt: skip
BYTES = frozenset((
    "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector", "geometry", "point", "linestring",
    "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geomcollection",
))  # fmt: skip
TOO_SLOW = (ER.STATEMENT_TIMEOUT, ER.QUERY_TIMEOUT, ER.QUERY_INTERRUPTED)   # MariaDB's, MySQL's, either's
EMPTIED = (ER.TABLE_DEF_CHANGED, ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK)
FORBIDDEN = (ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR)
GONE = (CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, CR.CR_SERVER_LOST_EXTENDED, CR.CR_CONN_HOST_ERROR,
        ER.CON_COUNT_ERROR, ER.SERVER_SHUTDOWN)  # fmt: skip


class MySQL:
    """A `Dialect`. The protocol sends every value as text; without decoders it stays the text that the server sent."""

    port = 3306

    def __init__(self, address: Address, limits: Limits):
        self._address, self._limits = address, limits
        encoders: Any = dict(converters.encoders)
        password: Any = address.password.encode()        # of a text PyMySQL takes Latin-1 only
        self._connection: Any = pymysql.Connection(
            host=address.host, port=address.port, user=address.user, password=password,
            database=address.database, charset="utf8mb4", conv=encoders, autocommit=None,
            connect_timeout=limits.connect, read_timeout=limits.attempt + dialect.GRACE,
            write_timeout=limits.silence, ssl=_tls(address.sslmode), ssl_disabled=address.sslmode == "disable",
            defer_connect=True,
        )  # fmt: skip
        self._run(lambda: self._connection.connect(self._socket()), limits.connect * 2)
        if "mariadb" in self._connection.get_server_info().lower():
            self._ask(f"set session max_statement_time = {limits.attempt:.3f}")
        else:
            # The /*! … */ is read by MySQL 5.7.8 and newer only; an older one is bounded by the cut of the connection.
            self._ask(f"/*!50708 set session max_execution_time = {round(limits.attempt * 1000)} */")
        self._ask("set session time_zone = '+08:00'")
        self._ask("set session transaction isolation level repeatable read")
        self._ask("start transaction with consistent snapshot, read only")

    def close(self) -> None:
        with suppress(pymysql.Error):
            self._connection.close()

    def columns(self, table: str, *, all_of_them: bool) -> list[Column]:
        if all_of_them:
            self._look(table, "*")
        schema, _, name = table.rpartition(".")
        rows = self._ask(
            "select column_name, data_type, privileges from information_schema.columns where table_schema = %s and"
            " table_name = %s order by ordinal_position",
            [schema or self._address.database, name],
        )
        if not all_of_them:
            rows = [row for row in rows if "select" in (row[2] or "").split(",")] or rows
            self._look(table, ", ".join(_quoted(name) for name, *_ in rows) or "*")
        return [Column(name, KINDS.get(kind.lower(), "other"), _form(kind)) for name, kind, _ in rows]

    def _look(self, table: str, names: str) -> None:
        """Says when there is no such table, it may not be read, or it is not free."""
        self._ask(f"select {names} from {_table(table)} limit 0", waits=True)

    def count(self, table: str, mark: Mark) -> int:
        where, values = _where([], mark, None)
        return int(self._ask(f"select count(*) from {_table(table)}{where}", values)[0][0])

    def page(
        self, table: str, wanted: Sequence[Column], key: Sequence[Column], mark: Mark,
        after: Sequence[str] | None, limit: int,
    ) -> list[list[str | None]]:  # fmt: skip
        where, values = _where(key, mark, after)
        names = ", ".join(map(_printed, wanted))
        order = ", ".join(map(_compared, key))
        sql = f"select {names} from {_table(table)}{where} order by {order} limit {limit}"
        return [list(row) for row in self._ask(sql, values)]

    def _ask(self, sql: str, values: Sequence[Any] = (), *, waits: bool = False) -> list[tuple[Any, ...]]:
        """`waits`: for nothing but a lock, where it takes long."""
        def ask() -> list[tuple[Any, ...]]:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, list(values))
                return list(cursor.fetchall())

        return self._run(ask, self._limits.attempt + dialect.GRACE, waits)

    def _run(self, work: Callable[[], Any], seconds: float, waits: bool = False) -> Any:
        try:
            with dialect.cut_after(seconds, self._descriptor):
                return work()
        except (pymysql.Error, OSError, UnicodeDecodeError) as exc:
            raise self._failed(exc, waits) from None

    def _descriptor(self) -> int:
        return self._connection._sock.fileno()

    def _socket(self) -> socket.socket:
        """Connected to one of the checked addresses."""
        failure: OSError = OSError("no address")
        for address in self._address.addresses:
            try:
                return socket.create_connection((address, self._address.port), self._limits.connect)
            except OSError as exc:
                failure = exc
        raise failure

    def _failed(self, exc: Exception, waits: bool) -> HarvestError:
        code = exc.args[0] if exc.args and isinstance(exc.args[0], int) else 0
        said = str(exc.args[1]) if len(exc.args) > 1 else ""
        address = self._address
        if isinstance(exc, ssl.SSLError) or code == CR.CR_SSL_CONNECTION_ERROR or "certificate" in said:
            return dialect.no_tls(address)
        if isinstance(exc, OSError):
            return dialect.unreachable(address)
        if code in GONE:
            greeted = hasattr(self._connection, "server_version")
            return dialect.broken_off(address) if greeted else dialect.unreachable(address)
        if code == ER.ACCESS_DENIED_ERROR:
            return dialect.wrong_password(address)
        if code == ER.NO_SUCH_TABLE:
            return dialect.no_table(address, said)
        if code in FORBIDDEN:
            return dialect.no_permission(address, said)
        if waits and code in (*TOO_SLOW, ER.LOCK_WAIT_TIMEOUT):
            return dialect.locked(address)
        if code in EMPTIED:
            return dialect.emptied(address)
        if code in TOO_SLOW:
            return dialect.too_slow(address, self._limits.attempt)
        return dialect.refused(address, said or type(exc).__name__)


def _tls(mode: str) -> ssl.SSLContext | None:
    """None: as the server offers it (prefer), or none at all."""
    if mode not in ("require", "verify-full"):
        return None
    context = ssl.create_default_context(cafile=certifi.where())
    if mode == "require":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _form(type_name: str) -> Form:
    if type_name.lower() == "bit":
        return "bits"
    return "bytes" if type_name.lower() in BYTES else "text"


def _quoted(name: str) -> str:
    """An identifier; a % is doubled because PyMySQL fills in values by it."""
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def _printed(column: Column) -> str:
    return f"{_quoted(column.name)}{' + 0' if column.form == 'bits' else ''}"


def _compared(column: Column) -> str:
    return f"concat({_printed(column)}, '')" if column.kind == "printed" else _quoted(column.name)


def _table(table: str) -> str:
    return ".".join(map(_quoted, table.split(".")))


def _where(key: Sequence[Column], mark: Mark, after: Sequence[str] | None) -> tuple[str, list[Any]]:
    """Rows after a key, written so that an index on its first column serves: MySQL reads `(a, b) > (1, 2)` in full.

    A number is given as a number: MySQL compares one with a text as floats, where 9007199254740993 equals …992.
    """
    tests: list[str] = []
    values: list[Any] = []
    if after is not None:
        given = [Decimal(text) if column.kind == "number" else text for column, text in zip(key, after, strict=True)]
        names = list(map(_compared, key))
        steps = []
        for place in range(len(key)):
            equal = [f"{name} = %s" for name in names[:place]]
            steps.append("(" + " and ".join([*equal, f"{names[place]} > %s"]) + ")")
            values += given[: place + 1]
        tests.append(f"({' or '.join(steps)})")
        if len(key) > 1:
            tests.append(f"{names[0]} >= %s")
            values.append(given[0])
    if mark is not None:
        name = _quoted(mark[0].name)
        odd = f" or {name} not regexp '{dialect.YEAR_FIRST}'" if mark[0].kind == "text" else ""
        tests.append(f"({name} >= %s or {name} is null or {name} < %s{odd})")
        values += (dialect.mark_text(mark[0].kind, mark[1]), dialect.NO_TIME)
    return (" where " + " and ".join(tests) if tests else ""), values
