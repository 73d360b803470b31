"""Rows of text from columns of text, without a step a row."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.normalise.cells import any_byte


def joined(pieces: list[pa.Array | str]) -> pa.Array:
    """A text a row: all pieces behind each other. At least one piece is an array, and none has a null."""
    return pc.binary_join_element_wise(*_merged(pieces), "")


def text_of(rows: pa.Array) -> memoryview:
    """The texts behind each other, as bytes."""
    if not len(rows):
        return memoryview(b"")
    # The texts of an Arrow array lie behind each other in one buffer.
    _, ends, text = rows.buffers()
    offsets = memoryview(ends).cast("i")
    return memoryview(text)[offsets[rows.offset] : offsets[rows.offset + len(rows)]]


def _merged(pieces: list[pa.Array | str]) -> list[pa.Array | str]:
    """Constant texts that follow each other as one: each piece is copied once for every row."""
    merged: list[pa.Array | str] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def between(before: str, cells: pa.Array, after: str, otherwise: str) -> list[pa.Array | str]:
    """Pieces of one column: each cell between two texts, and `otherwise` where it is null."""
    if not cells.null_count:
        return [before, cells, after]
    if cells.null_count == len(cells):
        return [otherwise]
    return [pc.fill_null(pc.binary_join_element_wise(before, cells, after, ""), otherwise)]


def csv_lines(batch: pa.RecordBatch) -> pa.Array:
    """The rows in the spelling of the canonical CSV: quotes only where a cell needs them. Arrow quotes every text."""
    pieces: list[pa.Array | str] = []
    for column in batch.columns:
        pieces += [pc.fill_null(_quoted(column), ""), ","]
    return joined([*pieces[:-1], "\n"])


def _quoted(cells: pa.Array) -> pa.Array:
    if not any_byte(cells, b'",\r\n'):
        return cells
    special = pc.match_substring_regex(cells, r'[",\r\n]')
    doubled = pc.replace_substring(cells, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), cells)
