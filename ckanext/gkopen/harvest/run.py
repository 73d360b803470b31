"""One run of one source: fetch every page, keep it raw, group the rows by body, and hand each table to the pipeline."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from ckan import model as ckan_model
from ckan.plugins import toolkit
from sqlalchemy.exc import OperationalError

from ckanext.gkopen import bodies, model, pipeline, reports
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvesters import open_transport
from ckanext.gkopen.harvesters.base import Page
from ckanext.gkopen.harvesters.errors import HarvestError
from ckanext.gkopen.harvesters.lines import SourceError
from ckanext.gkopen.harvesters.source import Source
from ckanext.gkopen.metadata.package import default_metadata
from ckanext.gkopen.records import Options

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int | None], None]
"""(stage, done, total or None): called after each page and each body."""


GONE_ROWS, GONE_SHARE = 5, 0.1
"""More rows than this, and more than this share of what is public, gone from a complete listing: the run says held."""


@dataclass
class Report:
    """What a run did; the counts add up: rows_in = rows_ok + rows_quarantined + rows_duplicate."""

    state: str = "done"
    pages: int = 0
    rows_in: int = 0
    rows_ok: int = 0
    rows_quarantined: int = 0
    rows_duplicate: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    findings: dict[str, int] = field(default_factory=dict)
    unknown_bodies: dict[str, int] = field(default_factory=dict)
    vanished: dict[str, int] = field(default_factory=dict)

    def add(self, outcome: pipeline.Outcome, body: str) -> None:
        for name in ("rows_in", "rows_ok", "rows_quarantined", "rows_duplicate", "added", "changed", "removed"):
            setattr(self, name, getattr(self, name) + getattr(outcome, name))
        for code, number in outcome.findings.items():
            self.findings[code] = self.findings.get(code, 0) + number
        self.outcomes.append({"body": body, "state": outcome.state, "revision": outcome.revision_id,
                              "dataset": outcome.dataset_id})
        if outcome.state == "returned" or outcome.rows_quarantined:
            self.state = "partly"
        before = outcome.rows_ok - outcome.added + outcome.removed
        if outcome.removed > GONE_ROWS and outcome.removed > GONE_SHARE * before:
            self.vanished[body] = outcome.removed
            self.state = "held"

    def set_aside(self, unknown_bodies: dict[str, int]) -> None:
        """All rows of bodies that the portal does not know are quarantined."""
        rows = sum(unknown_bodies.values())
        if rows:
            self.unknown_bodies = unknown_bodies
            self.rows_in += rows
            self.rows_quarantined += rows
            self.findings[reports.BODY_UNKNOWN] = rows
            self.state = "held" if self.state == "held" else "partly"

    def counts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (
            "pages", "rows_in", "rows_ok", "rows_quarantined", "rows_duplicate", "added", "changed", "removed",
            "outcomes", "findings", "unknown_bodies", "vanished")}


def source_of(row: Mapping[str, Any]) -> Source:
    return Source(**row["config"])


def carry_out(claim: ledger.Claim, progress: Progress = lambda *_: None) -> Report:
    """Work a claimed run to its end. Problems of the source end the run as failed, with what to do; others are raised.

    A dry run examines and compares everything and rolls back.
    """
    run = claim.run
    row = model.one("select * from gkopen.source where id = :id", id=run["source_id"])
    assert row is not None
    source = source_of(row)
    report, stages = Report(), {}
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gkopen-run-")))
            started = time.monotonic()
            tables, entry = _fetch(run, source, folder, report, progress)
            stages["fetch"] = round(time.monotonic() - started, 3)
            started = time.monotonic()
            _submit(run, source, tables, entry, report, progress)
            stages["check"] = round(time.monotonic() - started, 3)
        error = None
    except (HarvestError, SourceError, bodies.UnknownBody) as problem:
        ckan_model.Session.rollback()
        report.state, error = "failed", _describe(problem)
    except (ledger.Fenced, OperationalError):
        raise                                             # not this run's fault: whoever claims it next goes on
    except Exception as problem:
        ckan_model.Session.rollback()
        log.exception("run %s of %s ended by an error of the program", run["id"], source.name)
        report.state = "failed"
        error = {"kind": type(problem).__name__,
                 "zh": "程序错误：已记入日志，数据未改动；请把运行编号告诉管理员",
                 "en": "an error of the program: it is in the log and nothing was changed;"
                       " tell the administrator the run's id"}
    ledger.finish(run, report.state, report.counts(), stages, error)
    return report


def _describe(problem: Exception) -> dict[str, str]:
    """Both languages and the kind of an error, for the report."""
    zh, en = getattr(problem, "zh", None), getattr(problem, "en", None)
    return {"kind": type(problem).__name__, "zh": zh or str(problem), "en": en or str(problem)}


def _fetch(run: dict[str, Any], source: Source, folder: Path, report: Report,
           progress: Progress) -> tuple[dict[str, Path], Any]:
    """All pages into one JSON Lines file a body (body name → path)."""
    transport = open_transport(source, source.secret(os.environ),
                               allowed_hosts=toolkit.config["ckanext.gkopen.harvest.allowed_hosts"])
    tables: dict[str, Path] = {}
    with ExitStack() as stack:
        stack.callback(transport.close)
        writers: dict[str, TextIO] = {}
        entry = transport.catalogue() if source.catalogue else None
        read = 0
        for page in transport.pages(None if source.complete else _since(run)):
            if not run["dry_run"]:
                ledger.keep_page(run, page)
            _write_rows(page, source, folder, tables, writers, stack)
            report.pages += 1
            read += len(page.rows)
            progress("fetch", read, page.total)
    if not tables and source.organization_column is None:
        path = folder / "empty.jsonl"
        path.touch()
        tables[source.organization] = path
    return tables, entry


def _write_rows(page: Page, source: Source, folder: Path, tables: dict[str, Path], writers: dict[str, TextIO],
                stack: ExitStack) -> None:
    for row in page.rows:
        body = (row.get(source.organization_column) or "") if source.organization_column else source.organization
        if body not in writers:
            tables[body] = folder / f"{len(tables)}.jsonl"
            writers[body] = stack.enter_context(tables[body].open("w", encoding="utf-8"))
        writers[body].write(json.dumps(row, ensure_ascii=False) + "\n")


def _since(run: dict[str, Any]) -> Any:
    """The watermark: when the last good run of the source started."""
    return model.value("select max(started_at) from gkopen.run where source_id = :s and state in ('done', 'partly')"
                       " and not dry_run", s=run["source_id"])


def _fingerprint(path: Path) -> str:
    """What a run that is resumed sees again is the same submission; what the source changed meanwhile is another."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _submit(run: dict[str, Any], source: Source, tables: dict[str, Path], entry: Any, report: Report,
            progress: Progress) -> None:
    domain = get_domain(source.domain)
    catalogue = {name: value for name, value in asdict(entry).items() if name != "raw"} if entry else None
    end = ckan_model.Session.rollback if run["dry_run"] else ckan_model.Session.commit
    unknown: dict[str, Path] = {}
    for number, (name, path) in enumerate(tables.items(), 1):
        try:
            body = bodies.find(name)
        except bodies.UnknownBody:
            if source.organization_column is None:
                raise
            unknown[name] = path
            continue
        ledger.check_epoch(run)
        outcome = pipeline.submit(pipeline.Submission(
            domain=source.domain, body=body, path=path, filename=f"{source.name}.jsonl", source=f"source:{source.name}",
            submitted_by=f"source:{source.name}", run_id=run["id"],
            idempotency_key=f"{run['id']}/{body['id']}/{_fingerprint(path)}",
            options=Options(mapping=source.mapping, units=source.units, constants=source.constants),
            scope="complete" if source.complete else "changes",
            metadata=default_metadata(domain, body, catalogue)))
        end()
        report.add(outcome, body["name"])
        progress("check", number, len(tables))
    ledger.check_epoch(run)
    report.set_aside(reports.set_aside(run["id"], unknown))
    end()
