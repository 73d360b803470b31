"""The bytes of published files, by the sha256 of what is in them, in CKAN's file storage `gkopen_public`.

A local folder (`ckan:fs`) takes a large file over by renaming it; an object store (`gkopen:s3`) has it sent. Compressed
variants lie beside the file, under its sha256 and `.gz` or `.zst`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import pyarrow as pa
from ckan.lib import files as storages
from ckan.lib.files.default import FsStorage

from ckanext.gkopen import scratch
from ckanext.gkopen.publish.forms.spool import Spool
from ckanext.gkopen.publish.forms.streams import GZIP, IDENTITY, SUFFIX, ZSTD

STORAGE = "gkopen_public"
MAKING = "making-"
"""Folders in which files are made, in the storage itself, so that a rename brings them to their place. No dot in front:
a storage does not list what is hidden, and the sweep would never find them."""
_UNPACKED: dict[str, Callable[[Any], Any]] = {
    IDENTITY: nullcontext, GZIP: gzip.open, ZSTD: lambda file: pa.CompressedInputStream(file, "zstd")}


def local_folder() -> Path | None:
    """The storage's folder; None where it is an object store."""
    storage = storages.get_storage(STORAGE)
    return Path(storage.settings.path) if isinstance(storage, FsStorage) else None


def location(sha256: str, coding: str = IDENTITY) -> str:
    """In one of 256 folders: one of their own for some files each would take as long to make as the files."""
    return f"{sha256[:2]}/{sha256}{SUFFIX[coding]}"


def making() -> AbstractContextManager[Path]:
    """An empty folder that is gone afterwards. What a crash leaves there goes with the next sweep."""
    return scratch.folder(MAKING, local_folder())


def put(made: Spool, sha256: str, coding: str, media_type: str) -> None:
    """Takes the file over. Bytes that are there whole are left alone: somebody may be reading them."""
    storage, size = storages.get_storage(STORAGE), made.size
    place = storage.prepare_location(location(sha256, coding))
    if isinstance(storage, FsStorage):
        _put_locally(made, Path(storage.settings.path, place), size)
        return
    if storage.exists(storages.FileData(place, size=size)) and storage.size(place) == size:
        return
    with made.open() as source:
        storage.upload(place, storages.Upload(source, PurePosixPath(place).name, size, media_type))


def _put_locally(made: Spool, target: Path, size: int) -> None:
    """A small file is written where it is to lie, if nothing is there. Half a file, which a crash has left or another
    maker is writing just now, is replaced in one step, as a large file comes to its place."""
    if made.held is not None and _is_new(target, made.held):
        return
    if target.exists() and target.stat().st_size == size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    made.at_path().replace(target)


def _is_new(target: Path, data: memoryview) -> bool:
    """Writes the file unless there is one; whether it is whole now."""
    try:
        with target.open("xb", buffering=0) as file:
            return file.write(data) == len(data)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        return _is_new(target, data)
    except FileExistsError:
        return False


def open_file(sha256: str, coding: str, size: int) -> BinaryIO:
    """The bytes, seekable. :raises ckan.lib.files.exc.MissingFileError: the storage does not hold them"""
    storage = storages.get_storage(STORAGE)
    held = storages.FileData(storage.prepare_location(location(sha256, coding)), size=size)
    if local_folder() is not None:
        return cast(BinaryIO, storage.stream(held))
    return cast(BinaryIO, io.BufferedReader(_Remote(storage, held), 1 << 18))


def damaged(sha256: str, size: int, variants: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Of a file and its compressed variants, which hold the same bytes: coding and `missing` or `changed`, where it is
    not what its name says. `size`, `variants`: bytes of each."""
    for coding, of in {IDENTITY: size, **variants}.items():
        try:
            with open_file(sha256, coding, of) as file, _UNPACKED[coding](file) as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
        except storages.exc.MissingFileError:
            yield coding, "missing"
            continue
        except (OSError, EOFError, zlib.error):           # gzip's and Arrow's words for what is no such file any more
            found = None
        if found != sha256:
            yield coding, "changed"


class _Remote(io.RawIOBase):
    """An object that is read from where the last `seek` went to, with one request until the next one."""

    def __init__(self, storage: Any, held: Any) -> None:
        self.storage, self.held, self.place = storage, held, 0
        self.coming: Any = None
        if not storage.exists(held):
            raise storages.exc.MissingFileError(storage, held.location)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.held.size}[whence]
        if place != self.place:
            self._let_go()
        self.place = place
        return place

    def readinto(self, buffer: Any) -> int:
        if self.place >= self.held.size:
            return 0
        if self.coming is None:
            self.coming = self.storage.stream(self.held, start=self.place)
        data = self.coming.read(len(buffer))
        buffer[:len(data)] = data
        self.place += len(data)
        return len(data)

    def close(self) -> None:
        self._let_go()
        super().close()

    def _let_go(self) -> None:
        if self.coming is not None:
            self.coming.close()
        self.coming = None


def held_files() -> dict[str, list[str]]:
    """sha256 → the places of its file and variants; what a crash left half-made stands under names of its own. What is
    being made just now is left out."""
    places: dict[str, list[str]] = {}
    root = local_folder()
    for place in storages.get_storage(STORAGE).scan():
        parts = PurePosixPath(place).parts
        name = parts[0] if parts[0].startswith(MAKING) else parts[-1].split(".")[0]
        places.setdefault(name, []).append(place)
    return {name: held for name, held in places.items()
            if not (name.startswith(MAKING) and root and scratch.in_use(root / name))}


def places_of(sha256: str) -> list[str]:
    return [location(sha256, coding) for coding in SUFFIX]


def remove(places: Iterable[str]) -> None:
    storage = storages.get_storage(STORAGE)
    for place in places:
        storage.remove(storages.FileData(storage.prepare_location(place)))
        folder = local_folder()
        if folder is not None and place.startswith(MAKING):
            with_nothing_left = folder / PurePosixPath(place).parts[0]
            if with_nothing_left.is_dir() and not any(with_nothing_left.iterdir()):
                with_nothing_left.rmdir()
