"""Cells of workbooks are read as Excel shows them: percentages each by its format, merged figures once."""

from __future__ import annotations

import re
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.normalise.formula_errors import formula_errors
from ckanext.gkopen.normalise.hidden import Hidden, find_hidden
from ckanext.gkopen.normalise.percents import find_percents, percent_styles
from ckanext.gkopen.normalise.workbook import open_workbook
from ckanext.gkopen.records import Examined, Options

HOTLINE = {"region_name": "贵阳市", "period": "2024-05", "dimension": "indicator"}


def save(folder: Path, rows: list[list[Any]], formats: dict[str, str] | None = None, first: int = 1) -> Path:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for number, row in enumerate(rows, first):
        for column, value in enumerate(row, 1):
            if value is not None:
                sheet.cell(number, column, value)
    for place, shown in (formats or {}).items():
        sheet[place].number_format = shown
    book.save(folder / "表.xlsx")
    return folder / "表.xlsx"


def read(path: Path, domain: str, **constants: str) -> Examined:
    return examine(get_domain(domain), path, filename=path.name, options=Options(constants=constants))


def figures(x: Examined) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in x.table.select(["category", "value", "unit"]).to_pylist()]


def test_counts_and_percentages_below_each_other(tmp_path):
    rows = [["指标", "数值"], ["来电总量", 1234], ["接通率", 0.985], ["满意率", 1], ["办结率", 98.5], ["响应率", 99.1]]
    path = save(tmp_path, rows, {"B3": "0.0%", "B4": "0%", "B5": '0.0"%"', "B6": "0.0\\%"})
    assert sorted(figures(read(path, "hotline", **HOTLINE))) == [
        ("办结率", Decimal("98.5"), "%"), ("响应率", Decimal("99.1"), "%"), ("接通率", Decimal("98.5"), "%"),
        ("来电总量", Decimal(1234), "个"), ("满意率", Decimal(100), "%")]


def test_a_count_behind_many_percentages_is_no_percentage(tmp_path):
    rows = [["指标", "数值", "单位"], *(["接通率", 0.985, "%"] for _ in range(100)), ["来电总量", 1234, "件"]]
    path = save(tmp_path, rows, {f"B{line}": "0.0%" for line in range(5, 105)}, first=4)  # below blank lines
    x = read(path, "hotline", **HOTLINE)
    assert {(value, unit) for _, value, unit in figures(x)} == {(Decimal("98.5"), "%"), (Decimal(1234), "件")}


def test_a_rate_without_a_sign_that_is_not_above_one_is_told(tmp_path):
    """As in a workbook of an older kind, which does not tell how it shows a number."""
    for value, told in ((0.985, 1), ("98.5%", 0), (98.5, 0)):
        x = read(save(tmp_path, [["指标", "数值", "单位"], ["接通率", value, "%"], ["来电总量", 1, "件"]]), "hotline",
                 **HOTLINE)
        assert x.counts()["percent-as-fraction"] == told, value


