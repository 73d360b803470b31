"""The pages on which an officer decides: the held run, the stopped run, the run under way."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.cli.cli import ckan
from ckan.plugins import toolkit
from ckan.tests import helpers
from ckan.tests.helpers import CKANCliRunner

from ckanext.gkopen import model
from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.oversight import watch
from ckanext.gkopen.views.review import STATES
from tests.harvest.city import SOURCE, City, approve, harvest, run_of
from tests.people import call

BUDGET = "jianghai-czj-budget"


@pytest.fixture
def office(web: Any, public: City) -> Any:
    """A function that asks for a page as the officer of the body."""
    return pages_of("officer", web)


@pytest.fixture
def review(web: Any, town: City) -> Any:
    """The same as the reviewer of all bodies."""
    return pages_of("office", web)


def pages_of(user: str, web: Any) -> Any:
    token = toolkit.get_action("api_token_create")({"user": user}, {"user": user, "name": "test"})["token"]
    app = helpers.CKANTestApp(web)

    def ask(path: str, **form: str) -> Any:
        headers = {"Authorization": token}
        return (app.post(path, data=form, headers=headers, follow_redirects=False) if form
                else app.get(path, headers=headers, status=200))

    return ask


def test_one_page_says_what_would_change_and_has_two_buttons(public: City, office: Any) -> None:
    lines = public.lines()
    public.write(lines[:-10])
    run = harvest()
    report = office(f"/office/runs/{run['id']}").body
    assert f"/office/runs/{run['id']}/hold" in report and "10 行在来源中消失" in report
    page = office(f"/office/runs/{run['id']}/hold").body
    assert "已公开的" in page and "10 行在来源中消失" in page
    assert lines[-1].split(",")[0] in page, "the rows that would go are named"
    assert page.count('name="do"') == 2 and 'value="release"' in page and 'value="discard"' in page
    assert office(f"/office/runs/{run['id']}/hold", do="dicsard").status_code == 400
    assert run_of(run["id"])["decision"] is None, "nobody said what to do"
    office(f"/office/runs/{run['id']}/hold", do="discard")
    assert run_of(run["id"])["decision"] == "discarded"
    assert 'name="do"' not in office(f"/office/runs/{run['id']}/hold").body
    assert "officer 已放弃" in office(f"/office/runs/{run['id']}").body


def test_whoever_decides_on_what_was_let_through_is_told_why_it_was_held(
        town: City, review: Any, cli: CKANCliRunner) -> None:
    harvest(BUDGET)
    approve()
    town.write([line.replace("亿元", "万元") for line in town.lines("czj-budget")], "czj-budget")
    run = harvest(BUDGET)
    [entry] = run["counts"]["held"]
    [alarm] = entry["alarms"]
    said = f"“金额”合计将由 {Decimal(alarm['before']):,.0f} 变为 {Decimal(alarm['after']):,.0f} 元"
    page = f"/review/{entry['revision']}"
    frozen = review(page).body
    assert said in frozen and f"/office/runs/{run['id']}/hold" in frozen
    assert said in review(f"/office/runs/{run['id']}").body and said in review(f"/office/runs/{run['id']}/hold").body
    call("gkopen_run_release", "officer", id=str(run["id"]))
    waiting = review(page).body
    assert said in waiting and "officer 已放行" in waiting and f'/office/runs/{run["id"]}"' in waiting
    assert "变化异常" in review("/review/").body
    told = cli.invoke(ckan, ["gkopen", "review", "show", entry["revision"]]).output
    assert f"from {Decimal(alarm['before']).normalize():,f} to" in told and "yuan" in told
    assert f"run {run['id']} released by officer" in told
    held = call("gkopen_revision_show", "office", id=entry["revision"])
    [answer] = call("gkopen_revisions_approve", "office", revisions=[
        {"id": held["id"], "digest": held["digest"]}])["results"]
    assert answer["state"] == "held" and "decide on it alone" in answer["error"], "nobody approves it in passing"
    call("gkopen_revision_approve", "office", id=held["id"], digest=held["digest"])
    assert said in review(page).body


def test_what_was_let_through_and_is_compared_again_still_says_why_it_was_held(public: City) -> None:
    first = public.lines()
    public.edit("江滨区长江路197号", "江滨区长江路198号")
    harvest()
    approve()
    back = call("gkopen_dataset_rollback", "officer", id=SOURCE, seq=1, reason="原地址无误")["revision"]
    public.write(first[:-10])
    run = harvest()
    call("gkopen_run_release", "officer", id=str(run["id"]))
    held = call("gkopen_revision_show", "office", id=run["counts"]["held"][0]["revision"])
    call("gkopen_revision_approve", "office", id=back,
         digest=call("gkopen_revision_show", "office", id=back)["digest"])
    with pytest.raises(toolkit.ValidationError) as refused:
        call("gkopen_revision_approve", "office", id=held["id"], digest=held["digest"])
    stale: Any = refused.value.error_dict["stale"]
    again = call("gkopen_revision_show", "office", id=stale[0])
    assert again["state"] == "held" and again["summary"]["removed"] == 10
    assert again["summary"]["alarms"] == held["summary"]["alarms"]
    assert again["run"]["id"] == str(run["id"]) and again["run"]["decision"] == "released"


def test_what_a_source_sends_again_while_it_is_looked_at_is_approved_all_the_same(public: City) -> None:
    """The reviewer approves a digest, not a name; other content is another digest."""
    public.edit("江滨区长江路197号", "江滨区长江路198号")
    harvest()
    [seen] = call("gkopen_revision_list", "office", state="held")["results"]
    public.edit("江滨区长江路198号", "江滨区长江路199号")
    harvest()
    with pytest.raises(toolkit.ValidationError, match="not waiting"):
        call("gkopen_revision_approve", "office", id=seen["id"], digest=seen["digest"])
    [other] = call("gkopen_revision_list", "office", state="held")["results"]
    harvest()
    harvest()
    [newest] = call("gkopen_revision_list", "office", state="held")["results"]
    assert newest["id"] != other["id"] and newest["digest"] == other["digest"]
    done = call("gkopen_revision_approve", "office", id=other["id"], digest=other["digest"])
    assert done["id"] == newest["id"] and call("gkopen_revision_list", "office", state="held")["results"] == []
    with pytest.raises(toolkit.ValidationError, match="not waiting"):
        call("gkopen_revision_approve", "office", id=other["id"], digest=other["digest"])


def test_after_a_decision_the_next_one_that_waits_is_a_click_away(public: City, office: Any, review: Any) -> None:
    harvest(BUDGET)
    public.edit("江滨区长江路197号", "江滨区长江路198号")
    harvest()
    cars, budget = (row["id"] for row in call("gkopen_revision_list", "office", state="held")["results"])
    assert "下一个待审" not in review(f"/review/{cars}").body, "this one is to be decided on first"
    call("gkopen_revision_return", "office", id=cars, reason="地址有误")
    assert f'href="/review/{budget}">下一个待审：' in review(f"/review/{cars}").body
    assert "下一个待审" not in office(f"/review/{cars}").body, "an officer decides on nothing"
    call("gkopen_revision_return", "office", id=budget, reason="单位有误")
    assert "下一个待审" not in review(f"/review/{cars}").body


def test_a_held_run_is_told_after_its_domain_was_taken_out_of_the_settings(public: City, office: Any) -> None:
    public.write(public.lines()[:-10])
    run = harvest()
    model.execute("update gkopen.source set domain = 'gone' where name = :name", name=SOURCE)
    ckan_model.Session.commit()
    assert "10 行在来源中消失" in office(f"/office/runs/{run['id']}").body
    page = office(f"/office/runs/{run['id']}/hold").body
    assert "10 行在来源中消失" in page and 'value="discard"' in page
    office(f"/office/runs/{run['id']}/hold", do="discard")
    assert run_of(run["id"])["decision"] == "discarded"


def test_a_source_without_rows_is_told_so_and_nobody_is_sent_to_let_it_through(
        public: City, office: Any, cli: CKANCliRunner) -> None:
    public.fault("empty")
    run = harvest()
    page = office(f"/office/runs/{run['id']}").body
    assert "来源没有给出任何行，而已公开" in page and "请撤回数据集" in page and "放行" not in page
    assert f'href="/review/takeback/{SOURCE}"' in page and "撤回" in office(f"/review/takeback/{SOURCE}").body
    told = cli.invoke(ckan, ["gkopen", "run", "show", str(run["id"])]).output
    assert f"run discard {run['id']}" in told and "release" not in told


def test_a_column_that_names_no_body_is_told_in_a_few_lines(public: City, office: Any, cli: CKANCliRunner) -> None:
    """Its every row is of another unknown body, and one of them has a name of a book."""
    model.execute("update gkopen.source set config = config || '{\"organization_column\": \"停车场名称\","
                  " \"organizations\": [\"all\"]}' where name = :name", name=SOURCE)
    ckan_model.Session.commit()
    public.edit("江滨区图书馆南停车场", "长" * 5000)
    run = harvest()
    rows = run["counts"]["rows_quarantined"]
    assert rows == len(run["counts"]["unknown_bodies"]) > 20
    page = office(f"/office/runs/{run['id']}").body
    assert f"{rows} 行的责任主体（共 {rows} 个名称）" in page and "长" * 100 not in page
    assert page.split('id="unknown"')[1].split("</details>")[0].count("<li>") == 20
    assert f"另有 {rows - 20} 行" in page and "organization_column" in page
    told = cli.invoke(ckan, ["gkopen", "run", "show", str(run["id"])]).output
    assert told.count("unknown body") == 20 and f"{rows - 20} more unknown bodies" in told


def test_every_state_of_a_revision_and_of_a_run_can_be_listed_by_its_name(public: City, office: Any) -> None:
    lines = public.lines()
    public.write(lines[:-10])
    harvest()
    queue = office("/review?state=frozen").body
    tabs = dict(re.findall(r'href="[^"]*/review/?\?state=(\w+)"[^>]*>([^<]*)</a>', queue))
    assert set(tabs) == set(STATES) and all(tabs.values()), tabs
    assert tabs["frozen"] == "暂停，待决定" and tabs["discarded"] == "已放弃"
    runs = office("/office/runs?state=incomplete").body
    assert "不完整" in runs and "已停止：列有变化" in runs


def test_sources_that_fail_come_first_and_say_why(public: City, office: Any) -> None:
    public.fault("wrong_sign")
    failed = harvest("jianghai-czj-budget")
    names = (SOURCE, "jianghai-czj-budget")
    places = [f"/office/sources/{name}/harvest" for name in names]
    for path in ("/office/sources", "/office"):
        page = office(path).body
        assert page.index(places[1]) < page.index(places[0]) and failed["error"]["zh"] in page
    harvest(dry_run=True)
    (listed,) = [one for one in call("gkopen_source_list", "officer")["results"] if one["name"] == names[0]]
    assert listed["last_state"] == "partly", "a trial is no run of the source"


def test_a_source_with_rows_set_aside_is_not_called_well(public: City, office: Any) -> None:
    run = harvest("jianghai-czj-budget")
    assert (run["state"], run["counts"]["rows_quarantined"]) == ("partly", 9)
    model.execute("update gkopen.run set state = 'done', counts = '{}' where id <> :id", id=run["id"])
    ckan_model.Session.commit()
    page = office("/office/sources").body
    assert "所有来源均正常" not in page and "1 个来源需要处理，其余正常" in page
    assert re.search(rf'<a [^>]*href="/office/runs/{run["id"]}/rows"[^>]*>9 行被隔离</a>', page)
    model.execute("update gkopen.run set state = 'done', counts = '{}'")
    ckan_model.Session.commit()
    page = office("/office/sources").body
    assert "所有来源均正常" in page and "行被隔离" not in page


def test_a_run_of_a_source_that_is_not_open_any_more_says_so(public: City, office: Any) -> None:
    public.openness("否")
    run = harvest()
    page = office(f"/office/runs/{run['id']}").body
    assert "来源的目录条目现在写明不向社会开放" in page and "将要删除或改变的内容超出正常范围" not in page
    assert "来源目录写明不再向社会开放" in page, "the finding by its title"
    page = office(f"/office/runs/{run['id']}/hold").body
    assert f"门户上有 {run['counts']['held'][0]['alarms'][0]['public']} 行已公开" in page
    assert 'value="release"' not in page and 'value="discard"' in page


def test_a_run_that_broke_off_does_not_say_that_nothing_was_wrong(public: City, office: Any) -> None:
    public.fault("wrong_total")
    run = harvest()
    page = office(f"/office/runs/{run['id']}").body
    assert run["state"] == "incomplete" and "未发现问题" not in page
    assert f"另有 {run['counts']['rows_fetched']} 行取到后没有读取" in page


def test_a_stopped_run_shows_its_proposal_and_goes_on_when_accepted(public: City, office: Any) -> None:
    lines = public.lines()
    public.write([lines[0].replace("泊位总数", "规划车位合计"), *lines[1:]])
    run = harvest()
    page = office(f"/office/runs/{run['id']}").body
    assert "规划车位合计" in page and "泊位总数" in page
    office(f"/office/runs/{run['id']}/accept", do="accept")
    assert run_of(run["id"])["decision"] == "accepted"
    assert model.value("select count(*) from gkopen.run where state = 'queued'") == 1


def test_a_run_under_way_can_be_cancelled(public: City, office: Any) -> None:
    run_id = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
    ckan_model.Session.commit()
    assert "取消本次运行" in office(f"/office/runs/{run_id}").body
    office(f"/office/runs/{run_id}/cancel", do="cancel")
    assert run_of(run_id)["state"] == "cancelled"


def test_rows_that_wait_are_named_with_their_day(public: City, office: Any) -> None:
    lines = public.lines()
    public.write(lines[:-2])
    run = harvest()
    page = office(f"/office/runs/{run['id']}").body
    assert "2 行不在来源的合格行中" in page and lines[-1].split(",")[0] in page


def tag_of(page: str) -> str:
    """The word of a run's state beside its title."""
    return re.findall(r'<span class="gk-tag[^"]*">([^<]*)</span>', page.split('class="gk-title')[1])[0]


