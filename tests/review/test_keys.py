"""A key is public once, in whatever order revisions that hold it in different parts are approved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import model
from tests.people import Cast, call, make_cast
from tests.races import crew


@pytest.fixture
def cast(site: Any) -> Iterator[Cast]:
    cast = make_cast()
    crew.approve(cast.office, crew.submit(cast.admin, cast.body, [crew.row(9, month="04")]))
    yield cast
    ckan_model.Session.remove()


def rows() -> dict[str, int]:
    """Part → rows that are public."""
    return {row["part"]: row["rows"] for row in model.every(
        "select part, rows from gkopen.public_part where part <> '~metadata' order by part")}


def test_a_row_that_waits_in_two_parts(cast: Cast) -> None:
    may = crew.submit(cast.admin, cast.body, [crew.row(1), crew.row(2)])
    june = crew.submit(cast.admin, cast.body, [crew.row(2, month="06"), crew.row(3, month="06")])
    july = crew.submit(cast.admin, cast.body, [crew.row(4, month="07")])
    crew.approve(cast.office, may)
    with pytest.raises(toolkit.ValidationError) as refused:
        crew.approve(cast.office, june)
    assert crew.approve(cast.office, july)["seq"] == 3, "what has no row in common is not held up"
    told: Any = refused.value.error_dict
    crew.approve(cast.office, told["stale"][0])
    assert rows() == {"2024-04": 1, "2024-05": 1, "2024-06": 2, "2024-07": 1}
    crew.drain()
    crew.whole()


def test_a_roll_back_beside_a_row_that_moved(cast: Cast) -> None:
    crew.approve(cast.office, crew.submit(cast.admin, cast.body, [crew.row(1), crew.row(2)]))
    crew.approve(cast.office, crew.submit(cast.admin, cast.body, [crew.row(1)]))
    back = call("gkopen_dataset_rollback", cast.admin, id=f"{cast.body}-procurement", seq=2, reason="有误")["revision"]
    crew.approve(cast.office, crew.submit(cast.admin, cast.body, [crew.row(2, month="06")]))
    with pytest.raises(toolkit.ValidationError, match="another part"):
        crew.approve(cast.office, back)
    assert rows() == {"2024-04": 1, "2024-05": 1, "2024-06": 1}
    assert call("gkopen_revision_return", cast.office, id=back, reason="已在六月公开")["state"] == "returned"


def test_what_was_withdrawn_is_approved_anew_beside_later_rows(cast: Cast) -> None:
    crew.approve(cast.office, crew.submit(cast.admin, cast.body, [crew.row(1)]))
    call("gkopen_dataset_withdraw", cast.office, id=f"{cast.body}-procurement", part="2024-05", reason="有误")
    anew = crew.submit(cast.admin, cast.body, [crew.row(1)])
    crew.approve(cast.office, crew.submit(cast.admin, cast.body, [crew.row(2, month="06")]))
    assert crew.approve(cast.office, anew)["state"] == "published", "the reviewer says that it may be public after all"
    assert rows() == {"2024-04": 1, "2024-05": 1, "2024-06": 1}
    crew.drain()
    crew.whole()
