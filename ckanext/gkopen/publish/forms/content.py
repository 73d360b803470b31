"""What every form is made of: the columns, the rows as text, part by part, and what is said about them."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv as pacsv

from ckanext.gkopen.domains import Domain, Text
from ckanext.gkopen.normalise.kept import once
from ckanext.gkopen.publish.table_rows import prefix, records
from ckanext.gkopen.publish.table_sql import SYSTEM_COLUMNS

BLOCK = 8 << 20
"""Bytes of CSV that are in memory at once; no row may be longer."""
FEW_BYTES = 1 << 20
"""A dataset of no more is written anew as a whole with every change."""
FEW_ROWS = 100
"""A part of no more stands together with its neighbours in the table over all bodies."""
FEW_PARTS = 5_000
"""Of no more parts neighbours begin with one digit alike, of more with two: 16 or 256 pieces of a file."""


class Span(NamedTuple):
    """Rows of a batch."""

    first: int
    rows: int


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    title: Text
    pg_type: str
    unit: str

    @property
    def heading(self) -> str:
        """The Chinese label, with the unit."""
        return f"{self.title.zh}（{self.unit}）" if self.unit else self.title.zh


@dataclass(frozen=True, slots=True)
class PartRows:
    """The rows of one public part. `read` brings the canonical CSV by its sha256, and only where it is needed.

    `dataset_id` and `publisher` are given where the rows stand in the table over all bodies; `rows`: how many, where
    that is known. `of`: the parts that stand together in it, instead of them.
    """

    domain: Domain
    part: str
    sha256: str
    read: Callable[[str], bytes]
    dataset_id: str = ""
    publisher: str = ""
    rows: int | None = None
    of: tuple[PartRows, ...] = ()

    @property
    def key(self) -> str:
        """Names what these rows are made of: the same key is the same rows in the same columns."""
        if self.of:
            return hashlib.sha256("\n".join(part.key for part in self.of).encode()).hexdigest()
        if not self.dataset_id:
            return self.sha256
        whole = "\n".join((self.dataset_id, self.part, self.publisher, self.sha256))
        return hashlib.sha256(whole.encode()).hexdigest()

    def load(self) -> bytes:
        if not self.of:
            return self.read(self.sha256)
        own = ",".join(self.domain.field_names).encode()
        pieces = [",".join(SYSTEM_COLUMNS).encode() + b"," + own]
        for part in self.of:
            header, _, rows = part.read(part.sha256).partition(b"\n")
            if header != own:
                return b""                                  # of an older version of the domain: one by one
            pieces += [prefix(part.dataset_id, part.part, part.publisher) + row for row in records(rows)]
        return b"\n".join([*pieces, b""])

    def count(self) -> int:
        if self.rows is not None:
            return self.rows
        data = self.load()
        return count(data) if len(data) <= FEW_BYTES or b'"' not in data else sum(map(len, self.batches(data)))

    def lines(self, data: bytes) -> memoryview | None:
        """The rows in the spelling of the canonical CSV, where that is what the file shows of them."""
        header = (",".join(self.domain.field_names) + "\n").encode()
        return memoryview(data)[len(header):] if data.startswith(header) and not self.dataset_id else None

    def batches(self, data: bytes) -> Iterator[pa.RecordBatch]:
        """All cells as text, so that nothing can change their digits; empty cells as null; some megabytes at a time."""
        if self.of and not data:
            for part in self.of:
                yield from part.batches(part.load())
            return
        end = data.index(b"\n") + 1
        if len(data) == end:
            return
        names = data[:end - 1].decode().split(",")
        few = len(data) <= FEW_BYTES                        # one piece, which no thread has to read ahead
        read = pacsv.read_csv(pa.BufferReader(data), **_reading(names, threads=False)).to_batches() if few \
            else pacsv.open_csv(io.BytesIO(data), **_reading(names, threads=True))
        for batch in read:
            yield self._shown(batch)

    def _shown(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """In the columns that the domain has now: a part may be older than its version."""
        cells = {name: batch[name] if name in batch.schema.names else pa.nulls(len(batch), pa.string())
                 for name in self.domain.field_names}
        if self.of:
            cells = {name: batch[name] for name in SYSTEM_COLUMNS} | cells
        elif self.dataset_id:
            constants = {"dataset_id": self.dataset_id, "part": self.part, "publisher": self.publisher}
            cells = {n: pa.repeat(pa.scalar(constants[n]), len(batch)) for n in SYSTEM_COLUMNS} | cells
        return pa.RecordBatch.from_pydict(cells)


def count(data: bytes) -> int:
    """Rows of canonical CSV. A quoted cell may hold line breaks; without a quote there is none."""
    return (len(records(data)) if b'"' in data else data.count(b"\n")) - 1


def header(data: bytes) -> bytes:
    """The first line, with its end; nothing of nothing."""
    return data[:data.find(b"\n") + 1]


def read_together(parts: Sequence[PartRows], texts: Sequence[bytes]) -> tuple[pa.RecordBatch | None, list[Span]]:
    """The rows of small parts under one header (`texts`: what they load) as one batch, and where each part's lie in it.

    None where there are none.
    """
    spans = list(itertools.pairwise(itertools.accumulate(map(count, texts), initial=0)))
    start = header(texts[0])
    batch = next(parts[0].batches(b"".join([start, *(memoryview(text)[len(start):] for text in texts)])), None)
    if spans[-1][1] != (0 if batch is None else len(batch)):
        raise ValueError(f"{parts[0].domain.name}: {spans[-1][1]} rows were counted, others read")
    return batch, [Span(first, end - first) for first, end in spans]


def together(parts: Sequence[PartRows]) -> tuple[PartRows, ...]:
    """Few rows in many parts of one dataset as one part, in their order: a form takes a part's time, not its rows'.

    Parts that are large together, or spelt in other columns than the domain has now, stay as they are.
    """
    pieces, size = [], 0
    for part in parts:
        data = part.load()
        lines, size = part.lines(data), size + len(data)
        if lines is None or size > FEW_BYTES:
            return tuple(parts)
        pieces.append(lines)
    if len(parts) < 2:
        return tuple(parts)
    domain = parts[0].domain
    whole = b"".join([(",".join(domain.field_names) + "\n").encode(), *pieces])
    sha256 = hashlib.sha256(whole).hexdigest()
    return (PartRows(domain, parts[0].part, sha256, {sha256: whole}.__getitem__),)


def neighbours(parts: Iterable[PartRows]) -> Iterator[PartRows]:
    """The parts of a table over all bodies, in their order: small ones that lie beside each other as one.

    Where one ends hangs on the ids of the datasets, so that a change of one of them leaves the others' pieces.
    """
    listed = list(parts)
    digits = 1 if len(listed) <= FEW_PARTS else 2
    for _, group in groupby(listed, lambda part: (
            part.dataset_id[:digits] if part.rows is not None and part.rows <= FEW_ROWS else part.key)):
        several = tuple(group)
        yield several[0] if len(several) == 1 else PartRows(
            several[0].domain, "", "", several[0].read, rows=sum(part.rows or 0 for part in several), of=several)


@dataclass(frozen=True, slots=True)
class Content:
    """One table on its way into the forms: its parts in the order of the files. `whole`: all bodies of the domain.

    `updated` is the time (ISO 8601) of the publication that the rows come from.
    """

    domain: Domain
    parts: tuple[PartRows, ...]
    whole: bool
    name: str
    title: Text
    publisher: str
    updated: str
    licence: str
    licence_url: str
    address: str

    @property
    def columns(self) -> list[Column]:
        return columns(self.domain, whole=self.whole)


def columns(domain: Domain, *, whole: bool) -> list[Column]:
    return _columns(domain)[whole]


@once
def _columns(domain: Domain) -> dict[bool, list[Column]]:
    own = [Column(f.name, f.title, f.pg_type, f.unit or "") for f in domain.fields]
    return {False: own, True: [Column(name, title, "text", "") for name, title in SYSTEM_COLUMNS.items()] + own}


def _reading(names: list[str], *, threads: bool) -> dict[str, Any]:
    return {
        "read_options": pacsv.ReadOptions(block_size=BLOCK, use_threads=threads),
        "parse_options": pacsv.ParseOptions(newlines_in_values=True),
        "convert_options": pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True,
            quoted_strings_can_be_null=False),
    }
