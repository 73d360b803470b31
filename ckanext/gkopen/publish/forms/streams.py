"""Files that grow part by part, as they are and compressed, so that a part that did not change is copied.

Each piece (the rows of one part) is compressed for itself: as deflate blocks that end on a byte (RFC 1951) and as
zstd frames (RFC 8878). Blocks and frames may be put behind each other, so the pieces of yesterday's file are pieces of
today's, and a file that was patched is byte by byte the file that would be made anew.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from ckanext.gkopen.publish.forms.spool import Spool

IDENTITY, GZIP, ZSTD = "identity", "gzip", "zstd"
SUFFIX = {IDENTITY: "", GZIP: ".gz", ZSTD: ".zst"}
"""Content coding (RFC 9110, 8.4.1) → what is behind the name of its file."""
LEVEL = 3
"""Of deflate and of zstd: from here on a higher level costs more time than it saves bytes."""
MADE_BY = f"deflate {zlib.ZLIB_RUNTIME_VERSION} arrow {pa.__version__}"
"""Pieces that another version compressed are not put beside those of this one."""
CHUNK = 1 << 20
FRAME = 8 << 20
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"  # no name, no time
LAST_BLOCK = b"\x03\x00"


class Damaged(Exception):
    """A kept piece is not what it was when it was written."""


class Span(NamedTuple):
    """Where a piece lies in the file of one coding, in bytes, and its CRC-32 there."""

    offset: int
    length: int
    crc: int


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows of one part in a file. `size` and `crc`: of the uncompressed bytes."""

    rows: int
    size: int
    crc: int
    spans: Mapping[str, Span]

    def moved(self, coding: str, by: int) -> Piece:
        offset, length, crc = self.spans[coding]
        return Piece(self.rows, self.size, self.crc, {**self.spans, coding: Span(offset + by, length, crc)})

    def as_json(self) -> list[Any]:
        return [self.rows, self.size, self.crc, {coding: list(span) for coding, span in self.spans.items()}]

    @classmethod
    def from_json(cls, said: list[Any]) -> Piece:
        rows, size, crc, spans = said
        return cls(rows, size, crc, {coding: Span(*span) for coding, span in spans.items()})


class Kept(Protocol):
    """The pieces of the file that is there already, by their key, and their bytes."""

    pieces: Mapping[str, Piece]

    def read(self, coding: str, offset: int, length: int) -> Iterator[bytes]: ...


class Packed(NamedTuple):
    """A text that many files share, compressed once: what a piece of it is in each coding. `size` and `crc`: of it."""

    size: int
    crc: int
    codings: Mapping[str, bytes]

    @classmethod
    def of(cls, text: bytes) -> Packed:
        deflate = _deflate()
        return cls(len(text), zlib.crc32(text), {
            IDENTITY: text, GZIP: deflate.compress(text) + deflate.flush(zlib.Z_FULL_FLUSH),
            ZSTD: b"".join(_frames(pa.Codec("zstd", LEVEL), text))})


def _deflate() -> Any:
    return zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)


def _frames(codec: pa.Codec, data: bytes | memoryview) -> Iterator[bytes]:
    for start in range(0, len(data), FRAME):
        yield codec.compress(memoryview(data)[start:start + FRAME], asbytes=True)


@dataclass(slots=True)
class _Out:
    file: Spool
    digest: Any = None
    place: int = 0
    crc: int = 0
    start: int = field(default=0, init=False)

    def write(self, data: bytes | memoryview) -> None:
        self.file.write(data)
        if self.digest is not None:
            self.digest.update(data)
        self.crc = zlib.crc32(data, self.crc)
        self.place += len(data)

    def begin(self) -> None:
        self.start, self.crc = self.place, 0

    @property
    def span(self) -> Span:
        return Span(self.start, self.place - self.start, self.crc)


