"""`ckan gkopen duty …` and `review standing …`: what an operator types, and what comes back on a pipe."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ckan.cli.cli import ckan

from ckanext.gkopen import clock
from tests.oversight.world import publish, row
from tests.people import make_cast


def run(cli: Any, *words: str, fails: int = 0) -> str:
    result = cli.invoke(ckan, ["gkopen", *words])
    assert result.exit_code == fails, result.output
    return result.output


def test_duties_and_standing_approvals(cli: Any) -> None:
    cast = make_cast()
    made = run(cli, "duty", "set", "procurement", "--org", cast.body, "--cycle", "monthly", "--since", "2026-05-01",
               "--until", "2026-05-31", "--as", cast.office)
    duty = made.split(":")[0].splitlines()[-1]
    assert "2026-05-01 to 2026-05-31" in run(cli, "duty", "list")
    assert "overdue" in run(cli, "duty", "ledger", "--state", "overdue")
    assert "due on 2099-01-31" in run(cli, "duty", "extend", duty, "2026-05", "--to", "2099-01-31", "--reason", "迁移")
    assert "overdue" not in run(cli, "duty", "ledger")
    assert "no period" in run(cli, "duty", "extend", duty, "2026-5", "--to", "2099-01-31", "--reason", "x", fails=2)
    assert "removed" in run(cli, "duty", "remove", duty)
    assert "no duty" in run(cli, "duty", "remove", duty, fails=2)
    publish(cast, row(1))
    until = (clock.today() + timedelta(days=30)).isoformat()
    name = f"{cast.body}-procurement"
    granted = run(cli, "review", "standing", "grant", name, "--until", until, "--reason", "例行", "--as", cast.reviewer)
    assert until in granted
    assert "active" in run(cli, "review", "standing", "list", "--dataset", name)
    approval = run(cli, "review", "standing", "list").split("\t")[0].splitlines()[-1]
    assert "revoked" in run(cli, "review", "standing", "revoke", approval)
