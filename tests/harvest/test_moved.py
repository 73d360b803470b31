"""Rows that change their body within one listing of many: both bodies are told while both have them."""

from __future__ import annotations

import json

import pytest
from ckan import model as ckan_model

from ckanext.gkopen import demo, model
from tests.harvest.city import SOURCE, City, age_tombstones, approve_all, harvest, public_rows, resumed, shown
from tests.people import call

OLD, NEW = "第一街道办", "第二街道办"


@pytest.fixture
def listed(town: City) -> City:
    """The source lists sixty car parks, thirty of each of two bodies."""
    for number, name in enumerate((OLD, NEW)):
        demo.make_body(f"street-{number}", {"zh": name, "en": f"Street {number}"})
    header, *lines = town.lines()
    town.write([f"{header},推送单位", *(f"{line},{(OLD, NEW)[number % 2]}" for number, line in enumerate(lines[:60]))])
    model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=SOURCE,
                  change=json.dumps({"organization_column": "推送单位", "organizations": ["all"]}))
    ckan_model.Session.commit()
    harvest()
    approve_all()
    return town


def move(town: City, rows: int) -> None:
    """The first `rows` of the old body are now the new one's."""
    header, *lines = town.lines()
    for number in [number for number, line in enumerate(lines) if line.endswith(f",{OLD}")][1:rows + 1]:
        lines[number] = lines[number].replace(f",{OLD}", f",{NEW}")
    town.write([header, *lines])


def told() -> list[tuple[str, bool, dict[str, object]]]:
    return [(row["name"], row["held"], row["params"]) for row in model.every(
        "select d.name, f.revision_id is not null as held, f.params from gkopen.finding f join gkopen.dataset d"
        " on d.id = f.dataset_id where f.code = 'row-moved' order by d.name, f.id")]


def test_rows_that_change_their_body_are_told_to_both(listed: City) -> None:
    before = public_rows()
    move(listed, 2)
    run = harvest()
    assert run["state"] == "partly" and run["counts"]["findings"]["row-moved"] == 2
    both = told()
    assert [(name, held) for name, held, _ in both] == [("street-0-parking", False), ("street-1-parking", True)]
    assert all((params["rows"], params["was"], params["now"]) == (2, OLD, NEW) for _, _, params in both)
    resumed(run["id"])
    assert told() == both, "once, however often the run is carried out"
    approve_all()
    assert public_rows() == before + 2, "for their days of grace both have them"
    age_tombstones(8)
    harvest()
    approve_all()
    assert public_rows() == before == shown()
    assert "row-moved" not in harvest()["counts"]["findings"]


def test_the_reviewer_of_the_new_rows_reads_where_else_they_are_public(listed: City) -> None:
    move(listed, 3)
    harvest()
    [revision] = call("gkopen_revision_list", "office", state="held", limit=10)["results"]
    said = [each["message"] for each in call("gkopen_finding_list", "office", revision=revision["id"])["results"]
            if each["code"] == "row-moved"]
    assert len(said) == 1 and OLD in said[0] and "3" in said[0]


def test_rows_that_are_only_gone_or_only_new_moved_nowhere(listed: City) -> None:
    header, *lines = listed.lines()
    listed.write([header, *lines[:-1]])
    assert "row-moved" not in harvest()["counts"]["findings"]
