"""Budgets of two halves, revenue on the left and expenditure on the right, and of blocks that tell the same sums."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tests.normalise.budget import Rows, cells, look, said

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


def test_a_gap_between_the_halves(tmp_path):
    rows: Rows = [[*row[:2], None, *row[2:]] for row in (each + [None] * (4 - len(each)) for each in HALVES)]
    x = look(tmp_path, rows, "A3:B3", "D3:E3", without=("phase", "direction"))
    assert (x.rows_ok, said(x)) == (11, [])
