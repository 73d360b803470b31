"""c3: the published files of the large table: all forms from nothing and with one part changed, the workbook alone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl
import xlsxwriter
from python_calamine import CalamineWorkbook

from bench.measure import Contender, Figure, in_turn, must_equal
from bench.tables import PUBLISHER, Table, domain
from ckanext.gkopen.domains import Text
from ckanext.gkopen.embedded.screen import Screen
from ckanext.gkopen.publish.forms.content import Content, PartRows
from ckanext.gkopen.publish.forms.make import FORMS, make
from ckanext.gkopen.publish.forms.spool import Spool
from ckanext.gkopen.publish.forms.streams import chunks

PEER_ROWS = 20_000
"""The other programs write these; their time is that of all rows in proportion."""


def content_of(content: Table) -> Content:
    """The large table as `publish.files` describes a dataset."""
    shape = domain("bench_files", indexed=False)
    parts = tuple(PartRows(shape, part, sha, content.read) for part, sha in sorted(content.named.items()))
    return Content(domain=shape, parts=parts, whole=False, name="bench", title=Text("基准测试", "Benchmark"),
                   publisher=PUBLISHER, updated="2024-06-01T08:00:00+08:00", licence="CC0", licence_url="",
                   address="http://127.0.0.1/")


class _Kept:
    """The files of an earlier making, from the folder that they were made in."""

    def __init__(self, made: Any) -> None:
        self.made, self.pieces = made, made.pieces

    def read(self, coding: str, offset: int, length: int) -> Any:
        with self.made.variants.get(coding, self.made.file).open() as file:
            file.seek(offset)
            yield from chunks(file.read, length)


def c3(content: Table, rounds: int, folder: Path, screen: Screen) -> list[Figure]:
    """All forms of the million rows: from nothing, and with one part changed; wall and processor seconds of each."""
    fresh, patched, cpu = [], [], {"fresh": [], "patched": []}
    part = sorted(content.named)[len(content.named) // 2]
    changed = dict(content.parts) | {part: content.parts[part].replace(b".1", b".2", 95)}
    other = Table(changed, content.rows, content.total)
    for number in range(1, rounds + 1):
        screen.now(f"c3 round {number}/{rounds}")
        shutil.rmtree(folder, ignore_errors=True)
        made = _timed(content, folder / "fresh", {}, fresh, cpu["fresh"])
        kept = {form: _Kept(one) for form, one in made.items() if one.pieces}
        after = _timed(other, folder / "patched", kept, patched, cpu["patched"])
        _check(content, made)
    anew = make(content_of(other), _empty(folder / "anew"), {})
    must_equal("patched files", {form: after[form].sha256 for form in FORMS},
               {form: anew[form].sha256 for form in FORMS})
    shutil.rmtree(folder)
    return [
        Figure("c3", f"all {len(FORMS)} forms and variants, from nothing", fresh, note=_cpu(cpu["fresh"])),
        Figure("c3", "all forms, one part of it changed", patched, note=_cpu(cpu["patched"])
               + "; byte by byte what is made from nothing")]


def _timed(content: Table, folder: Path, kept: Mapping[str, Any], seconds: list[float], cpu: list[float]) -> Any:
    _empty(folder)
    wall, own = time.perf_counter(), time.process_time()
    made = make(content_of(content), folder, kept)
    seconds.append(time.perf_counter() - wall)
    cpu.append(time.process_time() - own)
    return made


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _cpu(seconds: list[float]) -> str:
    return f"processor {sorted(seconds)[len(seconds) // 2]:.1f} s"


def _check(content: Table, made: Mapping[str, Any]) -> None:
    """Every form has every row, and another program's reader agrees about the workbook."""
    for form in FORMS:
        must_equal(f"rows of {form}", made[form].rows, content.rows)
    sheet = CalamineWorkbook.from_filelike(made["xlsx"].file.open()).get_sheet_by_name("数据")
    must_equal("rows of the workbook", sheet.height, content.rows + 1)


def workbook_alone(content: Table, rounds: int, folder: Path, screen: Screen) -> list[Figure]:
    """c3 as the bar states it: only the workbook, in one thread, beside the two usual programs."""
    from ckanext.gkopen.publish.forms.xlsx import Workbook

    described = content_of(content)

    def work() -> None:
        workbook = Workbook(described, content.rows, _empty(folder))
        for part in described.parts:
            data, rows = part.load(), 0
            workbook.begin(part, data)
            for batch in part.batches(data):
                workbook.write(batch)
                rows += len(batch)
            workbook.end(part.key, rows)
        out = Spool(folder / "one.xlsx")
        workbook.finish(out)
        out.close()

    def check(name: str, rows: int) -> None:
        sheet = CalamineWorkbook.from_path(str(folder / name)).get_sheet_by_name("数据")
        must_equal("rows of the workbook", sheet.height, rows + 1)

    rows = list(_some_rows(described))

    def peer(name: str, write: Callable[[Path, list[list[Any]]], None]) -> Contender:
        def timed() -> float:
            started = time.perf_counter()
            write(_empty(folder) / "peer.xlsx", rows)
            return (time.perf_counter() - started) * content.rows / len(rows)

        return Contender(f"XLSX by {name}", timed, check=lambda: check("peer.xlsx", len(rows)))

    ours, *others = in_turn("c3", [
        Contender("XLSX alone", work, check=lambda: check("one.xlsx", content.rows)),
        peer("xlsxwriter", _by_xlsxwriter), peer("openpyxl", _by_openpyxl)], rounds, screen)
    fastest = min(others, key=lambda figure: figure.median)
    ours.floor, ours.target = fastest.name, "≥ 5 times as fast"
    for figure in (ours, *others):
        figure.note = f"{content.rows / figure.median:,.0f} rows/s"
    for figure in others:
        figure.note += f", of {len(rows)} rows; constant memory"
    return [ours, *others]


def _some_rows(described: Content) -> Iterator[list[Any]]:
    """The first rows with typed cells, as a program without Arrow has them."""
    types = [{"int8": float, "numeric": float, "date": date.fromisoformat}.get(column.pg_type, str)
             for column in described.columns]
    cells = (row for part in described.parts for batch in part.batches(part.load())
             for row in zip(*(batch.column(place).to_pylist() for place in range(batch.num_columns)), strict=True))
    for row in islice(cells, PEER_ROWS):
        yield [typed(text) if text else None for typed, text in zip(types, row, strict=True)]


def _by_xlsxwriter(path: Path, rows: list[list[Any]]) -> None:
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "default_date_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet("数据")
    for number, row in enumerate([["-"] * len(rows[0]), *rows]):
        sheet.write_row(number, 0, row)
    book.close()


def _by_openpyxl(path: Path, rows: list[list[Any]]) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("数据")
    for row in [["-"] * len(rows[0]), *rows]:
        sheet.append(row)
    book.save(path)
