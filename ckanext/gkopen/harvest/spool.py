"""Rows on their way from the pages of a source to the tables of its bodies: many of them on disk, so that memory stays
flat."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path

import msgspec

from ckanext.gkopen.harvesters.base import Row
from ckanext.gkopen.normalise.characters import visible

HELD = 32 << 20
"""Bytes of rows that are in memory before they are written."""
KINDS = 100
"""Kinds of rows of a name, by their labels, that are told apart."""
_BLOCK = 4 << 20

_lines = msgspec.json.Encoder().encode_lines


class Spool:
    """JSON Lines of the rows of each name that rows give as their body, all in one file: bodies may be thousands."""

    def __init__(self, folder: Path):
        self._file = (folder / "spool").open("w+b")
        self._end = 0
        self._held: dict[str, list[bytes]] = {}
        self._size = 0
        self._visible = cache(visible)
        self._pieces: dict[str, list[tuple[int, int]]] = {}
        self._kinds: dict[tuple[str, ...], int] = {}
        self._shapes: dict[str, dict[int, int]] = {}
        self.rows: dict[str, int] = {}

    def add(self, name: str) -> None:
        """A table that may stay without rows."""
        if name not in self.rows:
            self.rows[name], self._shapes[name], self._held[name] = 0, {}, []

    def write(self, names: Sequence[str], rows: Sequence[Row]) -> None:
        """Rows, each with the name that it gives its body."""
        lines, kinds = _encoded(rows), self._kinds
        for name, row, line in zip(map(self._visible, names), rows, lines, strict=True):
            if name not in self.rows:
                self.add(name)
            self.rows[name] += 1
            self._held[name].append(line)
            shapes, labels = self._shapes[name], tuple(row)
            if (kind := kinds.get(labels)) in shapes:     # as nearly all are; the labels' hash takes its time
                shapes[kind] += 1
            elif len(shapes) < KINDS:
                shapes[kinds.setdefault(labels, len(kinds))] = 1
        self._size += sum(map(len, lines))
        if self._size > HELD:
            self._flush()

    def shapes(self, names: Iterable[str]) -> Counter[tuple[str, ...]]:
        """The labels of a row of these names → how many rows have these; of rows that are each of their own kind, the
        first kinds of a name."""
        labels = list(self._kinds)
        found: Counter[tuple[str, ...]] = Counter()
        for name in names:
            found.update({labels[kind]: rows for kind, rows in self._shapes[name].items()})
        return found

    def _flush(self) -> None:
        """Those that come mixed, as of thousands of bodies, are in pieces of several by then."""
        for name, lines in self._held.items():
            if length := sum(map(len, lines)):
                self._pieces.setdefault(name, []).append((self._end, length))
                self._end += length
        self._file.write(b"".join(chain.from_iterable(self._held.values())))
        self._file.flush()
        self._held, self._size = {name: [] for name in self._held}, 0

    def data(self, names: Iterable[str]) -> Iterator[bytes]:
        """The lines of some names, in the order of the names, in pieces of some megabytes."""
        for name in names:
            for start, length in self._pieces.get(name, ()):
                for at in range(start, start + length, _BLOCK):
                    yield os.pread(self._file.fileno(), min(_BLOCK, start + length - at), at)
            yield b"".join(self._held[name])

    def lines(self, name: str) -> Iterator[str]:
        """The rows of a name, a line each."""
        rest = b""
        for data in self.data([name]):
            *lines, rest = (rest + data).split(b"\n")
            yield from (line.decode() for line in lines)

    def close(self) -> None:
        self._file.close()


def _encoded(rows: Sequence[Row]) -> list[bytes]:
    """A line each; JSON has no line break within a line."""
    try:
        return _lines(rows).splitlines(keepends=True)
    except UnicodeEncodeError:
        # Half of a character is written as JSON's own escape: whoever reads the rows sets that one aside.
        return [json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace") + b"\n"
                for row in rows]
