"""What a harvest may take away: nothing by a bad listing, little by a good one, and that only after seven days."""

from __future__ import annotations

from typing import Any

import pytest
from ckan.plugins import toolkit

from ckanext.gkopen import changesets, model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.harvest import ledger, run, withheld
from ckanext.gkopen.harvest.report import STATES, Report
from ckanext.gkopen.review import decide
from ckanext.gkopen.review import waiting as waits
from tests.harvest.city import SOURCE, City, age_tombstones, approve, harvest, public_rows, revisions, run_of
from tests.people import call

BUDGET = "jianghai-czj-budget"


def lose(city: City, rows: int) -> list[str]:
    """Take rows away from the source; the lines that went."""
    lines = city.lines()
    city.write(lines[:-rows])
    return lines[-rows:]


def held(run: dict[str, Any]) -> dict[str, Any]:
    [entry] = run["counts"]["held"]
    return entry


def waiting() -> int:
    return model.value("select count(*) from gkopen.revision where state = 'held'")


def test_a_few_rows_gone_wait_seven_days(public: City) -> None:
    before = public_rows()
    gone = lose(public, 3)
    run = harvest()
    assert run["state"] in ("done", "partly")
    assert run["counts"]["removed"] == 0 and waiting() == 0
    [entry] = run["counts"]["tombstones"]
    assert entry["rows"] == 3
    assert {row["key"][0] for row in entry["named"]} == {line.split(",")[0] for line in gone}
    first_due = entry["due"]
    age_tombstones(6)
    assert harvest()["counts"]["tombstones"][0]["due"] < first_due, "the first day counts, not the last look"
    assert waiting() == 0 and public_rows() == before
    age_tombstones(1)
    run = harvest()
    assert run["counts"]["removed"] == 3 and waiting() == 1
    assert public_rows() == before, "and then a person approves it"
    approve()
    assert public_rows() == before - 3
    assert harvest()["counts"]["tombstones"] == []
    assert model.value("select count(*) from gkopen.tombstone") == 0
    print(f"public {before}, gone 3: 0 deleted for seven days, 3 after approval")


def test_what_comes_back_loses_its_tombstone(public: City) -> None:
    lines = public.lines()
    lose(public, 3)
    harvest()
    age_tombstones(6)
    public.write(lines)
    assert harvest()["counts"]["tombstones"] == []
    age_tombstones(6)
    lose(public, 3)
    assert harvest()["counts"]["removed"] == 0, "the seven days begin anew"
    assert model.value("select count(*) from gkopen.tombstone where missing_since > now() - interval '1 hour'") == 3


def test_other_changes_go_on_while_rows_wait(public: City) -> None:
    lines = public.lines()
    public.write([*lines[:-3], lines[1].replace(lines[1].split(",")[0], "新建停车场")])
    run = harvest()
    assert (run["counts"]["added"], run["counts"]["changed"], run["counts"]["removed"]) == (1, 0, 0)
    before = public_rows()
    approve()
    assert public_rows() == before + 1


def test_eleven_per_cent_gone_is_frozen_and_two_buttons_decide(public: City) -> None:
    before = public_rows()
    lose(public, 10)
    run = harvest()
    assert run["state"] == "held"
    assert held(run)["alarms"] == [{"kind": "gone", "rows": 10, "public": before}]
    assert waiting() == 0 and model.value("select count(*) from gkopen.tombstone") == 0
    known = revisions()
    again = harvest()
    assert held(again)["revision"] == held(run)["revision"] and revisions() == known, "nobody is asked twice"
    with pytest.raises(toolkit.ValidationError, match="not waiting"):
        frozen = call("gkopen_revision_show", "office", id=held(run)["revision"])
        call("gkopen_revision_approve", "office", id=frozen["id"], digest=frozen["digest"])
    call("gkopen_run_release", "officer", id=str(run["id"]))
    assert run_of(run["id"])["decision"] == "released" and waiting() == 1
    after = harvest()
    assert after["counts"]["held"] == [] and waiting() == 1, "it was let through: the next run does not freeze it again"
    assert public_rows() == before
    approve()
    assert public_rows() == before - 10
    print(f"public {before}, gone 10 (12 %): 0 deleted before release and approval")


def test_what_was_let_through_waits_for_a_reviewer_since_then(public: City) -> None:
    lose(public, 10)
    run = harvest()
    model.execute("update gkopen.revision set created_at = now() - interval '9 days' where state = 'frozen'")
    call("gkopen_run_release", "officer", id=str(run["id"]))
    assert [str(row["id"]) for row in waits.longer_than(0)] == [held(run)["revision"]]
    assert waits.longer_than(3) == [] and waits.oldest_seconds() < 3600


