"""Bytes of a text file → UTF-8, or a refusal that names the line. BOM → strict UTF-8 → strict GB18030 → refused.

Nothing is guessed by statistics: a guesser alone calls short GB18030 text Korean. What GB18030 would swallow though it
is something else (a file of two encodings, Big5) is caught by what such a reading looks like.
"""

from __future__ import annotations

import codecs
import mmap
import re
from pathlib import Path

import pyarrow as pa

from .raw import refuse

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
         (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_BLOCK = 8 << 20
_PRIVATE_USE = re.compile("[\ue000-\uf8ff]")
_HANZI = re.compile("[\u4e00-\u9fff]")


def to_utf8(path: Path) -> tuple[pa.Buffer, str]:
    """The file's text as one UTF-8 buffer without BOM, and the name of the encoding that it had."""
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    for bom, name in _BOMS:
        if data[:4].startswith(bom):
            if name == "utf-8":
                _no_nul(data)
                buffer = pa.py_buffer(data).slice(len(bom))
                _strict_utf8(buffer)
                return buffer, "utf-8-sig"
            return _recode(data, name), name
    _no_nul(data)
    buffer = pa.py_buffer(data)
    if _is_utf8(buffer):
        return buffer, "utf-8"
    return _gb18030(data), "gb18030"


def _no_nul(data: mmap.mmap) -> None:
    position = data.find(b"\0")
    if position >= 0:
        raise refuse("nul-bytes", line=line_of(data, position))


def line_of(data: mmap.mmap, position: int) -> int:
    """1-based line of a byte."""
    line, start = 1, 0
    while start < position:
        end = min(start + _BLOCK, position)
        line += data[start:end].count(b"\n")
        start = end
    return line


def _is_utf8(buffer: pa.Buffer) -> bool:
    """Strict, by Arrow's validator: no copy, ten times as fast as a Python decoder."""
    if buffer.size == 0:
        return True
    offsets = pa.array([0, buffer.size], pa.int64()).buffers()[1]
    whole = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, buffer])
    try:
        whole.cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def _strict_utf8(buffer: pa.Buffer) -> None:
    if not _is_utf8(buffer):
        for number, line in enumerate(buffer.to_pybytes().split(b"\n"), 1):
            if _decode(line, "utf-8") is None:
                raise refuse("encoding-broken", line=number, encoding="UTF-8")


def _recode(data: mmap.mmap, name: str) -> pa.Buffer:
    decoder = codecs.getincrementaldecoder(name)("strict")
    parts, line = [], 1
    for start in range(0, len(data), _BLOCK):
        try:
            text = decoder.decode(data[start:start + _BLOCK], final=start + _BLOCK >= len(data))
            parts.append(text.lstrip("\ufeff").encode() if start == 0 else text.encode())
        except UnicodeError:
            raise refuse("encoding-broken", line=line, encoding=name.upper()) from None
        position = text.find("\0")
        if position >= 0:
            raise refuse("nul-bytes", line=line + text[:position].count("\n"))
        line += text.count("\n")
    return pa.py_buffer(b"".join(parts))


def _gb18030(data: mmap.mmap) -> pa.Buffer:
    """Strict GB18030 by lines: none may be UTF-8 of its own, and the whole must look like Chinese."""
    out: list[bytes] = []
    first_utf8 = first_gb = first_bad = 0
    hanzi = level_one = private = 0
    for number, line in enumerate(iter(data.readline, b""), 1):
        if line.isascii():
            out.append(line)
            continue
        as_utf8 = _decode(line, "utf-8")
        if as_utf8 is not None and _chinese_enough(as_utf8):
            first_utf8 = first_utf8 or number
            out.append(line)
            continue
        text = _decode(line, "gb18030")
        if text is None:
            first_bad = first_bad or number
            continue
        first_gb = first_gb or number
        if hanzi < 50_000:
            private += len(_PRIVATE_USE.findall(text))
            characters = _HANZI.findall(text)
            hanzi += len(characters)
            level_one += sum(1 for char in characters if _level_one(char))
        out.append(text.encode())
    if first_utf8 and (first_gb or first_bad):
        raise refuse("encoding-mixed", line=max(first_utf8, first_gb or first_bad), utf8_line=first_utf8,
                     other_line=first_gb or first_bad)
    if first_bad:
        raise refuse("encoding-unknown", line=first_bad)
    if private * 50 > hanzi + private or (hanzi >= 10 and level_one < hanzi * 0.4):
        raise refuse("encoding-unknown", line=first_gb)
    return pa.py_buffer(b"".join(out))


def _decode(line: bytes, name: str) -> str | None:
    try:
        return line.decode(name)
    except UnicodeDecodeError:
        return None


def _chinese_enough(text: str) -> bool:
    """Could this line, valid as UTF-8, be GB18030 by accident? Accidents decode to Latin, Greek, Cyrillic letters."""
    odd = [char for char in text if char > "\x7f"]
    return len(odd) >= 2 and all(char >= "\u2010" for char in odd)


def _level_one(char: str) -> bool:
    """One of the 3,755 most frequent characters of GB 2312."""
    code = char.encode("gb18030")
    return len(code) == 2 and 0xB0 <= code[0] <= 0xD7 and code[1] >= 0xA1
