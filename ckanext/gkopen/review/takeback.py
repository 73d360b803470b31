"""Published things taken back: withdrawn at once with a public reason, or rolled back as a revision like any other."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ckan import model as ckan_model
from sqlalchemy.exc import SQLAlchemyError

from ckanext.gkopen import changesets, model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish.publication import Approved
from ckanext.gkopen.review import sealing
from ckanext.gkopen.review.comparing import change_of, submission_of
from ckanext.gkopen.review.decide import carry_out, lock, parts_of
from ckanext.gkopen.review.refused import Refused

log = logging.getLogger(__name__)


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


def propose(dataset_id: str, kind: str, wanted: Mapping[str, str | None], actor: str, reason: str) -> str:
    """Hold a change-set that brings parts to contents stored before (roll-back) or to nothing. Returns its revision."""
    dataset = changesets.lock_dataset(dataset_id)
    public = changesets.public_parts(dataset_id)
    changes = [change_of(dataset, part, public.get(part), new) for part, new in wanted.items()
               if public.get(part) != new]
    if not changes:
        raise Refused("Nothing would change: this is what is public now.")
    submission_id = submission_of(dataset_id, kind, actor)
    return changesets.hold_changes(get_domain(dataset["domain"]), dataset, submission_id, changes, actor, kind=kind,
                                 reason=reason)


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
    domain, submission_id = get_domain(dataset["domain"]), submission_of(dataset_id, "withdraw", actor)
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
        return change_of(dataset, part, sha256, None)
    except SQLAlchemyError:
        raise
    except Exception:
        log.exception("%s of %s is withdrawn unread", part, dataset["name"])
    if part == changesets.METADATA:
        return changesets.Change(part, sha256, None, None, changed=1)
    rows = model.value("select rows from gkopen.public_part where dataset_id = :d and part = :part", d=dataset["id"],
                       part=part)
    return changesets.Change(part, sha256, None, 0, removed=rows or 0)
