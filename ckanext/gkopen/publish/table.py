"""Brings a domain's DataStore table to exactly the approved parts of a dataset, or of several.

One table holds a domain's rows of all bodies. A small change is a keyed difference in place; a first load, a
new version of the domain and a change of more than 30 % are built beside and swapped in. Either is one
transaction under one advisory lock a table, bookkeeping included: a reader sees one revision, a killed loader
leaves nothing behind, and an older seq never overwrites a newer one. One change: `table_load`;
small new datasets: `table_fresh`.
Why so: docs/decisions/datastore-table.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ckanext.datastore.backend.postgres import get_write_engine

from ckanext.gkopen.domains import Domain, domains
from ckanext.gkopen.publish.table_fresh import Fresh
from ckanext.gkopen.publish.table_load import (
    Applied,
    Load,
    ReadBlob,
    count,
    forget,
    read_role,
    read_state,
    record,
)
from ckanext.gkopen.publish.table_sql import BOOKKEEPING, GRAMS, TableSQL, lock_key, quoted


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
    Raises `table_load.TableBusy`.
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


def bring_anew(domain: Domain, asked: Callable[[], tuple[Sequence[Wanted], ReadBlob]]) -> None:
    """Makes the table anew, of all datasets of a domain. Neither the rows that are there nor what is on record of them
    is believed, not even a newer `seq`. Readers see one table before and one after. Raises `table_load.TableBusy`.

    `asked` is called once nobody else can change the table: what was brought up before is in its answer, and what is
    published after it comes after this.
    """
    table = TableSQL(domain)
    with transaction() as cursor:
        _prepare(cursor)
        cursor.execute("select pg_advisory_xact_lock(%s)", (lock_key(table.id),))
        wanted, read_blob = asked()
        forget(cursor, table)
        for one in wanted:
            record(cursor, table, one.dataset_id, one.publisher, one.seq,
                   {part: (sha, 0) for part, sha in one.parts.items()}, [])
        first = wanted[0]
        Load(cursor, table, first.dataset_id, first.publisher, first.seq, dict(first.parts), [],
             read_state(cursor, table, first.dataset_id), read_blob).rebuild()
        count(cursor, table)


def _bring_up(cursor: Any, table: TableSQL, wanted: Wanted, read_blob: ReadBlob) -> Applied:
    dataset_id, publisher, seq, parts = wanted.dataset_id, wanted.publisher, wanted.seq, wanted.parts
    state = read_state(cursor, table, dataset_id)
    if state.seq > seq:
        return Applied(0, 0, 0, state.rows, False)
    current = state.version == table.domain.version
    changed = {part: sha for part, sha in parts.items() if state.parts.get(part, ("", 0))[0] != sha}
    gone = [part for part in state.parts if part not in parts]
    renamed = state.publisher not in (None, publisher) and state.rows > 0
    if current and not changed and not gone and not renamed:
        record(cursor, table, dataset_id, publisher, seq, {}, [])
        return Applied(0, 0, 0, state.rows, False)
    if state.version is None and not parts:
        record(cursor, table, dataset_id, publisher, seq, {}, gone)
        return Applied(0, 0, 0, 0, False)
    load = Load(cursor, table, dataset_id, publisher, seq, changed, gone, state, read_blob)
    if not parts or (current and not changed and not renamed):
        return load.remove()
    return load.difference(renamed) if current else load.rebuild()


def drop_dataset(domain: Domain, dataset_id: str, seq: int) -> Applied:
    """Takes all rows of a dataset out of the domain's table; the table stays, even when it is empty."""

    def read_blob(sha256: str) -> bytes:
        raise LookupError(f"{sha256}: taking rows away reads no blob")

    return bring_up(domain, dataset_id, "", seq, {}, read_blob)


def outdated() -> list[Domain]:
    """Domains whose table was made by another version of their file: columns may be missing."""
    with transaction() as cursor:
        cursor.execute("select to_regclass('gkopen.applied_table') is not null")
        if not cursor.fetchone()[0]:
            return []
        cursor.execute("select domain, version from gkopen.applied_table")
        made = dict(cursor.fetchall())
    return [domain for name, domain in domains().items() if made.get(name, domain.version) != domain.version]


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
    cursor.execute(f"grant select on public._table_stats to {quoted(read_role())}")
    cursor.execute(f"grant usage on schema gkopen_public to {quoted(read_role())}")
    cursor.execute(f"grant select on gkopen_public.shown to {quoted(read_role())}")
    cursor.execute(f"grant execute on function gkopen_public.shares to {quoted(read_role())}")


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
