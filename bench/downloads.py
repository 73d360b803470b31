"""c1, c2: the large table as a whole. Needs `nginx`, as d1 does.

c1  the published CSV and JSON Lines, and stock CKAN's dump of the same table, each through the nginx of docker/nginx:
    until the first byte, and until the last. Stock is CKAN with its `datastore` alone, on the same databases.
c2  live CSV, whole and filtered, each one snapshot, beside `COPY TO` of the same rows in no order.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from ckanext.datastore.backend.postgres import get_read_engine

from bench.measure import Contender, Figure, in_turn, must_equal
from bench.pages import site
from ckanext.gkopen import ids, model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.embedded.screen import Screen
from ckanext.gkopen.publish.table_sql import TableSQL, quoted

DOMAIN = "bench_notice"
FILTERS: dict[str, dict[str, str]] = {
    "whole": {}, "one district": {"district": "东安区"}, "one category": {"category": "货物"}}


def c1(ini: Path, rows: int, rounds: int, screen: Screen) -> list[Figure]:
    """The rows must be published."""
    table_id = ids.table_id(DOMAIN)
    files = {row["form"]: row for row in model.every(
        "select form, address, sha256 from gkopen.file where dataset_id is not null and sha256 is not null")}
    figures = []
    with site(ini, "/") as (_, ours), site(_stock_ini(ini), f"/datastore/dump/{table_id}?limit=1") as (_, theirs):
        dump = theirs.partition("?")[0]
        # A record begins with its key, in every form.
        for name, form, stock, record, target in (
                ("CSV", "csv", f"{dump}?format=csv", b"JH", "≥ 9 × stock"),
                ("JSON Lines", "jsonl", f"{dump}?format=json", b'"JH', "≥ 40 × stock")):
            published = _Download(f"{ours}open/{files[form]['address']}")
            stocks = _Download(stock)

            def right(download: _Download = published, sha256: str = files[form]["sha256"]) -> None:
                must_equal(download.address, hashlib.sha256(download.body).hexdigest(), sha256)

            def whole(download: _Download = stocks, record: bytes = record) -> None:
                must_equal(f"rows of {download.address}", download.body.count(record), rows)

            mine, other = in_turn("c1", (
                Contender(f"{name}: published file", published.fetch, check=right),
                Contender(f"{name}: stock dump", stocks.fetch, check=whole)), rounds, screen)
            mine.floor, mine.target = other.name, f"{target}, first byte < 10 ms"
            mine.note = f"{other.median / mine.median:.0f} times as fast"
            first = [Figure("c1", f"{figure.name}, first byte", download.first[1:])
                     for figure, download in ((mine, published), (other, stocks))]
            figures += [mine, other, *first]
            published.body = stocks.body = b""
    return figures


class _Download:
    """A GET of the bytes as they are. `first`: seconds until the first byte of each; `body`: what the last one got."""

    def __init__(self, address: str) -> None:
        self.address, self.body = address, b""
        self.first: list[float] = []

    def fetch(self) -> float:
        self.body = b""
        started = time.perf_counter()
        with urlopen(self.address, timeout=900) as answer:
            begin = answer.read(1)
            self.first.append(time.perf_counter() - started)
            rest = answer.read()
            taken = time.perf_counter() - started
        self.body = begin + rest
        return taken


def _stock_ini(ini: Path) -> Path:
    """The same databases under CKAN without any of our plugins."""
    path = ini.with_name("stock-dump.ini")
    path.write_text(f"{ini.read_text('utf-8')}ckan.plugins = datastore\n", "utf-8")
    path.chmod(0o600)
    return path


def c2(ini: Path, rounds: int, screen: Screen) -> list[Figure]:
    """The rows must be published; the floor's are compared as a set, and the whole dump with the published CSV."""
    [file] = model.every(
        "select dataset_id::text as id, sha256 from gkopen.file where dataset_id is not null and form = 'csv'")
    figures = []
    with site(ini, "/") as (portal, _):
        for name, filters in FILTERS.items():
            query = urllib.parse.urlencode({"filters": json.dumps(filters)} if filters else {})
            dump = _Download(f"{portal}datastore/dump/{ids.resource_id(file['id'])}?{query}")
            copied: list[bytes] = [b""]

            def right(dump: _Download = dump, copied: list[bytes] = copied, whole: bool = not filters) -> None:
                must_equal("rows of the dump", sorted(dump.body.split(b"\n")), sorted(copied[0].split(b"\n")))
                if whole:
                    must_equal("the whole dump", hashlib.sha256(dump.body).hexdigest(), file["sha256"])

            floor, ours = in_turn("c2", (
                Contender(f"{name}: COPY TO", _copy_to(filters, copied)),
                Contender(f"{name}: live CSV", dump.fetch, check=right)), rounds, screen)
            ours.floor, ours.target = floor.name, "≤ 1.3 ×" if not filters else ""
            ours.note = f"first byte {1000 * sorted(dump.first[1:])[rounds // 2]:.0f} ms, {len(dump.body) >> 20} MB"
            figures += [floor, ours]
    return figures


def _copy_to(filters: dict[str, str], copied: list[bytes]) -> Callable[[], None]:
    table = TableSQL(get_domain(DOMAIN))
    where = " and ".join(f"{quoted(column)} = %s" for column in filters) or "true"
    select = f"select {', '.join(map(quoted, table.field_names))} from {table.name} where {where}"

    def work() -> None:
        connection: Any = get_read_engine().raw_connection()
        out = io.BytesIO()
        try:
            with connection.cursor() as cursor:
                query = cursor.mogrify(select, list(filters.values())).decode()
                cursor.copy_expert(f"copy ({query}) to stdout with (format csv, header)", out)
        finally:
            connection.close()
        copied[0] = out.getvalue()

    return work
