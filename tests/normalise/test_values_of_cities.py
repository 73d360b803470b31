"""Values as other cities print them: days without a format, counts in 万, codes that no list has, lines that head."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine, render
from ckanext.gkopen.records import Examined, Options, Unreadable


def look(folder: Path, domain: str, *lines: str, **constants: str) -> Examined:
    path = folder / "表.csv"
    path.write_text("\n".join(lines))
    x = examine(get_domain(domain), path, filename=path.name, options=Options(constants=constants))
    assert x.rows_in == x.rows_ok + x.rows_quarantined + x.rows_duplicate
    return x


@pytest.mark.parametrize(("printed", "day"), [
    ("45418", "2024-05-06 00:00:00"), ("45418.5", "2024-05-06 12:00:00"), ("5418", None), ("99999", None)])
def test_a_day_as_excel_counts_it(tmp_path, printed, day):
    header = "公告编号,公告类型,发布日期,项目名称,采购人"
    x = look(tmp_path, "procurement", header, f"G-1,更正公告,{printed},电梯,市二院",
             "G-2,更正公告,2024-05-07,电梯,市二院")
    days = [str(when) for when in x.table["published_at"].to_pylist()]
    assert days == ([day] if day else []) + ["2024-05-07 00:00:00"]
    assert x.counts()["date-serial"] == (day is not None) and x.rows_quarantined == (day is None)


@pytest.mark.parametrize(("printed", "unit", "value"), [
    ("1.2万", "件", "12000"), ("1,234.5万件", "件", "12345000"), ("1.2万", "", "12000"), ("12.3万", "万件", None),
    ("1.2万余", "件", None)])
def test_a_count_in_ten_thousands(tmp_path, printed, unit, value):
    x = look(tmp_path, "hotline", "region,period,channel,dimension,category,value_printed,quoted_unit",
             f'昆明市,2024-05,12345,诉求类型,咨询,"{printed}",{unit}')
    assert x.table["value"].to_pylist() == [value and Decimal(value)]
    assert x.table["value_text"].to_pylist() == [printed]


@pytest.mark.parametrize(("label", "title", "dimension"), [
    ("诉求类型", "", "request_type"), ("热点问题", "", "topic"), ("诉求分类", "热点诉求TOP5", "topic"),
    ("类别", "统计维度：诉求类型", "request_type")])
def test_the_label_over_the_categories_says_what_they_are(tmp_path, label, title, dimension):
    lines = [*([f"{title},,"] if title else []), f"{label},数量（件）,占比", "噪音扰民,120,60%", "停车管理,80,40%"]
    x = look(tmp_path, "hotline", *lines, region_name="贵阳市", period="2024-05")
    assert {*zip(x.table["dimension"].to_pylist(), x.table["category"].to_pylist(), strict=True)} == {
        (dimension, "噪音扰民"), (dimension, "停车管理")}


@pytest.mark.parametrize(("title", "period"), [
    ("2024年5月热线受理情况", "2024-05"), ("2024年1-5月热线受理情况", "2024-01/2024-05"),
    ("截至2024年5月底热线受理情况", None), ("截止2024年5月热线累计受理情况", None)])
def test_figures_until_a_day_are_not_those_of_its_month(tmp_path, title, period):
    x = look(tmp_path, "hotline", f"{title},", "诉求类型,数量（件）", "噪音扰民,120", region_name="贵阳市")
    assert x.table["period"].to_pylist() == ([period] if period else [])
    assert x.counts()["value-missing"] == x.rows_quarantined == (period is None)


def test_counts_of_channels_and_of_nothing_named(tmp_path):
    x = look(tmp_path, "hotline", "受理渠道,数量", "微信,120", "电话,80", region_name="贵阳市", period="2024-05")
    assert sorted(zip(*(x.table[name].to_pylist() for name in ("dimension", "category", "channel_code")),
                      strict=True)) == [("channel", "微信", "wechat"), ("channel", "电话", "hotline")]
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, "hotline", "类别,数量", "噪音扰民,120", region_name="贵阳市", period="2024-05")
    assert [f.field for f in refused.value.findings] == ["dimension"]


def test_a_code_that_no_list_has_is_kept_as_printed_beside_its_field(tmp_path):
    x = look(tmp_path, "project", "项目名称,行业,建设性质,总投资（万元）", "昆明某路,道路交通,新开工,980")
    assert x.table.select(["sector", "sector_text", "type", "type_text"]).to_pylist() == [
        {"sector": None, "sector_text": "道路交通", "type": None, "type_text": "新开工"}]
    x = look(tmp_path, "hotline", "区县,区划代码,统计月份,受理量", "南明区,520102,2024-05,120")
    assert x.table.select(["region_name", "region_code", "region_code_text"]).to_pylist() == [
        {"region_name": "南明区", "region_code": None, "region_code_text": "520102"}]


def test_several_kinds_of_a_penalty_in_one_cell(tmp_path):
    header = "决定书文号,企业名称,违法事实,处罚依据,处罚类别,处罚内容,处罚机关,处罚决定日期"
    x = look(tmp_path, "penalty", header, *(
        f"罚〔2024〕{number}号,某食品有限公司,过期食品,食品安全法,{kinds},罚款五千元,某局,2024/5/6"
        for number, kinds in ((1, "罚款;没收违法所得"), (2, "罚款;某某"))))
    assert x.table.select(["kind", "kind_text"]).to_pylist() == [{"kind": "several", "kind_text": "罚款;没收违法所得"}]
    assert x.rows_quarantined == 1


def test_lines_that_head_others_in_the_column_of_numbers(tmp_path):
    workbook = openpyxl.Workbook()
    for row in (["序号", "项目名称", "建设单位", "总投资（亿元）"], ["一、交通类（2个）", None, None, 150],
                [1, "地铁15号线", "某公司", 100], [2, "滨海大道", "某中心", 51], ["二、民生类（1个）", None, None, 20],
                [1, "市二院", "某署", 20]):
        workbook.worksheets[0].append(row)
    workbook.save(tmp_path / "表.xlsx")
    x = examine(get_domain("project"), tmp_path / "表.xlsx", filename="表.xlsx", options=Options())
    assert sorted(x.table["title"].to_pylist()) == ["地铁15号线", "市二院", "滨海大道"]
    assert [(f.code, f.line) for f in x.findings if f.line] == [("total-row-differs", 2)]


def test_districts_of_a_city_that_the_list_of_divisions_lacks(tmp_path):
    x = look(tmp_path, "budget", "单位：万元,,", "地区,一般性转移支付,专项转移支付", "南明区,120,20", "合计,120,20",
             fiscal_year="2024", phase="budget", org_name="贵阳市财政局")
    assert (x.rows_ok, x.rows_quarantined) == (4, 0)


def test_a_dash_in_a_cell_for_a_figure_is_no_figure_and_no_zero(tmp_path):
    x = look(tmp_path, "budget", "单位：万元,,", "项目,预算数,决算数", "教育支出,—,12", "其他支出,0,/",
             "住房支出,-3.5,-", fiscal_year="2023", org_name="财政局", direction="expenditure")
    assert sorted((r["line_name"], r["phase"], int(r["amount"])) for r in x.table.to_pylist()) == [
        ("住房支出", "budget", -35_000), ("其他支出", "budget", 0), ("教育支出", "final", 120_000)]
    assert [(f.label, f.params["lines"]) for f in x.findings if f.code == "not-stated"] == [
        ("预算数", [3]), ("决算数", [4, 5])]


@pytest.mark.parametrize("domain", ["hotline", "budget"])
def test_units_in_a_column_that_says_only_unit(tmp_path, domain):
    if domain == "hotline":
        x = look(tmp_path, domain, "指标,数值,单位", "来电总量,12.5,万个", "接通率,99.1,%", region_name="杭州市",
                 period="2024-05", dimension="indicator")
        assert sorted(zip(x.table["value"].to_pylist(), x.table["unit"].to_pylist(), strict=True)) == [
            (Decimal("12.5"), "万个"), (Decimal("99.1"), "%")]
    else:
        x = look(tmp_path, domain, "2024年1-3月财政收支情况表,,", "指标,1-3月累计,单位", "税收收入,120.5,亿元",
                 "非税收入,100,万元", org_name="财政局")
        assert sorted((r["line_name"], int(r["amount"])) for r in x.table.to_pylist()) == [
            ("税收收入", 12_050_000_000), ("非税收入", 1_000_000)]
    assert set(x.table["org_name"].to_pylist()) <= {None, "财政局"}


def test_units_of_goods_are_no_units_of_money(tmp_path):
    x = look(tmp_path, "procurement", "金额单位：元,,,,,,", "公告编号,公告类型,发布日期,项目名称,数量,单位,中标金额",
             "G-1,中标公告,2024-05-06,电梯,2,台,120000")
    assert x.table["award_amount"].to_pylist() == [Decimal(120_000)]


def test_what_excel_does_not_show_is_read_and_said(tmp_path):
    workbook = openpyxl.Workbook()
    sheet = workbook.worksheets[0]
    for row in (["停车场名称", "所属区", "地址", "类型", "泊位总数", "收费标准", "开放时间"],
                ["甲", "莲都区", "中山街1号", "公共停车场", 120, "免费", "全天"],
                ["乙", "莲都区", "中山街2号", "公共停车场", 80, "免费", "全天"]):
        sheet.append(row)
    sheet.column_dimensions["F"].hidden = True
    sheet.column_dimensions.group("J", "XFD", hidden=True)  # beyond what is filled
    sheet.row_dimensions[3].hidden = True
    workbook.save(tmp_path / "表.xlsx")
    x = examine(get_domain("parking"), tmp_path / "表.xlsx", filename="表.xlsx", options=Options())
    assert x.rows_ok == 2
    assert {f.code: f.params for f in x.findings} == {
        "column-hidden": {"columns": ["F"], "count": 1}, "row-hidden": {"lines": [3], "count": 1}}


def test_milliseconds_of_a_gateway(tmp_path):
    x = look(tmp_path, "procurement", "公告编号,公告类型,发布日期,项目名称,采购人,合同签订日期",
             "G-1,合同公告,1714960000000,电梯,市二院,1714924800000")
    row = x.table.to_pylist()[0]
    assert (str(row["published_at"]), str(row["signed_on"])) == ("2024-05-06 09:46:40", "2024-05-06")


def test_the_unit_of_counts_stands_in_the_label_or_above(tmp_path):
    for lines in (("单位：件、%,,", "指标,数值,"), ("单位：件,,", "指标,数值,"), ("指标,数量（件）,",)):
        x = look(tmp_path, "hotline", *lines, "受理量,12034,", "满意率,98.5%,", period="2024-05")
        assert {(row["category"], row["value"], row["unit"]) for row in x.table.to_pylist()} == {
            ("受理量", Decimal(12034), "件"), ("满意率", Decimal("98.5"), "%")}, lines
    x = look(tmp_path, "hotline", "渠道,本期（件）,占比", "12345电话,120,60%", "微信,80,40%", period="2024-05")
    assert {(row["channel_code"], row["value"], row["unit"]) for row in x.table.to_pylist()} == {
        ("hotline", Decimal(120), "件"), ("wechat", Decimal(80), "件")}


@pytest.mark.parametrize(("domain", "lines", "labels", "columns"), [
    ("hotline", ("2024年诉求分类统计表,,,", "单位：件,,,", "诉求类型,1月,2月,一季度合计", "咨询,5,6,11"),
     ["1月", "2月"], ("统计期间", "数值")),
    ("budget", ("2021—2023年收入决算表,,", "单位：亿元,,", "项目,2021年,2022年", "税收收入,98.5,91.2"),
     ["2021年", "2022年"], ("年度", "金额"))])
def test_times_side_by_side_are_refused_with_what_to_do(tmp_path, domain, lines, labels, columns):
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, domain, *lines)
    [found] = refused.value.findings
    assert (found.code, found.params["labels"]) == ("times-as-columns", labels)
    assert all(column in render(found, "zh")["fix"] for column in columns)


def test_categories_in_lines_and_measures_in_columns(tmp_path):
    """Each figure keeps its category; rates are not added up, counts are, measure by measure."""
    x = look(tmp_path, "hotline", "诉求类别,受理量,办结量,满意率", "城市管理,3012,3000,98.5%", "住建,2980,2900,97%",
             "合计,5992,5901,97.9%", period="2024-05")
    assert {(row["category"], row["measure"], row["value"]) for row in x.table.to_pylist()} == {
        (name, measure, Decimal(figure)) for name, *figures in (
            ("城市管理", 3012, 3000, "98.5"), ("住建", 2980, 2900, 97), ("合计", 5992, 5901, "97.9"))
        for measure, figure in zip(("accepted", "closed", "satisfaction_rate"), figures, strict=True)}
    assert [(f.code, f.params["sum"]) for f in x.findings if f.code in ("sum-differs", "total-twice")] == [
        ("sum-differs", "5900")]
    x = look(tmp_path, "hotline", "排名,热点诉求,受理量", "1,物业管理,120", "2,违停,80", period="2024-05")
    assert x.table["category"].to_pylist() == ["物业管理", "违停"] and x.rows_quarantined == 0