def advice_of(page: str) -> str:
    return re.sub("<[^>]*>", "", page.split('id="advice">')[1].split("</p>")[0])


def listed(office: Any, state: str, run: dict[str, Any]) -> bool:
    return f"/office/runs/{run['id']}\"" in office(f"/office/runs?state={state}").body


def source_shown(office: Any) -> str:
    page = office("/office/sources").body
    return page.split(f"{SOURCE} ·")[1].split("</tr>")[0]


def test_a_run_that_was_let_through_waits_for_no_decision_on_any_page(
        public: City, office: Any, cli: CKANCliRunner) -> None:
    public.write(public.lines()[:-10])
    run = harvest()
    assert listed(office, "held", run) and not listed(office, "released", run)
    assert "待决定" in source_shown(office)
    office(f"/office/runs/{run['id']}/hold", do="release")
    [twice] = office("/api/3/action/gkopen_run_release", id=run["id"]).json["error"]["revision"]
    assert twice.endswith("作出决定：已放行。")
    page = office(f"/office/runs/{run['id']}").body
    assert tag_of(page) == tag_of(office(f"/office/runs/{run['id']}/hold").body) == "已放行"
    assert "请审核人审核" in advice_of(page) and "放弃" not in advice_of(page)
    assert listed(office, "released", run) and not listed(office, "held", run)
    assert "待决定" not in source_shown(office) and "已放行" in source_shown(office)
    assert f"{run['id']}\t{SOURCE}\treleased" in cli.invoke(ckan, ["gkopen", "run", "list"]).output
    approve()
    page = office(f"/office/runs/{run['id']}").body
    assert "请审核人审核" not in advice_of(page) and "已有审核结果" in advice_of(page)
    assert "已发布" in page.split('id="gk-outcomes"')[1].split("</table>")[0], "what became of it since"


