"""One change of one dataset's rows in its domain's table: in place by key, or the whole table beside and then swapped.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg2.errors
import pyarrow as pa
import pyarrow.csv as pacsv
import sqlalchemy as sa
from ckan.plugins.toolkit import config
from psycopg2.extras import execute_values

from ckanext.gkopen import ids
from ckanext.gkopen.publish.table_rows import Rows, records
from ckanext.gkopen.publish.table_sql import TableSQL, quoted

SMALL_BYTES = 1 << 20
"""Parts of no more bytes are copied together."""
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
class State:
    """The bookkeeping of one dataset and its table. `parts`: part → (sha256, rows)."""

    seq: int
    publisher: str | None
    rows: int
    parts: dict[str, tuple[str, int]]
    version: str | None
    table_rows: int


@dataclass(slots=True)
class Load:
    """One change of one dataset, inside its transaction."""

    cursor: Any
    table: TableSQL
    dataset_id: str
    publisher: str
    seq: int
    changed: dict[str, str]
    gone: list[str]
    state: State
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
        wanted = [(self.dataset_id, self.publisher, part, sha) for part, sha in sorted(self.changed.items())]
        rows = dict(zip(sorted(self.changed), self._copy_all("gkopen_staged", wanted, freeze=False), strict=True))
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

    def _copy_all(self, name: str, wanted: Iterable[tuple[str, str, str, str]], *, freeze: bool) -> list[int]:
        """Parts into an empty table: dataset, publisher, part, sha256. The rows of each."""
        counts, small = [], Rows(self.cursor, self.table, name, freeze=freeze)
        for dataset_id, publisher, part, sha in wanted:
            data = self._read(sha)
            if len(data) <= SMALL_BYTES:
                counts.append(small.add(dataset_id, part, publisher, records(data[data.index(b"\n") + 1:])))
            else:
                small.load()                              # in the order of the parts
                self._set_constants(name, {"dataset_id": dataset_id, "part": part, "publisher": publisher})
                statement = self.table.copy_in(name, self.table.field_names, freeze=freeze)
                self.cursor.copy_expert(statement, io.BytesIO(data), size=1 << 20)
                counts.append(self.cursor.rowcount)
            if small.size > SMALL_BYTES:
                small.load()
        small.load()
        return counts

    def _read(self, sha: str) -> bytes:
        """A part in the columns that the table has now."""
        data = self.read_blob(sha)
        header = (",".join(self.table.field_names) + "\n").encode()
        return data if data.startswith(header) else header + _fitted(data, self.table.field_names)

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
        record(self.cursor, self.table, self.dataset_id, self.publisher, self.seq,
                {part: (sha, 0) for part, sha in self.changed.items()}, self.gone)
        self.cursor.execute(
            "select d.dataset_id, d.publisher, a.part, a.sha256 from gkopen.applied_dataset d"
            " join gkopen.applied a using (dataset_id) where d.table_id = %s order by 1, 3", (self.table.id,))
        wanted = self.cursor.fetchall()
        self.cursor.execute("set local maintenance_work_mem = '256MB'")
        self.cursor.execute(f"drop table if exists {self.table.build_name}")
        self.cursor.execute(self.table.create_build())
        counts = self._copy_all(self.table.build_name, wanted, freeze=True)
        rows = {part: count for (dataset_id, _, part, _), count in zip(wanted, counts, strict=True)
                if dataset_id == self.dataset_id and part in self.changed}
        for statement in self.table.finish_build():
            self.cursor.execute(statement)
        self.cursor.execute(f"grant select on {self.table.build_name} to {quoted(read_role())}")
        self.state.table_rows = sum(counts) - sum(rows.values()) + self.state.rows - kept
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
        cursor.execute(f"grant select on {table.alias} to {quoted(read_role())}")

    def _finish(
        self, rows: Mapping[str, int], added: int, changed: int, removed: int, *, swapped: bool = False
    ) -> Applied:
        """Bookkeeping and the row counts that CKAN shows, in the transaction of the rows themselves."""
        parts = {part: (self.changed[part], count) for part, count in rows.items()}
        record(self.cursor, self.table, self.dataset_id, self.publisher, self.seq, parts, self.gone)
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


def record(
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


def forget(cursor: Any, table: TableSQL) -> None:
    """All that is on record of the datasets of a table, and the row counts that CKAN shows of them."""
    cursor.execute("delete from gkopen.applied a using gkopen.applied_dataset d where d.dataset_id = a.dataset_id"
                   " and d.table_id = %s", (table.id,))
    cursor.execute("delete from gkopen.applied_dataset where table_id = %s returning dataset_id", (table.id,))
    cursor.execute("delete from public._table_stats where resource_id = any(%s)",
                   ([ids.resource_id(dataset_id) for (dataset_id,) in cursor.fetchall()],))


def count(cursor: Any, table: TableSQL) -> None:
    """Puts on record how many rows of each part and dataset the table has."""
    cursor.execute(f"update gkopen.applied a set rows = n.rows from (select dataset_id, part, count(*) as rows"
                   f" from {table.name} group by 1, 2) n where (a.dataset_id, a.part) = (n.dataset_id, n.part)")
    cursor.execute("update gkopen.applied_dataset d set rows = (select coalesce(sum(a.rows), 0) from gkopen.applied a"
                   " where a.dataset_id = d.dataset_id) where table_id = %s returning dataset_id, rows", (table.id,))
    counts = dict(cursor.fetchall())
    stats = [(ids.resource_id(dataset_id), rows) for dataset_id, rows in counts.items() if rows]
    execute_values(cursor, "insert into public._table_stats (resource_id, stats) values %s"
                           " on conflict (resource_id) do update set stats = excluded.stats",
                   [(resource, f'{{"rows": {rows}}}') for resource, rows in (*stats, (table.id, sum(counts.values())))])


def read_state(cursor: Any, table: TableSQL, dataset_id: str) -> State:
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
    return State(seq, publisher, rows, parts, version, table_rows)


def read_role() -> str:
    role = sa.engine.make_url(config["ckan.datastore.read_url"]).username
    if not role:
        raise ValueError("ckan.datastore.read_url names no user: write it as postgresql://USER:PASSWORD@HOST/DATABASE")
    return role


def _fitted(data: bytes, names: list[str]) -> bytes:
    """The rows of a canonical CSV of an earlier version of the domain, in the columns that there are now."""
    header = data[: data.index(b"\n")].decode().split(",")
    reading = pacsv.ConvertOptions(
        column_types=dict.fromkeys([*header, *names], pa.string()), strings_can_be_null=True,
        quoted_strings_can_be_null=False, null_values=[""], include_columns=names, include_missing_columns=True)
    content = pacsv.read_csv(io.BytesIO(data), convert_options=reading,
                             parse_options=pacsv.ParseOptions(newlines_in_values=True))
    out = io.BytesIO()
    pacsv.write_csv(content, out, pacsv.WriteOptions(include_header=False, quoting_style="needed"))
    return out.getvalue()
