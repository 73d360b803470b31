"""The same kinds of records from other cities: other spellings of months, units, notices and names are read alike."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.records import Examined, Options

NOTICE = ("notice_type,project_name,buyer,region,method,supplier,status,budget_printed,amount_printed,publish_date,"
          "source_url")
BUDGET = "body,fiscal_year,period,doc_type,line_name,measure,value_printed,quoted_unit"
CALLS = "region,period,channel,dimension,category,value_printed,quoted_unit"


def look(folder: Path, domain: str, header: str, *lines: str, **constants: str) -> Examined:
    path = folder / "raw.csv"
    path.write_text("\n".join([header, *lines]))
    return examine(get_domain(domain), path, filename="表.csv", options=Options(constants=constants))


def only(x: Examined, field: str) -> object:
    assert (x.rows_ok, x.rows_quarantined) == (1, 0), [f.as_dict() for f in x.findings]
    return x.table[field][0].as_py()


@pytest.mark.parametrize(("printed", "code"), [
    ("中标（成交）结果公告", "award"), ("中标(成交)结果公告", "award"), ("成交结果公示", "award"),
    ("更正公告（第二次）", "correction"), ("中标结果更正公告", "correction"), ("终止（废标）公告", "termination"),
    ("框架协议采购公告", "tender"), ("政府采购合同公告", "contract"),
])
def test_notices(tmp_path, printed, code):
    line = (f"{printed},消防车（二期）,丽水市教育局（本级）,浙江省丽水市,公开招标,某某（浙江）有限公司,,120万元,"
            "118.5万元,2023年4月5日,https://a.cn/1")
    assert only(look(tmp_path, "procurement", NOTICE, line), "notice_type") == code


@pytest.mark.parametrize(("printed", "period"), [
    ("2023年Q4", "2023-Q4"), ("2023年第四季度", "2023-Q4"), ("2023年12月份", "2023-12"),
    ("2023年1—6月", "2023-01/2023-06"), ("2023-12(标题作十一月)", "2023-12"), ("2023年12月25日—31日", "2023-W52"),
    ("2022年12月-2023年11月", "2022-12/2023-11"), ("2023年1-3季度", "2023-01/2023-09"),
])
def test_periods_of_hotlines(tmp_path, printed, period):
    x = look(tmp_path, "hotline", CALLS, f"浙江省丽水市,{printed},12345,诉求渠道,电话,12,件")
    assert only(x, "period") == period


@pytest.mark.parametrize(("printed", "code"), [
    ("2023年1-9月", "01-09"), ("1至9月", "01-09"), ("1-9月累计", "01-09"), ("2023年Q4", "10-12"),
    ("2023年度", "FY"), ("9月", "09"),
])
def test_periods_of_budgets(tmp_path, printed, code):
    line = f"丽水市财政局（汇总）,2023年,{printed},执行情况,税收收入,累计完成数,\"1,234.50\",万元"
    x = look(tmp_path, "budget", BUDGET, line)
    assert only(x, "period") == code
    assert x.table["amount"][0].as_py() == Decimal("12345000")


def test_a_period_of_another_year_is_refused(tmp_path):
    x = look(tmp_path, "budget", BUDGET, "丽水市财政局,2023,2022年9月,执行,税收收入,累计完成数,1,万元")
    assert [(f.code, f.field) for f in x.findings if f.severity == "error"] == [("code-unknown", "period")]


def test_a_cell_that_states_its_unit_beside_a_shared_column_of_units(tmp_path):
    line = '招标公告,道路养护,局,浙江省,公开招标,,,100.5万元,,2023-04-05,https://a.cn/1,元'
    two = '中标公告,项目二,局,浙江省,公开招标,公司,,1000000,"900,000",2023-04-05,https://a.cn/2,元'
    x = look(tmp_path, "procurement", NOTICE + ",quoted_unit", line, two)
    assert sorted(x.table["budget_amount"].to_pylist()) == [Decimal(1_000_000), Decimal(1_005_000)]
    assert [(f.code, f.line) for f in x.findings if f.code.startswith("unit")] == [("unit-of-cell", 2)]


def test_year_month_and_levels_from_title_and_headings(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for cells in (["二〇二三年九月财政收入执行情况表"], ["单位：万元"],
                  ["预算科目", "本年收入计划", "累计完成数", None, "当月完成数"],
                  [None, None, "中央级", "省级", None], ["税收收入", 100, 60, 20, 9]):
        sheet.append(cells)
    for merged in ("A1:E1", "A3:A4", "B3:B4", "C3:D3", "E3:E4"):
        sheet.merge_cells(merged)
    path = tmp_path / "raw.xlsx"
    book.save(path)
    x = examine(get_domain("budget"), path, filename="表.xlsx", options=Options(constants={"org_name": "某县财政局"}))
    rows = {(r["phase"], r["level"]): (r["fiscal_year"], r["period"], r["amount"]) for r in x.table.to_pylist()}
    assert rows == {
        ("budget", None): (2023, "FY", Decimal(1_000_000)),
        ("execution", "central"): (2023, "01-09", Decimal(600_000)),
        ("execution", "province"): (2023, "01-09", Decimal(200_000)),
        ("execution", None): (2023, "09", Decimal(90_000))}
    assert sorted(f.field or "" for f in x.findings if f.code == "taken-from-title") == ["fiscal_year", "period"]


def test_masked_codes_are_not_stated(tmp_path):
    header = "record_type,project_name,project_code,total_investment_printed,source_title,source_url"
    x = look(tmp_path, "project", header, "单个项目,城北快速路（一期）,****,1.5亿元,批复,https://a.cn/1")
    assert only(x, "project_code") is None
    assert x.table["total_investment"][0].as_py() == Decimal(150_000_000)
    assert x.counts()["not-stated"] == 1
