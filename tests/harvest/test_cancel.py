"""A run can be stopped, and a source rests and is tried again as it should."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import model
from ckanext.gkopen.harvest import ledger, run, worker
from tests.harvest.city import SOURCE, City, harvest, revisions, run_of
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


def test_the_next_run_follows_the_cycle_or_backs_off() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for cycle, length in ledger.CYCLES.items():
        due = {ledger.next_run({"update_cycle": cycle}, 0, str(seed), now) - now for seed in range(50)}
        assert length <= min(due) and max(due) <= length * 1.05 and len(due) > 10, "with jitter"
    for cycle in ("yearly", "irregular", "never", "monthly"):
        due = ledger.next_run({"update_cycle": cycle, "transport": "filedrop"}, 0, "x", now) - now
        assert timedelta(days=1) <= due <= timedelta(days=1.05), "a file comes when it comes"
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
