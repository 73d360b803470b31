"""A run of a source whose files are dropped into a folder: each new file, whole, goes to the pipeline as it is.

The ledger `gkopen.dropped` says which contents were taken; a file and its line there are one commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import blast, bodies, changesets, ids, model, pipeline, reports
from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.harvest import contract, drifting, ledger, profiles, progress, tables
from ckanext.gkopen.harvest.report import Report
from ckanext.gkopen.harvesters.filedrop import SETTLED_SECONDS, Dropped, FileDrop, Known, LeftThere, Taken
from ckanext.gkopen.harvesters.source import Source
from ckanext.gkopen.records import Finding

log = logging.getLogger(__name__)

SOON = 2.0 * SETTLED_SECONDS
"""Seconds after which a file is looked at again that was perhaps still being sent."""
WAITING = ("held", "frozen", "approved")
NOTHING = ("returned", "recalled", "discarded")
"""States of a revision that nobody has decided, and of one of which nothing became public."""


def take(run: dict[str, Any], source: Source, folder: Path, report: Report,
         tell: Callable[[str, int, int | None], None]) -> None:
    """Submit every new file. What is left in the folder is told by findings of the run. Raises HarvestError, and what a
    file raised that could not be taken in, after the others were."""
    body = bodies.find(source.organization)
    most = toolkit.config["ckanext.gkopen.submission_max_size"] * 1024 * 1024
    drop = FileDrop(source, toolkit.config["ckanext.gkopen.harvest.drop_root"], limit=most, now=datetime.now(UTC))
    end = ckan_model.Session.rollback if run["dry_run"] else ckan_model.Session.commit
    told: list[Finding] = []
    failed: list[Exception] = []
    ledger.check_epoch(run)
    contract.forget(run, [ids.dataset_id(source.domain, body["id"])])
    end()
    for item in drop.files(folder, _known(run, source)):
        ledger.check_epoch(run)
        if isinstance(item, LeftThere):
            told.append(Finding(item.code, severity_of(item.code), params={"name": item.name, **item.params}))
            continue
        try:
            outcome = _table(run, source, body, item, report)
            end()
        except (ledger.Fenced, ledger.Cancelled):
            raise
        except Exception as error:
            if ledger.lost(error):
                raise
            ckan_model.Session.rollback()
            log.exception("%s of %s cannot be taken in; the files after it are", item.name, source.name)
            failed.append(error)
            continue
        if outcome is None:
            report.pages += 1
            report.rows_fetched += item.rows or 0
            _note(run, report)
            continue
        report.add(outcome, body["name"], outcome.rows_in)
        report.pages += 1
        report.rows_fetched += outcome.rows_in
        # A row of a wide table counts once for each of its figures, which no manifest does.
        if item.rows not in (None, outcome.rows_in) and not get_domain(source.domain).shapes:
            told.append(Finding("drop-rows-differ", severity_of("drop-rows-differ"), params={
                "name": item.name, "told": item.rows, "found": outcome.rows_in}))
        _note(run, report)
        tell("check", report.pages, None)
    ledger.check_epoch(run)
    if source.complete:
        _end_of_grace(run, source, body, report)
    _tell(run, told, report)
    end()
    if failed:
        raise failed[0]


def _note(run: dict[str, Any], report: Report) -> None:
    progress.note(run, report, "check")
    ckan_model.Session.commit()


def _end_of_grace(run: dict[str, Any], source: Source, body: dict[str, Any], report: Report) -> None:
    """Rows that the newest file leaves out are told of, and proposed for removal once their days of grace are over.

    A gateway lists its rows again each night; a file says once what it says, and where nothing changes none follows.
    One that waits for a decision or was returned is not compared again, nor one after which others wrote rows: it does
    not know of them.
    """
    name, dataset_id = f"source:{source.name}", ids.dataset_id(source.domain, body["id"])
    last = model.one(
        "select p.submission_id, v.state, exists (select 1 from gkopen.publication u join gkopen.revision r"
        "  on r.id = u.revision_id join gkopen.submission o on o.id = r.submission_id where u.dataset_id = :dataset"
        "  and u.at > p.taken_at and o.source <> :name and o.kind <> 'metadata') as others"
        " from gkopen.dropped p left join lateral (select state from gkopen.revision r"
        "  where r.submission_id = p.submission_id order by created_at desc limit 1) v on true"
        " where p.source_id = :id order by p.taken_at desc limit 1", id=run["source_id"], dataset=dataset_id, name=name)
    if last is not None and not last["others"] and last["state"] not in (*WAITING, *NOTHING) and any(
            datetime.fromisoformat(row["due"]) <= datetime.now(UTC)
            for row in blast.buried([dataset_id], name).get(dataset_id, [])):
        outcome = pipeline.recheck(str(last["submission_id"]), name)
        if outcome.state != "unchanged":                   # else it is of rows that are public no more
            report.add(outcome, body["name"], outcome.rows_in)
    report.bury(body["name"], blast.buried([dataset_id], name).get(dataset_id, []))


def _known(run: dict[str, Any], source: Source) -> Known:
    """What earlier runs took: a run that is resumed goes through its own files again, which are the same submissions,
    so that it tells of all of them. A file that nobody could read is read again once it would be read otherwise (a
    mapping was added, say), unless one that came after it could be read."""
    rows = model.every(
        "select p.*, s.options ->> 'read_by' as read_by, v.state,"
        " coalesce(v.state = 'returned' and v.decided_by = :system, false) as failed"
        " from gkopen.dropped p join gkopen.submission s on s.id = p.submission_id left join lateral (select state,"
        "  decided_by from gkopen.revision r where r.submission_id = s.id order by created_at desc limit 1) v on true"
        " where p.source_id = :id and p.run_id <> :run", id=run["source_id"], run=run["id"], system=changesets.SYSTEM)
    now = pipeline.read_by(get_domain(source.domain), tables.options(source), tables.scope_of_files(source))
    readable = max((row["taken_at"] for row in rows if not row["failed"]), default=None)
    contents = {row["sha256"]: Taken(
        row["name"], row["modified_ns"], waits=row["state"] in WAITING, nothing=row["state"] in NOTHING,
        reread=row["failed"] and row["read_by"] != now and (readable is None or row["taken_at"] > readable))
        for row in rows}
    return Known(contents, {(row["name"], row["size"], row["modified_ns"]) for row in rows
                            if not contents[row["sha256"]].reread})


def _table(run: dict[str, Any], source: Source, body: dict[str, Any], file: Dropped,
           report: Report) -> pipeline.Outcome | None:
    """A file, held to the schema contract and then submitted; None where its columns stop it. Such a file is not taken:
    it comes through once the columns are accepted, and is told of again until then, or until it is gone."""
    domain = get_domain(source.domain)
    dataset_id, options = ids.dataset_id(domain.name, body["id"]), tables.options(source)
    rows = profiles.rows_of_file(domain, file.path, file.name, options)
    now = profiles.Profiler(domain, source.mapping).profile(rows, salt=dataset_id)
    before = contract.accepted([dataset_id], str(run["source_id"]))[dataset_id]
    drifts = drifting.compare(before, now, source.mapping, whole=source.complete is True)
    if drifts:
        found = drifting.findings(drifts)
        contract.stop(dataset_id, domain, body, run, now, drifts, found)
        report.stop(body["name"], dataset_id, file.rows or 0, drifts, found, file.name)
        return None
    outcome = _submit(run, source, body, file)
    if outcome.state in ("held", "frozen"):
        contract.keep(run, [contract.Seen(dataset_id, now, outcome.submission_id)])
    return outcome


def _submit(run: dict[str, Any], source: Source, body: dict[str, Any], file: Dropped) -> pipeline.Outcome:
    outcome = pipeline.submit(pipeline.Submission(
        domain=source.domain, body=body, path=file.path, filename=file.name, source=f"source:{source.name}",
        submitted_by=f"source:{source.name}", run_id=run["id"], options=tables.options(source),
        idempotency_key=f"drop/{file.sha256}/{run['id']}/{file.modified_ns}", scope=tables.scope_of_files(source)))
    model.execute("insert into gkopen.dropped (source_id, sha256, name, size, modified_ns, run_id, submission_id)"
                  " values (:source, :sha256, :name, :size, :modified, :run, :submission)"
                  " on conflict (source_id, sha256) do update set name = excluded.name, run_id = excluded.run_id,"
                  "  modified_ns = excluded.modified_ns, submission_id = excluded.submission_id, taken_at = now()",
                  source=run["source_id"], sha256=file.sha256, name=file.name, size=file.size,
                  modified=file.modified_ns, run=run["id"], submission=outcome.submission_id)
    return outcome


def _tell(run: dict[str, Any], told: list[Finding], report: Report) -> None:
    model.execute("delete from gkopen.finding where run_id = :run and code like 'drop-%'", run=run["id"])
    reports.store_findings(told, None, None, str(run["id"]))
    for finding in told:
        report.findings[finding.code] = report.findings.get(finding.code, 0) + 1
        if finding.severity != "info":
            report.at_least("partly")
