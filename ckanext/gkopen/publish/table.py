"""Brings a domain's DataStore table to exactly the approved parts of a dataset, or of several.

One table holds a domain's rows of all bodies. A small change is a keyed difference in place; a first load, a
new version of the domain and a change of more than 30 % are built beside and swapped in. Either is one
transaction under one advisory lock a table, bookkeeping included: a reader sees one revision, a killed loader
leaves nothing behind, and an older seq never overwrites a newer one. Small new datasets: `table_fresh`.
Why so: docs/decisions/datastore-table.md.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2.errors
import pyarrow as pa
import pyarrow.csv as pacsv
import sqlalchemy as sa
from ckan.plugins.toolkit import config
from ckanext.datastore.backend.postgres import get_write_engine
from psycopg2.extras import execute_values

from ckanext.gkopen import ids
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.publish.table_fresh import Fresh
from ckanext.gkopen.publish.table_sql import BOOKKEEPING, GRAMS, TableSQL, lock_key, quoted

SMALL_ROWS = 10_000
"""A change of no more rows than these is always made in place, however small the table."""
LARGE_SHARE = 0.3
"""A change of a larger share of the table is cheaper as a rebuild than as a difference."""
LOCK_MILLISECONDS = 250
"""How long the swap may wait for readers, holding up new ones, before it lets them pass and tries again."""
SWAP_SECONDS = 120
"""After this long without a gap between readers the swap gives up; whoever called tries later."""

ReadBlob = Callable[[str], bytes]


class TableBusy(Exception):
    """Readers kept the table locked for two minutes: nothing was changed, call again."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What one call did to a dataset's rows. `rows`: how many it has now; `swapped`: the table was rebuilt.

    A rebuild does not compare rows: those of changed parts count as removed and added.
    """

    added: int
    changed: int
    removed: int
    rows: int
    swapped: bool


@dataclass(slots=True)
class _State:
    """The bookkeeping of one dataset and its table. `parts`: part → (sha256, rows)."""

    seq: int
    publisher: str | None
    rows: int
    parts: dict[str, tuple[str, int]]
    version: str | None
    table_rows: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the rows of one dataset shall be. `parts`: part → sha256 of canonical CSV; {} = none."""

    dataset_id: str
    publisher: str
    seq: int
    parts: Mapping[str, str]


def bring_up(
    domain: Domain, dataset_id: str, publisher: str, seq: int, parts: Mapping[str, str], read_blob: ReadBlob
) -> Applied:
    """Makes the rows of `dataset_id` exactly those of `parts`. See `bring_up_many`."""
    return bring_up_many(domain, [Wanted(dataset_id, publisher, seq, parts)], read_blob)[0]


def bring_up_many(domain: Domain, wanted: Sequence[Wanted], read_blob: ReadBlob) -> list[Applied]:
    """Makes the rows of each dataset exactly those of its parts, all in one transaction; answers in the same order.

    Idempotent. A `seq` older than the one already applied changes nothing. `read_blob` is also asked for the
    parts of other datasets when the table is rebuilt; what it raises ends the transaction.
    Raises :class:`TableBusy`.
    """
    table = TableSQL(domain)
    with transaction() as cursor:
        _prepare(cursor)
        cursor.execute("select pg_advisory_xact_lock(%s)", (lock_key(table.id),))
        fresh = Fresh(cursor, table, read_blob)
        applied = []
        for one in wanted:
            rows = fresh.take(one.dataset_id, one.publisher, one.seq, one.parts) if len(wanted) > 1 else None
            applied.append(Applied(rows, 0, 0, rows, False) if rows else _bring_up(cursor, table, one, read_blob))
        fresh.load()
        return applied


def _bring_up(cursor: Any, table: TableSQL, wanted: Wanted, read_blob: ReadBlob) -> Applied:
    dataset_id, publisher, seq, parts = wanted.dataset_id, wanted.publisher, wanted.seq, wanted.parts
    state = _read_state(cursor, table, dataset_id)
    if state.seq > seq:
        return Applied(0, 0, 0, state.rows, False)
    current = state.version == table.domain.version
    changed = {part: sha for part, sha in parts.items() if state.parts.get(part, ("", 0))[0] != sha}
    gone = [part for part in state.parts if part not in parts]
    renamed = state.publisher not in (None, publisher) and state.rows > 0
    if current and not changed and not gone and not renamed:
        _record(cursor, table, dataset_id, publisher, seq, {}, [])
        return Applied(0, 0, 0, state.rows, False)
    if state.version is None and not parts:
        _record(cursor, table, dataset_id, publisher, seq, {}, gone)
        return Applied(0, 0, 0, 0, False)
    load = _Load(cursor, table, dataset_id, publisher, seq, changed, gone, state, read_blob)
    if not parts or (current and not changed and not renamed):
        return load.remove()
    return load.difference(renamed) if current else load.rebuild()


