"""What the address of a push says to its end, and what of pushes that wait together is published."""

from __future__ import annotations

from typing import Any

import pytest
from ckan.plugins import toolkit

from ckanext.gkopen import verify as checks
from ckanext.gkopen.publish import outbox
from tests.people import call
from tests.push.system import System, rows, work

CHEAPER = {"预算金额(万元)": "80"}


def sent(system: System, key: str, body: Any, token: str | None = None) -> str:
    """A push that was checked; its address."""
    answer = system.push(body, key, token=token)
    assert answer.status_code == 202, answer.json
    work()
    return answer.headers["Location"]


def told(system: System, place: str, name: str, *more: str) -> Any:
    answer = system.ask(place).json
    return (answer[name], *(answer[each] for each in more)) if more else answer[name]


def approve(system: System, place: str) -> None:
    shown = call("gkopen_revision_show", system.cast.office, id=told(system, place, "revision"))
    call("gkopen_revision_approve", system.cast.office, id=shown["id"], digest=shown["digest"])
    assert all(outbox.drain())


def public() -> dict[str, str]:
    """Notice → budget, as the DataStore has them."""
    assert list(checks.problems()) == []
    return {row["release_id"][-3:]: str(row["budget_amount"]).partition(".")[0]
            for row in call("datastore_search", "", resource_id="procurement")["records"]}


def another_token(system: System) -> str:
    return call("gkopen_push_token_create", system.cast.officer, name="czj-second", domain="procurement",
                organization=system.cast.body)["token"]


def test_changes_that_a_later_push_carries_share_what_becomes_of_it(system: System) -> None:
    approve(system, sent(system, "all", {"rows": rows(3)}))
    first, second, third = (sent(system, f"k-{each}", {"rows": rows(each, **CHEAPER)[-1:], "scope": "changes"})
                            for each in (1, 2, 4))
    assert [told(system, place, "state", "changed", "added") for place in (first, second, third)] == [
        ("held", 2, 1)] * 3
    assert len({told(system, place, "revision") for place in (first, second, third)}) == 1
    assert told(system, first, "rows_in") == 1
    call("gkopen_revision_return", system.cast.reviewer, id=told(system, third, "revision"), reason="有误")
    assert [told(system, place, "state", "reason") for place in (first, second, third)] == [("returned", "有误")] * 3
    again = sent(system, "k-5", {"rows": rows(2, **CHEAPER), "scope": "changes"})
    assert told(system, first, "state") == "returned", "what was returned is in no later push"
    approve(system, again)
    assert told(system, again, "state") == "published" and public().keys() == {"001", "002", "003"}


def test_a_push_that_was_carried_is_published_with_the_one_that_carries_it(system: System) -> None:
    first = sent(system, "k-1", {"rows": rows(1), "scope": "changes"})
    second = sent(system, "k-2", {"rows": rows(2)[1:], "scope": "changes"})
    approve(system, second)
    assert told(system, first, "state", "added") == ("published", 2)
    assert public().keys() == {"001", "002"}


def test_a_push_takes_the_place_of_what_came_by_a_token_that_was_revoked(system: System) -> None:
    other = another_token(system)
    first = sent(system, "k-1", {"rows": rows(2)})
    beside = sent(system, "k-2", {"rows": rows(2, **CHEAPER)}, token=other)
    assert told(system, first, "state") == told(system, beside, "state") == "held", "two systems, each with its rows"
    changes = sent(system, "k-3", {"rows": rows(3)[2:], "scope": "changes"})
    call("gkopen_push_token_revoke", system.cast.officer, name="czj-finance")
    last = system.push({"rows": rows(2, **CHEAPER)}, "k-4", token=other)
    work()
    states = [system.ask(place, token=other).json["state"] for place in (first, changes, last.headers["Location"])]
    assert states == ["superseded", "superseded", "held"], states


