"""Standing approvals (常设批准): a person approves routine data of one dataset in advance, until a day.

A revision that a source or a business system sent is then published by itself, but only while nothing about it is new:
every condition of `objections` holds. Otherwise it waits for a person like any other, with the reason beside it. The
approval is locked while it is used, so that nothing is published under one that was revoked.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from ckan import model as ckan_model

from ckanext.gkopen import changesets, clock, logs, model
from ckanext.gkopen.blast import Limits
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.harvest.report import REPEATED
from ckanext.gkopen.review import audit, before, decide, roles, sealing
from ckanext.gkopen.review.refused import Refused

log = logging.getLogger(__name__)

LONGEST = timedelta(days=365)
DOORS = ("source:", "push:", "api:")
"""Only what machines send on a schedule; what an officer uploads by hand is looked at by hand."""
NOT_WHOLE_YET = ("queued", "running")
CONTRACT = {"column-added", "column-removed", "column-swapped", "column-renamed", "column-exchanged",
            "column-renamed-midway", "column-kind-changed", "column-unread", "column-emptied",
            "column-uniform"}
"""The findings of the schema contract."""
NOT_OF_TYPE = "column-retyped"
"""Said of a column whatever it was before: one that was so in the last publication has not changed."""

N_ = str
WORDS = {
    "not_allowed": N_("The person who gave the standing approval may no longer review this body."),
    "own": N_("The person who gave the standing approval submitted this revision."),
    "kind": N_("Only routine data is published under a standing approval, never metadata, withdrawals or roll-backs."),
    "declined": N_("What came this way last was returned, or an earlier revision was brought back since: a person"
                   " decides about what comes next."),
    "older": N_("It was public before and was replaced since: the source goes back to an older state."),
    "corrected": N_("It would change rows that came another way and that a person approved since."),
    "first": N_("There is no earlier publication to compare with."),
    "part_goes": N_("A part that is public would go."),
    "withdrawn": N_("Rows that were withdrawn would be public again."),
    "contract": N_("The columns or the rules are not those of the last publication."),
    "privacy": N_("The privacy gate found something."),
    "worse": N_("Findings are worse than in the last publication: {codes}."),
    "guard": N_("The harvest was held or is not whole."),
    "gone": N_("{rows} rows that are public would go."),
    "melted": N_("{rows} of the {public} rows that were public when a person last decided would be gone, a few at a"
                 " time."),
    "unsure": N_("{rows} rows that are public would go, and the source may still have them: rows of its listing were"
                 " set aside, or came on two pages."),
    "changed": N_("{rows} of {public} rows that are public would change, many more than last time."),
    "jump": N_("The total of {field} would move from {before} to {after}."),
    "error": N_("An error of the program; it is in the log."),
}


def grant(dataset: Mapping[str, Any], actor: str, ends_on: date, reason: str) -> str:
    """Approve routine data of a dataset in advance. Returns the approval's id. Raises Refused."""
    if not reason.strip():
        raise Refused("Say why this data is routine: the reason is kept with every publication under the approval.")
    if not clock.today() < ends_on <= clock.today() + LONGEST:
        raise Refused("A standing approval ends after today and within a year.")
    changesets.lock_dataset(str(dataset["id"]))
    if _last(str(dataset["id"])) is None:
        raise Refused("Nothing of this dataset was published yet: the first publication is approved by a person.")
    open_one = model.one("select * from gkopen.standing where dataset_id = :d and revoked_at is null for update",
                         d=dataset["id"])
    if open_one is not None and open_one["ends_on"] >= clock.today():
        raise Refused("There is a standing approval until {day} already: revoke it first.", day=open_one["ends_on"])
    if open_one is not None:                              # it ended by itself; its place is made free
        _close(str(open_one["id"]), changesets.SYSTEM)
    standing_id = str(uuid4())
    model.execute("insert into gkopen.standing (id, dataset_id, reason, granted_by, ends_on) values (:id, :d, :reason,"
                  " :by, :ends)", id=standing_id, d=dataset["id"], reason=reason.strip(), by=actor, ends=ends_on)
    audit.record(actor, "standing.granted", standing_id, dataset=str(dataset["id"]), ends_on=ends_on, reason=reason)
    return standing_id


def revoke(standing_id: str, actor: str) -> None:
    """End an approval now. Waits for a publication under it that is just being written. Raises Refused."""
    row = model.one("select * from gkopen.standing where id = :id for update", id=standing_id)
    if row is None or row["revoked_at"] is not None:
        raise Refused("This standing approval was revoked already.")
    _close(standing_id, actor)
    audit.record(actor, "standing.revoked", standing_id, dataset=str(row["dataset_id"]))


