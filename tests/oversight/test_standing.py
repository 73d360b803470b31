"""A standing approval publishes routine data by itself; whatever is not routine waits for a person as usual."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.cli.cli import ckan
from ckan.plugins import toolkit

from ckanext.gkopen import clock, cursors, model
from ckanext.gkopen.demo import act
from ckanext.gkopen.oversight import standing
from tests.oversight.world import HEADER, approve, publish, row, submit
from tests.people import Cast, call, make_cast

FIRST = tuple(row(number) for number in range(1, 9))
NAME = "nantong-czj-procurement"


@pytest.fixture
def cast(site: Any) -> Cast:
    cast = make_cast()
    publish(cast, *FIRST)
    return cast


def grant(cast: Cast, who: str | None = None, days: int = 90) -> str:
    until = clock.today() + timedelta(days=days)
    return call("gkopen_standing_grant", cast.reviewer if who is None else who, dataset=NAME, until=until.isoformat(),
                reason="每日例行推送")["id"]


def work() -> None:
    while standing.work_one():
        pass


def state(revision: str) -> str:
    ckan_model.Session.rollback()
    return model.value("select state from gkopen.revision where id = :id", id=revision)


def why(revision: str) -> set[str]:
    reasons = model.value("select reasons from gkopen.standing_use where revision_id = :id", id=revision)
    return {reason["why"] for reason in reasons or []}


def test_routine_data_is_published_by_itself_and_the_audit_says_under_what(cast: Cast) -> None:
    approval = grant(cast)
    revision = submit(cast, *FIRST, row(9))["revision_id"]
    assert state(revision) == "held"
    work()
    assert state(revision) == "published"
    shown = call("gkopen_revision_show", cast.officer, id=revision)
    assert shown["decided_by"] == f"standing:{cast.reviewer}"
    used = model.one("select actor, detail from gkopen.audit where action = 'standing.used'")
    assert used and used["detail"]["standing"] == approval and used["actor"] == f"standing:{cast.reviewer}"
    [listed] = call("gkopen_standing_list", cast.officer)["results"]
    assert (listed["published"], listed["active"], listed["declined"]) == (1, True, None)


def test_approvals_come_in_pages_and_all_of_them_by_command(cast: Cast, cli: Any) -> None:
    given = []
    for _ in range(3):
        given.append(grant(cast))
        if len(given) < 3:
            call("gkopen_standing_revoke", cast.reviewer, id=given[-1])
    paged: list[str] = []
    cursor = None
    while cursor or not paged:
        page = call("gkopen_standing_list", cast.reviewer, dataset=NAME, limit=2, cursor=cursor)
        paged += [approval["id"] for approval in page["results"]]
        cursor = page["cursor"]
    assert paged == given[::-1], "the newest first"
    for wrong in ("nonsense", cursors.write(["2026-05-01T00:00:00+08:00", "no-id"])):
        with pytest.raises(toolkit.ValidationError):
            call("gkopen_standing_list", cast.reviewer, cursor=wrong)
    listed = cli.invoke(ckan, ["gkopen", "review", "standing", "list"]).output
    assert all(each in listed for each in given)


def test_without_or_before_an_approval_everything_waits(cast: Cast) -> None:
    waiting = submit(cast, *FIRST, row(9))["revision_id"]
    work()
    assert state(waiting) == "held"
    grant(cast)
    work()
    assert state(waiting) == "held", "what waited when it was given is looked at by a person"


MASKED = [row(number).replace("南通市城市管理局", "******") for number in range(1, 9)]
MONEY = [row(number).replace("838000.00", "938000000.00") for number in range(1, 9)]


@pytest.mark.parametrize(("rows", "header", "reason"), [
    pytest.param([*FIRST, row(9) + ",x"], HEADER + ",新列", "contract", id="a new column"),
    pytest.param([*FIRST, row(10), row(9).replace("2026-05-06 09:00", "2026-13-46")], HEADER, "worse", id="a bad row"),
    pytest.param([*FIRST, row(10), row(9, name="联系13812345678，第")], HEADER, "privacy", id="personal data"),
    pytest.param(FIRST[:1], HEADER, "gone", id="too much goes"),
    pytest.param(MASKED, HEADER, "changed", id="a text of every row is another"),
    pytest.param(MONEY, HEADER, "jump", id="a total jumps")])
def test_what_is_not_routine_is_held_as_usual(cast: Cast, rows: list[str], header: str, reason: str) -> None:
    grant(cast)
    revision = submit(cast, *rows, header=header)["revision_id"]
    work()
    assert (state(revision), reason in why(revision)) == ("held", True), why(revision)
    [listed] = call("gkopen_standing_list", cast.reviewer)["results"]
    assert listed["declined"]["revision"] == revision and listed["declined"]["reasons"]
    assert listed["published"] == 0


def test_a_table_that_melts_away_waits_for_a_person_at_last(cast: Cast) -> None:
    """Four rows a night are below the guard's limit each night, and so is what comes beside them."""
    rows = [row(number) for number in range(1, 61)]
    publish(cast, *rows)
    grant(cast)
    told = []
    for night in range(1, 4):
        rows = [*rows[4:], row(100 + night)]
        revision = submit(cast, *rows)["revision_id"]
        work()
        told.append((state(revision), why(revision)))
    assert told == [("published", set()), ("published", set()), ("held", {"melted"})]
    approve(cast, revision)
    revision = submit(cast, *rows[4:])["revision_id"]
    work()
    assert state(revision) == "published", "a person has seen how many are left"


