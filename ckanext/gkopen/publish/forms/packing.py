"""ZIP entries without a clock: the same content gives the same archive, byte by byte."""

from __future__ import annotations

import zipfile

LEVEL = 3
"""Of deflate: from here on a higher level costs more time than it saves bytes."""


def deflated(path: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    # Python 3.13 names it compress_level, and keeps this name too.
    info._compresslevel = LEVEL  # pyright: ignore[reportAttributeAccessIssue]  (typeshed knows it from 3.13 on)
    info.create_system = 3
    info.external_attr = 0o644 << 16
    return info
