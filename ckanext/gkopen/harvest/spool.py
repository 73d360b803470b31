"""Rows on their way from the pages of a source to the tables of its bodies: on disk, so that memory stays flat."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from ckanext.gkopen.harvesters.base import Row

OPEN = 64
"""Files held open at once: a catalogue of all bodies of a province has more than a process may have open."""
WAITING = 4 << 20
"""Characters that are held in memory before they are written."""


class Spool:
    """One file of JSON Lines for each name that rows give as their body."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._open: OrderedDict[str, TextIO] = OrderedDict()
        self._waiting: dict[str, list[str]] = {}
        self._characters = 0
        self.paths: dict[str, Path] = {}
        self.rows: dict[str, int] = {}

    def write(self, name: str, rows: Iterable[Row]) -> None:
        """Rows that come mixed, as of thousands of bodies, are kept until a file has more than one of them to take."""
        if name not in self.paths:
            self.paths[name] = self._folder / f"{len(self.paths)}.jsonl"
            self.rows[name] = 0
        waiting = self._waiting.setdefault(name, [])
        for row in rows:
            line = json.dumps(row, ensure_ascii=False) + "\n"
            waiting.append(line)
            self._characters += len(line)
            self.rows[name] += 1
        if self._characters > WAITING:
            self._flush()

    def _flush(self) -> None:
        for name, lines in self._waiting.items():
            self._file(name).writelines(lines)
        self._waiting, self._characters = {}, 0

    def join(self, names: list[str]) -> tuple[Path, int]:
        """The rows of several names in one file, in the order of the names; the others are emptied of theirs."""
        self.close()
        first, *others = names
        with self.paths[first].open("ab") as joined:
            for name in others:
                joined.write(self.paths[name].read_bytes())
                self.paths[name].unlink()
        return self.paths[first], sum(self.rows[name] for name in names)

    def close(self) -> None:
        self._flush()
        while self._open:
            self._open.popitem()[1].close()

    def _file(self, name: str) -> TextIO:
        if name in self._open:
            self._open.move_to_end(name)
            return self._open[name]
        if len(self._open) >= OPEN:
            self._open.popitem(last=False)[1].close()
        self._open[name] = self.paths[name].open("a", encoding="utf-8")
        return self._open[name]
