"""Submission → revision. Read this first.

Whatever door a table came in by (exchange platform, upload, API), it goes one way:

    raw bytes kept by sha256 → examine (read, type, check) → parts → compared with what is public → held

Nothing here writes CKAN or the DataStore: a revision lives in gkopen's own tables until a person approves it
(`review.decide`), and only then does the publisher (`publish.publication`) carry it out.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from ckanext.gkopen import blast, blobs, bodies, changesets, ids, model, reports
from ckanext.gkopen.domains import Domain, get_domain
from ckanext.gkopen.examine import examine, rules_version
from ckanext.gkopen.metadata.package import default_metadata, review_findings
from ckanext.gkopen.records import Examined, Finding, Options, Unreadable


class KeyReused(Exception):
    """The idempotency key was used before with other content."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A table as it came in. `path` holds the raw bytes; `source` is `source:<name>`, `upload`, `api` or `cli`."""

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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a submission. `state`: held, returned (nothing in it can be published), unchanged, repeated,
    frozen (a harvest that a person has to let through before it is reviewed: `alarms` says why, see `blast`)."""

    state: str
    submission_id: str
    revision_id: str | None
    dataset_id: str
    rows_in: int = 0
    rows_ok: int = 0
    rows_quarantined: int = 0
    rows_duplicate: int = 0
    findings: Mapping[str, int] = field(default_factory=dict)
    added: int = 0
    changed: int = 0
    removed: int = 0
    alarms: tuple[Mapping[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def submit(submission: Submission) -> Outcome:
    """Take one table in, in one transaction. The same key with the same bytes answers with the first outcome."""
    domain = get_domain(submission.domain)
    dataset = changesets.open_dataset(domain, submission.body)
    raw_sha256 = blobs.put(submission.path.read_bytes())
    key = submission.idempotency_key or str(uuid4())
    earlier = model.one("select id, dataset_id, raw_sha256 from gkopen.submission where source = :source"
                        " and idempotency_key = :key", source=submission.source, key=key)
    if earlier:
        if (earlier["raw_sha256"], earlier["dataset_id"]) != (raw_sha256, dataset["id"]):
            raise KeyReused(key)
        return _outcome_of(str(earlier["id"]), str(dataset["id"]))
    submission_id = str(uuid4())
    model.execute(
        "insert into gkopen.submission (id, dataset_id, kind, raw_sha256, filename, source, run_id, idempotency_key,"
        " options, submitted_by) values (:id, :dataset, 'data', :raw, :filename, :source, :run, :key,"
        " cast(:options as jsonb), :by)",
        id=submission_id, dataset=dataset["id"], raw=raw_sha256, filename=submission.filename, source=submission.source,
        run=submission.run_id, key=key, by=submission.submitted_by,
        options=model.dump({"read_by": read_by(domain, submission.options, submission.scope), "seq": dataset["seq"],
                            "scope": submission.scope, "mapping": dict(submission.options.mapping),
                            "units": dict(submission.options.units), "constants": dict(submission.options.constants)}))
    options = replace(submission.options, expected_header=tuple(dataset["header"]) if dataset["header"] else None)
    proposal = _proposal(domain, dataset, submission.body, submission.metadata)
    return _hold(domain, dataset, submission_id, submission.path, submission.filename, options, submission.scope,
                 submission.submitted_by, proposal, _Door(submission.source), run_id=submission.run_id)


def read_by(domain: Domain, options: Options, scope: changesets.Scope) -> str:
    """A digest of all that decides how a file is read. The same of the same bytes gives the same rows and findings."""
    said = [rules_version(domain), scope, *(sorted(each.items()) for each in (options.mapping, options.units,
                                                                             options.constants))]
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
                      expected_header=tuple(dataset["header"]) if dataset["header"] else None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw"
        path.write_bytes(blobs.read(row["raw_sha256"]))
        return _hold(domain, dataset, submission_id, path, row["filename"], options, stored["scope"],
                     submitted_by, _proposal(domain, dataset, bodies.find(row["body_id"]), None),
                     _Door(row["source"], freeze=False, grace=not stored.get("released")))


def _proposal(domain: Domain, dataset: Mapping[str, Any], body: Mapping[str, Any],
              metadata: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The metadata that a dataset without public metadata (new, or withdrawn) is proposed to have; else None.

    What an officer has written and nobody has decided yet stays, whatever the source sends meanwhile.
    """
    if changesets.METADATA in changesets.public_parts(str(dataset["id"])):
        return None
    written = model.value(
        "select p.new_sha256 from gkopen.revision r join gkopen.submission s on s.id = r.submission_id"
        " join gkopen.revision_part p on p.revision_id = r.id and p.part = :part where r.dataset_id = :d"
        " and r.state = 'held' and s.kind = 'metadata' order by r.created_at desc limit 1",
        part=changesets.METADATA, d=dataset["id"])
    if written:
        return json.loads(blobs.read(written))
    return dict(metadata or default_metadata(domain, body, None))


