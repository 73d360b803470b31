"""Labels as other cities print them: headings over a code, a time in a label, two columns that say one thing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ckanext.gkopen.records import Examined
from tests.normalise.tables import book


def of_columns(x: Examined) -> list[tuple[str, str | None]]:
    return [(f.code, f.label) for f in x.findings if f.code in ("column-unknown", "column-second")]


FINAL = [["支出决算表"], ["公开03表"], ["部门：杭州市教育局", None, None, None, "金额单位：万元"],
         ["项目", None, "本年支出合计", "基本支出", "项目支出"], ["功能分类科目编码", "科目名称"],
         ["栏次", None, 1, 2, 3],
         ["合计", None, 100, 60, 40], ["205", "教育支出", 100, 60, 40]]


def test_the_form_of_final_accounts_whose_codes_stand_under_a_heading(tmp_path):
    x = book(tmp_path, "budget", FINAL, "A4:B4", "A6:B6", "A7:B7", fiscal_year="2023", phase="final")
    assert (x.rows_ok, of_columns(x)) == (4, [])
    assert sorted({(r["func_code"], r["line_name"], r["is_total"]) for r in x.table.to_pylist()}, key=str) == [
        ("205", "教育支出", False), (None, "合计", True)]


def test_codes_cut_into_three_under_two_headings_are_no_figures(tmp_path):
    rows = [["2024年部门支出预算总表"], ["编制部门：上海市黄浦区教育局", None, None, None, None, None, "单位：元"],
            ["项目", None, None, None, "支出预算", None, None],
            ["功能分类科目编码", None, None, "功能分类科目名称", "合计", "基本支出", "项目支出"], ["类", "款", "项"],
            ["205", None, None, "教育支出", 1000, 700, 300], ["205", "02", "01", "学前教育", 1000, 700, 300]]
    x = book(tmp_path, "budget", rows, "A3:D3", "E3:G3", "A4:C4", "D4:D5", "E4:E5", "F4:F5", "G4:G5")
    assert {(r["func_code"], r["nature"], r["amount"]) for r in x.table.to_pylist()} == {
        (code, nature, Decimal(amount)) for code in ("205", "2050201")
        for nature, amount in (("basic", 700), ("project", 300))}


@pytest.mark.parametrize("corner", ["（万元）", "万元", "单位：万元"])
def test_a_unit_alone_in_a_corner(tmp_path, corner):
    rows = [["2024年部门预算支出表", None, corner], ["部门：江海市民政局"], ["科目编码", "科目名称", "预算数"],
            ["208", "社会保障和就业支出", 123.45]]
    x = book(tmp_path, "budget", rows)
    assert x.table["amount"].to_pylist() == [Decimal("1234500")]


def test_a_time_in_a_label_and_the_better_of_two_columns(tmp_path):
    rows = [["项目名称", "建设单位", "责任单位", "总投资（万元）", "2024年计划投资（万元）",
             "截至5月底累计完成投资（万元）", "计划开工时间", "实际开工时间"],
            ["滨海大道改造", "某建设中心", "市交通局", 50000, 1000, 200, "2023-01-01", "2023-03-01"]]
    x = book(tmp_path, "project", rows)
    row = x.table.to_pylist()[0]
    assert [str(row[name]) for name in ("owner_name", "annual_plan", "cumulative_invested", "started_on")] == [
        "某建设中心", "10000000.00000000", "2000000.00000000", "2023-03-01"]
    assert of_columns(x) == [("column-second", "责任单位"), ("column-second", "计划开工时间")]
    x = book(tmp_path, "project", [[*rows[0][:3], "总投资（万元）", "2023年计划投资（万元）", "2024年计划投资（万元）"],
                                   ["滨海大道改造", "某建设中心", "市交通局", 50000, 1000, 2000]])
    assert x.table["annual_plan"].to_pylist() == [None]  # of two years neither is the year's


@pytest.mark.parametrize(("label", "field"), [
    ("2024年计划投资（万元）", "annual_plan"), ("2024年度投资计划（万元）", "annual_plan"),
    ("2024年完成投资（万元）", None), ("2024年投资额（万元）", None), ("2024年1-5月完成投资（万元）", None),
    ("2023年底累计完成投资（万元）", "cumulative_invested"),
    ("截至2024年5月底完成投资（万元）", "cumulative_invested")])
def test_what_was_invested_in_a_year_is_neither_all_that_was_nor_the_whole(tmp_path, label, field):
    x = book(tmp_path, "project", [["项目名称", "建设单位", "建设地点", label], ["滨海大道", "某中心", "某区", 100]])
    names = ["total_investment", "annual_plan", "cumulative_invested", "final_amount"]
    assert x.table.select(names).to_pylist() == [
        {name: Decimal(1_000_000) if name == field else None for name in names}]
    assert of_columns(x) == ([] if field else [("column-unknown", label)])


def test_what_a_correction_says_beside_its_reason(tmp_path):
    rows = [["公告编号", "公告类型", "公告日期", "项目编号", "项目名称", "采购人", "更正内容", "更正原因",
             "评标价（元）"],
            ["G-1", "更正公告", "2024-05-06", "P1", "电梯", "市二院", "开标时间改为5月20日", "答疑", 12]]
    x = book(tmp_path, "procurement", rows)
    assert x.table.select(["reason", "award_amount"]).to_pylist() == [{"reason": "答疑", "award_amount": None}]
    assert of_columns(x) == [("column-second", "更正内容"), ("column-unknown", "评标价（元）")]


def test_a_year_in_a_label_of_a_budget_is_not_left_out(tmp_path):
    rows = [["2024年部门预算支出表"], ["部门：江海市民政局", None, "单位：元"], ["项目", "2023年金额", "2024年预算数"],
            ["社会保障和就业支出", 1, 2]]
    x = book(tmp_path, "budget", rows)
    assert [(r["fiscal_year"], r["amount"]) for r in x.table.to_pylist()] == [(2024, Decimal(2))]
    assert of_columns(x) == [("column-unknown", "2023年金额")]


@pytest.mark.parametrize(("label", "code"), [
    ("删除标志", "column-marks-deleted"), ("IS_DELETED", "column-marks-deleted"), ("del_flag", "column-marks-deleted"),
    ("是否有效", "column-marks-deleted"), ("CD_OPERATION", "column-marks-deleted"), ("sfyx", "column-marks-deleted"),
    ("操作标识", "column-marks-deleted"), ("删除理由", "column-unknown"), ("model", "column-unknown")])
def test_a_column_that_may_say_which_rows_are_deleted_is_told_as_that(tmp_path, label, code):
    x = book(tmp_path, "parking", [
        ["停车场名称", "停车场类型", "区", "地址", "泊位总数", "收费标准", "开放时间", label],
        ["图书馆南停车场", "配建停车场", "江滨区", "长江路197号", 370, "每次10元", "00:00-24:00", 1]])
    assert [(f.code, f.label) for f in x.findings if f.label == label] == [(code, label)]
    assert x.rows_ok == 1
