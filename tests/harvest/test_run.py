"""Harvests from the simulated exchange platform over HTTP into the held revisions of a fresh site."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import ids, model
from ckanext.gkopen.harvest import ledger, run, worker
from tests.harvest.city import BODY, SECRET, SOURCE, City, approve_all, harvest, revisions, shown
from tests.people import call


def test_rows_in_are_good_or_quarantined_or_duplicate(town: City) -> None:
    counts = harvest()["counts"]
    assert counts["rows_in"] == counts["rows_ok"] + counts["rows_quarantined"] + counts["rows_duplicate"] > 0
    assert counts["outcomes"][0]["state"] == "held"
    assert call("package_search", "", q="*:*")["count"] == 0


def test_an_officers_change_is_exactly_what_the_reviewer_sees(town: City) -> None:
    harvest()
    approve_all()
    table = ids.table_id("parking")
    before = call("datastore_search", "", resource_id="parking", limit=1000)["records"]
    row = before[0]
    town.edit(f"{row['name']},", f"{row['name']}（改）,")
    counts = harvest()["counts"]
    assert (counts["added"], counts["changed"], counts["removed"]) == (1, 0, 0), "the name is the key: a row more"
    assert counts["tombstones"][0]["rows"] == 1, "and the old one is gone from the source, but not yet from the portal"
    approve_all()
    after = {record["name"] for record in call("datastore_search", "", resource_id=table, limit=1000)["records"]}
    assert f"{row['name']}（改）" in after and row["name"] in after
    town.edit("00:00-24:00,江海市城市停车管理中心,演示数据：停车场为虚构\n东洲区图书馆东路段",
              "00:00-22:00,江海市城市停车管理中心,演示数据：停车场为虚构\n东洲区图书馆东路段")
    counts = harvest()["counts"]
    assert (counts["added"], counts["changed"], counts["removed"]) == (0, 1, 0)


def test_twice_unchanged_writes_no_revision(town: City) -> None:
    harvest()
    approve_all()
    known = revisions()
    assert harvest()["counts"]["outcomes"][0]["state"] == "unchanged"
    assert revisions() == known


def test_an_undecided_revision_is_replaced_by_the_next_run(town: City) -> None:
    harvest()
    harvest()
    states = [row["state"] for row in model.every("select state from gkopen.revision order by created_at")]
    assert states == ["superseded", "held"]


def test_a_source_that_cannot_be_read_ends_its_run_and_not_the_worker(town: City) -> None:
    model.execute("update gkopen.source set config = config || '{\"older\": 1}' where name = :s", s=SOURCE)
    ckan_model.Session.commit()
    row = harvest()
    assert (row["state"], row["error"]["kind"]) == ("failed", "TypeError")
    assert not model.value("select 1 from gkopen.run where state in ('queued', 'running')")


def test_a_source_whose_body_is_gone_says_so_in_both_languages(town: City) -> None:
    body = ckan_model.Group.get(BODY)
    assert body is not None
    body.state = "deleted"
    ckan_model.Session.commit()
    row = harvest()
    assert (row["state"], row["error"]["kind"]) == ("incomplete", "UnknownBody")
    assert "责任主体" in row["error"]["zh"] and "unknown body" not in row["error"]["zh"]
    assert "unknown body" in row["error"]["en"] and BODY in row["error"]["en"]


def test_a_dry_run_writes_nothing(town: City) -> None:
    counts = harvest(dry_run=True)["counts"]
    assert counts["added"] > 0
    assert revisions() == 0
    assert model.value("select count(*) from gkopen.submission") == 0


def test_a_bad_night_deletes_nothing(town: City) -> None:
    harvest()
    approve_all()
    before = shown()
    for fault in ("empty", "wrong_total", "truncated_json", "html", "wrong_sign"):
        town.fault(fault)
        row = harvest()
        assert shown() == before, fault
        assert not model.every("select 1 from gkopen.revision_part p join gkopen.revision r on r.id = p.revision_id"
                               " where r.state = 'held'"), fault
        assert row["state"] == {"empty": "held", "wrong_total": "incomplete"}.get(fault, "failed"), fault
        if fault != "empty":
            assert row["error"]["zh"] and row["error"]["en"], fault
        town.fault()
        assert harvest()["counts"]["outcomes"][0]["state"] == "unchanged", fault


def test_many_triggers_are_one_run(town: City) -> None:
    source = ledger.find_source(SOURCE)
    assert len({ledger.enqueue(source, "manual", "test") for _ in range(20)}) == 1


def test_a_run_whose_worker_died_is_claimable_at_once(town: City) -> None:
    run_id = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
    ckan_model.Session.commit()
    engine = ckan_model.ensure_engine()
    dead = subprocess.Popen(
        [sys.executable, "-c",
         "import sys, psycopg2\nc = psycopg2.connect(sys.argv[1]); c.autocommit = True\n"
         "c.cursor().execute('select pg_advisory_lock(%s)', (int(sys.argv[2]),)); print('held', flush=True)\n"
         "sys.stdin.read()",
         engine.url.render_as_string(hide_password=False), str(ledger.lock_key(ledger.find_source(SOURCE)["id"]))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert dead.stdout is not None and dead.stdout.readline() == b"held\n"
    assert ledger.claim(run_id) is None
    dead.kill()
    dead.wait()
    with engine.connect() as connection:                  # waits for the server to notice, without a clock
        connection.execute(sa.text("select pg_advisory_lock(:k)"),
                           {"k": ledger.lock_key(ledger.find_source(SOURCE)["id"])})
        connection.execute(sa.text("select pg_advisory_unlock_all()"))
    claim = ledger.claim(run_id)
    assert claim is not None
    run.carry_out(claim)
    claim.release()


def test_a_worker_that_was_overtaken_writes_nothing_more(town: City) -> None:
    run_id = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
    ckan_model.Session.commit()
    first = ledger.claim(run_id)
    assert first is not None
    first.release()
    second = ledger.claim(run_id)
    assert second is not None
    with pytest.raises(ledger.Fenced):
        run.carry_out(first)
    ckan_model.Session.rollback()
    assert revisions() == 0
    run.carry_out(second)
    second.release()
    assert revisions() == 1


def test_the_worker_does_what_is_due(town: City) -> None:
    model.execute("update gkopen.source set state = 'paused' where name <> :name", name=SOURCE)
    ckan_model.Session.commit()
    worker.work(once=True)
    states = [row["state"] for row in model.every("select state from gkopen.run")]
    assert states == ["partly"], "some rows of the demo are bad on purpose"
    assert worker.start_due_sources() == 0, "the next run is due by the source's cycle, not now"


def test_a_source_is_seen_by_its_own_people_only(city: City) -> None:
    with pytest.raises(toolkit.NotAuthorized):
        call("gkopen_source_list", "")
    assert call("gkopen_source_list", "office", limit=1000)["results"]
    assert SECRET not in str(call("gkopen_source_list", "admin", limit=1000))


def test_rows_that_come_on_two_pages_are_told_and_the_run_is_not_called_done(town: City) -> None:
    """The platform's order does not hold between two calls, or the table has the row twice: a person looks."""
    lines = town.lines()
    good = [line for line in lines[1:] if line == lines[2]]
    assert len(good) == 1
    town.write([lines[0], *lines[2:61], lines[2]])
    model.execute("update gkopen.source set config = config || '{\"page_size\": 50}' where name = :s", s=SOURCE)
    ckan_model.Session.commit()
    row = harvest()
    assert row["state"] == "partly" and row["counts"]["findings"]["listing-repeats"] == 1
    (told,) = [one for one in call("gkopen_finding_list", "office", run=str(row["id"]), limit=1000)["results"]
               if one["code"] == "listing-repeats"]
    assert told["params"] == {"rows": 1} and row["counts"]["rows_duplicate"] == 1
