"""Whoever follows the change feed has the table that is published, whatever happened on the way."""

from __future__ import annotations

import csv
import io
import json
import random
from typing import Any

import pyarrow as pa
import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import blobs, changesets, model
from ckanext.gkopen.history import feed, kept
from ckanext.gkopen.history.difference import Difference, difference
from tests.history.whole import hold_whole
from tests.people import Cast, call, make_cast
from tests.races import crew

REASON = "含有不应公开的内容"


class Follower:
    """A consumer as docs/api.md describes it: a table by dataset and key, kept with the lines of the feed."""

    def __init__(self, web: Any) -> None:
        self.browser = web
        self.cursor = ""
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        self.seen: list[str] = []
        self.ops: set[str] = set()
        self.told: set[tuple[Any, ...]] = set()

    def read(self, limit: int | None = None) -> int:
        query = {"cursor": self.cursor} | ({"limit": limit} if limit else {})
        answer = self.browser.get("/open/changes.jsonl", query_string=query)
        assert answer.status_code == 200, answer.body
        lines = answer.get_data(as_text=True).splitlines()
        for line in lines:
            self.take(json.loads(line, parse_float=str))
        return len(lines)

    def take(self, line: dict[str, Any]) -> None:
        self.cursor = line["cursor"]
        self.seen.append(line["cursor"])
        self.ops.add(line["op"])
        if line["op"] == "withdrawn":
            withdrawn = (line["dataset_id"], line["part"])
            self.rows = {place: row for place, row in self.rows.items() if (place[0], row["part"]) != withdrawn}
            return
        place = (line["dataset_id"], line["key"]["record_id"])
        known = self.rows.get(place, {}).get("row")
        told = (place, line["seq"], line["op"])
        if told in self.told:  # a withdrawal within a publication that is half read: it is told anew
            known = None
        self.told.add(told)
        if line["op"] == "removed":
            assert known in (None, line["before"])
            self.rows.pop(place, None)
        else:
            assert line["op"] == "added" or known in (None, line["before"])
            self.rows[place] = {"part": line["part"], "row": line["after"]}


@pytest.fixture
def cast(site: Any) -> Cast:
    return make_cast()


