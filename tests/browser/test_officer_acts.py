"""What officers do besides submitting: check against what is public, take back, pause, harvest, report that there is
nothing."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from ckan import model as ckan_model
from playwright.sync_api import expect
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import model
from ckanext.gkopen.simulator.server import running
from tests.browser.chromium import NARROW
from tests.browser.conftest import HEADER, ROWS, Portal
from tests.browser.test_officer_pages import choose
from tests.harvest.city import carry_out
from tests.people import call

CITY = files("ckanext.gkopen") / "simulator" / "city"
SOURCE = "jianghai-jyj-procurement"
TITLE = "江海市教育局教育采购公告"
SECRET = "only-for-tests"


@pytest.fixture
def source(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A source of the finance bureau at the simulated exchange platform."""
    monkeypatch.setenv("GKOPEN_SECRET_DEMO", SECRET)
    text = (CITY / "sources" / "jyj-procurement.yaml").read_text("utf-8").replace("jianghai-jyj\n",
                                                                                 f"{portal.cast.body}\n")
    with running(Path(str(CITY)), SECRET) as (url, _):
        yield call("gkopen_source_create", portal.cast.admin, source=text, platform=url)["name"]


def test_the_check_warns_before_public_rows_go(published: Portal, visit: Callable[..., Any]) -> None:
    with visit(published.cast.officer) as page:
        choose(page, ROWS[0].replace("800001.50", "900001.50"), *ROWS[1:10], ROWS[0].replace("2024-001", "2024-777"))
        expect(page.locator("#change [role=alert]")).to_contain_text("将移除已公开的 5 行")
        expect(page.locator("#change tbody tr")).to_have_count(1)
        expect(page.locator("#change tbody tr > *")).to_have_text(["2024-05", "1", "1", "5", "11"])
        choose(page, *ROWS)
        expect(page.locator("#change [role=alert]")).to_have_count(0)
        expect(page.locator("#change")).to_contain_text("已公开的内容与文件一致")


def test_a_check_stores_nothing(published: Portal) -> None:
    stored = "select (select count(*) from gkopen.blob) + (select count(*) from gkopen.submission)"
    before, data = model.value(stored), "\n".join((HEADER, *ROWS[:3], ROWS[3].replace("84.6", "95"))).encode()
    change = call("gkopen_check", published.cast.officer, domain="procurement", organization=published.cast.body,
                  upload=FileStorage(io.BytesIO(data), "采购公告.csv"))["change"]
    assert change == {"added": 0, "changed": 1, "removed": 11, "parts": [
        {"part": "2024-05", "rows": 4, "added": 0, "changed": 1, "removed": 11}]}
    ckan_model.Session.commit()
    assert model.value(stored) == before


def test_nobody_compares_with_a_body_that_is_not_theirs(published: Portal, visit: Callable[..., Any]) -> None:
    with visit(published.cast.officer, expected="the server responded") as page:
        choose(page, *ROWS)
        expect(page.locator("#change")).to_be_visible()
        page.evaluate("name => document.querySelector('input[name=organization]').value = name", published.cast.other)
        page.evaluate("document.querySelector('input[name=do]').remove()")
        with page.expect_navigation() as answer:
            page.click("button:text-is('提交审核')")
        assert answer.value.status == 403


def test_taken_back_is_not_withdrawn(portal: Portal, visit: Callable[..., Any]) -> None:
    revision = portal.submit(*ROWS)["revision_id"]
    with visit(portal.cast.officer) as page:
        page.goto(f"/review/{revision}")
        page.click("button:text-is('收回提交')")
        expect(page.locator("[role=status]")).to_contain_text("已收回")
        expect(page.locator(".gk-title .gk-tag")).to_have_text("已收回")
        expect(page.locator("button:text-is('收回提交')")).to_have_count(0)
    with visit(portal.cast.reviewer) as page:
        for prefix in ("", "/zh_Hant_TW", "/en"):
            page.goto(f"{prefix}/review")
            tabs = page.locator(".gk-tabs").first.locator("a").all_inner_texts()
            assert len(set(tabs)) == len(tabs) == 9, tabs


def test_a_nil_report_is_recorded_and_a_wrong_part_is_told(portal: Portal, visit: Callable[..., Any]) -> None:
    with visit(portal.cast.officer) as page:
        page.goto("/office")
        for part, said, tone in (("2024-13", "2026-05", "gk-notice-bad"), ("2024-06", "零报告", "gk-notice-good")):
            page.click("#gk-nil ~ details summary")
            page.select_option("#gk-nil-domain", "procurement")
            page.fill("#gk-nil-part", part)
            page.click("#gk-nil ~ details button")
            expect(page.locator(".gk-notice[role=status]")).to_have_class(f"gk-notice {tone}")
            expect(page.locator(".gk-notice[role=status]")).to_contain_text(said)
    ckan_model.Session.rollback()
    assert model.value("select count(*) from gkopen.submission where kind = 'nil'") == 1


def test_a_nil_report_is_taken_back(portal: Portal, visit: Callable[..., Any]) -> None:
    call("gkopen_nil_report", portal.cast.officer, domain="procurement", organization=portal.cast.body, part="2024-06")
    ckan_model.Session.commit()
    with visit(portal.cast.officer) as page:
        page.goto("/office")
        page.click("#nil-1 summary")
        expect(page.locator("#nil-1")).to_contain_text("2024-06")
        page.fill("#nil-1 [name=reason]", "当月有一项采购，误报")
        page.click("#nil-1 button")
        expect(page.locator(".gk-notice-good[role=status]")).to_contain_text("已撤销")
        expect(page.locator("#nil-1")).to_have_count(0)
    ckan_model.Session.rollback()
    assert model.value("select options -> 'recalled' ->> 'reason' from gkopen.submission where kind = 'nil'")


