"""Row 23: a harvest and an officer change the same table at the same time, and both are decided at the same time."""

from __future__ import annotations

import io
import random
from collections import Counter
from typing import Any

import pytest
from ckan.plugins import toolkit
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import model
from tests.harvest.city import BODY, City, approve, harvest
from tests.harvest.conftest import town as town
from tests.people import call
from tests.races import crew

SEED = 20261122
ROWS = 8


def waiting() -> list[dict[str, Any]]:
    return model.every("select v.id, v.state, s.source from gkopen.revision v join gkopen.submission s"
                       " on s.id = v.submission_id where v.state = 'held' order by v.created_at")


def decide(revision: str) -> str:
    """What became of an approval: published, stale (its base had changed: it is held again), or decided already."""
    try:
        crew.approve("office", revision)
        return "published"
    except toolkit.ValidationError as refused:
        assert {"revision", "stale"} & set(refused.error_dict), refused.error_dict
        return "stale" if "stale" in refused.error_dict else "decided"


def public_text() -> str:
    from ckanext.gkopen import blobs

    return blobs.read(model.value("select sha256 from gkopen.public_part where part <> '~metadata'")).decode()


@pytest.mark.parametrize("races", [30, pytest.param(1_000, marks=pytest.mark.torture)])
def test_a_harvest_and_an_officer(town: City, races: int) -> None:
    dice, seen = random.Random(SEED), Counter[str]()
    table = town.lines()[:ROWS + 1]
    column = next(at for at, name in enumerate(table[0].split(",")) if name in ("管理单位", "收费标准", "地址"))
    town.write(table)
    harvest()
    approve()
    crew.flask_app()
    published = [public_text()]
    for turn in range(races):
        of_source, of_officer = f"来源第{turn}轮", f"专员第{turn}轮"
        edited = {name: changed(table, dice.randrange(1, ROWS + 1), column, value)
                  for name, value in (("source", of_source), ("officer", of_officer))}
        town.write(edited["source"])

        def officer(text: str) -> None:
            call("gkopen_submission_create", "officer", domain="parking", organization=BODY,
                 upload=FileStorage(io.BytesIO(text.encode()), filename="停车场.csv"))

        text = "\n".join(edited["officer"])
        crew.at_once(2, lambda index, text=text: officer(text) if index else harvest())
        held = waiting()
        assert len(held) == 2, held
        outcomes = Counter(crew.at_once(2, lambda index, held=held: decide(str(held[index]["id"]))))
        seen += outcomes
        assert outcomes == {"published": 1, "stale": 1}, "one of them is published, the other's base has changed"
        published.append(public_text())
        [again] = waiting()
        assert again["id"] not in [row["id"] for row in held], "it is compared again and held again"
        assert decide(str(again["id"])) == "published"
        published.append(public_text())
        said = [value for value in (of_source, of_officer) if any(value in text for text in published[-2:])]
        assert said == [of_source, of_officer], "each of the two contents was public once"
    seqs = model.value("select seq from gkopen.dataset")
    states = Counter(row["state"] for row in model.every("select state from gkopen.revision"))
    print(f"seed {SEED}: {races} races; published at once {seen['published']}, conflicts held again {seen['stale']},"
          f" published then {races}, lost {races * 2 + 1 - seqs}; revisions {dict(states)}")
    assert seqs == races * 2 + 1
    assert states == {"published": seqs, "stale": races}
    crew.drain()
    crew.until(lambda: (crew.drain(), crew.nothing_waits())[1], 600)
    crew.whole()


def changed(table: list[str], number: int, column: int, value: str) -> list[str]:
    cells = table[number].split(",")
    cells[column] = value
    return [*table[:number], ",".join(cells), *table[number + 1:]]
