"""All forms of one table in one pass over its parts: what is kept is copied, what is new is written."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pyarrow as pa

from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise.kept import once
from ckanext.gkopen.publish.forms import excel_csv, jsonl, package_zip, parquet, plain_csv, xlsx
from ckanext.gkopen.publish.forms.content import FEW_BYTES, Content, PartRows, columns
from ckanext.gkopen.publish.forms.lines import text_of
from ckanext.gkopen.publish.forms.parquet import Parquet
from ckanext.gkopen.publish.forms.spool import Spool
from ckanext.gkopen.publish.forms.streams import GZIP, IDENTITY, ZSTD, Kept, Packed, Piece, Stream
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

    file: Spool
    sha256: str
    rows: int
    variants: Mapping[str, Spool] = field(default_factory=dict)
    pieces: Mapping[str, Piece] = field(default_factory=dict)


class _Lines:
    """One form of text that grows part by part."""

    def __init__(self, name: str, content: Content, folder: Path, kept: Kept | None) -> None:
        self.form, self.columns, self.kept = LINES[name], content.columns, kept
        self.stream = Stream(folder / name, (IDENTITY, GZIP, ZSTD))
        self._done = False
        self.stream.add(_heads(content.domain)[content.whole, name])

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
            self.put(self.form.rows(self.columns, batch))

    def put(self, drawn: pa.Array) -> None:
        """Rows as the form's `rows` drew them."""
        self.stream.write(text_of(drawn))

    def end(self, key: str, rows: int) -> None:
        self.stream.end(key, rows)


@once
def _heads(domain: Domain) -> dict[tuple[bool, str], Packed]:
    """With the columns of the table over all bodies or not, form → what stands before the rows."""
    return {(whole, name): Packed.of(form.head(columns(domain, whole=whole)))
            for whole in (False, True) for name, form in LINES.items()}


class _Makers:
    """The makers of all forms of one table of so many rows."""

    def __init__(self, content: Content, rows: int, folder: Path, kept: Mapping[str, Kept],
                 widths: list[int] | None = None) -> None:
        self.content, self.folder = content, folder
        self.workbook = Workbook(content, rows, folder, kept.get("xlsx"), widths)
        self.parquet_file = Spool(folder / "parquet")
        self.parquet = Parquet(content, rows, self.parquet_file)
        self.lines = {name: _Lines(name, content, folder, kept.get(name)) for name in LINES}

    @property
    def all(self) -> list[Workbook | Parquet | _Lines]:
        """The longest first, so that two threads end together."""
        return [self.workbook, self.parquet, *self.lines.values()]

    def finish(self) -> dict[str, Made]:
        self.parquet.finish()
        for one in self.lines.values():
            one.stream.close()
        made = {form: Made(one.stream.file(IDENTITY), one.stream.sha256, one.stream.rows,
                           {coding: one.stream.file(coding) for coding in (GZIP, ZSTD)}, one.stream.pieces)
                for form, one in self.lines.items()}
        rows = made["csv"].rows
        workbook, package = Spool(self.folder / "xlsx"), Spool(self.folder / "zip")
        pieces = self.workbook.finish(workbook)
        package_zip.write(self.content, self.lines["csv"].stream, package)
        for form, file in (("xlsx", workbook), ("parquet", self.parquet_file), ("zip", package)):
            file.close()
            made[form] = Made(file, _sha256(file), rows, pieces=pieces if form == "xlsx" else {})
        return {form: made[form] for form in FORMS}


def make(content: Content, folder: Path, kept: Mapping[str, Kept]) -> dict[str, Made]:
    """Form → its file, below `folder` where it is large. `kept`: form → the file that is there already.

    Two threads: what is done to columns and bytes leaves Python free. The parts are read in the caller's thread alone,
    and those of few rows written in it: a thread costs more than they do.

    :raises Damaged: a kept file was changed
    """
    makers = _Makers(content, sum(part.count() for part in content.parts), folder, kept)
    with closing(makers.parquet), ThreadPoolExecutor(2, "form") as pool:
        _write_parts(pool, content.parts, makers.all)
        return makers.finish()


def may_go_together(content: Content) -> bool:
    """Few rows in one part, in the columns that the domain has now."""
    if content.whole or len(content.parts) > 1:
        return False
    data = content.parts[0].load()
    return len(data) <= FEW_BYTES and bool(content.parts[0].lines(data)) and (
        content.parts[0].count() <= xlsx.SHEET_ROWS)


def make_together(contents: Sequence[Content], folder: Path) -> Iterator[dict[str, Made]]:
    """`make`, from nothing, of tables of one domain that `may_go_together`; each is taken before the next is made.

    Rows are drawn column by column, which takes hardly longer for those of many tables than for those of one.
    """
    several: list[Content] = []
    size = 0
    for content in contents:
        length = len(content.parts[0].load())
        if several and size + length > FEW_BYTES:
            yield from _make_at_once(several, folder)
            several, size = [], 0
        several.append(content)
        size += length
    if several:
        yield from _make_at_once(several, folder)


def _make_at_once(contents: Sequence[Content], folder: Path) -> Iterator[dict[str, Made]]:
    domain, of = contents[0].domain, contents[0].columns
    texts = [content.parts[0].load() for content in contents]
    counts = [content.parts[0].count() for content in contents]
    whole = b"".join([texts[0][:texts[0].index(b"\n") + 1],
                      *(content.parts[0].lines(text) or b"" for content, text in zip(contents, texts, strict=True))])
    batch = next(PartRows(domain, "", "", texts.__getitem__).batches(whole))
    starts = list(itertools.accumulate(counts, initial=0))
    if starts[-1] != len(batch):
        raise ValueError(f"{domain.name}: {starts[-1]} rows were counted, {len(batch)} read")
    tables = list(zip(starts, counts, strict=False))
    widths = xlsx.widths(of, batch, tables)
    drawn = [xlsx.rows(of, batch), parquet.typed(parquet.schema(contents[0]), batch),
             *(form.rows(of, batch) if form is not plain_csv else None for form in LINES.values())]
    for content, text, (start, rows), width in zip(contents, texts, tables, widths, strict=True):
        part = content.parts[0]
        makers = _Makers(content, rows, folder, {}, width)
        with closing(makers.parquet):
            for maker, all_rows in zip(makers.all, drawn, strict=True):
                maker.begin(part, text)
                if all_rows is not None:
                    maker.put(all_rows.slice(start, rows))
                maker.end(part.key, rows)
            yield makers.finish()


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


def _sha256(spool: Spool) -> str:
    with spool.open() as file:
        return hashlib.file_digest(cast(Any, file), "sha256").hexdigest()
