"""Decisions on held revisions: approve a digest, return with a reason, recall, withdraw, roll back, nil report."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import pyarrow as pa
from ckan import model as ckan_model
from sqlalchemy.exc import SQLAlchemyError

from ckanext.gkopen import blobs, changesets, model, parts, pipeline
from ckanext.gkopen.checks import privacy
from ckanext.gkopen.domains import Domain, get_domain
from ckanext.gkopen.publish import publication
from ckanext.gkopen.publish.publication import Approved
from ckanext.gkopen.push import tokens
from ckanext.gkopen.records import Unreadable
from ckanext.gkopen.review import audit, sealing

log = logging.getLogger(__name__)

N_ = str          # marks a text for translation where it is not passed to Refused at once
NOT_WAITING = N_("This revision is not waiting for a decision: it is {state}.")


_MONTH = r"\d{4}-(?:0[1-9]|1[0-2])"
_DAY = _MONTH + r"-(?:0[1-9]|[12]\d|3[01])"
_PART_FORMS = {
    "year": r"\d{4}", "month": _MONTH,
    "period": rf"{_DAY}/{_DAY}|{_MONTH}/{_MONTH}|{_DAY}|{_MONTH}|\d{{4}}-H[12]|\d{{4}}-Q[1-4]|\d{{4}}-W\d\d|\d{{4}}",
}


class Refused(Exception):
    """The decision cannot be taken. `message` is an English msgid with `{placeholders}`, `values` fill it."""

    def __init__(self, message: str, **values: Any):
        super().__init__(message.format(**values))
        self.message, self.values = message, values


class Stale(Refused):
    """What is public changed since the revision was compared; `revision_id` is the one compared again, or None."""

    def __init__(self, revision_id: str | None):
        if revision_id:
            super().__init__("What is public has changed since this revision was checked. It was compared again"
                             " and waits as revision {revision}.", revision=revision_id)
        else:
            super().__init__("What is public has changed since this revision was checked. Compared again, nothing is"
                             " left to publish.")
        self.revision_id = revision_id


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
    outcome, = approve_all([(revision_id, digest)], actor, reason)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def approve_all(chosen: Sequence[tuple[str, str]], actor: str, reason: str | None = None) -> list[int | Exception]:
    """Publish the change-sets that digests name (revision id, digest) in one transaction, which the caller commits.

    In their order: the dataset's new seq, or why this one was not published (as `approve` raises it). One that is
    refused stops none of the others. Of several revisions of one dataset each is compared with what the one before
    made public.
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
        outcomes |= _approve_round(round_, actor, reason)
        waiting = later
    return [outcomes[place] for place in range(len(chosen))]


def _approve_round(chosen: Sequence[tuple[int, dict[str, Any], str]], actor: str,
                   reason: str | None) -> dict[int, int | Exception]:
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
        if all(public.get(change["part"]) == change["base_sha256"] for change in changes) and not (
                changesets.shown_elsewhere(get_domain(revision["dataset"]["domain"]), revision,
                                           list(map(changesets.stored_change, changes)))):
            return None
        with ckan_model.Session.begin_nested():
            return Stale(_compare_again(revision, changes, public))
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


def _compare_again(revision: Mapping[str, Any], changes: list[dict[str, Any]], public: Mapping[str, str]) -> str | None:
    model.execute("update gkopen.revision set state = 'stale' where id = :id", id=revision["id"])
    audit.record(changesets.SYSTEM, "revision.stale", str(revision["id"]))
    submission = model.one("select * from gkopen.submission where id = :id", id=revision["submission_id"])
    if submission is not None and submission["kind"] == "data":
        return pipeline.recheck(str(submission["id"]), revision["submitted_by"]).revision_id
    again = [_change(revision["dataset"], change["part"], public.get(change["part"]), change["new_sha256"])
             for change in changes if public.get(change["part"]) != change["new_sha256"]]
    if not again:
        return None
    domain = get_domain(revision["dataset"]["domain"])
    if changesets.shown_elsewhere(domain, revision, again):
        raise Refused("Rows of this revision are public in another part by now: return it, and have it submitted anew.")
    return changesets.hold_changes(domain, revision["dataset"], _id(revision["submission_id"]), again,
                                 revision["submitted_by"], kind=revision["kind"], reason=revision["reason"])