def drop_dataset(domain: Domain, dataset_id: str, seq: int) -> Applied:
    """Takes all rows of a dataset out of the domain's table; the table stays, even when it is empty."""

    def read_blob(sha256: str) -> bytes:
        raise LookupError(f"{sha256}: taking rows away reads no blob")

    return bring_up(domain, dataset_id, "", seq, {}, read_blob)


def is_busy(domain: Domain) -> bool:
    """Whether somebody is changing the domain's table just now; a rebuild may take minutes."""
    with transaction() as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s)", (lock_key(TableSQL(domain).id),))
        return not cursor.fetchone()[0]


def sweep() -> list[str]:
    """Drops what was left in the build schema; returns the names. Live tables are never touched."""
    with transaction() as cursor:
        cursor.execute(
            "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = 'gkopen_build' and c.relkind = 'r' order by 1"
        )
        # A table that is being built is not yet visible here, so that all of these are dead.
        names = [name for (name,) in cursor.fetchall()]
        for name in names:
            cursor.execute(f"drop table gkopen_build.{quoted(name)}")
        return names


@dataclass(slots=True)
class _Load:
    """One change of one dataset, inside its transaction."""

    cursor: Any
    table: TableSQL
    dataset_id: str
    publisher: str
    seq: int
    changed: dict[str, str]
    gone: list[str]
    state: _State
    read_blob: ReadBlob
    constants: dict[str, dict[str, str]] = field(default_factory=dict)
    """Table → the defaults that were set, so that each is set once."""

    def remove(self) -> Applied:
        """Rows of parts that are gone. It needs no bytes: a withdrawal waits for no blob and no rebuild."""
        removed = self._run(self.table.delete_parts(), {"dataset": self.dataset_id, "parts": self.gone})
        return self._finish({}, 0, 0, removed)

    def difference(self, renamed: bool) -> Applied:
        """In place when the change is small, else by a rebuild."""
        touched = (*self.changed, *self.gone)
        replaced = sum(rows for part, (_, rows) in self.state.parts.items() if part in touched)
        limit = max(SMALL_ROWS, LARGE_SHARE * self.state.table_rows)
        incoming = self._incoming_at_most()
        if renamed and self.state.rows > limit:
            return self.rebuild()
        if max(incoming, replaced) > limit:
            if not (incoming and replaced):
                return self.rebuild()
            rows = self._stage()
            self.cursor.execute(self.table.count_unchanged())
            if max(sum(rows.values()), replaced) - self.cursor.fetchone()[0] > limit:
                return self.rebuild()
        else:
            rows = self._stage()
        return self._apply_in_place(rows, renamed)

    def _incoming_at_most(self) -> int:
        # A line break inside a cell counts as a row: the figure may only be too high.
        return sum(self.read_blob(sha).count(b"\n") - 1 for sha in self.changed.values())

    def _stage(self) -> dict[str, int]:
        """The new content of the changed parts in a temporary table; part → rows."""
        self.cursor.execute(self.table.create_staged())
        rows = {}
        for part, sha in sorted(self.changed.items()):
            rows[part] = self._copy("gkopen_staged", self.dataset_id, self.publisher, part, sha, freeze=False)
        if sum(rows.values()) > 1000:
            self.cursor.execute("analyze gkopen_staged")
        return rows

    def _apply_in_place(self, rows: dict[str, int], renamed: bool) -> Applied:
        touched = [*self.changed, *self.gone]
        values = {"dataset": self.dataset_id, "parts": touched, "publisher": self.publisher}
        self.cursor.execute("set local gin_pending_list_limit = '256MB'; set local maintenance_work_mem = '256MB'")
        removed = self._run(self.table.delete_gone(), values)
        changed = self._run(self.table.update_changed(), values)
        added = self._run(self.table.insert_new(), values)
        if renamed:
            changed += self._run(self.table.update_publisher(), values)
        if self.table.domain.search_fields:
            self.cursor.execute(self.table.merge_search_index())
        return self._finish(rows, added, changed, removed)

    def _run(self, statement: str, values: dict[str, Any]) -> int:
        self.cursor.execute(statement, values)
        return self.cursor.rowcount

    def _copy(self, name: str, dataset_id: str, publisher: str, part: str, sha: str, *, freeze: bool) -> int:
        data = self.read_blob(sha)
        header = data[: data.index(b"\n")].decode().split(",")
        if header != self.table.field_names:
            data, header = _fit(data, self.table.field_names)
        self._set_constants(name, {"dataset_id": dataset_id, "part": part, "publisher": publisher})
        statement = self.table.copy_in(name, header, freeze=freeze)
        self.cursor.copy_expert(statement, io.BytesIO(data), size=1 << 20)
        return self.cursor.rowcount

    def _set_constants(self, name: str, values: dict[str, str]) -> None:
        known = self.constants.setdefault(name, {})
        new = {column: value for column, value in values.items() if known.get(column) != value}
        if new:
            self.cursor.execute(self.table.constants(name, new))
            known |= new

    def rebuild(self) -> Applied:
        """All parts of all datasets into a table beside, which takes the old one's place in milliseconds."""
        kept = sum(rows for part, (_, rows) in self.state.parts.items()
                   if part not in self.changed and part not in self.gone)
        _record(self.cursor, self.table, self.dataset_id, self.publisher, self.seq,
                {part: (sha, 0) for part, sha in self.changed.items()}, self.gone)
        self.cursor.execute(
            "select d.dataset_id, d.publisher, a.part, a.sha256 from gkopen.applied_dataset d"
            " join gkopen.applied a using (dataset_id) where d.table_id = %s order by 1, 3", (self.table.id,))
        wanted = self.cursor.fetchall()
        self.cursor.execute("set local maintenance_work_mem = '256MB'")
        self.cursor.execute(f"drop table if exists {self.table.build_name}")
        self.cursor.execute(self.table.create_build())
        rows, total = {}, 0
        for dataset_id, publisher, part, sha in wanted:
            count = self._copy(self.table.build_name, dataset_id, publisher, part, sha, freeze=True)
            total += count
            if dataset_id == self.dataset_id and part in self.changed:
                rows[part] = count
        for statement in self.table.finish_build():
            self.cursor.execute(statement)
        self.cursor.execute(f"grant select on {self.table.build_name} to {quoted(_read_role())}")
        self.state.table_rows = total - sum(rows.values()) + self.state.rows - kept
        done = self._finish(rows, sum(rows.values()), 0, self.state.rows - kept, swapped=True)
        self._swap()
        return done

    def _swap(self) -> None:
        cursor, table = self.cursor, self.table
        cursor.execute("savepoint swap")
        give_up = time.monotonic() + SWAP_SECONDS
        pause = 0.05
        while True:
            try:
                cursor.execute(f"set local lock_timeout = '{LOCK_MILLISECONDS}ms'")
                # The view first and the table behind it then, as readers do: no deadlock.
                for name in (table.alias, table.name):
                    cursor.execute("select to_regclass(%s) is not null", (name,))
                    if cursor.fetchone()[0]:
                        cursor.execute(f"lock table {name} in access exclusive mode")
                break
            except psycopg2.errors.LockNotAvailable:
                cursor.execute("rollback to savepoint swap")
                if time.monotonic() > give_up:
                    raise TableBusy(f"{table.domain.name}: the table is always in use, try later") from None
                time.sleep(pause)
                pause = min(pause * 2, 1.0)
        cursor.execute(f"drop table if exists {table.name} cascade")
        cursor.execute(f"alter table {table.build_name} set schema public")
        cursor.execute(f"create view {table.alias} as select * from {table.name}")
        cursor.execute(f"grant select on {table.alias} to {quoted(_read_role())}")

    def _finish(
        self, rows: Mapping[str, int], added: int, changed: int, removed: int, *, swapped: bool = False
    ) -> Applied:
        """Bookkeeping and the row counts that CKAN shows, in the transaction of the rows themselves."""
        parts = {part: (self.changed[part], count) for part, count in rows.items()}
        _record(self.cursor, self.table, self.dataset_id, self.publisher, self.seq, parts, self.gone)
        own, whole = (before + added - removed for before in (self.state.rows, self.state.table_rows))
        self.cursor.execute("update gkopen.applied_dataset set rows = %s where dataset_id = %s",
                            (own, self.dataset_id))
        for resource, count in ((self.table.id, whole), (ids.resource_id(self.dataset_id), own)):
            self.cursor.execute(
                "insert into public._table_stats values (%s, jsonb_build_object('rows', %s::bigint))"
                " on conflict (resource_id) do update set stats = excluded.stats", (resource, count))
        if not own:                                       # withdrawn: not even the count is left
            self.cursor.execute("delete from public._table_stats where resource_id = %s",
                                (ids.resource_id(self.dataset_id),))
        if swapped:
            self.cursor.execute(
                "insert into gkopen.applied_table values (%s, %s, %s)"
                " on conflict (table_id) do update set version = excluded.version",
                (self.table.id, self.table.domain.name, self.table.domain.version))
        return Applied(added, changed, removed, own, swapped)


