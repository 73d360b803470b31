"""Packages written item by item: the head, then each release, record or project, then the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

from ckanext.gkopen.publish.standards.exact import Object, dumps


class Package:
    """One package file. `items` is the name of its list; `head` is what stands before it."""

    def __init__(self, path: Path, head: Mapping[str, object], items: str) -> None:
        self.path, self.count = path, 0
        self._out: TextIO = path.open("w", encoding="utf-8")
        self._out.write(dumps(head)[:-1] + f',"{items}":[')

    def add(self, text: str) -> None:
        self._out.write(("\n" if not self.count else ",\n") + text)
        self.count += 1

    def close(self) -> None:
        self._out.write("\n]}\n")
        self._out.close()


def whole(head: Mapping[str, object], items: str, objects: Iterable[Object]) -> str:
    """A small package as text, in the same form."""
    listed = ",\n".join(map(dumps, objects))
    return dumps(head)[:-1] + f',"{items}":[\n{listed}\n]}}\n'
