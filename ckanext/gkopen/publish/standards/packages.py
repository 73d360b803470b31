"""Packages written item by item: the head, then each release, record or project, then the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ckanext.gkopen.publish.forms.make import Made
from ckanext.gkopen.publish.forms.streams import GZIP, IDENTITY, ZSTD, Stream
from ckanext.gkopen.publish.standards.exact import Object, dumps

CODINGS = (IDENTITY, GZIP, ZSTD)
_CHUNK = 1 << 20


class Package:
    """One package file in the making. `items` is the name of its list; `head` is what stands before it.

    `publishedDate` is the newest time that an item was added with: the same items give the same bytes.
    """

    def __init__(self, path: Path, head: Mapping[str, object], items: str) -> None:
        self.path, self.head, self.items, self.count, self.newest = path, head, items, 0, ""
        self._body = path.with_name(path.name + ".body")
        self._out = self._body.open("wb")

    def add(self, text: str, public_at: str) -> None:
        """An item as JSON text, and since when it is public (RFC 3339 in Shanghai's zone)."""
        self._out.write(("\n" if not self.count else ",\n").encode() + text.encode())
        self.newest = max(self.newest, public_at)
        self.count += 1

    def close(self) -> Made:
        """Joins head and items, with compressed variants."""
        self._out.close()
        start = dumps({**self.head, "publishedDate": self.newest})[:-1] + f',"{self.items}":['
        stream = Stream(self.path, CODINGS)
        stream.begin()
        stream.write(start.encode())
        with self._body.open("rb") as body:
            while data := body.read(_CHUNK):
                stream.write(data)
        stream.write(b"\n]}\n")
        return closed(stream, self.count)


def closed(stream: Stream, rows: int) -> Made:
    stream.end(rows=rows)
    stream.close()
    return Made(stream.file(IDENTITY), stream.sha256, rows,
                {coding: stream.file(coding) for coding in CODINGS if coding != IDENTITY})


def single(head: Mapping[str, object], items: str, item: Object, public_at: str) -> str:
    """A package of one item, in the same form."""
    return dumps({**head, "publishedDate": public_at})[:-1] + f',"{items}":[\n{dumps(item)}\n]}}\n'
