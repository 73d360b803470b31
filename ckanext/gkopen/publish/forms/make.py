"""All forms of one table in one pass over its parts: what is kept is copied, what is new is written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType

import pyarrow as pa

from ckanext.gkopen.publish.forms import excel_csv, jsonl, package_zip, plain_csv
from ckanext.gkopen.publish.forms.content import FEW_BYTES, Content, PartRows
from ckanext.gkopen.publish.forms.parquet import Parquet
from ckanext.gkopen.publish.forms.streams import GZIP, IDENTITY, ZSTD, Kept, Piece, Stream
from ckanext.gkopen.publish.forms.xlsx import Workbook

FORMS: dict[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "excel.csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "zip": "application/zip",
}
"""Ending of an address → media type."""
LINES: dict[str, ModuleType] = {"csv": plain_csv, "excel.csv": excel_csv, "jsonl": jsonl}
"""The forms of text: compressed variants lie beside them."""


@dataclass(frozen=True, slots=True)
class Made:
    """A finished file. `variants`: content coding → the same, compressed; `pieces`: what the next one may copy."""

    path: Path
    sha256: str
    rows: int
    variants: Mapping[str, Path] = field(default_factory=dict)
    pieces: Mapping[str, Piece] = field(default_factory=dict)


class _Lines:
    """One form of text that grows part by part."""

    def __init__(self, form: ModuleType, content: Content, path: Path, kept: Kept | None) -> None:
        self.form, self.columns, self.kept = form, content.columns, kept
        self.stream = Stream(path, (IDENTITY, GZIP, ZSTD))
        self._done = False
        self.stream.begin()
        if head := form.head(content):
            self.stream.write(head)
        self.stream.end()

    def has(self, key: str) -> bool:
        return self.kept is not None and key in self.kept.pieces

    def copy(self, key: str) -> None:
        assert self.kept is not None
        self.stream.copy(key, self.kept)

    def begin(self, part: PartRows, data: bytes) -> None:
        self.stream.begin()
        lines = part.lines(data) if self.form is plain_csv else None
        self._done = lines is not None
        if lines:  # the approved bytes as they are
            self.stream.write(lines)

    def write(self, batch: pa.RecordBatch) -> None:
        if not self._done:
            self.stream.write(self.form.rows(self.columns, batch))

    def end(self, key: str, rows: int) -> None:
        self.stream.end(key, rows)


def make(content: Content, folder: Path, kept: Mapping[str, Kept]) -> dict[str, Made]:
    """Form → its file below `folder`. `kept`: form → the file that is there already.

    Two threads: what is done to columns and bytes leaves Python free. The parts are read in the caller's thread alone,
    and those of few rows written in it: a thread costs more than they do.

    :raises Damaged: a kept file was changed
    """
    workbook = Workbook(content, folder, kept.get("xlsx"))
    with ((folder / "parquet").open("wb") as columns, closing(Parquet(content, columns)) as parquet,
          ThreadPoolExecutor(2, "form") as pool):
        lines = {form: _Lines(module, content, folder / form, kept.get(form)) for form, module in LINES.items()}
        # The longest first, so that the two threads end together.
        _write_parts(pool, content.parts, [workbook, parquet, *lines.values()])
        parquet.finish()
    for one in lines.values():
        one.stream.close()
    made = {form: Made(one.stream.path(IDENTITY), one.stream.sha256, one.stream.rows,
                       {coding: one.stream.path(coding) for coding in (GZIP, ZSTD)}, one.stream.pieces)
            for form, one in lines.items()}
    rows = made["csv"].rows
    with (folder / "xlsx").open("wb") as out:
        pieces = workbook.finish(out)
    with (folder / "zip").open("wb") as out:
        package_zip.write(content, lines["csv"].stream, out)
    made |= {form: Made(folder / form, _sha256(folder / form), rows, pieces=pieces if form == "xlsx" else {})
             for form in ("xlsx", "parquet", "zip")}
    return {form: made[form] for form in FORMS}


def _write_parts(pool: Executor, parts: Iterable[PartRows], makers: list[Workbook | Parquet | _Lines]) -> None:
    for part in parts:
        key = part.key
        kept = [maker for maker in makers if not isinstance(maker, Parquet) and maker.has(key)]
        new = [maker for maker in makers if maker not in kept]
        copies = [pool.submit(maker.copy, key) for maker in kept]
        data = part.load()
        rows = 0
        do_all = _one_by_one if len(data) <= FEW_BYTES else partial(_at_once, pool)
        do_all([partial(maker.begin, part, data) for maker in new])
        for batch in part.batches(data):
            do_all([partial(maker.write, batch) for maker in new])
            rows += len(batch)
        for maker in new:
            maker.end(key, rows)
        for copy in copies:
            copy.result()


def _at_once(pool: Executor, tasks: list[Callable[[], None]]) -> None:
    for future in [pool.submit(task) for task in tasks]:
        future.result()


def _one_by_one(tasks: list[Callable[[], None]]) -> None:
    for task in tasks:
        task()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
