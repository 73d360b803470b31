"""Rows whose key a source spells otherwise than before are the same rows: public once, and told."""

from __future__ import annotations

import pyarrow as pa
import pytest
from ckan import model as ckan_model
from ckan.cli.cli import ckan
from ckan.tests.helpers import CKANCliRunner

from ckanext.gkopen import model, respelt
from ckanext.gkopen.domains import get_domain
from tests.harvest.city import SOURCE, City, approve_all, harvest, public_rows, shown
from tests.people import call

NAME, OTHER = "江滨区图书馆南停车场", "江滨区「图书馆」南停车场"


def messages() -> list[str]:
    [revision] = call("gkopen_revision_list", "office", state="held", limit=10)["results"]
    return [each["message"] for each in call("gkopen_finding_list", "office", revision=revision["id"])["results"]
            if each["code"] == respelt.CODE]


def test_a_key_of_another_spelling_replaces_the_old_row_at_once(public: City) -> None:
    before = public_rows()
    public.edit(NAME, OTHER)
    run = harvest()
    assert (run["counts"]["added"], run["counts"]["removed"]) == (1, 1)
    assert run["counts"]["tombstones"] == [] and run["counts"]["findings"][respelt.CODE] == 1
    [said] = messages()
    assert NAME in said and OTHER in said
    assert harvest()["counts"]["findings"][respelt.CODE] == 1, "as long as it waits"
    approve_all()
    assert public_rows() == before == shown()
    assert respelt.CODE not in harvest()["counts"]["findings"]


def test_a_new_row_that_says_more_leaves_the_old_one_its_days(public: City) -> None:
    line = next(line for line in public.lines() if line.startswith(NAME))
    public.edit(line, line.replace(NAME, OTHER).replace(",370,", ",371,"))
    run = harvest()
    assert (run["counts"]["added"], run["counts"]["removed"]) == (1, 0)
    assert run["counts"]["tombstones"][0]["rows"] == 1 and respelt.CODE not in run["counts"]["findings"]


def test_many_at_once_are_held_with_their_number(public: City, cli: CKANCliRunner) -> None:
    header, *lines = public.lines()
    public.write([header, *(line.replace("停车", "停車", 1) if number < 10 else line
                            for number, line in enumerate(lines))])
    run = harvest()
    [held] = run["counts"]["held"]
    assert run["state"] == "held" and (held["alarms"][0]["rows"], held["alarms"][0]["respelt"]) == (10, 10)
    assert "10 of them came under a key" in cli.invoke(ckan, ["gkopen", "run", "show", str(run["id"])]).output


def test_of_a_list_of_changes_the_old_row_stays_and_is_told(public: City) -> None:
    model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=SOURCE,
                  change='{"complete": false, "request": {"since": "updateTime"}}')
    ckan_model.Session.commit()
    before = public_rows()
    header, *lines = public.lines()
    public.write([header, *(line.replace(NAME, OTHER) for line in lines if line.startswith(NAME))])
    run = harvest()
    assert (run["counts"]["added"], run["counts"]["removed"]) == (1, 0)
    assert len(messages()) == 1
    approve_all()
    assert public_rows() == before + 1


@pytest.mark.parametrize(("was", "now"), [
    ("7", "007"), ("７", "7"), ("a-7", "A 07"), ("(甲)", "（甲）"), ("甲[2024]3号", "甲〔2024〕003号"),
    ("臺州", "台州")])
def test_spellings_of_one_key(was: str, now: str) -> None:
    assert _pairs([was], [now]) == [True]


@pytest.mark.parametrize(("was", "now"), [
    (["7"], ["70"]), (["1-23"], ["12-3"]), (["甲"], ["甲一"]), (["7", "07"], ["007"]),
    (["7"], ["07", "007"]), (["7"], [])])
def test_other_keys_and_what_may_be_one_of_several(was: list[str], now: list[str]) -> None:
    assert _pairs(was, now) is None


def _pairs(was: list[str], now: list[str]) -> list[bool] | None:
    domain = get_domain("parking")
    found = respelt.pairs(domain, *(pa.table(
        {field.name: pa.array(names if field.name == "name" else [None] * len(names), field.type)
         for field in domain.arrow_schema}) for names in (was, now)))
    return found and found.old.to_pylist()
