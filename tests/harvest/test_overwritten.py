"""Many rows of a column that come with one value, or with none, are told, and wait for a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from ckan import model as ckan_model

from ckanext.gkopen import clock, model, overwritten
from ckanext.gkopen.oversight import standing
from tests.harvest.city import SOURCE, City, harvest
from tests.people import call

ADDRESS, CHARGING, RULE = 3, 5, 6


def overwrite(city: City, rows: int, column: int, value: str) -> dict[str, Any]:
    """The run that brings so many rows with one value in a column."""
    header, *lines = [line.split(",") for line in city.lines()]
    assert len({line[column] for line in lines[:rows]}) >= min(rows, 5)
    changed = [[*line[:column], value, *line[column + 1:]] for line in lines[:rows]]
    city.write([",".join(line) for line in (header, *changed, *lines[rows:])])
    return harvest()


def told() -> list[dict[str, Any]]:
    [revision] = call("gkopen_revision_list", "office", state="held", limit=10)["results"]
    return [each for each in call("gkopen_finding_list", "office", revision=revision["id"])["results"]
            if each["code"] == overwritten.CODE]


@pytest.mark.parametrize(("column", "value", "said"), [
    (ADDRESS, "不公开", "“地址”列有 19 行原来共有 19 种值"), (CHARGING, "", "“充电泊位数”列有 ")])
def test_a_column_that_is_overwritten_in_part_waits_for_a_person(public: City, column: int, value: str,
                                                                 said: str) -> None:
    call("gkopen_standing_grant", "office", dataset=SOURCE, reason="每日例行",
         until=(clock.today() + timedelta(days=9)).isoformat())
    assert overwrite(public, 20, column, value)["counts"]["findings"][overwritten.CODE] == 1
    [finding] = told()
    assert finding["severity"] == "warning" and finding["message"].startswith(said)
    assert f"都是“{value or '（空）'}”" in finding["message"]
    while standing.work_one():
        pass
    ckan_model.Session.rollback()
    [why] = model.value("select reasons from gkopen.standing_use")
    assert (why["why"], why["codes"]) == ("worse", overwritten.CODE)


def test_a_few_rows_and_few_values_are_nothing(public: City) -> None:
    assert overwritten.CODE not in overwrite(public, overwritten.MANY - 1, ADDRESS, "不公开")["counts"]["findings"]
    assert overwritten.CODE not in overwrite(public, 40, RULE, "免费")["counts"]["findings"], "five values became one"
