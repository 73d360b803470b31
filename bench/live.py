"""d2: `datastore_search` over HTTP on the large table, and sums, pages by cursor, a row's past and the feed.

Hits and totals are compared with counts in plain SQL (totals of words: exact to 10,000). For filters CKAN's own search
runs in turn with ours, on the same table over the same HTTP server; it knows no Chinese substring.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from ckan import model as ckan_model
from ckanext.datastore.backend.postgres import get_read_engine
from werkzeug.serving import make_server

from bench import exits
from bench.measure import Figure, must_equal
from bench.notices import write_source
from bench.running import bench_home, empty_site
from ckanext.gkopen import ids
from ckanext.gkopen.datastore.plugin import DatastoreMixin
from ckanext.gkopen.demo import make_body
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.embedded.screen import Screen
from ckanext.gkopen.publish.table_sql import quoted

DOMAIN = "bench_notice"
EXACT = 10_000


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The application over HTTP, one thread a request."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Question:
    """`hits`: how many rows fit, counted in SQL."""

    name: str
    query: dict[str, str]
    hits: int


def d2(site: str, rounds: int, screen: Screen) -> list[Figure]:
    """The million rows must be published."""
    figures = []
    for question in _questions():
        sides = {"ours": nullcontext, "stock": _stock} if "filters" in question.query else {"ours": nullcontext}
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(rounds + 1):
            for side, turned in sides.items():
                screen.now(f"d2 {question.name}, round {number}/{rounds}: {side}")
                with turned():
                    for _ in range(5):
                        taken, answer = _timed(lambda query=question.query: _search(site, query))
                        _check(question, answer)
                        if number:
                            seconds[side].append(taken)
        target = "≤ 25 ms" if question.hits <= 1000 else "≤ 50 ms" if question.hits <= 300_000 else ""
        for side, taken in seconds.items():
            figures.append(Figure("d2", f"{question.name}: {side}", taken, note=f"{question.hits} rows fit",
                                  target=target if side == "ours" else "",
                                  floor=f"{question.name}: stock" if side == "ours" and "stock" in sides else None))
    return figures


@contextmanager
def _stock() -> Iterator[None]:
    """CKAN's own search of the same table: our hook is taken away for the length of a block."""
    ours = DatastoreMixin.datastore_search
    DatastoreMixin.datastore_search = lambda self, context, data_dict, types, query: query  # type: ignore[method-assign]
    try:
        yield
    finally:
        DatastoreMixin.datastore_search = ours  # type: ignore[method-assign]