def _change(dataset: Mapping[str, Any], part: str, base: str | None, new: str | None) -> changesets.Change:
    """The change of one part between two stored contents. Raises Refused for one that was withdrawn, or in which the
    privacy gate of today finds something: it was published under the rules of its time."""
    try:
        contents = [sealing.read(dataset["id"], sha256) if sha256 else None for sha256 in (base, new)]
    except blobs.Sealed as error:
        raise Refused("This content was withdrawn and is sealed: if it may be public after all, submit it anew."
                      ) from error
    if part == changesets.METADATA:
        return changesets.Change(part, base, new, None, changed=1)
    domain = get_domain(dataset["domain"])
    old, target = (parts.read_part(domain, data) if data is not None else None for data in contents)
    if target is not None:
        _scan(domain, target)
    return changesets.change_between(domain, part, (base, old), (new, target))


def _scan(domain: Domain, content: pa.Table) -> None:
    try:
        found = privacy.scan_content(domain, content)
    except Unreadable as error:
        raise Refused("The privacy scan of this content did not come to its end, so that it cannot be published again."
                      " Tell the administrator.") from error
    if found:
        raise Refused("By today's rules this content perhaps holds personal data, so that it cannot be published"
                      " again: {columns}. Submit the table anew without them.",
                      columns=", ".join(f"{title} ({rows})" for title, rows in found.items()))


def _id(uuid: Any) -> str | None:
    return str(uuid) if uuid is not None else None


def propose(dataset_id: str, kind: str, wanted: Mapping[str, str | None], actor: str, reason: str) -> str:
    """Hold a change-set that brings parts to contents stored before (roll-back) or to nothing. Returns its revision."""
    dataset = changesets.lock_dataset(dataset_id)
    public = changesets.public_parts(dataset_id)
    changes = [_change(dataset, part, public.get(part), new) for part, new in wanted.items() if public.get(part) != new]
    if not changes:
        raise Refused("Nothing would change: this is what is public now.")
    submission_id = _submission(dataset_id, kind, actor)
    return changesets.hold_changes(get_domain(dataset["domain"]), dataset, submission_id, changes, actor, kind=kind,
                                 reason=reason)


def rollback(dataset_id: str, seq: int, actor: str, reason: str) -> str:
    """Hold a revision that brings the dataset back to what it was at `seq`; it is reviewed like any other."""
    target: dict[str, str | None] = dict.fromkeys(changesets.public_parts(dataset_id))
    if not model.value("select 1 from gkopen.publication where dataset_id = :d and seq = :seq", d=dataset_id, seq=seq):
        raise Refused("This dataset has no publication number {seq}.", seq=seq)
    rows = model.every(
        "select p.part, p.new_sha256 from gkopen.publication u join gkopen.revision_part p on"
        " p.revision_id = u.revision_id where u.dataset_id = :d and u.seq <= :seq order by u.seq",
        d=dataset_id, seq=seq)
    target |= {row["part"]: row["new_sha256"] for row in rows}
    return propose(dataset_id, "rollback", target, actor, reason)


def withdraw(dataset_id: str, part: str | None, actor: str, reason: str) -> int:
    """Take a dataset, or one part of it, out of every exit at once. A withdrawal waits for nobody; it is recorded.

    The contents that go are sealed, and so are older ones in which their rows stood before.
    """
    if not reason.strip():
        raise Refused("The reason of a withdrawal is public: say why, in words that a citizen understands.")
    dataset = changesets.lock_dataset(dataset_id)
    public = changesets.public_parts(dataset_id)
    rows = public.keys() - {changesets.METADATA}
    if part is not None and part not in rows:
        raise Refused("{part} is not public. Public parts: {parts}.", part=part, parts=", ".join(sorted(rows)) or "-")
    if not public:
        raise Refused("Nothing of this dataset is public.")
    # Without its last rows a dataset is gone as a whole: its metadata must not stay behind as if it were public.
    gone = sorted(public) if part is None or rows == {part} else [part]
    changes = [_taken(dataset, name, public[name]) for name in gone]
    domain, submission_id = get_domain(dataset["domain"]), _submission(dataset_id, "withdraw", actor)
    revision_id = changesets.hold_changes(domain, dataset, submission_id, changes, changesets.SYSTEM, kind="withdraw",
                                          reason=reason)
    approved = Approved(lock(revision_id), parts_of(revision_id))
    try:
        carry_out([approved], actor, reason)
    except BaseException:
        ckan_model.Session.rollback()                     # so that no later commit carries half of it along
        raise
    sealing.seal(domain, dataset_id, gone, revision_id)
    return approved.seq


