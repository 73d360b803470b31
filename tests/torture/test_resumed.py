"""A run that a person has to decide on has its findings, and answers the same when it is resumed."""

from __future__ import annotations

from typing import Any

import pytest

from ckanext.gkopen import model
from tests.harvest.city import City, harvest, resumed
from tests.harvest.conftest import public as public
from tests.harvest.conftest import town as town


def found(run_id: Any) -> tuple[int, int]:
    """(findings, rows set aside) that the run has."""
    return tuple(model.value(f"select count(*) from gkopen.{table} where run_id = :id", id=run_id)
                 for table in ("finding", "quarantine"))


@pytest.mark.parametrize("left", [0, 40], ids=["nothing listed", "half of it listed"])
def test_asked_again_and_resumed(public: City, left: int) -> None:
    lines = public.lines()
    public.write([lines[0], *lines[1:left + 1]])
    first = harvest()
    assert first["state"] == "held"
    once = found(first["id"])
    second = harvest()
    assert second["state"] == "held"
    assert found(second["id"]) == once, "asked again, it says the same of the same rows"
    assert found(second["id"])[0] > 0
    third = resumed(second["id"])
    assert (third["state"], third["error"]) == ("held", None)
    for name in ("rows_in", "rows_ok", "rows_quarantined", "rows_duplicate", "findings", "held"):
        assert third["counts"][name] == second["counts"][name], name
    assert found(third["id"]) == found(second["id"])
