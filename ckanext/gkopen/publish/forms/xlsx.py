"""An Excel workbook: the rows, their dictionary, their source. Numbers, dates and times are such; codes are text.

The sheets are written as XML by whole columns, 15 times as fast as a cell at a time. More rows than a sheet can
hold are split by year.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.derive.dictionary import dictionary_rows
from ckanext.gkopen.normalise.cells import any_byte, has_text
from ckanext.gkopen.publish.forms import xlsx_parts as parts
from ckanext.gkopen.publish.forms.content import Column, Content
from ckanext.gkopen.publish.forms.excel_csv import too_long_a_number
from ckanext.gkopen.publish.forms.lines import between, joined
from ckanext.gkopen.publish.forms.packing import deflated
from ckanext.gkopen.publish.table_sql import SYSTEM_COLUMNS

SHEET_ROWS = 1_048_575
"""What a sheet holds beside the heading."""
CELL_CHARACTERS = 32_767
CUT = "……（全文见 CSV 文件）"
NOT_IN_XML = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]"
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32)])
_TEXT_START, _TEXT_END = f'<c s="{parts.TEXT}" t="inlineStr"><is><t xml:space="preserve">', "</t></is></c>"
LOOKS_ESCAPED = r"_(x[0-9A-Fa-f]{4}_)"
"""Excel would read _x0041_ as A."""
EPOCH = 25_569
"""Days from Excel's day 0 (1899-12-30) to 1970-01-01."""


def write(content: Content, out: BinaryIO) -> None:
    sheets = [(name, year, first) for name, year, first in _sheets(content)]
    titles = [name for name, _, _ in sheets] + ["数据字典", "来源"]
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in parts.fixed(titles).items():
            archive.writestr(deflated(path), text)
        for number, (_, year, first) in enumerate(sheets, 1):
            with archive.open(deflated(f"xl/worksheets/sheet{number}.xml"), "w", force_zip64=True) as sheet:
                _write_rows(content, _selected(content, year, first), sheet)
        for number, rows in enumerate((_dictionary(content), _source(content)), len(sheets) + 1):
            archive.writestr(deflated(f"xl/worksheets/sheet{number}.xml"), parts.small_sheet(rows))


def _sheets(content: Content) -> Iterator[tuple[str, str | None, int]]:
    """(title, year or None for all, number of the first row) of each sheet that the rows need."""
    if content.rows <= SHEET_ROWS:
        yield "数据", None, 0
        return
    field = content.domain.period_field
    counts: dict[str | None, int] = {None: content.rows}
    if field:
        counts = {}
        for batch in content.batches():
            for entry in pc.value_counts(_years(batch, field)).to_pylist():
                counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
    for year, rows in sorted(counts.items(), key=lambda item: item[0] or ""):
        name = "数据" if year is None else year or "无年份"
        for number, first in enumerate(range(0, rows, SHEET_ROWS), 1):
            yield (name if rows <= SHEET_ROWS else f"{name}-{number}"), year, first


def _years(batch: pa.RecordBatch, field: str) -> pa.Array:
    return pc.fill_null(pc.utf8_slice_codeunits(batch.column(field), 0, 4), "")


def _selected(content: Content, year: str | None, first: int) -> Iterator[pa.RecordBatch]:
    """The rows of one sheet."""
    seen = 0
    for whole in content.batches():
        batch = whole
        if year is not None:
            batch = whole.filter(pc.equal(_years(whole, content.domain.period_field or ""), year))
        start, stop = max(first - seen, 0), min(first + SHEET_ROWS - seen, batch.num_rows)
        seen += batch.num_rows
        if start < stop:
            yield batch.slice(start, stop - start)


def _write_rows(content: Content, batches: Iterable[pa.RecordBatch], sheet: IO[bytes]) -> None:
    columns = content.columns
    rows, widths = 0, None
    for batch in batches:
        if widths is None:
            widths = _widths(batch, columns)
            sheet.write(parts.sheet_start(widths, [column.heading for column in columns]))
        pieces: list[pa.Array | str] = ["<row>"]
        for position, column in enumerate(columns):
            pieces += _cells(batch.column(position), column)
        sheet.write(joined([*pieces, "</row>"]))
        rows += batch.num_rows
    if widths is None:
        sheet.write(parts.sheet_start([16] * len(columns), [column.heading for column in columns]))
    sheet.write(parts.sheet_end(rows + 1, len(columns)))


def _widths(batch: pa.RecordBatch, columns: list[Column]) -> list[int]:
    """In characters, from the first rows; a Chinese character is as wide as two."""
    widths = []
    for position, column in enumerate(columns):
        cells = batch.column(position).slice(0, 500)
        longest = pc.max(pc.binary_length(cells)).as_py() or 0
        widths.append(min(max(2 * len(column.heading) + 3, longest * 2 // 3 + 2, 8), 60))
    return widths


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


def _dictionary(content: Content) -> list[list[str]]:
    head = ["列名", "名称", "英文名称", "类型", "单位", "填写要求", "说明", "取值"]
    rows = [[name, title.zh, title.en, "文本", "", "自动生成", "", ""]
            for name, title in SYSTEM_COLUMNS.items() if content.whole]
    for row, field in zip(dictionary_rows(content.domain, "zh"), content.domain.fields, strict=True):
        codes = "；".join(f"{code['code']} {code['title']}" for code in row["codes"])
        rows.append([row["name"], row["title"], field.title.en, row["type"], row["unit"], row["need"],
                     row["description"], codes[:CELL_CHARACTERS]])
    return [head, *rows]


def _source(content: Content) -> list[list[str]]:
    return [
        ["项目", "内容"], ["名称", content.title.zh], ["Title", content.title.en],
        ["发布单位", content.publisher], ["行数", str(content.rows)], ["发布时间", content.updated],
        ["许可", content.licence], ["许可全文", content.licence_url], ["网址", content.address],
        ["说明", "金额单位为元；代码列为文本；超过15位数字的数按文本保存；全部内容以CSV文件为准。"],
    ]


