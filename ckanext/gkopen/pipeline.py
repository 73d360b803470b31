"""Submission → revision. Read this first.

Whatever door a table came in by (exchange platform, upload, API), it goes one way:

    raw bytes kept by sha256 → examine (read, type, check) → parts → compared with what is public → held

Nothing here writes CKAN or the DataStore: a revision lives in gkopen's own tables until a person approves it
(`review.decide`), and only then does the publisher (`publish.publication`) carry it out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from ckanext.gkopen import blobs, bodies, changesets, ids, model, reports, scratch
from ckanext.gkopen.domains import Domain, get_domain
from ckanext.gkopen.examine import rules_version
from ckanext.gkopen.intake import Outcome, Proposal, Table, take_in
from ckanext.gkopen.metadata.package import default_metadata, review_findings
from ckanext.gkopen.records import Examined, Finding, Options
from ckanext.gkopen.review import waiting as waits


class KeyReused(Exception):
    """The idempotency key was used before with other content, or to be read otherwise."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A table as it came in. `path` holds the raw bytes; `source` is `source:<name>`, `upload`, `api` or `cli`.

    `metadata`: what a source proposes for a dataset without any; `unknown_labels`: what it said and nothing knows.
    """

    domain: str
    body: Mapping[str, Any]
    path: Path
    filename: str
    source: str
    submitted_by: str
    idempotency_key: str | None = None
    options: Options = field(default_factory=Options)
    scope: changesets.Scope = "parts"
    run_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    unknown_labels: Sequence[Finding] = ()


def submit(submission: Submission) -> Outcome:
    """Take one table in, in one transaction. The same key with the same bytes answers with the first outcome; they are
    also to be read alike, but in a run that is resumed, whose source may have been changed meanwhile."""
    return submit_all([submission])[0]


def submit_all(submissions: Sequence[Submission]) -> list[Outcome]:
    """Take tables of one domain and of different bodies in, in one transaction; their outcomes in the same order."""
    domain = get_domain(submissions[0].domain)
    datasets = changesets.open_datasets(domain, [submission.body for submission in submissions])
    raw = blobs.put_many((submission.path.read_bytes(), "application/octet-stream") for submission in submissions)
    keys = [submission.idempotency_key or str(uuid4()) for submission in submissions]
    earlier = {(row["source"], row["idempotency_key"]): row for row in model.every(
        "select s.id, s.source, s.idempotency_key, s.dataset_id, s.raw_sha256, s.options from gkopen.submission s"
        " join unnest(cast(:sources as text[]), cast(:keys as text[])) mine (source, key) on s.source = mine.source"
        " and s.idempotency_key = mine.key", sources=[submission.source for submission in submissions], keys=keys)}
    outcomes: dict[int, Outcome] = {}
    fresh: dict[int, str] = {}
    for place, (submission, key) in enumerate(zip(submissions, keys, strict=True)):
        known = earlier.get((submission.source, key))
        if known is None:
            fresh[place] = str(uuid4())
        elif (known["raw_sha256"], known["dataset_id"]) != (raw[place], datasets[place]["id"]) or not (
                submission.run_id or known["options"].items() >= _said(submission).items()):
            raise KeyReused(key)
        else:
            outcomes[place] = _outcome_of(str(known["id"]), str(datasets[place]["id"]))
    model.insert_many(
        "submission", ("id", "dataset_id", "kind", "raw_sha256", "filename", "source", "run_id", "idempotency_key",
                       "options", "submitted_by"),
        [(submission_id, str(datasets[place]["id"]), "data", raw[place], submission.filename, submission.source,
          submission.run_id and str(submission.run_id), keys[place],
          model.dump(_remembered(domain, datasets[place], submission)), submission.submitted_by)
         for place, submission_id in fresh.items() for submission in (submissions[place],)])
    proposals = _proposals(domain, [datasets[place] for place in fresh], [submissions[place].body for place in fresh],
                           [submissions[place] for place in fresh])
    taken = take_in(domain, [
        Table(datasets[place], submission_id, submission.path, submission.filename,
              replace(submission.options, expected_header=_header(datasets[place])), submission.scope,
              submission.source, submission.submitted_by, proposal, submission.run_id)
        for (place, submission_id), proposal in zip(fresh.items(), proposals, strict=True)
        for submission in (submissions[place],)]) if fresh else []
    outcomes |= zip(fresh, taken, strict=True)
    return [outcomes[place] for place in range(len(submissions))]


def _remembered(domain: Domain, dataset: Mapping[str, Any], submission: Submission) -> dict[str, Any]:
    """What is kept with a submission: how it was read, and at which publication it came."""
    return {"read_by": read_by(domain, submission.options, submission.scope), "seq": dataset["seq"],
            **_said(submission)}


def _said(submission: Submission) -> dict[str, Any]:
    options = submission.options
    return {"scope": submission.scope, "mapping": dict(options.mapping), "units": dict(options.units),
            "constants": dict(options.constants), **({"aside": list(options.aside)} if options.aside else {})}


def _header(dataset: Mapping[str, Any]) -> tuple[str, ...] | None:
    return tuple(dataset["header"]) if dataset["header"] else None


def read_by(domain: Domain, options: Options, scope: changesets.Scope) -> str:
    """A digest of all that decides how a file is read. The same of the same bytes gives the same rows and findings."""
    named = (options.mapping, options.units, options.constants)
    said = [rules_version(domain), scope, *(sorted(each.items()) for each in named), *options.aside]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def recheck(submission_id: str, submitted_by: str) -> Outcome:
    """The same raw file against what is public now: how a stale revision is compared again and held again."""
    row = model.one("select s.*, d.domain, d.body_id from gkopen.submission s join gkopen.dataset d"
                    " on d.id = s.dataset_id where s.id = :id", id=submission_id)
    assert row is not None
    domain = get_domain(row["domain"])
    dataset = changesets.lock_dataset(str(row["dataset_id"]))
    stored = row["options"]
    options = Options(mapping=stored["mapping"], units=stored["units"], constants=stored["constants"],
                      aside=tuple(stored.get("aside", ())), expected_header=_header(dataset))
    [proposal] = _proposals(domain, [dataset], [bodies.find(row["body_id"])], [None])
    with scratch.folder() as folder:
        path = folder / "raw"
        path.write_bytes(blobs.read(row["raw_sha256"]))
        return take_in(domain, [Table(dataset, submission_id, path, row["filename"], options, stored["scope"],
                                      row["source"], submitted_by, proposal, freeze=False,
                                      grace=not stored.get("released"))])[0]


def _proposals(domain: Domain, datasets: Sequence[Mapping[str, Any]], of: Sequence[Mapping[str, Any]],
               submissions: Sequence[Submission | None]) -> list[Proposal | None]:
    """The metadata that datasets without public metadata (new, or withdrawn) are proposed to have; None for others.

    What an officer has written and nobody has decided yet stays, whatever the source sends meanwhile. `of`: the
    bodies.
    """
    names = [str(dataset["id"]) for dataset in datasets]
    public = {str(row["dataset_id"]) for row in model.every(
        "select dataset_id from gkopen.public_part where dataset_id = any(cast(:ids as uuid[])) and part = :part",
        ids=names, part=changesets.METADATA)}
    written = {str(row["dataset_id"]): row["new_sha256"] for row in model.every(
        "select distinct on (r.dataset_id) r.dataset_id, p.new_sha256 from gkopen.revision r"
        " join gkopen.submission s on s.id = r.submission_id"
        " join gkopen.revision_part p on p.revision_id = r.id and p.part = :part"
        " where r.dataset_id = any(cast(:ids as uuid[])) and r.decided_at is null and s.kind = 'metadata'"
        # Later rows took the edit along and its place: it counts until a revision with metadata is decided.
        " and not exists (select 1 from gkopen.revision later join gkopen.revision_part q on q.revision_id = later.id"
        "  and q.part = :part where later.dataset_id = r.dataset_id and later.decided_at is not null"
        "  and later.created_at > r.created_at)"
        " order by r.dataset_id, r.created_at desc", part=changesets.METADATA,
        ids=[name for name in names if name not in public])}
    proposals: list[Proposal | None] = []
    for name, body, submission in zip(names, of, submissions, strict=True):
        if name in public:
            proposals.append(None)
        elif name in written or submission is None or submission.metadata is None:
            said = (json.loads(blobs.read(written[name], sealed=True)) if name in written
                    else default_metadata(domain, body, None))
            proposals.append(Proposal(said, review_findings(said)))
        else:
            proposals.append(Proposal(submission.metadata, [*review_findings(submission.metadata),
                                                            *submission.unknown_labels]))
    return proposals


def submit_metadata(domain: Domain, body: Mapping[str, Any], fields: Mapping[str, Any],
                    submitted_by: str) -> str | None:
    """Hold other metadata of a dataset: `fields` over what waits or is public. Returns the revision's id.

    None where they say what waits or is public already.

    While a first revision waits, its rows are taken along into the new one, which takes its place. Raises LookupError
    for a dataset of which nothing was submitted yet.
    """
    dataset = changesets.open_dataset(domain, body)
    waiting = model.one(
        "select r.*, p.new_sha256 as metadata, s.source, s.run_id from gkopen.revision r"
        " join gkopen.submission s on s.id = r.submission_id"
        " join gkopen.revision_part p on p.revision_id = r.id and p.part = :part"
        # A roll-back says itself what it brings back, and why.
        " where r.dataset_id = :d and r.state = 'held' and r.kind <> 'rollback' order by r.created_at desc limit 1",
        part=changesets.METADATA, d=dataset["id"])
    public = changesets.public_parts(str(dataset["id"])).get(changesets.METADATA)
    known = waiting["metadata"] if waiting else public
    if known is None:
        raise LookupError(f"nothing of {dataset['name']} was submitted yet: submit its rows first")
    # What waits may say what was withdrawn once: it is reviewed anew.
    wanted = {name: value for name, value in (json.loads(blobs.read(known, sealed=True)) | dict(fields)).items()
              if value not in (None, "", [])}
    if hashlib.sha256(changesets.canonical_json(wanted)).hexdigest() == known:
        return None
    submission_id = str(uuid4())
    # Rows that are taken along are still those of their source, which may send others before anybody decides, and of
    # their run, which brought them all if they are returned.
    model.execute("insert into gkopen.submission (id, dataset_id, kind, source, run_id, idempotency_key, submitted_by)"
                  " values (:id, :d, 'metadata', :source, :run, :id, :by)", id=submission_id, d=dataset["id"],
                  source=waiting["source"] if waiting else "metadata", run=waiting["run_id"] if waiting else None,
                  by=submitted_by)
    change = changesets.compare(domain, changesets.METADATA, public, changesets.canonical_json(wanted))
    changes = [change] if change else []
    counts = header = None
    if waiting:
        changes += [changesets.stored_change(row) for row in model.every(
            "select * from gkopen.revision_part where revision_id = :id and part <> :part", id=waiting["id"],
            part=changesets.METADATA)]
        counts = {name: waiting[name] for name in ("rows_in", "rows_ok", "rows_quarantined", "rows_duplicate")}
        header = waiting["header"]
    revision_id = changesets.hold_changes(domain, dataset, submission_id, changes, submitted_by, kind="publish",
                                          counts=counts, header=header)
    if waiting:
        model.execute("update gkopen.revision set state = 'superseded', superseded_by = :new where id = :id",
                      new=revision_id, id=waiting["id"])
        model.execute("update gkopen.revision n set summary = jsonb_set(o.summary, '{metadata}', 'true')"
                      " from gkopen.revision o where n.id = :new and o.id = :old", new=revision_id, old=waiting["id"])
        waits.carry([revision_id])
        model.execute("update gkopen.finding set revision_id = :new where revision_id = :old"
                      " and code not like 'meta\\_%'", new=revision_id, old=waiting["id"])
        model.execute("update gkopen.quarantine set revision_id = :new where revision_id = :old", new=revision_id,
                      old=waiting["id"])
    reports.store_findings(review_findings(wanted), dataset["id"], revision_id, None)
    return revision_id


def accepted_header(domain: Domain, body: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The labels of the last accepted file of a body (the schema contract); None before there was one."""
    header = model.value("select header from gkopen.dataset where id = :id", id=ids.dataset_id(domain.name, body["id"]))
    return tuple(header) if header else None


