"""How a source is: good, late, failing, waiting for a person. One answer for pages, API and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ckanext.gkopen import model
from ckanext.gkopen.harvest.ledger import CYCLES

SLACK = timedelta(hours=1)
"""A run waits for a worker and takes its time: so much later than its cycle a source is not yet late."""
WAITING = ("held", "stopped")
"""Run states that a person has to decide on."""

DECIDED = ("released", "discarded", "accepted")
"""What a person decided on such a run."""

URGENT = ("failing", "waiting", "late", "discarded", "partly", "new", "paused", "good")
"""States of health, the most urgent first."""


def of(row: Mapping[str, Any], now: datetime | None = None) -> dict[str, Any]:
    """Health of a source. `row`: a row of gkopen.source with `last_state`, the state of its newest run that ended, or
    what a person decided on it.

    `state`: paused, new (never ran), failing, waiting (held or stopped: a person decides), late, discarded (what came
    last was held, and a person let nothing of it through), partly, good.
    `lag_seconds`: how long ago more than one cycle its last good run was; None for a source without a cycle.
    """
    now = now or datetime.now(UTC)
    cycle = CYCLES.get((row["config"] or {}).get("update_cycle") or "")
    good = row["last_good_at"]
    age = (now - (good or row["created_at"])).total_seconds()
    lag = max(0.0, age - cycle.total_seconds()) if cycle else None
    return {"state": _state(row, lag), "age_seconds": int(age) if good else None,
            "cycle_seconds": int(cycle.total_seconds()) if cycle else None,
            "lag_seconds": int(lag) if lag is not None else None}


def _state(row: Mapping[str, Any], lag: float | None) -> str:
    last = row["last_state"]
    if row["state"] == "paused":
        return "paused"
    if row["failures"]:
        return "failing"
    if last in WAITING:
        return "waiting"
    if lag is not None and lag > SLACK.total_seconds():
        return "late"
    if last is None:
        return "new"
    return last if last in ("discarded", "partly") else "good"


_LAST = ("(select r.id, coalesce(r.decision, r.state) as state, r.counts, r.started_at, r.finished_at, r.stages"
         " from gkopen.run r where r.source_id = s.id and r.finished_at is not null and not r.dry_run"
         " and r.state <> 'cancelled' order by r.epoch desc, r.finished_at desc limit 1)")
"""The newest run that ended, also where a clock was wrong; one that was held and decided on waits for nobody."""


def sources() -> list[dict[str, Any]]:
    """Every source with `body_id` and its newest run that ended: `last_run`, `last_state`, `last_counts`, its times."""
    return model.every(
        "select s.*, g.id as body_id, r.id as last_run, r.state as last_state, r.counts as last_counts,"
        " extract(epoch from r.finished_at - r.started_at) as last_seconds"
        f" from gkopen.source s left join public.group g on g.name = s.organization left join lateral {_LAST} r on true"
        " order by s.name")


def of_source(source: Mapping[str, Any]) -> dict[str, Any]:
    """Health of one row of gkopen.source."""
    last = model.value(f"select r.state from gkopen.source s left join lateral {_LAST} r on true where s.id = :id",
                       id=source["id"])
    return of({**source, "last_state": last})