def test_nobody_is_asked_to_decide_on_a_run_that_a_later_one_overtook(
        public: City, office: Any, cli: CKANCliRunner) -> None:
    """The source is good again: its page and mails say so, and so do the held runs of before."""
    lines = public.lines()
    public.write(lines[:-10])
    gone = harvest()
    public.fault("empty")
    empty = harvest()
    assert listed(office, "held", gone) or listed(office, "held", empty)
    public.fault()
    public.write(lines)
    assert harvest()["state"] == "partly"                 # as it was before: a few rows are always set aside
    for run in (gone, empty):
        page, hold = office(f"/office/runs/{run['id']}").body, office(f"/office/runs/{run['id']}/hold").body
        assert tag_of(page) == tag_of(hold) == "已过时"
        assert "无需处理" in advice_of(page) and "放行" not in advice_of(page) and "放弃" not in advice_of(page)
        assert "经人查看之前" not in page and "/hold" not in page and 'name="do"' not in hold
        assert not listed(office, "held", run)
        assert f"{run['id']}\t{SOURCE}\tovertaken" in cli.invoke(ckan, ["gkopen", "run", "list"]).output
        assert 'gkopen_runs{state="overtaken"} 2' in office("/metrics").body
        assert "nothing to decide" in cli.invoke(ckan, ["gkopen", "run", "show", str(run["id"])]).output
    assert "待决定" not in source_shown(office)


