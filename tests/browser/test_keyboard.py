"""Row 43: what officers and reviewers do every day, by keyboard alone, from the log-in to the decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, expect

from ckanext.gkopen import model
from tests.browser.conftest import HEADER, PASSWORD, ROWS, Portal
from tests.browser.test_officer_acts import source as source
from tests.people import call

MOST_STEPS = 150
HAS_FOCUS = """([css, text]) => {
  const e = document.activeElement, s = getComputedStyle(e), box = e.getBoundingClientRect();
  const shown = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 || e === document.body;
  return [e.matches(css) && (!text || e.textContent.trim() === text), shown && (box.height > 0 || e === document.body),
          e.outerHTML.slice(0, 120)];
}"""


def reach(page: Page, css: str, text: str = "") -> None:
    """Tab to it; whatever has the focus on the way shows it."""
    for _ in range(MOST_STEPS):
        page.keyboard.press("Tab")
        there, shown, html = page.evaluate(HAS_FOCUS, [css, text])
        assert shown, f"the focus is not seen on {html}"
        if there:
            return
    raise AssertionError(f"{css} {text} is not reached by keyboard")


def press(page: Page, css: str, text: str = "", key: str = "Enter") -> None:
    """Reach it and press it, which opens another page."""
    reach(page, css, text)
    with page.expect_navigation():
        page.keyboard.press(key)


def choose(page: Page, css: str, value: str) -> None:
    """An entry of a list, by the arrow."""
    reach(page, css)
    page.keyboard.press("Home")
    for _ in range(MOST_STEPS):
        if page.evaluate("document.activeElement.value") == value:
            return
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"{css} has no {value}")


@contextmanager
def logged_in(visit: Callable[..., Any], person: str) -> Iterator[Page]:
    with visit() as page:
        page.goto("/user/login")
        reach(page, "#field-login")
        page.keyboard.type(person)
        reach(page, "#field-password")
        page.keyboard.type(PASSWORD)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert "/office" in page.url
        yield page


def test_a_file_from_the_desk_to_the_decision(portal: Portal, visit: Callable[..., Any]) -> None:
    with logged_in(visit, portal.cast.officer) as page:
        page.on("filechooser", lambda _: None)             # a dialogue is caught from here on, not from the key on
        choose(page, "#gk-domain", "procurement")
        reach(page, "#gk-upload")
        with page.expect_file_chooser() as chosen:
            page.keyboard.press("Enter")
        chosen.value.set_files({"name": "采购公告.csv", "mimeType": "text/csv",
                                "buffer": "\n".join((HEADER, *ROWS)).encode()})
        press(page, "button", "检查文件")
        press(page, "button", "提交审核")
        expect(page.locator(".gk-decide")).to_contain_text("须由他人审核")
        first = page.url
        press(page, "button", "收回提交")
        expect(page.locator(".gk-title .gk-tag")).to_have_text("已收回")
    with logged_in(visit, portal.cast.reviewer) as page:
        returned = portal.submit(*ROWS[:3])["revision_id"]
        press(page, "a[href$='/review/']")
        press(page, f"tbody a[href$='/review/{returned}']")
        reach(page, "#gk-reason")
        page.keyboard.type("金额单位有误")
        press(page, "button", "退回")
        expect(page.locator("[role=status]")).to_contain_text("已退回")
        approved = portal.submit(*ROWS)["revision_id"]
        press(page, "a[href$='/review/']")
        press(page, f"tbody a[href$='/review/{approved}']")
        press(page, "button", "核准并发布", key="Space")
        expect(page.locator("[role=status]")).to_contain_text("已核准")
        press(page, "a", "常设批准")
        reach(page, "#gk-why")
        page.keyboard.type("每日例行推送")
        press(page, "button", "预先批准")
        press(page, "button", "立即撤销")
    states = {str(row["id"]): row["state"] for row in model.every("select id, state from gkopen.revision")}
    assert states == {first.rpartition("/")[2]: "recalled", returned: "returned", approved: "published"}
    assert [approval["active"] for approval in call(
        "gkopen_standing_list", portal.cast.reviewer, dataset="nantong-czj-procurement")["results"]] == [False]


def test_sources_and_nil_reports(source: str, portal: Portal, visit: Callable[..., Any]) -> None:
    with logged_in(visit, portal.cast.officer) as page:
        reach(page, "#gk-nil ~ details summary")
        page.keyboard.press("Enter")
        choose(page, "#gk-nil-domain", "procurement")
        reach(page, "#gk-nil-part")
        page.keyboard.type("2024-06")
        press(page, "button", "提交零报告")
        expect(page.locator(".gk-notice-good")).to_contain_text("零报告")
        press(page, "a[href$='/office/sources']")
        press(page, "button", "暂停")
        press(page, "button", "恢复")
        press(page, "button", "立即采集")
        expect(page.locator(".gk-title .gk-tag")).to_have_text("排队中")
        press(page, "button", "取消本次运行")
    assert model.value("select count(*) from gkopen.submission where kind = 'nil'") == 1
    assert model.value("select state from gkopen.run") == "cancelled"


def test_metadata_and_a_token(published: Portal, visit: Callable[..., Any]) -> None:
    with logged_in(visit, published.cast.officer) as page:
        press(page, "a[href$='/office/metadata/nantong-czj-procurement']")
        reach(page, "textarea[name=notes]")
        page.keyboard.type("含中标与成交公告。")
        press(page, "main form button[type=submit]")
        assert "/review/" in page.url
        press(page, "a[href$='/office/'], a[href$='/office']")
        press(page, "a[href*='/office/tokens']")
        reach(page, "input[name=name]")
        page.keyboard.type("czj-finance")
        choose(page, "select[name=domain]", "procurement")
        press(page, "main form button[type=submit]")
        assert page.locator("main code").count() >= 1
    assert [token["name"] for token in call("gkopen_push_token_list", published.cast.officer)["results"]] == [
        "czj-finance"]
