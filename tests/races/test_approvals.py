"""Many decisions at once: each change-set is published on the base that it was compared with, or not at all."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ckan.plugins import toolkit

from ckanext.gkopen import ids, model
from ckanext.gkopen.demo import act
from ckanext.gkopen.publish import packages
from tests.people import Cast, call
from tests.races import crew
from tests.races.nursery import nursery

SEED = 20261122
THREADS = 8


def officers(cast: Cast, number: int) -> list[str]:
    names = [f"officer-{index}" for index in range(number)]
    for name in names:
        act("user_create", name=name, email=f"{name}@example.com", password="correct-horse-9")
        act("organization_member_create", id=cast.body, username=name, role="editor")
    return names


def held() -> list[str]:
    return [str(r["id"]) for r in model.every("select id from gkopen.revision where state = 'held'")]


def approve_what_is_held(user: str, dice: random.Random) -> Counter[str]:
    """Approve in any order until nothing is held; what became of each attempt."""
    seen: Counter[str] = Counter()
    while waiting := held():
        try:
            crew.approve(user, dice.choice(waiting))
            seen["published"] += 1
        except toolkit.ValidationError as refused:
            seen["stale" if "stale" in refused.error_dict else "not waiting"] += 1
    return seen


def test_competing_revisions_of_one_part(cast: Cast) -> None:
    crew.approve(cast.office, crew.submit(cast.officer, cast.body, [crew.row(1)]))
    for index, name in enumerate(officers(cast, THREADS)):
        crew.submit(name, cast.body, [crew.row(1, f"{2000 + index}.00")])
    assert len(held()) == THREADS

    def task(index: int) -> Counter[str]:
        return approve_what_is_held((cast.office, cast.reviewer)[index % 2], random.Random(SEED + index))

    attempts = sum(crew.at_once(THREADS, task), Counter())
    print(f"seed {SEED}: {dict(attempts)}")
    states = Counter(r["state"] for r in model.every("select state from gkopen.revision"))
    assert attempts["published"] == THREADS, "each of the eight contents became public once"
    assert states == {"published": THREADS + 1, "stale": attempts["stale"]}
    assert attempts["stale"] > 0
    dataset = crew.dataset_of(cast.body)
    amounts = [call("gkopen_revision_show", cast.office, id=str(r["revision_id"]))["summary"]["totals"]["award_amount"]
               for r in model.every("select revision_id from gkopen.publication where dataset_id = :d order by seq",
                                    d=dataset)]
    assert all(amounts[n]["after"] == amounts[n + 1]["before"] for n in range(1, THREADS)), "no sum came from nowhere"
    assert len({amount["after"] for amount in amounts}) == THREADS + 1
    crew.until(lambda: bool(list(crew.drain())) or crew.nothing_waits())
    crew.whole()


def test_two_bodies_and_two_workers_on_one_table(cast: Cast, tmp_path: Path) -> None:
    rounds, bodies = 4, (cast.body, cast.other)
    submitters = {cast.body: cast.officer, cast.other: cast.stranger}

    def publish(index: int) -> None:
        body = bodies[index]
        for turn in range(rounds):
            rows = [crew.row(100 * index + n, f"{1000 * turn + n}.00") for n in range(turn, turn + 20)]
            crew.approve(cast.office, crew.submit(submitters[body], body, rows))

    with nursery(tmp_path / "workers.log") as workers:
        workers.start()
        workers.start()
        crew.at_once(2, publish)
        crew.until(crew.nothing_waits)
    crew.whole()
    records = call("datastore_search", "", resource_id=ids.table_id("procurement"), limit=1000)["records"]
    wanted = {(f"NTCG-2024-{100 * index + n:03}", 1000 * (rounds - 1) + n)
              for index in range(2) for n in range(rounds - 1, rounds + 19)}
    assert {(record["project_no"], float(record["award_amount"])) for record in records} == wanted
    assert len(records) == len(wanted)
    assert not model.value("select sum(attempts) from gkopen.outbox"), (tmp_path / "workers.log").read_text()


def test_the_first_two_bodies_of_a_domain(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both make the package over all bodies: there is one, with each of its tags and its place once."""
    waiting = [crew.submit(cast.admin, body, [crew.row(1)]) for body in (cast.body, cast.other)]
    gate, write = threading.Barrier(2), packages.write

    def together(made: list[dict[str, Any]]) -> None:
        write(made)
        with suppress(threading.BrokenBarrierError):
            gate.wait(2)                                  # where one waits for the other, it comes alone

    monkeypatch.setattr(packages, "write", together)
    crew.at_once(2, lambda index: crew.approve(cast.office, waiting[index]))
    bulk = ids.bulk_id("procurement")
    for table, column, what in (("package_tag", "package_id", "tag_id"), ("member", "table_id", "group_id")):
        named = [row["what"] for row in model.every(f"select {what} as what from public.{table} where {column} = :id"
                                                    " and state = 'active'", id=bulk)]
        assert named and len(named) == len(set(named)), table
    assert not model.every("select name from public.tag group by name having count(*) > 1")
