"""A table that is emptied and filled with the new year speaks for that year alone: the old one stays public."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.cli.cli import ckan
from ckan.tests.helpers import CKANCliRunner

from ckanext.gkopen import model
from tests.harvest.city import City, age_tombstones, approve, public_rows
from tests.harvest.city import harvest as harvest_of

TABLE, BUDGET = "czj-budget", "jianghai-czj-budget"
ROWS = 15


def harvest() -> dict[str, Any]:
    return harvest_of(BUDGET)


def fill(city: City, year: int, rows: int = ROWS) -> None:
    header = "年度,阶段,期间,单位,预算类型,收支方向,表名,科目名称,指标,金额(万元)"
    city.write([header, *(f"{year},预算,全年,江海市财政局,一般公共预算,支出,支出表,科目{number},预算数,{number + 1}"
                          for number in range(rows))], TABLE)


@pytest.fixture
def yearly(town: City) -> City:
    model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=BUDGET,
                  change=json.dumps({"complete": "periods"}))
    ckan_model.Session.commit()
    fill(town, 2025)
    harvest()
    approve()
    assert public_rows() == ROWS
    return town


def test_the_new_year_comes_beside_the_old_one(yearly: City) -> None:
    yearly.write([yearly.lines(TABLE)[0]], TABLE)
    run = harvest()
    assert (run["state"], run["counts"]["findings"]) == ("partly", {"source-emptied": 1})
    fill(yearly, 2026, 3)
    run = harvest()
    assert (run["state"], run["counts"]["added"], run["counts"]["removed"]) == ("done", 3, 0)
    assert not run["counts"]["held"] and not run["counts"]["tombstones"]
    fill(yearly, 2026)
    assert harvest()["counts"]["added"] == ROWS, "in the place of what waits"
    approve()
    assert public_rows() == 2 * ROWS
    assert harvest()["counts"]["outcomes"][0]["state"] == "unchanged"


def test_of_a_whole_table_the_old_year_is_held_with_what_to_do(yearly: City, cli: CKANCliRunner) -> None:
    model.execute("update gkopen.source set config = config || '{\"complete\": true}' where name = :s", s=BUDGET)
    fill(yearly, 2026)
    run = harvest()
    [alarm] = run["counts"]["held"][0]["alarms"]
    assert (run["state"], alarm["rows"], alarm["periods"]) == ("held", ROWS, 1)
    assert "write complete: periods" in cli.invoke(ckan, ["gkopen", "run", "show", str(run["id"])]).output
    fill(yearly, 2025, ROWS - 10)               # of a period that the listing has
    assert "periods" not in harvest()["counts"]["held"][0]["alarms"][0]


def test_what_waits_of_the_old_year_is_not_replaced_by_the_new_one(yearly: City) -> None:
    fill(yearly, 2025, ROWS + 1)
    harvest()
    fill(yearly, 2026)
    harvest()
    approve()
    approve()
    assert public_rows() == 2 * ROWS + 1


def test_of_the_year_itself_rows_go_as_from_any_whole_table(yearly: City) -> None:
    fill(yearly, 2026)
    harvest()
    approve()
    fill(yearly, 2026, ROWS - 2)
    run = harvest()
    assert (run["counts"]["removed"], run["counts"]["tombstones"][0]["rows"]) == (0, 2)
    age_tombstones(8)
    assert harvest()["counts"]["removed"] == 2
    fill(yearly, 2026, ROWS - 8)
    run = harvest()
    assert run["state"] == "held" and run["counts"]["held"][0]["alarms"][0]["rows"] == 8
    assert public_rows() == 2 * ROWS
