"""Rules of the domains, on small tables: each finds what it is for and keeps silent where nothing is wrong."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from ckanext.gkopen import clock
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.records import Options

BUDGET = "年度,阶段,期间,单位,预算类型,收支方向,功能科目编码,功能科目名称,表名,指标,金额(万元)"


def found(tmp_path: Path, domain: str, lines: list[str], *codes: str) -> list:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    x = examine(get_domain(domain), path, filename="a.csv", options=Options())
    assert x.rows_quarantined == 0, [f for f in x.findings if f.severity == "error"]
    return [f for f in x.findings if f.code in codes]


def budget_line(code: str, amount: str) -> str:
    return f"2024,预算,全年,市城管局,一般公共预算,支出,{code},科目{code},支出表,预算数,{amount}"


def test_children_add_up_to_their_parent(tmp_path):
    good = [budget_line("212", "10"), budget_line("21201", "10"), budget_line("2120101", "4"),
            budget_line("2120104", "6")]
    assert not found(tmp_path, "budget", [BUDGET, *good], "children-differ", "parent-missing")
    bad = [*good[:3], budget_line("2120104", "6.5"), budget_line("2130501", "1")]
    says = found(tmp_path, "budget", [BUDGET, *bad], "children-differ", "parent-missing")
    assert {(f.code, f.value) for f in says} == {("children-differ", "21201"), ("parent-missing", "2130501")}
    assert says[0].params["difference"] == "5000"


def test_revenue_has_a_fourth_level(tmp_path):
    good = [budget_line(code, amount).replace(",支出,", ",收入,") for code, amount in (
        ("103", "10"), ("10306", "10"), ("1030601", "10"), ("103060103", "4"), ("103060104", "6"))]
    assert not found(tmp_path, "budget", [BUDGET, *good], "children-differ", "parent-missing")
    says = found(tmp_path, "budget", [BUDGET, *good[:4]], "children-differ")
    assert [f.value for f in says] == ["1030601"]


def test_rates_are_recomputed_half_up_to_the_printed_digits(tmp_path):
    header = "统计期间,地区,渠道,受理量,办结量,办结率(%)"
    right = "2025-01,甲县,12345,3136,2477,78.99"
    assert not found(tmp_path, "hotline", [header, right], "rate-differs")
    says = found(tmp_path, "hotline", [header, right.replace("78.99", "78.98")], "rate-differs")
    assert [(f.params["printed"], f.params["computed"], f.severity) for f in says] == [("78.98", "78.99", "warning")]


def test_missing_months_are_said_once(tmp_path):
    lines = ["统计期间,地区,渠道,受理量,办结量"] + [f"2024-{m:02d},甲县,12345,{m},{m}" for m in (1, 2, 5)]
    says = found(tmp_path, "hotline", lines, "period-gap")
    assert [f.params["missing"] for f in says] == [["2024-03", "2024-04"]]


@pytest.mark.parametrize(("domain", "header", "line"), [
    ("project_event", "项目代码,项目名称,事项,日期,文号,单位",
     "2019-320600-48-01-000001,某路改造,可行性研究报告批复,{},某发改〔2026〕1号,某市发改委"),
    ("penalty", "行政处罚决定书文号,行政相对人名称,违法事实,处罚依据,处罚种类,处罚内容,处罚机关,决定日期,状态",
     "某罚〔2026〕1号,某某商贸有限公司,占道经营,某条例第四条,警告,警告,某市城管局,{},有效")])
def test_a_day_that_is_over_is_neither_to_come_nor_a_default(tmp_path, domain, header, line):
    today = clock.today()
    for good in (today, today.replace(year=today.year - 3, day=1)):
        assert not found(tmp_path, domain, [header, line.format(good)], "day-unlikely")
    for wrong in (today + timedelta(days=1), today.replace(year=today.year + 36, day=1), date(1900, 1, 1),
                  date(1970, 1, 1)):
        [says] = found(tmp_path, domain, [header, line.format(wrong)], "day-unlikely")
        assert (says.line, says.value, says.severity) == (2, wrong.isoformat(), "warning")
        assert says.params["today"] == today.isoformat()
