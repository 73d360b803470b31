"""The identifiers that a standard ever published: an address of one that is gone says so instead of not knowing it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ckanext.gkopen import blobs, model

_TOGETHER = 5_000
_FEW, _BYTES = 100, 64 << 20
"""Contents in which the reason of one answer is looked for, and their bytes: all of it is read for an answer that
anybody may ask for."""


class Ids:
    """Collects identifiers while packages are made, and keeps those that are new. The caller commits."""

    def __init__(self, standard: str) -> None:
        self.standard = standard
        self._rows: list[tuple[str, str, str]] = []

    def __enter__(self) -> Ids:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if not failed:
            self._keep()

    def add(self, name: str, known_by: str, dataset_id: str) -> None:
        """`known_by`: the value by which its rows are found; `dataset_id`: a dataset that it stands in."""
        self._rows.append((name, known_by, dataset_id))
        if len(self._rows) >= _TOGETHER:
            self._keep()

    def _keep(self) -> None:
        names, values, datasets = zip(*self._rows, strict=True) if self._rows else ((), (), ())
        model.execute(
            "insert into gkopen.standard_id (standard, id, known_by, dataset_id)"
            " select :standard, * from unnest(cast(:names as text[]), cast(:values as text[]),"
            " cast(:datasets as uuid[])) on conflict (standard, id) do update set dataset_id = excluded.dataset_id"
            " where standard_id.dataset_id <> excluded.dataset_id",
            standard=self.standard, names=list(names), values=list(values), datasets=list(datasets))
        self._rows = []


def entry(standard: str, name: str) -> dict[str, Any] | None:
    """`known_by` of an identifier and the dataset that it stood in."""
    return model.one("select known_by, dataset_id::text as dataset_id from gkopen.standard_id"
                     " where standard = :standard and id = :name", standard=standard, name=name)


def reason(gone: Mapping[str, Any]) -> str | None:
    """The public reason of the newest withdrawal that took away what an entry is known by. None: none is known of, as
    where its rows were taken out. Contents that were withdrawn are read for this, and nothing else of them is told."""
    cell = re.compile(rb'(?:^|[,\n"])' + re.escape(gone["known_by"].replace('"', '""').encode()) + rb'(?:[,\n"]|$)')
    left = _BYTES
    for row in model.every(
            "select s.sha256, b.size, u.reason from gkopen.sealed s join gkopen.blob b using (sha256)"
            " join gkopen.publication u using (dataset_id, revision_id) where s.dataset_id = :it and b.size <= :bytes"
            " order by u.seq desc limit :few", it=gone["dataset_id"], bytes=_BYTES, few=_FEW):
        left -= row["size"]
        if left < 0:
            return None
        with suppress(blobs.Missing):
            if cell.search(blobs.read(row["sha256"], sealed=True)):
                return row["reason"]
    return None
