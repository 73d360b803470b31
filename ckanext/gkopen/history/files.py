"""A dataset as it was: the CSV or JSON Lines of one of its publications, made again from the contents of its parts."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from typing import Any, BinaryIO

from ckanext.gkopen import blobs
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.history.difference import objects, text_rows
from ckanext.gkopen.publish.forms.lines import csv_lines

FORMS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
FORMAT = 1
"""Raised with every change of what `make` writes."""
_BATCH = 50_000


def tag(domain: Domain, parts: Sequence[dict[str, Any]], form: str) -> str:
    """Names the bytes that `make` would give, without making them."""
    said = "".join(f"{part['part']} {part['sha256']}\n" for part in parts)
    return hashlib.sha256(f"{FORMAT} {form} {domain.version}\n{said}".encode()).hexdigest()


def make(domain: Domain, parts: Sequence[dict[str, Any]], form: str) -> tuple[BinaryIO, int]:
    """The open file and the number of its bytes. Parts stand in order of name, rows in that of the key.

    Raises blobs.Sealed. The same parts and columns give the same bytes.
    """
    out: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 closed by whoever sends it
    header = (",".join(domain.field_names) + "\n").encode()
    if form == "csv":
        out.write(header)
    for part in parts:
        data = blobs.read(part["sha256"])
        if form == "csv" and data.startswith(header):
            out.write(memoryview(data)[len(header):])
            continue
        table = text_rows(domain, data)
        for batch in table.to_batches(max_chunksize=_BATCH):
            out.write(csv_lines(batch) if form == "csv" else
                      "".join(f"{row}\n" for row in objects(domain, batch)).encode())
    size = out.tell()
    out.seek(0)
    return out, size
