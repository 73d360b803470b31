"""What titles, headings and names of files say of the year, phase, period and body of a budget."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from ckanext.gkopen.examine import examine, render
from ckanext.gkopen.records import Options, Unreadable
from tests.normalise.budget import BUDGET, NATURES, SAID, Rows, cells, look


def test_months_in_the_labels_of_columns(tmp_path):
    rows: Rows = [["2024年江海市财政支出情况表"], ["单位：元"],
                  ["项目", "年初预算数", "6月支出", "1-6月累计完成", "一季度"],
                  ["教育支出", 1000, 80, 500, 240]]
    x = look(tmp_path, rows, without=("fiscal_year", "phase"))
    assert cells(x, "phase", "period", "amount") == [
        ("budget", "FY", Decimal(1000)), ("execution", "01-03", Decimal(240)), ("execution", "01-06", Decimal(500)),
        ("execution", "06", Decimal(80))]


@pytest.mark.parametrize(("title", "line", "period"), [
    ("2024年江海市一般公共预算支出执行情况表", None, "FY"), ("2024年江海市支出执行情况表（截至6月底）", None, None),
    ("2024年江海市一般公共预算支出执行情况表", "期间：1-6月", "01-06")])
def test_execution_without_a_month(tmp_path, title, line, period):
    rows: Rows = [[title], *([[line]] if line else []), ["单位：元"], ["项目", "预算数", "执行数"], ["教育支出", 10, 9]]
    x = look(tmp_path, rows, without=("fiscal_year", "phase"))
    assert [own for phase, own in cells(x, "phase", "period") if phase == "execution"] == ([period] if period else [])
    assert x.counts()["period-whole-year"] == (period == "FY")


def test_the_month_of_a_heading_and_the_months_since_january(tmp_path):
    rows: Rows = [["2024年9月江海市财政收支情况表"], ["单位：万元"], ["项目", "年度预算", "9月份", None, "累计", None],
                  [None, None, "当月数", "比上年同期增长%", "累计数", "占预算%"],
                  ["税收收入", 1200, 80, 3.5, 900, "75.0"]]
    x = look(tmp_path, rows, "A3:A4", "B3:B4", "C3:D3", "E3:F3", without=("fiscal_year", "phase"))
    assert cells(x, "phase", "period", "amount") == [
        ("budget", "FY", Decimal(12_000_000)), ("execution", "01-09", Decimal(9_000_000)),
        ("execution", "09", Decimal(800_000))]


@pytest.mark.parametrize(("title", "phase", "book"), [
    ("2024年度一般公共预算财政拨款支出决算表", "final", "general"), ("2024年部门支出预算总表", "budget", None),
    ("2024年政府性基金预算支出调整预算表", "adjusted", "fund"), ("江海市财政局2024年部门预算公开表", "budget", None),
    ("2024年一般公共预算和政府性基金决算表", "final", None)])
@pytest.mark.parametrize("lines", [["部门：江海市财政局", None, "单位：万元"],
                                   ["编制单位：江海市财政局  金额单位：万元"]])
def test_what_the_lines_above_a_table_say(tmp_path, title, phase, book, lines):
    rows: Rows = [[title], ["公开05表"], lines, *NATURES[2:5]]
    x = look(tmp_path, rows, without=tuple(SAID))
    assert x.rows_ok == 4
    assert {*cells(x, "fiscal_year", "org_name", "phase", "budget_book", "table_name")} == {
        (2024, "江海市财政局", phase, book, title)}
    assert {f.field for f in x.findings if f.code == "taken-from-title"} >= {"fiscal_year", "org_name", "phase"}


def test_a_title_of_two_phases_or_of_none_says_none(tmp_path):
    for title in ("2024年部门支出总表", "2024年预算执行情况和调整预算表"):
        x = look(tmp_path, [[title], *NATURES[1:5]], without=("phase",))
        assert {f.field for f in x.findings if f.severity == "error"} == {"phase"}
        assert "“阶段：（值）”" in render(next(f for f in x.findings if f.field == "phase"), "zh")["fix"]
    x = look(tmp_path, [["2024年部门支出总表"], ["阶段：预算"], *NATURES[1:5]], without=("phase",))
    assert set(x.table["phase"].to_pylist()) == {"budget"}


def test_the_phase_of_a_figure_is_that_of_its_column_whatever_the_title_says(tmp_path):
    for labels, phases in ((["年初预算数", "决算数"], {"budget", "final"}), (["预算数"], {"budget"})):
        rows: Rows = [["2023年度部门决算公开表"], ["单位：元"], ["项目", *labels], ["教育支出", *[10, 9][:len(labels)]]]
        x = look(tmp_path, rows, without=("fiscal_year", "phase"))
        assert set(x.table["phase"].to_pylist()) == phases


def test_year_and_phase_from_the_other_sheets_else_from_the_names_of_sheet_and_file(tmp_path):
    def said_by(name: str, sheets: dict[str, Rows]) -> tuple[set[Any], set[Any]]:
        book = openpyxl.Workbook()
        book.remove(book.worksheets[0])
        for title, lines in sheets.items():
            sheet = book.create_sheet(title)
            for line in lines:
                sheet.append(line)
        book.save(tmp_path / "表.xlsx")
        constants = {key: value for key, value in SAID.items() if key not in ("fiscal_year", "phase")}
        x = examine(BUDGET, tmp_path / "表.xlsx", filename=name, options=Options(constants=constants))
        return ({*cells(x, "fiscal_year", "phase")},
                {(f.field, f.params["place"]["zh"]) for f in x.findings if f.code == "taken-from-file"})

    cover: Rows = [["江海市财政局2024年部门预算"], ["编制日期：2023年12月20日"]]
    assert said_by("表.xlsx", {"封面": cover, "总表": NATURES}) == (
        {(2024, "budget")}, {("fiscal_year", "其他工作表的标题"), ("phase", "其他工作表的标题")})
    assert said_by("2023年决算.xlsx", {"2024年支出": NATURES})[0] == set()  # of another year
    assert said_by("2023年决算.xlsx", {"2024年支出预算": NATURES}) == (
        {(2024, "budget")}, {("fiscal_year", "工作表名称"), ("phase", "工作表名称")})
    assert said_by("江海市财政局2024年部门预算公开表.xlsx", {"Sheet1": NATURES}) == (
        {(2024, "budget")}, {("fiscal_year", "文件名"), ("phase", "文件名")})
    with pytest.raises(Unreadable):
        said_by("2024年1月15日导出.xlsx", {"Sheet1": NATURES})


@pytest.mark.parametrize("line", ["部门：王小明", "部门：江海市财政局 联系电话：13812345678",
                                  "部门：江海市财政局 单位：江海市教育局"])
def test_a_line_above_that_names_a_person_or_two_bodies_gives_no_body(tmp_path, line):
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, [["2024年部门预算表"], [line], *NATURES[1:5]], without=("org_name",))
    assert [f.field for f in refused.value.findings] == ["org_name"]
