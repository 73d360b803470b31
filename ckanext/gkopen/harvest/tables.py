"""Tables of the bodies of a listing, some hundred at a time: held to their schema contracts, then submitted.

What goes together is one transaction. Where one of them fails, what they did is undone and each is tried alone, so
that a table which cannot be taken in keeps none of the others out.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ckan import model as ckan_model

from ckanext.gkopen import blast, changesets, pipeline, scratch
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.harvest import contract, drifting, ledger, profiles
from ckanext.gkopen.harvest.report import Report
from ckanext.gkopen.harvest.spool import Spool
from ckanext.gkopen.harvesters.source import Source
from ckanext.gkopen.metadata.package import default_metadata, unknown_labels
from ckanext.gkopen.records import Options

log = logging.getLogger(__name__)

BODIES, ROWS = 200, 5_000
"""Tables, and about so many rows, that go together. Of more, Python's collector looks through what is read in vain."""


@dataclass(frozen=True)
class Table:
    """The rows that a listing has for one body, under the names that it gives the body."""

    dataset_id: str
    body: dict[str, Any]
    names: tuple[str, ...]
    spool: Spool

    @cached_property
    def rows(self) -> int:
        return sum(self.spool.rows[name] for name in self.names)

    @cached_property
    def fingerprint(self) -> str:
        """What a run that is resumed sees again is the same submission; what the source changed meanwhile is another.
        """
        digest = hashlib.sha256()
        for data in self.spool.data(self.names):
            digest.update(data)
        return digest.hexdigest()

    @property
    def shapes(self) -> Counter[tuple[str, ...]]:
        """The labels of a row → how many rows have these."""
        return self.spool.shapes(self.names)

    def write(self, path: Path) -> Path:
        """Its rows as JSON Lines."""
        with path.open("wb") as file:
            file.writelines(self.spool.data(self.names))
        return path


def enough(tables: Sequence[Table]) -> bool:
    return len(tables) >= BODIES or sum(table.rows for table in tables) >= ROWS


def options(source: Source) -> Options:
    read = (source.organization_column, source.watermark, *source.key)
    return Options(mapping=source.mapping, units=source.units, constants=source.constants,
                   aside=tuple(filter(None, read)))


def scope(source: Source) -> changesets.Scope:
    return "periods" if source.complete == "periods" else "complete" if source.complete else "changes"


def scope_of_files(source: Source) -> changesets.Scope:
    return "complete" if source.complete else "parts"


def carry_out(run: dict[str, Any], source: Source, domain: Domain, tables: Sequence[Table],
              catalogue: Mapping[str, Any] | None, report: Report, end: Callable[[], object]) -> None:
    """Take tables in and commit (`end`). Raises what one of them raised alone, after the others were taken in."""
    if not tables:
        return
    try:
        with scratch.folder() as folder:
            told = _together(run, source, domain, [
                (table, table.write(folder / str(number))) for number, table in enumerate(tables)], catalogue)
        end()
    except (ledger.Fenced, ledger.Cancelled):
        raise
    except Exception as error:
        if len(tables) == 1 or ledger.lost(error):
            raise
        ckan_model.Session.rollback()
        log.exception("%s tables of %s fail together: each is tried alone", len(tables), source.name)
    else:
        for tell in told:
            tell(report)
        return
    failed: list[Exception] = []
    for table in tables:
        try:
            carry_out(run, source, domain, [table], catalogue, report, end)
        except (ledger.Fenced, ledger.Cancelled):
            raise
        except Exception as error:
            if ledger.lost(error):
                raise
            ckan_model.Session.rollback()
            failed.append(error)
    if failed:
        raise failed[0]


def _together(run: dict[str, Any], source: Source, domain: Domain, written: Sequence[tuple[Table, Path]],
              catalogue: Mapping[str, Any] | None) -> list[Callable[[Report], None]]:
    """What is to be told of each table, once it is committed. `written`: tables with the files of their rows."""
    tables = [table for table, _ in written]
    ledger.check_epoch(run)
    told: dict[str, Callable[[Report], None]] = {}
    changesets.open_datasets(domain, [table.body for table in tables])     # all locks at once, in their one order
    before = contract.accepted([table.dataset_id for table in tables], str(run["source_id"]))
    taken: dict[str, profiles.Profile] = {}
    fit: list[tuple[Table, Path]] = []
    profiler = profiles.Profiler(domain, source.mapping)
    for table, path in written:
        rows = profiles.first_rows(path)
        was, now = before[table.dataset_id], profiler.profile(rows, salt=table.dataset_id)
        drifts = drifting.compare(was, now, source.mapping, drifting.foreign_rows(rows, was),
                                  whole=source.complete is True) or drifting.midway(table.shapes, was)
        if drifts:
            found = drifting.findings(drifts)
            contract.forget(run, [table.dataset_id])
            contract.stop(table.dataset_id, domain, table.body, run, now, drifts, found)
            told[table.dataset_id] = _stopped(table, drifts, found)
        else:
            taken[table.dataset_id] = now
            fit.append((table, path))
    outcomes = pipeline.submit_all([
        _submission(run, source, domain, table, path, catalogue) for table, path in fit]) if fit else []
    contract.keep(run, [contract.Seen(outcome.dataset_id, taken[outcome.dataset_id], outcome.submission_id)
                        for outcome in outcomes if outcome.state in ("held", "frozen")])
    buried = blast.buried([outcome.dataset_id for outcome in outcomes], f"source:{source.name}")
    for (table, _), outcome in zip(fit, outcomes, strict=True):
        told[table.dataset_id] = _taken(table, outcome, buried.get(table.dataset_id, []))
    return [told[table.dataset_id] for table in tables]


def _stopped(table: Table, drifts: Sequence[drifting.Drift], found: Sequence[Any]) -> Callable[[Report], None]:
    return lambda report: report.stop(table.body["name"], table.dataset_id, table.rows, drifts, found)


def _taken(table: Table, outcome: pipeline.Outcome, buried: list[dict[str, Any]]) -> Callable[[Report], None]:
    def tell(report: Report) -> None:
        report.add(outcome, table.body["name"], table.rows)
        report.bury(table.body["name"], buried)

    return tell


def _submission(run: dict[str, Any], source: Source, domain: Domain, table: Table, path: Path,
                catalogue: Mapping[str, Any] | None) -> pipeline.Submission:
    return pipeline.Submission(
        domain=source.domain, body=table.body, path=path, filename=f"{source.name}.jsonl",
        source=f"source:{source.name}", submitted_by=f"source:{source.name}", run_id=run["id"],
        idempotency_key=f"{run['id']}/{table.body['id']}/{table.fingerprint}", options=options(source),
        scope=scope(source), metadata=default_metadata(domain, table.body, catalogue),
        unknown_labels=unknown_labels(catalogue))
