"""Text of whole columns: cleaning where it is needed, and work on distinct values only."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.labels import INVISIBLE, clean

_CONTROL = "".join(map(chr, [*range(0, 9), 11, 12, *range(14, 32), *range(127, 160)]))
_MARKS = dict.fromkeys(map(ord, INVISIBLE + _CONTROL))
_LINES, _BLANKS = re.compile(r"\r\n|\r|\n"), " \t\u00a0\u3000"
REPLACEMENT = "\ufffd"
MANY = 50_000
"""From so many rows on a second thread costs less than it saves."""
T = TypeVar("T")
R = TypeVar("R")


def side_by_side(function: Callable[[T], R], items: Iterable[T], rows: int) -> Iterator[R]:
    """`function` of each item, in their order; for many rows on all processors, since Arrow works without the GIL."""
    if rows < MANY:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        yield from threads.map(function, items)


def flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array without a chunk structure."""
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column


def tidy(column: pa.Array, keep_lines: bool = False) -> tuple[pa.Array, np.ndarray | None]:
    """Invisible marks and outer spaces gone; inner white space becomes one space unless `keep_lines`.

    Also says of which cells anything but outer spaces was changed (None: of none). Looks at bytes first: a clean
    column costs nothing.
    """
    if not _is_odd(column):
        return column, None
    if keep_lines:
        cleaned = by_distinct(column, _clean_lines, pa.string())
    else:
        cleaned = by_distinct(column, lambda text: clean(text.translate(_MARKS)), pa.string())
    trimmed = pc.utf8_trim_whitespace(column)
    return cleaned, as_mask(pc.not_equal(cleaned, trimmed))


def _clean_lines(text: str) -> str:
    return "\n".join(line.rstrip(_BLANKS) for line in _LINES.split(text.translate(_MARKS))).strip()


def _is_odd(column: pa.Array) -> bool:
    """A control byte, an outer space, or the first byte of an invisible mark or odd space anywhere in the column."""
    data, offsets = text_bytes(column)
    if not data.size:
        return False
    spaces = False
    for block in _blocks(data, 2):
        if block.min() < 0x21:
            if (block < 0x20).any():
                return True
            at = np.flatnonzero(block == 0x20)
            if (np.diff(at) == 1).any():
                return True
            spaces = True
        there = block.tobytes()  # most of these bytes stand nowhere in a column, which is soon seen
        if b"\x7f" in there or any(bytes([first]) in there and _holds(block, first, *spans) for first, *spans in _ODD):
            return True
    if not spaces:
        return False
    filled = offsets[1:] > offsets[:-1]
    return bool((data[offsets[:-1][filled]] == 0x20).any() or (data[offsets[1:][filled] - 1] == 0x20).any())


_ODD: tuple[tuple[int, *tuple[tuple[tuple[int, int], ...], ...]], ...] = (
    (0xC2, ((0x80, 0xA0), (0xAD, 0xAD))),
    (0xE2, ((0x80, 0x80),), ((0x80, 0x8F), (0xA8, 0xAF))), (0xE2, ((0x81, 0x81),), ((0x9F, 0xA4),)),
    (0xE3, ((0x80, 0x80),), ((0x80, 0x80),)), (0xEF, ((0xBB, 0xBB),), ((0xBF, 0xBF),)),
)
"""Bytes of invisible marks and odd spaces: the first, and from which to which the second and the third may be."""
_BLOCK = 1 << 18
"""Bytes that are looked at together: what is compared then stays in the processor's cache."""


def _blocks(data: np.ndarray, overlap: int) -> Iterator[np.ndarray]:
    """The bytes piece by piece, each with `overlap` bytes of the next one, so that no sign is cut."""
    for start in range(0, data.size, _BLOCK):
        yield data[start:start + _BLOCK + overlap]


