"""Rows that the source may still have are not said to be gone, and no machine takes them off the portal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.cli.cli import ckan
from ckan.tests.helpers import CKANCliRunner

from ckanext.gkopen import clock, model
from ckanext.gkopen.oversight import standing
from tests.harvest.city import SOURCE, City, age_tombstones, approve, harvest, public_rows
from tests.harvest.test_pages import office as office
from tests.people import call

SPACES = 4
"""The column of a car park's number of spaces."""


def good_lines(city: City) -> list[str]:
    """The table without the rows that are set aside each time."""
    entries = call("gkopen_run_quarantine", "office", id=str(harvest()["id"]))["results"]
    apart = {entry["line"] for entry in entries}
    return [line for number, line in enumerate(city.lines()) if number not in apart]


def spoiled(line: str) -> str:
    cells = line.split(",")
    return ",".join([*cells[:SPACES], "/Date(1772467200000+0800)/", *cells[SPACES + 1:]])


def nameless(line: str) -> str:
    return "null," + line.partition(",")[2]


@pytest.mark.parametrize("wrong", [spoiled, nameless])
def test_rows_that_were_set_aside_are_not_told_as_gone_from_the_source(
        public: City, office: Any, cli: CKANCliRunner, wrong: Any) -> None:
    lines = good_lines(public)
    public.write([*lines[:-12], *map(wrong, lines[-12:-2])])
    run = harvest()
    [alarm] = run["counts"]["held"][0]["alarms"]
    assert alarm == {"kind": "gone", "rows": 12, "public": public_rows(), "apart": 10}
    page = office(f"/office/runs/{run['id']}/hold").body
    assert "其中至多 10 行已送达、因有错误被隔离" in page and "在来源中消失" not in page
    assert "up to 10 of them came" in cli.invoke(ckan, ["gkopen", "run", "show", str(run["id"])]).output


def test_a_row_that_was_set_aside_and_stays_for_now_is_not_told_as_gone(public: City, office: Any) -> None:
    lines = good_lines(public)
    public.write([*lines[:-1], spoiled(lines[-1])])
    run = harvest()
    assert run["counts"]["tombstones"][0]["rows"] == 1
    page = office(f"/office/runs/{run['id']}").body
    assert "行消失" not in page and "或有错误被隔离" in page and "从来源中消失" not in page


@pytest.mark.parametrize("doubt", ["none", "set aside", "two pages"])
def test_a_row_that_the_source_may_still_have_goes_by_a_person(public: City, doubt: str) -> None:
    """Its removal is due, and a standing approval would carry it out."""
    lines = good_lines(public)
    model.execute("update gkopen.source set config = config || '{\"page_size\": 30}' where name = :s", s=SOURCE)
    public.write(lines)
    harvest()
    approve()
    call("gkopen_standing_grant", "office", dataset=SOURCE, reason="每日例行",
         until=(clock.today() + timedelta(days=9)).isoformat())
    more = {"none": [], "set aside": [spoiled(lines[-1])], "two pages": [lines[1]]}[doubt]
    before = public_rows()
    public.write([*lines[:-1], *more])
    for _ in range(2):
        run = harvest()
        age_tombstones(8)
    assert run["counts"]["removed"] == 1
    while standing.work_one():
        pass
    ckan_model.Session.rollback()
    used = model.one("select published, reasons from gkopen.standing_use order by at desc limit 1")
    assert used is not None
    assert (used["published"], [why["why"] for why in used["reasons"]]) == (
        (True, []) if doubt == "none" else (False, ["unsure"]))
    assert public_rows() == before - (doubt == "none")