def _record(
    cursor: Any, table: TableSQL, dataset_id: str, publisher: str, seq: int,
    parts: Mapping[str, tuple[str, int]], gone: list[str],
) -> None:
    cursor.execute(
        "insert into gkopen.applied_dataset (dataset_id, table_id, seq, publisher) values (%s, %s, %s, %s)"
        " on conflict (dataset_id) do update set seq = excluded.seq, publisher = excluded.publisher",
        (dataset_id, table.id, seq, publisher))
    execute_values(
        cursor, "insert into gkopen.applied (dataset_id, part, sha256, seq, rows) values %s"
        " on conflict (dataset_id, part) do update"
        " set sha256 = excluded.sha256, seq = excluded.seq, rows = excluded.rows",
        [(dataset_id, part, sha, seq, rows) for part, (sha, rows) in parts.items()], page_size=1000)
    if gone:
        statement = "delete from gkopen.applied where dataset_id = %s and part = any(%s)"
        cursor.execute(statement, (dataset_id, gone))


def _read_state(cursor: Any, table: TableSQL, dataset_id: str) -> _State:
    cursor.execute("select seq, publisher, rows from gkopen.applied_dataset where dataset_id = %s",
                   (dataset_id,))
    seq, publisher, rows = cursor.fetchone() or (-1, None, 0)
    cursor.execute("select part, sha256, rows from gkopen.applied where dataset_id = %s", (dataset_id,))
    parts = {part: (sha, count) for part, sha, count in cursor.fetchall()}
    # Somebody may have dropped the table by hand: then it is built again from the parts that are on record.
    cursor.execute(
        "select version, (select (stats ->> 'rows')::bigint from public._table_stats where resource_id = %s)"
        " from gkopen.applied_table where table_id = %s and to_regclass(%s) is not null",
        (table.id, table.id, table.name))
    version, table_rows = cursor.fetchone() or (None, 0)
    if version is not None and table_rows is None:
        cursor.execute(f"select count(*) from {table.name}")
        table_rows = cursor.fetchone()[0]
    return _State(seq, publisher, rows, parts, version, table_rows)


