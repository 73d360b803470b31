"""Codes of functional and economic classes as budgets print them: in pieces, under two systems, under one label."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.normalise.budget import Rows, cells, look, said

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


def test_an_economic_class_in_the_column_of_functions_is_not_lost_beside_another(tmp_path):
    rows: Rows = [["2024年支出预算表"], ["单位：万元"], ["功能科目编码", "经济科目编码", "项目（科目）名称", "预算数"],
                  ["30101", "", "基本工资", 10], ["30101", "30201", "办公费", 5], ["2010101", "30201", "办公费", 5]]
    found = cells(look(tmp_path, rows, without=("phase", "fiscal_year")), "func_code", "econ_code")
    assert {*found} == {(None, "30101"), ("30101", "30201"), ("2010101", "30201")}