def test_rows_that_others_take_the_place_of_do_not_melt_away(cast: Cast) -> None:
    rows = [row(number) for number in range(1, 61)]
    publish(cast, *rows)
    grant(cast)
    for night in range(1, 5):
        rows = [*rows[5:], *(row(100 * night + more) for more in range(5))]
        revision = submit(cast, *rows)["revision_id"]
        work()
        assert state(revision) == "published", why(revision)


def test_a_column_that_never_was_of_its_type_is_no_change(cast: Cast) -> None:
    unread = [text.replace(",公开招标,", ",网上比选法,") for text in FIRST]
    publish(cast, *unread)
    grant(cast)
    routine = submit(cast, *unread[1:], unread[0].replace("采购1,", "采购一,"))["revision_id"]
    work()
    assert state(routine) == "published", why(routine)
    other = submit(cast, *(text.replace(",货物,", ",杂项,") for text in FIRST))["revision_id"]
    work()
    assert (state(other), "contract" in why(other)) == ("held", True), "now it is another column"


def test_where_every_row_changes_each_time_that_is_routine(cast: Cast) -> None:
    def bought_by(name: str) -> str:
        return submit(cast, *(text.replace("南通市城市管理局", name) for text in FIRST))["revision_id"]

    first = bought_by("南通市教育局")
    grant(cast)
    approve(cast, first)
    second = bought_by("南通市民政局")
    work()
    assert state(second) == "published", why(second)


def test_metadata_roll_back_and_uploads_are_never_published_by_it(cast: Cast) -> None:
    publish(cast, *FIRST, row(9))
    grant(cast)
    rollback = call("gkopen_dataset_rollback", cast.officer, id=NAME, seq=1, reason="试验")["revision"]
    work()
    assert state(rollback) == "held"
    call("gkopen_revision_recall", cast.officer, id=rollback)
    data = call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
                metadata={"notes": "新的说明"})
    work()
    assert state(data["revision_id"]) == "held"
    door: Any = {"user": cast.officer, "gkopen_door": "upload"}
    by_hand = toolkit.get_action("gkopen_submission_create")(
        door, {"domain": "procurement", "organization": cast.body,
               "rows": [dict(zip(HEADER.split(","), each.split(","), strict=True)) for each in (*FIRST, row(10))]})
    work()
    assert state(by_hand["revision_id"]) == "held"


def test_what_a_person_withdrew_does_not_come_back_by_itself(cast: Cast) -> None:
    june = tuple(row(number, month=6) for number in range(20, 24))
    publish(cast, *june)
    grant(cast)
    call("gkopen_dataset_withdraw", cast.reviewer, id=NAME, part="2026-06", reason="误公开")
    again = submit(cast, *june)["revision_id"]
    work()
    assert (state(again), why(again)) == ("held", {"withdrawn"})
    approve(cast, again)                                  # a person may
    publish(cast, *june[1:])
    call("gkopen_dataset_withdraw", cast.reviewer, id=NAME, part="2026-06", reason="还是误公开")
    publish(cast, *june[:3])
    sealed = submit(cast, *june[1:])["revision_id"]       # other bytes are public in this part: these are sealed
    work()
    assert (state(sealed), why(sealed)) == ("held", {"withdrawn"})


