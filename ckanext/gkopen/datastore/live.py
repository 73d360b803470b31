"""Live queries on a domain's table beyond `datastore_search`: pages by cursor, and sums of groups.

One transaction of the read role (repeatable read) answers a request, so that rows, counts and the revisions that are
named belong together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from ckan.plugins.toolkit import ValidationError
from ckanext.datastore.backend.postgres import _where_clauses, get_read_engine
from sqlalchemy.exc import DataError, OperationalError, ProgrammingError

from ckanext.gkopen import cursors
from ckanext.gkopen.datastore import chinese
from ckanext.gkopen.datastore.filters import parsed, types_of
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.publish import behind
from ckanext.gkopen.publish.table_sql import SYSTEM_COLUMNS, TableSQL, quoted

SECONDS = 30
"""A query that takes longer is ended."""


class NoTable(LookupError):
    """Nothing of the domain was ever published."""


@dataclass(frozen=True, slots=True)
class Where:
    """Conditions of a request as SQL with named parameters."""

    clauses: list[str]
    params: dict[str, Any]

    def sql(self, *more: str) -> str:
        both = [*self.clauses, *more]
        return " where " + " and ".join(f"({clause})" for clause in both) if both else ""


def hold(connection: sa.Connection, table: str, milliseconds: int) -> None:
    """The table's lock first, and the snapshot with the first query after it, in a new transaction.

    The rows of a table that was swapped in are frozen, so that everybody sees them: who took the snapshot, waited for
    the swap, and then read would see new rows and the bookkeeping of the old ones.
    """
    connection.rollback()
    connection.execute(sa.text(f"set local statement_timeout = {int(milliseconds)};"
                               f" lock table {table} in access share mode"))


@contextmanager
def reading(domain: Domain) -> Iterator[sa.Connection]:
    """One snapshot of the DataStore. What PostgreSQL refuses (a word as an amount) is a ValidationError.

    Raises NoTable.
    """
    with get_read_engine().connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        try:
            hold(connection, TableSQL(domain).name, SECONDS * 1000)
        except ProgrammingError as error:
            if getattr(error.orig, "pgcode", "") != "42P01":
                raise
            raise NoTable(domain.name) from None
        try:
            yield connection
        except DataError as error:
            raise ValidationError({"filters": [
                f"值与列的类型不符 / a value does not fit the type of its column:"
                f" {str(error.orig).splitlines()[0]}"]}) from None
        except OperationalError as error:
            if getattr(error.orig, "pgcode", "") != "57014":
                raise
            raise ValidationError({"filters": [
                f"查询超过 {SECONDS} 秒，请缩小范围 / the query took more than {SECONDS} s: ask for less"]}) from None


def where_of(domain: Domain, filters: Any, q: Any, connection: sa.Connection, order: Order | None = None) -> Where:
    """Rows that `filters` and the words `q` let through.
    `order`: a page in this order is wanted; without it, all rows that fit.

    Raises ValidationError that says what is allowed.
    """
    types, clauses, params = types_of(domain), [], {}
    if gone := behind.rows_shown():
        clauses.append(gone[0])
        params |= gone[1]
    if asked := parsed(filters, types):
        for clause, *values in _where_clauses({"filterops": asked}, types):
            clauses.append(clause)
            params.update(*values)
    found = chinese.conditions(domain, q, connection) if q else None
    if not found:
        return Where(clauses, params)
    listed = chinese.hits(connection, TableSQL(domain).name, clauses, params, found) if order else None
    if listed is not None:
        clause, values = chinese.among(listed)
        return Where([clause], values)
    clause, values = chinese.many(connection, found, in_order=order is not None and order.has_index)
    return Where([*clauses, clause], {**params, **values})


def state_of(domain: Domain, connection: sa.Connection, datasets: Sequence[str]) -> dict[str, Any]:
    """Which revisions the snapshot shows: `state` is another text after every change of the table; `revisions` names
    the seq of each of `datasets`."""
    rows = connection.execute(
        sa.text("select dataset_id, seq from gkopen_public.shown where table_id = :id order by 1"),
        {"id": TableSQL(domain).id}).all()
    digest = hashlib.sha256(json.dumps([list(row) for row in rows]).encode()).hexdigest()[:16]
    wanted = set(datasets)
    return {"state": digest, "revisions": {row[0]: row[1] for row in rows if row[0] in wanted}}


@dataclass(frozen=True, slots=True)
class Order:
    """An order of rows in which every row has a place of its own: the wished columns, then dataset and key.

    Empty cells come last, in either direction.
    """

    domain: Domain
    columns: tuple[tuple[str, bool], ...]  # (column, descending)

    @staticmethod
    def of(domain: Domain, wished: Sequence[tuple[str, bool]]) -> Order:
        named = {name for name, _ in wished}
        rest = [(name, False) for name in TableSQL(domain).key_columns if name not in named]
        return Order(domain, (*wished, *rest))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.columns]

    @property
    def has_index(self) -> bool:
        """Whether an index gives the rows in this order, but for those that are equal in its first column."""
        name, down = self.columns[0]
        return name in TableSQL(self.domain).ordered and (not down or self._always_there(name))

    def sql(self) -> str:
        return " order by " + ", ".join(
            f"{quoted(name)}{' desc nulls last' if down and not self._always_there(name) else ' desc' if down else ''}"
            for name, down in self.columns)

    def _always_there(self, name: str) -> bool:
        if name in SYSTEM_COLUMNS:
            return True
        field = self.domain.field(name)
        return field.required and not field.required_if

    def after(self, values: Sequence[str | None]) -> tuple[list[str], dict[str, Any]]:
        """Conditions for the rows behind the one with these cells (as text), in this order."""
        types = types_of(self.domain)
        params = {f"gk_after_{n}": value for n, value in enumerate(values) if value is not None}
        place = [f"cast(:gk_after_{n} as {types[name]})" for n, name in enumerate(self.names)]
        alternatives = []
        for n, (name, down) in enumerate(self.columns):
            if values[n] is None:
                continue                                  # empty cells are last: nothing in this column comes later
            same = [f"{quoted(self.names[i])} = {place[i]}" if values[i] is not None else
                    f"{quoted(self.names[i])} is null" for i in range(n)]
            later = f"{quoted(name)} {'<' if down else '>'} {place[n]}"
            if not self._always_there(name):
                later = f"({later} or {quoted(name)} is null)"
            alternatives.append(" and ".join([*same, later]))
        clauses = [" or ".join(f"({one})" for one in alternatives) or "false"]
        # The same said more loosely, in a form for which an index knows where to begin.
        leading = []
        for n, (name, down) in enumerate(self.columns):
            if down != self.columns[0][1] or not self._always_there(name) or values[n] is None:
                break
            leading.append(n)
        if leading:
            left = ", ".join(quoted(self.names[n]) for n in leading)
            compare = "<=" if self.columns[0][1] else ">="
            clauses.append(f"({left}) {compare} ({', '.join(place[n] for n in leading)})")
        return clauses, params


def write_cursor(order: Order, asked: str, values: Sequence[str | None]) -> str:
    """A place in an order of the answers to one question."""
    return cursors.write([asked, list(values)])


def read_cursor(order: Order, asked: str, text: str) -> list[str | None]:
    """Raises ValidationError for a cursor that no answer gave, or that belongs to another question."""
    try:
        named, values = cursors.read(text)
        if named == asked and len(values) == len(order.columns) and all(
                value is None or isinstance(value, str) for value in values):
            return values
    except (ValueError, TypeError):
        pass
    raise ValidationError({"cursor": [
        "无法识别的游标：请用上一页的 cursor，且 domain、filters、q、sort 不变 / unknown cursor: take that of the last"
        " page, with the same domain, filters, q and sort"]})


def question(values: Mapping[str, Any]) -> str:
    """Names a question, so that a cursor goes on with the same one only."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:12]
