"""What every form is made of: the columns, the rows as text, and what is said about them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from ckanext.gkopen.domains import Domain, Text
from ckanext.gkopen.publish.forms.lines import csv_lines
from ckanext.gkopen.publish.table_sql import SYSTEM_COLUMNS

BLOCK = 8 << 20
"""Bytes of CSV that are in memory at once; no row may be longer."""
TO_ARROW = {"text": pa.string(), "int8": pa.int64(), "numeric": pa.decimal128(38, 8), "date": pa.date32(),
            "timestamp": pa.timestamp("s"), "bool": pa.bool_()}


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
class Content:
    """One table on its way into a form. `csv` is the canonical CSV on disk; `whole`: all bodies of the domain.

    `updated` is the time (ISO 8601) of the publication that the rows come from.
    """

    domain: Domain
    csv: Path
    rows: int
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

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, all cells as text, empty cells as null, a few megabytes at a time."""
        with self.csv.open("rb") as file:
            yield from pacsv.open_csv(file, **_reading([column.name for column in self.columns]))


def columns(domain: Domain, *, whole: bool) -> list[Column]:
    system = [Column(name, title, "text", "") for name, title in SYSTEM_COLUMNS.items()] if whole else []
    return system + [Column(f.name, f.title, f.pg_type, f.unit or "") for f in domain.fields]


def read_text(data: bytes) -> pa.Table:
    """Canonical CSV with all cells as text: nothing is typed, so nothing can change its digits."""
    names = data[: data.index(b"\n")].decode().split(",")
    return pacsv.read_csv(io.BytesIO(data), **_reading(names))


def _reading(names: list[str]) -> dict[str, object]:
    return {
        "read_options": pacsv.ReadOptions(block_size=BLOCK),
        "parse_options": pacsv.ParseOptions(newlines_in_values=True),
        "convert_options": pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True,
            quoted_strings_can_be_null=False),
    }


def write_rows(table: pa.Table, out: BinaryIO) -> None:
    for batch in table.to_batches(max_chunksize=1 << 17):
        out.write(csv_lines(batch))


def write_canonical(domain: Domain, parts: Iterable[tuple[str, bytes]], out: BinaryIO) -> int:
    """All parts of one dataset as one canonical CSV in the order of the key; returns the rows.

    A single part is passed on byte by byte: its file has the sha256 that was approved.
    """
    contents = list(parts)
    if len(contents) == 1:
        data = contents[0][1]
        out.write(data)
        return count_rows(data)
    header = (",".join(domain.field_names) + "\n").encode()
    out.write(header)
    if all(data.startswith(header) for _, data in contents):
        body = bytearray()
        while contents:  # each part is let go as soon as its lines are taken
            body += memoryview(contents.pop(0)[1])[len(header):]
        rows = _write_lines(domain, body, out)
        if rows is not None:
            return rows
        contents = [("", header + body)]
    table = _joined(domain, contents, {})
    write_sorted(domain, table, out)
    return table.num_rows


def _write_lines(domain: Domain, body: bytearray, out: BinaryIO) -> int | None:
    """The lines of canonical parts in the order of the typed key, as they are; only the keys are read.

    None, and nothing written, where a cell holds a line break, so that a line is no row.
    """
    ends = np.flatnonzero(np.frombuffer(body, np.uint8) == ord("\n")) + 1
    if not len(ends):
        return 0
    keys = _keys(domain, body)
    if keys.num_rows != len(ends):
        return None
    order = _order(domain, keys)
    if _rises(order):
        out.write(body)
        return len(ends)
    starts = np.concatenate([[0], ends])
    lines = pa.Array.from_buffers(pa.large_binary(), len(ends), [None, pa.py_buffer(starts), pa.py_buffer(body)])
    for start in range(0, len(order), 1 << 17):
        picked = lines.take(order.slice(start, 1 << 17))
        bounds = np.frombuffer(picked.buffers()[1], np.int64)
        out.write(memoryview(picked.buffers()[2])[bounds[picked.offset]:bounds[picked.offset + len(picked)]])
    return len(ends)


def _keys(domain: Domain, body: bytearray) -> pa.Table:
    reading = _reading(list(domain.key))
    reading["read_options"] = pacsv.ReadOptions(block_size=BLOCK, column_names=list(domain.field_names))
    reading["parse_options"] = pacsv.ParseOptions(newlines_in_values=b'"' in body, ignore_empty_lines=False)
    reading["convert_options"].include_columns = list(domain.key)  # type: ignore[union-attr]
    return pacsv.read_csv(pa.BufferReader(body), **reading)


def write_dataset_rows(
    domain: Domain, dataset_id: str, publisher: str, parts: Iterable[tuple[str, bytes]], out: BinaryIO
) -> int:
    """One dataset's rows, without a header, as they stand in the table over all bodies."""
    table = _joined(domain, list(parts), {"dataset_id": dataset_id, "publisher": publisher})
    write_sorted(domain, table, out)
    return table.num_rows


def count_rows(data: bytes) -> int:
    # A quoted cell may hold line breaks; without a quote there is none.
    return data.count(b"\n") - 1 if b'"' not in data else read_text(data).num_rows


def _joined(domain: Domain, contents: list[tuple[str, bytes]], constants: dict[str, str]) -> pa.Table:
    tables = []
    while contents:
        part, data = contents.pop(0)
        table = _current(domain, read_text(data))
        for position, name in enumerate(SYSTEM_COLUMNS if constants else ()):
            value = {**constants, "part": part}[name]
            table = table.add_column(position, name, pa.repeat(pa.scalar(value), table.num_rows))
        tables.append(table)
    if not tables:
        return _current(domain, pa.table({}))
    return pa.concat_tables(tables)


def _current(domain: Domain, table: pa.Table) -> pa.Table:
    """The columns that the domain has now; a part may be older than its version."""
    if tuple(table.column_names) == domain.field_names:
        return table
    empty = pa.nulls(table.num_rows, pa.string())
    return pa.table({n: table[n] if n in table.column_names else empty for n in domain.field_names})


def write_sorted(domain: Domain, table: pa.Table, out: BinaryIO) -> None:
    """Rows in the order of the typed key, in slices, so that there is no second copy of the whole table."""
    order = _order(domain, table)
    if _rises(order):
        write_rows(table, out)
        return
    table = table.combine_chunks()
    for start in range(0, len(order), 1 << 17):
        write_rows(table.take(order.slice(start, 1 << 17)), out)


def _order(domain: Domain, table: pa.Table) -> pa.Array:
    keys = pa.table({name: table[name].cast(TO_ARROW[domain.field(name).pg_type]) for name in domain.key})
    return pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in domain.key])


def _rises(order: pa.Array) -> bool:
    return bool(pc.all(pc.less(order.slice(0, len(order) - 1), order.slice(1))).as_py())
