"""What a decision would change, and its submission: stored contents against what is public, by the rules of today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pyarrow as pa

from ckanext.gkopen import blobs, changesets, model, parts, pipeline
from ckanext.gkopen.checks import privacy
from ckanext.gkopen.domains import Domain, get_domain
from ckanext.gkopen.records import Unreadable
from ckanext.gkopen.review import audit, sealing
from ckanext.gkopen.review.refused import Refused


def compare_again(revision: Mapping[str, Any], changes: list[dict[str, Any]], public: Mapping[str, str]) -> str | None:
    """Mark a revision as stale and hold what is left of it. Returns the new revision, or None: nothing is. Raises
    Refused."""
    model.execute("update gkopen.revision set state = 'stale' where id = :id", id=revision["id"])
    audit.record(changesets.SYSTEM, "revision.stale", str(revision["id"]))
    submission = model.one("select * from gkopen.submission where id = :id", id=revision["submission_id"])
    if submission is not None and submission["kind"] == "data":
        return pipeline.recheck(str(submission["id"]), revision["submitted_by"]).revision_id
    again = [change_of(revision["dataset"], change["part"], public.get(change["part"]), change["new_sha256"])
             for change in changes if public.get(change["part"]) != change["new_sha256"]]
    if not again:
        return None
    domain = get_domain(revision["dataset"]["domain"])
    if changesets.METADATA not in public and not any(change.part == changesets.METADATA for change in again):
        raise Refused("This dataset was withdrawn, and its metadata with it: return this revision, and have its rows"
                      " submitted anew.")
    if changesets.shown_elsewhere(domain, revision, again):
        raise Refused("Rows of this revision are public in another part by now: return it, and have it submitted anew.")
    return changesets.hold_changes(domain, revision["dataset"], _id(revision["submission_id"]), again,
                                 revision["submitted_by"], kind=revision["kind"], reason=revision["reason"])


def change_of(dataset: Mapping[str, Any], part: str, base: str | None, new: str | None) -> changesets.Change:
    """The change of one part between two stored contents. Raises Refused for one that was withdrawn, or in which the
    privacy gate of today finds something: it was published under the rules of its time."""
    try:
        contents = [sealing.read(dataset["id"], [sha256])[0] if sha256 else None for sha256 in (base, new)]
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


def submission_of(dataset_id: str, kind: str, actor: str, source: str = "decision", key: str | None = None) -> str:
    """The submission of a decision, which has no file: every revision comes from one. Returns its id."""
    submission_id = str(uuid4())
    model.execute("insert into gkopen.submission (id, dataset_id, kind, source, idempotency_key, submitted_by)"
                  " values (:id, :d, :kind, :source, :key, :by)", id=submission_id, d=dataset_id, kind=kind,
                  source=source, key=key or submission_id, by=actor)
    audit.record(actor, f"{kind}.submission", submission_id, dataset=dataset_id)
    return submission_id
