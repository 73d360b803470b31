"""A run of a source whose files are dropped into a folder: each new file, whole, goes to the pipeline as it is.

The ledger `gkopen.dropped` says which contents were taken; a file and its line there are one commit.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import bodies, ids, model, pipeline, reports
from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.harvest import contract, ledger, progress, tables
from ckanext.gkopen.harvest.report import Report
from ckanext.gkopen.harvesters.filedrop import Dropped, FileDrop, Known, LeftThere
from ckanext.gkopen.harvesters.source import Source
from ckanext.gkopen.records import Finding


def take(run: dict[str, Any], source: Source, folder: Path, report: Report,
         tell: Callable[[str, int, int | None], None]) -> None:
    """Submit every new file. What is left in the folder is told by findings of the run. Raises HarvestError."""
    body = bodies.find(source.organization)
    most = toolkit.config["ckanext.gkopen.submission_max_size"] * 1024 * 1024
    drop = FileDrop(source, toolkit.config["ckanext.gkopen.harvest.drop_root"], limit=most, now=datetime.now(UTC))
    end = ckan_model.Session.rollback if run["dry_run"] else ckan_model.Session.commit
    told: list[Finding] = []
    ledger.check_epoch(run)
    contract.forget(run, [ids.dataset_id(source.domain, body["id"])])
    end()
    for item in drop.files(folder, _known(run)):
        ledger.check_epoch(run)
        if isinstance(item, LeftThere):
            told.append(Finding(item.code, severity_of(item.code), params={"name": item.name, **item.params}))
            continue
        outcome = _table(run, source, body, item, report)
        end()
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
    _tell(run, told, report)
    end()


def _note(run: dict[str, Any], report: Report) -> None:
    progress.note(run, report, "check")
    ckan_model.Session.commit()


def _known(run: dict[str, Any]) -> Known:
    rows = model.every("select * from gkopen.dropped where source_id = :id", id=run["source_id"])
    return Known({row["sha256"]: row["name"] for row in rows},
                 {(row["name"], row["size"], row["modified_ns"]) for row in rows})


def _table(run: dict[str, Any], source: Source, body: dict[str, Any], file: Dropped,
           report: Report) -> pipeline.Outcome | None:
    """A file, held to the schema contract and then submitted; None where its columns stop it. Such a file is not taken:
    it comes through once the columns are accepted, and is told of again until then, or until it is gone."""
    domain = get_domain(source.domain)
    dataset_id, options = ids.dataset_id(domain.name, body["id"]), tables.options(source)
    rows = contract.rows_of_file(domain, file.path, file.name, options)
    now = contract.Profiler(domain, source.mapping).profile(rows, salt=dataset_id)
    before = contract.accepted([dataset_id], str(run["source_id"]))[dataset_id]
    drifts = contract.compare(before, now, source.mapping)
    if drifts:
        found = contract.findings(drifts)
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
        submitted_by=f"source:{source.name}", run_id=run["id"], idempotency_key=f"drop/{file.sha256}",
        options=tables.options(source), scope="complete" if source.complete else "parts"))
    model.execute("insert into gkopen.dropped (source_id, sha256, name, size, modified_ns, run_id, submission_id)"
                  " values (:source, :sha256, :name, :size, :modified, :run, :submission)",
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