def further(site: str, rounds: int, screen: Screen) -> list[Figure]:
    """Sums, a page by cursor in the middle, one row's past, and the feed of the rows that were published at once."""
    total, rows = _sql("select sum(award_amount), count(*) from {table}")
    key = _sql("select notice_no from {table} order by notice_no offset :half limit 1", half=rows // 2)[0]
    cursor = _api(site, "gkopen_rows", limit="10000")["cursor"]
    asked: dict[str, Callable[[], Any]] = {
        "sum and count by district": lambda: _api(site, "gkopen_aggregate", group_by="district", sum="award_amount"),
        "1,000 rows by cursor": lambda: _api(site, "gkopen_rows", limit="1000", cursor=cursor),
        "one row's past": lambda: _api(site, "gkopen_row_history", key=key),
        "the first 1,000 changes": lambda: _api(site, "gkopen_change_list", limit="1000"),
        "every change, as JSON Lines": lambda: _lines(site)}
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    for number in range(rounds):
        for name, ask in asked.items():
            screen.now(f"{name}, round {number + 1}/{rounds}")
            taken, answer = _timed(ask)
            seconds[name].append(taken)
            if name.startswith("sum"):
                must_equal(name, (sum(r["sum_award_amount"] for r in answer["results"]),
                                  sum(r["count"] for r in answer["results"])), (total, rows))
            elif name.startswith("1,000"):
                must_equal(name, len({row["notice_no"] for row in answer["results"]}), 1000)
            elif name.startswith("one row"):
                must_equal(name, answer["results"][0]["current"]["notice_no"], key)
            elif name.startswith("every"):
                must_equal(name, answer, rows)
    return [Figure("live", name, taken) for name, taken in seconds.items()]


def _lines(site: str) -> int:
    with urllib.request.urlopen(f"{site}/open/changes.jsonl?domain={DOMAIN}", timeout=600) as answer:
        return sum(1 for _ in answer)


def _sql(statement: str, **params: Any) -> Any:
    with get_read_engine().connect() as connection:
        table = f"public.{quoted(ids.table_id(DOMAIN))}"
        return connection.execute(sa.text(statement.format(table=table)), params).one()


def _questions() -> list[Question]:
    """Filters and Chinese words that fit few rows, many rows, and about a third of all."""
    choose = random.Random(5)
    with get_read_engine().connect() as connection:
        table = f"public.{quoted(ids.table_id(DOMAIN))}"
        names = [name for name in connection.execute(sa.text(
            f"select project_name from {table} where _id % 997 = 0 limit 500")).scalars() if len(name) > 8]
        groups = {column: connection.execute(sa.text(
            f"select {column}, count(*) from {table} group by 1 order by 2")).all()
            for column in ("buyer_name", "district", "category", "published_on")}
    found = []
    for column, counts in groups.items():
        value, hits = next(((v, n) for v, n in counts if n > 100), counts[0])
        found.append(Question(f"filter {column}", {"filters": json.dumps({column: str(value)})}, hits))
    few = choose.choice(names)
    for name, q in (("a whole name", few), ("six characters", few[:6]), ("four characters", few[2:6]),
                    ("two characters", few[:2])):
        found.append(Question(f"q, {name}", {"q": q}, _sql_count(q)))
    return found


def _sql_count(q: str) -> int:
    columns = ", ".join(quoted(field.name) for field in get_domain(DOMAIN).search_fields)
    with get_read_engine().connect() as connection:
        return connection.execute(sa.text(
            f"select count(*) from public.{quoted(ids.table_id(DOMAIN))}"
            f" where strpos(lower(concat_ws(' ', {columns})), lower(:q)) > 0"), {"q": q}).scalar() or 0


def _api(site: str, action: str, **query: str) -> Any:
    address = f"{site}/api/3/action/{action}?" + urllib.parse.urlencode({"domain": DOMAIN, **query})
    with urllib.request.urlopen(address, timeout=300) as answer:
        return json.loads(answer.read(), parse_float=Decimal)["result"]


def _search(site: str, query: dict[str, str]) -> dict[str, Any]:
    address = f"{site}/api/3/action/datastore_search?" + urllib.parse.urlencode(
        {"resource_id": DOMAIN, "limit": "100", **query})
    with urllib.request.urlopen(address, timeout=300) as answer:
        return json.loads(answer.read(), parse_float=Decimal)["result"]


def _check(question: Question, answer: dict[str, Any]) -> None:
    exact = "q" not in question.query or question.hits <= EXACT
    must_equal(question.name, (answer["total"], len(answer["records"])),
               (question.hits if exact else EXACT, min(question.hits, 100)))


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def measured(wanted: list[str], rows: int, rounds: int, screen: Screen) -> list[Figure]:
    """Publish the large table on an empty site, and ask for it over HTTP: c1, c2, d2."""
    with empty_site(screen) as ini:
        from ckan.tests import helpers

        from bench import downloads

        with screen.step("the table is published"):
            make_body(exits.BODY, {"zh": "基准测试财政局", "en": "Finance Bureau of the benchmark"})
            ckan_model.Session.commit()
            exits.publish(exits.submit(write_source(rows, bench_home() / "sources"), "complete"))
        figures: list[Figure] = []
        if "c1" in wanted:
            with screen.step("c1"):
                figures += downloads.c1(ini, rows, rounds, screen)
        if "c2" in wanted:
            with screen.step("c2"):
                figures += downloads.c2(ini, rounds, screen)
        if "d2" in wanted:
            with screen.step("d2"), served(helpers._get_test_app().app) as site:
                _search(site, {})
                figures += d2(site, rounds, screen) + further(site, min(rounds, 3), screen)
        return figures
