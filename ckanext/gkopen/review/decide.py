"""Decisions on held revisions: approve a digest, return with a reason, recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ckan import model as ckan_model

from ckanext.gkopen import changesets, model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish import publication
from ckanext.gkopen.publish.publication import Approved
from ckanext.gkopen.push import tokens
from ckanext.gkopen.review import audit, sealing
from ckanext.gkopen.review.comparing import compare_again
from ckanext.gkopen.review.refused import NOT_WAITING, Refused, Stale


def lock(revision_id: str) -> dict[str, Any]:
    """The revision with its dataset, locked: dataset first, so that two decisions of one dataset take turns."""
    revision = _lock_all([revision_id]).get(revision_id)
    if revision is None:
        raise _unknown(revision_id)
    return revision


def _lock_all(revision_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Id → revision with its dataset, all locked in one order everywhere: datasets first, each kind by id."""
    datasets = {row["id"]: row for row in model.every(
        "select * from gkopen.dataset where id in (select dataset_id from gkopen.revision"
        " where id = any(cast(:ids as uuid[]))) order by id for update", ids=list(revision_ids))}
    return {str(row["id"]): row | {"dataset": datasets[row["dataset_id"]]} for row in model.every(
        "select * from gkopen.revision where id = any(cast(:ids as uuid[])) order by id for update",
        ids=list(revision_ids))}


def _unknown(revision_id: str) -> Refused:
    return Refused("There is no revision {revision}.", revision=revision_id)


def parts_of(revision_id: str) -> list[dict[str, Any]]:
    return _parts_of_all([revision_id]).get(revision_id, [])


