"""Notices, projects, hotlines, penalties and car parks as further cities head and word them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ckanext.gkopen.dates import parse_datetime
from ckanext.gkopen.examine import render
from ckanext.gkopen.records import Examined, Unreadable
from tests.normalise.tables import book, look


def said(x: Examined, *codes: str) -> list[tuple[str, str | None]]:
    return [(f.code, f.label) for f in x.findings if f.code in codes]


@pytest.mark.parametrize("printed", [
    "2024年06月03日 14:30（北京时间）", "2024年6月3日下午2时30分(北京时间)", "北京时间2024年6月3日 14:30",
    "2024年6月3日（星期一）14:30"])
def test_times_as_notices_print_them(printed):
    assert str(parse_datetime(printed)) == "2024-06-03 14:30:00"


def test_the_full_hour():
    assert str(parse_datetime("2024年6月3日9时整（北京时间）")) == "2024-06-03 09:00:00"


def test_a_correction_with_its_matter_and_its_content(tmp_path):
    """更正事项 says which document, 更正内容 what is changed: of two that stand in for the reason the best is taken."""
    x = look(tmp_path, "procurement", "项目编号,项目名称,公告类型,首次公告日期,更正日期,更正事项,更正内容,采购人",
             "HF-1,图书采购,更正公告,2024-05-06,2024-05-10,采购文件,开标时间改为6月3日,合肥市图书馆")
    [row] = x.table.to_pylist()
    assert (row["reason"], str(row["published_at"])) == ("开标时间改为6月3日", "2024-05-10 00:00:00")
    assert said(x, "column-second") == [("column-second", "更正事项")]


def test_a_single_source_notice_under_the_headings_of_its_form(tmp_path):
    x = look(tmp_path, "procurement", "采购人,项目名称,拟采购的货物或服务的说明,拟采购的货物或服务的预算金额,"
             "采用单一来源采购方式的原因及说明,拟定供应商名称,公示时间",
             "昆明市气象局,雷达运维,维护雷达,960000元,专利,北京雷达有限公司,2024-05-10", notice_type="单一来源公示")
    [row] = x.table.to_pylist()
    assert (row["requirement"], row["budget_amount"], row["reason"], row["supplier_name"]) == (
        "维护雷达", Decimal(960000), "专利", "北京雷达有限公司")


def test_contracts_without_a_project_and_with_changes(tmp_path):
    x = look(tmp_path, "procurement", "合同编号,合同名称,采购人（甲方）,供应商（乙方）,合同金额（元）,合同公告日期",
             "QD-1,垃圾清运合同,青岛市市北区城管局,青岛洁神有限公司,6800000,2024-05-08", notice_type="合同公告")
    assert x.table["project_name"].to_pylist() == ["垃圾清运合同"]
    x = look(tmp_path, "procurement", "原合同编号,项目名称,采购人,供应商,变更后合同金额（万元）,变更原因,发布日期",
             "CQ-1,道路维护,渝中区城管局,重庆市政有限公司,478.5,新增面积,2024/3/20", notice_type="合同变更公告")
    assert x.table.select(["contract_no", "contract_amount"]).to_pylist() == [
        {"contract_no": "CQ-1", "contract_amount": Decimal(4785000)}]


def test_services_that_a_government_buys(tmp_path):
    x = look(tmp_path, "procurement", "购买主体,项目名称,服务内容,承接主体,合同金额（万元）,购买方式,发布日期",
             "思明区民政局,养老服务,助餐,厦门某养老服务中心,120,公开招标,2024-03-10", notice_type="合同公告")
    [row] = x.table.to_pylist()
    assert [row[name] for name in ("buyer_name", "requirement", "supplier_name", "method", "contract_amount")] == [
        "思明区民政局", "助餐", "厦门某养老服务中心", "open", Decimal(1200000)]


def test_a_day_that_cannot_be_read_is_one_finding_and_not_two(tmp_path):
    x = look(tmp_path, "procurement", "项目编号,项目名称,招标人,公示时间",
             "SY-1,桥梁,沈阳市城建局,2024.05.07至2024.05.10", notice_type="中标结果公示")
    assert [f.code for f in x.findings if f.severity == "error"] == ["date-wrong"] and x.rows_quarantined == 1


def test_the_whole_of_a_heading_over_its_parts(tmp_path):
    rows = [["2024年一季度概算审批情况"],
            ["项目名称", "概算总投资（万元）", None, None, "批复日期"], [None, "合计", "建安费", "预备费"],
            ["某幼儿园", 3562.12, 3392.12, 170, "2024.2.5"]]
    x = book(tmp_path, "project", rows, "A2:A3", "B2:D2", "E2:E3")
    assert x.table["total_investment"].to_pylist() == [Decimal(35621200)]
    assert said(x, "column-unknown") == [("column-unknown", "概算总投资（万元） 建安费"),
                                         ("column-unknown", "概算总投资（万元） 预备费")]


def test_final_accounts_of_projects_and_two_estimates(tmp_path):
    x = look(tmp_path, "project", "项目名称,投资估算（万元）,概算投资（万元）,送审决算（万元）,审定决算（万元）",
             "沙区快速路,13000,12500,12100.35,11856.2")
    assert x.table.select(["total_investment", "final_amount"]).to_pylist() == [
        {"total_investment": Decimal(125000000), "final_amount": Decimal(118562000)}]
    assert said(x, "column-second") == [("column-second", "投资估算（万元）")]


CODE = "2401-330782-04-01-100200"


@pytest.mark.parametrize(("event", "item"), [
    ("建筑工程施工许可证核发", "approval_result"), ("初步设计批复", "approval_result"), ("施工招标公告", "bidding"),
    ("中标结果公示", "bidding"), ("征收土地公告", "land"), ("重大设计变更批复", "design_change"), ("开工报告", "works"),
    ("竣工验收备案", "completion"), ("行政处罚决定书", "penalty"), ("质量监督报告", "supervision"), ("其他事项", None)])
def test_what_an_event_is_called_tells_its_kind(tmp_path, event, item):
    x = look(tmp_path, "project_event", "项目代码,项目名称,审批事项,审批时间,审批部门",
             f"{CODE},城北路小学,{event},2024年4月9日,义乌市住建局",
             f"{CODE},城北路小学,可研批复,2024-04-10,义乌市住建局")
    found = {row["event"]: row["item"] for row in x.table.to_pylist()}
    assert found == {"可研批复": "approval_result"} | ({event: item} if item else {})
    assert x.rows_quarantined == (item is None)


def test_an_event_that_has_a_kind_and_no_name(tmp_path):
    x = look(tmp_path, "project_event", "项目代码,信息类别,变更内容,变更原因,批准日期",
             f"{CODE},重大设计变更,桩基改为预制桩,地质条件,2024-03-08")
    assert [(row["item"], row["event"], row["result"]) for row in x.table.to_pylist()] == [
        ("design_change", "重大设计变更", "桩基改为预制桩")]
    x = look(tmp_path, "project_event", "项目代码,发证日期,施工许可证编号,施工单位,监理单位,设计单位,建筑面积",
             f"{CODE},2024-05-08,460200202405080101,海南建工,海南监理公司,海南设计院,8200", item="approval_result")
    assert [(row["event"], row["document_no"], row["party_name"]) for row in x.table.to_pylist()] == [
        ("批准结果信息", "460200202405080101", "海南建工")]


@pytest.mark.parametrize(("label", "area"), [
    ("征收土地面积（平方米）", Decimal(8200)), ("征收土地面积(㎡)", Decimal(8200)), ("征收土地面积", Decimal(8200)),
    ("征收土地面积（公顷）", None), ("征收土地面积（亩）", None)])
def test_an_area_in_another_unit_is_not_published_as_square_metres(tmp_path, label, area):
    x = look(tmp_path, "project_event", f"项目代码,信息类别,事项名称,{label},公告日期",
             f"{CODE},征收土地信息,征收土地公告,8200,2024-05-15")
    assert x.table["area"].to_pylist() == [area]
    assert said(x, "column-other-unit", "column-unknown") == ([] if area else [("column-other-unit", label)])


PENALTY = "决定书文号,当事人,违法事实,处罚依据,处罚种类,处罚内容,处罚机关,处罚日期"


@pytest.mark.parametrize(("content", "fine"), [
    ("罚款500元", 500), ("警告，并处罚款人民币伍仟元整", 5000), ("处合同价款1%罚款计53,200.50元", "53200.5"),
    ("没收违法所得120.5元；罚款0.5万元。", 5000), ("罚款人民币贰仟元整（￥2000.00）", 2000),
    ("罚款500元，罚款300元", None), ("没收违法所得120.5元", None), ("罚款若干", None)])
def test_a_fine_that_only_the_penalty_states(tmp_path, content, fine):
    x = look(tmp_path, "penalty", PENALTY,
             f'罚〔2024〕1号,常州某公司,占道,条例,罚款,"{content}",常州市城管局,2024-05-06',
             "罚〔2024〕2号,常州某公司,占道,条例,罚款,罚款100元,常州市城管局,2024-05-06")
    fines = {row["decision_no"]: row["fine_amount"] for row in x.table.to_pylist()}
    assert fines == {"罚〔2024〕2号": Decimal(100)} | ({"罚〔2024〕1号": Decimal(fine)} if fine else {})
    assert said(x, "taken-from-column", "value-missing") == [("taken-from-column", "处罚内容")] + (
        [] if fine else [("value-missing", "罚款金额")])


def test_satisfaction_adds_up_over_its_measures(tmp_path):
    lines = ["2024年5月满意度测评情况,,", "满意度评价,数量,占比", "非常满意,3012,60.2%", "满意,1500,30.0%",
             "基本满意,300,6.0%", "不满意,190,3.8%"]
    assert said(look(tmp_path, "hotline", *lines, "总计,5002,100%"), "sum-differs") == []
    x = look(tmp_path, "hotline", *lines, "总计,5003,100%")
    assert [f.params["sum"] for f in x.findings if f.code == "sum-differs"] == ["5002"]


def test_measures_in_lines_with_this_month_and_others(tmp_path):
    x = look(tmp_path, "hotline", "指标名称,计量单位,本月,上月,环比增减(%)", "来电总量,个,45210,43001,5.1",
             "办结率,%,99.1,99,0.1", region_name="绵阳市", period="2024-05")
    assert {(row["dimension"], row["measure"], row["value"], row["unit"]) for row in x.table.to_pylist()} == {
        ("indicator", "calls_in", Decimal(45210), "个"), ("indicator", "closing_rate", Decimal("99.1"), "%")}


def test_the_whole_year_below_its_months(tmp_path):
    x = look(tmp_path, "hotline", "赣州市12345热线2023年受理情况统计表,", "月份,受理量（件）", "1月,28001",
             "2-3月,22001", "全年,361002", region_name="赣州市")
    assert {row["period"]: row["value"] for row in x.table.to_pylist()} == {
        "2023": Decimal(361002), "2023-01": Decimal(28001), "2023-02/2023-03": Decimal(22001)}


def test_street_parking_by_its_section(tmp_path):
    x = look(tmp_path, "parking", "路段名称,区域,起止点,泊位数（个）,停车场性质,收费标准,收费时段",
             "中山路,南湖区,禾兴路至建国路,45,路内停车泊位,一类区域,8:00-20:00")
    assert x.table.select(["address", "type", "spaces", "open_hours"]).to_pylist() == [
        {"address": "禾兴路至建国路", "type": "street", "spaces": 45, "open_hours": "8:00-20:00"}]


@pytest.mark.parametrize(("title", "period"), [
    ("一周运行情况（2024年5月6日-5月12日）", "2024-W19"), ("2024年5月6日至12日热线周报", "2024-W19"),
    ("2024年5月1日—5月10日通报", "2024-05-01/2024-05-10"), ("通报（2024年5月6日）", None)])
def test_days_that_a_title_names(tmp_path, title, period):
    x = look(tmp_path, "hotline", f"{title},", "诉求类型,受理量（件）", "咨询,8562", "投诉,4201", region_name="合肥市")
    assert {*x.table["period"].to_pylist()} == ({period} if period else set())


def test_the_label_over_categories_tells_their_dimension_beside_measures_too(tmp_path):
    x = look(tmp_path, "hotline", "诉求类型,受理量（件）,占比", "咨询,8562,67.1%", "投诉,4201,32.9%", "合计,12763,100%",
             region_name="合肥市", period="2024-05")
    assert {*zip(*(x.table[name].to_pylist() for name in ("dimension", "adds_up", "measure")), strict=True)} == {
        ("request_type", True, "accepted")}
    assert said(x, "sum-differs", "share-differs") == []
    x = look(tmp_path, "hotline", "区县,受理量（件）,办结量", "蜀山区,8562,8500", period="2024-05")
    assert {*x.table["dimension"].to_pylist()} == {"indicator"}


def test_columns_of_two_kinds_of_statistics_in_one_file(tmp_path):
    x = look(tmp_path, "hotline", "统计时间,区县,咨询,投诉,求助,办结率,联系方式", "2024年5月,惠城区,52,23,21,99.2%,无")
    assert {*x.table["category"].to_pylist()} == {"咨询", "投诉", "求助"}
    assert said(x, "column-other-shape", "column-unknown") == [("column-other-shape", "办结率"),
                                                               ("column-unknown", "联系方式")]


def test_records_of_single_requests_are_no_statistics(tmp_path):
    lines = ["工单编号,诉求类型,区县,满意度", "YZ001,投诉,三茅街道,满意", "YZ002,咨询,新坝镇,不满意"]
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, "hotline", *lines, period="2024-05")
    assert [(f.code, f.params["labels"]) for f in refused.value.findings] == [("columns-of-words", ["满意度"])]
    x = look(tmp_path, "hotline", "区县,满意率,办结率", "三茅街道,—,未统计", "新坝镇,98%,—", period="2024-05")
    assert x.table["value"].drop_null().to_pylist() == [98]


@pytest.mark.parametrize("label", ["作出处罚决定的机关名称", "处罚机关全称", "作出处罚的机关"])
def test_labels_that_are_nearly_known(tmp_path, label):
    x = look(tmp_path, "penalty", PENALTY.replace("处罚机关", label),
             "罚〔2024〕2号,常州某公司,占道,条例,罚款,罚款100元,常州市城管局,2024-05-06")
    assert x.table["body_name"].to_pylist() == ["常州市城管局"]


def test_what_was_invested_until_a_day(tmp_path):
    x = look(tmp_path, "project", "项目名称,县(市、区),总投资(万元),至4月底累计完成投资(万元)",
             "衢州二小,柯城区,12000,3500")
    assert x.table.select(["location", "cumulative_invested"]).to_pylist() == [
        {"location": "柯城区", "cumulative_invested": Decimal(35000000)}]


def test_services_in_a_budget(tmp_path):
    x = look(tmp_path, "budget", "2024年政府购买服务支出预算表,,", "部门：泰州市民政局,,单位：万元",
             "购买项目名称,购买方式,预算数", "养老评估,公开招标,80", "社工服务,竞争性磋商,60")
    assert {*zip(x.table["project"].to_pylist(), x.table["amount"].to_pylist(), strict=True)} == {
        ("养老评估", Decimal(800000)), ("社工服务", Decimal(600000))}


def test_candidates_side_by_side_are_refused_with_what_to_do(tmp_path):
    header = "标段编号,项目名称,招标人,公示时间,第一中标候选人,第一候选人报价（元）,第二中标候选人,第二候选人报价（元）"
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, "procurement", header, "JDZ-1,某学校,景德镇教育局,2024-05-06,江西建工,100,江西二建,200",
             notice_type="candidates")
    [found] = refused.value.findings
    assert (found.code, len(found.params["labels"])) == ("ranks-as-columns", 4)
    assert "排名" in render(found, "zh")["fix"]


def test_a_plan_of_tenders(tmp_path):
    x = look(tmp_path, "procurement", "招标人,项目名称,估算投资（万元）,招标内容,拟招标方式,预计招标时间,发布日期",
             "十堰市水务局,管网改造,5600,施工,公开招标,2024年7月,2024-05-06", filename="招标计划.csv")
    [row] = x.table.to_pylist()
    assert [row[name] for name in ("notice_type", "budget_amount", "requirement", "method", "planned_for")] == [
        "intention", Decimal(56000000), "施工", "open", "2024年7月"]


def test_what_is_made_public_of_an_event(tmp_path):
    x = look(tmp_path, "project_event", "项目代码,公开类别,公开内容,公开时间",
             f"{CODE},批准结果信息,可研报告批复结果,2024-02-05", f"{CODE},征收土地信息,征地补偿方案,2024-03-15")
    assert {(row["item"], row["event"]) for row in x.table.to_pylist()} == {
        ("approval_result", "可研报告批复结果"), ("land", "征地补偿方案")}
    x = look(tmp_path, "project_event", "项目代码,公开内容,公开时间", f"{CODE},批准结果信息,2024-02-05",
             f"{CODE},批准服务信息,2024-03-15")
    assert {row["item"] for row in x.table.to_pylist()} == {"approval_result", "approval_service"}


def test_a_total_with_its_word_before_it(tmp_path):
    x = look(tmp_path, "project", "项目名称,总投资", "武黄高速,总投资12.5亿元", "市民之家,估算总投资约3.2亿元")
    assert {row["title"]: row["total_investment"] for row in x.table.to_pylist()} == {
        "武黄高速": Decimal(1250000000), "市民之家": None}


@pytest.mark.parametrize(("printed", "unit", "value", "stated"), [
    ("3211件", "", 3211, "件"), ("3,211 件", "", 3211, "件"), ("1.2万件", "", 12000, "件"),
    ("3211件", "件", 3211, "件"), ("3211件", "个", None, "个"), ("3211", "", 3211, ""),
    ("约3211件", "", None, ""), ("３２１１件", "", 3211, "件")])
def test_counts_that_say_their_own_unit(tmp_path, printed, unit, value, stated):
    x = look(tmp_path, "hotline", "类别,数量,计量单位", f'咨询类,"{printed}",{unit}', "投诉类,110,",
             period="2024-03", region_name="文山州")
    [row] = [row for row in x.table.to_pylist() if row["category"] == "咨询类"]
    assert (row["value"], row["unit"] or "", row["value_text"]) == (value, stated, printed)
    assert row["dimension"] == "request_type"  # all that stands under 类别 is a type of request


def test_finer_categories_beside_coarse_ones(tmp_path):
    x = look(tmp_path, "hotline", "一级分类,二级分类,工单量（件）,占比", "城乡建设,物业管理,1203,12%",
             "城乡建设,供水,802,8%", period="2024-05", region_name="昭通市")
    assert {(row["dimension"], row["category"]) for row in x.table.to_pylist()} == {
        ("topic", "物业管理"), ("topic", "供水")}
    assert said(x, "column-second") == [("column-second", "一级分类")]


def test_counts_among_the_amounts_of_three_public_expenses(tmp_path):
    """公务用车保有量（辆） 5 in a table in 万元 is no 50,000 yuan."""
    lines = ["2023年度三公经费支出情况表,,", "单位：湛江市审计局,,金额单位：万元", "项目,年初预算数,决算数",
             "1．公务用车购置及运行维护费,15,12.1", "2．公务接待费,5,3.22", "3．公务用车保有量（辆）,—,5",
             "4．国内公务接待批次,—,32", "5．国内公务接待人次(人次),—,210", "6．公务用车购置费（其中：新能源）,0,0"]
    x = look(tmp_path, "budget", *lines)
    assert {row["line_name"][0] for row in x.table.to_pylist()} == {"1", "2", "6"}
    found = [f for f in x.findings if f.code == "rule-pattern"]
    assert [f.line for f in found] == [6, 7, 8] and "不是金额" in render(found[0], "zh")["message"]


def test_a_notice_on_its_side_is_refused_with_what_to_do(tmp_path):
    rows = [["行政处罚决定书文号", "阳市监处罚〔2024〕1号"], ["二、当事人", "阳泉某公司"],
            ["违法事实", "未明码标价"], ["处罚依据", "价格法"], ["处罚内容", "罚款1000元"],
            ["处罚机关", "阳泉市市场监管局"], ["处罚日期", "2024-05-06"]]
    with pytest.raises(Unreadable) as refused:
        book(tmp_path, "penalty", rows)
    [found] = refused.value.findings
    assert (found.code, found.params["labels"][:2]) == ("table-sideways", ["二、当事人", "违法事实"])
    with pytest.raises(Unreadable) as refused:  # cells that are no labels
        look(tmp_path, "penalty", "决定书文号,当事人", "罚1号,甲公司", "罚2号,乙公司", "罚3号,丙公司")
    assert {f.code for f in refused.value.findings} == {"column-missing"}


def test_channels_over_measures_are_refused_with_what_to_do(tmp_path):
    rows = [["2024年5月热线分渠道办理情况表"], ["区县", "电话", None, "网络", None],
            [None, "受理量", "办结量", "受理量", "办结量"],
            ["端州区", 1200, 1180, 300, 300], ["鼎湖区", 800, 790, 150, 149]]
    with pytest.raises(Unreadable) as refused:
        book(tmp_path, "hotline", rows, "A2:A3", "B2:C2", "D2:E2")
    [found] = refused.value.findings
    assert (found.code, found.params["labels"], found.params["measures"]) == (
        "headings-over-measures", ["电话", "网络"], ["受理量", "办结量"])


def test_what_would_do_in_place_of_a_number_is_said(tmp_path):
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, "procurement", "武汉市教育局2024年5月政府采购意向,,",
             "采购项目名称,预算金额（万元）,预计采购时间", "智慧教室,380.5,2024年6月")
    made, missing = refused.value.findings
    assert (made.code, missing.code, missing.field) == ("column-missing-made", "column-missing", "published_at")
    assert "“来源网址”、“来源标题”、“项目编号”、“采购单位”" in render(made, "zh")["fix"]
    x = look(tmp_path, "procurement", "2024年5月政府采购意向,,", "采购单位：武汉市教育局,,发布时间：2024-05-08",
             "采购项目名称,预算金额（万元）,预计采购时间", "智慧教室,380.5,2024年6月")
    assert x.rows_ok == 1


def test_numbers_of_lines_that_are_merged_with_them(tmp_path):
    rows = [["2024年8月政府采购意向"], ["序号", "采购单位", "采购项目名称", "预算金额（万元）", "预计采购时间"],
            [1, "大庆市教育局", "校服", 50, "2024年8月"], [None, None, "课桌", None, "2024年8月"]]
    x = book(tmp_path, "procurement", rows, "A3:A4", "B3:B4", published_at="2024-07-20")
    assert x.table["buyer_name"].to_pylist() == ["大庆市教育局"] and said(x, "merged-number") == []
    x = book(tmp_path, "procurement", rows, "A3:A4", "B3:B4", "D3:D4", published_at="2024-07-20")
    assert [f.params["column"] for f in x.findings if f.code == "merged-number"] == [4]


def test_a_count_beside_measures_is_not_lost_without_a_word(tmp_path):
    x = look(tmp_path, "hotline", "单位,诉求件数,按时办结率,群众满意率", "鼓楼区,5123,99.98%,98.21%", period="2024-05")
    assert {(row["measure"], row["value"]) for row in x.table.to_pylist()} == {
        ("accepted", Decimal(5123)), ("on_time_rate", Decimal("99.98")), ("satisfaction_rate", Decimal("98.21"))}
    x = look(tmp_path, "hotline", "单位,指标值,按时办结率,群众满意率", "鼓楼区,5123,99.98%,98.21%", period="2024-05")
    assert x.rows_ok == 2 and said(x, "column-unknown") == [("column-unknown", "指标值")]


@pytest.mark.parametrize("label", [
    "投标报价(含税 万元)", "投标报价（人民币、万元）", "投标报价（单位：万元，含税）", "投标报价（万元）"])
def test_a_unit_with_more_in_its_brackets(tmp_path, label):
    x = look(tmp_path, "procurement", f'标段编号,项目名称,招标人,中标候选人名称,排名,"{label}",公示开始时间',
             "LY-1,新罗区路,新罗区住建局,福建A公司,第一名,3512.11,2024-05-06", notice_type="candidates")
    assert x.table["award_amount"].to_pylist() == [Decimal(35121100)]