def test_discarded_is_gone_and_the_next_run_asks_anew(public: City) -> None:
    before = public_rows()
    lines = public.lines()
    lose(public, 10)
    run = harvest()
    call("gkopen_run_discard", "office", id=str(run["id"]))
    assert run_of(run["id"])["decision"] == "discarded" and waiting() == 0
    with pytest.raises(toolkit.ValidationError):
        call("gkopen_run_release", "office", id=str(run["id"]))
    assert harvest()["state"] == "held"
    public.write(lines)
    assert harvest()["counts"]["outcomes"][0]["state"] == "unchanged"
    assert not model.value("select count(*) from gkopen.revision where state in ('held', 'frozen')"), (
        "the source is whole again: nothing of its bad day can still be let through")
    assert public_rows() == before


def test_what_waits_already_is_let_through_once(public: City) -> None:
    """An officer has uploaded what the source lists: the same change-set is held, and the source's is frozen."""
    lose(public, 10)
    run = harvest()
    revision = call("gkopen_revision_show", "office", id=held(run)["revision"])
    dataset = model.one("select * from gkopen.dataset")
    assert dataset is not None
    twin = changesets.hold_changes(get_domain("parking"), dataset, None, [
        changesets.stored_change(part) for part in decide.parts_of(revision["id"])], "officer", kind="publish")
    call("gkopen_run_release", "office", id=str(run["id"]))
    assert [row["id"] for row in call("gkopen_revision_list", "office", state="held")["results"]] == [revision["id"]]
    assert call("gkopen_revision_show", "office", id=twin)["state"] == "superseded"


def test_nobody_else_decides(public: City) -> None:
    lose(public, 10)
    run = harvest()
    for who in ("", "reviewer"):                           # a reviewer of another body
        for action in ("gkopen_run_release", "gkopen_run_discard"):
            with pytest.raises((toolkit.NotAuthorized, toolkit.ObjectNotFound)):
                call(action, who, id=str(run["id"]))
    assert run_of(run["id"])["decision"] is None


def test_an_empty_source_never_deletes(public: City) -> None:
    before, known = public_rows(), revisions()
    public.fault("empty")
    run = harvest()
    assert run["state"] == "held"
    assert held(run)["alarms"] == [{"kind": "empty", "rows": 0, "public": before}]
    assert revisions() == known and public_rows() == before
    with pytest.raises(toolkit.ValidationError, match="nothing to let through"):
        call("gkopen_run_release", "office", id=str(run["id"]))
    call("gkopen_run_discard", "office", id=str(run["id"]))
    age_tombstones(30)
    assert harvest()["counts"]["removed"] == 0
    print(f"0 items listed with HTTP 200: {before} public before and after, run held")


def test_a_body_that_is_deleted_does_not_end_the_runs_of_a_source_of_many(public: City) -> None:
    model.execute('update "group" set state = \'deleted\' where id = (select body_id from gkopen.dataset)')
    report = Report()
    withheld.bodies_not_named(run.source_of(ledger.find_source(SOURCE)), get_domain("parking"), set(), report)
    assert [entry["alarms"][0]["kind"] for entry in report.held] == ["empty"]


def test_a_listing_that_is_not_whole_changes_nothing(public: City) -> None:
    """Page 7 of a listing of more than twenty."""
    before, known = public_rows(), revisions()
    model.execute("update gkopen.source set config = jsonb_set(config, '{page_size}', '4') where name = :s",
                  s="jianghai-cgj-parking")
    public.write(public.lines()[:-2])
    assert STATES.index("incomplete") > STATES.index("held")
    for number, fault in enumerate(("500_on_page_7", "short_page:7", "repeat_page:7", "wrong_total",
                                    "endless_pages"), 1):
        public.fault(fault)
        run = harvest()
        assert run["state"] == "incomplete", fault
        assert run["error"]["zh"] and run["counts"]["pages"] >= 1 and run["counts"]["outcomes"] == [], fault
        assert revisions() == known and model.value("select count(*) from gkopen.tombstone") == 0, fault
        source = model.one("select * from gkopen.source where name = 'jianghai-cgj-parking'")
        assert source is not None and source["failures"] == number, "it is tried again soon, and later each time"
    public.fault()
    run = harvest()
    assert run["state"] in ("done", "partly") and run["counts"]["tombstones"][0]["rows"] == 2
    assert public_rows() == before


