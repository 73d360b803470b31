"""All forms of one table in one pass over its parts: what is kept is copied, what is new is written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

import pyarrow as pa

from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise.kept import once
from ckanext.gkopen.publish.forms import excel_csv, jsonl, package_zip, plain_csv, xlsx
from ckanext.gkopen.publish.forms.content import FEW_BYTES, Content, PartRows, Span, columns, header, read_together
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


class _Maker(Protocol):
    """One form of a table that grows part by part: `begin`, `write` of rows as text, `end`; or `copy` of a part."""

    def has(self, key: str) -> bool: ...
    def copy(self, key: str) -> None: ...
    def begin(self, part: PartRows, data: bytes) -> None: ...
    def write(self, batch: pa.RecordBatch) -> None: ...

    def draw(self, batch: pa.RecordBatch) -> Any:
        """Each row as it stands in the file, whatever part or table of the domain it is of."""

    def put(self, rows: Any) -> None:
        """In place of `write`: some rows as `draw` drew them."""

    def end(self, key: str, rows: int) -> None: ...


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
            self.put(self.draw(batch))

    def draw(self, batch: pa.RecordBatch) -> pa.Array:
        return self.form.rows(self.columns, batch)

    def put(self, rows: pa.Array) -> None:
        """Rows as `draw` drew them."""
        if not self._done:
            self.stream.write(text_of(rows))

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
        self.all: list[_Maker] = [self.workbook, self.parquet, *self.lines.values()]
        """The longest first, so that two threads end together."""

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
        for parts, texts in _runs(content.parts):
            if len(parts) == 1 or makers.workbook.split:
                for part, text in zip(parts, texts, strict=True):
                    _write_part(pool, part, text, makers.all)
            else:
                _write_together(parts, texts, makers.all)
        return makers.finish()


def _runs(parts: Iterable[PartRows]) -> Iterator[tuple[list[PartRows], list[bytes]]]:
    """Small parts under one header that follow each other, and what they load, so many that one batch holds them; a
    large part by itself."""
    run: list[PartRows] = []
    texts: list[bytes] = []
    for part in parts:
        text = part.load()
        if run and (sum(map(len, texts)) + len(text) > FEW_BYTES or header(text) != header(texts[0])
                    or bool(part.of) != bool(run[0].of) or part.dataset_id):
            yield run, texts
            run, texts = [], []
        run.append(part)
        texts.append(text)
        if len(text) > FEW_BYTES or part.dataset_id or not text:
            yield run, texts
            run, texts = [], []
    if run:
        yield run, texts


def may_go_together(content: Content) -> bool:
    """Few rows in one part, in the columns that the domain has now."""
    if content.whole or len(content.parts) != 1:
        return False
    part = content.parts[0]
    data = part.load()
    return len(data) <= FEW_BYTES and bool(part.lines(data)) and part.count() <= xlsx.SHEET_ROWS


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
    parts = [content.parts[0] for content in contents]
    texts = [part.load() for part in parts]
    batch, spans = read_together(parts, texts)
    assert batch is not None
    widths = xlsx.widths(contents[0].columns, batch, spans)
    drawn: list[Any] = []
    for content, part, text, span, width in zip(contents, parts, texts, spans, widths, strict=True):
        makers = _Makers(content, span.rows, folder, {}, width)
        with closing(makers.parquet):
            # Of the plain CSV nothing is drawn: it is the approved bytes.
            drawn = drawn or [None if maker is makers.lines["csv"] else maker.draw(batch) for maker in makers.all]
            for maker, rows in zip(makers.all, drawn, strict=True):
                maker.begin(part, text)
                if rows is not None:
                    maker.put(rows.slice(*span))
                maker.end(part.key, span.rows)
            yield makers.finish()


def _write_together(parts: Sequence[PartRows], texts: Sequence[bytes], makers: Sequence[_Maker]) -> None:
    """Parts of one run: what they say anew is drawn at once, and put piece by piece."""
    batch, spans = read_together(parts, texts)
    keys = [part.key for part in parts]
    for maker in makers:
        new = [span for key, span in zip(keys, spans, strict=True) if not maker.has(key)]
        rows = maker.draw(_rows_of(batch, new)) if batch is not None and sum(span.rows for span in new) else None
        first = 0
        for part, text, key, span in zip(parts, texts, keys, spans, strict=True):
            if maker.has(key):
                maker.copy(key)
                continue
            maker.begin(part, text)
            if rows is not None and span.rows:
                maker.put(rows.slice(first, span.rows))
            maker.end(key, span.rows)
            first += span.rows


def _rows_of(batch: pa.RecordBatch, spans: Sequence[Span]) -> pa.RecordBatch:
    if sum(span.rows for span in spans) == len(batch):
        return batch
    return pa.Table.from_batches([batch.slice(*span) for span in spans]).combine_chunks().to_batches()[0]


def _write_part(pool: Executor, part: PartRows, data: bytes, makers: Sequence[_Maker]) -> None:
    key = part.key
    kept = [maker for maker in makers if maker.has(key)]
    new = [maker for maker in makers if maker not in kept]
    copies = [pool.submit(maker.copy, key) for maker in kept]
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