def test_a_held_run_waits_for_its_decision_while_later_ones_fail(public: City, office: Any) -> None:
    public.write(public.lines()[:-10])
    run = harvest()
    public.fault("html")
    assert harvest()["state"] == "failed"
    page = office(f"/office/runs/{run['id']}").body
    assert tag_of(page) == "暂停，待决定" and "放行" in advice_of(page) and listed(office, "held", run)


def test_a_run_that_failed_says_who_has_to_do_what(public: City, office: Any) -> None:
    def page_of(fault: str) -> tuple[str, str]:
        model.execute("delete from gkopen.breaker")
        public.fault(fault)
        page = office(f"/office/runs/{harvest()['id']}").body
        return page, advice_of(page)

    for fault, said in (("maintenance", "网页提到维护或升级"), ("html", "登录页、维护公告")):
        page, advice = page_of(fault)
        assert said in page and "此前采集正常" in page and "多为平台正在维护" in page and "请核对 url" not in page
        assert "超过一天" in advice and re.search(r"系统会在 20\d\d-\d\d-\d\d \d\d:\d\d 自动再试", advice)
        assert "次日 8 时" not in page, "nothing that the page says is repeated"
    page, advice = page_of("maintenance:503")
    assert "HTTP 503，应答的网页提到维护或升级" in page and "超过一天" in advice
    for fault in ("wrong_sign", "clock_off", "redirect_loopback"):
        page, advice = page_of(fault)
        assert "门户管理员" in advice and "再试也不会成功" in advice and advice.strip().endswith("自动再试。"), fault
    model.execute("update gkopen.source set last_good_at = null where name = :name", name=SOURCE)
    page, advice = page_of("maintenance")
    assert "请核对 url 与 service" in page and "此前采集正常" not in page and "门户管理员" in advice
    call("gkopen_source_pause", "officer", id=SOURCE)
    run = model.value("select id from gkopen.run order by queued_at desc limit 1")
    assert "来源已停用，不会自动再试" in advice_of(office(f"/office/runs/{run}").body)


