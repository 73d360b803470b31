"""PostgreSQL, and what speaks its protocol, as a front-end database."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import certifi
import psycopg2
from psycopg2 import errorcodes

from ckanext.gkopen.harvesters import dialect
from ckanext.gkopen.harvesters.base import Limits
from ckanext.gkopen.harvesters.dialect import Address, Column, Form, Kind, Mark
from ckanext.gkopen.harvesters.errors import HarvestError, SourceRefused

KINDS: Mapping[int, Kind] = {1082: "date", 1114: "time", 1184: "time", 25: "text", 1043: "text", 1042: "text"}
"""Type oid (date, timestamp, timestamptz; text, varchar, char) → how it is compared."""
FORMS: Mapping[int, Form] = {17: "bytes", 790: "money"}
TEXT: Mapping[Form, str] = {"money": "::numeric::text"}
"""Type oid (bytea, money) → what it is; how it becomes a text, where that is not `::text`: money is printed with the
sign and the commas of the server's language."""
SESSION = (
    "set local statement_timeout = {milliseconds}; set local datestyle = 'ISO, YMD';"
    " set local timezone = 'Asia/Shanghai'; set local extra_float_digits = 3"
)


class PostgreSQL:
    """A `Dialect`."""

    port = 5432

    def __init__(self, address: Address, limits: Limits):
        self._address, self._limits = address, limits
        try:
            # hostaddr is what is connected to; host is only the name that a certificate must have.
            self._connection = psycopg2.connect(
                host=",".join([address.host] * len(address.addresses)), hostaddr=",".join(address.addresses),
                port=address.port, user=address.user, password=address.password, dbname=address.database,
                sslmode=address.sslmode, sslrootcert=certifi.where() if address.sslmode == "verify-full" else "",
                connect_timeout=max(2, round(limits.connect)), client_encoding="UTF8", gssencmode="disable",
                passfile=os.devnull, application_name="gkopen", keepalives_idle=10, keepalives_interval=5,
                keepalives_count=3,
            )  # fmt: skip
        except psycopg2.Error as exc:
            raise _login_failed(address, str(exc)) from None
        self._connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        self._ask(SESSION.format(milliseconds=round(limits.attempt * 1000)))

    def close(self) -> None:
        self._connection.close()

    def columns(self, table: str, *, all_of_them: bool) -> list[Column]:
        with self._connection.cursor() as cursor:
            self._lock(cursor, table)
            names = "*" if all_of_them else self._readable(cursor, table)
            self._run(cursor, f"select {names} from {_table(table)} limit 0", waits=True)
            return [
                Column(part.name, KINDS.get(part.type_code, "other"), FORMS.get(part.type_code, "text"))
                for part in cursor.description or ()
            ]

    def _readable(self, cursor: Any, table: str) -> str:
        """The columns that the account may read, or all where that is none: the server then says what is missing."""
        self._run(
            cursor, "select attname from pg_catalog.pg_attribute where attrelid = %s::regclass and attnum > 0"
            " and not attisdropped and has_column_privilege(attrelid, attnum, 'select') order by attnum",
            [_table(table).replace("%%", "%")])  # fmt: skip
        return ", ".join(_quoted(name) for (name,) in cursor.fetchall()) or "*"

    def count(self, table: str, mark: Mark) -> int:
        where, values = _where([], mark, None)
        return int(self._ask(f"select count(*) from {_table(table)}{where}", values)[0][0])

    def page(
        self, table: str, wanted: Sequence[Column], key: Sequence[Column], mark: Mark,
        after: Sequence[str] | None, limit: int,
    ) -> list[list[str | None]]:  # fmt: skip
        where, values = _where(key, mark, after)
        names = ", ".join(f"{_quoted(column.name)}{TEXT.get(column.form, '::text')}" for column in wanted)
        # Without its table's name, a name in "order by" would mean the text that is selected under it.
        order = ", ".join(f"front.{_quoted(column.name)}" for column in key)
        sql = f"select {names} from {_table(table)} as front{where} order by {order} limit {limit}"
        return [list(row) for row in self._ask(sql, values)]

    def _lock(self, cursor: Any, table: str) -> None:
        """The snapshot is taken after who empties and fills the table (TRUNCATE) is done: else it would be seen empty.

        The lock is the one that every query takes. What cannot be locked (a materialized view) is read without it.
        """
        self._run(cursor, "savepoint before_lock")
        try:
            self._run(cursor, f"lock table {_table(table)} in access share mode", waits=True)
        except SourceRefused:
            self._run(cursor, "rollback to savepoint before_lock")

    def _ask(self, sql: str, values: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            self._run(cursor, sql, values)
            return cursor.fetchall() if cursor.description else []

    def _run(self, cursor: Any, sql: str, values: Sequence[str] = (), *, waits: bool = False) -> None:
        """`waits`: for nothing but a lock, where it takes long."""
        try:
            with dialect.cut_after(self._limits.attempt + dialect.GRACE, self._connection.fileno):
                cursor.execute(sql, list(values))
        except psycopg2.Error as exc:
            raise self._failed(exc, waits) from None

    def _failed(self, exc: psycopg2.Error, waits: bool) -> HarvestError:
        code, said = exc.pgcode or "", (exc.diag.message_primary or "").strip()
        if code in (errorcodes.UNDEFINED_TABLE, errorcodes.INVALID_SCHEMA_NAME):
            return dialect.no_table(self._address, said)
        if code == errorcodes.INSUFFICIENT_PRIVILEGE:
            return dialect.no_permission(self._address, said)
        if code in (errorcodes.CHARACTER_NOT_IN_REPERTOIRE, errorcodes.UNTRANSLATABLE_CHARACTER):
            return dialect.broken_text(self._address, said)
        if code == errorcodes.LOCK_NOT_AVAILABLE or (waits and code == errorcodes.QUERY_CANCELED):
            return dialect.locked(self._address)
        if code == errorcodes.QUERY_CANCELED:
            return dialect.too_slow(self._address, self._limits.attempt)
        # No code: the connection is gone. 40: a standby ended the snapshot; 53 and 57: resources, shut-down.
        if not code or code[:2] in ("08", "40", "53", "57"):
            return dialect.broken_off(self._address)
        return dialect.refused(self._address, said)


def _login_failed(address: Address, text: str) -> HarvestError:
    """Of a failed login psycopg2 gives only libpq's text; what the server itself says there follows a severity."""
    said = text.partition("FATAL:")[2].strip().splitlines()[:1]
    if "password authentication failed" in text or "no password supplied" in text:
        return dialect.wrong_password(address)
    if "certificate" in text or "does not support SSL" in text:
        return dialect.no_tls(address)
    if said and not any(passing in text for passing in ("starting up", "shutting down", "too many clients")):
        return dialect.refused(address, said[0])
    return dialect.unreachable(address)


def _quoted(name: str) -> str:
    """An identifier; a % is doubled because psycopg2 fills in values by it."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


def _table(table: str) -> str:
    return ".".join(map(_quoted, table.split(".")))


def _where(key: Sequence[Column], mark: Mark, after: Sequence[str] | None) -> tuple[str, list[str]]:
    """The values are literals without a type: PostgreSQL reads each as what the column is."""
    tests: list[str] = []
    values: list[str] = []
    if after is not None:
        names = ", ".join(_quoted(column.name) for column in key)
        tests.append(f"({names}) > ({', '.join(['%s'] * len(key))})")
        values += after
    if mark is not None:
        name = _quoted(mark[0].name)
        # A language's order may pass over the marks between digits; that of the bytes does not.
        compared, odd = name, ""
        if mark[0].kind == "text":
            compared = f'{name} collate "C"'
            odd = f" or {compared} !~ '{dialect.YEAR_FIRST}'"
        tests.append(f"({compared} >= %s or {name} is null or {compared} < %s{odd})")
        values += (dialect.mark_text(mark[0].kind, mark[1]), dialect.NO_TIME)
    return (" where " + " and ".join(tests) if tests else ""), values
