"""Packages written item by item: the head, then each release, record or project, then the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ckanext.gkopen.publish.standards.exact import Object, dumps

_UNKNOWN = "0000-00-00T00:00:00+08:00"


class Package:
    """One package file. `items` is the name of its list; `head` is what stands before it.

    `publishedDate` is the newest time that an item was added with, filled in at the end.
    """

    def __init__(self, path: Path, head: Mapping[str, object], items: str) -> None:
        self.path, self.count, self._newest = path, 0, ""
        start = dumps({**head, "publishedDate": _UNKNOWN})[:-1] + f',"{items}":['
        self._out = path.open("wb")
        self._date_at = start.encode().index(_UNKNOWN.encode())
        self._out.write(start.encode())

    def add(self, text: str, public_at: str) -> None:
        """An item as JSON text, and since when it is public (RFC 3339 in Shanghai's zone)."""
        self._out.write(("\n" if not self.count else ",\n").encode() + text.encode())
        self._newest = max(self._newest, public_at)
        self.count += 1

    def close(self) -> None:
        self._out.write(b"\n]}\n")
        self._out.seek(self._date_at)
        self._out.write((self._newest or _UNKNOWN).encode())
        self._out.close()


def single(head: Mapping[str, object], items: str, item: Object, public_at: str) -> str:
    """A package of one item, in the same form."""
    return dumps({**head, "publishedDate": public_at})[:-1] + f',"{items}":[\n{dumps(item)}\n]}}\n'