class Stream:
    """One file in one to three codings. `begin`, any number of `write`, `end` make a piece; `copy` takes a kept one."""

    def __init__(self, path: Path, codings: Iterable[str]) -> None:
        self.outs = {coding: _Out(Spool(path.with_name(path.name + SUFFIX[coding])),
                                  hashlib.sha256() if coding == IDENTITY else None) for coding in codings}
        self.size = self.crc = self.rows = 0
        self.pieces: dict[str, Piece] = {}
        self._zstd = pa.Codec("zstd", LEVEL)
        self._size = self._crc = 0
        self._deflate: Any = None
        if GZIP in self.outs:
            self.outs[GZIP].write(GZIP_HEADER)

    def begin(self) -> None:
        self._size = self._crc = 0
        for out in self.outs.values():
            out.begin()
        self._deflate = _deflate()

    def write(self, data: bytes | memoryview) -> None:
        self._size += len(data)
        self._crc = zlib.crc32(data, self._crc)
        if IDENTITY in self.outs:
            self.outs[IDENTITY].write(data)
        if GZIP in self.outs:
            self.outs[GZIP].write(self._deflate.compress(data))
        if ZSTD in self.outs:
            for frame in _frames(self._zstd, data):
                self.outs[ZSTD].write(frame)

    def end(self, key: str = "", rows: int = 0) -> None:
        """`key` names what the piece was made of; without one it is not kept (a heading)."""
        if GZIP in self.outs:
            self.outs[GZIP].write(self._deflate.flush(zlib.Z_FULL_FLUSH))
        self._add(key, Piece(rows, self._size, self._crc, {coding: out.span for coding, out in self.outs.items()}))

    def add(self, packed: Packed) -> None:
        """A piece that is not kept, as it was compressed before."""
        for coding, out in self.outs.items():
            out.write(packed.codings[coding])
        self._add("", Piece(0, packed.size, packed.crc, {}))

    def copy(self, key: str, kept: Kept) -> None:
        """:raises Damaged: the kept bytes were changed"""
        piece = kept.pieces[key]
        for coding, out in self.outs.items():
            out.begin()
            for data in kept.read(coding, *piece.spans[coding][:2]):
                out.write(data)
            if out.span[1:] != piece.spans[coding][1:]:
                raise Damaged(f"{out.file.path.name}: {key}")
        self._add(key, Piece(piece.rows, piece.size, piece.crc, {c: out.span for c, out in self.outs.items()}))

    def _add(self, key: str, piece: Piece) -> None:
        self.crc = joined_crc(self.crc, piece.crc, piece.size)
        self.size += piece.size
        self.rows += piece.rows
        if key:
            self.pieces[key] = piece

    def close(self) -> None:
        if GZIP in self.outs:
            told = self.crc.to_bytes(4, "little") + (self.size % 2**32).to_bytes(4, "little")
            self.outs[GZIP].write(LAST_BLOCK + told)
        for out in self.outs.values():
            out.file.close()

    def file(self, coding: str) -> Spool:
        return self.outs[coding].file

    @property
    def sha256(self) -> str:
        """Of the uncompressed file."""
        return self.outs[IDENTITY].digest.hexdigest()


def chunks(read: Callable[[int], bytes], length: int) -> Iterator[bytes]:
    """At most `length` bytes of a file that is open at the right place."""
    while length > 0 and (data := read(min(CHUNK, length))):
        length -= len(data)
        yield data


def joined_crc(first: int, second: int, length: int) -> int:
    """CRC-32 of two texts behind each other, from theirs and the length of the second (as zlib's crc32_combine)."""
    if not first:
        return second
    power, exponent, factor = 3, length, 1 << 31
    while exponent:
        if exponent & 1:
            factor = _times(_squared(power % 32), factor)
        exponent >>= 1
        power += 1
    return _times(factor, first) ^ second


@cache
def _squared(power: int) -> int:
    """x to the power of 2**`power`, as a polynomial over GF(2) modulo that of CRC-32, bits reversed."""
    return 1 << 30 if power == 0 else _times(_squared(power - 1), _squared(power - 1))


def _times(one: int, other: int) -> int:
    product, bit = 0, 1 << 31
    while bit:
        if one & bit:
            product ^= other
        bit >>= 1
        other = (other >> 1) ^ 0xEDB88320 if other & 1 else other >> 1
    return product