def test_one_that_has_become_stale_is_not_counted_as_published(cast: Cast) -> None:
    grant(cast)
    stale = submit(cast, *FIRST, row(9), user=cast.admin)["revision_id"]
    publish(cast, *FIRST, row(10))
    work()
    assert state(stale) == "stale"
    assert not model.value("select 1 from gkopen.standing_use where revision_id = :id", id=stale)
    assert not model.value("select 1 from gkopen.audit where action = 'standing.used' and object = :id", id=stale)


def test_what_was_withdrawn_does_not_come_back_by_it(cast: Cast) -> None:
    """The source goes on sending the rows that a person took away."""
    publish(cast, *FIRST, row(20, month=6))
    call("gkopen_dataset_withdraw", cast.reviewer, id=NAME, part="2026-06", reason="不应公开")
    grant(cast)
    for rows in ((row(20, month=6).replace("838000.00", "838001.00"),), (row(20, month=7),)):
        revision = submit(cast, *FIRST, *rows)["revision_id"]
        work()
        assert (state(revision), why(revision)) == ("held", {"withdrawn"})
    other = submit(cast, *FIRST, row(21, month=6))["revision_id"]
    work()
    assert state(other) == "published"


def test_nobody_publishes_an_own_submission_by_it(cast: Cast) -> None:
    grant(cast)
    revision = submit(cast, *FIRST, row(9), user=cast.reviewer)["revision_id"]
    work()
    assert (state(revision), why(revision)) == ("held", {"own"})


def test_who_lost_the_role_approves_nothing_any_more(cast: Cast) -> None:
    grant(cast)
    act("organization_member_delete", id=cast.body, username=cast.reviewer)
    revision = submit(cast, *FIRST, row(9))["revision_id"]
    work()
    assert (state(revision), why(revision)) == ("held", {"not_allowed"})


def test_after_its_last_day_everything_waits(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    grant(cast, days=30)
    later = clock.today() + timedelta(days=31)
    monkeypatch.setattr(clock, "today", lambda: later)
    revision = submit(cast, *FIRST, row(9))["revision_id"]
    work()
    assert state(revision) == "held"
    assert grant(cast, days=60), "one that ended makes room for a new one"


def test_who_may_grant_and_for_how_long(cast: Cast) -> None:
    for who in (cast.officer, cast.stranger, ""):
        with pytest.raises((toolkit.NotAuthorized, toolkit.ObjectNotFound)):
            grant(cast, who)
    for days in (0, 366):
        with pytest.raises(toolkit.ValidationError, match="within a year"):
            grant(cast, days=days)
    approval = grant(cast, cast.office)
    with pytest.raises(toolkit.ValidationError, match="already"):
        grant(cast)
    for who in (cast.officer, cast.stranger):
        with pytest.raises((toolkit.NotAuthorized, toolkit.ObjectNotFound)):
            call("gkopen_standing_revoke", who, id=approval)
    call("gkopen_standing_revoke", cast.reviewer, id=approval)
    revision = submit(cast, *FIRST, row(9))["revision_id"]
    work()
    assert state(revision) == "held"
    assert call("gkopen_standing_list", cast.stranger)["results"] == []


def test_a_revocation_and_a_use_take_turns(cast: Cast) -> None:
    """Revoked while it is being used: either the publication came first, or nothing was published."""
    approval = grant(cast)
    revision = submit(cast, *FIRST, row(9))["revision_id"]
    held = model.one("select * from gkopen.standing where id = :id for update", id=approval)
    assert held is not None                                # as a revocation holds it, before it commits
    done: list[bool] = []

    def use() -> None:
        try:
            done.append(standing.work_one())
        finally:
            ckan_model.Session.remove()

    worker = threading.Thread(target=use)
    worker.start()
    with ckan_model.ensure_engine().connect() as watcher:
        while not watcher.execute(sa.text("select exists (select 1 from pg_locks where not granted)"
                                          " from pg_sleep(0.02)")).scalar():
            assert worker.is_alive()
    standing.revoke(approval, cast.reviewer)
    assert not done, "the use waits for the revocation"
    ckan_model.Session.commit()
    worker.join(30)
    assert done == [True]
    assert state(revision) == "held"
    assert not model.value("select 1 from gkopen.audit where action = 'standing.used'")
