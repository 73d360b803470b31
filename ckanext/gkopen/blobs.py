"""Bytes by content: raw files and canonical parts, private, stored once under their sha256.

They live in CKAN's file storage `gkopen_private`, so that an object store is a setting; small ones, of which there are
many, in their row of the database, so that they are kept or undone with the transaction that names them. A blob whose
publication was withdrawn is sealed: it is kept for the audit and never served again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from typing import Any

from ckan.lib import files

from ckanext.gkopen import model

STORAGE = "gkopen_private"

SMALL = 32 << 10
"""Bytes up to which a content lies in its row."""
_TOGETHER = 500


class Sealed(Exception):
    """The content was withdrawn."""


class Missing(Exception):
    """The storage does not hold what the database names; `gkopen verify` lists all of them."""


def location(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


def put(data: bytes, media_type: str = "application/octet-stream") -> str:
    """Store bytes and return their sha256. Twice the same content is one blob; the row joins CKAN's transaction."""
    return put_many([(data, media_type)])[0]


def put_many(contents: Iterable[tuple[bytes, str]]) -> list[str]:
    """Store several contents, each bytes with their media type; their sha256s in the same order."""
    named = [(hashlib.sha256(data).hexdigest(), data, media_type) for data, media_type in contents]
    # In one order everywhere: two transactions that keep the same contents wait for each other, not in a circle.
    rows = sorted({sha256: (sha256, data, media_type) for sha256, data, media_type in named}.values())
    for sha256, data, media_type in rows:
        if len(data) > SMALL:
            write(STORAGE, sha256, data, media_type)
    for start in range(0, len(rows), _TOGETHER):
        _insert(rows[start:start + _TOGETHER])
    return [sha256 for sha256, _, _ in named]


def _insert(rows: list[tuple[str, bytes, str]]) -> None:
    new = {row["sha256"] for row in model.every(
        "insert into gkopen.blob (sha256, size, media_type, content) select * from unnest(cast(:names as text[]),"
        " cast(:sizes as bigint[]), cast(:types as text[]), cast(:contents as bytea[])) on conflict (sha256) do nothing"
        " returning sha256", names=[row[0] for row in rows], sizes=[len(row[1]) for row in rows],
        types=[row[2] for row in rows], contents=[row[1] if len(row[1]) <= SMALL else None for row in rows])}
    known = [row for row in rows if row[0] not in new and len(row[1]) <= SMALL]
    if known:          # one that was kept in a file, before small contents lay in rows
        in_files = {row["sha256"] for row in model.every(
            "select sha256 from gkopen.blob where sha256 = any(cast(:names as bpchar[])) and content is null",
            names=[row[0] for row in known])}
        for sha256, data, media_type in known:
            if sha256 in in_files:
                write(STORAGE, sha256, data, media_type)


def write(storage_name: str, sha256: str, data: bytes, media_type: str) -> None:
    """Write bytes below their hash unless they are there whole already (a crash may have left half a file)."""
    storage = files.get_storage(storage_name)
    place = storage.prepare_location(location(sha256))
    try:
        storage.upload(place, files.Upload(BytesIO(data), sha256, len(data), media_type))
    except files.exc.ExistingFileError:
        if storage.size(place) != len(data):
            storage.remove(files.FileData(place, size=len(data)))
            storage.upload(place, files.Upload(BytesIO(data), sha256, len(data), media_type))


def read(sha256: str, *, sealed: bool = False) -> bytes:
    """The whole content. Raises Sealed (unless `sealed`), Missing."""
    row = model.one("select size, sealed_at, content from gkopen.blob where sha256 = :sha256", sha256=sha256)
    if row is None:
        raise Missing(sha256)
    return _content(sha256, row, sealed=sealed)


def _content(sha256: str, row: Mapping[str, Any], *, sealed: bool) -> bytes:
    if row["sealed_at"] is not None and not sealed:
        raise Sealed(sha256)
    if row["content"] is not None:
        return bytes(row["content"])
    storage = files.get_storage(STORAGE)
    try:
        return storage.content(files.FileData(storage.prepare_location(location(sha256)), size=row["size"]))
    except files.exc.MissingFileError as error:
        raise Missing(sha256) from error


def reader(sha256s: Iterable[str]) -> Callable[[str], bytes]:
    """`read` for contents that are named in advance, in the order in which they will be read: some hundred at a time
    are looked up, and held, in one statement. One that comes out of turn is read by itself."""
    order = list(dict.fromkeys(sha256s))
    places = {sha256: place for place, sha256 in enumerate(order)}
    held: dict[str, Mapping[str, Any]] = {}
    end = 0

    def read_named(sha256: str) -> bytes:
        nonlocal end
        if (place := places.get(sha256, -1)) >= end:
            end = place + _TOGETHER
            held.clear()
            held.update({row["sha256"]: row for row in model.every(
                "select sha256, size, sealed_at, content from gkopen.blob where sha256 = any(cast(:names as bpchar[]))",
                names=order[place:end])})
        return _content(sha256, held[sha256], sealed=False) if sha256 in held else read(sha256)

    return read_named
