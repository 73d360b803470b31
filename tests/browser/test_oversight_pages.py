"""The pages of oversight in a real browser: nothing overflows, no foreign host is asked, no error is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from ckan import model as ckan_model
from playwright.sync_api import expect

from ckanext.gkopen import clock
from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvesters.source import load_source
from ckanext.gkopen.oversight import watch
from tests.browser.chromium import NARROW, WIDE
from tests.browser.conftest import ROWS, Portal
from tests.people import call

OVERFLOW = "document.scrollingElement.scrollWidth > innerWidth"
SOURCE = """\
name: czj-notices
title: {zh: 南通市政府采购公告, en: Procurement notices}
domain: procurement
organization: nantong-czj
transport: exchange
url: https://platform.example.gov.cn/gateway
signer: {family: national, requester: czj}
secret_env: GKOPEN_SECRET_DEMO
service: notices
request: {method: POST}
page_size: 10
update_cycle: daily
complete: true
"""


@pytest.fixture
def filled(published: Portal) -> dict[str, str]:
    """Duties, a failing source, a run that set rows aside, a standing approval: page → address."""
    cast = published.cast
    for body in (cast.body, cast.other):
        duty = call("gkopen_duty_set", cast.office, domain="procurement", organization=body, cycle="monthly",
                    since="2026-04-01")
    call("gkopen_respite_grant", cast.office, id=duty["id"], period="2026-05", to="2026-07-31", reason="系统迁移")
    call("gkopen_nil_report", cast.officer, domain="procurement", organization=cast.body, part="2026-06")
    call("gkopen_duty_set", cast.office, domain="hotline", organization=cast.body, cycle="monthly", since="2026-10-01")
    call("gkopen_standing_grant", cast.reviewer, dataset="nantong-czj-procurement", until=_later(), reason="每日推送")
    ledger.save_source(load_source(SOURCE, "source.yaml"), cast.admin)
    run = ledger.enqueue(ledger.find_source("czj-notices"), "schedule", "worker")
    ckan_model.Session.commit()
    claim = ledger.claim(run)
    assert claim is not None
    ledger.finish(claim.run, "failed", {"pages": 3}, {"fetch": 31.2}, {"kind": "X", "zh": "平台没有回应。",
                                                                       "en": "The platform does not answer."})
    claim.release()
    watch.look()
    bad = ROWS[0].replace("2024-05-02 09:00", "2024-13-46").replace("NT-2024-001", "NT-2024-901")
    revision = published.submit(*ROWS, ROWS[1].replace("002", "902"), bad)["revision_id"]
    return {"/oversight": "", "/oversight?state=overdue": "", "/office": cast.officer, "/office/sources": cast.officer,
            "/office/runs": cast.officer, f"/office/runs/{run}": cast.officer, f"/review/{revision}/rows": cast.officer,
            "/review/standing/nantong-czj-procurement": cast.reviewer}


def _later() -> str:
    return (clock.today() + timedelta(days=100)).isoformat()


def test_every_page_fits_and_is_quiet(filled: dict[str, str], visit: Callable[..., Any]) -> None:
    for person in sorted(set(filled.values())):
        for size in (WIDE, NARROW):
            with visit(person or None, viewport=size) as page:
                for address in (path for path, who in filled.items() if who == person):
                    assert page.goto(address).status == 200
                    assert not page.evaluate(OVERFLOW), f"{address} is wider than {size['width']} px"


def test_a_feed_address_is_shown_once(filled: dict[str, str], published: Portal, visit: Callable[..., Any]) -> None:
    with visit(published.cast.officer) as page:
        page.goto("/office/sources")
        page.click("text=生成订阅地址")
        address = page.inner_text(".gk-notice-good code")
        assert "/office/feed.atom?token=" in address
        assert "采集失败" in page.request.get(address).text()
        page.goto("/office/sources")
        assert page.locator(".gk-notice-good").count() == 0


def test_a_standing_approval_is_granted_and_revoked(published: Portal, visit: Callable[..., Any]) -> None:
    with visit(published.cast.reviewer) as page:
        page.goto("/review/standing/nantong-czj-procurement")
        page.fill("#gk-why", "每日例行推送")
        page.click("form button.gk-button-main")
        assert "生效中" in page.inner_text("main") and "每日例行推送" in page.inner_text("main")
        page.click("text=立即撤销")
        assert page.locator("#gk-why").count() == 1


def test_messages_and_runs_name_a_source_by_its_title(filled: dict[str, str], published: Portal,
                                                      visit: Callable[..., Any]) -> None:
    with visit(published.cast.officer) as page:
        page.goto("/office/sources")
        failing = page.locator("#messages a[href*='/office/runs/']").first
        expect(failing).to_have_text("采集失败：南通市财政局政府采购（南通市政府采购公告）")
        failing.click()
        expect(page.locator("h1")).to_have_text("采集报告：南通市政府采购公告")
        page.goto("/office/runs?source=czj-notices")
        expect(page.locator("h1")).to_have_text("采集记录: 南通市政府采购公告")
        expect(page.locator("tbody th")).to_have_text("南通市政府采购公告")
        page.goto("/en/office/sources")
        expect(page.locator("#messages a[href*='/office/runs/']").first).to_have_text(
            "Harvest failing: Finance Bureau: Public procurement (Procurement notices)")


def test_many_unknown_bodies_are_one_notice(filled: dict[str, str], published: Portal,
                                            visit: Callable[..., Any]) -> None:
    run = ledger.enqueue(ledger.find_source("czj-notices"), "schedule", "worker")
    ckan_model.Session.commit()
    claim = ledger.claim(run)
    assert claim is not None
    unknown = {f"第{n}街道办事处": n for n in range(1, 24)}
    counts = {"pages": 1, "rows_in": 276, "rows_quarantined": 276, "unknown_bodies": unknown}
    ledger.finish(claim.run, "partly", counts, {"fetch": 1.0})
    claim.release()
    with visit(published.cast.officer) as page:
        page.goto(f"/office/runs/{run}")
        expect(page.locator("#unknown")).to_contain_text("276 行的责任主体（共 23 个名称）")
        expect(page.locator("#unknown li").first).to_be_hidden()
        page.click("#unknown summary")
        expect(page.locator("#unknown li")).to_have_count(20)
        expect(page.locator("#unknown li").first).to_have_text("第23街道办事处 – 23 行")
        expect(page.locator(".gk-notice-warn")).to_have_count(2)


def test_a_row_set_aside_tells_first_why(portal: Portal, visit: Callable[..., Any]) -> None:
    remark = ROWS[2].replace("800003.50", "约八十万元").replace("NT-2024-003", "NT-2024-903")
    revision = portal.submit(*ROWS, remark.replace("2024-05-04 09:00", "昨天"))["revision_id"]
    with visit(portal.cast.officer) as page:
        page.goto(f"/review/{revision}/rows")
        expect(page.locator(".gk-quarantined summary").first).to_contain_text("“昨天”不是")


def test_a_run_of_many_tables_lists_the_first_of_each_kind(portal: Portal, visit: Callable[..., Any]) -> None:
    body, drift = portal.cast.body, {"kind": "removed", "label": "中标金额(元)"}
    ledger.save_source(load_source(SOURCE, "source.yaml"), portal.cast.admin)
    run = ledger.enqueue(ledger.find_source("czj-notices"), "schedule", "worker")
    ckan_model.Session.commit()
    claim = ledger.claim(run)
    assert claim is not None
    ledger.finish(claim.run, "stopped", {
        "outcomes": [{"body": body, "state": "unchanged" if place < 5 else "stopped", "revision": None, "dataset": None}
                     for place in range(130)],
        "held": [{"body": body, "dataset": None, "alarms": [{"kind": "empty"}], "revision": None} for _ in range(23)],
        "stopped": [{"body": body, "rows": place, "drift": [drift]} for place in range(125)]}, {}, None)
    claim.release()
    with visit(portal.cast.officer) as page:
        page.goto(f"/office/runs/{run}")
        outcomes = page.locator("[aria-label='结果'] tbody tr")
        assert outcomes.count() == 100
        assert "无变化" not in outcomes.all_inner_texts()[0], "what was stopped comes first"
        said = page.inner_text("main")
        assert [f"另有 {n} 个表" in said for n in (30, 3, 105)] == [True] * 3
        assert said.count("中标金额(元)") == 1, "tables that stopped for one reason are told together"