def _parts_of_all(revision_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in model.every("select * from gkopen.revision_part where revision_id = any(cast(:ids as uuid[]))"
                           " order by revision_id, part", ids=list(revision_ids)):
        found.setdefault(str(row["revision_id"]), []).append(row)
    return found


def proposers_of(revisions: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Who may not approve each revision: who submitted it, or a part of it in a revision whose place it took undecided
    (rows that an edit of the metadata took along, metadata that later rows did), and who made a token that did."""
    names = {str(revision["id"]): {revision["submitted_by"]} for revision in revisions}
    for row in model.every(
            "select mine.id, r.submitted_by from gkopen.revision mine"
            " join gkopen.revision r on r.dataset_id = mine.dataset_id and r.decided_at is null"
            " join gkopen.submission s on s.id = r.submission_id"
            # Pair by pair: the planner would compare the parts of all revisions with each other.
            " cross join lateral (select 1 from gkopen.revision_part own join gkopen.revision_part p"
            "  on p.part = own.part and p.new_sha256 = own.new_sha256 where own.revision_id = mine.id"
            "  and p.revision_id = r.id and (s.kind = 'metadata') = (p.part = :metadata) limit 1) as same"
            " where mine.id = any(cast(:ids as uuid[]))", ids=list(names), metadata=changesets.METADATA):
        names[str(row["id"])].add(row["submitted_by"])
    makers = {name: tokens.creator(name) for name in set().union(*names.values())}
    return {revision: own | {maker for name in own if (maker := makers[name])} for revision, own in names.items()}


def approve(revision_id: str, digest: str, actor: str, reason: str | None = None) -> int:
    """Publish exactly the change-set that the digest names. Returns the dataset's new seq.

    Raises Refused (not held, other digest, own submission) and Stale; a stale revision is compared again and the new
    one held, in the same transaction, which the caller commits.
    """
    outcome, = approve_all([(revision_id, digest)], actor, reason, alone=True)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def approve_all(chosen: Sequence[tuple[str, str]], actor: str, reason: str | None = None, *,
                alone: bool = False) -> list[int | Exception]:
    """Publish the change-sets that digests name (revision id, digest) in one transaction, which the caller commits.

    In their order: the dataset's new seq, or why this one was not published (as `approve` raises it). One that is
    refused stops none of the others. Of several revisions of one dataset each is compared with what the one before
    made public. Unless it is decided on `alone`, one that brings withdrawn rows back is refused, and one that the
    blast-radius guard held: nobody does that in passing.
    """
    outcomes: dict[int, int | Exception] = {}
    waiting = list(enumerate(chosen))
    while waiting:
        later, datasets, round_ = [], set(), []
        held = _lock_all([revision_id for _, (revision_id, _) in waiting])
        for place, (revision_id, digest) in waiting:
            revision = held.get(revision_id)
            if revision is None:
                outcomes[place] = _unknown(revision_id)
            elif revision["dataset_id"] in datasets:
                later.append((place, (revision_id, digest)))
            else:
                datasets.add(revision["dataset_id"])
                round_.append((place, revision, digest))
        outcomes |= _approve_round(round_, actor, reason, alone)
        waiting = later
    return [outcomes[place] for place in range(len(chosen))]


def _approve_round(chosen: Sequence[tuple[int, dict[str, Any], str]], actor: str,
                   reason: str | None, alone: bool) -> dict[int, int | Exception]:
    """Place → outcome, of locked revisions (place, revision, digest) of different datasets."""
    outcomes: dict[int, int | Exception] = {}
    changes = _parts_of_all([str(revision["id"]) for _, revision, _ in chosen])
    public = changesets.public_parts_of([str(revision["dataset_id"]) for _, revision, _ in chosen])
    proposers = proposers_of([revision for _, revision, _ in chosen])
    good: dict[int, Approved] = {}
    for place, revision, digest in chosen:
        own = changes.get(str(revision["id"]), [])
        shown = public.get(str(revision["dataset_id"]), {})
        if (refused := _refusal(revision, digest, actor, proposers[str(revision["id"])])) is not None:
            outcomes[place] = refused
        elif (stale := _stale(revision, own, shown)) is not None:
            outcomes[place] = stale
        elif not alone and revision["summary"].get("alarms"):
            outcomes[place] = Refused("Its harvest was held, as the change is unusual: open it, and decide on it"
                                      " alone.")
        elif not alone and revision["dataset"]["seq"] and sealing.brings_back(
                get_domain(revision["dataset"]["domain"]), revision["dataset_id"], own):
            outcomes[place] = Refused("It would make rows public again that were withdrawn: open it, and decide on it"
                                      " alone.")
        else:
            good[place] = Approved(revision, own)
    return outcomes | _published(good, actor, reason)


def _refusal(revision: Mapping[str, Any], digest: str, actor: str, proposers: set[str]) -> Refused | None:
    if revision["state"] != "held":
        return Refused(NOT_WAITING, state=revision["state"])
    if digest != revision["digest"]:
        return Refused("The digest is not the one of this revision: open it again and look at what it would change.")
    if actor in proposers:
        return Refused("Nobody approves an own submission: ask another reviewer of the body or the disclosure office.")
    return None


def _stale(revision: Mapping[str, Any], changes: list[dict[str, Any]], public: Mapping[str, str]) -> Exception | None:
    """Stale, and compared again, where something else is public than what a revision was compared with."""
    try:
        shown = public.get(changesets.METADATA)
        rows = [change for change in changes if change["part"] != changesets.METADATA]
        proposed = [change for change in changes if change["part"] == changesets.METADATA]
        if shown is None and not rows:
            # Where the dataset was withdrawn, it would take the place of the public reason.
            return Refused("No rows of this dataset are public, so that its metadata alone cannot be: return it. The"
                           " next rows that are submitted propose metadata, which can be edited then.")
        # Metadata that another revision made public already, word for word, need no second look at the rows: each
        # first revision of a dataset proposes the same.
        same = rows and all(change["new_sha256"] == shown for change in proposed)
        as_compared = all(public.get(change["part"]) == change["base_sha256"] for change in (rows if same else changes))
        described = shown is not None or proposed         # rows of a dataset that was withdrawn have none beside them
        if as_compared and described and not changesets.shown_elsewhere(
                get_domain(revision["dataset"]["domain"]), revision, list(map(changesets.stored_change, changes))):
            return None
        with ckan_model.Session.begin_nested():
            return Stale(compare_again(revision, changes, public))
    except Exception as error:
        return error


def _published(good: Mapping[int, Approved], actor: str, reason: str | None) -> dict[int, int | Exception]:
    """All of them together; where that fails each alone, so that one that cannot be published stops none."""
    if not good:
        return {}
    try:
        with ckan_model.Session.begin_nested():
            carry_out(list(good.values()), actor, reason)
        return {place: one.seq for place, one in good.items()}
    except Exception as error:
        ckan_model.Session.expire_all()
        if len(good) == 1:
            return dict.fromkeys(good, error)
    return {place: outcome for place, one in good.items()
            for outcome in _published({place: one}, actor, reason).values()}


def carry_out(approved: Sequence[Approved], actor: str, reason: str | None) -> None:
    """Decide and publish revisions of different datasets."""
    reasons = {row["id"]: row["reason"] for row in model.every(
        "update gkopen.revision set state = 'approved', decided_by = :by, decided_at = now(),"
        " reason = coalesce(:reason, reason) where id = any(cast(:ids as uuid[])) returning id, reason",
        by=actor, reason=reason, ids=[str(one.revision["id"]) for one in approved])}
    decided = [Approved({**one.revision, "reason": reasons[one.revision["id"]]}, one.changes) for one in approved]
    shown = publication.publish(decided)
    # Last, since the chain has one writer at a time and everybody waits for it.
    audit.record_all(entry for one in decided for entry in (
        audit.Entry(actor, f"{one.revision['kind']}.approved", str(one.revision["id"]),
                    {"digest": one.revision["digest"], "reason": reason}),
        audit.Entry(actor, "published" if one.dataset_id in shown else "withdrawn", one.dataset_id,
                    {"seq": one.seq, "revision": str(one.revision["id"])})))


def send_back(revision_id: str, actor: str, reason: str) -> None:
    """Return a held revision to the officer, with a reason."""
    revision = lock(revision_id)
    if revision["state"] != "held":
        raise Refused(NOT_WAITING, state=revision["state"])
    if not reason.strip():
        raise Refused("Say why the revision goes back, so that the officer knows what to mend.")
    if actor == revision["submitted_by"]:
        raise Refused("This is your own submission: recall it instead of returning it.")
    _decide(revision_id, "returned", actor, reason)


def recall(revision_id: str, actor: str) -> None:
    """The officer takes an own submission back before anybody decided."""
    revision = lock(revision_id)
    if revision["state"] != "held":
        raise Refused(NOT_WAITING, state=revision["state"])
    if actor != revision["submitted_by"]:
        raise Refused("Only the person who submitted it can recall it.")
    _decide(revision_id, "recalled", actor, None)


def _decide(revision_id: str, state: str, actor: str, reason: str | None) -> None:
    model.execute("update gkopen.revision set state = :state, decided_by = :by, decided_at = now(), reason = :reason"
                  " where id = :id", state=state, by=actor, reason=reason, id=revision_id)
    audit.record(actor, f"revision.{state}", revision_id, reason=reason)
