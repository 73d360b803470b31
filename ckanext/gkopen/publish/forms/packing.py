"""ZIP entries without a clock: the same content gives the same archive, byte by byte."""

from __future__ import annotations

import zipfile
import zlib
from typing import IO, NamedTuple

from ckanext.gkopen.publish.forms.streams import GZIP, GZIP_HEADER, LEVEL, Stream, chunks


def _entry(path: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    # Python 3.13 names it compress_level, and keeps this name too.
    info._compresslevel = LEVEL  # pyright: ignore[reportAttributeAccessIssue]  (typeshed knows it from 3.13 on)
    info.create_system = 3
    info.external_attr = 0o644 << 16
    return info


class Deflated(NamedTuple):
    """A text as it lies in an archive. `size` and `crc`: of the text."""

    size: int
    crc: int
    data: bytes

    @classmethod
    def of(cls, text: bytes) -> Deflated:
        deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        return cls(len(text), zlib.crc32(text), deflate.compress(text) + deflate.flush())


def add_text(archive: zipfile.ZipFile, path: str, text: Deflated) -> None:
    out = _begun(archive, path, text.size, text.crc, len(text.data))
    out.write(text.data)
    archive.start_dir = out.tell()


def add_stream(archive: zipfile.ZipFile, path: str, stream: Stream) -> int:
    """A closed stream as an entry, with the deflate blocks that it has already; returns where they begin."""
    compressed = stream.file(GZIP)
    length = compressed.size - len(GZIP_HEADER) - 8
    out = _begun(archive, path, stream.size, stream.crc, length)
    start = out.tell()
    with compressed.open() as source:
        source.seek(len(GZIP_HEADER))
        for data in chunks(source.read, length):
            out.write(data)
    archive.start_dir = out.tell()
    return start


def _begun(archive: zipfile.ZipFile, path: str, size: int, crc: int, length: int) -> IO[bytes]:
    """Where `length` bytes have to follow. `zipfile` can only compress by itself: the entry is written here and told to
    it, which writes the directory."""
    out = archive.fp
    assert out is not None
    info = _entry(path)
    info.file_size, info.CRC, info.compress_size, info.header_offset = size, crc, length, out.tell()
    out.write(info.FileHeader())
    archive.filelist.append(info)
    archive.NameToInfo[info.filename] = info
    return out
