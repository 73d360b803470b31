"""How far a run has come: for whoever waits for it, and to tell a run that kills its workers from one whose workers are
killed.

A worker that dies leaves its run to the next one, which begins it again. A run at which it dies (out of memory, a crash
in a library) would be taken over without end. Workers that are killed from outside die at different places of a run;
a run that kills them does so at the same page or table each time. So a death counts only where the worker before it
died at the very same place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ckan import model as ckan_model

from ckanext.gkopen import model
from ckanext.gkopen.harvest.report import Report

DEATHS = 7
"""So many workers that died in a row at the same place of a run end it."""

_PLACE = "(progress - '{rows,held,total}'::text[])"
"""Of what is noted: stage, pages and tables. The others may differ when a run is begun again."""


def note(run: Mapping[str, Any], report: Report, stage: str, total: int | None = None) -> None:
    """In the caller's transaction. `stage`: fetch or check; `total`: the rows or tables that there are, where known."""
    held = sum(outcome["state"] in ("held", "frozen") for outcome in report.outcomes)
    told = {"stage": stage, "pages": report.pages, "rows": report.rows_fetched, "tables": len(report.outcomes),
            "held": held, "total": total}
    model.execute("update gkopen.run set progress = cast(:told as jsonb) where id = :id and epoch = :epoch",
                  told=model.dump(told), id=run["id"], epoch=run["epoch"])


def shown(run: Mapping[str, Any], *, whole: bool) -> dict[str, Any] | None:
    """What a person reads of a run that is under way; None of others, and before the first page came.

    `whole`: whether all of it is of the person's bodies; else rows and tables are left out, as in its report.
    """
    if run["state"] != "running" or not run["progress"]:
        return None
    return {name: value for name, value in run["progress"].items() if whole or name in ("stage", "pages")}


def survived(run: Mapping[str, Any]) -> None:
    """Its work was cut off (the database was away), and the worker lives: the run did not kill it."""
    ckan_model.Session.rollback()
    model.execute("update gkopen.run set deaths = 0, progress = '{}', died_at = null where id = :id and epoch = :epoch",
                  id=run["id"], epoch=run["epoch"])
    ckan_model.Session.commit()


def taken_over(run_id: Any, epoch: int) -> dict[str, Any] | None:
    """Mark a run as running under a new epoch and count the death of the worker before; None when it was closed
    meanwhile. The caller commits."""
    return model.one(
        "update gkopen.run set state = 'running', started_at = coalesce(started_at, now()), epoch = :epoch,"
        f" deaths = case when state = 'queued' then 0 when {_PLACE} = died_at then deaths + 1 else 1 end,"
        f" died_at = case when state = 'running' then {_PLACE} end, progress = '{{}}'"
        " where id = :id and state in ('queued', 'running') returning *", id=run_id, epoch=epoch)
