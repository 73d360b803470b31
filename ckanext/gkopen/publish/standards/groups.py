"""Rows of a domain over all bodies, brought together by a field, in memory that does not grow with the table."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from ckanext.gkopen import scratch
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.publish.standards.exact import Row
from ckanext.gkopen.publish.table_rows import records

_SLICE = 20_000
_TOGETHER = 4 << 20
"""Bytes of small parts that are read at once: Arrow's reader takes longer to make ready than to read a few rows."""
SYSTEM = ("dataset_id", "public_at")
"""What a row says beside its domain's fields: whose it is, and since when its part is public (RFC 3339)."""


class Gathered:
    """The rows of canonical parts, all cells as text, in a file of Arrow's own while the object is open.

    `parts`: dataset id, time of its publication, content.
    """

    def __init__(self, domain: Domain, parts: Iterable[tuple[str, str, bytes]]) -> None:
        self.domain = domain
        self._work = ExitStack()
        path = self._work.enter_context(scratch.folder()) / "rows.arrow"
        schema = pa.schema([(name, pa.string()) for name in (*SYSTEM, *domain.field_names)])
        with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, schema) as writer:
            for header, several in _together(parts):
                text = _text(b"\n".join([header, b"".join(rows for _, _, rows in several)]))
                empty = pa.nulls(text.num_rows, pa.string())
                of = np.repeat(np.arange(len(several)), [_count(rows) for _, _, rows in several])
                said = [pa.array([part[place] for part in several], pa.string()).take(pa.array(of))
                        for place in range(len(SYSTEM))]
                writer.write_table(pa.table(said + [text[name] if name in text.column_names else empty
                                                    for name in domain.field_names], schema=schema))
        self._map = pa.memory_map(str(path))
        self.table = pa.ipc.open_file(self._map).read_all()

    def __enter__(self) -> Gathered:
        return self

    def __exit__(self, *_: object) -> None:
        del self.table
        self._map.close()
        self._work.close()

    def values(self, name: str, **where: str) -> set[str]:
        """Every value that stands in a field; `where`: only in rows with these values."""
        table = self.table
        for field, value in where.items():
            table = table.filter(pc.equal(table[field], value))
        return set(table[name].unique().drop_null().to_pylist())

    def rows(self, name: str = "", values: list[str] | None = None) -> list[Row]:
        """All rows, those that have something in a field, or those with one of `values` in it."""
        table = self.table
        if values is not None:
            table = table.filter(pc.is_in(table[name], value_set=pa.array(values, pa.string())))
        elif name:
            table = table.filter(pc.is_valid(table[name]))
        return table.to_pylist()

    def without(self, name: str) -> int:
        """Number of rows that have nothing in a field."""
        return self.table[name].null_count

    def by(self, name: str) -> Iterator[tuple[str, list[Row]]]:
        """Value of the field and its rows, in the order of the values; rows without a value are left out."""
        order = pc.sort_indices(self.table, [(name, "ascending"), *((key, "ascending") for key in self.domain.key)])
        order = order.slice(0, len(order) - self.without(name))  # nulls come last
        rows = itertools.chain.from_iterable(
            self.table.take(order.slice(start, _SLICE)).to_pylist() for start in range(0, len(order), _SLICE))
        for value, group in itertools.groupby(rows, lambda row: row[name]):
            yield value, list(group)


def _together(parts: Iterable[tuple[str, str, bytes]]) -> Iterator[tuple[bytes, list[tuple[str, str, bytes]]]]:
    """Header, and the parts with it that follow each other: dataset id, time, lines of the rows."""
    held, several, size = b"", [], 0
    for dataset_id, public_at, data in parts:
        header, _, rows = data.partition(b"\n")
        if several and (header != held or size + len(rows) > _TOGETHER):
            yield held, several
            several, size = [], 0
        held, size = header, size + len(rows)
        several.append((dataset_id, public_at, rows))
    if several:
        yield held, several


def _count(rows: bytes) -> int:
    """Records of canonical CSV without its header; a quoted cell may hold line breaks."""
    return len(records(rows)) if b'"' in rows else rows.count(b"\n")


def _text(data: bytes) -> pa.Table:
    """Canonical CSV with all cells as text: nothing is typed, so nothing can change its digits."""
    names = data[: data.index(b"\n")].decode().split(",")
    return pacsv.read_csv(
        pa.BufferReader(data), read_options=pacsv.ReadOptions(block_size=8 << 20),
        parse_options=pacsv.ParseOptions(newlines_in_values=b'"' in data, ignore_empty_lines=False),
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), null_values=[""],
                                             strings_can_be_null=True, quoted_strings_can_be_null=True))
