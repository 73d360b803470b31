"""Rows of text from columns of text, without a step a row."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def joined(pieces: list[pa.Array | str]) -> memoryview:
    """Row by row, all pieces behind each other, as bytes. At least one piece is an array, and none has a null."""
    rows = pc.binary_join_element_wise(*pieces, "")
    if not len(rows):
        return memoryview(b"")
    # The texts of an Arrow array lie behind each other in one buffer.
    _, ends, text = rows.buffers()
    offsets = memoryview(ends).cast("i")
    return memoryview(text)[offsets[rows.offset] : offsets[rows.offset + len(rows)]]


def csv_lines(batch: pa.RecordBatch) -> memoryview:
    """The rows in the spelling of the canonical CSV: quotes only where a cell needs them. Arrow quotes every text."""
    pieces: list[pa.Array | str] = []
    for column in batch.columns:
        pieces += [pc.fill_null(_quoted(column), ""), ","]
    return joined([*pieces[:-1], "\n"])


def _quoted(cells: pa.Array) -> pa.Array:
    special = pc.match_substring_regex(cells, r'[",\r\n]')
    if not pc.any(special).as_py():
        return cells
    doubled = pc.replace_substring(cells, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), cells)