def spelt(path: Path, part: str, old: str, new: str) -> None:
    """The same workbook with a part of it written in another way."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    parts[part] = re.sub(old, new, parts[part])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)


@pytest.mark.parametrize("change", [
    (r"<(/?)(c|row|v|sheetData|worksheet)\b", r"<\1x:\2"), (r' r="(\w+)" s="(\d+)"', r' s="\2" r="\1"')])
def test_other_spellings_of_a_sheet(tmp_path, change):
    path = save(tmp_path, [["指标", "数值"], ["接通率", 0.985]], {"B2": "0.0%"})
    spelt(path, "xl/worksheets/sheet1.xml", *change)
    if "x:" in change[1]:
        spelt(path, "xl/worksheets/sheet1.xml", "xmlns=", "xmlns:x=")
    (sheet,) = open_workbook(path).sheets
    assert sheet.preview == [(1, ["指标", "数值"]), (2, ["接通率", "98.5%"])]


def test_styles_of_percentages():
    xml = (b'<styleSheet><numFmts><numFmt numFmtId="170" formatCode="[>0]0.0%;0"/>'
           b'<numFmt numFmtId="171" formatCode="0&quot;%&quot;"/></numFmts>'
           b'<cellStyleXfs><xf numFmtId="9"/></cellStyleXfs><cellXfs count="5">'
           b'<xf numFmtId="0"/><xf numFmtId="170"><alignment/></xf><xf numFmtId="10"/>'
           b'<xf numFmtId="171"/><xf/></cellXfs>')
    assert percent_styles(xml) == {b"1", b"2"}
    assert percent_styles(b"<styleSheet/>") == frozenset()
    for styles in ({b"1", b"12"}, {b"1", b"12", *(str(number).encode() for number in range(100, 200))}):
        found: dict[int, Any] = {}
        find_percents(b'<c r="B2" s="12"><v>1</v></c><c r="C2" s="2"/><c s="1"/><c r="AA30" s="1">', styles, found)
        assert {column: list(rows) for column, rows in found.items()} == {1: [1], 26: [29]}


@pytest.mark.parametrize("tag", [b"<col ", b"<row ", b"<c ", b'<c t="e" ', b"<c><f>",
                                 b'<col min="1" max="99999" hidden="1"/>'])
def test_xml_that_was_made_to_take_long(tag):
    """Were what it takes to grow with the square of it, this would not end."""
    many = 1 << 17
    text = b'<v hidden="1" t="e"><f>' + tag * many + b" " * many + b"<row " + b'r="1" t="e" ' * many + b">"
    assert not formula_errors(text)
    hidden = Hidden()
    find_hidden(text, hidden)
    assert not hidden.rows and len(hidden.columns) <= 1000
    found: dict[int, Any] = {}
    find_percents(text, {b"1"}, found)
    assert not found


def test_what_is_hidden_below_blank_lines(tmp_path):
    path = save(tmp_path, [["指标", "数值"], ["来电总量", 1], ["接通率", 2]], first=9)
    book = openpyxl.load_workbook(path)
    book.worksheets[0].row_dimensions[11].hidden = True
    book.save(path)
    (sheet,) = open_workbook(path).sheets
    assert [finding.params for finding in sheet.load(0, 2).findings] == [{"lines": [11], "count": 1}]
    assert len(sheet.load(3, 2).lines) == 0  # nothing is below the last line


@pytest.mark.parametrize(("cell", "amount"), [(1234.5, 1234.5), ("1,234.50", 1234.5), ("￥1,234.50", 1234.5),
                                              ("12万元", 120_000), ("(12)", -12), ("120 元", 120)])
def test_a_merged_figure_counts_once_also_where_it_is_a_text(tmp_path, cell, amount):
    label = "金额" if "元" in str(cell) else "金额（元）"
    path = save(tmp_path, [["项目", label], ["甲", cell], ["乙", None], ["丙", "5元"]])
    book = openpyxl.load_workbook(path)
    book.worksheets[0].merge_cells("B2:B3")
    book.save(path)
    x = read(path, "budget", fiscal_year="2024", phase="budget", org_name="江海市财政局")
    assert sorted((row["line_name"], row["amount"]) for row in x.table.to_pylist()) == [
        ("丙", Decimal(5)), ("甲", Decimal(str(amount)))]
    assert {(finding.code, finding.line) for finding in x.findings if finding.line} == {
        ("merged-number", 3), ("value-missing", 3)}


@pytest.mark.parametrize("period", ["2024年", "2024-05", "2024年5月", "一季度"])
def test_a_merged_period_is_that_of_all_its_rows(tmp_path, period):
    path = save(tmp_path, [["期间", "指标", "数值"], [period, "来电总量", 1], [None, "办结量", 2]])
    book = openpyxl.load_workbook(path)
    book.worksheets[0].merge_cells("A2:A3")
    book.save(path)
    (sheet,) = open_workbook(path).sheets
    assert [cells[0] for _, cells in sheet.preview] == ["期间", period, period]


def test_a_long_code_that_was_typed_as_a_number_is_not_published_with_zeros_at_its_end(tmp_path):
    """Excel keeps 15 digits: two codes that differ in the last ones only would be one."""
    header = ["公告编号", "公告类型", "发布时间", "项目编号", "项目名称", "采购单位", "采购方式", "预算金额（元）"]
    codes = [202605060000123456, 202605060000123789, 202605060000123, "202605060000123456", "2E+10", "9.1E+2"]
    rows = [[code, "招标公告", "2026-05-06 09:00", f"CG-{place}", "设备采购", "某局", "公开招标", 120000]
            for place, code in enumerate(codes)]
    lost = [("digits-lost", 2, "2.02605060000123E+17"), ("digits-lost", 3, "2.02605060000124E+17")]
    x = read(save(tmp_path, [header, *rows]), "procurement")
    assert [(f.code, f.line, f.value) for f in x.findings if f.severity == "error"] == lost
    assert (x.rows_ok, x.rows_quarantined) == (4, 2)
    assert set(x.table["release_id"].to_pylist()) == {"202605060000123", "202605060000123456", "2E+10", "9.1E+2"}
    for row, shown in zip(rows, ("2.02605E+17", "2.026050600001E+17"), strict=False):
        row[0] = shown                                     # the same file, saved as CSV
    path = tmp_path / "表.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]))
    x = read(path, "procurement")
    assert [(f.code, f.line) for f in x.findings if f.severity == "error"] == [("digits-lost", 2), ("digits-lost", 3)]