def test_a_column_of_phone_numbers_that_nobody_needs_is_told_with_what_helps(public: City, office: Any) -> None:
    head, *lines = public.lines()
    public.write([f"{head},值班电话", *(f"{line},138{number:08}" for number, line in enumerate(lines))])
    run = harvest()
    assert run["counts"]["rows_ok"] == 0 and run["counts"]["outcomes"][0]["state"] == "returned"
    page = office(f"/office/runs/{run['id']}").body
    advice = advice_of(page)
    assert "请来源不再提供这一列" in advice and "columns" in advice and "mapping" not in advice
    findings = office(f"/office/runs/{run['id']}/findings.csv").body
    assert "疑似有个人信息的行不会公开" in findings and "13800000001" not in findings + page


def test_a_run_that_was_discarded_is_not_called_good(public: City, office: Any) -> None:
    """The source gave no rows: a person said that nothing of it is taken, and what is public is as old as before."""
    public.fault("empty")
    run = harvest()
    watch.look()
    office(f"/office/runs/{run['id']}/hold", do="discard")
    page = office(f"/office/runs/{run['id']}").body
    assert tag_of(page) == "已放弃" and advice_of(page).startswith("如何处理: 已放弃")
    assert not listed(office, "held", run) and listed(office, "discarded", run)
    assert "上次采集已放弃" in source_shown(office) and "合格" not in source_shown(office)
    known = model.value("select count(*) from gkopen.message")
    assert (watch.look(), model.value("select count(*) from gkopen.message")) == (0, known), "it is not good again"
    harvest()
    assert watch.look() == 1, "held again"
    public.fault()
    harvest()
    watch.look()
    kinds = [row["kind"] for row in model.every("select kind from gkopen.message where kind in ('source_waiting',"
                                                " 'source_good') order by id")]
    assert kinds == ["source_waiting", "source_waiting", "source_good"]


