"""Rows that move between parts, and sources that send only what changed: each key is public once, no change is lost."""

from __future__ import annotations

from typing import Any

import pytest
from ckan import model as ckan_model

from ckanext.gkopen import bodies, pipeline
from ckanext.gkopen import verify as checks
from tests.people import Cast, call, make_cast
from tests.thread.test_thread import FIRST, HEADER, approve, drain, rows_of, submit


def changed(cast: Cast, tmp_path: Any, *rows: str) -> str:
    """What a source of changes sends; the revision that waits."""
    path = tmp_path / "changes.csv"
    path.write_text("\n".join((HEADER, *rows, "")), "utf-8")
    outcome = pipeline.submit(pipeline.Submission(
        domain="procurement", body=bodies.find(cast.body), path=path, filename="changes.csv", source="source:changes",
        submitted_by="source:changes", scope="changes"))
    ckan_model.Session.commit()
    assert outcome.revision_id is not None
    return outcome.revision_id


def state(cast: Cast, revision: str) -> str:
    return call("gkopen_revision_show", cast.reviewer, id=revision)["state"]


def published() -> dict[str, tuple[str, str]]:
    """Project → its month and its award, as the DataStore has them."""
    drain()
    assert list(checks.problems()) == []
    return {row["project_no"][-3:]: (row["published_at"][:7], str(row["award_amount"] or "").partition(".")[0])
            for row in rows_of("procurement")["records"]}


@pytest.mark.parametrize("harvested", [False, True])
def test_a_row_that_moves_to_another_month_leaves_its_own(site: Any, tmp_path: Any, harvested: bool) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    moved = FIRST[0].replace("2024-05-06", "2024-07-06")
    revision = changed(cast, tmp_path, moved) if harvested else submit(cast, moved)["revision_id"]
    parts = {part["part"]: (part["added"], part["removed"])
             for part in call("gkopen_revision_show", cast.reviewer, id=revision)["parts"]}
    assert parts == {"2024-05": (0, 1), "2024-07": (1, 0)}
    approve(cast, revision)
    assert published() == {"001": ("2024-07", "838000"), "002": ("2024-05", "1190000"), "003": ("2024-06", "")}


def test_a_month_whose_last_row_moves_is_gone(site: Any) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    approve(cast, submit(cast, FIRST[2].replace("2024-06-01", "2024-07-01"))["revision_id"])
    assert published()["003"] == ("2024-07", "")


def test_a_change_that_waits_is_carried_by_the_next_one(site: Any, tmp_path: Any) -> None:
    """The source sends a change once: the next list must not push it aside."""
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    first = changed(cast, tmp_path, FIRST[0].replace("838,000.00", "837,000.00"),
                    FIRST[1].replace("1190000.5", "1189000.00"))
    second = changed(cast, tmp_path, FIRST[1].replace("1190000.5", "1188000.00"),
                     FIRST[2].replace("003", "004").replace("2024-06", "2024-08"))
    assert (state(cast, first), state(cast, second)) == ("superseded", "held")
    approve(cast, second)
    assert published() == {"001": ("2024-05", "837000"), "002": ("2024-05", "1188000"), "003": ("2024-06", ""),
                           "004": ("2024-08", "")}


def test_what_was_carried_is_carried_on_when_compared_again(site: Any, tmp_path: Any) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    changed(cast, tmp_path, FIRST[0].replace("838,000.00", "837,000.00"))
    second = changed(cast, tmp_path, FIRST[2].replace("003", "004").replace("2024-06", "2024-08"))
    other = submit(cast, FIRST[0], FIRST[1].replace("1190000.5", "1189000.00"))["revision_id"]
    approve(cast, other)
    with pytest.raises(Exception, match="compared again"):
        approve(cast, second)
    [again] = call("gkopen_revision_list", cast.reviewer, state="held")["results"]
    approve(cast, again["id"])
    assert published() == {"001": ("2024-05", "837000"), "002": ("2024-05", "1189000"), "003": ("2024-06", ""),
                           "004": ("2024-08", "")}
