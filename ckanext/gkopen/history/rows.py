"""One row through time: what is public of it, every published version of it, and what became of it.

A row is known by its dataset and its key. It is looked for in the contents themselves, which are kept for ever: in
those of the part where it is now, and in those that lost rows, the newest first. No index has to be made or kept right.
One answer reads so many contents and no more; where it ends, a cursor goes on.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from ckanext.datastore.backend.postgres import get_read_engine
from sqlalchemy.exc import DataError

from ckanext.gkopen import blobs, cursors, model
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.history.difference import text_rows
from ckanext.gkopen.history.keys import Key
from ckanext.gkopen.history.publications import PUBLICATION, kind_of, withdrawal_of
from ckanext.gkopen.publish.table_sql import TableSQL, quoted

MOST_CONTENTS, MOST_BYTES = 100, 256 << 20
"""What one answer reads of contents: a publication is begun while less was read."""
MOST_CHANGES = 10_000
"""Changes of parts that one answer looks at, whether it reads them or not."""
MOST_DATASETS = 20
"""Datasets that may have the row now. Where keys do not name their body, thousands may."""
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
    """`state`: published, removed, withdrawn, or None on a later page of a row that is not public. `versions`: oldest
    first. `current`: its cells now."""

    dataset_id: str
    name: str
    body_id: str
    key: Key
    state: str | None
    reason: str | None
    current: Cells | None
    versions: list[Version] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Everything from publication `before` (a position of the feed) on has been read; `parts`: dataset → those in which
    the row is looked for from there on."""

    before: int
    parts: dict[str, list[str]]

    def __str__(self) -> str:
        return cursors.write([self.before, self.parts])

    @staticmethod
    def read(text: str) -> Place:
        """Raises ValueError for what no answer gave."""
        found = cursors.read(text)
        if not (isinstance(found, list) and len(found) == 2 and type(found[0]) is int and 0 <= found[0] < 1 << 62
                and isinstance(found[1], dict) and all(
                    isinstance(parts, list) and all(isinstance(part, str) for part in parts)
                    for parts in found[1].values())):
            raise ValueError(text)
        return Place(found[0], found[1])


class TooMany(Exception):
    """More than MOST_DATASETS datasets have a row of this key: one of them has to be named."""


def histories(domain: Domain, key: Key, dataset: str | None = None,
              place: Place | None = None) -> tuple[list[RowHistory], Place | None]:
    """The row of this key in each dataset that has it, else in those that had it; `dataset`: name or id of one.

    With the place from which older publications are still to be read; None: there are none. Nothing found and a place:
    the row is not public and in none of the publications that were read. Raises TooMany.
    """
    names = {row["id"]: row for row in model.every(
        "select id::text as id, name, body_id from gkopen.dataset where domain = :domain and seq > 0"
        " and (cast(:dataset as text) is null or :dataset in (name, id::text))", domain=domain.name, dataset=dataset)}
    contents = _Contents(domain, key)
    current: dict[str, tuple[str, Cells]] = {}
    for dataset_id, part in [*_in_table(domain, key, list(names)), *_unseen(contents, list(names))]:
        sha256 = model.value("select sha256 from gkopen.public_part where dataset_id = :d and part = :part",
                             d=dataset_id, part=part)
        if sha256 and (cells := contents.row(sha256)):
            current[dataset_id] = part, cells
    parts = {dataset_id: {part} for dataset_id, (part, _) in current.items()}
    if place is not None:
        for dataset_id in place.parts.keys() & names.keys():
            parts.setdefault(dataset_id, set()).update(place.parts[dataset_id])
    found, older = _read(contents, list(parts if current else names), parts, place.before if place else None)
    told = []
    for dataset_id in sorted(current.keys() | found.keys()):
        versions = list(_versions(contents, found.get(dataset_id, {}), current.get(dataset_id)))
        state, reason = None, None
        if dataset_id in current:
            state = "published"
        elif versions and place is None:
            state = "withdrawn" if versions[-1].op == "withdrawn" else "removed"
            reason = versions[-1].gone or versions[-1].reason
        if versions or state:
            told.append(RowHistory(dataset_id, names[dataset_id]["name"], names[dataset_id]["body_id"], key, state,
                                   reason, current[dataset_id][1] if dataset_id in current else None, versions))
    return told, older


class _Contents:
    """Contents in which one row is looked for, each read once."""

    def __init__(self, domain: Domain, key: Key) -> None:
        self.domain, self.key = domain, key
        self._found: dict[str, Cells | None] = {}
        self._bytes = 0

    @property
    def enough(self) -> bool:
        return len(self._found) >= MOST_CONTENTS or self._bytes >= MOST_BYTES

    def row(self, sha256: str | None, rows: int | None = None) -> Cells | None:
        """Sealed contents too: whoever knows a row's key is told that it was withdrawn, and nothing else of it."""
        if sha256 is None:
            return None
        if sha256 not in self._found:
            try:
                data = blobs.read(sha256, sealed=True)
            except blobs.Missing:
                data = b""
            self._bytes += len(data)
            self._found[sha256] = find_row(self.domain, data, self.key, rows)
        return self._found[sha256]


_Change = tuple[Mapping[str, Any], Cells | None, Cells | None]
"""A change of a part, with the row in its old and in its new content."""


