"""A portal that answers on 127.0.0.1, a Chromium that looks at it, and a watch on what the pages do."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from ckan.plugins import toolkit
from playwright.sync_api import Browser, Page
from werkzeug.datastructures import FileStorage
from werkzeug.serving import make_server

from ckanext.gkopen.publish import outbox
from tests.browser.chromium import WIDE, chromium, log_in
from tests.people import Cast, call, make_cast

HEADER = ("公告编号,公告类型,发布时间,项目编号,项目名称,采购单位,采购方式,采购类别,预算金额(万元),"
          "中标供应商,中标金额(元),计价方式,标段")
ROWS = tuple(
    f"NT-2024-{n:03d},中标（成交）结果公告,2024-05-{n % 27 + 1:02d} 09:00,NTCG-2024-{n:03d},{name}{n},"
    f"南通市城市管理局,公开招标,货物,84.6,南通示例科技有限公司,{800000 + n}.50,金额,1"
    for n, name in enumerate(["停车场收费系统采购", "空气质量监测设备", "学校食堂食材配送"] * 5, 1))
PASSWORD = "correct-horse-9"


@dataclass
class Watch:
    """What a page must not do: ask a foreign host, write errors to the console."""

    url: str
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        page.on("request", lambda request: None if request.url.startswith((self.url, "data:", "blob:", "about:"))
                else self.foreign.append(request.url))
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))


@dataclass(frozen=True)
class Portal:
    url: str
    cast: Cast

    def submit(self, *rows: str, header: str = HEADER) -> dict[str, Any]:
        """A file of the finance bureau's officer, held for review."""
        data = "\r\n".join((header, *rows, "")).encode("gb18030")
        return call("gkopen_submission_create", self.cast.officer, domain="procurement", organization=self.cast.body,
                    upload=FileStorage(io.BytesIO(data), "采购公告.csv"))

    def publish(self, *rows: str) -> None:
        """Submitted by the officer, approved by the reviewer, brought to every exit."""
        revision = self.submit(*rows)["revision_id"]
        digest = call("gkopen_revision_show", self.cast.reviewer, id=revision)["digest"]
        call("gkopen_revision_approve", self.cast.reviewer, id=revision, digest=digest)
        self.drain()

    def drain(self) -> None:
        """What a worker does: bring every exit to the newest publication."""
        for done in outbox.drain():
            assert done.seconds >= 0


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def address(web: Any) -> Iterator[str]:
    """The tests' site on a free port of 127.0.0.1."""
    server = make_server("127.0.0.1", 0, web, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def portal(site: Any, address: str, monkeypatch: pytest.MonkeyPatch) -> Portal:
    """A fresh site with bodies and people, and nothing published."""
    monkeypatch.setitem(toolkit.config, "ckan.site_url", address)
    return Portal(address, make_cast())


@pytest.fixture
def published(portal: Portal) -> Portal:
    """The same with one dataset of fifteen rows."""
    portal.publish(*ROWS)
    return portal


@pytest.fixture
def visit(browser: Browser, portal: Portal) -> Callable[..., Any]:
    """`with visit(...) as page`: a browser without cookies. At its end, no foreign host was asked and no error told.

    `person`: who is logged in. Further arguments are Playwright's for a context.
    """
    @contextmanager
    def open_page(person: str | None = None, *, expected: str = "", **options: Any) -> Iterator[Page]:
        context = browser.new_context(**{"viewport": WIDE, "locale": "zh-CN", "base_url": portal.url, **options})
        try:
            page = context.new_page()
            watch = Watch(portal.url)
            watch.follow(page)
            if person:
                log_in(page, portal.url, person, PASSWORD)
            yield page
            assert watch.foreign == []
            assert [error for error in watch.errors if not expected or expected not in error] == []
        finally:
            context.close()

    return open_page
