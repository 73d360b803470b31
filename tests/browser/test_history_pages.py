"""The pages on revisions, one row and the interface: they fit a telephone, and say the same in both languages."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ckanext.gkopen.history import keys
from tests.browser.chromium import NARROW, WIDE
from tests.browser.conftest import ROWS, Portal
from tests.people import call

PICTURES = os.environ.get("GKOPEN_PICTURES", "")
"""A folder for pictures of these pages, for whoever wants to look at them."""


def test_pages_fit_their_window(published: Portal, visit: Callable[..., Any]) -> None:
    published.publish(*(row.replace("800001.50", "812345.67") for row in ROWS))
    changed = next(line for line in call("gkopen_change_list", "", limit=100)["results"] if line["op"] == "changed")
    pages = {"api": "/open/api", "row": f"/row/procurement/{keys.to_path(list(changed['key'].values()))}",
             "dataset": f"/dataset/{published.cast.body}-procurement", "api-en": "/en/open/api"}
    for size in (WIDE, NARROW):
        with visit(viewport=size) as page:
            for name, path in pages.items():
                answer = page.goto(path)
                assert answer is not None and answer.status == 200, path
                assert not page.evaluate("document.scrollingElement.scrollWidth > innerWidth"), (name, size)
                if PICTURES:
                    page.screenshot(path=Path(PICTURES) / f"{name}-{size['width']}.png", full_page=True)
            page.goto(pages["row"])
            assert page.get_by_text("812,345.67").count() >= 2
            after = changed["after"]
            assert page.locator("h1").inner_text() == " · ".join(
                after[name] for name in ("project_name", "buyer_name", "supplier_name"))
            page.goto(pages["dataset"])
            assert page.locator("#revisions tbody tr").count() == 2


TAKEBACK = "/review/takeback/nantong-czj-procurement"


def test_an_officer_proposes_an_earlier_revision(published: Portal, visit: Callable[..., Any]) -> None:
    published.publish(*ROWS[:14], ROWS[14].replace("800015.50", "812345.67"))
    with visit(published.cast.officer) as page:
        page.goto(TAKEBACK)
        assert page.locator("#gk-withdraw").count() == 0                # the reviewer's
        assert page.locator("#gk-seq option").all_inner_texts()[0].startswith("1 · ")
        page.fill("#gk-because", "金额录入有误")
        page.click("text=提交审核")
        assert "待审" in page.inner_text("main") and "812,345.67" in page.inner_text("main")


def test_a_reviewer_withdraws_a_part_and_then_all(published: Portal, visit: Callable[..., Any]) -> None:
    published.publish(*ROWS, ROWS[0].replace("2024-05-02", "2024-06-02").replace("NT-2024-001", "NT-2024-601"))
    with visit(published.cast.officer) as page:
        page.goto("/review/?state=published")
        page.click("main table a, main .gk-list a")
        page.click("text=撤回或恢复")
        assert page.url.endswith(TAKEBACK)
    with visit(published.cast.reviewer) as page:
        page.goto(TAKEBACK)
        assert page.locator("#gk-part option").all_inner_texts() == ["整个数据集", "2024-05", "2024-06"]
        page.select_option("#gk-part", "2024-06")
        page.fill("#gk-why", "重复公开")
        page.click("text=立即撤回")
        assert page.url.endswith(TAKEBACK) and page.locator(".alert-success").count() == 0    # not sure yet
        page.check("[name=sure]")
        page.click("text=立即撤回")
        assert "已撤回" in page.inner_text("main") and page.locator("#gk-part option").count() == 2
        assert call("datastore_search", "", resource_id="procurement", limit=0)["total"] == 15
        page.fill("#gk-why", "依申请不再公开")
        page.check("[name=sure]")
        page.click("text=立即撤回")
        assert "目前没有公开的行" in page.inner_text("main")
        assert "依申请不再公开" in page.inner_text("#revisions")
        gone = page.request.get(f"{published.url}/open/procurement/nantong-czj-procurement.csv")
        assert gone.status == 410 and "依申请不再公开" in gone.text()


def test_another_body_sees_no_form(published: Portal, visit: Callable[..., Any]) -> None:
    with visit(published.cast.stranger, expected="the server responded with a status of 404") as page:
        assert page.goto(TAKEBACK).status == 404
