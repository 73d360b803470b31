"""python -m tests.browser.pictures URL [ACCOUNTS]: pictures of a running portal's pages at 1280 and 390 px.

They go to docs/pictures, the upper part of each page. ACCOUNTS is the demo's accounts.txt (role, name, password): with
it the officers' and reviewers' pages are taken too. All pages are looked at, those in KEPT are kept. A page that is
wider than its window is named, and the exit code is 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.chromium import NARROW, WIDE, chromium, log_in

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
PUBLIC = {"home": "/", "search": "/dataset/?q=采购", "domains": "/domain/", "domain": "/domain/procurement",
          "bodies": "/organization/", "about": "/about", "files": "/open/", "login": "/user/login",
          "missing": "/nothing-here", "home-en": "/en/", "domain-en": "/en/domain/procurement"}
KEPT = {"home-1280", "home-390", "home-en-1280", "search-1280", "search-390", "dataset-1280", "dataset-390",
        "domain-1280", "files-1280", "office-1280", "run-1280", "review-1280", "revision-1280", "revision-390"}
HEIGHT = 1400
"""Pixels of a page that a picture shows at most: whole long pages are heavy and show nothing more."""
OVERFLOW = "document.scrollingElement.scrollWidth > innerWidth"


def first(page: Page, url: str, path: str, selector: str) -> str | None:
    """The address of the first link on a page that matches."""
    page.goto(f"{url}{path}")
    link = page.locator(selector).first
    return link.get_attribute("href") if link.count() else None


def take(browser: Browser, url: str, pages: dict[str, str], account: tuple[str, str] | None = None) -> list[str]:
    """Take each page at both widths; returns those that overflow."""
    wider = []
    for name, size in (("1280", WIDE), ("390", NARROW)):
        page = browser.new_page(viewport=size, locale="zh-CN")
        if account:
            log_in(page, url, *account)
        for title, path in pages.items():
            page.goto(path if path.startswith("http") else f"{url}{path}", wait_until="networkidle")
            if page.evaluate(OVERFLOW):
                wider.append(f"{title} at {name} px")
            if f"{title}-{name}" in KEPT:
                height = min(HEIGHT, page.evaluate("document.documentElement.scrollHeight"))
                page.screenshot(path=FOLDER / f"{title}-{name}.png", full_page=True,
                                clip={"x": 0, "y": 0, "width": size["width"], "height": height})
        page.close()
    return wider


def people(file: Path) -> dict[str, tuple[str, str]]:
    """Role → (name, password)."""
    lines = [line.split("\t") for line in file.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return {role: (name, password) for role, name, password, *_ in lines}


def main(url: str, accounts: Path | None) -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        page = browser.new_page(viewport=WIDE)
        pages = dict(PUBLIC)
        if dataset := first(page, url, "/dataset/?q=采购", ".gk-result h2 a"):
            pages |= {"dataset": dataset, "dataset-en": f"/en{dataset}"}
        if body := first(page, url, "/organization/", ".gk-domain-card h3 a"):
            pages["body"] = body
        wider = take(browser, url, pages)
        if accounts:
            known = people(accounts)
            desk = {"office": "/office", "submit": "/office/submit", "sources": "/office/sources",
                    "runs": "/office/runs"}
            with_session = browser.new_page()
            log_in(with_session, url, *known["officer"])
            if run := first(with_session, url, "/office/runs", "tbody tr:has(.gk-tag-warn) th a"):
                desk["run"] = run
            wider += take(browser, url, desk, known["officer"])
            log_in(page, url, *known["office"])
            queue = {"review": "/review"}
            if revision := (first(page, url, "/review", "tbody th a") or first(page, url, "/review?state=published",
                                                                               "tbody th a")):
                queue["revision"] = revision
            wider += take(browser, url, queue, known["office"])
    print("\n".join(f"wider than the window: {name}" for name in wider) or f"all pages fit; pictures in {FOLDER}")
    return 1 if wider else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].rstrip("/"), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
