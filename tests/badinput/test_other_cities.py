"""The same kinds of records from other cities: other spellings of months, units, notices and names are read alike."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine, render
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


@pytest.mark.parametrize(("printed", "unit", "basis", "rate"), [
    ("85.00%（费率）", "元", "rate", Decimal(85)), ("下浮率：12%", "元", "discount", Decimal(12)),
    ("折扣 8.5折", "元", "rate", None), ("单价12000元/人·月", "元", "unit_price", None),
    ("包1:12.3万元;包2:3.4万元", "元", "formula", None), ("20.5", "%", "rate", None)])
def test_a_price_that_is_no_amount_is_none(tmp_path, printed, unit, basis, rate):
    line = f'中标公告,道路养护,某局,浙江省,公开招标,甲公司,,,{printed},2023-04-05,https://a.cn/1,{unit}'
    x = look(tmp_path, "procurement", NOTICE + ",quoted_unit", line)
    assert only(x, "pricing_basis") == basis
    assert x.table.select(["award_amount", "award_rate", "award_amount_text"]).to_pylist() == [
        {"award_amount": None, "award_rate": rate, "award_amount_text": printed}]


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
    assert sorted(f.field or "" for f in x.findings if f.code == "taken-from-title") == [
        "direction", "fiscal_year", "period", "table_name"]


def test_masked_codes_are_not_stated(tmp_path):
    header = "record_type,project_name,project_code,total_investment_printed,source_title,source_url"
    x = look(tmp_path, "project", header, "单个项目,城北快速路（一期）,****,1.5亿元,批复,https://a.cn/1")
    assert only(x, "project_code") is None
    assert x.table["total_investment"][0].as_py() == Decimal(150_000_000)
    assert x.counts()["not-stated"] == 1


def book(folder: Path, *rows: list) -> Path:
    workbook = openpyxl.Workbook()
    for cells in rows:
        workbook.worksheets[0].append(cells)
    path = folder / "raw.xlsx"
    workbook.save(path)
    return path


def said(x: Examined) -> list[tuple[str, int | None, str | None]]:
    """Code, line and label of what is said about single lines."""
    return [(f.code, f.line, f.label) for f in x.findings if f.line is not None]


@pytest.mark.parametrize(("printed", "unit", "value", "stored"), [
    ("98.5%", "%", "98.5", "%"), ("98.50％", "", "98.5", "%"), ("98.5", "%", "98.5", "%"), ("98.5%", "件", None, "件"),
    ("80%以上", "%", None, "%"),
])
def test_a_rate_with_its_sign_is_a_figure(tmp_path, printed, unit, value, stored):
    x = look(tmp_path, "hotline", CALLS, f"浙江省丽水市,2024-07,12345热线,指标,满意率,{printed},{unit}")
    assert only(x, "value") == (value if value is None else Decimal(value))
    assert x.table["unit"].to_pylist() == [stored]
    assert x.table["value_text"].to_pylist() == [printed]


def test_a_wide_table_with_rates_and_a_total_line(tmp_path):
    """Rates come out of percent cells; what is said names the figure's own column, once; 合计 is no period."""
    path = book(tmp_path, ["月份", "来电量", "按时办结率", "满意率"], ["2024年1月", 12345, "99.5%", 0.982],
                ["2024年2月", "约1.2万", "98%", 0.975], ["三月", 1, "97%", 0.9], ["合计", 24345, None, None])
    workbook = openpyxl.load_workbook(path)
    for row in (2, 3, 4):
        workbook.worksheets[0].cell(row, 4).number_format = "0.00%"
    workbook.save(path)
    x = examine(get_domain("hotline"), path, filename="表.xlsx", options=Options(constants={"region_name": "丽水市"}))
    rates = {(r["period"], r["category"]): r["value"] for r in x.table.to_pylist() if r["unit"] == "%"}
    assert rates == {("2024-01", "按时办结率"): Decimal("99.5"), ("2024-01", "满意率"): Decimal("98.2"),
                     ("2024-02", "按时办结率"): Decimal(98), ("2024-02", "满意率"): Decimal("97.5")}
    assert said(x) == [("type-wrong", 3, "来电量"), ("date-wrong", 4, "月份")]
    assert any("第5行是合计行" in note for note in x.notes)


def test_months_under_a_title_that_names_the_year_and_a_column_of_totals(tmp_path):
    rows = [["江海市12345热线2024年上半年诉求类型统计"], ["月份", "咨询", "求助", "合计"], ["1月", 100, 50, 150],
            ["2月份", 90, 40, 131], ["合计", 190, 90, 281]]
    x = examine(get_domain("hotline"), book(tmp_path, *rows), filename="表.xlsx",
                options=Options(constants={"region_name": "江海市"}))
    assert [(r["period"], r["request_type"], int(r["value"])) for r in x.table.to_pylist()] == [
        ("2024-01", "inquiry", 100), ("2024-01", "help", 50), ("2024-02", "inquiry", 90),
        ("2024-02", "help", 40)]
    assert said(x) == [("whole-differs", 4, "合计")]


