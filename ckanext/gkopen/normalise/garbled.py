"""Text that a program on the way has spoilt: read in the wrong encoding, or markup of a page in a cell of a table."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from ckanext.gkopen.normalise.cells import any_byte, by_distinct, matches

SAMPLE = 200
"""Cells at the beginning that are looked at for UTF-8 read as GBK: a program that does that does it to all."""

_WESTERN = re.compile("[ä-é][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]{2}")
"""Three bytes of a Chinese character, each read as a sign of Latin-1 or Windows-1252."""
_MARKUP = (r"(?i)</?(?:br|p|div|span|a|table|tbody|tr|td|th|img|font|b|strong|em|ul|ol|li|script|style|h[1-6])"
           r"(?:\s[^>]*)?/?>"
           r"|&(?:nbsp|lt|gt|amp|quot|ldquo|rdquo|#\d+);|^(?:\{\s*\"|\[\s*[{\"]).*[}\]]$")


def misread(column: pa.Array) -> np.ndarray | None:
    """Mask of cells whose UTF-8 was read as Latin-1 (åœè½¦) or as GBK (鍋滆溅); None where there are none."""
    latin = any_byte(column, b"\xc3")
    if not latin and not any(_read_as_gbk(cell) for cell in set(column.slice(0, SAMPLE).to_pylist()) if cell):
        return None
    found = by_distinct(column, lambda cell: bool(_WESTERN.search(cell)) or _read_as_gbk(cell), pa.bool_())
    mask = found.fill_null(False).to_numpy(zero_copy_only=False)
    return mask if mask.any() else None


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
