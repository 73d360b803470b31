"""What a person decides on a run that the blast-radius guard held, or that stopped at changed columns."""

from __future__ import annotations

from typing import Any

from ckanext.gkopen import changesets, intake, model
from ckanext.gkopen.harvest import contract
from ckanext.gkopen.review import audit, decide

N_ = str          # marks a text for translation where it is not passed to Refused at once
DECIDED = N_("This run was decided already: {decision} by {by}.")


def release(run_id: str, by: str) -> list[str]:
    """Let what is frozen through to review, removals included. Returns the revisions. The caller commits."""
    run = _undecided(run_id, "held")
    released = [str(row["id"]) for row in _frozen(run)]
    if not released:
        raise decide.Refused("There is nothing to let through: the source gave no rows, or a later run took the place"
                             " of this one. Rows that are to go are taken out by a withdrawal.")
    for row in _frozen(run):
        # The same change-set may wait already, of an officer: it waits once.
        model.execute("update gkopen.revision set state = 'superseded', superseded_by = :id where dataset_id = :d"
                      " and digest = :digest and state = 'held'", id=row["id"], d=row["dataset_id"],
                      digest=row["digest"])
        model.execute("update gkopen.revision set state = 'held', summary = summary || jsonb_build_object("
                      "'released_at', now()) where id = :id", id=row["id"])
        model.execute("update gkopen.submission set options = options || '{\"released\": true}' where id = :id",
                      id=row["submission_id"])
        touched = {part["part"] for part in decide.parts_of(str(row["id"]))}
        intake.supersede([intake.Replaced(str(row["dataset_id"]), str(row["submission_id"]), str(row["id"]), touched,
                                          row["scope"])])
        audit.record(by, "revision.released", str(row["id"]), run=run_id)
    _close(run_id, "released", by)
    return released


def discard(run_id: str, by: str) -> None:
    """Nothing of what is frozen goes on; what is public stays. The caller commits."""
    run = _undecided(run_id, "held")
    for row in _frozen(run):
        model.execute("update gkopen.revision set state = 'discarded', decided_by = :by, decided_at = now()"
                      " where id = :id", by=by, id=row["id"])
        audit.record(by, "revision.discarded", str(row["id"]), run=run_id)
    _close(run_id, "discarded", by)


def accept(run_id: str, by: str) -> dict[str, str]:
    """Take the columns that stopped a run as the new contract of its source. Returns what the mapping has got."""
    run = _undecided(run_id, "stopped")
    if model.value("select 1 from gkopen.source s where s.id = :source and (s.read_anew_since > :started or exists"
                   " (select 1 from gkopen.run n where n.source_id = s.id and n.epoch > :epoch and not n.dry_run"
                   " and n.state in ('done', 'partly', 'held')))", source=run["source_id"], started=run["started_at"],
                   epoch=run["epoch"]):
        raise decide.Refused("Since this run the source was changed, or came with the columns that it had before:"
                             " there is nothing to accept any more. Harvest it again.")
    mapped: dict[str, str] = {}
    for wanted in contract.accept(run_id, by).values():
        mapped |= wanted
    model.execute("update gkopen.source set config = jsonb_set(config, '{mapping}', (config->'mapping')"
                  " || cast(:mapped as jsonb)) where id = :id", id=run["source_id"], mapped=model.dump(mapped))
    audit.record(by, "source.columns_accepted", str(run["source_id"]), run=run_id, mapping=mapped)
    _close(run_id, "accepted", by)
    return mapped


def _undecided(run_id: str, state: str) -> dict[str, Any]:
    run = model.one("select * from gkopen.run where id = :id for update", id=run_id)
    assert run is not None
    if run["state"] != state or run["dry_run"]:
        raise decide.Refused("There is nothing to decide: this run is {state}.", state=run["state"])
    if run["decision"]:
        raise decide.Refused(DECIDED, decision=run["decision"], by=run["decided_by"])
    return run


def _frozen(run: dict[str, Any]) -> list[dict[str, Any]]:
    """The frozen revisions of a run, their datasets locked first."""
    held = run["counts"].get("held", [])
    for dataset_id in sorted(entry["dataset"] for entry in held):
        changesets.lock_dataset(dataset_id)
    return model.every("select r.*, s.options->>'scope' as scope from gkopen.revision r join gkopen.submission s"
                       " on s.id = r.submission_id where cast(r.id as text) = any(:ids) and r.state = 'frozen'"
                       " order by r.created_at", ids=[entry["revision"] for entry in held if entry["revision"]])


def _close(run_id: str, decision: str, by: str) -> None:
    model.execute("update gkopen.run set decision = :decision, decided_by = :by, decided_at = now() where id = :id",
                  decision=decision, by=by, id=run_id)
