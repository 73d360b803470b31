"""Figures of another year are not this year's, however their heading spells the year; a percentage is no amount."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.records import Examined, Options, Unreadable

TITLE, UNIT = "2024年江海市一般公共预算支出表", "单位：元"


def look(folder: Path, *rows: list[Any], title: str = TITLE) -> Examined:
    """As a workbook, where a year may be a number."""
    book = openpyxl.Workbook()
    for row in ([title], [UNIT], *rows):
        book.worksheets[0].append(row)
    book.save(folder / "表.xlsx")
    return examine(get_domain("budget"), folder / "表.xlsx", filename="表.xlsx",
                   options=Options(constants={"org_name": "江海市财政局"}))


def figures(x: Examined) -> list[tuple[Any, ...]]:
    rows = x.table.select(["line_name", "fiscal_year", "phase", "amount"]).to_pylist()
    return sorted(tuple(row.values()) for row in rows)


@pytest.mark.parametrize("labels", [
    ("2023决算数", "2024预算数"), ("2023年决算数", "2024年预算数"), ("2023年度决算数", "2024年度预算数"),
    ("决算数（2023）", "预算数（2024）"), ("决算数(2023年)", "预算数"), ("2023 决算数", "2024 预算数"),
    ("2023-决算数", "2024-预算数"), ("决算数2023", "预算数2024")])
def test_a_year_in_a_label(tmp_path, labels):
    x = look(tmp_path, ["项目", *labels], ["教育支出", 10, 20])
    assert figures(x) == [("教育支出", 2024, "budget", 20)]
    assert [f.label for f in x.findings if f.code == "column-other-year"] == [labels[0]]
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, ["项目", labels[0]], ["教育支出", 10])
    assert [f.code for f in refused.value.findings] == ["column-other-year"]


@pytest.mark.parametrize("years", [(2023, 2024), ("2023", "2024"), ("2023年", "2024年"), ("2023年度", "2024年度")])
@pytest.mark.parametrize("above", [True, False])
def test_a_year_that_is_a_heading_of_its_own(tmp_path, years, above):
    own = ["决算数", "预算数"]
    rows = [["项目", *years], [None, *own]] if above else [["项目", *own], [None, *years]]
    x = look(tmp_path, *rows, ["教育支出", 10, 20])
    assert figures(x) == [("教育支出", 2024, "budget", 20)]
    assert len([f for f in x.findings if f.code == "column-other-year"]) == 1


def test_a_year_over_several_columns(tmp_path):
    x = look(tmp_path, ["科目编码", "项目", 2023, None, 2024, None], [None, None, *["预算数", "决算数"] * 2],
             ["205", "教育支出", 1, 2, 3, 4])
    assert figures(x) == [("教育支出", 2024, "budget", 3), ("教育支出", 2024, "final", 4)]


def test_columns_of_two_years_where_the_table_names_none(tmp_path):
    x = look(tmp_path, ["项目", "2023决算数", "2024预算数"], ["教育支出", 10, 20], title="一般公共预算支出表")
    assert figures(x) == [("教育支出", 2023, "final", 10), ("教育支出", 2024, "budget", 20)]


def test_figures_that_look_like_years_are_figures(tmp_path):
    x = look(tmp_path, ["项目", "预算数", "决算数"], ["教育支出", 2023, 2024], ["住房支出", None, 1999])
    assert figures(x) == [("住房支出", 2024, "final", 1999), ("教育支出", 2024, "budget", 2023),
                          ("教育支出", 2024, "final", 2024)]


@pytest.mark.parametrize("label", ["完成%", "执行（%）", "占预算%"])
def test_a_percentage_is_no_amount_of_a_phase(tmp_path, label):
    x = look(tmp_path, ["项目", "预算数", "执行数", label], ["教育支出", 20, 10, 50])
    assert figures(x) == [("教育支出", 2024, "budget", 20), ("教育支出", 2024, "execution", 10)]


@pytest.mark.parametrize(("title", "constants", "period"), [
    ("2024年5月热线受理情况", {}, "2024-05"), ("热线受理情况", {"period": "2024-05"}, "2024-05")])
@pytest.mark.parametrize("labels", [("2023年受理量", "2024年受理量"), ("2023受理量", "2024受理量"),
                                    ("2023年受理量", "受理量")])
def test_where_the_period_is_all_that_tells_the_year(tmp_path, title, constants, period, labels):
    path = tmp_path / "表.csv"
    path.write_text("\n".join([f"{title},,", ",".join(["区域", *labels]), "南明区,1,2"]))
    x = examine(get_domain("hotline"), path, filename="表.csv", options=Options(constants=constants))
    assert x.table.select(["period", "value"]).to_pylist() == [{"period": period, "value": 2}]
    assert [f.label for f in x.findings if f.code == "column-other-year"] == [labels[0]]


@pytest.mark.parametrize(("periods", "left"), [
    (["2024-05", "2024-06"], {("2024-05", 2), ("2024-06", 2)}), (["5月", "6月"], {("2024-05", 2), ("2024-06", 2)}),
    (["2023-05", "2024-05"], set())])
def test_a_column_of_periods_tells_the_year(tmp_path, periods, left):
    path = tmp_path / "表.csv"
    path.write_text("\n".join(["2024年热线情况,,,", "区域,统计月份,2023年受理量,2024年受理量",
                               *(f"南明区,{each},1,2" for each in periods)]))
    try:
        x = examine(get_domain("hotline"), path, filename="表.csv", options=Options())
        found = {tuple(row.values()) for row in x.table.select(["period", "value"]).to_pylist()}
    except Unreadable as refused:
        found = set()
        assert [f.code for f in refused.findings] == ["column-other-year"]
    assert found == left


def test_a_table_whose_codes_all_have_their_column_is_long(tmp_path):
    path = tmp_path / "表.csv"
    path.write_text("region,period,dimension,category,measure,request_type,value_printed\n"
                    "贵阳市,2024-05,指标,受理量,受理量,,12\n")
    x = examine(get_domain("hotline"), path, filename="表.csv", options=Options())
    assert x.table["value"].to_pylist() == [12]
