"""The money trail: what is joined, where it breaks, which amounts contradict; only published, withdrawn is gone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ckan.plugins import toolkit
from ckan.tests.helpers import CKANTestApp

from ckanext.gkopen import trail
from ckanext.gkopen.checks import contradictions
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.logic.action import trail as trail_action
from tests.people import Cast, call, make_cast
from tests.standards.test_published import publish
from tests.thread.test_thread import drain

CODE = "2401-320602-04-01-123456"
HEADER = ("公告编号,公告类型,发布时间,项目编号,采购计划编号,项目名称,采购单位,采购方式,采购类别,预算金额(元),"
          "最高限价(元),中标供应商,中标金额(元),计价方式,合同编号,签订日期,合同金额(元),验收结论")
SCHOOL = (
    "A-0,采购意向公告,2024-01-05 09:00,,通财采计[2024]8号,东洲小学扩建工程,南通市教育局,公开招标,工程,"
    "5000000.00,,,,,,,,",
    "A-1,招标公告,2024-02-01 09:00,NT-1,通财采计[2024]8号,东洲小学扩建工程,南通市教育局,公开招标,工程,"
    "5000000.00,4900000.00,,,,,,,",
    "A-2,中标（成交）结果公告,2024-03-01 09:00,NT-1,,东洲小学扩建工程,南通市教育局,公开招标,工程,,,"
    "江苏某某建设有限公司,4800000.01,金额,,,,",
    "A-3,合同公告,2024-03-20 09:00,NT-1,,东洲小学扩建工程,南通市教育局,公开招标,工程,,,江苏某某建设有限公司,,,"
    "HT-77,2024-03-18,4950000.00,",
    "A-4,公共服务项目验收结果公告,2024-12-20 09:00,,,东洲小学扩建工程,南通市教育局,公开招标,工程,,,"
    "江苏某某建设有限公司,,,HT-77,,,合格",
    "B-1,招标公告,2024-05-01 09:00,NT-2,,学校食堂食材配送,南通市教育局,公开招标,货物,300000.00,,,,,,,,",
    "C-1,招标公告,2024-05-02 09:00,NT-3,,空调采购,南通市教育局,公开招标,货物,80000.00,,,,,,,,",
    "C-2,终止公告,2024-05-09 09:00,NT-3,,空调采购,南通市教育局,公开招标,货物,,,,,,,,,",
)
PROJECTS = ("项目代码,项目名称,记录类型,建设地点,项目法人,项目类型,行业,总投资(元),资金来源,当前阶段,竣工日期",
            f"{CODE},东洲小学扩建工程,单个项目,南通市,南通市教育局,扩建,教育,5200000.00,财政资金,竣工,2024-12-01")
EVENTS = ("项目代码,项目名称,信息类别,事项名称,日期,文号,办理机关,变更前金额(元),变更后金额(元),采购过程标识",
          f"{CODE},东洲小学扩建工程,批准结果信息,初步设计概算批复,2023-12-01,通发改〔2023〕1号,南通市发展和改革委员会,,5200000.00,",
          f"{CODE},东洲小学扩建工程,招标投标信息,施工招标,2024-02-01,,南通市教育局,,,NT-1",
          f"{CODE},东洲小学扩建工程,重大设计变更信息,设计变更批复,2024-06-01,通发改〔2024〕9号,南通市发展和改革委员会,5200000.00,"
          "5300000.00,",
          f"{CODE},东洲小学扩建工程,竣工有关信息,竣工财务决算批复,2025-02-01,通财建〔2025〕3号,南通市财政局,,5300000.01,")
BUDGET = ("年度,阶段,预算类型,级次,单位,单位代码,收支方向,功能科目编码,功能科目名称,项目名称,金额（元）",
          "2024,预算,一般公共预算,部门,南通市教育局,115001,支出,2050202,小学教育,东洲小学扩建工程,5000000.00",
          "2024,预算,一般公共预算,部门,南通市教育局,115001,支出,2050202,小学教育,另一个项目,100.00")


def lines(*rows: str) -> bytes:
    return ("\n".join(rows) + "\n").encode()


def fill() -> Cast:
    made = make_cast()
    for domain, data in (("procurement", lines(HEADER, *SCHOOL)), ("project", lines(*PROJECTS)),
                         ("project_event", lines(*EVENTS)), ("budget", lines(*BUDGET))):
        publish(made, domain, data)
    drain()
    return made


@pytest.fixture(scope="module")
def filled(servers: Any, fresh_site: Any) -> Cast:
    """One site for the tests that only read."""
    fresh_site.reset()
    return fill()


@pytest.fixture
def cast(site: Any) -> Cast:
    return fill()


def days(shown: dict[str, Any]) -> dict[str, list[str | None]]:
    return {stage["stage"]: [step["on"] for step in stage["steps"]] for stage in shown["stages"]}


def amounts(shown: dict[str, Any]) -> dict[str, list[str]]:
    return {stage["stage"]: [amount["amount"] for step in stage["steps"] for amount in step["amounts"]]
            for stage in shown["stages"]}


def test_the_chain_of_a_process_and_of_its_project(filled: Cast, web: Any) -> None:
    browser = CKANTestApp(web)
    shown = call("gkopen_trail_show", "", project_no="NT-1")
    assert days(shown) == {
        "budget": [None], "plan": ["2024-01-05"], "notice": ["2024-02-01"], "award": ["2024-03-01"],
        "contract": ["2024-03-20"], "acceptance": ["2024-12-20"], "project": ["2023-12-01", "2024-02-01",
                                                                               "2024-06-01", None],
        "final": ["2025-02-01"]}
    assert amounts(shown) == {
        "budget": ["5000000.00"], "plan": ["5000000.00"], "notice": ["5000000.00", "4900000.00"],
        "award": ["4800000.01"], "contract": ["4950000.00"], "acceptance": [],
        "project": ["5200000.00", "5300000.00", "5200000.00"], "final": ["5300000.01"]}
    assert shown["breaks"] == []
    assert {finding["code"] for finding in shown["findings"]} == {
        "contract-above-ceiling", "contract-above-award", "final-above-approved"}
    assert (shown["ocid"], shown["project_code"]) == ("ocds-jhdemo-NT-1", CODE)
    assert call("gkopen_trail_show", "", ocid="ocds-jhdemo-NT-1") == shown
    of_project = call("gkopen_trail_show", "", project_code=CODE)
    assert of_project["stages"] == shown["stages"]
    assert of_project["processes"] == ["NT-1"]
    for path in ("/trail/process/NT-1", f"/trail/project/{CODE}"):
        page = browser.get(path)
        assert "4,950,000.00" in page.text and "合同金额超过最高限价" in page.text
        english = browser.get(f"/en{path}")
        assert "Contract above the ceiling" in english.text and "The way of the money" in english.text
        assert browser.get(f"{path}.json").get_json()["stages"][4]["steps"][0]["number"] == "HT-77"
    step = shown["stages"][3]["steps"][0]
    assert browser.get(step["row"]).status_code == 200
    project = browser.get(f"/open/oc4ids/oc4ids-jhdemo-{CODE}.json").get_json()["projects"][0]
    summary = project["contractingProcesses"][0]["summary"]
    assert (summary["ocid"], summary["status"]) == ("ocds-jhdemo-NT-1", "active")
    assert summary["contractValue"] == {"amount": 4950000.00, "currency": "CNY"}
    assert summary["modifications"][0]["newContractValue"]["amount"] == 5300000.00


def test_it_says_where_it_breaks(filled: Cast, web: Any) -> None:
    shown = call("gkopen_trail_show", "", project_no="NT-2")
    assert [(one["stage"], one["since"]) for one in shown["breaks"]] == [("award", "2024-05-01")]
    page = CKANTestApp(web).get("/trail/process/NT-2")
    assert "自 2024-05-01 的采购公告以来，没有公布中标（成交）结果" in page.text
    assert call("gkopen_trail_show", "", project_no="NT-3")["breaks"] == [], "it was terminated"


def test_a_code_that_no_project_has_is_not_searched_for(filled: Cast, web: Any,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of procurements begin with their project's: below one letter lie all of them."""
    asked: list[str] = []

    def noted(real: Any) -> Any:
        return lambda domain, *args: (asked.append(domain.name), real(domain, *args))[1]

    for name in ("rows_where", "numbers_below"):
        monkeypatch.setattr(trail_action, name, noted(getattr(trail_action, name)))
    assert CKANTestApp(web).get("/trail/project/N.json").status_code == 404
    assert set(asked) == {"project", "project_event"}