def bulk(app: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of the file over all bodies, by dataset and key."""
    found = {}
    for line in app.get("/open/procurement.jsonl").get_data(as_text=True).splitlines():
        row = json.loads(line, parse_float=str)
        found[row.pop("dataset_id"), row["record_id"]] = {"part": row.pop("part"), "row": row}
        del row["publisher"]
    return found


@pytest.mark.parametrize("seed", [1, 2, pytest.param(3, marks=pytest.mark.torture),
                                  pytest.param(4, marks=pytest.mark.torture)])
def test_a_follower_ends_with_what_is_published(cast: Cast, app: Any, monkeypatch: pytest.MonkeyPatch,
                                                 seed: int) -> None:
    """Random edits, moves between parts, removals, withdrawals of parts and datasets, roll-backs, of two bodies."""
    choose = random.Random(seed)
    early, late = Follower(app), Follower(app)
    table: dict[str, dict[int, tuple[str, str]]] = {cast.body: {}, cast.other: {}}
    for step in range(25):
        body = choose.choice(list(table))
        name, rows = f"{body}-procurement", table[body]
        what = choose.random()
        if what < 0.75 or not rows:
            for number in choose.sample(range(1, 9), 4):
                if choose.random() < 0.3 and len(rows) > 1:
                    rows.pop(number, None)
                else:
                    rows[number] = (f"{choose.randrange(1, 5)}000.00", choose.choice(["04", "05", "06"]))
            if not rows:
                rows[1] = ("1000.00", "05")
            held = hold_whole(cast.officer, body, [crew.row(n, *cells) for n, cells in sorted(rows.items())])
            if held:
                crew.approve(cast.office, held)
        elif what < 0.88:
            dataset = crew.dataset_of(body)
            parts = sorted(changesets.public_parts(dataset).keys() - {changesets.METADATA})
            part = choose.choice([*parts, None])
            if parts:
                call("gkopen_dataset_withdraw", cast.office, id=name, reason=f"{REASON}{step}", **(
                    {"part": part} if part else {}))
                for number in [n for n, (_, month) in rows.items() if part in (None, f"2024-{month}")]:
                    del rows[number]
        else:
            seq: Any = model.value("select seq from gkopen.dataset where name = :n", n=name)
            try:
                who = cast.officer if body == cast.body else cast.stranger
                revision = call("gkopen_dataset_rollback", who, id=name, seq=choose.randrange(1, seq + 1),
                                reason="录入错误")["revision"]
                crew.approve(cast.office, revision)
                rows.clear()
                for sha in changesets.public_parts(crew.dataset_of(body)).items():
                    if sha[0] != changesets.METADATA:
                        for cells in csv.DictReader(io.StringIO(blobs.read(sha[1]).decode())):
                            rows[int(cells["release_id"].rsplit("-", 1)[-1])] = (cells["award_amount"], sha[0][-2:])
            except toolkit.ValidationError:
                ckan_model.Session.rollback()             # sealed, or what is public already
        ckan_model.Session.commit()
        if choose.random() < 0.5:
            early.read(limit=choose.choice([1, 2, 7, None, None]))
    while early.read(limit=5):
        pass
    assert late.read() > 0
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.bulk_interval", 0)
    model.execute("update gkopen.outbox set not_before = now() where done_at is null")
    ckan_model.Session.commit()
    crew.drain()
    assert early.rows == late.rows == bulk(app)
    assert {"withdrawn", "removed", "added", "changed"} == early.ops | late.ops
    assert len(set(early.seen)) == len(early.seen) and len(set(late.seen)) == len(late.seen)


def test_who_pages_through_a_change_does_not_have_it_compared_for_every_page(
        cast: Cast, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [crew.row(number) for number in range(1, 31)]
    crew.approve(cast.office, crew.submit(cast.officer, cast.body, rows))
    changed = [crew.row(number, "2000.00") for number in range(16, 46)]
    crew.approve(cast.office, hold_whole(cast.officer, cast.body, changed) or "")
    compared: list[int] = []

    def counted(*asked: Any) -> Any:
        compared.append(1)
        return difference(*asked)

    monkeypatch.setattr(feed, "difference", counted)
    whole, paged = Follower(app), Follower(app)
    assert whole.read() == 30 + 15 + 15 + 15
    while paged.read(limit=4):
        pass
    assert (paged.seen, paged.rows) == (whole.seen, whole.rows)
    assert 0 < len(compared) <= 3 * 2, "19 pages of two publications"
    answer = call("gkopen_change_list", "", cursor=paged.seen[40], limit=3)["results"]
    assert [line["cursor"] for line in answer] == whole.seen[41:44]
    call("gkopen_dataset_withdraw", cast.office, id=f"{cast.body}-procurement", reason=REASON)
    told = call("gkopen_change_list", "", cursor=paged.seen[40], limit=1000)["results"]
    assert {line["op"] for line in told} == {"withdrawn"}, "what is kept is not shown when it was sealed"


def test_small_new_parts_are_told_together_as_each_alone(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [crew.row(number, f"{number}000.00", f"{1 + number % 9:02}") for number in range(1, 31)]
    crew.approve(cast.office, crew.submit(cast.officer, cast.body, rows))
    ckan_model.Session.commit()

    def told(most: int) -> bytes:
        batches = list(feed.lines(feed.Place(0), most=most))
        assert max(map(len, batches)) <= most
        return b"".join(line for batch in batches for line in batch)

    monkeypatch.setattr(feed, "FEW", -1)
    monkeypatch.setattr(feed, "TOGETHER", -1)
    alone = told(feed.BATCH)
    monkeypatch.undo()
    assert [told(most) for most in (1, 2, 7)] == [alone] * 3
    monkeypatch.setattr(feed, "difference", None)
    assert told(feed.BATCH) == alone, "nothing is read part by part"
    monkeypatch.setattr(feed, "TOGETHER", -1)
    assert told(feed.BATCH) == alone, "nor of a large publication"
    assert alone.count(b"\n") == 30


def test_publications_told_together_are_told_as_each_alone(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two bodies, with removals, moves between parts, metadata and a withdrawal; from every place in between."""
    for step in range(4):
        for body, user in ((cast.body, cast.officer), (cast.other, cast.stranger)):
            rows = [crew.row(number, f"{number}{step}0.00", f"{4 + (number + step * (number < 5)) % 3:02}")
                    for number in range(step, 9)]
            crew.approve(cast.office, hold_whole(user, body, rows) or "")
    call("gkopen_dataset_withdraw", cast.office, id=f"{cast.body}-procurement", part="2024-05", reason=REASON)
    ckan_model.Session.commit()

    def told(place: feed.Place) -> list[bytes]:
        return [line for batch in feed.lines(place) for line in batch]

    together = told(feed.Place(0))
    places = [feed.Place.read(json.loads(line)["cursor"]) for line in together]
    rest = [told(place) for place in places]
    monkeypatch.setattr(feed, "TOGETHER", -1)
    assert told(feed.Place(0)) == together
    assert rest == [together[number:] for number in range(1, len(together) + 1)]
    assert {json.loads(line)["op"] for line in together} == {"withdrawn", "removed", "added", "changed"}


def test_what_is_kept_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"a": ["x" * 1000] * 10})
    found = Difference(table, table.slice(0, 2), table.slice(0, 0), table.slice(0, 0))
    monkeypatch.setattr(kept, "MOST_BYTES", 30_000)
    for name in "abc":
        kept.put((name, None, None), found)
    assert [kept.get((name, None, None)) is None for name in "abc"] == [True, False, False]
    assert kept.get(("c", None, None)) == found
    monkeypatch.setattr(kept, "MOST_BYTES", 10)
    kept.put(("d", None, None), found)
    assert kept.get(("d", None, None)) is None
