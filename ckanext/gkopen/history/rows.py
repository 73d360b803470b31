"""One row through time: what is public of it, every published version of it, and what became of it.

A row is known by its dataset and its key. It is looked for in the contents themselves, which are kept for ever: in
those of the part where it is now, and in those that lost rows. No index has to be made or kept right.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from ckanext.datastore.backend.postgres import get_read_engine
from sqlalchemy.exc import DataError

from ckanext.gkopen import blobs, model
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.history.difference import text_rows
from ckanext.gkopen.history.keys import Key
from ckanext.gkopen.history.publications import PUBLICATION, kind_of, withdrawal_of
from ckanext.gkopen.publish.table_sql import TableSQL, quoted

MOST_REMOVALS = 500
"""Contents that lost rows in which a row is looked for that is not public now, newest first."""
Cells = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Version:
    """One publication that changed the row. `op`: added, changed, removed, withdrawn. `row`: its cells as printed
    from then on, None where there was none or the content was withdrawn (`gone`: why). `fields`: what changed."""

    op: str
    seq: int
    at: datetime
    kind: str
    revision: str
    part: str
    reason: str | None
    row: Cells | None = None
    fields: tuple[str, ...] = ()
    gone: str | None = None


@dataclass(frozen=True, slots=True)
class RowHistory:
    """`state`: published, removed, withdrawn. `versions`: oldest first."""

    dataset_id: str
    name: str
    body_id: str
    key: Key
    state: str
    reason: str | None
    versions: list[Version] = field(default_factory=list)

    @property
    def current(self) -> Cells | None:
        return self.versions[-1].row if self.state == "published" else None


def histories(domain: Domain, key: Key, dataset: str | None = None) -> list[RowHistory]:
    """The row of this key in each dataset that has it, else in those that had it; `dataset`: name or id of one."""
    names = {row["id"]: row for row in model.every(
        "select id::text as id, name, body_id from gkopen.dataset where domain = :domain and seq > 0"
        " and (cast(:dataset as text) is null or :dataset in (name, id::text))", domain=domain.name, dataset=dataset)}
    found: dict[str, set[str]] = {}
    for dataset_id, part in [*_in_table(domain, key, list(names)), *_unseen(domain, key, list(names))]:
        found.setdefault(dataset_id, set()).add(part)
    if not found:
        for dataset_id, part in _in_removals(domain, key, list(names)):
            found.setdefault(dataset_id, set()).add(part)
    told = []
    for dataset_id, parts in sorted(found.items()):
        parts |= {part for _, part in _in_removals(domain, key, [dataset_id])}
        versions = list(_versions(domain, key, dataset_id, sorted(parts)))
        if versions:
            last = versions[-1]
            state = {"removed": "removed", "withdrawn": "withdrawn"}.get(last.op, "published")
            told.append(RowHistory(dataset_id, names[dataset_id]["name"], names[dataset_id]["body_id"], key, state,
                                   last.gone or last.reason if state != "published" else None, versions))
    return told


def _in_table(domain: Domain, key: Key, datasets: list[str]) -> list[tuple[str, str]]:
    """(dataset, part) of the rows that are public now, from the index of the domain's table."""
    table, params, where = TableSQL(domain), {}, []
    for number, (name, cell) in enumerate(zip(domain.key, key, strict=True)):
        where.append(f"{quoted(name)} is null" if cell is None else
                     f"{quoted(name)} = cast(:key_{number} as {domain.field(name).pg_type})")
        params |= {} if cell is None else {f"key_{number}": cell}
    with get_read_engine().connect() as connection:
        if connection.execute(sa.text("select to_regclass(:name)"), {"name": table.name}).scalar() is None:
            return []
        try:
            rows = connection.execute(
                sa.text(f"select dataset_id, part from {table.name} where dataset_id = any(:datasets)"
                        f" and {' and '.join(where)}"), {"datasets": datasets, **params})
            return [(row[0], row[1]) for row in rows]
        except DataError:  # a word where the key is a number
            return []


def _unseen(domain: Domain, key: Key, datasets: list[str]) -> Iterator[tuple[str, str]]:
    """(dataset, part) of rows in contents that are public and have not come to the table yet."""
    rows = model.every(
        "select distinct p.dataset_id::text as id, p.part, p.sha256, p.rows from gkopen.outbox o"
        " join gkopen.public_part p on p.dataset_id = o.dataset_id and p.seq = o.seq and p.part <> '~metadata'"
        " where o.sink = 'datastore' and o.done_at is null and o.dataset_id = any(cast(:ids as uuid[]))", ids=datasets)
    for row in rows:
        if find_row(domain, _read(row["sha256"]), key, row["rows"]):
            yield row["id"], row["part"]


def _in_removals(domain: Domain, key: Key, datasets: list[str]) -> Iterator[tuple[str, str]]:
    """(dataset, part) where a publication took the row out of a part."""
    rows = model.every(
        "select u.dataset_id::text as id, p.part, p.base_sha256 as sha256 from gkopen.publication u"
        " join gkopen.revision_part p using (revision_id) where u.dataset_id = any(cast(:ids as uuid[]))"
        " and p.part <> '~metadata' and p.base_sha256 is not null and (p.removed > 0 or p.new_sha256 is null)"
        " order by u.at desc limit :most", ids=datasets, most=MOST_REMOVALS)
    for row in rows:
        if find_row(domain, _read(row["sha256"]), key):
            yield row["id"], row["part"]


