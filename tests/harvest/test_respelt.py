"""Rows whose key a source spells otherwise than before are the same rows: public once, and told."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest
from ckan import model as ckan_model
from ckan.cli.cli import ckan
from ckan.tests.helpers import CKANCliRunner

from ckanext.gkopen import clock, model, respelt
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.oversight import standing
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


def test_a_key_that_is_made_of_other_cells_is_compared_as_they_are() -> None:
    domain = get_domain("procurement")

    def notice(supplier: str, note: str = "") -> pa.Table:
        cells = {"record_id": f"7|采购|||{supplier}", "release_id": "7", "project_name": "采购",
                 "supplier_name": supplier, "note": note}
        return pa.table({field.name: pa.array([cells.get(field.name)], pa.string()).cast(field.type)
                         for field in domain.arrow_schema})

    found = respelt.pairs(domain, notice("甲（集团）公司"), notice("甲(集团)公司"))
    assert found is not None and found.was == "7|采购|||甲（集团）公司"
    assert respelt.pairs(domain, notice("甲公司"), notice("乙公司")) is None
    assert respelt.pairs(domain, notice("甲（集团）公司"), notice("甲(集团)公司", "另一说明")) is None


def replaced() -> list[str]:
    [revision] = call("gkopen_revision_list", "office", state="held", limit=10)["results"]
    return [each["message"] for each in call("gkopen_finding_list", "office", revision=revision["id"])["results"]
            if each["code"] == respelt.REPLACED]


def test_a_row_under_a_new_name_is_told_until_it_is_decided(public: City) -> None:
    public.edit(NAME, "江滨区少年宫停车场")
    for _ in range(2):
        run = harvest()
        assert (run["counts"]["added"], run["counts"]["removed"]) == (1, 0)
        [said] = replaced()
        assert "少了 1 行" in said and "来了 1 行" in said and "其中 1 行" in said
    approve_all()
    assert respelt.REPLACED not in harvest()["counts"]["findings"]


@pytest.mark.parametrize(("rows", "told"), [(5, False), (6, True)])
def test_rows_of_another_table_in_the_place_of_others_are_told(public: City, rows: int, told: bool) -> None:
    header, *lines = public.lines()
    assert rows * 10 < len(lines)
    others = [f"别处{number}号停车场,公共停车场,北湖区,别处路{number}号,{900 + number}," + line.split(",", 5)[5]
              for number, line in enumerate(lines[:rows])]
    public.write([header, *others, *lines[rows:]])
    call("gkopen_standing_grant", "office", dataset=SOURCE, reason="每日例行",
         until=(clock.today() + timedelta(days=9)).isoformat())
    counts = harvest()["counts"]
    assert counts["added"] == rows and counts["removed"] == 0
    assert (respelt.REPLACED in counts["findings"]) is told
    while standing.work_one():
        pass
    ckan_model.Session.rollback()
    [use] = model.every("select published, reasons from gkopen.standing_use")
    assert use["published"] is not told
    assert [(why["why"], why["codes"]) for why in use["reasons"]] == [("worse", respelt.REPLACED)] * told