def _close(standing_id: str, actor: str) -> None:
    model.execute("update gkopen.standing set revoked_at = now(), revoked_by = :by where id = :id", id=standing_id,
                  by=actor)


def work_one() -> bool:
    """Judge one waiting revision under its dataset's approval, publish it or say why not. False: none is due."""
    found = model.one(
        "select r.id, s.id as standing from gkopen.revision r join gkopen.standing s on s.dataset_id = r.dataset_id"
        " and s.revoked_at is null and s.ends_on >= :today and s.granted_at < r.created_at"
        " join gkopen.submission b on b.id = r.submission_id and b.kind = 'data'"
        " left join gkopen.run h on h.id = b.run_id"
        " where r.state = 'held' and substring(b.source from '^[a-z]+:') = any(:doors)"
        " and coalesce(h.state, 'done') <> all(:open)"
        " and not exists (select 1 from gkopen.standing_use u where u.revision_id = r.id)"
        " order by r.created_at limit 1", today=clock.today(), doors=list(DOORS), open=list(NOT_WHOLE_YET))
    if found is None:
        ckan_model.Session.rollback()
        return False
    try:
        _use(str(found["id"]), str(found["standing"]))
    except decide.Stale:
        ckan_model.Session.commit()                       # compared again and held again: judged in its turn
    except decide.Refused:                                # somebody decided, or revoked, a moment earlier
        ckan_model.Session.rollback()
    except Exception as error:
        ckan_model.Session.rollback()
        log.error("revision %s could not be published under its standing approval: %s", found["id"],
                  type(error).__name__)
        _note(str(found["id"]), str(found["standing"]), [{"why": "error"}])
        ckan_model.Session.commit()
    return True


def _use(revision_id: str, standing_id: str) -> None:
    revision = decide.lock(revision_id)                   # the dataset first, as `grant` locks them
    standing = model.one("select * from gkopen.standing where id = :id and revoked_at is null and ends_on >= :today"
                         " for update", id=standing_id, today=clock.today())
    if standing is None:
        raise Refused("This standing approval was revoked already.")
    if revision["state"] != "held":
        raise Refused(decide.NOT_WAITING, state=revision["state"])
    why = objections(revision, standing)
    if not why:
        actor = f"standing:{standing['granted_by']}"
        decide.approve(revision_id, revision["digest"], actor)        # first: a stale one was not published under it
        audit.record(actor, "standing.used", revision_id, standing=standing_id, granted_by=standing["granted_by"],
                     ends_on=standing["ends_on"], digest=revision["digest"])
        logs.event("standing.used", revision=revision_id, standing=standing_id)
    _note(revision_id, standing_id, why)
    ckan_model.Session.commit()


def _note(revision_id: str, standing_id: str, why: list[dict[str, Any]]) -> None:
    model.execute("insert into gkopen.standing_use (revision_id, standing_id, published, reasons) values (:r, :s, :ok,"
                  " cast(:why as jsonb)) on conflict (revision_id) do nothing", r=revision_id, s=standing_id,
                  ok=not why, why=model.dump(why))


