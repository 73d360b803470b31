"""Text of whole columns: cleaning where it is needed, and work on distinct values only."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.labels import INVISIBLE, clean

_CONTROL = "".join(map(chr, [*range(0, 9), 11, 12, *range(14, 32), *range(127, 160)]))
_MARKS = dict.fromkeys(map(ord, INVISIBLE + _CONTROL))
_LINES = re.compile(r"[ \t\u00a0\u3000]*(?:\r\n|\r|\n)")
REPLACEMENT = "\ufffd"


def flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array without a chunk structure."""
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column


def tidy(column: pa.Array, keep_lines: bool = False) -> tuple[pa.Array, bool]:
    """Invisible marks and outer spaces gone; inner white space becomes one space unless `keep_lines`.

    Also says whether anything but outer spaces was changed. Looks at bytes first: a clean column costs nothing.
    """
    if not _is_odd(column):
        return column, False
    if keep_lines:
        cleaned = by_distinct(column, _clean_lines, pa.string())
    else:
        cleaned = by_distinct(column, lambda text: clean(text.translate(_MARKS)), pa.string())
    trimmed = pc.utf8_trim_whitespace(column)
    return cleaned, bool(pc.any(pc.not_equal(cleaned, trimmed)).as_py())


def _clean_lines(text: str) -> str:
    return _LINES.sub("\n", text.translate(_MARKS)).strip()


def _is_odd(column: pa.Array) -> bool:
    """A control byte, an outer space, or the first byte of an invisible mark or odd space anywhere in the column."""
    data, offsets = text_bytes(column)
    if not data.size:
        return False
    if (data < 0x21).any():
        if (data < 0x20).any():
            return True
        filled = offsets[1:] > offsets[:-1]
        first, last = data[offsets[:-1][filled]], data[offsets[1:][filled] - 1]
        if (first == 0x20).any() or (last == 0x20).any():
            return True
        spaces = np.flatnonzero(data == 0x20)
        if (np.diff(spaces) == 1).any():
            return True
    if (data == 0x7F).any():
        return True
    for lead in (0xC2, 0xE2, 0xE3, 0xEF):
        at = np.flatnonzero(data == lead)
        at = at[at < data.size - 2]
        if not at.size:
            continue
        second, third = data[at + 1], data[at + 2]
        if lead == 0xC2:
            hit = (second <= 0xA0) | (second == 0xAD)
        elif lead == 0xE2:
            hit = ((second == 0x80) & ((third <= 0x8F) | (third >= 0xA8) & (third <= 0xAF))) | (
                (second == 0x81) & ((third <= 0xA4) & (third >= 0x9F)))
        elif lead == 0xE3:
            hit = (second == 0x80) & (third == 0x80)
        else:
            hit = (second == 0xBB) & (third == 0xBF)
        if hit.any():
            return True
    return False


def text_bytes(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The text bytes of an array and the offsets of its cells in them."""
    _, offsets, data = column.buffers()
    if data is None or not len(column):
        return np.empty(0, np.uint8), np.zeros(1, np.int32)
    bounds = np.frombuffer(offsets, np.int32)[column.offset:column.offset + len(column) + 1]
    start, end = int(bounds[0]), int(bounds[-1])
    return np.frombuffer(data, np.uint8)[start:end], bounds - start


def any_byte(column: pa.Array, signs: bytes) -> bool:
    """Does any of these bytes stand anywhere in the column? For a first look before any cell is compared."""
    data, _ = text_bytes(column)
    low = bytes(sign for sign in signs if sign < 0x30)  # in Chinese text these are few: one look answers for all
    if low and data.size and (data <= max(low)).any() and any((data == sign).any() for sign in low):
        return True
    return any((data == sign).any() for sign in signs if sign >= 0x30)


def has_text(column: pa.Array, text: str) -> bool:
    """Does the text stand anywhere in the column? Its first byte is sought before any cell is compared."""
    data, _ = text_bytes(column)
    if not (data == text.encode()[0]).any():
        return False
    return bool(pc.any(pc.match_substring(column, text)).as_py())


def by_distinct(column: pa.Array, function: Callable[[str], Any], kind: pa.DataType) -> pa.Array:
    """`function` once for each distinct text; its results (None = null) in the column's order."""
    encoded = column.dictionary_encode()
    results = pa.array([None if text is None else function(text) for text in encoded.dictionary.to_pylist()], kind)
    return results.take(encoded.indices)


def matches(column: pa.Array, pattern: str) -> np.ndarray:
    """Rows in which the pattern is found; null is no match. Look-around, which Arrow's RE2 lacks, goes to Python."""
    try:
        return as_mask(pc.match_substring_regex(column, pattern))
    except pa.ArrowInvalid:
        search = re.compile(pattern).search
        return as_mask(by_distinct(column, lambda text: search(text) is not None, pa.bool_()))


def empty(column: pa.Array) -> np.ndarray:
    """Mask of cells without text."""
    return as_mask(pc.equal(pc.binary_length(column), 0))


def as_mask(array: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A boolean array as numpy, null as false."""
    if array.null_count:
        array = pc.fill_null(array, False)
    return array.to_numpy(zero_copy_only=False)


def nulled(column: pa.Array) -> pa.Array:
    """Empty text as null."""
    blank = pc.equal(pc.binary_length(column), 0)
    if not pc.any(blank).as_py():
        return column
    return pc.if_else(blank, pa.scalar(None, pa.string()), column)