def _versions(domain: Domain, key: Key, dataset_id: str, parts: list[str]) -> Iterator[Version]:
    """The publications that changed the row, in their order."""
    changes = model.every(
        "select u.seq, p.part, p.base_sha256 as old, p.new_sha256 as new, p.rows,"
        " gkopen.is_sealed(u.dataset_id, p.new_sha256) as new_sealed"
        " from gkopen.publication u join gkopen.revision_part p using (revision_id)"
        " where u.dataset_id = :d and p.part = any(:parts) order by u.seq, p.part", d=dataset_id, parts=parts)
    cells: dict[str, Cells | None] = {}
    by_seq: dict[int, list[dict[str, Any]]] = {}
    for change in changes:
        by_seq.setdefault(change["seq"], []).append(change)
        if change["new"] is not None and change["new"] not in cells:
            cells[change["new"]] = find_row(domain, _read(change["new"]), key, change["rows"])
    # A content is sealed as a whole: what of the row stands in one that is not sealed was not withdrawn.
    open_cells = [cells[change["new"]] for change in changes if change["new"] and not change["new_sealed"]]
    for seq, touched in by_seq.items():
        olds = [(one, cells.get(one["old"])) for one in touched if one["old"]]
        news = [(one, cells.get(one["new"])) for one in touched if one["new"]]
        old = next(((one, row) for one, row in olds if row), None)
        new = next(((one, row) for one, row in news if row), None)
        if (old and (old[0]["part"], old[1])) == (new and (new[0]["part"], new[1])):
            continue
        publication = model.one(PUBLICATION + " where u.dataset_id = :d and u.seq = :seq", d=dataset_id, seq=seq)
        assert publication is not None
        yield _version(publication, old, new, open_cells)


def _version(publication: dict[str, Any], old: tuple[dict[str, Any], Cells] | None,
             new: tuple[dict[str, Any], Cells] | None, open_cells: list[Cells | None]) -> Version:
    change = (new or old or ({},))[0]
    op = "changed" if old and new else "added" if new else "removed"
    if op == "removed" and publication["decision"] == "withdraw":
        op = "withdrawn"
    old_hidden, new_hidden = (side is not None and side[1] not in open_cells for side in (old, new))
    gone = None
    if new_hidden if new else old_hidden:
        gone = withdrawal_of(publication["dataset_id"], [change["new"], change["old"]]).reason
    fields: tuple[str, ...] = ()
    if old and new and not (old_hidden or new_hidden):
        fields = tuple(name for name, value in new[1].items() if old[1].get(name) != value)
    return Version(op, publication["seq"], publication["at"], kind_of(publication), publication["revision"],
                   change["part"], publication["reason"], new[1] if new and not gone else None, fields, gone)


def _read(sha256: str) -> bytes:
    """Sealed contents too: whoever knows a row's key is told that the row was withdrawn, and nothing else of it."""
    try:
        return blobs.read(sha256, sealed=True)
    except blobs.Missing:
        return b""


def find_row(domain: Domain, data: bytes, key: Key, rows: int | None = None) -> Cells | None:
    """The cells of one row of canonical bytes, as printed; None where the key is not there.

    `rows`: how many rows there are, if known. Where each is one line, only the lines that hold the key are read.
    """
    longest = max((cell for cell in key if cell), key=len)
    special = set(longest) & set('",\r\n')
    needle = ('"' + longest.replace('"', '""') + '"' if special else longest).encode()
    place = data.find(needle)
    if place < 0:
        return None
    if b'"' in data and (rows is None or data.count(b"\n") != rows + 1):
        return _find_slowly(domain, data, key)
    header = data[: data.index(b"\n")].decode().split(",")
    while place >= 0:
        start, end = data.rfind(b"\n", 0, place) + 1, data.find(b"\n", place)
        cells = dict(zip(header, next(csv.reader(io.StringIO(data[start:end].decode(), newline=""))), strict=False))
        if start and tuple(cells.get(name) or None for name in domain.key) == key:
            return {name: cells.get(name) or None for name in domain.field_names}
        place = data.find(needle, end)
    return None


def _find_slowly(domain: Domain, data: bytes, key: Key) -> Cells | None:
    """A cell may hold line ends: every row is read."""
    table = text_rows(domain, data)
    wanted = list(key)
    for batch in table.to_batches(max_chunksize=1 << 16):
        columns = [batch.column(name).to_pylist() for name in domain.key]
        for number, cells in enumerate(zip(*columns, strict=True)):
            if list(cells) == wanted:
                return batch.slice(number, 1).to_pylist()[0]
    return None


def typed(domain: Domain, row: Cells, *, money_as_text: bool = False) -> dict[str, Any]:
    """Printed cells as values of JSON: exact numbers (Decimal), times with their offset, `money_as_text` as texts."""
    values: dict[str, Any] = {}
    for name, cell in row.items():
        described = domain.field(name)
        if cell is None or (money_as_text and described.type == "money"):
            values[name] = cell
        elif described.pg_type in ("int8", "numeric"):
            values[name] = int(cell) if described.pg_type == "int8" else Decimal(cell)
        elif described.pg_type == "bool":
            values[name] = cell == "true"
        else:
            values[name] = cell.replace(" ", "T") + "+08:00" if described.pg_type == "timestamp" else cell
    return values
