"""A source whose catalogue entry turns to 否 (是否向社会开放): nothing new of it goes on, and a person decides."""

from __future__ import annotations

from typing import Any

import pytest
from ckan.plugins import toolkit

from ckanext.gkopen import model
from ckanext.gkopen.oversight import health, words
from ckanext.gkopen.review import audit
from tests.harvest.city import SOURCE, City, approve, harvest, public_rows, revisions
from tests.people import call


def changed(city: City) -> None:
    """Another number of spaces in one row."""
    lines = city.lines()
    city.write([lines[0], lines[1].replace("370", "371"), *lines[2:]])


def kept() -> dict[str, int]:
    return {table: model.value(f"select count(*) from gkopen.{table}") for table in ("submission", "revision", "blob")}


def objected() -> int:
    """Revisions of which the reviewer reads that what is not open cannot be public."""
    return model.value("select count(*) from gkopen.finding f join gkopen.revision r on r.id = f.revision_id"
                       " where f.code = 'meta_not_open_but_public' and r.state = 'held'")


def alarms(run: dict[str, Any]) -> list[dict[str, Any]]:
    return [alarm for entry in run["counts"]["held"] for alarm in entry["alarms"]]


def test_nothing_new_is_taken_in_and_what_is_public_stays(public: City) -> None:
    before, known = public_rows(), kept()
    public.openness("否")
    changed(public)
    for _ in range(2):
        run = harvest()
        assert run["state"] == "held" and alarms(run) == [{"kind": "not_open", "rows": 0, "public": before}]
        assert (public_rows(), kept(), run["counts"]["pages"]) == (before, known, 0)
        assert not model.value("select count(*) from gkopen.item where run_id = :id", id=run["id"])
        [finding] = call("gkopen_finding_list", "office", run=str(run["id"]))["results"]
        assert finding["code"] == "source-not-open" and str(before) in finding["message"]
        assert run["counts"]["findings"] == {"source-not-open": 1}
    assert words.run_advice(run) == [words.RUN_ADVICE["not_open"]]
    assert model.value("select count(*) from gkopen.finding where code = 'source-not-open'") == 1, "of the newest run"
    [source] = [row for row in health.sources() if row["name"] == SOURCE]
    assert health.of(source)["state"] == "waiting"
    with pytest.raises(toolkit.ValidationError, match="nothing to let through"):
        call("gkopen_run_release", "office", id=str(run["id"]))
    public.openness("是")
    assert harvest()["counts"]["outcomes"][0]["state"] == "held", "the entry was mended: it goes on by itself"


def test_what_waits_for_review_is_frozen_until_a_person_lets_it_through(public: City) -> None:
    changed(public)
    assert harvest()["counts"]["outcomes"][0]["state"] == "held"
    waiting = model.one("select id, digest from gkopen.revision where state = 'held'")
    assert waiting is not None
    public.openness("不予开放")
    trial = harvest(dry_run=True)
    assert trial["state"] == "held" and alarms(trial)[0]["kind"] == "not_open"
    assert model.value("select state from gkopen.revision where id = :id", id=waiting["id"]) == "held", "a trial"
    run = harvest()
    assert [entry["revision"] for entry in run["counts"]["held"]] == [str(waiting["id"])]
    with pytest.raises(toolkit.ValidationError, match="not waiting"):
        call("gkopen_revision_approve", "office", id=str(waiting["id"]), digest=waiting["digest"])
    again = harvest()
    assert [entry["revision"] for entry in again["counts"]["held"]] == [str(waiting["id"])], "named until it is decided"
    call("gkopen_run_release", "officer", id=str(again["id"]))
    harvest()
    assert model.value("select state from gkopen.revision where id = :id", id=waiting["id"]) == "held", (
        "a person let it through: it is not frozen again")
    assert list(audit.broken()) == []


def test_withdrawn_is_gone_and_does_not_come_back_by_itself(public: City) -> None:
    public.openness("否")
    harvest()
    call("gkopen_dataset_withdraw", "office", id=str(model.value("select id from gkopen.dataset")), reason="不再开放")
    harvest()
    assert objected() == 1, "the metadata that is proposed says so"
    with pytest.raises(toolkit.ValidationError):
        approve()
    assert public_rows() == 0


def test_a_new_source_that_is_not_open_is_held_with_what_it_says(town: City) -> None:
    town.openness("否")
    run = harvest()
    assert run["counts"]["held"] == [] and revisions() == 1 and objected() == 1
    with pytest.raises(toolkit.ValidationError):
        approve()