def objections(revision: Mapping[str, Any], standing: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Why a revision is not routine: `why`, a key of WORDS, with the values that fill it. Empty: it may be published.

    `revision` as `decide.lock` gives it.
    """
    dataset, granter = revision["dataset"], standing["granted_by"]
    changes = decide.parts_of(str(revision["id"]))
    found: list[dict[str, Any]] = []
    if not roles.may_review(granter, dataset["body_id"]):
        found.append({"why": "not_allowed"})
    if granter in decide.proposers_of([revision])[str(revision["id"])]:
        found.append({"why": "own"})
    if revision["kind"] != "publish" or any(change["part"] == changesets.METADATA for change in changes):
        found.append({"why": "kind"})
    if any(change["new_sha256"] is None for change in changes):
        found.append({"why": "part_goes"})
    comes_back = sealing.brings_back(get_domain(dataset["domain"]), dataset["id"], changes)
    if comes_back:
        found.append({"why": "withdrawn"})
    declined = before.declined(revision)
    if declined:
        found.append({"why": "declined"})
    if before.corrected(dataset["domain"], revision, changes):
        found.append({"why": "corrected"})
    elif not (comes_back or declined) and (was := before.older(revision, changes)) and not was["accepted"]:
        found.append({"why": "older"})
    last = _last(str(dataset["id"]))
    if last is None or dataset["state"] != "published":
        return [*found, {"why": "first"}]
    now, usual = _findings(revision["id"]), _findings(last["id"])
    same_columns = set(revision["header"] or ()) == set(dataset["header"] or ())
    if not same_columns or revision["schema_version"] != last["schema_version"] or any(
            code in CONTRACT for code, _ in now) or _not_of_type(revision["id"]) - _not_of_type(last["id"]):
        found.append({"why": "contract"})
    if any(code.startswith(("personal-", "privacy-")) for code, _ in now):
        found.append({"why": "privacy"})
    worse = sorted({code for (code, severity), number in now.items()
                    if number > usual.get((code, severity), 0) or code == "findings-more"})
    if worse:
        found.append({"why": "worse", "codes": ", ".join(worse)})
    return found + _guard(revision, changes, decide.parts_of(str(last["id"])))


def _last(dataset_id: str) -> dict[str, Any] | None:
    """The last published revision that came from a file."""
    return model.one(
        "select r.* from gkopen.publication u join gkopen.revision r on r.id = u.revision_id"
        " where u.dataset_id = :d and r.kind = 'publish' and r.rows_in > 0 order by u.seq desc limit 1", d=dataset_id)


def _findings(revision_id: Any) -> dict[tuple[str, str], int]:
    """(code, severity) → number; what was only noted (info) is left out."""
    return {(row["code"], row["severity"]): row["n"] for row in model.every(
        "select code, severity, count(*) as n from gkopen.finding where revision_id = :id and severity <> 'info'"
        " group by code, severity", id=revision_id)}


def _not_of_type(revision_id: Any) -> set[str]:
    """The fields whose column does not hold what is of their type."""
    return {row["field"] for row in model.every("select distinct field from gkopen.finding where revision_id = :id"
                                                " and code = :code", id=revision_id, code=NOT_OF_TYPE)}


def _grown(dataset_id: Any) -> int:
    """By how many rows the dataset grew, or shrank, by what was published under standing approvals since a person last
    decided about it: each night the guard compares with the night before alone."""
    return model.value(
        "select coalesce(sum(p.added - p.removed), 0) from gkopen.publication u"
        " join gkopen.revision_part p on p.revision_id = u.revision_id and p.part <> :metadata"
        " where u.dataset_id = :d and u.seq > (select max(b.seq) from gkopen.publication b join gkopen.revision r"
        " on r.id = b.revision_id where b.dataset_id = :d and not starts_with(r.decided_by, 'standing:'))",
        d=dataset_id, metadata=changesets.METADATA)


def _guard(revision: Mapping[str, Any], changes: list[dict[str, Any]],
           published: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blast radius, also of pushes, which have no run: what goes, what changes, and totals that jump. A column that
    is masked or garbled overnight changes each row, and is no finding. `published`: the changes published last: where
    most rows change each time, that is routine."""
    found: list[dict[str, Any]] = []
    limits = Limits.configured()
    run = model.one("select h.state, h.counts from gkopen.submission b join gkopen.run h on h.id = b.run_id"
                    " where b.id = :id", id=revision["submission_id"])
    if run is not None and run["state"] not in ("done", "partly"):
        found.append({"why": "guard"})
    known = model.value("select coalesce(sum(rows), 0) from gkopen.public_part where dataset_id = :d",
                        d=revision["dataset_id"])
    gone = sum(change["removed"] for change in changes)
    if gone > limits.gone_rows and gone * 100 > limits.gone_percent * known:
        found.append({"why": "gone", "rows": gone})
    elif gone and run is not None and (revision["rows_quarantined"] or REPEATED in run["counts"].get("findings", {})):
        found.append({"why": "unsure", "rows": gone})
    elif gone:
        then = int(known) - _grown(revision["dataset_id"])
        lost = then - int(known) + gone - sum(change["added"] for change in changes)
        if lost > limits.gone_rows and lost * 100 > limits.gone_percent * then:
            found.append({"why": "melted", "rows": lost, "public": then})
    other, usual = (sum(change["changed"] for change in each) for each in (changes, published))
    if other > max(limits.gone_rows, usual * 2) and other * 2 > known:
        found.append({"why": "changed", "rows": other, "public": int(known)})
    for name, total in sorted(revision["summary"].get("totals", {}).items()):
        before, after = Decimal(total["before"] or 0), Decimal(total["after"] or 0)
        step = abs(after - before)
        if before and step > limits.jump_yuan and step > abs(before) * limits.jump_percent / 100:
            found.append({"why": "jump", "field": name, "before": str(before), "after": str(after)})
    return found
