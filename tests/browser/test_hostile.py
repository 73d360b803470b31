"""Markup in titles, rows, headers, file names, reasons and addresses: nothing of it runs in a browser (row 31)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Browser, Dialog, Page
from werkzeug.datastructures import FileStorage

from tests.browser.conftest import HEADER, Portal
from tests.people import call

CORPUS = (
    "<script>xss()</script>", "</script><script>xss()</script>", "<img src=x onerror=xss()>",
    "\"'><svg onload=xss()>", "<svg><script>xss()</script></svg>", "<details open ontoggle=xss()>x</details>",
    "<input autofocus onfocus=xss()>", "<iframe srcdoc='<script>parent.xss()</script>'></iframe>",
    "<a href='javascript:xss()'>x</a>", "[x](javascript:xss())", "<body onpageshow=xss()>",
    "<math><mtext></table><img src=x onerror=xss()>", "<video><source onerror=xss()></video>",
    "' autofocus onfocus='xss()", "\" onmouseover=\"xss()", "{{ ''.__class__ }}<b onclick=xss()>x</b>",
    "<!--><img src=x onerror=xss()>-->",
    "<style>@keyframes x{}</style><b style='animation-name:x' onanimationstart=xss()>",
    "\u2028<script>xss()</script>", "<scr\u200bipt>xss()</scr\u200bipt><img src=x onerror=xss()>",
)


class Trap:
    """Counts what ran on a page: calls of `xss`, dialogs, and addresses that are programs."""

    def __init__(self, page: Page) -> None:
        self.page, self.ran, self.seen = page, [], 0
        page.expose_function("xss", lambda: self.ran.append(page.url))
        page.on("dialog", self._dismiss)

    def _dismiss(self, dialog: Dialog) -> None:
        self.ran.append(dialog.message)
        dialog.dismiss()

    def look(self, address: str) -> None:
        """Open a page and do what a curious person does: unfold, hover, focus."""
        self.page.goto(address)
        self.page.evaluate("""() => {
            document.querySelectorAll('details').forEach(each => each.open = true);
            document.querySelectorAll('main *').forEach(each => {
                for (const name of ['mouseover', 'focus', 'toggle']) each.dispatchEvent(new Event(name)); });
        }""")
        self.page.wait_for_load_state("networkidle")
        programs = self.page.locator("a[href^='javascript' i], iframe[srcdoc], [action^='javascript' i]").count()
        self.ran += [address] * programs
        self.seen += self.page.content().count("xss()")


def rows(date: str = "2024-05-06 09:00") -> list[list[str]]:
    return [[f"NT-{n}", "中标（成交）结果公告", date, f"NTCG-{n}", text, text, "公开招标", "货物", "84.6", text,
             "838000", "金额", "1"] for n, text in enumerate(CORPUS)]


def file_of(*parts: list[list[str]], header: str = HEADER) -> FileStorage:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*header.split(","), *CORPUS[:3]])
    for part in parts:
        writer.writerows([*row, "", "", ""] for row in part)
    return FileStorage(io.BytesIO(text.getvalue().encode()), f"{CORPUS[2]}.csv")


def test_the_trap_closes(browser: Browser) -> None:
    page = browser.new_page()
    trap = Trap(page)
    page.set_content("<main>" + CORPUS[2] + CORPUS[8] + "</main>")
    page.wait_for_load_state("networkidle")
    assert trap.ran and page.locator("a[href^='javascript' i]").count() == 1
    page.close()


def test_nothing_runs(portal: Portal, visit: Callable[..., Any]) -> None:
    cast, name = portal.cast, f"{portal.cast.body}-procurement"
    data = {"domain": "procurement", "organization": cast.body}
    call("gkopen_submission_create", cast.officer, upload=file_of(rows()), **data)
    first = call("gkopen_submission_create", cast.officer, **data, metadata={
        "title": CORPUS[2], "notes": "\n".join(CORPUS), "legal_basis": CORPUS[3], "contact_name": CORPUS[0],
        "related_codes": list(CORPUS[:4])})["revision_id"]
    digest = call("gkopen_revision_show", cast.reviewer, id=first)["digest"]
    call("gkopen_revision_approve", cast.reviewer, id=first, digest=digest, reason=CORPUS[2])
    portal.drain()
    public = ("/", "/dataset/", f"/dataset/{name}", "/domain/procurement", "/open/", f"/organization/{cast.body}",
              *(f"/dataset/?q={quote(text)}" for text in CORPUS[:6]), f"/dataset/{name}?q={quote(CORPUS[3])}",
              f"/domain/procurement?q={quote(CORPUS[3])}", f"/dataset/{quote(CORPUS[2])}",
              f"/review/{quote(CORPUS[2])}")
    with visit(expected="status of 404") as page:
        trap = Trap(page)
        for address in public:
            trap.look(address)
        assert (trap.ran, trap.seen > 0) == ([], True)
        shown = trap.seen

    returned = call("gkopen_submission_create", cast.officer, upload=file_of(rows()[:5], rows(CORPUS[2])),
                    **data)["revision_id"]
    call("gkopen_revision_return", cast.reviewer, id=returned, reason="".join(CORPUS))
    with visit(cast.officer, expected="status of 404") as page:
        trap = Trap(page)
        for address in ("/office/", f"/review/{first}", f"/review/{returned}", f"/office/metadata/{name}",
                        f"/office/runs?source={quote(CORPUS[3])}", f"/office/?domain={quote(CORPUS[3])}"):
            trap.look(address)
        assert (trap.ran, trap.seen > 0) == ([], True)
    print(f"{len(CORPUS)} texts, {len(public) + 6} pages, shown {shown + trap.seen} times, executed 0")
