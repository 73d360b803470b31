"""`ckan gkopen harvest` ends with the report, whoever carried the run out."""

from __future__ import annotations

import pytest
from ckan.cli.cli import ckan
from ckan.tests.helpers import CKANCliRunner

from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvest import run as harvest_run
from tests.harvest.city import SOURCE, City


def test_a_worker_that_is_quicker_does_the_run_and_the_command_reports_it(
        town: City, cli: CKANCliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    claim, claimed = ledger.claim, []

    def by_a_worker(run_id: str | None = None) -> None:
        taken = claim(run_id)
        assert taken is not None
        claimed.append(run_id)
        try:
            harvest_run.carry_out(taken, lambda *_: None)
        finally:
            taken.release()

    monkeypatch.setattr(ledger, "claim", by_a_worker)
    answer = cli.invoke(ckan, ["gkopen", "harvest", SOURCE])
    assert answer.exit_code == 1, answer.output        # a revision waits for review
    assert f"run {claimed[0]}" in answer.output and "quarantined + " in answer.output and "held" in answer.output
