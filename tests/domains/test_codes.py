"""Code lists: complete against the standards, and able to say what real records mean."""

from __future__ import annotations

import pytest

from ckanext.gkopen.domains import CodeList, domains, get_domain


def codes(domain: str, field: str) -> CodeList:
    found = get_domain(domain).field(field).codes
    assert found is not None
    return found


def names(domain: str, field: str) -> set[str]:
    return {code.code for code in codes(domain, field).codes}


def test_thirteen_formats_of_notices_and_three_that_the_tendering_law_adds() -> None:
    notices = codes("procurement", "notice_type").codes
    assert len([code for code in notices if code.extra["format_2020"] == "yes"]) == 13
    assert {code.code for code in notices if code.extra["format_2020"] == "no"} == {
        "candidates",
        "bid_opening",
        "selection",
    }
    tags = {
        "planning",
        "planningUpdate",
        "tender",
        "tenderAmendment",
        "tenderUpdate",
        "tenderCancellation",
        "award",
        "awardUpdate",
        "awardCancellation",
        "contract",
        "contractUpdate",
        "contractAmendment",
        "implementation",
        "implementationUpdate",
        "contractTermination",
        "compiled",
    }
    assert {code.extra["ocds_tag"] for code in notices} <= tags


@pytest.mark.parametrize(
    ("domain", "field", "expected"),
    [
        (
            "procurement",
            "method",
            "open selective negotiation consultation inquiry single_source framework electronic other",
        ),
        ("procurement", "category", "goods works services"),
        ("budget", "phase", "budget adjusted execution final"),
        ("budget", "budget_book", "general fund capital social"),
        ("budget", "econ_system", "government department"),
        ("budget", "sangong_kind", "total abroad vehicles vehicle_purchase vehicle_operation reception"),
        ("project", "type", "construction rehabilitation replacement expansion decommissioning"),
        (
            "project",
            "stage",
            "identification preparation implementation completion maintenance decommissioning decommissioned cancelled",
        ),
        ("project_event", "modification_type", "duration value scope"),
        (
            "project_event",
            "item",
            "approval_service approval_result bidding land design_change works supervision completion penalty",
        ),
        ("hotline", "request_type", "inquiry help complaint report suggestion thanks other"),
    ],
)
def test_closed_lists_hold_exactly_the_values_of_the_standard(domain: str, field: str, expected: str) -> None:
    assert names(domain, field) == set(expected.split())


def test_hotline_measures_of_the_standard_with_numerator_and_denominator() -> None:
    measures = codes("hotline", "measure")
    assert {
        "calls_in",
        "calls_answered",
        "accepted",
        "resolved_online",
        "dispatched",
        "closed",
        "open",
        "closed_on_time",
        "surveyed",
        "satisfied",
        "satisfaction_rate",
    } <= {code.code for code in measures.codes}
    for code in measures.codes:
        for part in ("numerator", "denominator"):
            assert not code.extra[part] or measures.get(code.extra[part])


def test_methods_map_to_the_closed_list_of_ocds() -> None:
    ocds = {code.code: code.extra["ocds_method"] for code in codes("procurement", "method").codes}
    assert set(ocds.values()) <= {"open", "selective", "limited", "direct"}
    assert (ocds["open"], ocds["selective"], ocds["single_source"]) == ("open", "selective", "direct")


def test_regions_of_jiangsu_hang_together() -> None:
    regions = codes("budget", "region_code")
    jiangsu = [code for code in regions.codes if code.code.startswith("32")]
    assert len([code for code in jiangsu if code.code.endswith("00") and code.code != "320000"]) == 13
    assert len([code for code in jiangsu if not code.code.endswith("00")]) == 95
    assert all(regions.get(code.extra["parent"]) for code in jiangsu if code.code != "320000")


@pytest.mark.parametrize(
    ("domain", "field", "label", "code"),
    [
        ("procurement", "notice_type", "竞争性磋商成交结果公告", "award"),
        ("procurement", "notice_type", " 中标候选人 公示", "candidates"),
        ("procurement", "notice_type", "招标/资审文件澄清", "correction"),
        ("procurement", "method", "公开谈判", "negotiation"),
        ("procurement", "supplier_status", "明细（单价）", "item"),
        ("budget", "period", "1—7月", "01-07"),
        ("budget", "period", "12月", "12"),
        ("budget", "sangong_kind", "其中:(1)公务用车运行维护费", "vehicle_operation"),
        ("budget", "sangong_kind", "一、“三公”经费合计", "total"),
        ("budget", "sangong_kind", "3、公务用车费", "vehicles"),
        ("project", "stage", "可行性研究报告批复", "preparation"),
        ("project", "stage", "项目建议书批复", "identification"),
        ("project", "stage", "停工", "implementation"),
        ("project", "stage", "缓建", "preparation"),
        ("project", "stage", "停建", "cancelled"),
        ("project", "sector", "水环境", "waterAndWaste"),
        ("hotline", "request_type", "其它类", "other"),
        ("hotline", "measure", "来电总体接通率", "answer_rate"),
        ("hotline", "channel_code", "市(州)12345", "hotline"),
    ],
)
def test_a_label_of_a_real_record_is_understood(domain: str, field: str, label: str, code: str) -> None:
    found = codes(domain, field).find(label)
    assert found is not None and found.code == code


@pytest.mark.parametrize(
    ("domain", "field", "label"),
    [
        ("procurement", "notice_type", "汇总统计"),
        ("procurement", "notice_type", "中标(行业月报)"),
        ("hotline", "dimension", "数据"),
        ("budget", "budget_book", "其他"),
        ("project", "stage", "****"),
        ("project", "stage", "暂停"),
    ],
)
def test_an_unknown_label_is_never_guessed(domain: str, field: str, label: str) -> None:
    assert codes(domain, field).find(label) is None


def test_a_year_beside_a_column_label_of_a_wide_table_is_understood() -> None:
    shape = get_domain("budget").shapes[0]
    for label, code in [
        ("2016年预算数", "budget"),
        ("2017-预算数", "budget"),
        ("决算数（2023年）", "final"),
        ("本年收入计划", "budget"),
        ("累计完成数", "execution"),
    ]:
        found = shape.find(label)
        assert found is not None and found.code == code, label
    assert shape.find("上年同期数") is None


def test_every_code_has_both_titles_and_a_home() -> None:
    for domain in domains().values():
        for codelist in domain.code_lists.values():
            assert len({code.code for code in codelist.codes}) == len(codelist.codes)
            assert all(code.title.zh and code.title.en for code in codelist.codes)
