"""`ckan gkopen harvest` ends with the report, whoever carried the run out."""

from __future__ import annotations

import gc
import threading
from dataclasses import replace
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.cli.cli import ckan
from ckan.tests.helpers import CKANCliRunner

from ckanext.gkopen import model
from ckanext.gkopen.cli import operate, sources
from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvest import run as harvest_run
from tests.harvest.city import SOURCE, City


def test_a_worker_that_is_at_the_source_does_the_run_and_the_command_reports_it(
        town: City, cli: CKANCliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_source, worked = ledger.lock_source, []

    def while_a_worker_works(source_id: Any) -> None:
        run_id = ledger.enqueue(ledger.find_source(SOURCE), "schedule", "worker")
        ckan_model.Session.commit()
        worked.append(run_id)
        monkeypatch.setattr(ledger, "lock_source", lock_source)
        taken = ledger.claim(run_id)
        assert taken is not None
        work = threading.Thread(target=worker, args=(taken,))
        monkeypatch.setattr(sources, "_awaited", lambda run_id: (work.start(), work.join(), awaited(run_id))[-1])

    awaited = sources._awaited
    monkeypatch.setattr(ledger, "lock_source", while_a_worker_works)
    answer = cli.invoke(ckan, ["gkopen", "harvest", SOURCE])
    assert answer.exit_code == 1, answer.output        # a revision waits for review
    assert f"run {worked[0]}" in answer.output and "quarantined + " in answer.output and "held" in answer.output


def worker(claim: ledger.Claim) -> None:
    try:
        harvest_run.carry_out(claim, lambda *_: None)
    finally:
        claim.release()
        ckan_model.Session.remove()


def test_no_worker_takes_the_run_that_a_command_has_queued(
        town: City, cli: CKANCliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment may lack the secret that the shell has."""
    take, others = ledger.take, []

    def after_a_worker_looked(run: Any, lock: Any) -> Any:
        monkeypatch.setattr(ledger, "take", take)
        others.append(ledger.claim())
        return take(run, lock)

    monkeypatch.setattr(ledger, "take", after_a_worker_looked)
    answer = cli.invoke(ckan, ["gkopen", "harvest", SOURCE])
    assert others == [None] and "good" in answer.output, answer.output


def test_a_trial_names_no_revision(town: City, cli: CKANCliRunner) -> None:
    """It was rolled back: whoever looks for it finds nothing."""
    answer = cli.invoke(ckan, ["gkopen", "harvest", SOURCE, "--dry-run"])
    assert "jianghai-cgj: would be held\n" in answer.output and "revision" not in answer.output, answer.output


def test_pythons_collector_leaves_out_what_a_worker_has_loaded(cli: CKANCliRunner,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a million objects are looked through several times in a run of thousands of tables otherwise."""
    found = []
    monkeypatch.setattr(operate.worker, "work", lambda *, once: found.append((len(gc.get_objects()),
                                                                              gc.get_freeze_count())))
    try:
        answer = cli.invoke(ckan, ["gkopen", "worker", "--once"])
    finally:
        gc.unfreeze()
    assert answer.exit_code == 0, answer.output
    [(looked_at, left_out)] = found
    assert left_out > 100_000 and looked_at < left_out // 10


def test_what_the_program_did_not_foresee_is_no_work_that_waits(
        town: City, cli: CKANCliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python would end with 1, by which the command says that a revision waits."""
    def unforeseen(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(harvest_run, "carry_out", unforeseen)
    answer = cli.invoke(ckan, ["gkopen", "harvest", SOURCE])
    assert answer.exit_code == 2 and "ZeroDivisionError" in answer.output


@pytest.mark.parametrize("command", [
    ["run", "list", "--source", "nobody"], ["review", "approve", "--all", "nothing", "--as", "office"]])
def test_a_name_that_nothing_has_is_no_empty_list(town: City, cli: CKANCliRunner, command: list[str]) -> None:
    answer = cli.invoke(ckan, ["gkopen", *command])
    assert answer.exit_code == 2 and ("'nobody'" in answer.output or "no domain nothing" in answer.output)


def test_a_source_that_is_changed_is_due_at_once(town: City) -> None:
    """Else one that was read once a year is read daily only after that year."""
    model.execute("update gkopen.source set next_run_at = now() + interval '300 days' where name = :name", name=SOURCE)
    kept = harvest_run.source_of(ledger.find_source(SOURCE))
    ledger.save_source(kept, "admin", replace=True)
    due = "select next_run_at <= now() from gkopen.source where name = :name"
    assert not model.value(due, name=SOURCE), "it is as it was"
    ledger.save_source(replace(kept, update_cycle="daily"), "admin", replace=True)
    assert model.value(due, name=SOURCE)