def _prepare(cursor: Any) -> None:
    """Creates what all tables share, once. The write role needs CREATE on the DataStore database for it."""
    cursor.execute("select to_regclass('gkopen_public.shown') is not null"
                   " and to_regproc('gkopen_public.shares') is not null"
                   " and to_regproc('public.gkopen_grams') is not null and to_regtype('public.nested') is not null")
    if cursor.fetchone()[0]:
        return
    cursor.execute("select pg_advisory_xact_lock(%s)", (lock_key("prepare"),))
    cursor.execute(BOOKKEEPING)
    cursor.execute(GRAMS)
    # CKAN makes this type in the middle of its first search, and a repeatable reader then does not see it: a 500.
    cursor.execute("do $$ begin if to_regtype('public.nested') is null then"
                   " create type public.nested as (json json, extra text); end if; end $$")
    # The search counts in the snapshot of its rows, so its role reads the counts too.
    cursor.execute(f"grant select on public._table_stats to {quoted(_read_role())}")
    cursor.execute(f"grant usage on schema gkopen_public to {quoted(_read_role())}")
    cursor.execute(f"grant select on gkopen_public.shown to {quoted(_read_role())}")
    cursor.execute(f"grant execute on function gkopen_public.shares to {quoted(_read_role())}")


@contextmanager
def transaction() -> Iterator[Any]:
    """A cursor of the DataStore's writing role; one transaction, without the limits of a page's."""
    connection: Any = get_write_engine().raw_connection()
    try:
        with connection.cursor() as cursor:
            cursor.execute("set local statement_timeout = 0;"
                           " set local idle_in_transaction_session_timeout = 0; set local work_mem = '64MB'")
            yield cursor
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    finally:
        connection.close()


def _read_role() -> str:
    role = sa.engine.make_url(config["ckan.datastore.read_url"]).username
    if not role:
        raise ValueError("ckan.datastore.read_url names no user: write it as postgresql://USER:PASSWORD@HOST/DATABASE")
    return role


def _fit(data: bytes, names: list[str]) -> tuple[bytes, list[str]]:
    """A canonical CSV of an earlier version of the domain, with only the columns that there are now."""
    header = data[: data.index(b"\n")].decode().split(",")
    reading = pacsv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True,
        quoted_strings_can_be_null=False, null_values=[""])
    content = pacsv.read_csv(io.BytesIO(data), convert_options=reading,
                             parse_options=pacsv.ParseOptions(newlines_in_values=True))
    content = content.select([name for name in content.column_names if name in names])
    out = io.BytesIO()
    pacsv.write_csv(content, out, pacsv.WriteOptions(quoting_style="needed"))
    return out.getvalue(), content.column_names

