"""An Excel workbook: the rows, their dictionary, their source. Numbers, dates and times are such; codes are text.

The sheets are written as XML by whole columns, 15 times as fast as a cell at a time. More rows than a sheet can
hold are split by year.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.derive.dictionary import dictionary_rows
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise.cells import any_byte, has_text, lengths
from ckanext.gkopen.normalise.kept import once
from ckanext.gkopen.publish.forms import xlsx_parts as parts
from ckanext.gkopen.publish.forms.content import Column, Content, PartRows, Span, columns
from ckanext.gkopen.publish.forms.excel_csv import too_long_a_number
from ckanext.gkopen.publish.forms.lines import between, joined, text_of
from ckanext.gkopen.publish.forms.packing import Deflated, add_stream, add_text
from ckanext.gkopen.publish.forms.spool import Spool
from ckanext.gkopen.publish.forms.streams import GZIP, GZIP_HEADER, Kept, Piece, Stream
from ckanext.gkopen.publish.table_sql import SYSTEM_COLUMNS

SHEET_ROWS = 1_048_575
"""What a sheet holds beside the heading."""
MEASURED = 500
"""Rows that the widths of the columns are measured by."""
CELL_CHARACTERS = 32_767
CUT = "……（全文见 CSV 文件）"
NOT_IN_XML = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]"
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32)])
_TEXT_START, _TEXT_END = f'<c s="{parts.TEXT}" t="inlineStr"><is><t xml:space="preserve">', "</t></is></c>"
LOOKS_ESCAPED = r"_(x[0-9A-Fa-f]{4}_)"
"""Excel would read _x0041_ as A."""
EPOCH = 25_569
"""Days from Excel's day 0 (1899-12-30) to 1970-01-01."""


class Workbook:
    """A workbook that grows part by part. Rows that did not change are taken from the one that is there.

    More rows than a sheet holds go to a sheet a year, or several; nothing is kept of such a workbook.
    """

    def __init__(self, content: Content, rows: int, folder: Path, kept: Kept | None = None,
                 widths: list[int] | None = None) -> None:
        """`rows`: of the whole table. `widths` of its columns, where they are known."""
        self.content, self.folder, self.columns = content, folder, content.columns
        self.field = content.domain.period_field
        self.split = rows > SHEET_ROWS
        self.kept = None if self.split else kept
        self.sheets: dict[tuple[str, int], Stream] = {}
        if not self.split:
            self._sheet("", 1, widths or self._widths(
                next((batch for part in content.parts[:1] for batch in part.batches(part.load())), None)))

    def has(self, key: str) -> bool:
        return self.kept is not None and key in self.kept.pieces

    def copy(self, key: str) -> None:
        assert self.kept is not None
        self.sheets["", 1].copy(key, self.kept)

    def begin(self, part: PartRows, data: bytes) -> None:
        if not self.split:
            self.sheets["", 1].begin()

    def write(self, batch: pa.RecordBatch) -> None:
        if not self.split:
            self.put(self.draw(batch))
            return
        years = pc.fill_null(pc.utf8_slice_codeunits(batch.column(self.field), 0, 4), "") if self.field else None
        for year in sorted(pc.unique(years).to_pylist()) if years is not None else [""]:
            self._spread(year, batch if years is None else batch.filter(pc.equal(years, year)))

    def draw(self, batch: pa.RecordBatch) -> pa.Array:
        """A row of the sheet a row."""
        pieces: list[pa.Array | str] = ["<row>"]
        for position, column in enumerate(self.columns):
            pieces += _cells(batch.column(position), column)
        return joined([*pieces, "</row>"])

    def put(self, rows: pa.Array) -> None:
        """Rows as `draw` drew them, where no sheet is split."""
        self.sheets["", 1].write(text_of(rows))

    def end(self, key: str, rows: int) -> None:
        if not self.split:
            self.sheets["", 1].end(key, rows)

    def _spread(self, year: str, batch: pa.RecordBatch) -> None:
        """Rows of one year, to its last sheet as long as it has room."""
        while len(batch):
            number = max((n for y, n in self.sheets if y == year), default=1)
            sheet = self.sheets.get((year, number))
            if sheet is not None and sheet.rows == SHEET_ROWS:
                number, sheet = number + 1, None
            sheet = sheet or self._sheet(year, number, self._widths(batch))
            taken = batch.slice(0, SHEET_ROWS - sheet.rows)
            sheet.begin()
            sheet.write(text_of(self.draw(taken)))
            sheet.end(rows=len(taken))
            batch = batch.slice(len(taken))

    def _widths(self, first: pa.RecordBatch | None) -> list[int]:
        return widths(self.columns, first, [Span(0, len(first))])[0] if first is not None else [16] * len(self.columns)

    def _sheet(self, year: str, number: int, widths: list[int]) -> Stream:
        stream = Stream(self.folder / f"sheet-{year}-{number}", (GZIP,))
        self.sheets[year, number] = stream
        stream.begin()
        stream.write(parts.sheet_start(widths, _headings(self.content.domain)[self.content.whole]))
        stream.end()
        return stream

    def finish(self, out: Spool) -> dict[str, Piece]:
        """Writes the file; the pieces in it, to be kept."""
        order = sorted(self.sheets)
        titles = [self._title(year, number) for year, number in order] + ["数据字典", "来源"]
        with zipfile.ZipFile(cast(IO[bytes], out), "w") as archive:
            for path, text in _fixed(tuple(titles)).items():
                add_text(archive, path, text)
            start = 0
            for number, name in enumerate(order, 1):
                sheet = self.sheets[name]
                sheet.begin()
                sheet.write(parts.sheet_end(sheet.rows + 1, len(self.columns)))
                sheet.end()
                sheet.close()
                start = add_stream(archive, f"xl/worksheets/sheet{number}.xml", sheet)
                sheet.file(GZIP).forget()
            rows = sum(sheet.rows for sheet in self.sheets.values())
            dictionary = _dictionaries(self.content.domain)[self.content.whole]
            source = Deflated.of(parts.small_sheet(_source(self.content, rows)))
            for number, small in enumerate((dictionary, source), len(order) + 1):
                add_text(archive, f"xl/worksheets/sheet{number}.xml", small)
        if self.split:
            return {}
        by = start - len(GZIP_HEADER)
        return {key: piece.moved(GZIP, by) for key, piece in self.sheets["", 1].pieces.items()}

    def _title(self, year: str, number: int) -> str:
        if not self.split:
            return "数据"
        name = year or ("无年份" if self.field else "数据")
        return f"{name}-{number}" if (year, 2) in self.sheets else name