def test_columns_that_were_accepted_are_not_asked_about_again(public: City, office: Any) -> None:
    lines = public.lines()
    public.write([lines[0].replace("泊位总数", "规划车位合计"), *lines[1:]])
    run = harvest()
    office(f"/office/runs/{run['id']}/accept", do="accept")
    page = office(f"/office/runs/{run['id']}").body
    assert tag_of(page) == "已接受新列" and "请核对新旧列名后接受" not in page
    assert not listed(office, "stopped", run) and listed(office, "accepted", run)


def test_a_run_with_rows_that_are_gone_does_not_say_that_nothing_has_changed(public: City, office: Any) -> None:
    public.write(public.lines()[:-2])
    page = office(f"/office/runs/{harvest()['id']}").body
    assert "没有变化" not in page.split('id="gk-outcomes"')[1].split("<section")[0]
    assert "不在来源的合格行中" in advice_of(page) and "与上次相同" not in advice_of(page)


def test_a_run_that_has_its_rows_no_more_sends_to_the_one_that_has_them(public: City, office: Any) -> None:
    first, second = harvest(), harvest()
    assert first["counts"]["rows_quarantined"] == second["counts"]["rows_quarantined"] == 3
    page = office(f"/office/runs/{first['id']}").body
    assert "最近一次采集" in advice_of(page) and "corrections.xlsx" not in page and "findings.csv" not in page
    page = office(f"/office/runs/{first['id']}/rows").body
    assert "没有被隔离的行" not in page and "corrections.xlsx" not in page
    assert f'href="/office/runs?source={SOURCE}"' in page
    page = office(f"/office/runs/{second['id']}").body
    assert "请下载待改正表" in advice_of(page) and "无需处理" not in advice_of(page)
    assert f"/office/runs/{second['id']}/corrections.xlsx" in page


def test_a_rule_has_the_severity_that_set_its_rows_aside(public: City, office: Any) -> None:
    """`order-wrong` is a warning by itself; car parks make it an error."""
    row = public.lines()[1].split(",")
    public.edit(f",{row[4]},{row[5]},{row[6]}", f",{row[4]},{int(row[4]) + 1},{row[6]}")
    run = harvest()
    assert run["counts"]["findings"]["order-wrong"] == 1
    page = office(f"/office/runs/{run['id']}").body
    assert "错误" in page.split("order-wrong")[1].split("</tr>")[0]
    assert "code=order-wrong" in office(f"/office/runs/{run['id']}/rows").body, "a tab of its rows"
