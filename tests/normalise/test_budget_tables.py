"""Tables of budgets and final accounts as departments print them: read exactly, compared, or refused with a reason."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine, render
from ckanext.gkopen.records import Examined, Options, Unreadable

BUDGET = get_domain("budget")
SAID = {"fiscal_year": "2024", "org_name": "江海市财政局", "phase": "budget", "direction": "expenditure",
        "budget_book": "general", "table_name": "支出表"}
Rows = list[list[Any]]


def look(folder: Path, rows: Rows, *merged: str, without: tuple[str, ...] = (), units: str = "") -> Examined:
    """The same rows as a CSV, in which only the first cell of a merged range is filled, and as a workbook: what is
    read must be the same."""
    text = folder / "表.csv"
    text.write_text("\n".join(",".join('"' + ("" if cell is None else str(cell)) + '"' for cell in row)
                              for row in filled(rows)))
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    for place in merged:
        book.worksheets[0].merge_cells(place)
    book.save(folder / "表.xlsx")
    options = Options(constants={name: value for name, value in SAID.items() if name not in without},
                      units={"amount": units} if units else {})
    both = [examine(BUDGET, path, filename=path.name, options=options) for path in (text, folder / "表.xlsx")]
    assert both[0].table.equals(both[1].table)
    assert said(both[0]) == said(both[1])
    for x in both:
        assert x.rows_in == x.rows_ok + x.rows_quarantined + x.rows_duplicate
    return both[0]


def filled(rows: Rows) -> Rows:
    width = max(map(len, rows))
    return [row + [None] * (width - len(row)) for row in rows]


def said(x: Examined) -> list[tuple[str, int | None, str | None]]:
    """What is said of single lines and of columns that were not taken."""
    return [(f.code, f.line, f.label) for f in x.findings
            if f.line is not None or f.code in ("column-unknown", "column-other-year", "header-duplicate")]


def cells(x: Examined, *names: str) -> list[tuple[Any, ...]]:
    return sorted(zip(*(x.table[name].to_pylist() for name in names), strict=True), key=str)


NATURES: Rows = [
    ["部门支出总表"], ["单位：万元"], ["科目编码", "科目名称", "合计", "基本支出", "项目支出"],
    ["合计", None, 1000.5, 600.5, 400], ["201", "一般公共服务支出", 800.5, 500.5, 300],
    ["20106", "财政事务", 800.5, 500.5, 300], ["208", "社会保障和就业支出", 200, 100, 100],
    ["注：本表反映部门本年度支出情况。"]]


def test_total_basic_and_project_expenditure_side_by_side(tmp_path):
    x = look(tmp_path, NATURES)
    assert (x.rows_in, x.rows_ok, said(x)) == (8, 8, [])
    assert cells(x, "func_code", "line_name", "nature", "amount", "is_total") == [
        ("201", "一般公共服务支出", "basic", Decimal(5_005_000), False),
        ("201", "一般公共服务支出", "project", Decimal(3_000_000), False),
        ("20106", "财政事务", "basic", Decimal(5_005_000), None),
        ("20106", "财政事务", "project", Decimal(3_000_000), None),
        ("208", "社会保障和就业支出", "basic", Decimal(1_000_000), False),
        ("208", "社会保障和就业支出", "project", Decimal(1_000_000), False),
        (None, "合计", "basic", Decimal(6_005_000), True), (None, "合计", "project", Decimal(4_000_000), True)]


def test_a_total_column_that_differs_is_told_and_one_without_parts_is_a_row(tmp_path):
    rows: Rows = [*NATURES[:3], ["201", "一般公共服务支出", "１，０００．５０", 500.5, 300], ["205", "教育支出", 70],
                  ["206", "科学技术支出", "见附件", 30, None], ["208", "社会保障和就业支出", 90, "约30", 60]]
    x = look(tmp_path, rows)
    assert said(x) == [("whole-differs", 4, "合计"), ("whole-unread", 6, "合计"),
                       ("amount-kept-as-text", 7, "基本支出")]
    assert render(next(f for f in x.findings if f.line == 4), "zh")["message"] == (
        "第 4 行“合计”为 10005000，基本支出、项目支出之和为 8005000，相差 -2000000。")
    assert ("205", None, "合计", Decimal(700_000)) in cells(x, "func_code", "nature", "measure", "amount")
    assert x.rows_in == x.rows_ok == 6


def test_natures_under_phases_with_headings_of_three_rows_and_numbered_columns(tmp_path):
    rows: Rows = [
        ["附件2"], ["2024年度一般公共预算财政拨款支出决算表"], ["公开05表"],
        ["部门：江海市财政局", None, None, None, None, None, None, "单位：万元"],
        ["项目", None, "预算数", None, None, "决算数", None, None],
        ["科目编码", "科目名称", "小计", "基本支出", "项目支出", "小计", "基本支出", "项目支出"],
        ["栏次", None, 1, 2, 3, 4, 5, 6], ["合计", None, 800.5, 500.5, 300, 801, 500, 300],
        ["201", "一般公共服务支出", 800.5, 500.5, 300, 800, 500, 300], [],
        ["制表人：张三", None, None, "审核人：李四"]]
    x = look(tmp_path, rows, "A2:H2", "A5:B5", "C5:E5", "F5:H5", "A7:B7", "A8:B8", without=("fiscal_year", "phase"))
    assert said(x) == [("whole-differs", 8, "决算数 小计")]
    assert cells(x, "fiscal_year", "phase", "nature", "amount", "is_total") == [
        (2024, "budget", "basic", Decimal(5_005_000), False), (2024, "budget", "basic", Decimal(5_005_000), True),
        (2024, "budget", "project", Decimal(3_000_000), False), (2024, "budget", "project", Decimal(3_000_000), True),
        (2024, "final", "basic", Decimal(5_000_000), False), (2024, "final", "basic", Decimal(5_000_000), True),
        (2024, "final", "project", Decimal(3_000_000), False), (2024, "final", "project", Decimal(3_000_000), True)]
    assert not any("张三" in note or "李四" in note for note in x.notes)


def test_natures_below_a_heading_and_parts_of_basic_expenditure(tmp_path):
    rows: Rows = [
        ["单位：元"], ["科目编码", "科目名称", "本年一般公共预算支出", None, None, None, None],
        [None, None, "合计", "基本支出", None, None, "项目支出"],
        [None, None, None, "小计", "人员经费", "公用经费", None],
        ["201", "一般公共服务支出", 1000, 600, 500, 100, 400], ["208", "社会保障和就业支出", 200, 200, 150, 60, None]]
    x = look(tmp_path, rows, "A2:A4", "B2:B4", "C2:G2", "C3:C4", "D3:F3", "G3:G4")
    assert said(x) == [("parts-sum-differs", 6, "本年一般公共预算支出 基本支出 小计")]
    assert [nature for _, nature, _ in cells(x, "func_code", "nature", "amount")] == [
        "basic", "personnel", "project", "public_use", "basic", "personnel", "public_use"]


def test_columns_numbered_without_a_word_and_a_direction_that_the_title_names(tmp_path):
    kinds = ["合计", "因公出国（境）费", "公务用车购置及运行费", None, None, "公务接待费"]
    below = [None, None, "小计", "公务用车购置费", "公务用车运行费", None]
    rows: Rows = [["2024年“三公”经费支出决算表"], ["单位：万元"], ["预算数", *[None] * 5, "决算数", *[None] * 5],
                  kinds * 2, below * 2, list(range(1, 13)),
                  [30.5, 5, 20, None, 20, 5.5, 25.1, 3, 18.6, None, 18.6, 3.5]]
    x = look(tmp_path, rows, "A3:F3", "G3:L3", "A4:A5", "B4:B5", "C4:E4", "F4:F5", "G4:G5", "H4:H5", "I4:K4", "L4:L5",
             without=("fiscal_year", "direction", "phase", "table_name"))
    assert x.rows_in == x.rows_ok == 10 and "第6行是栏次，已略过 / line 6 numbers the columns" in x.notes
    assert set(cells(x, "fiscal_year", "phase", "direction")) == {
        (2024, "budget", "expenditure"), (2024, "final", "expenditure")}


def test_columns_of_another_year_are_left_out_and_said(tmp_path):
    rows: Rows = [["2024年一般公共预算支出表"], ["单位：万元"],
                  ["科目编码", "科目名称", "2023年执行数", None, None, "2024年预算数", None, None],
                  [None, None, "小计", "基本支出", "项目支出", "小计", "基本支出", "项目支出"],
                  ["201", "一般公共服务支出", 1000, 900, 100, 1100, 900, 200]]
    x = look(tmp_path, rows, "A3:A4", "B3:B4", "C3:E3", "F3:H3", without=("fiscal_year", "phase"))
    assert cells(x, "fiscal_year", "phase", "nature", "amount") == [
        (2024, "budget", "basic", Decimal(9_000_000)), (2024, "budget", "project", Decimal(2_000_000))]
    assert [label for code, _, label in said(x) if code == "column-other-year"] == [
        "2023年执行数 小计", "2023年执行数 基本支出", "2023年执行数 项目支出"]


def test_a_column_of_another_year_beside_one_that_names_none(tmp_path):
    rows: Rows = [["2024年一般公共预算支出表"], ["单位：万元"], ["科目编码", "科目名称", "2023年决算数", "预算数"],
                  ["201", "一般公共服务支出", 1000, 1100]]
    x = look(tmp_path, rows, without=("fiscal_year", "phase"))
    assert cells(x, "fiscal_year", "phase", "amount") == [(2024, "budget", Decimal(11_000_000))]
    assert said(x) == [("column-other-year", None, "2023年决算数")]
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, [row[:3] for row in rows], without=("fiscal_year", "phase"))
    assert [(f.code, f.label) for f in refused.value.findings] == [("column-other-year", "2023年决算数")]


def test_books_side_by_side(tmp_path):
    rows: Rows = [["单位：万元"], ["科目编码", "科目名称", "合计", "一般公共预算财政拨款", "政府性基金预算财政拨款"],
                  ["201", "一般公共服务支出", 1000, 900, 100], ["212", "城乡社区支出", 50, None, 60]]
    x = look(tmp_path, rows, without=("budget_book",))
    assert cells(x, "budget_book", "func_code", "amount") == [
        ("fund", "201", Decimal(1_000_000)), ("fund", "212", Decimal(600_000)), ("general", "201", Decimal(9_000_000))]
    assert said(x) == [("whole-differs", 4, "合计")]


@pytest.mark.parametrize("phases", ["lines", "headings"])
def test_sangong_spending_side_by_side(tmp_path, phases):
    kinds = ["合计", "因公出国（境）费", "公务用车购置及运行费", None, None, "公务接待费"]
    parts = [None, None, "小计", "公务用车购置费", "公务用车运行费", None]
    if phases == "lines":
        rows: Rows = [["“三公”经费支出表"], ["单位：万元"], ["项目", *kinds], [None, *parts],
                      ["预算数", 30, 5, 20, 0, 20, 5], ["决算数", 25, 3, 18, 0, 18, 4]]
        merged = ["A3:A4", "B3:B4", "C3:C4", "D3:F3", "G3:G4"]
    else:
        rows = [["“三公”经费支出表"], ["单位：万元"], ["预算数", *[None] * 5, "决算数", *[None] * 5],
                kinds * 2, parts * 2, [30, 5, 20, 0, 20, 5, 25, 3, 18, 0, 18, 4]]
        merged = ["A3:F3", "G3:L3", "A4:A5", "B4:B5", "C4:E4", "F4:F5", "G4:G5", "H4:H5", "I4:K4", "L4:L5"]
    x = look(tmp_path, rows, *merged, without=("phase",))
    assert said(x) == []
    figures = {phase: {kind: int(amount) for each, kind, amount in cells(x, "phase", "sangong_kind", "amount")
                       if each == phase} for phase in ("budget", "final")}
    assert figures["budget"] == {"total": 300_000, "abroad": 50_000, "vehicles": 200_000, "vehicle_purchase": 0,
                                 "vehicle_operation": 200_000, "reception": 50_000}
    assert figures["final"] == {"total": 250_000, "abroad": 30_000, "vehicles": 180_000, "vehicle_purchase": 0,
                                "vehicle_operation": 180_000, "reception": 40_000}


def test_pages_that_repeat_title_unit_and_header(tmp_path):
    rows: Rows = [*NATURES[:5], *NATURES[:3], *NATURES[5:]]
    x = look(tmp_path, rows)
    assert (x.rows_ok, said(x)) == (8, [])
    assert x.table.equals(look(tmp_path, NATURES).table)


def test_a_heading_that_no_list_knows_is_not_taken_for_this_years(tmp_path):
    rows: Rows = [["单位：万元"], ["科目编码", "科目名称", "上年支出", None, "本级安排", None],
                  [None, None, "基本支出", "项目支出", "基本支出", "项目支出"], ["201", "一般公共服务支出", 1, 2, 3, 4]]
    x = look(tmp_path, rows, "C2:D2", "E2:F2")
    assert cells(x, "measure", "amount") == [
        ("本级安排 基本支出", Decimal(30_000)), ("本级安排 项目支出", Decimal(40_000))]
    rows[1][2] = "上级安排"
    with pytest.raises(Unreadable):
        look(tmp_path, rows, "C2:D2", "E2:F2")


HALVES: Rows = [
    ["收支总表"], [None, None, None, "单位：万元"], ["收　　入", None, "支　　出", None],
    ["项目", "预算数", "项目", "预算数"], ["一、财政拨款收入", 900, "一、一般公共服务支出", 800],
    ["其中：专项收入", 30, "二、社会保障和就业支出", 200], ["二、事业收入", 100, "三、其他支出", None],
    ["本年收入合计", 1000, "本年支出合计", 1000], ["上年结转结余", 50, "年终结转结余", 50],
    ["收入总计", 1050, "支出总计", 1050]]


def test_revenue_on_the_left_and_expenditure_on_the_right(tmp_path):
    x = look(tmp_path, HALVES, "A3:B3", "C3:D3", without=("phase", "direction"))
    assert (x.rows_in, x.rows_ok, said(x)) == (11, 11, [])
    assert set(x.table["phase"].to_pylist()) == {"budget"}
    assert cells(x, "direction", "line_name", "amount", "is_total", "sum_group") == sorted([
        ("revenue", "一、财政拨款收入", Decimal(9_000_000), False, None),
        ("revenue", "其中：专项收入", Decimal(300_000), None, "一、财政拨款收入"),
        ("revenue", "二、事业收入", Decimal(1_000_000), False, None),
        ("revenue", "本年收入合计", Decimal(10_000_000), None, None),
        ("revenue", "上年结转结余", Decimal(500_000), False, None),
        ("revenue", "收入总计", Decimal(10_500_000), True, None),
        ("expenditure", "一、一般公共服务支出", Decimal(8_000_000), False, None),
        ("expenditure", "二、社会保障和就业支出", Decimal(2_000_000), False, None),
        ("expenditure", "本年支出合计", Decimal(10_000_000), None, None),
        ("expenditure", "年终结转结余", Decimal(500_000), False, None),
        ("expenditure", "支出总计", Decimal(10_500_000), True, None)], key=str)


@pytest.mark.parametrize(("line", "place", "figure", "code"), [
    (7, 1, 1001, ("total-row-differs", 8, "收 入 预算数")), (9, 3, 1051, ("sum-differs", 10, "支 出 预算数")),
    (9, 3, 1051, ("balance-differs", 10, "收 入 预算数"))])
def test_totals_of_the_halves_are_compared(tmp_path, line, place, figure, code):
    rows = [*map(list, HALVES)]
    rows[line][place] = figure
    assert code in said(look(tmp_path, rows, "A3:B3", "C3:D3", without=("phase", "direction")))


def test_a_bad_half_is_set_apart_and_the_other_is_published(tmp_path):
    rows = [*HALVES[:4], ["一、财政拨款收入", "900亿", "一、一般公共服务支出", 800]]
    x = look(tmp_path, rows, "A3:B3", "C3:D3", without=("phase", "direction"))
    assert said(x) == [("unit-conflict", 5, "收 入 预算数")]
    assert (x.rows_in, x.rows_ok, x.rows_quarantined) == (2, 1, 1)
    assert json.loads(x.quarantine["row"][0].as_py()) == {"收 入 项目": "一、财政拨款收入", "收 入 预算数": "900亿"}


GRANTS: Rows = [
    ["财政拨款收支总表"], ["单位：万元"], ["收入", None, "支出", None, None, None],
    ["项目", "金额", "项目", "合计", "一般公共预算财政拨款", "政府性基金预算财政拨款"],
    ["一、本年收入", 1000, "一、本年支出", 1000, 900, 100],
    ["（一）一般公共预算拨款", 900, "（一）一般公共服务支出", 800, 800],
    ["（二）政府性基金预算拨款", 100, "（二）城乡社区支出", 200, 100, 100],
    ["二、上年结转", 50, "二、结转下年", 50, 50],
    ["（一）一般公共预算拨款", 50], ["收入总计", 1050, "支出总计", 1050, 950, 100]]


def test_the_books_of_the_right_half_and_lines_of_one_name(tmp_path):
    x = look(tmp_path, GRANTS, "A3:B3", "C3:F3", without=("direction", "budget_book"))
    assert (x.rows_in, x.rows_ok, said(x)) == (14, 14, [])
    assert [(group, amount) for name, group, amount in cells(x, "line_name", "sum_group", "amount")
            if name == "（一）一般公共预算拨款"] == [("一、本年收入", 9_000_000), ("二、上年结转", 500_000)]
    rows = [*map(list, GRANTS)]
    rows[5][1], rows[9][3] = 901, 1051
    assert said(look(tmp_path, rows, "A3:B3", "C3:F3", without=("direction", "budget_book"))) == [
        ("total-row-differs", 5, "收入 金额"), ("balance-differs", 10, "收入 金额"), ("whole-differs", 10, "支出 合计")]


def test_final_accounts_of_two_halves_with_numbered_lines(tmp_path):
    rows: Rows = [
        ["收入支出决算总表"], ["公开01表"], ["部门：江海市财政局", None, None, None, None, "单位：万元"],
        ["收入", None, None, "支出", None, None], ["项目", "行次", "决算数", "项目", "行次", "决算数"],
        ["栏次", None, 1, "栏次", None, 2], ["一、财政拨款收入", 1, 900, "一、一般公共服务支出", 32, 800],
        ["二、事业收入", 2, 105, "二、外交支出", 33, None], [None, 3, None, "三、卫生健康支出", 39, 200],
        ["本年收入合计", 27, 1005, "本年支出合计", 58, 1000], ["年初结转和结余", 29, 20, "年末结转和结余", 60, 25],
        ["其中：项目支出结转", 30, 20, None, 61, None], ["总计", 31, 1025, "总计", 62, 1025]]
    x = look(tmp_path, rows, "A4:C4", "D4:F4", without=("phase", "direction"))
    assert (x.rows_ok, said(x), x.rows_quarantined) == (11, [], 0)
    assert [amount for mark, amount in cells(x, "is_total", "amount") if mark] == [Decimal(10_250_000)] * 2


BLOCKS: Rows = [
    ["收入", None, "支出（按功能分类）", None, "支出（按部门预算经济分类）", None, "支出（按政府预算经济分类）", None],
    ["项目", "预算数"] * 4,
    ["财政拨款", 900, "一、教育支出", 800, "一、工资福利支出", 600, "一、机关工资福利支出", 600],
    ["事业收入", 100, "二、住房保障支出", 200, "二、商品和服务支出", 400, "二、机关商品和服务支出", 400],
    ["收入总计", 1000, "支出总计", 1000, "支出总计", 1000, "支出总计", 1000]]


def test_the_same_expenditure_by_function_and_by_economic_class_side_by_side(tmp_path):
    """Each block is told from the others, and only the first takes part in the sums of the table."""
    x = look(tmp_path, BLOCKS, "A1:B1", "C1:D1", "E1:F1", "G1:H1", without=("direction",), units="元")
    assert (x.rows_in, x.rows_ok, said(x)) == (12, 12, [])
    blocks: dict[str | None, list[tuple[int, bool | None]]] = {}
    for group, amount, total in cells(x, "sum_group", "amount", "is_total"):
        blocks.setdefault(group, []).append((int(amount), total))
    assert blocks == {
        None: [(100, False), (1000, True), (1000, True), (200, False), (800, False), (900, False)],
        "支出（按政府预算经济分类） 项目": [(1000, None), (400, None), (600, None)],
        "支出（按部门预算经济分类） 项目": [(1000, None), (400, None), (600, None)]}
    rows = [*map(list, BLOCKS)]
    rows[3][5] = 399
    x = look(tmp_path, rows, "A1:B1", "C1:D1", "E1:F1", "G1:H1", without=("direction",), units="元")
    assert said(x) == [("total-row-differs", 5, "支出（按部门预算经济分类） 预算数")]


def test_blocks_of_one_half_under_plain_labels(tmp_path):
    rows: Rows = [["收入", None, "支出", None, None, None], ["项目", "金额", "功能分类", "金额", "经济分类", "金额"],
                  ["财政拨款收入", 900, "一般公共服务支出", 600, "工资福利支出", 500]]
    x = look(tmp_path, rows, "A1:B1", "C1:F1", without=("direction",), units="元")
    assert cells(x, "direction", "line_name", "amount") == [
        ("expenditure", "一般公共服务支出", Decimal(600)), ("expenditure", "工资福利支出", Decimal(500)),
        ("revenue", "财政拨款收入", Decimal(900))]


SYSTEMS: Rows = [["单位：元"],
                 ["部门预算支出经济分类科目", None, "政府预算支出经济分类科目", None, "基本支出", None, None],
                 ["科目编码", "科目名称", "科目编码", "科目名称", "合计", "人员经费", "公用经费"],
                 ["30101", "基本工资", "50101", "工资奖金津补贴", 60, 60],
                 ["30201", "办公费", "50201", "办公经费", 40, None, 40]]


def test_one_figure_under_two_systems_of_economic_classes_is_published_once(tmp_path):
    x = look(tmp_path, SYSTEMS, "A2:B2", "C2:D2", "E2:G2")
    assert {*cells(x, "econ_system", "econ_code", "econ_name", "amount")} == {
        ("department", "30101", "基本工资", Decimal(60)), ("department", "30201", "办公费", Decimal(40))}
    assert [(f.code, f.label, f.params["used"]) for f in x.findings if f.code == "column-second"] == [
        ("column-second", f"政府预算支出经济分类科目 {what}", f"部门预算支出经济分类科目 {what}")
        for what in ("科目编码", "科目名称")]


def test_two_systems_of_economic_classes_each_with_its_own_figures(tmp_path):
    head = ["科目编码", "科目名称", "金额"]
    rows: Rows = [["单位：元"], ["部门预算支出经济分类科目", None, None, "政府预算支出经济分类科目", None, None],
                  head * 2,
                  ["301", "工资福利支出", 600, "501", "机关工资福利支出", 590], [None, None, None, "505", "补助", 10]]
    x = look(tmp_path, rows, "A2:C2", "D2:F2")
    assert cells(x, "econ_system", "econ_code", "line_name", "amount") == [
        ("department", "301", "工资福利支出", Decimal(600)), ("government", "501", "机关工资福利支出", Decimal(590)),
        ("government", "505", "补助", Decimal(10))]


def test_the_sources_of_a_departments_revenue_side_by_side(tmp_path):
    rows: Rows = [["收入决算表"], ["单位：元"],
                  ["项目", None, "本年收入合计", "财政拨款收入", "事业收入", None, "其他收入"],
                  ["功能分类科目编码", "科目名称", None, None, "小计", "其中：教育收费", None],
                  ["205", "教育支出", 110, 80, 20, 15, 10], ["合计", None, 111, 80, 20, 15, 10]]
    x = look(tmp_path, rows, "A3:B3", "C3:C4", "D3:D4", "E3:F3", "G3:G4", "A6:B6", without=("phase", "direction"))
    assert said(x) == [("whole-differs", 6, "本年收入合计")]
    assert [(source, int(amount)) for total, code, source, amount in cells(
        x, "is_total", "func_code", "revenue_source", "amount") if code == "205"] == [
        ("grant", 80), ("institution", 20), ("other", 10), ("tuition", 15)]


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


def test_phases_side_by_side_with_percentages_that_are_compared(tmp_path):
    rows: Rows = [
        ["2024年江海市一般公共预算支出决算表"], ["单位：亿元"],
        ["科目编码", "预算科目", "年初预算", "全年预算", "决算数", "完成预算%", None, "上年决算数", "比上年增减%"],
        [None, None, None, None, None, "年初预算", "调整预算", None, None],
        ["201", "一般公共服务支出", 800, 900, 880, "110", "97.8%", 850, "3.5%"],
        ["208", "社会保障和就业支出", 200, 200, 210, "105.00", "104.00", 200, "—"],
        ["210", "卫生健康支出", 0, 0, 10, "—", "", 8, "24.9"]]
    x = look(tmp_path, rows, *(f"{column}3:{column}4" for column in "ABCDEHI"), "F3:G3",
             without=("fiscal_year", "phase"))
    assert said(x) == [("rate-differs", 6, "完成预算% 调整预算"), ("rate-differs", 7, "比上年增减%")]
    assert [message["message"] for f in x.findings if f.code == "rate-differs" for message in [render(f, "zh")]] == [
        "完成预算% 调整预算：第 6 行印的是 104.00%，21000000000÷20000000000 得 105%。",
        "比上年增减%：第 7 行印的是 24.9%，200000000÷800000000 得 25%。"]
    assert {phase: sum(int(amount) for each, amount in cells(x, "phase", "amount") if each == phase)
            for phase in ("budget", "adjusted", "final")} == {
        "budget": 100_000_000_000, "adjusted": 110_000_000_000, "final": 110_000_000_000}
    assert x.rows_ok == 9


def test_last_years_figures_under_a_heading_are_not_this_years(tmp_path):
    rows: Rows = [["2024年收支决算表"], ["单位：元"], ["项目", "本年", None, None, "上年"],
                  [None, "预算数", "决算数", "完成预算%", "决算数"], ["税收收入", 20, 15, 0.75, 12]]
    x = look(tmp_path, rows, "B3:D3", "A3:A4", without=("fiscal_year", "phase"))
    assert cells(x, "phase", "amount") == [("budget", Decimal(20)), ("final", Decimal(15))]
    rows[2] = [None] * 5
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, rows, without=("fiscal_year", "phase"))
    assert [(f.code, f.label) for f in refused.value.findings] == [("header-duplicate", "决算数")]


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


CUT: Rows = [["单位：万元"], ["科目编码", None, None, "科目名称", "合计", "基本支出", "项目支出"], ["类", "款", "项"],
             ["合计", None, None, None, 100, 60, 40], ["201", None, None, "一般公共服务支出", 100, 60, 40],
             ["201", "06", None, "财政事务", 100, 60, 40], ["201", "06", "01", "行政运行", 60, 60, None],
             ["201", "06", "02", "一般行政管理事务", 40, None, 40]]


@pytest.mark.parametrize("form", ["whole", "last", "joined", "numbers"])
def test_codes_that_are_cut_into_three_columns(tmp_path, form):
    """Whole on each line, only the last piece, each piece with those before it, and as numbers that lost their zero."""
    rows: Rows = CUT[:4]
    for row in CUT[4:]:
        cut = [str(piece) for piece in row[:3] if piece]
        if form == "last":
            cut = [""] * (len(cut) - 1) + cut[-1:]
        elif form == "joined":
            cut = ["".join(cut[:place + 1]) for place in range(len(cut))]
        elif form == "numbers":
            cut = [str(int(piece)) for piece in cut]
        rows = [*rows, [*cut, *[None] * (3 - len(cut)), *row[3:]]]
    x = look(tmp_path, rows, "A2:C2", "D2:D3", "E2:E3", "F2:F3", "G2:G3", "A4:C4")
    assert (said(x), x.rows_ok) == ([], 8)
    assert cells(x, "func_code", "nature", "is_total") == [
        ("201", "basic", False), ("201", "project", False), ("20106", "basic", None), ("20106", "project", None),
        ("2010601", "basic", None), ("2010602", "project", None), (None, "basic", True), (None, "project", True)]


def test_economic_classes_under_a_label_that_says_only_codes(tmp_path):
    rows: Rows = [["单位：万元"], ["部门预算支出经济分类科目", None, "本年一般公共预算基本支出", None, None],
                  ["科目编码", "科目名称", "合计", "人员经费", "公用经费"], ["301", "工资福利支出", 100, 100],
                  ["30101", "基本工资", 100, 100], ["302", "商品和服务支出", 30, None, 30],
                  ["合计", None, 130, 100, 30]]
    x = look(tmp_path, rows, "A2:B2", "C2:E2", "A7:B7")
    assert (said(x), set(x.table["func_code"].to_pylist())) == ([], {None})
    assert cells(x, "econ_code", "econ_system", "nature", "amount", "is_total") == [
        ("301", "department", "personnel", Decimal(1_000_000), False),
        ("30101", "department", "personnel", Decimal(1_000_000), None),
        ("302", "department", "public_use", Decimal(300_000), False),
        (None, None, "personnel", Decimal(1_000_000), True), (None, None, "public_use", Decimal(300_000), True)]


@pytest.mark.parametrize("line", ["部门：王小明", "部门：江海市财政局 联系电话：13812345678",
                                  "部门：江海市财政局 单位：江海市教育局"])
def test_a_line_above_that_names_a_person_or_two_bodies_gives_no_body(tmp_path, line):
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, [["2024年部门预算表"], [line], *NATURES[1:5]], without=("org_name",))
    assert [f.field for f in refused.value.findings] == ["org_name"]


def test_a_gap_between_the_halves(tmp_path):
    rows: Rows = [[*row[:2], None, *row[2:]] for row in (each + [None] * (4 - len(each)) for each in HALVES)]
    x = look(tmp_path, rows, "A3:B3", "D3:E3", without=("phase", "direction"))
    assert (x.rows_ok, said(x)) == (11, [])
