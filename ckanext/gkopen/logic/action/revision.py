"""Review: what waits, what it would change, and the decision."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import pyarrow as pa
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import blobs, bodies, changesets, clock, model, parts
from ckanext.gkopen.domains import Domain, get_domain
from ckanext.gkopen.logic import paging
from ckanext.gkopen.logic.action.common import (
    FINDING_COUNTS,
    WITHDRAWN,
    dataset_row,
    need,
    said,
    speaking,
    user_of,
    visible_names,
    visible_revision,
)
from ckanext.gkopen.logic.action.report import FINDINGS, findings_of_revision
from ckanext.gkopen.logic.action.standing import objection
from ckanext.gkopen.publish import follow
from ckanext.gkopen.review import before, decide, roles, sealing, takeback, waiting

UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOST_AT_ONCE = 100
"""Revisions that one call decides: they are one transaction, and a withdrawal waits for no more."""


@toolkit.side_effect_free
def gkopen_revision_list(context: Any, data_dict: Any) -> dict[str, Any]:
    """Revisions that the caller may see, newest first; `metadata`: whether it proposes some; `withdrawn`: whether all
    that it published was withdrawn later.

    :param state: :param organization: :param domain: :param dataset: :param cursor: :param limit:
    """
    toolkit.check_access("gkopen_desk", context, {})
    with speaking():
        titles = bodies.titles()
        body = bodies.find(str(data_dict["organization"]))["id"] if data_dict.get("organization") else None
        return paging.listed(
            data_dict,
            f"select r.*, d.name, d.domain, d.body_id, {FINDING_COUNTS}, {WITHDRAWN},"
            " exists (select 1 from gkopen.revision_part p where p.revision_id = r.id and p.part = :metadata)"
            " as metadata from gkopen.revision r join gkopen.dataset d on d.id = r.dataset_id"
            " where (cast(:state as text) is null or r.state = :state)"
            " and (cast(:domain as text) is null or d.domain = :domain)"
            " and (cast(:body as text) is null or d.body_id = :body)"
            " and (cast(:dataset as text) is null or d.name = :dataset)"
            " and (:all or d.body_id = any(:visible))"
            " and (cast(:after_created_at as timestamptz) is null"
            " or (r.created_at, r.id) < (cast(:after_created_at as timestamptz), cast(:after_id as uuid)))"
            " order by r.created_at desc, r.id desc limit :limit",
            {"created_at": paging.moment, "id": UUID},
            lambda row: _plain(row, titles) | {"metadata": row["metadata"]}, metadata=changesets.METADATA,
            state=data_dict.get("state"), domain=data_dict.get("domain"), body=body, dataset=data_dict.get("dataset"),
            **roles.seen_by(user_of(context)))


@toolkit.side_effect_free
def gkopen_revision_show(context: Any, data_dict: Any) -> dict[str, Any]:
    """One revision with its parts, findings (paged by `findings_cursor`), metadata and what the caller may do.

    `sealed` of a part: it was withdrawn, and its content is shown to nobody. `not_routine`: why a standing approval did
    not publish it, a sentence each. `before` of one that waits: decisions against what came the same way last, or
    against rows that it has, and what was submitted after it and is public: what (returned, rolled_back, withdrawn,
    newer, corrected, older), at, by, reason, and `rows` where it is not whole parts that are older. `run` of one that
    the blast-radius guard held (`alarms` of its summary say why): the newest run that did, and decision, by, at, once a
    person let it through or dropped it. `replaced_by` (id, state): what stands in its place by now, where a newer one
    took it while it waited.
    """
    row = visible_revision(context, data_dict)
    user = user_of(context)
    result = _plain(row, bodies.titles())
    sealed = _sealed(row)
    result["parts"] = [{key: part[key] for key in ("part", "base_sha256", "new_sha256", "rows", "added", "changed",
                                                   "removed")} | {"sealed": part["part"] in sealed}
                       for part in decide.parts_of(str(row["id"]))]
    found = findings_of_revision(str(row["id"]), {"cursor": data_dict.get("findings_cursor"),
                                                  "limit": data_dict.get("limit", FINDINGS)})
    result["finding_list"], result["findings_cursor"] = found["results"], found["cursor"]
    result["not_routine"] = [objection(reason, row["domain"]) for reason in model.value(
        "select reasons from gkopen.standing_use where revision_id = :id and not published", id=row["id"]) or ()]
    result["metadata_change"] = _metadata(row, result["parts"])
    submission = model.one("select filename, source, received_at, raw_sha256, kind from gkopen.submission"
                           " where id = :id", id=row["submission_id"])
    result["submission"] = _texts(submission) if submission else None
    held, own = row["state"] == "held", row["submitted_by"] == user
    changes = decide.parts_of(str(row["id"])) if held else []
    since = held and (before.newer(row) or before.corrected(row["domain"], row, changes))
    declined = before.declined(row) if held else None
    told = (declined, since, before.withdrawn(row["domain"], row, changes)
            or (None if since or declined else before.older(row, changes))) if held else ()
    result["before"] = [{"what": one["what"], "at": clock.told(one["decided_at"]), "by": one["decided_by"],
                         "reason": one["reason"], "rows": one.get("rows")} for one in told if one]
    later = waiting.in_place_of(row["id"])
    result["replaced_by"] = {"id": str(later["id"]), "state": later["state"]} if later else None
    result["run"] = _holding(row, visible_names(context)) if row["summary"].get("alarms") else None
    reviewer = roles.may_review(user, row["body_id"])
    others = user not in decide.proposers_of([row])[str(row["id"])]
    result["may"] = {"approve": held and reviewer and others, "return": held and reviewer and not own,
                     "recall": held and own}
    return result


@toolkit.side_effect_free
def gkopen_revision_diff(context: Any, data_dict: Any) -> dict[str, Any]:
    """Rows that a revision adds, changes and removes in one part, at most `limit` of each. :param id: :param part:"""
    row = visible_revision(context, data_dict)
    need(data_dict, "part")
    wanted = paging.limit(data_dict, 100)
    change = next((p for p in decide.parts_of(str(row["id"])) if p["part"] == data_dict["part"]), None)
    if change is None or change["part"] == changesets.METADATA:
        raise toolkit.ObjectNotFound(toolkit._(
            "This revision changes no rows of a part {part}: gkopen_revision_show names its parts.").format(
                part=data_dict["part"]))
    domain = get_domain(row["domain"])
    difference = _difference(domain, row, change)
    if difference is None:
        raise toolkit.ObjectNotFound(toolkit._("This content was withdrawn and is sealed."))

    def page(table: pa.Table) -> list[dict[str, Any]]:
        return [{k: None if v is None else str(v) for k, v in r.items()} for r in table.slice(0, wanted).to_pylist()]

    changed = []
    for old, new in zip(page(difference.before), page(difference.changed), strict=True):
        changed.append({"key": {k: new[k] for k in domain.key}, "before": old, "after": new,
                        "fields": [name for name in new if new[name] != old[name]]})
    return {"part": change["part"], "added": page(difference.added), "removed": page(difference.removed),
            "changed": changed, "counts": {"added": change["added"], "changed": change["changed"],
                                           "removed": change["removed"]}}


def differences(context: Any, data_dict: Any) -> Iterator[tuple[str, parts.Difference]]:
    """Part → all that a revision changes in it, for whoever may see it; parts that were withdrawn are left out."""
    row = visible_revision(context, data_dict)
    domain = get_domain(row["domain"])
    for change in decide.parts_of(str(row["id"])):
        if change["part"] != changesets.METADATA and (found := _difference(domain, row, change)) is not None:
            yield change["part"], found


def _difference(domain: Domain, row: dict[str, Any], change: dict[str, Any]) -> parts.Difference | None:
    contents = _contents(row, change)
    if contents is None:
        return None
    before, after = (parts.read_part(domain, data) if data is not None else None for data in contents)
    return parts.diff_parts(domain, before, after)


def gkopen_revision_approve(context: Any, data_dict: Any) -> dict[str, Any]:
    """Publish exactly what the digest names. :param id: :param digest: :param reason: optional public note

    A source may have sent the same again since it was looked at: then the revision that took its place is published,
    and `id` of the answer names it.
    """
    need(data_dict, "id", "digest")
    with speaking():
        row = _for_review(context, data_dict)
        revision_id, digest = str(row["id"]), str(data_dict["digest"])
        if (later := waiting.in_place_of(row["id"])) and later["state"] == "held" and digest == later["digest"]:
            revision_id = str(later["id"])
        seq = decide.approve(revision_id, digest, user_of(context), data_dict.get("reason") or None)
        ckan_model.Session.commit()
    return {"id": revision_id, "state": "published", "seq": seq, "dataset": row["name"]}


def gkopen_revisions_approve(context: Any, data_dict: Any) -> dict[str, Any]:
    """Publish several revisions, each exactly what its digest names. One that is refused stops none of the others.

    :param revisions: list of {"id", "digest"}, at most `MOST_AT_ONCE` :param reason: optional public note

    `results`, in their order: id, state, and seq and dataset of a published one; else `error` says why not, and
    `again` names the revision that waits in the place of a stale one. One that brings withdrawn rows back, or whose
    harvest was held, is approved by itself alone (gkopen_revision_approve).
    """
    need(data_dict, "revisions")
    chosen = data_dict["revisions"]
    if not isinstance(chosen, list) or len(chosen) > MOST_AT_ONCE or not all(
            isinstance(one, dict) and isinstance(one.get("id"), str) and isinstance(one.get("digest"), str)
            for one in chosen):
        raise toolkit.ValidationError({"revisions": [toolkit._(
            "revisions is a list of at most {most} objects, each with the id and the digest of a revision.").format(
                most=MOST_AT_ONCE)]})
    toolkit.check_access("gkopen_desk", context, {})
    user = user_of(context)
    with speaking():
        rows = _decidable([one["id"] for one in chosen], user)
        outcomes = iter(decide.approve_all([(one["id"], one["digest"]) for one in chosen if one["id"] in rows], user,
                                           data_dict.get("reason") or None))
        results = [_told(one["id"], rows.get(one["id"]), outcomes) for one in chosen]
        ckan_model.Session.commit()
    return {"results": results}


def _decidable(revision_ids: Sequence[str], user: str) -> dict[str, dict[str, Any]]:
    """Id → state and dataset of those that the person may decide about."""
    reviewed = roles.reviewed_bodies(user)
    return {row["id"]: row for row in model.every(
        "select r.id::text as id, r.state, d.name, d.body_id from gkopen.revision r join gkopen.dataset d"
        " on d.id = r.dataset_id where r.id = any(cast(:ids as uuid[]))",
        ids=[text for text in revision_ids if UUID_TEXT.fullmatch(text)])
        if reviewed is None or row["body_id"] in reviewed}


def _told(revision_id: str, row: dict[str, Any] | None, outcomes: Iterator[int | Exception]) -> dict[str, Any]:
    if row is None:
        return {"id": revision_id, "state": "unknown", "error": toolkit._(
            "There is no revision {id} that you may decide about.").format(id=revision_id)}
    told, outcome = {"id": revision_id, "dataset": row["name"]}, next(outcomes)
    if isinstance(outcome, int):
        return told | {"state": "published", "seq": outcome}
    if isinstance(outcome, decide.Stale):
        return told | {"state": "stale", "error": said(outcome), "again": outcome.revision_id}
    return told | {"state": row["state"], "error": said(outcome)}


def gkopen_revision_return(context: Any, data_dict: Any) -> dict[str, Any]:
    """Send a held revision back to its officer. :param id: :param reason:"""
    need(data_dict, "id", "reason")
    with speaking():
        row = _for_review(context, data_dict)
        decide.send_back(str(row["id"]), user_of(context), str(data_dict["reason"]))
        ckan_model.Session.commit()
    return {"id": str(row["id"]), "state": "returned"}


def gkopen_revision_recall(context: Any, data_dict: Any) -> dict[str, Any]:
    """Take an own submission back before it is decided. :param id:"""
    with speaking():
        row = visible_revision(context, data_dict)
        decide.recall(str(row["id"]), user_of(context))
        ckan_model.Session.commit()
    return {"id": str(row["id"]), "state": "recalled"}


def gkopen_dataset_withdraw(context: Any, data_dict: Any) -> dict[str, Any]:
    """Take a dataset or one part out of every exit, with a public reason. :param id: :param part: :param reason:"""
    need(data_dict, "id", "reason")
    with speaking():
        dataset = dataset_row(context, str(data_dict["id"]), "gkopen_review")
        seq = takeback.withdraw(str(dataset["id"]), data_dict.get("part") or None, user_of(context),
                              str(data_dict["reason"]))
        ckan_model.Session.commit()
    follow.follow(dataset)
    return {"dataset": dataset["name"], "seq": seq}


def gkopen_dataset_rollback(context: Any, data_dict: Any) -> dict[str, Any]:
    """Hold a revision that brings a dataset back to an earlier publication. :param id: :param seq: :param reason:"""
    need(data_dict, "id", "seq", "reason")
    with speaking():
        dataset = dataset_row(context, str(data_dict["id"]), "gkopen_submit")
        try:
            seq = int(data_dict["seq"])
        except (TypeError, ValueError) as error:
            raise toolkit.ValidationError({"seq": [toolkit._("seq is the number of a publication.")]}) from error
        revision_id = takeback.rollback(str(dataset["id"]), seq, user_of(context), str(data_dict["reason"]))
        ckan_model.Session.commit()
    return {"revision": revision_id, "dataset": dataset["name"]}


def _for_review(context: Any, data_dict: Any) -> dict[str, Any]:
    row = visible_revision(context, data_dict)
    toolkit.check_access("gkopen_review", context, {"body_id": row["body_id"]})
    return row


def _metadata(row: dict[str, Any], changes: list[dict[str, Any]]) -> dict[str, Any] | None:
    change = next((c for c in changes if c["part"] == changesets.METADATA), None)
    contents = _contents(row, change) if change is not None else None
    if contents is None:
        return None
    before, after = (json.loads(data) if data is not None else None for data in contents)
    return {"before": before, "after": after}


def _sealed(row: dict[str, Any]) -> set[str]:
    """The parts of a revision of which `_contents` shows nothing."""
    if row["state"] == "held":
        return set()
    return {part["part"] for part in model.every(
        "select part from gkopen.revision_part where revision_id = :id and (gkopen.is_sealed(:dataset, base_sha256)"
        " or gkopen.is_sealed(:dataset, new_sha256))", id=row["id"], dataset=row["dataset_id"])}


def _contents(row: dict[str, Any], change: dict[str, Any]) -> tuple[bytes | None, bytes | None] | None:
    """What a part had and shall have; None when it was withdrawn.

    Whoever decides about a held revision sees what it would publish, also where the same content was withdrawn once.
    A base that was withdrawn meanwhile is no longer public: there is nothing to compare with.
    """
    held = row["state"] == "held"
    base, new = change["base_sha256"], change["new_sha256"]
    try:
        after = None if not new else blobs.read(new, sealed=True) if held else sealing.read(row["dataset_id"], [new])[0]
        before = sealing.read(row["dataset_id"], [base])[0] if base else None
    except blobs.Sealed:
        return (None, after) if held else None
    return before, after


def _plain(row: dict[str, Any], titles: dict[str, str]) -> dict[str, Any]:
    domain = get_domain(row["domain"])
    title = titles.get(row["body_id"], "")
    result = _texts({key: row[key] for key in (
        "id", "kind", "state", "digest", "schema_version", "rows_in", "rows_ok", "rows_quarantined", "rows_duplicate",
        "summary", "findings", "submitted_by", "created_at", "decided_by", "decided_at", "reason",
        "withdrawn")})
    result["dataset"] = {"id": str(row["dataset_id"]), "name": row["name"], "domain": row["domain"],
                         "title": f"{title}{domain.title.zh}"}
    result["organization"] = {"id": row["body_id"], "title": title}
    result["findings"] = {"error": 0, "warning": 0, "info": 0} | result["findings"]
    return result


def _holding(row: dict[str, Any], names: set[str] | None) -> dict[str, Any] | None:
    """The run that holds a revision, or the one that it was compared again from; `names`: of the bodies whose runs may
    be seen."""
    run = model.one(
        "select h.id, h.decision, h.decided_by as by, h.decided_at as at from gkopen.submission b"
        " join gkopen.run mine on mine.id = b.run_id join gkopen.run h on h.source_id = mine.source_id"
        " join gkopen.source s on s.id = h.source_id"
        " where b.id = :submission and (:all or s.organization = any(:names))"
        " and exists (select 1 from gkopen.revision r where r.submission_id = b.id"
        "  and h.counts -> 'held' @> jsonb_build_array(jsonb_build_object('revision', r.id)))"
        " order by h.epoch desc limit 1", submission=row["submission_id"], all=names is None,
        names=sorted(names or ()))
    return _texts(run) if run else None


def _texts(row: dict[str, Any]) -> dict[str, Any]:
    """UUIDs and times as text, the rest as it is."""
    return {key: clock.told(value) if isinstance(value, datetime) else
            value if isinstance(value, (str, int, float, dict, list, bool, type(None))) else str(value)
            for key, value in row.items()}