def submit_metadata(domain: Domain, body: Mapping[str, Any], fields: Mapping[str, Any],
                    submitted_by: str) -> str | None:
    """Hold other metadata of a dataset: `fields` over what waits or is public. Returns the revision's id.

    None where they say what waits or is public already.

    While a first revision waits, its rows are taken along into the new one, which takes its place. Raises LookupError
    for a dataset of which nothing was submitted yet.
    """
    dataset = changesets.open_dataset(domain, body)
    waiting = model.one(
        "select r.*, p.new_sha256 as metadata, s.source from gkopen.revision r"
        " join gkopen.submission s on s.id = r.submission_id"
        " join gkopen.revision_part p on p.revision_id = r.id and p.part = :part"
        " where r.dataset_id = :d and r.state = 'held' order by r.created_at desc limit 1",
        part=changesets.METADATA, d=dataset["id"])
    public = changesets.public_parts(str(dataset["id"])).get(changesets.METADATA)
    known = waiting["metadata"] if waiting else public
    if known is None:
        raise LookupError(f"nothing of {dataset['name']} was submitted yet: submit its rows first")
    wanted = {name: value for name, value in (json.loads(blobs.read(known)) | dict(fields)).items()
              if value not in (None, "", [])}
    if hashlib.sha256(changesets.canonical_json(wanted)).hexdigest() == known:
        return None
    submission_id = str(uuid4())
    # Rows that are taken along are still those of their source, which may send others before anybody decides.
    model.execute("insert into gkopen.submission (id, dataset_id, kind, source, idempotency_key, submitted_by)"
                  " values (:id, :d, 'metadata', :source, :id, :by)", id=submission_id, d=dataset["id"],
                  source=waiting["source"] if waiting else "metadata", by=submitted_by)
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
        model.execute("update gkopen.revision set state = 'superseded' where id = :id", id=waiting["id"])
        model.execute("update gkopen.revision n set summary = jsonb_set(o.summary, '{metadata}', 'true')"
                      " from gkopen.revision o where n.id = :new and o.id = :old", new=revision_id, old=waiting["id"])
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


@dataclass(frozen=True, slots=True)
class _Door:
    """Where a file came in, and whether the blast-radius guard may freeze it and keep what it lacks for now."""

    source: str
    freeze: bool = True
    grace: bool = True

    @property
    def harvested(self) -> bool:
        return self.source.startswith("source:")