def test_a_total_of_money_that_jumps_is_frozen(town: City) -> None:
    harvest(BUDGET)
    approve()
    lines = town.lines("czj-budget")
    assert "亿元" in lines[1]
    town.write([lines[0], *(line.replace("亿元", "万元") for line in lines[1:])], "czj-budget")
    run = harvest(BUDGET)
    assert run["state"] == "held"
    [alarm] = held(run)["alarms"]
    assert (alarm["kind"], alarm["field"]) == ("jump", "amount")
    town.write(lines, "czj-budget")
    assert harvest(BUDGET)["counts"]["outcomes"][0]["state"] == "unchanged"


def test_more_rows_with_their_money_are_no_jump(town: City) -> None:
    lines = town.lines("czj-budget")
    half = len(lines) // 2
    town.write(lines[:half], "czj-budget")
    harvest(BUDGET)
    approve()
    town.write(lines, "czj-budget")
    run = harvest(BUDGET)
    assert run["counts"]["added"] > 0 and run["counts"]["held"] == [], run["counts"]["held"]


def test_the_same_listing_twice_writes_nothing(public: City) -> None:
    """Rows of every table that a reader or a reviewer sees anything of, counted before and after."""
    before = tables()
    assert harvest()["counts"]["outcomes"][0]["state"] == "unchanged"
    assert tables() == before
    assert model.value("select count(*) from gkopen.outbox") == before["outbox"]


def test_a_dry_run_says_what_would_change_and_writes_nothing(public: City) -> None:
    lines = public.lines()
    public.write([lines[0], lines[1].replace("370", "371"), *lines[2:-3], lines[1].replace("江滨区图书馆南", "新建")])
    before = tables(every=True)
    run = harvest(dry_run=True)
    counts = run["counts"]
    assert (counts["added"], counts["changed"], counts["tombstones"][0]["rows"]) == (1, 1, 3)
    assert counts["findings"] or counts["rows_ok"]
    after = tables(every=True)
    assert {name: number - before[name] for name, number in after.items() if number != before[name]} == {"run": 1}
    lose(public, 20)
    assert harvest(dry_run=True)["state"] == "held"
    assert {name for name, number in tables(every=True).items() if number != before[name]} == {"run"}


def tables(*, every: bool = False) -> dict[str, int]:
    """Rows of gkopen's tables and of CKAN's packages; not `every`: without what a run writes about itself."""
    names = [row["name"] for row in model.every(
        "select table_name as name from information_schema.tables where table_schema = 'gkopen'")]
    own = () if every else ("run", "item", "submission", "finding", "quarantine")
    counted = {name: model.value(f'select count(*) from gkopen."{name}"') for name in names if name not in own}
    return counted | {"package": model.value("select count(*) from package"),
                      "resource": model.value("select count(*) from resource"),
                      "changed": model.value("select max(metadata_modified) from package")}


def test_a_frozen_listing_ends_the_days_of_the_rows_that_it_has(public: City) -> None:
    lines = public.lines()
    lose(public, 2)
    harvest()
    age_tombstones(6)
    public.write([*lines[:-14], *lines[-2:]])                     # they are back, and twelve others are gone
    assert harvest()["state"] == "held"
    assert model.value("select count(*) from gkopen.tombstone") == 0, "what is frozen begins no days of its own"
    age_tombstones(6)
    public.write(lines[:-2])
    assert harvest()["counts"]["removed"] == 0, "the seven days begin anew"


def test_rows_that_were_withdrawn_have_no_days_left(public: City) -> None:
    lines = public.lines()
    lose(public, 3)
    harvest()
    age_tombstones(6)
    call("gkopen_dataset_withdraw", "office", id="jianghai-cgj-parking", reason="有误")
    public.write(lines)
    assert harvest()["counts"]["tombstones"] == [], "they are not public, and the source has them"
    age_tombstones(6)
    approve()
    lose(public, 3)
    assert harvest()["counts"]["removed"] == 0, "the seven days begin anew"


def test_a_listing_of_bad_rows_ends_no_days(public: City) -> None:
    lines = public.lines()
    lose(public, 3)
    harvest()
    age_tombstones(6)
    name, kind, district, address, spaces, _, *rest = lines[1].split(",")
    public.write([lines[0], ",".join((name, kind, district, address, spaces, "99999", *rest))])
    assert harvest()["counts"]["rows_ok"] == 0
    assert model.value("select count(*) from gkopen.tombstone") == 3


def test_a_table_of_other_rows_is_none_of_another_period(public: City) -> None:
    """Car parks have no periods."""
    header, *lines = public.lines()
    public.write([header, *(f"另一处{line}" for line in lines)])
    assert "periods" not in held(harvest())["alarms"][0]
