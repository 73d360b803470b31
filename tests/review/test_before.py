"""What was returned, rolled back or withdrawn comes again by night: nobody is led to publish it unawares."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from ckan.cli.cli import ckan
from ckan.plugins import toolkit

from ckanext.gkopen import changesets, clock, model
from ckanext.gkopen import verify as checks
from ckanext.gkopen.demo import act
from ckanext.gkopen.i18n.catalogues import Catalogues
from ckanext.gkopen.oversight import standing
from ckanext.gkopen.review.refused import Stale
from tests.oversight.test_quarantine import token
from tests.oversight.world import approve, drain, publish, row, submit
from tests.people import Cast, call, make_cast
from tests.thread.test_thread import dataset_id

FIRST = tuple(row(number) for number in range(1, 9))
NAME = "nantong-czj-procurement"
WRONG = row(9)


@pytest.fixture
def cast(site: Any) -> Cast:
    cast = make_cast()
    publish(cast, *FIRST)
    return cast


def grant(cast: Cast) -> None:
    call("gkopen_standing_grant", cast.reviewer, dataset=NAME, reason="每日例行推送",
         until=(clock.today() + timedelta(days=90)).isoformat())


def judged(revision: str) -> tuple[str, set[str]]:
    """The state of a revision and why it is not routine, after the worker has looked at it."""
    while standing.work_one():
        pass
    reasons = model.value("select reasons from gkopen.standing_use where revision_id = :id", id=revision)
    return (model.value("select state from gkopen.revision where id = :id", id=revision),
            {reason["why"] for reason in reasons or []})


def withdraw(cast: Cast, part: str | None = None) -> None:
    call("gkopen_dataset_withdraw", cast.reviewer, id=NAME, part=part, reason="含有个人信息")


def bulk(cast: Cast, *revisions: str) -> list[dict[str, Any]]:
    return call("gkopen_revisions_approve", cast.reviewer, revisions=[
        {"id": revision, "digest": call("gkopen_revision_show", cast.reviewer, id=revision)["digest"]}
        for revision in revisions])["results"]


def test_what_a_person_returned_is_not_published_the_next_night(cast: Cast) -> None:
    returned = submit(cast, *FIRST, WRONG)["revision_id"]
    call("gkopen_revision_return", cast.reviewer, id=returned, reason="没有这个项目")
    grant(cast)
    again = submit(cast, *FIRST, WRONG)["revision_id"]
    assert judged(again) == ("held", {"declined"})
    [told] = call("gkopen_revision_show", cast.reviewer, id=again)["before"]
    assert (told["what"], told["by"], told["reason"]) == ("returned", cast.reviewer, "没有这个项目")
    mended = submit(cast, *FIRST, row(10))["revision_id"]
    assert judged(mended) == ("held", {"declined"})
    approve(cast, mended)                                   # a person saw that it is mended
    assert judged(submit(cast, *FIRST, row(10), row(11))["revision_id"]) == ("published", set())


def test_a_source_that_goes_back_and_forth_is_not_published_each_night(cast: Cast) -> None:
    grant(cast)
    assert judged(submit(cast, *FIRST[:-1], WRONG)["revision_id"]) == ("published", set())
    back = submit(cast, *FIRST)["revision_id"]
    assert judged(back) == ("held", {"older"})
    [told] = call("gkopen_revision_show", cast.reviewer, id=back)["before"]
    assert told["what"] == "older"
    forth = submit(cast, *FIRST[:-1], WRONG, row(10))["revision_id"]
    assert judged(forth) == ("published", set()), "news among what is public is no older state"
    approve(cast, submit(cast, *FIRST)["revision_id"])        # a person means it, also of the other state
    forth = submit(cast, *FIRST[:-1], WRONG, row(10))["revision_id"]
    assert judged(forth) == ("held", {"older"})
    approve(cast, forth)
    assert judged(submit(cast, *FIRST)["revision_id"]) == ("published", set())
    assert judged(submit(cast, *FIRST, row(11))["revision_id"]) == ("published", set())


def test_rows_that_go_back_among_others_are_not_published_each_night(cast: Cast, app: Any) -> None:
    """The server that is behind goes on too, so that no state comes twice as a whole."""
    grant(cast)
    one, two, three = (FIRST[0].replace("838000.00", f"83800{digit}.00") for digit in "123")
    assert judged(submit(cast, one, *FIRST[1:])["revision_id"]) == ("published", set())
    assert judged(submit(cast, two, *FIRST[1:], row(10))["revision_id"]) == ("published", set())
    behind = submit(cast, one, *FIRST[1:], row(10), row(11))["revision_id"]
    assert judged(behind) == ("held", {"older"})
    [told] = call("gkopen_revision_show", cast.reviewer, id=behind)["before"]
    assert (told["what"], told["rows"]) == ("older", 1)
    assert "1 行将恢复为" in app.get(f"/review/{behind}", headers=token(cast.reviewer)).body
    ahead = submit(cast, three, *FIRST[1:], row(10), row(11))["revision_id"]
    assert judged(ahead) == ("published", set()), "a value that was never public is news"
    many = [each.replace("838000.00", "838009.00") for each in FIRST[1:4]]
    mixed = submit(cast, two, *many, *FIRST[4:], row(10), row(11))["revision_id"]
    assert judged(mixed) == ("published", set()), "one of four changes is a value that comes and goes"
    back = submit(cast, three, *FIRST[1:], row(10), row(11), row(12))["revision_id"]
    assert judged(back) == ("held", {"older"})
    approve(cast, back)                                       # a person means it
    assert judged(submit(cast, two, *many, *FIRST[4:], row(10), row(11), row(12))["revision_id"]) == (
        "held", {"older"}), "nobody has said so of this state"


def test_what_was_rolled_back_is_not_published_the_next_night(cast: Cast) -> None:
    publish(cast, *FIRST, WRONG)
    back = call("gkopen_dataset_rollback", cast.officer, id=NAME, seq=1, reason="没有这个项目")["revision"]
    approve(cast, back)
    grant(cast)
    again = submit(cast, *FIRST, WRONG, row(10))["revision_id"]
    assert judged(again) == ("held", {"declined"})
    [told] = call("gkopen_revision_show", cast.reviewer, id=again)["before"]
    assert (told["what"], told["reason"]) == ("rolled_back", "没有这个项目")
    approve(cast, again)
    assert judged(submit(cast, *FIRST, WRONG, row(10), row(11))["revision_id"]) == ("published", set())


def test_withdrawn_rows_come_back_by_a_decision_of_their_own(cast: Cast, app: Any, cli: Any) -> None:
    june = row(20, month=6)
    publish(cast, june)
    withdraw(cast, "2026-06")
    other, again = (submit(cast, each, user=user)["revision_id"]
                    for each, user in ((row(30, month=7), cast.officer), (june, cast.admin)))
    reviewer = token(cast.reviewer)
    page = app.get(f"/review/{again}", headers=reviewer).body
    assert 'id="before-withdrawn"' in page and "含有个人信息" in page
    assert 'id="before-' not in app.get(f"/review/{other}", headers=reviewer).body
    outcome = bulk(cast, again, other)
    assert [one["state"] for one in outcome] == ["held", "published"] and "withdrawn" in outcome[0]["error"]
    command = ["gkopen", "review", "approve", "--as", cast.reviewer]
    assert cli.invoke(ckan, [*command, "--all", "procurement"]).exit_code == 1, "nor in passing where it waits alone"
    assert "2026-06" not in changesets.public_parts(dataset_id(cast))
    assert "published as number" in cli.invoke(ckan, [*command, again]).output
    assert "2026-06" in changesets.public_parts(dataset_id(cast))
    drain()
    assert list(checks.problems()) == []


def test_a_month_that_waited_through_a_withdrawal_is_compared_again_with_metadata(cast: Cast) -> None:
    waiting = submit(cast, row(20, month=6))["revision_id"]     # May stays as it is, and so does the metadata
    withdraw(cast)
    with pytest.raises(toolkit.ValidationError) as refused:
        approve(cast, waiting)
    stale: Any = refused.value.error_dict["stale"]
    assert call("gkopen_revision_show", cast.reviewer, id=stale[0])["metadata_change"]["after"]["title"]
    approve(cast, stale[0])
    drain()
    assert [each["project_no"] for each in call("datastore_search", "", resource_id="procurement")["records"]] == [
        "NTCG-2026-020"]
    assert list(checks.problems()) == []


def test_metadata_alone_does_not_take_the_place_of_the_public_reason(cast: Cast, app: Any) -> None:
    waiting = call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
                   metadata={"contact_name": "采购处"})["revision_id"]
    withdraw(cast)
    with pytest.raises(toolkit.ValidationError, match="metadata alone"):
        approve(cast, waiting)
    assert "含有个人信息" in app.get(f"/dataset/{NAME}", status=410).body
    assert changesets.public_parts(dataset_id(cast)) == {}


def test_months_of_a_new_dataset_are_approved_one_after_the_other(site: Any) -> None:
    cast = make_cast()
    months = [submit(cast, row(month, month=month))["revision_id"] for month in range(1, 5)]
    edited = call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
                  metadata={"contact_name": "采购处"})["revision_id"]          # takes April's rows along
    approve(cast, months[0])
    assert [one["state"] for one in bulk(cast, *months[1:3])] == ["published"] * 2
    with pytest.raises(toolkit.ValidationError) as refused:                    # other metadata are looked at anew
        approve(cast, edited)
    stale: Any = refused.value.error_dict["stale"]
    approve(cast, stale[0])
    assert set(changesets.public_parts(dataset_id(cast))) == {
        "2026-01", "2026-02", "2026-03", "2026-04", changesets.METADATA}
    drain()
    assert call("package_show", "", id=NAME)["contact_name"] == "采购处"
    assert call("datastore_search", "", resource_id="procurement", limit=0)["total"] == 4
    assert list(checks.problems()) == []


def test_who_approves_what_was_overtaken_is_led_to_what_waits_now(cast: Cast, app: Any) -> None:
    overtaken = submit(cast, *FIRST, row(9), user=cast.admin)["revision_id"]
    digest = call("gkopen_revision_show", cast.reviewer, id=overtaken)["digest"]
    publish(cast, *FIRST, row(10))
    answer = app.post(f"/review/{overtaken}/approve", headers=token(cast.reviewer), params={"digest": digest},
                      follow_redirects=False)
    now = model.value("select id from gkopen.revision where state = 'held'")
    assert answer.headers["Location"].endswith(f"/review/{now}")


def test_what_an_officer_corrected_is_not_undone_the_next_night(cast: Cast, app: Any) -> None:
    """The source (here: the administrator's program) still has what was wrong."""
    def night(*rows: str) -> str:
        return submit(cast, *rows, user=cast.admin)["revision_id"]

    approve(cast, night(*FIRST, row(10)))
    grant(cast)
    publish(cast, row(1, name="更正后的采购"), *FIRST[1:], row(10))
    new = night(*FIRST, row(10), row(11))
    assert judged(new) == ("held", {"corrected"})
    shown = call("gkopen_revision_show", cast.reviewer, id=new)
    assert [(one["what"], one["by"]) for one in shown["before"]] == [("corrected", cast.reviewer)]
    assert 'id="before-corrected"' in app.get(f"/review/{new}", headers=token(cast.reviewer)).body
    mended = night(row(1, name="更正后的采购"), *FIRST[1:], row(10), row(11))
    assert judged(mended) == ("published", set()), "other rows than those that were corrected"
    assert judged(night(*FIRST, row(10), row(11))) == ("held", {"corrected"}), "nobody has approved it since"
    again = night(*FIRST, row(10), row(11), row(12))
    approve(cast, again)
    assert judged(night(row(1, name="又改了"), *FIRST[1:], row(10), row(11), row(12))) == ("published", set())


def test_what_an_officer_took_out_does_not_come_back_the_next_night(cast: Cast) -> None:
    approve(cast, submit(cast, *FIRST, row(10), user=cast.admin)["revision_id"])
    grant(cast)
    publish(cast, *FIRST)
    assert judged(submit(cast, *FIRST, row(10), user=cast.admin)["revision_id"]) == ("held", {"corrected"})


def test_of_two_files_the_older_one_is_told_to_be_older(cast: Cast, app: Any) -> None:
    """The later one is approved first, and the other is compared again: it looks as if it had just come."""
    older = submit(cast, *FIRST, row(9), user=cast.admin)["revision_id"]
    model.execute("update gkopen.submission s set received_at = now() - interval '1 day' from gkopen.revision r"
                  " where r.submission_id = s.id and r.id = :id", id=older)
    publish(cast, *FIRST, row(10))
    with pytest.raises(toolkit.ValidationError) as refused:
        approve(cast, older)
    stale: Any = refused.value.error_dict["stale"]
    shown = call("gkopen_revision_show", cast.reviewer, id=stale[0])
    assert [(one["what"], one["by"]) for one in shown["before"]] == [("newer", cast.officer)]
    assert shown["submission"]["received_at"] < shown["before"][0]["at"] <= shown["created_at"]
    page = app.get(f"/review/{stale[0]}", headers=token(cast.reviewer)).body
    assert 'id="before-newer"' in page and f'datetime="{shown["submission"]["received_at"]}"' in page
    added = submit(cast, row(20, month=6))["revision_id"]
    assert not call("gkopen_revision_show", cast.reviewer, id=added)["before"]


@pytest.mark.parametrize("told", [Stale("0"), Stale(None)])
def test_what_was_overtaken_is_told_in_chinese_too(told: Stale) -> None:
    [entry] = [entry for entry in Catalogues.read().hans if entry.msgid == told.message]
    assert entry.msgstr


def test_an_approval_of_who_may_not_review_any_more_is_not_told_to_be_in_force(cast: Cast, app: Any) -> None:
    grant(cast)
    office = token(cast.office)
    assert "生效中" in app.get(f"/review/standing/{NAME}", headers=office).body
    act("organization_member_delete", id=cast.body, username=cast.reviewer)
    page = app.get(f"/review/standing/{NAME}", headers=office).body
    assert "生效中" not in page and "已失效" in page and "立即撤销" in page
    [listed] = call("gkopen_standing_list", cast.office)["results"]
    assert (listed["active"], listed["void"]) == (True, True)
