"""What everyone sees: search, dataset, domain, bodies, errors; with and without JavaScript, wide and narrow."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import NARROW, OUTLINE, WIDE
from tests.browser.conftest import Portal
from tests.people import call

DATASET = "/dataset/nantong-czj-procurement"
PUBLIC = ("/", "/dataset/", "/dataset/?q=采购", DATASET, "/dataset/all-procurement", "/domain/", "/domain/procurement",
          "/domain/budget", "/organization/", "/organization/nantong-czj", "/about", "/open/", "/user/login")
WIDER = "document.scrollingElement.scrollWidth - innerWidth"
LATIN = re.compile(r"[A-Za-z]{2,}")
ALLOWED = {"CSV", "XLSX", "Excel", "JSON", "Lines", "UTF", "API", "DCAT", "SHA", "KB", "MB", "CC", "BY", "JSONL",
           "ZIP", "English", "OCID", "CKAN", "NTCG", "NT", "index", "json", "PPP", "EPC", "HS", "GB", "Parquet", "URL",
           "ID", "FY", "PARQUET", "OCDS", "Fiscal", "Data", "Package", "OC", "IDS", "Atom"}
OWN_TEXT = """() => {
  const copy = document.body.cloneNode(true);
  copy.querySelectorAll('script, style, code, pre, [lang]').forEach(element => element.remove());
  const named = [...document.querySelectorAll('[aria-label], [placeholder]')]
    .filter(e => !e.closest('[lang]:not(html)'))
    .flatMap(e => ['aria-label', 'placeholder'].map(name => e.getAttribute(name) || ''));
  const walker = document.createTreeWalker(copy, NodeFilter.SHOW_TEXT), texts = [document.title, ...named];
  while (walker.nextNode()) texts.push(walker.currentNode.data);
  return texts.join(' ');
}"""


def english_words(page: Page) -> set[str]:
    return set(LATIN.findall(page.evaluate(OWN_TEXT))) - ALLOWED


def test_a_citizen_searches_opens_and_downloads(published: Portal, visit: Callable[..., Any]) -> None:
    with visit() as page:
        page.goto("/")
        page.fill(".gk-hero input[name=q]", "政府采购")
        page.press(".gk-hero input[name=q]", "Enter")
        page.click("text=南通市财政局政府采购")
        expect(page.locator("h1")).to_have_text("南通市财政局政府采购")
        rows = page.locator("table.gk-rows tbody tr")
        expect(rows).to_have_count(10)
        header = page.locator("table.gk-rows thead").inner_text()
        assert "项目名称" in header
        assert "project_name" not in header
        for told in ("公开依据", "公开时限", "公开属性", "主动公开", "来源", "开放许可"):
            expect(page.locator("main")).to_contain_text(told)
        page.fill("#rows input[name=q]", "停车")
        page.press("#rows input[name=q]", "Enter")
        expect(rows).to_have_count(5)
        with page.expect_download() as download:
            page.click(".gk-downloads .gk-first a")
        data = download.value.path().read_bytes()
        assert data.startswith(b"\xef\xbb\xbf")
        assert "停车场收费系统采购1" in data.decode("utf-8-sig")


def test_what_no_title_has_is_looked_for_in_the_rows(published: Portal, visit: Callable[..., Any]) -> None:
    with visit() as page:
        page.goto("/dataset/?q=食堂")
        expect(page.locator(".gk-results")).to_have_count(0)
        page.click(".gk-empty a:text-is('政府采购')")
        assert "/domain/procurement?" in page.url and page.url.endswith("#rows")
        expect(page.locator("#rows input[name=q]")).to_have_value("食堂")
        expect(page.locator("table.gk-rows tbody tr")).not_to_have_count(0)
        assert page.goto("/organization/nantong-czj?q=食堂") is not None
        expect(page.locator(".gk-empty a:text-is('政府采购')")).to_have_count(0)


def test_a_heading_counts_nothing_for_words_that_were_left_out(published: Portal, visit: Callable[..., Any]) -> None:
    with visit() as page:
        page.goto("/dataset/?q=政府采购 恐龙")
        expect(page.locator(".gk-found-list .gk-notice")).to_contain_text("以下是最接近的")
        expect(page.locator(".gk-found-title")).not_to_contain_text("恐龙")
        expect(page.locator(".gk-result")).not_to_have_count(0)
        page.goto("/dataset/?q=政府采购")
        expect(page.locator(".gk-found-list .gk-notice")).to_have_count(0)
        expect(page.locator(".gk-found-title")).to_contain_text("政府采购")


def test_what_matters_is_above_the_fold(published: Portal, visit: Callable[..., Any]) -> None:
    with visit() as page:
        page.goto(DATASET)
        for selector in ("h1", ".gk-lead", "table.gk-rows tbody tr:nth-child(3)", ".gk-downloads li:last-child",
                         "dt:text-is('公开依据')", "dt:text-is('公开时限')", "text=来源:"):
            box = page.locator(selector).first.bounding_box()
            assert box is not None, selector
            assert box["y"] + box["height"] <= 800, selector


def test_without_javascript_rows_are_searched_and_turned(published: Portal, visit: Callable[..., Any]) -> None:
    with visit(java_script_enabled=False) as page:
        page.goto(DATASET)
        expect(page.locator("table.gk-rows tbody tr")).to_have_count(10)
        page.click("text=下一页")
        expect(page.locator("table.gk-rows tbody tr")).to_have_count(5)
        page.goto(f"{DATASET}?q=食堂")
        expect(page.locator("table.gk-rows tbody tr")).to_have_count(5)
        expect(page.locator(".gk-copy .gk-button")).to_be_hidden()


def test_the_domain_page_shows_all_bodies(published: Portal, visit: Callable[..., Any]) -> None:
    with visit() as page:
        page.goto("/domain/procurement")
        expect(page.locator("h1")).to_have_text("政府采购")
        expect(page.locator("table.gk-rows tbody tr")).to_have_count(15)
        page.select_option("select[name=body]", label="南通市财政局")
        page.click("#rows button[type=submit]")
        assert "body=" in page.url
        expect(page.locator("table.gk-rows tbody tr")).to_have_count(15)
        expect(page.locator("#dictionary")).to_contain_text("采购单位")
        expect(page.locator("#gk-publishers + ul li")).to_have_count(1)


def test_an_empty_portal_says_so(portal: Portal, visit: Callable[..., Any]) -> None:
    with visit() as page:
        page.goto("/")
        expect(page.locator("main")).to_contain_text("尚未发布任何数据")
        expect(page.locator(".gk-figures")).to_contain_text("0")
        page.goto("/domain/procurement")
        expect(page.locator("main")).to_contain_text("尚无机构发布数据")


def test_amounts_keep_every_digit(portal: Portal, visit: Callable[..., Any]) -> None:
    row = ("NT-1,中标（成交）结果公告,2024-05-01 09:00,NTCG-1,桥梁,南通市城市管理局,公开招标,工程,84.6,"
           "南通示例科技有限公司,90071992547409.93,金额,1")
    portal.publish(row)
    with visit() as page:
        page.goto(DATASET)
        expect(page.locator("table.gk-rows tbody")).to_contain_text("90,071,992,547,409.93")


@pytest.mark.parametrize("size", [NARROW, {"width": 320, "height": 640}], ids=["390", "320"])
def test_no_page_is_wider_than_its_window(published: Portal, visit: Callable[..., Any], size: dict[str, int]) -> None:
    with visit(viewport=size, expected="404") as page:
        for path in (*PUBLIC, "/nothing-here"):
            page.goto(path)
            assert page.evaluate(WIDER) <= 0, path


def test_landmarks_have_names_of_their_own_and_headings_their_level(
    published: Portal, visit: Callable[..., Any]
) -> None:
    with visit() as page:
        for path in (*PUBLIC, "/oversight", "/open/api"):
            page.goto(path)
            assert page.evaluate(OUTLINE) == [[], []], path


def test_chinese_pages_speak_chinese(published: Portal, visit: Callable[..., Any]) -> None:
    with visit(expected="404") as page:
        for path in (*PUBLIC, "/nothing-here"):
            page.goto(path)
            assert english_words(page) == set(), path


def test_english_pages_speak_english(published: Portal, visit: Callable[..., Any]) -> None:
    with visit() as page:
        page.goto(f"/en{DATASET}")
        assert page.locator("html").get_attribute("lang") == "en"
        expect(page.locator("h1")).to_have_text("Finance Bureau: Public procurement")
        interface = page.locator(".gk-sheet-side dt, .gk-sheet-side h2, table.gk-rows thead th, .gk-menu a:not([lang])")
        chinese = [text for text in interface.all_inner_texts() if re.search("[一-鿿]", text)]
        assert chinese == []


def test_nobody_gets_a_cookie_for_reading(published: Portal, visit: Callable[..., Any]) -> None:
    with visit() as page:
        for path in ("/", "/dataset/", DATASET, "/domain/procurement", "/organization/nantong-czj", "/open/", "/about"):
            page.goto(path)
            assert page.context.cookies() == [], path


def test_the_keyboard_reaches_everything(published: Portal, visit: Callable[..., Any]) -> None:
    focus = ("() => { const e = document.activeElement, s = getComputedStyle(e);"
             " return [e.textContent.trim() || e.name || e.tagName, s.outlineStyle, parseFloat(s.outlineWidth)]; }")
    with visit() as page:
        page.goto(DATASET)
        page.keyboard.press("Tab")
        assert page.evaluate(focus)[0] == "跳到主要内容"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        seen = []
        for _ in range(32):        # the rows of the first page are links
            page.keyboard.press("Tab")
            name, style, width = page.evaluate(focus)
            seen.append(name)
            assert style != "none", name
            assert width >= 2, name
        assert "q" in seen
        assert any("CSV" in name for name in seen)


def test_errors_have_the_portals_look(published: Portal, visit: Callable[..., Any]) -> None:
    with visit(expected="the server responded") as page:
        assert page.goto("/nothing-here").status == 404
        expect(page.locator("h1")).to_have_text("此地址没有内容")
        expect(page.locator(".gk-brand")).to_be_visible()
        call("gkopen_dataset_withdraw", published.cast.reviewer, id="nantong-czj-procurement",
             reason="含个人信息，已撤回")
        published.drain()
        assert page.goto(DATASET).status == 410
        expect(page.locator("main")).to_contain_text("含个人信息，已撤回")


def test_on_a_phone_results_come_first_and_the_filters_unfold(published: Portal, visit: Callable[..., Any]) -> None:
    with visit(viewport=NARROW) as page:
        page.goto("/dataset/")
        filters = page.locator("#filters nav a").first
        expect(filters).to_be_hidden()
        assert page.locator(".gk-result").first.bounding_box()["y"] < NARROW["height"]
        page.click("#filters summary")
        expect(filters).to_be_visible()
    with visit() as page:
        page.goto("/dataset/")
        expect(page.locator("#filters nav a").first).to_be_visible()
        expect(page.locator("#filters summary")).to_be_hidden()


def test_what_was_refused_is_told_on_its_own_page_only(published: Portal, visit: Callable[..., Any]) -> None:
    with visit(expected="the server responded") as page:
        for path, said in (("/ckan-admin/", "您无权查看此页面"), ("/domain/nothing", "本平台没有这个数据领域"),
                           ("/oversight?cursor=x", "游标无效")):
            page.goto(path)
            expect(page.locator("main")).to_contain_text(said)
        page.fill("main input[name=q]", "采购")
        page.press("main input[name=q]", "Enter")
        expect(page.locator(".gk-result").first).to_be_visible()
        expect(page.locator(".gk-notice")).to_have_count(0)


@pytest.mark.parametrize("path", ["/dataset/?q=采购", f"{DATASET}?q=停车", "/domain/procurement?q="])
def test_behind_the_last_page_leads_back(published: Portal, visit: Callable[..., Any], path: str) -> None:
    with visit() as page:
        page.goto(f"{path}&page=90")
        expect(page.locator("main .gk-empty")).to_contain_text("没有这一页")
        page.click("main .gk-empty a")
        expect(page.locator(".gk-result, table.gk-rows tbody tr").first).to_be_visible()


def test_paper_loses_nothing(published: Portal, visit: Callable[..., Any]) -> None:
    with visit(viewport={"width": 1040, "height": 700}) as page:      # A4 on its side
        page.goto(DATASET)
        page.emulate_media(media="print")
        cut = page.locator(".gk-table-frame").evaluate_all(
            "frames => frames.filter(frame => frame.scrollHeight > frame.clientHeight + 1"
            " || frame.scrollWidth > frame.clientWidth + 1).length")
        assert cut == 0
        white = page.locator(".gk-downloads .gk-first b").evaluate("e => getComputedStyle(e).color")
        assert white != "rgb(255, 255, 255)", "backgrounds are not printed"
        amounts = page.locator("table.gk-rows td.gk-right").evaluate_all(
            "cells => cells.filter(cell => cell.getClientRects().length && cell.innerText.trim())"
            ".map(cell => { const text = document.createRange(); text.selectNodeContents(cell);"
            " return text.getClientRects().length; })")
        assert set(amounts) == {1}, "an amount stands on one line"


def test_what_serves_programs_comes_last(published: Portal, visit: Callable[..., Any]) -> None:
    with visit() as page:
        page.goto(f"{DATASET}?columns=all")
        heads = page.locator("table.gk-rows thead th").all_inner_texts()
        assert heads.index("公告类型") == 0 < heads.index("项目名称") < heads.index("行标识")
        page.locator("table.gk-rows tbody a").first.click()
        names = page.locator("main dl.gk-facts dt").all_inner_texts()
        assert names[0] == "公告类型" and "行标识" in names[-8:]


def test_amounts_are_in_sight_and_what_rows_share_is_told_once(published: Portal, visit: Callable[..., Any]) -> None:
    for size in (WIDE, NARROW):
        with visit(viewport=size) as page:
            page.goto(DATASET)
            heads = page.locator("table.gk-rows thead th").all_inner_texts()
            shared = page.inner_text(".gk-same")
            assert "采购单位 南通市城市管理局" in shared and "采购单位" not in heads and "项目名称" in heads
            frame = page.locator(".gk-table-frame", has=page.locator("table.gk-rows")).bounding_box()
            amount = page.locator("table.gk-rows tbody .gk-pinned").first.bounding_box()
            assert frame and amount and frame["x"] <= amount["x"] < amount["x"] + amount["width"] <= (
                frame["x"] + frame["width"])
            page.goto(f"{DATASET}?columns=all")
            assert page.locator(".gk-same").count() == 0
            assert "采购单位" in page.locator("table.gk-rows thead th").all_inner_texts()