def test_a_source_is_paused_and_resumed(source: str, portal: Portal, visit: Callable[..., Any]) -> None:
    with visit(portal.cast.officer) as page:
        page.goto("/office/sources")
        page.click("button:text-is('暂停')")
        expect(page.locator("[role=status]")).to_contain_text("已暂停")
        assert call("gkopen_source_show", portal.cast.officer, id=source)["state"] == "paused"
        page.click("button:text-is('恢复')")
        expect(page.locator("tbody .gk-tag").first).to_have_text("尚未采集")  # active, and it has not run yet
    ckan_model.Session.rollback()
    assert call("gkopen_source_show", portal.cast.officer, id=source)["state"] == "active"


def test_harvest_now_leads_to_a_report_that_adds_up(source: str, portal: Portal, visit: Callable[..., Any]) -> None:
    with visit(portal.cast.officer) as page:
        page.goto("/office/sources")
        page.click("button:text-is('立即采集')")
        expect(page.locator("h1")).to_have_text(f"采集报告：{TITLE}")
        expect(page.locator(".gk-title .gk-tag")).to_have_text("排队中")
        carry_out(page.url.rpartition("/")[2])
        page.reload()
        counts = [int(text.replace(",", "")) for text in page.locator(".gk-sum b").all_inner_texts()]
        assert counts[0] == sum(counts[1:]) > 0
        expect(page.locator(".gk-title")).to_contain_text("秒")
        expect(page.locator("section:has(#gk-outcomes) tbody th")).to_have_text("南通市财政局")
        shown = page.locator("section:has(#gk-rules) tbody td.gk-right").all_inner_texts()
        told = model.value("select count(*) from gkopen.finding f join gkopen.revision r on r.id = f.revision_id"
                           " join gkopen.submission s on s.id = r.submission_id where s.source = :name"
                           " and f.code not like 'meta\\_%'", name=f"source:{source}")
        assert sum(int(text.replace(",", "")) for text in shown) == told > 0
        with page.expect_download() as download:
            page.click("text=下载全部问题项")
        assert len(download.value.path().read_text("utf-8-sig").splitlines()) > told
        page.set_viewport_size(NARROW)
        assert page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0
        page.click("main >> text=查看版本")
        assert re.search("/review/[0-9a-f-]{36}$", page.url)


def test_a_run_under_way_says_how_far_it_has_come(source: str, portal: Portal, visit: Callable[..., Any]) -> None:
    model.execute("update gkopen.source set config = jsonb_set(config, '{page_size}', '90') where name = :s", s=source)
    run_id = call("gkopen_run_create", portal.cast.officer, source=source)["id"]
    said: dict[str, list[str]] = {}
    with visit(portal.cast.officer) as page:

        def look(stage: str, done: int, total: int | None) -> None:
            page.goto(f"/office/runs/{run_id}")
            said.setdefault(stage, []).append(page.locator("#progress").inner_text())
            expect(page.locator("main")).not_to_contain_text("没有产生版本")
            if stage == "fetch":
                expect(page.locator("#progress dd").nth(2)).to_have_text(f"{done} / {total}")

        page.goto(f"/office/runs/{run_id}")
        expect(page.locator("#progress")).to_contain_text("正在等待采集任务程序")
        carry_out(run_id, look)
        assert len(said["fetch"]) > 1 and "正在获取" not in said["fetch"][0], said
        assert "1 / 1" in said["check"][-1] and "待审或待决定" in said["check"][-1]
        page.goto(f"/office/runs/{run_id}")
        expect(page.locator("#progress")).to_have_count(0)


def test_a_failed_run_says_what_to_do_in_the_readers_language(source: str, portal: Portal, visit: Callable[..., Any],
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GKOPEN_SECRET_DEMO", "another-one")
    run_id = call("gkopen_run_create", portal.cast.officer, source=source)["id"]
    carry_out(run_id)
    error = call("gkopen_run_show", portal.cast.officer, id=run_id)["error"]
    with visit(portal.cast.officer) as page:
        for prefix, lang, other in (("", "zh", "en"), ("/en", "en", "zh")):
            page.goto(f"{prefix}/office/runs/{run_id}")
            notice = page.locator(".gk-notice-bad")
            expect(notice).to_contain_text(error[lang])
            expect(notice).not_to_contain_text(error[other])
            expect(notice).not_to_contain_text(error["kind"])


def test_a_table_without_amounts_has_no_table_of_totals(portal: Portal, visit: Callable[..., Any]) -> None:
    data = (CITY / "data" / "jtj-parking.csv").read_bytes()
    revision = call("gkopen_submission_create", portal.cast.officer, domain="parking", organization=portal.cast.body,
                    upload=FileStorage(io.BytesIO(data), "停车场.csv"))["revision_id"]
    with visit(portal.cast.reviewer) as page:
        page.goto(f"/review/{revision}")
        expect(page.locator("#difference")).to_contain_text("新增")
        expect(page.locator(".gk-totals")).to_have_count(0)