def _read(contents: _Contents, datasets: list[str], parts: dict[str, set[str]],
          before: int | None) -> tuple[dict[str, dict[int, list[_Change]]], Place | None]:
    """Dataset → seq → changes that had or have the row, the newest first; and where to go on.

    Looked at are changes of the parts in which the row is known to have been, and those that lost rows: it may have
    come from there. `parts` gets what is found.
    """
    changes = model.every(
        "select f.position, u.dataset_id::text as dataset_id, u.seq, p.part, p.base_sha256 as old, p.new_sha256 as new,"
        " p.rows, p.removed > 0 or p.new_sha256 is null as lost_rows,"
        " gkopen.is_sealed(u.dataset_id, p.base_sha256) as old_sealed,"
        " gkopen.is_sealed(u.dataset_id, p.new_sha256) as new_sealed"
        " from gkopen.publication u join gkopen.feed f using (dataset_id, seq)"
        " join gkopen.revision_part p using (revision_id) where u.dataset_id = any(cast(:ids as uuid[]))"
        " and p.part <> '~metadata' and (cast(:before as bigint) is null or f.position < :before)"
        " order by f.position desc, p.part limit :most", ids=datasets, before=before, most=MOST_CHANGES + 1)
    publications: dict[int, list[dict[str, Any]]] = {}
    for change in changes:
        publications.setdefault(change["position"], []).append(change)
    if len(changes) > MOST_CHANGES and len(publications) > 1:  # the last one may not be whole
        publications.popitem()
    found: dict[str, dict[int, list[_Change]]] = {}
    last = None
    for position, touched in publications.items():
        if last is not None and contents.enough:
            break
        last = position
        for change in touched:
            own = parts.get(change["dataset_id"], set())
            if change["part"] in own or change["lost_rows"]:
                old = contents.row(change["old"])
                # What went into a part where the row is not looked for is read only where it came out of it.
                new = contents.row(change["new"], change["rows"]) if old or change["part"] in own else None
                if old or new:
                    parts.setdefault(change["dataset_id"], set()).add(change["part"])
                    found.setdefault(change["dataset_id"], {}).setdefault(change["seq"], []).append((change, old, new))
    done = last is None or (last == list(publications)[-1] and len(changes) <= MOST_CHANGES)
    return found, None if done or last is None else Place(last, {id_: sorted(own) for id_, own in parts.items()})


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
                        f" and {' and '.join(where)} limit :most"),
                {"datasets": datasets, "most": MOST_DATASETS + 1, **params}).all()
        except DataError:  # a word where the key is a number
            return []
    if len(rows) > MOST_DATASETS:
        raise TooMany(key)
    return [(row[0], row[1]) for row in rows]


def _unseen(contents: _Contents, datasets: list[str]) -> Iterator[tuple[str, str]]:
    """(dataset, part) of rows in contents that are public and have not come to the table yet."""
    rows = model.every(
        "select distinct p.dataset_id::text as id, p.part, p.sha256, p.rows from gkopen.outbox o"
        " join gkopen.public_part p on p.dataset_id = o.dataset_id and p.seq = o.seq and p.part <> '~metadata'"
        " where o.sink = 'datastore' and o.done_at is null and o.dataset_id = any(cast(:ids as uuid[]))", ids=datasets)
    for row in rows:
        if contents.enough:
            return
        if contents.row(row["sha256"], row["rows"]):
            yield row["id"], row["part"]


def _versions(contents: _Contents, by_seq: Mapping[int, list[_Change]],
              current: tuple[str, Cells] | None) -> Iterator[Version]:
    """The publications that changed the row, in their order."""
    # A content is sealed as a whole: what of the row stands in one that is not sealed was not withdrawn.
    shown = [current[1]] if current else []
    for change, old, new in (change for changes in by_seq.values() for change in changes):
        sides = (old, change["old_sealed"]), (new, change["new_sealed"])
        shown += [row for row, sealed in sides if row and not sealed]
    for seq, touched in sorted(by_seq.items()):
        old = next(((change, row) for change, row, _ in touched if row), None)
        new = next(((change, row) for change, _, row in touched if row), None)
        if (old and (old[0]["part"], old[1])) == (new and (new[0]["part"], new[1])):
            continue
        publication = model.one(PUBLICATION + " where u.dataset_id = :d and u.seq = :seq",
                                d=touched[0][0]["dataset_id"], seq=seq)
        assert publication is not None
        yield _version(publication, old, new, shown)


def _version(publication: Mapping[str, Any], old: tuple[Mapping[str, Any], Cells] | None,
             new: tuple[Mapping[str, Any], Cells] | None, shown: Iterable[Cells]) -> Version:
    change = (new or old or ({},))[0]
    op = "changed" if old and new else "added" if new else "removed"
    if op == "removed" and publication["decision"] == "withdraw":
        op = "withdrawn"
    old_hidden, new_hidden = (side is not None and side[1] not in shown for side in (old, new))
    gone = None
    if new_hidden if new else old_hidden:
        gone = withdrawal_of(publication["dataset_id"], [change["new"], change["old"]]).reason
    fields: tuple[str, ...] = ()
    if old and new and not (old_hidden or new_hidden):
        fields = tuple(name for name, value in new[1].items() if old[1].get(name) != value)
    return Version(op, publication["seq"], publication["at"], kind_of(publication), publication["revision"],
                   change["part"], publication["reason"], new[1] if new and not gone else None, fields, gone)


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