def _holds(block: np.ndarray, first: int, *ranges: tuple[tuple[int, int], ...]) -> bool:
    """Does a byte `first` stand there, the bytes behind which lie in these ranges?"""
    at = np.flatnonzero(block == first)
    for place, spans in enumerate(ranges, 1):
        if not at.size:
            return False
        at = at[at < block.size - place]
        byte = block[at + place]
        at = at[np.logical_or.reduce([(byte >= low) & (byte <= high) for low, high in spans])]
    return bool(at.size)


def text_bytes(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The text bytes of an array and the offsets of its cells in them."""
    _, offsets, data = column.buffers()
    if data is None or not len(column):
        return np.empty(0, np.uint8), np.zeros(1, np.int32)
    bounds = np.frombuffer(offsets, np.int32)[column.offset:column.offset + len(column) + 1]
    start, end = int(bounds[0]), int(bounds[-1])
    return np.frombuffer(data, np.uint8)[start:end], bounds - start


def may_begin(column: pa.Array, characters: str) -> np.ndarray:
    """Rows whose text may begin with one of these characters, ASCII or Chinese, once it is narrowed: those that begin
    with a space, a sign that nobody sees or a wide form are among them."""
    data, bounds = text_bytes(column)
    at = bounds[:-1].astype(np.int64)
    rows = np.flatnonzero(bounds[1:] > at)
    first = data[at[rows]]
    surely, perhaps = np.zeros(256, bool), np.zeros(256, bool)
    surely[[*range(0x21), *_UNSEEN]] = True
    codes = set()
    for encoded in (character.encode() for character in characters):
        (surely if len(encoded) == 1 else perhaps)[encoded[0]] = True
        codes.add(int.from_bytes(encoded))
    found = surely[first]
    third = np.flatnonzero(perhaps[first] & ~found)
    place = at[rows[third]]
    code = data[place].astype(np.int32) << 16 | data[place + 1].astype(np.int32) << 8 | data[place + 2]
    found[third] = np.isin(code, [*codes])
    return rows[found]


_UNSEEN = (0x7F, 0xC2, 0xE2, 0xE3, 0xEF)
"""First bytes of odd spaces, marks without width, dashes, radicals, full-width and compatible forms in UTF-8."""


def any_byte(column: pa.Array, signs: bytes) -> bool:
    """Does any of these bytes stand anywhere in the column? For a first look before any cell is compared."""
    data, _ = text_bytes(column)
    high = max(signs)
    for block in _blocks(data, 0):
        if high >= 0x30 or block.min() <= high:  # in Chinese text bytes below are few: one look answers for all
            found = block.tobytes()
            if any(sign in found for sign in signs):
                return True
    return False


def may_hold(column: pa.Array, text: str) -> bool:
    """Could the text stand in a cell? False is sure; true may be the end of one cell and the start of the next."""
    data, _ = text_bytes(column)
    if data.size < _BLOCK:
        return text.encode() in data.tobytes()
    first, *rest = text.encode()
    spans = [((byte, byte),) for byte in rest]
    return any(_holds(block, first, *spans) for block in _blocks(data, len(spans)))


def has_text(column: pa.Array, text: str) -> bool:
    """Does the text stand anywhere in the column? Its bytes are sought before any cell is compared."""
    return may_hold(column, text) and bool(pc.any(pc.match_substring(column, text)).as_py())


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
    """Mask of cells without text; null is none of them."""
    blank = lengths(column) == 0
    return blank & as_mask(pc.is_valid(column)) if column.null_count else blank


def lengths(column: pa.Array) -> np.ndarray:
    """Bytes of each cell; 0 of a null."""
    offsets = column.buffers()[1]
    if not len(column) or offsets is None:
        return np.zeros(len(column), np.int32)
    return np.diff(np.frombuffer(offsets, np.int32)[column.offset:column.offset + len(column) + 1])


def as_mask(array: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A boolean array as numpy, null as false."""
    if array.null_count:
        array = pc.fill_null(array, False)
    return array.to_numpy(zero_copy_only=False)


def nulled(column: pa.Array) -> pa.Array:
    """Empty text as null."""
    blank = empty(column)
    return pc.if_else(pa.array(blank), pa.scalar(None, pa.string()), column) if blank.any() else column