def _hold(domain: Domain, dataset: Mapping[str, Any], submission_id: str, path: Path, filename: str, options: Options,
          scope: changesets.Scope, submitted_by: str, metadata: Mapping[str, Any] | None, door: _Door, *,
          run_id: str | None = None) -> Outcome:
    try:
        examined = examine(domain, path, filename=filename, options=options)
    except Unreadable as error:
        if door.harvested and scope == "complete" and {f.code for f in error.findings} & {"file-empty", "no-rows"} and (
                alarm := blast.empty(str(dataset["id"]))):
            reports.of_run(dataset["id"], run_id, error.findings)
            return _frozen_whole(dataset, submission_id, alarm)
        return _return_whole(domain, dataset, submission_id, submitted_by, error.findings, run_id=run_id)
    base = changesets.public_parts(str(dataset["id"]))
    carried = _carried(dataset["id"], submission_id) if scope == "changes" else []
    contents, spoken = changesets.contents(domain, examined, base, scope, carried)
    if metadata is not None:
        contents[changesets.METADATA] = changesets.canonical_json(metadata)
    changes = [change for part, data in contents.items()
               if (change := changesets.change_of(domain, part, base.get(part), data))]
    alarms: tuple[Mapping[str, Any], ...] = ()
    if door.harvested and base:
        verdict = blast.judge(domain, str(dataset["id"]), door.source, examined.table, contents, changes,
                              complete=scope == "complete", freeze=door.freeze, grace=door.grace)
        changes, alarms = verdict.changes, tuple(verdict.alarms)
    changesets.keep(changes, contents)
    counts = _counts(examined)
    if not any(change.part != changesets.METADATA for change in changes) and not (changes and examined.rows_ok):
        if not examined.rows_ok and examined.rows_in:
            return _return_whole(domain, dataset, submission_id, submitted_by, examined.findings, examined,
                                 run_id=run_id)
        if not changes:
            if door.harvested and scope == "complete":     # the source is again what is public: nothing else waits
                supersede(dataset["id"], submission_id, None, set(), scope)
            reports.of_run(dataset["id"], run_id, examined.findings, examined)
            return _noted(submission_id, Outcome("unchanged", submission_id, None, str(dataset["id"]), **counts,
                                                 findings=dict(examined.counts())))
    if alarms and (known := _known(dataset["id"], changesets.digest(str(dataset["id"]), "publish", changes))):
        reports.of_run(dataset["id"], run_id, examined.findings, examined)
        return _noted(submission_id, Outcome(
            known["state"], submission_id, str(known["id"]), str(dataset["id"]), **counts,
            findings=dict(examined.counts()), **_sums(changes), alarms=alarms if known["state"] == "frozen" else ()))
    revision_id = changesets.hold_changes(domain, dataset, submission_id, changes, submitted_by, kind="publish",
                                          counts=counts, header=list(examined.header), alarms=alarms)
    found = [*examined.findings, *(review_findings(metadata) if metadata else ())]
    reports.store_findings(found, dataset["id"], revision_id, run_id)
    reports.store_rows(examined, dataset["id"], revision_id, run_id)
    if alarms:
        model.execute("update gkopen.revision set state = 'superseded' where dataset_id = :d and state = 'frozen'"
                      " and id <> :id and submitted_by = :by", d=dataset["id"], id=revision_id, by=submitted_by)
    else:
        supersede(dataset["id"], submission_id, revision_id, spoken | {changesets.METADATA}, scope)
    return Outcome("frozen" if alarms else "held", submission_id, revision_id, str(dataset["id"]), **counts,
                   findings=dict(examined.counts()), **_sums(changes), alarms=alarms)


def _counts(examined: Examined | None) -> dict[str, Any]:
    names = ("rows_in", "rows_ok", "rows_quarantined", "rows_duplicate")
    return {name: getattr(examined, name) if examined else 0 for name in names}


def _sums(changes: list[changesets.Change]) -> dict[str, Any]:
    rows = [change for change in changes if change.part != changesets.METADATA]
    return {name: sum(getattr(change, name) for change in rows) for name in ("added", "changed", "removed")}


def _known(dataset_id: Any, digest: str) -> dict[str, Any] | None:
    """The same change-set, frozen before or let through already: a source that stays as it is asks nobody twice."""
    return model.one("select id, state from gkopen.revision where dataset_id = :d and digest = :digest"
                     " and state in ('held', 'frozen') order by created_at desc limit 1", d=dataset_id, digest=digest)


def _frozen_whole(dataset: Mapping[str, Any], submission_id: str, alarm: Mapping[str, Any]) -> Outcome:
    """A listing without rows, where rows are public: nothing is changed, and a person is told."""
    return _noted(submission_id, Outcome("frozen", submission_id, None, str(dataset["id"]), alarms=(alarm,)))


def _noted(submission_id: str, outcome: Outcome) -> Outcome:
    """Kept with a submission that has no revision of its own: a run that is resumed answers the same."""
    model.execute("update gkopen.submission set options = options || cast(:outcome as jsonb) where id = :id",
                  id=submission_id, outcome=model.dump({"outcome": outcome.as_dict()}))
    return outcome


