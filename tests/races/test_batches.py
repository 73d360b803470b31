"""Exits of many datasets, brought up together: what fails waits alone, and workers with batches wait in no circle."""

from __future__ import annotations

from typing import Any

import pytest
from ckan import model as ckan_model

from ckanext.gkopen import model
from ckanext.gkopen.demo import make_body
from ckanext.gkopen.publish import outbox
from tests.people import Cast, call
from tests.races import crew
from tests.races.test_exits import names

BODIES = 6


@pytest.fixture
def bodies(cast: Cast) -> list[str]:
    """Bodies, each with a dataset that was approved and is in no exit yet."""
    made = [f"batch-{number}" for number in range(BODIES)]
    for number, body in enumerate(made):
        make_body(body, {"zh": f"第{number}局", "en": f"Bureau {number}"})
    ckan_model.Session.commit()
    for number, body in enumerate(made):
        crew.approve(cast.office, crew.submit(cast.admin, body, [crew.row(number + 1)]))
    return made


def open_rows() -> dict[str, set[str]]:
    """Exit → names of the datasets that are behind."""
    found: dict[str, set[str]] = {}
    for row in model.every("select o.sink, d.name from gkopen.outbox o join gkopen.dataset d on d.id = o.dataset_id"
                           " where o.done_at is null"):
        found.setdefault(row["sink"], set()).add(row["name"])
    return found


def test_an_exit_takes_them_together(cast: Cast, bodies: list[str]) -> None:
    batches: list[list[outbox.Done]] = []
    while done := outbox.work_batch():
        batches.append(done)
    assert sorted((batch[0].sink, len(batch)) for batch in batches) == [
        ("bulk", 1), ("datastore", BODIES), ("files", BODIES), ("solr", BODIES), ("standards", 1)]
    assert {f"{body}-procurement" for body in bodies} <= names()
    crew.whole()


def test_what_is_done_does_not_pile_up(cast: Cast) -> None:
    """However often a dataset is published: what is put on the list looks at what was done before."""
    for amount in ("1.00", "2.00", "3.00"):
        crew.approve(cast.office, crew.submit(cast.admin, cast.body, [crew.row(1, amount)]))
        if amount != "2.00":
            crew.drain()
    assert [(row["sink"], row["seq"]) for row in model.every("select sink, seq from gkopen.outbox order by sink")] == [
        (sink, 3) for sink in sorted(outbox.SINKS)]
    crew.approve(cast.office, crew.submit(cast.admin, cast.body, [crew.row(1, "4.00")]))
    assert model.value("select count(*) from gkopen.outbox") == 2 * len(outbox.SINKS)
    crew.drain()
    crew.whole()


def test_what_fails_waits_alone(cast: Cast, bodies: list[str]) -> None:
    broken = f"{bodies[2]}-procurement"
    part: Any = model.value("select p.sha256 from gkopen.public_part p join gkopen.dataset d on d.id = p.dataset_id"
                            " where d.name = :name and p.part <> '~metadata'", name=broken)
    kept = crew.take_away(part)
    crew.drain()
    behind = open_rows()
    assert behind["datastore"] == behind["files"] == {broken}
    assert "solr" not in behind
    assert call("datastore_search", "", resource_id="procurement", limit=0)["total"] == BODIES - 1
    failed = model.every("select attempts, error from gkopen.outbox where done_at is null and sink = 'datastore'")
    assert len(failed) == 1 and failed[0]["attempts"] and part in failed[0]["error"]
    crew.bring_back(part, kept)
    crew.until(lambda: (crew.drain(), crew.nothing_waits())[1])
    assert call("datastore_search", "", resource_id="procurement", limit=0)["total"] == BODIES
    crew.whole()


def test_a_large_table_keeps_no_withdrawal_waiting(cast: Cast, bodies: list[str],
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    crew.approve(cast.office, crew.submit(cast.admin, bodies[1], [crew.row(2), crew.row(99)]))
    monkeypatch.setattr(outbox, "FEW_ROWS", {"datastore": 1, "files": 1})
    batches: dict[str, list[int]] = {sink: [] for sink in ("datastore", "files", "solr")}
    for sink, found in batches.items():
        while done := outbox.work_batch(None, [sink]):
            found.append(len(done))
    assert sorted(batches["datastore"]) == sorted(batches["files"]) == [1, BODIES - 1]
    assert batches["solr"] == [BODIES]
    crew.drain()
    crew.whole()


def test_many_workers_and_withdrawals_at_once(cast: Cast, bodies: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "TOGETHER", dict.fromkeys(outbox.TOGETHER, 3))

    def work(worker: int) -> None:
        if worker < 2:
            call("gkopen_dataset_withdraw", cast.office, id=f"{bodies[worker]}-procurement", reason="含有不应公开的字")
        crew.drain()

    crew.at_once(4, work)
    crew.until(lambda: (crew.drain(), crew.nothing_waits())[1])
    assert names() & {f"{body}-procurement" for body in bodies} == {f"{body}-procurement" for body in bodies[2:]}
    assert call("datastore_search", "", resource_id="procurement", limit=0)["total"] == BODIES - 2
    assert not model.value("select 1 from gkopen.outbox where error like '%Deadlock%' limit 1")
    crew.whole()
