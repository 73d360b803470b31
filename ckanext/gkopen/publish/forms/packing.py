"""ZIP entries without a clock: the same content gives the same archive, byte by byte."""

from __future__ import annotations

import zipfile
from typing import IO

from ckanext.gkopen.publish.forms.streams import GZIP, GZIP_HEADER, LEVEL, Stream


def deflated(path: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    # Python 3.13 names it compress_level, and keeps this name too.
    info._compresslevel = LEVEL  # pyright: ignore[reportAttributeAccessIssue]  (typeshed knows it from 3.13 on)
    info.create_system = 3
    info.external_attr = 0o644 << 16
    return info


def add_stream(archive: zipfile.ZipFile, path: str, stream: Stream) -> int:
    """A closed stream as an entry, with the deflate blocks that it has already; returns where they begin.

    `zipfile` can only compress by itself: the entry is written here and told to it, which writes the directory.
    """
    out = archive.fp
    assert out is not None
    compressed = stream.path(GZIP)
    info = deflated(path)
    info.file_size, info.CRC = stream.size, stream.crc
    info.compress_size = compressed.stat().st_size - len(GZIP_HEADER) - 8
    info.header_offset = out.tell()
    out.write(info.FileHeader())
    start = out.tell()
    with compressed.open("rb") as source:
        source.seek(len(GZIP_HEADER))
        _copy(source, out, info.compress_size)
    archive.filelist.append(info)
    archive.NameToInfo[info.filename] = info
    archive.start_dir = out.tell()  # type: ignore[attr-defined]
    return start


def _copy(source: IO[bytes], out: IO[bytes], length: int) -> None:
    while length and (data := source.read(min(length, 1 << 20))):
        out.write(data)
        length -= len(data)
