"""The officer's desk and the reviewer's pages, from a workbook to the public page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import NARROW, OUTLINE
from tests.browser.conftest import HEADER, PASSWORD, ROWS, Portal
from tests.people import call

BAD = ("NT-2024-099,中标（成交）结果公告,2024年2月30日,NTCG-2024-099,坏日期,南通市城市管理局,公开招标,货物,84.6,"
       "南通示例科技有限公司,1.00,金额,1")
DATASET = "/dataset/nantong-czj-procurement"


def choose(page: Page, *rows: str) -> None:
    """Fill in the form of the desk and have the file checked."""
    page.goto("/office")
    page.select_option("#gk-domain", "procurement")
    page.set_input_files("#gk-upload", {"name": "采购公告.csv", "mimeType": "text/csv",
                                        "buffer": "\n".join((HEADER, *rows)).encode()})
    page.click("button:text-is('检查文件')")


def held(portal: Portal, *rows: str) -> str:
    return portal.submit(*rows)["revision_id"]


def test_from_the_officers_file_to_the_public_page(portal: Portal, visit: Callable[..., Any]) -> None:
    with visit(portal.cast.officer) as page:
        choose(page, *ROWS, BAD)
        expect(page.locator("h1")).to_have_text("检查结果：采购公告.csv")
        expect(page.locator(".gk-sum li b")).to_have_text(["16", "15", "1", "0"])
        expect(page.locator(".gk-finding-group").first).to_contain_text("2024年2月30日")
        page.click("button:text-is('提交审核')")
        expect(page.locator(".gk-decide")).to_contain_text("须由他人审核")
        expect(page.locator("text=核准并发布")).to_have_count(0)
        revision = page.url
    with visit(portal.cast.reviewer) as page:
        page.goto("/review")
        page.click("tbody th a")
        assert page.url == revision
        expect(page.locator("#difference")).to_contain_text("新增 15 行")
        expect(page.locator("#quarantine")).to_contain_text("第 17 行")
        with page.expect_download() as download:
            page.click("text=下载全部问题项")
        assert "2024年2月30日" in download.value.path().read_text("utf-8-sig")
        page.click("button:text-is('核准并发布')")
        expect(page.locator("[role=status]")).to_contain_text("已核准")
        expect(page.locator("text=核准并发布")).to_have_count(0)
    portal.drain()
    with visit() as page:
        page.goto(DATASET)
        expect(page.locator(".gk-meta")).to_contain_text("15 行")
        expect(page.locator(".gk-meta")).to_contain_text("责任主体报送的工作簿")


def test_a_correction_shows_each_cell_before_and_after(published: Portal, visit: Callable[..., Any]) -> None:
    revision = held(published, ROWS[0].replace("800001.50", "900001.50"), *ROWS[1:])
    with visit(published.cast.reviewer) as page:
        page.goto(f"/review/{revision}")
        expect(page.locator("#difference")).to_contain_text("变更 1 行")
        expect(page.locator("#difference del").first).to_contain_text("800,001.50")
        expect(page.locator("#difference ins").first).to_contain_text("900,001.50")
        expect(page.locator(".gk-totals")).to_contain_text("+100,000")


def test_returning_needs_a_reason_and_the_officer_reads_it(portal: Portal, visit: Callable[..., Any]) -> None:
    revision = held(portal, *ROWS)
    with visit(portal.cast.reviewer) as page:
        page.goto(f"/review/{revision}")
        page.click("button:text-is('退回')")
        assert page.evaluate("document.activeElement.id") == "gk-reason"
        page.fill("#gk-reason", "金额单位有误，请核对")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("[role=status]")).to_contain_text("已退回")
    with visit(portal.cast.officer) as page:
        page.goto("/office")
        expect(page.locator("tbody").first).to_contain_text("已退回")
        page.click("tbody th a")
        expect(page.locator("main")).to_contain_text("金额单位有误，请核对")


def test_a_digest_that_the_page_did_not_show_is_refused(portal: Portal, visit: Callable[..., Any]) -> None:
    revision = held(portal, *ROWS)
    with visit(portal.cast.reviewer) as page:
        page.goto(f"/review/{revision}")
        page.evaluate("document.querySelector('input[name=digest]').value = '0'.repeat(64)")
        page.click("button:text-is('核准并发布')")
        expect(page.locator("[role=status]")).to_have_class("gk-notice gk-notice-bad")
    assert call("gkopen_revision_show", portal.cast.reviewer, id=revision)["state"] == "held"


def test_strangers_are_kept_out(portal: Portal, visit: Callable[..., Any]) -> None:
    revision = held(portal, *ROWS)
    with visit(expected="the server responded") as page:
        for path in ("/office", "/review", f"/review/{revision}", "/office/runs"):
            page.goto(path)
            assert "/user/login" in page.url, path
        answer = page.request.post(f"/review/{revision}/approve", form={"digest": "0"}, max_redirects=0)
        assert answer.status in (302, 400)
    with visit(portal.cast.stranger, expected="the server responded") as page:
        assert page.goto(f"/review/{revision}").status == 404
        page.goto("/review")
        expect(page.locator("main")).to_contain_text("没有待审的内容")


def test_a_post_without_its_token_is_refused(portal: Portal, visit: Callable[..., Any]) -> None:
    revision = held(portal, *ROWS)
    with visit(portal.cast.reviewer, expected="the server responded") as page:
        assert page.request.post(f"/review/{revision}/return", form={"reason": "x"}).status == 400
    assert call("gkopen_revision_show", portal.cast.reviewer, id=revision)["state"] == "held"


def test_a_file_that_cannot_be_read_is_explained(portal: Portal, visit: Callable[..., Any]) -> None:
    with visit(portal.cast.officer) as page:
        page.goto("/office")
        page.select_option("#gk-domain", "procurement")
        page.set_input_files("#gk-upload", {"name": "坏文件.xlsx", "mimeType": "application/zip",
                                            "buffer": b"PK\x03\x04broken"})
        page.click("button:text-is('检查文件')")
        expect(page.locator("main")).to_contain_text("文件无法读取")
        expect(page.locator(".gk-finding-group")).to_have_count(1)
        expect(page.locator("text=提交审核")).to_have_count(0)


def test_the_template_is_a_workbook(portal: Portal, visit: Callable[..., Any]) -> None:
    with visit(portal.cast.officer) as page:
        page.goto("/office")
        with page.expect_download() as download:
            page.click("#gk-templates + ul a >> nth=0")
        assert download.value.path().read_bytes().startswith(b"PK")


@pytest.mark.parametrize("size", [NARROW, {"width": 1280, "height": 800}], ids=["390", "1280"])
def test_officers_pages_fit(published: Portal, visit: Callable[..., Any], size: dict[str, int]) -> None:
    revision = held(published, ROWS[0].replace("800001.50", "900001.50"), *ROWS[1:5], BAD)
    call("gkopen_push_token_create", published.cast.officer, name="czj-finance", domain="procurement",
         organization=published.cast.body)
    with visit(published.cast.reviewer, viewport=size) as page:
        for path in ("/office", "/office/submit", "/office/sources", "/office/runs", "/office/tokens/", "/review",
                     "/review?state=published", f"/review/{revision}"):
            page.goto(path)
            assert page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0, path
            assert page.evaluate(OUTLINE) == [[], []], path


def test_a_form_that_was_sent_too_late_says_so_and_leads_back(portal: Portal, visit: Callable[..., Any]) -> None:
    with visit(portal.cast.officer, expected="the server responded") as page:
        page.goto("/office/submit")
        page.context.clear_cookies()
        page.select_option("#gk-domain", "procurement")
        page.set_input_files("#gk-upload", {"name": "采购公告.csv", "mimeType": "text/csv", "buffer": HEADER.encode()})
        page.click("button:text-is('检查文件')")
        expect(page.locator("main h1")).to_have_text("登录已失效，或页面停留时间过长")
        assert "CSRF" not in page.locator("main").inner_text()
        page.click("main a:text-is('登录')")
        page.fill("#field-login", portal.cast.officer)
        page.fill("#field-password", PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_url("**/office/submit")


def test_a_changed_row_is_named_in_words(published: Portal, visit: Callable[..., Any]) -> None:
    revision = held(published, ROWS[0].replace("800001.50", "900001.50"), *ROWS[1:])
    with visit(published.cast.reviewer, viewport=NARROW) as page:
        page.goto(f"/review/{revision}")
        name = page.locator("#difference th[scope=rowgroup]")
        expect(name).to_have_text("NT-2024-001 · 停车场收费系统采购1 · 1 · 南通示例科技有限公司 · 中标（成交）")
        assert name.evaluate("e => getComputedStyle(e).display") == "block", "a card on a phone, like the other cells"


def test_who_comes_second_reads_the_state_in_words(portal: Portal, visit: Callable[..., Any]) -> None:
    revision = held(portal, *ROWS)
    with visit(portal.cast.reviewer) as page:
        page.goto(f"/review/{revision}")
        call("gkopen_revision_recall", portal.cast.officer, id=revision)
        page.click("button:text-is('核准并发布')")
        expect(page.locator("[role=status]")).to_contain_text("当前为 已收回")


def test_a_change_of_metadata_alone_shows_no_counts_of_rows(published: Portal, visit: Callable[..., Any]) -> None:
    with visit(published.cast.officer) as page:
        page.goto("/office/metadata/nantong-czj-procurement")
        page.fill("#field-title", "南通市财政局采购公告（2024年）")
        page.click("button:text-is('提交审核')")
        expect(page.locator("#metadata")).to_contain_text("南通市财政局采购公告（2024年）")
        expect(page.locator(".gk-sum")).to_have_count(0)
        expect(page.locator("#difference")).to_have_count(0)
        page.goto("/office")
        expect(page.locator("tbody tr").first.locator("td[data-name=变化]")).to_have_text("元数据")
        expect(page.locator("tbody tr").nth(1).locator("td[data-name=变化]")).to_have_text("+15")