def test_a_push_for_the_same_parts_takes_the_place_of_the_one_before(system: System) -> None:
    first, second = sent(system, "k-1", {"rows": rows(2)}), sent(system, "k-2", {"rows": rows(3)})
    assert (told(system, first, "state", "added"), told(system, second, "state")) == (("superseded", 2), "held")
    same = sent(system, "k-3", {"rows": rows(3)})
    assert told(system, second, "state", "revision") == told(system, same, "state", "revision")
    approve(system, same)
    assert [told(system, place, "state") for place in (first, second, same)] == ["superseded", *["published"] * 2]


def test_rows_whose_metadata_are_edited_while_they_wait_are_still_those_of_the_push(system: System) -> None:
    place = sent(system, "k-1", {"rows": rows(2, **{"预算金额(万元)": "约一百万"})})
    found = told(system, place, "findings")
    assert found
    call("gkopen_submission_create", system.cast.officer, domain="procurement", organization=system.cast.body,
         metadata={"title": "采购公告，人工改过的标题"})
    assert told(system, place, "state", "rows_in", "added") == ("held", 2, 2)
    assert {each["code"] for each in found} <= {each["code"] for each in told(system, place, "findings")}
    approve(system, place)
    assert told(system, place, "state") == "published"


def test_what_was_compared_again_says_what_it_would_change_now(system: System) -> None:
    first = sent(system, "k-1", {"rows": rows(2)})
    second = sent(system, "k-2", {"rows": rows(3)[1:]}, another_token(system))
    same = sent(system, "k-3", {"rows": [*rows(3)[1:], *rows(1, 公告编号="NT-2024-099", 发布时间="2024-06-06 09:00")]})
    assert told(system, first, "state") == "superseded"
    first = sent(system, "k-4", {"rows": rows(2)})
    approve(system, same)
    for place in (first, second):
        with pytest.raises(toolkit.ValidationError, match=r"compared again|has changed"):
            approve(system, place)
    assert told(system, first, "state", "added", "removed") == ("held", 1, 1)
    assert told(system, second, "state") == "unchanged", "what it says is public already"


@pytest.mark.parametrize("scope", ["parts", "complete", "changes"])
def test_a_push_that_says_again_what_is_public_takes_back_what_waits(system: System, scope: str) -> None:
    approve(system, sent(system, "k-1", {"rows": rows(3)}))
    wrong = sent(system, "k-2", {"rows": rows(3, **CHEAPER), "scope": scope})
    held = told(system, wrong, "revision")
    right = sent(system, "k-3", {"rows": rows(3), "scope": scope})
    assert (told(system, right, "state"), told(system, wrong, "state")) == ("unchanged", "superseded")
    shown = call("gkopen_revision_show", system.cast.office, id=held)
    with pytest.raises(toolkit.ValidationError):
        call("gkopen_revision_approve", system.cast.office, id=held, digest=shown["digest"])
    assert set(public().values()) == {"846000"}


def test_rows_that_a_waiting_push_takes_out_go_too_where_changes_carry_it(system: System) -> None:
    june = rows(2, 公告编号="NT-2024-099", 发布时间="2024-06-06 09:00")[-1:]
    approve(system, sent(system, "k-1", {"rows": [*rows(3), *june]}))
    fewer = sent(system, "k-2", {"rows": rows(2)})
    change = sent(system, "k-3", {"rows": rows(1, **CHEAPER), "scope": "changes"})
    assert told(system, change, "state", "changed", "removed") == ("held", 1, 1)
    assert told(system, fewer, "state", "revision") == told(system, change, "state", "revision")
    back = sent(system, "k-4", {"rows": rows(4)[3:], "scope": "changes"})
    approve(system, back)
    assert public() == {"001": "800000", "002": "846000", "004": "846000", "099": "846000"}


def test_a_whole_part_that_a_waiting_push_takes_out_goes_where_changes_carry_it(system: System) -> None:
    june = rows(1, 公告编号="NT-2024-099", 发布时间="2024-06-06 09:00")
    approve(system, sent(system, "k-1", {"rows": [*rows(2), *june]}))
    sent(system, "k-2", {"rows": rows(2), "scope": "complete"})
    change = sent(system, "k-3", {"rows": rows(1, **CHEAPER), "scope": "changes"})
    assert told(system, change, "changed", "removed") == (1, 1)
    approve(system, change)
    assert public() == {"001": "800000", "002": "846000"}