def test_revenue_and_transfers_of_regions(tmp_path):
    rows = [["2024年9月江海市一般公共预算收入完成情况表"], ["单位：万元"],
            ["地区", "年度预算", "本月完成", "累计完成", "占年度预算%"], ["崇川区", 1000, 80, 750, "75.0"],
            ["通州区", 2000, 160, 1500, "75"], ["全市合计", 3000, 240, 2251, "75"]]
    options = Options(constants={"org_name": "江海市财政局"})
    x = examine(get_domain("budget"), book(tmp_path, *rows), filename="表.xlsx", options=options)
    assert (x.rows_ok, said(x)) == (9, [("sum-differs", 6, "累计完成")])
    rows = [["2024年江海市对下转移支付预算表"], ["单位：亿元"],
            ["地区", "合计", "税收返还", "一般性转移支付", "专项转移支付"], ["崇川区", 10, 1, 6, 3],
            ["通州区", 21, 2, 15.5, 3]]
    x = examine(get_domain("budget"), book(tmp_path, *rows), filename="表.xlsx", options=options)
    assert (x.rows_ok, said(x)) == (6, [("whole-differs", 5, "合计")])
    assert {(r["region_name"], r["transfer_kind"]) for r in x.table.to_pylist()} == {
        (region, kind) for region in ("崇川区", "通州区") for kind in ("tax_return", "general", "special")}


def test_parts_of_parts_do_not_count_twice(tmp_path):
    """三公经费 as departments print it: purchase and operation stand below the vehicles, with or without 其中."""
    for names in (("公务用车购置费", "公务用车运行维护费"), ("其中：公务用车购置费", "  公务用车运行维护费")):
        rows = [["项目", "年度", "决算数（万元）"], ["合计", 2024, 98.76], ["因公出国（境）费用", 2024, 8.5],
                ["公务用车购置及运行维护费", 2024, 70.26], [names[0], 2024, 20.26], [names[1], 2024, 50],
                ["公务接待费", 2024, 20]]
        options = Options(constants={"org_name": "丽水市教育局"})
        x = examine(get_domain("budget"), book(tmp_path, *rows), filename="表.xlsx", options=options)
        assert (x.rows_ok, said(x)) == (6, [])
        rows[1][2] = 98.77
        x = examine(get_domain("budget"), book(tmp_path, *rows), filename="表.xlsx", options=options)
        assert said(x) == [("sum-differs", 2, "决算数（万元）")]
        assert "2024 决算 全年" in render(next(f for f in x.findings if f.code == "sum-differs"), "zh")["message"]


def test_a_table_of_totals_alone_contradicts_nothing(tmp_path):
    rows = [["地区", "统计月份", "咨询", "求助"], ["莲都区", "2024-07", 100, 50], ["合计", "2024-07", 100, 50]]
    x = examine(get_domain("hotline"), book(tmp_path, *rows), filename="表.xlsx", options=Options())
    assert (x.rows_ok, said(x)) == (4, [])


def test_a_formula_without_a_result_is_no_empty_cell(tmp_path):
    """As programs write workbooks that never were in Excel."""
    rows = [["停车场名称", "所属区", "地址", "类型", "泊位总数", "收费标准", "开放时间"],
            ["=A3", "莲都区", "中山街1号", "公共停车场", "=100+20", "免费", "全天"]]
    x = examine(get_domain("parking"), book(tmp_path, *rows), filename="表.xlsx", options=Options())
    assert said(x) == [("formula-error", 2, "停车场名称"), ("formula-error", 2, "泊位总数")]


def test_a_day_that_is_a_month_only_is_told_the_form_of_a_day(tmp_path):
    header = "项目名称,项目代码,总投资（万元）,计划开工时间,来源网址"
    x = look(tmp_path, "project", header, "城北快速路,2401-331102-04-01-100001,980,2025-12,https://a.cn/1")
    finding = next(f for f in x.findings if f.code == "date-wrong")
    assert (only(x, "started_on_text"), finding.field, finding.severity) == ("2025-12", "started_on", "warning")
    assert render(finding, "zh") == {
        "title": "日期无法确定", "message": "第 2 行“计划开工时间”的值“2025-12”不是一个确定的日期。",
        "fix": "请写成 2024-05-13 的形式；确实不能确定的请留空。"}


def test_what_a_bad_price_would_say_is_not_asked_for(tmp_path):
    header = "公告编号,公告类型,发布日期,项目编号,项目名称,采购人,采购方式,采购类别,供应商,中标金额,金额单位"
    x = look(tmp_path, "procurement", header,
             "NB-1,中标公告,2024-09-05,Z-1,道路养护,某局,公开招标,服务,甲公司,120万元,元")
    assert said(x) == [("unit-conflict", 2, "中标金额")]
    assert "pricing_basis" not in {f.field for f in x.findings}
