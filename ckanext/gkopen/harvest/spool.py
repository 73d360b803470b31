"""Rows on their way from the pages of a source to the tables of its bodies: on disk, so that memory stays flat."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path

import msgspec

from ckanext.gkopen.harvesters.base import Row
from ckanext.gkopen.normalise.characters import visible

WAITING = 4 << 20
"""Bytes that are held in memory before they are written."""
KINDS = 100
"""Kinds of rows of a name, by their labels, that are told apart."""
_BLOCK = 4 << 20

_lines = msgspec.json.Encoder().encode_lines


class Spool:
    """JSON Lines of the rows of each name that rows give as their body, all in one file: bodies may be thousands."""

    def __init__(self, folder: Path):
        self._file = (folder / "spool").open("w+b")
        self._end = 0
        self._waiting: dict[str, list[bytes]] = {}
        self._held = 0
        self._visible = cache(visible)
        self._pieces: dict[str, list[tuple[int, int]]] = {}
        self.rows: dict[str, int] = {}
        self.shapes: dict[str, Counter[tuple[str, ...]]] = {}
        """Name → labels of a row → how many rows have these; of rows that are each of their own kind, the first kinds.
        """

    def add(self, name: str) -> None:
        """A table that may stay without rows."""
        if name not in self.rows:
            self.rows[name], self.shapes[name] = 0, Counter()

    def write(self, names: Sequence[str], rows: Sequence[Row]) -> None:
        """Rows, each with the name that it gives its body.

        Those that come mixed, as of thousands of bodies, are kept until there is a piece of several to write.
        """
        lines = _encoded(rows)
        for name, row, line in zip(map(self._visible, names), rows, lines, strict=True):
            if name not in self.rows:
                self.add(name)
            self.rows[name] += 1
            shapes, labels = self.shapes[name], tuple(row)
            if labels in shapes or len(shapes) < KINDS:
                shapes[labels] += 1
            self._waiting.setdefault(name, []).append(line)
        self._held += sum(map(len, lines))
        if self._held > WAITING:
            self.flush()

    def flush(self) -> None:
        """Write what waits: only then is it read."""
        for name, lines in self._waiting.items():
            length = sum(map(len, lines))
            self._pieces.setdefault(name, []).append((self._end, length))
            self._end += length
        self._file.write(b"".join(chain.from_iterable(self._waiting.values())))
        self._file.flush()
        self._waiting, self._held = {}, 0

    def data(self, names: Sequence[str]) -> Iterator[bytes]:
        """The lines of some names, in the order of the names, in pieces of a few megabytes."""
        for name in names:
            for start, length in self._pieces.get(name, ()):
                for at in range(start, start + length, _BLOCK):
                    yield os.pread(self._file.fileno(), min(_BLOCK, start + length - at), at)

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
