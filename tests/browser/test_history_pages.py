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
