"""Text that a program on the way has spoilt: read in the wrong encoding, or markup of a page in a cell of a table."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa

from ckanext.gkopen.normalise.cells import any_byte, by_distinct, matches

SAMPLE = 200
"""Cells at the beginning of a file that are looked at for UTF-8 read as GBK: what does that does it to all."""

_WESTERN = "[ä-é][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]{2}"
"""Three bytes of a Chinese character, each read as a sign of Latin-1 or Windows-1252."""
_LEADS = "[" + "".join(bytes([lead, trail]).decode("gb18030") for lead in range(0xE4, 0xEA)
                       for trail in range(0x80, 0xC0)) + "]"
"""The first two bytes of a Chinese character, read as GBK."""
_MARKUP = (r"(?i)</?(?:br|p|div|span|a|table|tbody|tr|td|th|img|font|b|strong|em|ul|ol|li|script|style|h[1-6])"
           r"(?:\s[^>]*)?/?>"
           r"|&(?:nbsp|lt|gt|amp|quot|ldquo|rdquo|#\d+);|^(?:\{\s*\"|\[\s*[{\"]).*[}\]]$")


def misread(column: pa.Array, bounds: np.ndarray) -> np.ndarray | None:
    """Mask of cells whose UTF-8 was read as Latin-1 (åœè½¦) or as GBK (鍋滆溅); None where there are none. `bounds`:
    first cell of each file, and the number of all cells."""
    mask = matches(column, _WESTERN) if any_byte(column, b"\xc3") else np.zeros(len(column), bool)
    for start, end in _files_read_as_gbk(column, bounds):
        cells = by_distinct(column.slice(start, end - start), _read_as_gbk, pa.bool_())
        mask[start:end] |= cells.fill_null(False).to_numpy(zero_copy_only=False)
    return mask if mask.any() else None


def _files_read_as_gbk(column: pa.Array, bounds: np.ndarray) -> list[tuple[int, int]]:
    """Start and end of the files in whose first cells there is such a one."""
    first = np.concatenate([np.arange(start, min(start + SAMPLE, end)) for start, end in pairwise(bounds.tolist())])
    cells = column.take(pa.array(first)) if len(first) < len(column) else column
    hits = np.flatnonzero(matches(cells, _LEADS))
    texts = cells.take(pa.array(hits)).to_pylist()
    rows = [int(first[hit]) for hit, text in zip(hits, texts, strict=True) if _read_as_gbk(text)]
    found = set(np.searchsorted(bounds, rows, side="right") - 1)
    return [(int(bounds[number]), int(bounds[number + 1])) for number in sorted(found)]


def markup(column: pa.Array) -> np.ndarray | None:
    """Mask of cells with tags or entities of HTML, or that are JSON; None where there are none."""
    if not any_byte(column, b"<&{["):
        return None
    mask = matches(column, _MARKUP)
    return mask if mask.any() else None


def _read_as_gbk(cell: str) -> bool:
    """Whether the bytes of a cell in GBK are UTF-8 of two Chinese characters or more. An odd byte at the end became a
    sign that is lost."""
    if cell.isascii():
        return False
    try:
        data = cell.rstrip("?�").encode("gb18030")
        text = data[:len(data) - _cut(data)].decode()
    except UnicodeError:
        return False
    return sum("一" <= sign <= "鿿" for sign in text) >= 2


def _cut(data: bytes) -> int:
    """Bytes at the end that begin a character of UTF-8 and do not end it."""
    for back in (1, 2):
        if len(data) >= back and data[-back] >= 0xE0:
            return back
    return 0