def preview(domain: Domain, body: Mapping[str, Any], examined: Examined) -> list[changesets.Change]:
    """What a file would change in what is public now, a part each; parts that stay as they are are left out.

    Stores nothing. A file speaks for the parts that occur in it, as with `submit`.
    """
    base = changesets.public_parts(ids.dataset_id(domain.name, body["id"]))
    contents, _ = changesets.contents(domain, examined, base, "parts")
    return [change for part, data in contents.items()
            if (change := changesets.change_of(domain, part, base.get(part), data))]


def _return_whole(domain: Domain, dataset: Mapping[str, Any], submission_id: str, submitted_by: str,
                  findings: list[Finding], examined: Examined | None = None, *, run_id: str | None) -> Outcome:
    """Nothing in the file can be published: it is kept, with all findings, and goes back to the officer."""
    counts = _counts(examined)
    revision_id = changesets.hold_changes(domain, dataset, submission_id, [], submitted_by, kind="publish",
                                          counts=counts)
    model.execute("update gkopen.revision set state = 'returned', decided_by = :by, decided_at = now(),"
                  " reason = :reason where id = :id", id=revision_id, by=changesets.SYSTEM,
                  reason="检查发现的问题使本次提交没有可发布的数据 / The findings leave nothing to publish")
    reports.store_findings(findings, dataset["id"], revision_id, run_id)
    if examined is not None:
        reports.store_rows(examined, dataset["id"], revision_id, run_id)
    counted: dict[str, int] = {}
    for finding in findings:
        counted[finding.code] = counted.get(finding.code, 0) + 1
    return Outcome("returned", submission_id, revision_id, str(dataset["id"]), **counts, findings=counted)


def _carried(dataset_id: Any, submission_id: str) -> list[dict[str, Any]]:
    """Changes of parts that the same source sent and nobody has decided yet, and those of this very submission where
    it is compared again: a source of changes sends each of them once."""
    return model.every(
        "select p.* from gkopen.revision r join gkopen.submission s on s.id = r.submission_id"
        " join gkopen.submission mine on mine.id = :submission join gkopen.revision_part p on p.revision_id = r.id"
        " where r.dataset_id = :d and r.kind = 'publish' and p.part <> :metadata and s.source = mine.source and"
        " (r.state in ('held', 'frozen') or (r.state = 'stale' and s.id = mine.id)) order by r.created_at, p.part",
        submission=submission_id, d=dataset_id, metadata=changesets.METADATA)


def supersede(dataset_id: Any, submission_id: str, revision_id: str | None, touched: set[str],
              scope: changesets.Scope) -> None:
    """What the same source sent before and nobody has decided yet is replaced by what it sends now, or carried in it.

    `touched`: the parts that a file of some parts speaks for.
    """
    model.execute(
        "update gkopen.revision r set state = 'superseded' from gkopen.submission s, gkopen.submission mine"
        " where r.submission_id = s.id and mine.id = :submission and s.source = mine.source"
        " and r.dataset_id = :dataset and r.state in ('held', 'frozen') and r.kind = 'publish'"
        " and r.id is distinct from cast(:revision as uuid)"
        " and (:complete or not exists (select 1 from gkopen.revision_part p where p.revision_id = r.id"
        "      and not p.part = any(:touched)))",
        submission=submission_id, dataset=dataset_id, revision=revision_id, complete=scope != "parts",
        touched=sorted(touched))


def _outcome_of(submission_id: str, dataset_id: str) -> Outcome:
    row = model.one("select * from gkopen.revision where submission_id = :id order by created_at desc limit 1",
                    id=submission_id)
    if row is None:
        told = model.value("select options -> 'outcome' from gkopen.submission where id = :id", id=submission_id)
        return Outcome(**(told | {"alarms": tuple(told["alarms"])}))
    found = model.every("select code, count(*) as n from gkopen.finding where revision_id = :id group by code",
                        id=row["id"])
    frozen = row["state"] == "frozen"
    return Outcome("frozen" if frozen else "repeated", submission_id, str(row["id"]), dataset_id, row["rows_in"],
                   row["rows_ok"], row["rows_quarantined"], row["rows_duplicate"], {f["code"]: f["n"] for f in found},
                   alarms=tuple(row["summary"].get("alarms", ())) if frozen else ())