def _taken(dataset: Mapping[str, Any], part: str, sha256: str) -> changesets.Change:
    """A part goes. One that cannot be read, as its storage is down or has lost it, goes all the same."""
    try:
        return _change(dataset, part, sha256, None)
    except SQLAlchemyError:
        raise
    except Exception:
        log.exception("%s of %s is withdrawn unread", part, dataset["name"])
    if part == changesets.METADATA:
        return changesets.Change(part, sha256, None, None, changed=1)
    rows = model.value("select rows from gkopen.public_part where dataset_id = :d and part = :part", d=dataset["id"],
                       part=part)
    return changesets.Change(part, sha256, None, 0, removed=rows or 0)


def nil_report(domain_name: str, body: Mapping[str, Any], part: str, actor: str) -> str:
    """零报告: a body says that it has nothing to disclose for a part. Recorded, and shown as an answer."""
    domain = get_domain(domain_name)
    if not _is_part(domain, part):
        raise Refused("{part} is not a part of {domain}; a part looks like {example}.", part=part[:50],
                      domain=domain.title.zh, example=_part_example(domain))
    dataset = changesets.open_dataset(domain, body)
    if part in changesets.public_parts(str(dataset["id"])):
        raise Refused("{part} is public already: a nil report would contradict it.", part=part)
    key = f"{dataset['id']}/{part}"
    submission_id = model.value("select id from gkopen.submission where source = 'nil' and idempotency_key = :k", k=key)
    return str(submission_id) if submission_id else _submission(str(dataset["id"]), "nil", actor, "nil", key)


def _is_part(domain: Domain, part: str) -> bool:
    """Whether the domain can have a part of this name: its months, years, codes or periods."""
    if domain.part.kind == "whole":
        return part == "whole"
    if domain.part.kind in _PART_FORMS:
        return re.fullmatch(_PART_FORMS[domain.part.kind], part) is not None
    rest = part
    for number, name in enumerate(domain.part.fields):
        field = domain.field(name)
        codes = [re.escape(code.code) for code in field.codes.codes] if field.codes else []
        form = "|".join(codes) or _PART_FORMS.get(field.type, r"[^<>\s]{1,60}?")
        end = r"$" if number == len(domain.part.fields) - 1 else r"-"
        found = re.match(f"(?:{form}){end}", rest)
        if not found:
            return False
        rest = rest[found.end():]
    return True


def _part_example(domain: Domain) -> str:
    if domain.part.kind != "fields":
        return {"month": "2026-05", "year": "2026"}.get(domain.part.kind, "whole")
    examples = {"year": "2026", "period": "2026-05", "month": "2026-05"}
    return "-".join(field.codes.codes[0].code if field.codes else examples.get(field.type, field.example or "…")
                    for field in map(domain.field, domain.part.fields))


def _submission(dataset_id: str, kind: str, actor: str, source: str = "decision", key: str | None = None) -> str:
    submission_id = str(uuid4())
    model.execute("insert into gkopen.submission (id, dataset_id, kind, source, idempotency_key, submitted_by)"
                  " values (:id, :d, :kind, :source, :key, :by)", id=submission_id, d=dataset_id, kind=kind,
                  source=source, key=key or submission_id, by=actor)
    audit.record(actor, f"{kind}.submission", submission_id, dataset=dataset_id)
    return submission_id
