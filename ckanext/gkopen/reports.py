"""What a person reads afterwards: findings and the rows that were set apart, stored under their revision and run.

A revision has them where something is held or returned; a run also where nothing was: what it fetched is public
already, or names a body that the portal does not know. Every row of a source is published or found here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ckanext.gkopen import model
from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.normalise.characters import may_be_broken, visible
from ckanext.gkopen.records import Examined, Finding

BODY_UNKNOWN = "body-unknown"
"""The finding of a row that names a body which the portal does not know."""
BODY_FOREIGN = "body-foreign"
"""The finding of a row that names a body for which its source may not speak."""
BATCH = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be stored of one dataset: findings, and the rows that were set apart (`examined`). `submission_id`: of
    the file whose lines they name."""

    dataset_id: Any
    revision_id: str | None
    run_id: str | None
    findings: Sequence[Finding]
    examined: Examined | None = None
    submission_id: str | None = None


def store(told: Sequence[Told]) -> None:
    """Findings and rows of several datasets, in their order."""
    model.insert_many("finding", ("dataset_id", "revision_id", "run_id", "code", "severity", "line", "field", "label",
                                  "value", "params", "sheet", "submission_id"),
                      [(each.dataset_id, each.revision_id, each.run_id, f.code, f.severity, f.line, f.field, f.label,
                        f.value, model.dump(dict(f.params)), f.sheet, each.submission_id)
                       for each in told for f in each.findings])
    model.insert_many("quarantine", ("dataset_id", "revision_id", "run_id", "submission_id", "kind", "line", "row"),
                      [(each.dataset_id, each.revision_id, each.run_id, each.submission_id, kind, line,
                        model.without_nul(row))
                       for each in told if (examined := each.examined) is not None
                       for kind, table in (("bad", examined.quarantine), ("duplicate", examined.duplicates))
                       if table.num_rows
                       for line, row in zip(table["line"].to_pylist(), table["row"].to_pylist(), strict=True)])


def store_findings(findings: Sequence[Finding], dataset_id: Any, revision_id: str | None,
                   run_id: str | None) -> None:
    store([Told(dataset_id, revision_id, run_id, findings)])


def of_run(run_id: str | None, told: Sequence[Told]) -> None:
    """What a run found in datasets of which it holds nothing new: findings, and the rows that it set apart.

    A source that is bad in the same way every day would fill the disk: only the newest such run of a dataset keeps
    them, of each file that was dropped for it.
    """
    if run_id is None or not told:
        return
    for table in ("finding", "quarantine"):
        model.execute(f"delete from gkopen.{table} t using gkopen.run r, gkopen.run mine where t.run_id = r.id"
                      " and r.source_id = mine.source_id and mine.id = :run and r.id <> mine.id"
                      " and t.dataset_id = any(cast(:datasets as uuid[])) and t.revision_id is null",
                      run=run_id, datasets=[str(each.dataset_id) for each in told])
    store(told)


def set_aside(run_id: str, apart: Mapping[str, Mapping[str, Iterable[str]]]) -> dict[str, dict[str, int]]:
    """Rows (finding code → body → lines of JSON) that belong to no dataset of their source, under their run.

    Returns code → body → number of rows. A run that is resumed does it anew; of the source's runs only the newest keeps
    them, as in `of_run`.
    """
    for table, of_others in (("finding", "t.code = any(:codes)"), ("quarantine", "true")):
        model.execute(f"delete from gkopen.{table} t using gkopen.run r, gkopen.run mine where t.run_id = r.id"
                      " and r.source_id = mine.source_id and mine.id = :run and t.dataset_id is null"
                      f" and t.revision_id is null and (r.id = mine.id or {of_others})", run=run_id,
                      **({"codes": [BODY_UNKNOWN, BODY_FOREIGN]} if table == "finding" else {}))
    return {code: {body: _set_aside(run_id, code, body, rows) for body, rows in tables.items()}
            for code, tables in apart.items()}


def _storable(row: str) -> str:
    """A row as JSON that the database takes."""
    if not may_be_broken(row.encode()):
        return row
    return model.dump({visible(label): cell and visible(cell) for label, cell in json.loads(row).items()})


def _set_aside(run_id: str, code: str, body: str, rows: Iterable[str]) -> int:
    number, numbered = 0, enumerate(rows, 1)
    while batch := list(islice(numbered, BATCH)):
        model.insert_many("quarantine", ("run_id", "kind", "line", "row"),
                          [(run_id, "bad", line, _storable(row)) for line, row in batch])
        model.insert_many("finding", ("run_id", "code", "severity", "line", "value"),
                          [(run_id, code, severity_of(code), line, body) for line, _ in batch])
        number = batch[-1][0]
    return number