def preview(domain: Domain, body: Mapping[str, Any], examined: Examined) -> list[changesets.Change]:
    """What a file would change in what is public now, a part each; parts that stay as they are are left out.

    Stores nothing. A file speaks for the parts that occur in it, as with `submit`.
    """
    base = changesets.public_parts(ids.dataset_id(domain.name, body["id"]))
    return changesets.changes_of(domain, base, changesets.contents(domain, [changesets.Asked(examined, base,
                                                                                            "parts")])[0])


def _outcome_of(submission_id: str, dataset_id: str) -> Outcome:
    row = model.one("select * from gkopen.revision where submission_id = :id order by created_at desc limit 1",
                    id=submission_id)
    if row is None:
        told = model.value("select options -> 'outcome' from gkopen.submission where id = :id", id=submission_id)
        return Outcome(**(told | {"alarms": tuple(told["alarms"])}))
    found = model.every("select code, count(*) as n from gkopen.finding where revision_id = :id group by code",
                        id=row["id"])
    sums = model.one("select coalesce(sum(added), 0) as added, coalesce(sum(changed), 0) as changed,"
                     " coalesce(sum(removed), 0) as removed from gkopen.revision_part where revision_id = :id"
                     " and part <> :metadata", id=row["id"], metadata=changesets.METADATA)
    frozen, empty = row["state"] == "frozen", row["state"] == "returned" and not row["rows_ok"]
    state = "frozen" if frozen else "returned" if empty else "repeated"
    return Outcome(state, submission_id, str(row["id"]), dataset_id, row["rows_in"], row["rows_ok"],
                   row["rows_quarantined"], row["rows_duplicate"], {f["code"]: f["n"] for f in found}, **(sums or {}),
                   alarms=tuple(row["summary"].get("alarms", ())) if frozen else ())