def widths(columns: list[Column], batch: pa.RecordBatch, tables: Sequence[Span]) -> list[list[int]]:
    """Of the columns of each of the tables that stand in a batch, in characters, from their first rows; a Chinese
    character is as wide as two."""
    sizes = np.stack([lengths(batch.column(position)) for position in range(len(columns))])
    longest = np.stack([sizes[:, start:start + min(rows, MEASURED)].max(axis=1, initial=0) for start, rows in tables])
    least = np.array([max(2 * len(column.heading) + 3, 8) for column in columns])
    return np.minimum(np.maximum(longest * 2 // 3 + 2, least), 60).tolist()


def _cells(cells: pa.Array, column: Column) -> list[pa.Array | str]:
    """The pieces of one XML element a cell."""
    if column.pg_type in ("int8", "numeric"):
        style = parts.NUMBER if column.pg_type == "numeric" else parts.WHOLE
        long = too_long_a_number(cells)
        if not pc.any(long).as_py():
            return between(f'<c s="{style}"><v>', cells, "</v></c>", "<c/>")
        number = pc.binary_join_element_wise(f'<c s="{style}"><v>', cells, "</v></c>", "")
        text = pc.binary_join_element_wise(_TEXT_START, cells, _TEXT_END, "")
        return [pc.fill_null(pc.if_else(long, text, number), "<c/>")]
    if column.pg_type == "date":
        days = pc.add(cells.cast(pa.date32()).cast(pa.int32()), EPOCH)
        return between(f'<c s="{parts.DATE}"><v>', days.cast(pa.string()), "</v></c>", "<c/>")
    if column.pg_type == "timestamp":
        seconds = cells.cast(pa.timestamp("s")).cast(pa.int64())
        days = pc.add(pc.divide(seconds.cast(pa.float64()), 86_400.0), float(EPOCH))
        return between(f'<c s="{parts.TIME}"><v>', days.cast(pa.string()), "</v></c>", "<c/>")
    if column.pg_type == "bool":
        digit = pc.if_else(pc.equal(cells, "true"), "1", "0")
        return between('<c t="b"><v>', digit, "</v></c>", "<c/>")
    return between(_TEXT_START, _text(cells), _TEXT_END, "<c/>")


def _text(cells: pa.Array) -> pa.Array:
    if (pc.max(pc.binary_length(cells)).as_py() or 0) > CELL_CHARACTERS:
        cut = pc.binary_join_element_wise(
            pc.utf8_slice_codeunits(cells, 0, CELL_CHARACTERS // 2), CUT, "")
        cells = pc.if_else(pc.greater(pc.utf8_length(cells), CELL_CHARACTERS // 2), cut, cells)
    if any_byte(cells, b"&<>"):
        for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            cells = pc.replace_substring(cells, character, entity)
    if any_byte(cells, _CONTROLS) or has_text(cells, "\ufffe") or has_text(cells, "\uffff"):
        cells = pc.replace_substring_regex(cells, NOT_IN_XML, "")
    if any_byte(cells, b"_"):
        cells = pc.replace_substring_regex(cells, LOOKS_ESCAPED, r"_x005F_\1")
    return cells


@lru_cache(16)
def _fixed(titles: tuple[str, ...]) -> dict[str, Deflated]:
    return {path: Deflated.of(text.encode()) for path, text in parts.fixed(titles).items()}


@once
def _headings(domain: Domain) -> dict[bool, str]:
    return {whole: parts.headings([column.heading for column in columns(domain, whole=whole)])
            for whole in (False, True)}


@once
def _dictionaries(domain: Domain) -> dict[bool, Deflated]:
    """The sheet without and with the columns of the table over all bodies."""
    head = ["列名", "名称", "英文名称", "类型", "单位", "填写要求", "说明", "取值"]
    system = [[name, title.zh, title.en, "文本", "", "自动生成", "", ""] for name, title in SYSTEM_COLUMNS.items()]
    own = []
    for row, field in zip(dictionary_rows(domain, "zh"), domain.fields, strict=True):
        codes = "；".join(f"{code['code']} {code['title']}" for code in row["codes"])
        own.append([row["name"], row["title"], field.title.en, row["type"], row["unit"], row["need"],
                    row["description"], codes[:CELL_CHARACTERS]])
    return {whole: Deflated.of(parts.small_sheet([head, *(system if whole else ()), *own])) for whole in (False, True)}


def _source(content: Content, rows: int) -> list[list[str]]:
    return [
        ["项目", "内容"], ["名称", content.title.zh], ["Title", content.title.en],
        ["发布单位", content.publisher], ["行数", str(rows)], ["发布时间", content.updated],
        ["许可", content.licence], ["许可全文", content.licence_url], ["网址", content.address],
        ["说明", "金额单位为元；代码列为文本；超过15位数字的数按文本保存；全部内容以CSV文件为准。"],
    ]


