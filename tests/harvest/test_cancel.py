"""A run can be stopped, and a source rests and is tried again as it should."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import model
from ckanext.gkopen.harvest import ledger, run, worker
from ckanext.gkopen.oversight import health
from tests.harvest.city import SOURCE, City, carry_out, harvest, revisions, run_of
from tests.people import call


def queued(**more: Any) -> str:
    run_id = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test", **more)
    ckan_model.Session.commit()
    return run_id


def test_a_queued_run_is_cancelled_at_once(town: City) -> None:
    run_id = queued()
    assert call("gkopen_run_cancel", "officer", id=run_id)["cancelled"] is True
    assert run_of(run_id)["state"] == "cancelled"
    assert ledger.claim(run_id) is None
    with pytest.raises(toolkit.ValidationError, match="ended already"):
        call("gkopen_run_cancel", "officer", id=run_id)
    source = ledger.find_source(SOURCE)
    assert source["next_run_at"] > datetime.now(UTC) + timedelta(days=20), "the schedule does not start it again"
    assert harvest()["state"] in ("done", "partly")


@pytest.mark.parametrize("stage", ["fetch", "check"])
def test_a_running_run_stops_at_the_next_page_or_table(town: City, stage: str) -> None:
    model.execute("update gkopen.source set config = jsonb_set(config, '{page_size}', '20') where name = :s", s=SOURCE)
    run_id = queued()
    claim = ledger.claim(run_id)
    assert claim is not None

    def asked(now: str, done: int, total: int | None) -> None:
        if now == "fetch" and done == (40 if stage == "fetch" else 82):
            # Another person's request, in a session of its own.
            told = threading.Thread(target=lambda: in_session(run_id))
            told.start()
            told.join()

    report = run.carry_out(claim, asked)
    claim.release()
    row = run_of(run_id)
    assert (report.state, row["state"]) == ("cancelled", "cancelled")
    assert row["counts"]["pages"] == (2 if stage == "fetch" else 5)
    assert "officer" in row["error"]["zh"] and str(row["counts"]["rows_fetched"]) in row["error"]["zh"]
    assert revisions() == 0 and model.value("select count(*) from gkopen.submission") == 0
    assert ledger.find_source(SOURCE)["failures"] == 0


def in_session(run_id: str) -> None:
    try:
        assert ledger.cancel(run_id, "officer") is False, "a worker is at it"
        ckan_model.Session.commit()
    finally:
        ckan_model.Session.remove()


def test_a_run_whose_worker_died_is_cancelled_at_once_and_the_dead_one_is_fenced(town: City) -> None:
    run_id = queued()
    dead = ledger.claim(run_id)
    assert dead is not None
    dead.release()                                         # its connection is gone; it does not know
    assert call("gkopen_run_cancel", "officer", id=run_id)["cancelled"] is True
    with pytest.raises(ledger.Fenced):
        run.carry_out(dead)
    ckan_model.Session.rollback()
    assert revisions() == 0 and run_of(run_id)["state"] == "cancelled"


def test_a_trial_never_stands_for_a_real_run(town: City) -> None:
    queued()
    with pytest.raises(ledger.OtherRunOpen):
        queued(dry_run=True)
    ckan_model.Session.rollback()
    with pytest.raises(toolkit.ValidationError, match="open"):
        call("gkopen_run_create", "officer", source=SOURCE, dry_run=True)


def test_a_paused_source_is_left_alone_until_it_is_resumed(town: City) -> None:
    model.execute("update gkopen.source set next_run_at = now() - interval '1 hour'")
    call("gkopen_source_pause", "officer", id=SOURCE)
    worker.start_due_sources()
    assert not model.value("select count(*) from gkopen.run r join gkopen.source s on s.id = r.source_id"
                           " where s.name = :s", s=SOURCE)
    call("gkopen_source_resume", "officer", id=SOURCE)
    worker.start_due_sources()
    assert model.value("select trigger from gkopen.run r join gkopen.source s on s.id = r.source_id where s.name = :s",
                       s=SOURCE) == "schedule"


def test_a_person_may_have_a_paused_source_run_though_the_schedule_had_begun_to(town: City) -> None:
    source = ledger.find_source(SOURCE)
    run_id = ledger.enqueue(source, "schedule", "worker")
    ckan_model.Session.commit()
    call("gkopen_source_pause", "officer", id=SOURCE)
    assert ledger.claim(run_id) is None
    assert call("gkopen_run_create", "officer", source=SOURCE)["id"] == run_id
    ledger.enqueue(source, "schedule", "worker")          # which takes nothing back
    ckan_model.Session.commit()
    assert carry_out(run_id)["state"] in ("done", "partly")
    assert (run_of(run_id)["trigger"], run_of(run_id)["requested_by"]) == ("manual", "officer")


@pytest.mark.parametrize("held", ["update gkopen.source set state = state", "select 1 from gkopen.source"])
def test_somebodys_open_transaction_keeps_its_own_source_waiting_and_no_other(town: City, held: str) -> None:
    other = "jianghai-czj-budget"
    runs = [queued(), ledger.enqueue(ledger.find_source(other), "manual", "test")]
    ckan_model.Session.commit()
    with ckan_model.ensure_engine().connect() as stranger:
        stranger.execute(sa.text(f"{held} where name = :name{' for update' if held.startswith('select') else ''}"),
                         {"name": SOURCE})
        leaves = threading.Timer(20, stranger.rollback)   # a worker that waits for it fails this test, and ends
        leaves.start()
        worker.work(once=True)
        assert [run_of(run_id)["state"] in ("done", "partly") for run_id in runs] == [False, True]
        model.execute("update gkopen.source set next_run_at = now() where name <> :name", name=SOURCE)
        ckan_model.Session.commit()
        worker.work(once=True)
        assert model.value("select count(*) from gkopen.run where trigger = 'schedule'") == 1
        leaves.cancel()
        stranger.rollback()
    worker.work(once=True)
    assert run_of(runs[0])["state"] in ("done", "partly"), "it goes on by itself"


def test_the_next_run_follows_the_cycle_or_backs_off() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for cycle, length in ledger.CYCLES.items():
        due = {ledger.next_run({"update_cycle": cycle}, 0, str(seed), now) - now for seed in range(50)}
        assert length * 0.95 <= min(due) and max(due) <= length and len(due) > 10, "with jitter"
        source = {"config": {"update_cycle": cycle}, "state": "active", "failures": 0, "last_state": "done",
                  "last_good_at": now, "created_at": now}
        assert health.of(source, now + max(due)) | {"age_seconds": 0} == {
            "state": "good", "age_seconds": 0, "cycle_seconds": length.total_seconds(), "lag_seconds": 0}
    for cycle in ("yearly", "irregular", "never", "monthly"):
        due = ledger.next_run({"update_cycle": cycle, "transport": "filedrop"}, 0, "x", now) - now
        assert timedelta(days=0.95) <= due <= timedelta(days=1), "a file comes when it comes"
    waits = [(ledger.next_run({"update_cycle": "daily"}, failures, "x", now) - now) / timedelta(minutes=1)
             for failures in range(1, 15)]
    assert [round(wait) for wait in waits[:4]] == [1, 2, 4, 8] or waits[:4] == sorted(waits[:4])
    assert all(1 <= wait / 2 ** n <= 1.06 for n, wait in enumerate(waits[:10]))
    assert max(waits) <= 24 * 60 * 1.05, "never longer than the cycle"


def test_a_worker_waits_longer_while_the_database_is_away() -> None:
    longest = [worker.pause(failures, 1.0) for failures in range(1, 10)]
    assert longest == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert [worker.pause(failures, 0.0) for failures in range(1, 8)] == [wait / 2 for wait in longest[:7]]


def test_a_worker_that_grew_too_large_asks_for_a_fresh_one(town: City, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 10 << 20 < worker.memory() < 4 << 30
    monkeypatch.setattr(worker, "MEMORY_LIMIT", 1)
    model.execute("update gkopen.source set state = 'paused'")
    run_id = queued()
    assert worker.work(once=True) is True
    assert run_of(run_id)["state"] in ("done", "partly"), "what it had begun is done"