def test_reviewers_are_told_when_the_rows_are_in_one_file(filled: Cast) -> None:
    found = call("gkopen_revision_list", filled.reviewer)["results"]
    told = {finding["code"] for revision in found
            for finding in call("gkopen_revision_show", filled.reviewer, id=revision["id"])["finding_list"]}
    assert {"contract-above-ceiling", "contract-above-award", "final-above-approved"} <= told
    assert not told & {"award-above-budget", "award-above-ceiling"}


def test_withdrawn_is_gone_and_unknown_is_refused(cast: Cast, web: Any) -> None:
    browser = CKANTestApp(web)
    for data in ({}, {"project_no": "NT-1", "ocid": "x"}):
        with pytest.raises(toolkit.ValidationError):
            call("gkopen_trail_show", "", **data)
    for path in ("/trail/process/NOBODY", "/trail/project/2401-1", "/trail/process/NOBODY.json"):
        assert browser.get(path).status_code == 404
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", reason="金额有误")
    drain()
    for path in ("/trail/process/NT-1", "/trail/process/NT-1.json"):
        answer = browser.get(path)
        assert answer.status_code == 410 and "金额有误" in answer.text
    shown = call("gkopen_trail_show", "", project_code=CODE)
    assert amounts(shown)["contract"] == [] and shown["processes"] == []
    assert [one["stage"] for one in shown["breaks"]] == ["notice"]


