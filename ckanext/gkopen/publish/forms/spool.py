"""A file in the making: a small one stays in memory, and is written once, where it is to lie."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

SMALL = 1 << 18
"""Bytes up to which a file stays in memory. A table has a dozen files, and few tables are in the making at once."""


class Spool:
    """Written like a file; `path` holds the bytes as soon as they are more than `SMALL`, and not before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        """As soon as it is closed."""
        self._file: BinaryIO = io.BytesIO()
        self._in_memory = True

    def write(self, data: bytes | memoryview) -> int:
        if self._in_memory and self._file.tell() + len(data) > SMALL:
            self._to_disk()
        return self._file.write(data)

    def _to_disk(self) -> None:
        held, place = self._file, self._file.tell()
        assert isinstance(held, io.BytesIO)
        self._file = self.path.open("wb")
        self._file.write(held.getbuffer())
        self._file.seek(place)
        self._in_memory = False

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def flush(self) -> None:
        self._file.flush()

    @property
    def closed(self) -> bool:
        return self._file.closed

    def close(self) -> None:
        """No more is written; it can be read from now on."""
        if self.closed:
            return
        self.size = self._file.seek(0, io.SEEK_END)
        if not self._in_memory:
            self._file.close()

    @property
    def held(self) -> memoryview | None:
        """The bytes of a small file; None where they are at `path`."""
        return self._file.getbuffer() if isinstance(self._file, io.BytesIO) else None

    def at_path(self) -> Path:
        """Where the bytes lie now, a small file's too."""
        if self._in_memory:
            self._to_disk()
            self._file.close()
        return self.path

    def open(self) -> BinaryIO:
        """The bytes, to be read from the first."""
        return self.path.open("rb") if not isinstance(self._file, io.BytesIO) else io.BytesIO(self._file.getvalue())

    def read_bytes(self) -> bytes:
        with self.open() as file:
            return file.read()

    def forget(self) -> None:
        """Nobody needs the bytes any more."""
        if self._in_memory:
            self._file = io.BytesIO()
        else:
            self.path.unlink()
