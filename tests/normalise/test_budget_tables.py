"""Budgets and final accounts whose columns become rows: read exactly, compared, or refused with a reason."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ckanext.gkopen.examine import render
from ckanext.gkopen.records import Unreadable
from tests.normalise.budget import NATURES, Rows, cells, look, said


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


def test_a_phase_over_the_whole_width_is_that_of_the_table(tmp_path):
    rows: Rows = [["“三公”经费支出表"], ["单位：万元"], ["2024年预算数"],
                  ["合计", "因公出国（境）费", "公务用车购置及运行费", "公务接待费"], [30, 5, 20, 5]]
    x = look(tmp_path, rows, "A3:D3", without=("phase",))
    assert {*cells(x, "phase", "sangong_kind")} == {("budget", kind) for kind in (
        "total", "abroad", "vehicles", "reception")}
    rows[0] = ["“三公”经费支出决算表"]  # which of the two it is is not guessed
    assert look(tmp_path, rows, "A3:D3", without=("phase",)).rows_ok == 0


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