def row(kind: str, at: str, **cells: Any) -> dict[str, Any]:
    return dict.fromkeys(get_domain("procurement").field_names) | {
        "release_id": f"{kind}{at}", "notice_type": kind, "published_at": at, "project_no": "P",
        "project_name": "某项目"} | cells


def test_lots_are_compared_lot_by_lot_and_rates_not_at_all() -> None:
    rows = [row("tender", "2024-01-01", lot_no="1", ceiling_amount="100.00"),
            row("tender", "2024-01-01", lot_no="2", ceiling_amount="900.00"),
            row("award", "2024-02-01", lot_no="1", supplier_name="甲", award_amount="100.01"),
            row("award", "2024-02-01", lot_no="2", supplier_name="乙", award_amount="800.00"),
            row("award", "2024-02-01", lot_no="2", supplier_name="丙", award_amount="98.5", pricing_basis="rate")]
    found = trail.build(rows).findings
    assert [(one.code, one.params["of"], one.params["lower"]) for one in found] == [
        ("award-above-ceiling", "P 1", "100.01")]
    corrected = [*rows, row("correction", "2024-01-15", lot_no="1", ceiling_amount=Decimal("100.01"))]
    assert trail.build(corrected).findings == []
    assert trail.build([row | {"method": "framework"} for row in rows]).findings == []


def test_what_was_awarded_anew_after_it_failed_is_not_spent_twice() -> None:
    asked = row("tender", "2024-05-01", budget_amount="1000000.00")
    first = row("award", "2024-06-01", release_id="A", supplier_name="甲公司", supplier_status="awarded",
                award_amount="900000.00")
    ended = row("termination", "2024-06-10", release_id="B")
    anew = row("award", "2024-08-01", release_id="C", supplier_name="乙公司", supplier_status="awarded",
               award_amount="880000.00")
    assert contradictions.of_process([asked, first, ended, anew]) == []
    [found] = contradictions.of_process([asked, first, anew])
    assert (found.code, found.lower) == ("award-above-budget", Decimal("1780000.00"))
    lots = [{**one, "lot_no": lot} for lot in ("1", "2") for one in (asked, first)]
    [found] = contradictions.of_process([*lots, {**ended, "lot_no": "1"}, {**anew, "lot_no": "1"},
                                         {**anew, "lot_no": "2"}])
    assert (found.lot, found.lower) == ("2", Decimal("1780000.00"))


def test_many_processes_of_one_project_are_what_each_is_alone() -> None:
    """And no row is looked at again for each of the others."""
    asked: list[str] = []

    class Seen(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            asked.append(name)
            return super().__getitem__(name)

    rows, shared = [], [row("tender", f"2024-01-{day:02d}", project_no=None, plan_no=f"X{day}") for day in (1, 9, 5)]
    for number in range(300):
        own = {"project_no": f"P{number:03d}", "supplier_name": "甲"}
        rows += [row("tender", "2024-02-01", **own, release_id=f"t{number}", ceiling_amount="100.00"),
                 row("award", "2024-03-01", **own, release_id=f"a{number}",
                     award_amount="100.01" if number % 2 else "99.00")]
    found = trail.build([Seen(each) for each in (*rows, *shared)])
    assert asked.count("project_no") < 5 * len(rows)
    alone = [trail.build([*rows[start:start + 2], *shared]) for start in range(0, len(rows), 2)]
    assert found.breaks == [one for each in alone for one in each.breaks]
    assert [one.params for one in found.findings] == [one.params for each in alone for one in each.findings]
    assert len(found.breaks) == 300 and len(found.findings) == 150
