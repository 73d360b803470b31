"""Row 43: axe-core finds nothing on any own page, in Chinese, wide and narrow; which pages those are is asked of the
portal's routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any
from urllib.parse import quote, unquote

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from ckanext.gkopen import model
from tests.browser.chromium import NARROW, WIDE
from tests.browser.conftest import ROWS, Portal
from tests.browser.test_officer_pages import BAD, choose
from tests.browser.test_oversight_pages import filled as filled
from tests.people import call

DATASET = "nantong-czj-procurement"
FOUND = """async () => {
  document.querySelectorAll('details').forEach(each => each.open = true);
  const told = await axe.run({resultTypes: ['violations']});
  return told.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.target.join(' ')} | ${n.html.slice(0, 160)}`));
}"""
STOCK = {"dcat.read_catalog", "home.about", "dataset.search", "dcat.read_dataset", "organization.index",
         "organization.read", "user.login", "dataset_resource.read"}
"""Routes of CKAN and its catalogue (which stands before the start page and a dataset's) whose templates are ours."""
NO_PAGE = {"gkopen_dump.dump", "gkopen_language.translations", "gkopen_open.dataset", "gkopen_open.table",
           "gkopen_operations.healthz", "gkopen_operations.metrics", "gkopen_operations.readyz", "gkopen_push.status",
           "gkopen_standards.file"}
"""Routes of ours that answer with files and figures, besides those whose address ends in a file's name."""


@pytest.fixture
def pages(filled: dict[str, str], published: Portal) -> list[tuple[str, str]]:
    """(who opens it, address); "" is everybody."""
    cast = published.cast
    held = published.submit(ROWS[0].replace("800001.50", "900001.50"), *ROWS[1:5], BAD)["revision_id"]
    meta = call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
                metadata={"title": "南通市财政局采购公告", "notes": "说明"})["revision_id"]
    call("gkopen_push_token_create", cast.officer, name="czj-finance", domain="procurement", organization=cast.body)
    run = model.value("select id::text from gkopen.run")
    key = call("datastore_search", "", resource_id="procurement", limit=1)["records"][0]
    resource = call("package_show", "", id=DATASET)["resources"][0]["id"]
    public = ("/", "/about", "/dataset/", "/dataset/?q=没有这样的东西", f"/dataset/{DATASET}",
              "/dataset/all-procurement", f"/dataset/{DATASET}/resource/{resource}",
              "/domain/", "/domain/procurement", "/domain/budget", "/organization/", f"/organization/{cast.body}",
              "/open/", "/open/api", "/open/ocds/", "/open/oc4ids/", "/open/fiscal/", "/user/login", "/nothing-here",
              f"/row/procurement/{key['record_id']}", f"/trail/process/{key['project_no']}",
              "/trail/process/no-such-number", f"/trail/project/{key['project_no']}")
    officer = ("/office/submit", "/office/tokens/", "/review/", "/review/?state=published", f"/review/{held}",
               f"/review/{meta}", f"/office/metadata/{DATASET}", f"/office/runs/{run}/rows", f"/office/runs/{run}/hold")
    reviewer = (f"/review/{held}", f"/review/{meta}", f"/review/takeback/{DATASET}")
    office = ("/oversight", "/office")
    asked = [*filled.items(), *((path, "") for path in public), *((path, cast.officer) for path in officer),
             *((path, cast.reviewer) for path in reviewer), *((path, cast.office) for path in office),
             ("/office/sources", cast.admin)]
    return sorted((who, quote(path, safe="/?=&:|")) for path, who in asked)


def violations(page: Page, sizes: Iterable[Any]) -> list[str]:
    """On the page as it stands, at each of these sizes."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE_SCRIPT)
    found = []
    for size in sizes:
        page.set_viewport_size(size)
        found += [f"{size['width']} {told}" for told in page.evaluate(FOUND)]
    page.set_viewport_size(WIDE)
    return found


def own_pages(rules: Iterable[Any]) -> set[str]:
    """Endpoints whose pages are drawn by templates of ours."""
    ours = {rule.endpoint for rule in rules if rule.endpoint.startswith("gkopen_") and "GET" in rule.methods
            and "." not in rule.rule.rpartition("/")[2]}
    return ours - NO_PAGE | STOCK


@pytest.mark.parametrize("sizes", [(WIDE,), pytest.param((WIDE, NARROW), marks=pytest.mark.torture)],
                         ids=["wide", "both"])
def test_axe_finds_nothing(pages: list[tuple[str, str]], published: Portal, visit: Callable[..., Any], web: Any,
                           sizes: Sequence[Any]) -> None:
    found: dict[str, list[str]] = {}
    routes, opened = web._wsgi_app.url_map.bind(""), set()
    for person, addresses in groupby(pages, key=itemgetter(0)):
        with visit(person or None, expected="the server responded") as page:
            for _, address in addresses:
                answer = page.goto(address)
                found[f"{person} {address}"] = violations(page, sizes)
                opened.add(routes.match(unquote(address.partition("?")[0]), return_rule=True)[0].endpoint
                           if answer.status == 200 else answer.status)
            if person == published.cast.officer:
                choose(page, *ROWS[:5], BAD)
                found["the result of a check"] = violations(page, sizes)
    assert {name: told for name, told in found.items() if told} == {}
    assert own_pages(routes.map.iter_rules()) - opened == set()
    print(f"{len(found)} pages, {len(sizes)} sizes: 0 violations")


def test_axe_finds_what_is_wrong(published: Portal, visit: Callable[..., Any]) -> None:
    with visit() as page:
        page.goto("/")
        page.evaluate("""document.querySelector('main').insertAdjacentHTML('beforeend',
            '<img src="data:,"><a href="/"></a><p style="color: #bbb; background: #fff">看不清的字</p>')""")
        wrong = {told.split()[1] for told in violations(page, (WIDE,))}
        assert {"image-alt:", "link-name:", "color-contrast:"} <= wrong
