"""Rows that a listing of many bodies brings under another body than the one under which they are public: an office was
reorganised, or its name mended. The old row stays for its days of grace as any other that is missing, so that one bad
night takes nothing away; where the new one is published meanwhile, both are public, and both bodies are told.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ckanext.gkopen import blast, blobs, bodies, changesets, clock, model, parts, reports
from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.harvest.report import Report
from ckanext.gkopen.harvesters.source import Source
from ckanext.gkopen.records import Finding

CODE = "row-moved"


def tell(run: Mapping[str, Any], source: Source, domain: Domain, report: Report) -> None:
    """A finding for the new and for the old body, each with the number of rows. After all tables; the caller commits.

    What the run holds is read again only where rows are missing under some body, which is seldom.
    """
    model.execute("delete from gkopen.finding where run_id = :run and code = :code", run=run["id"], code=CODE)
    missing = {json.dumps(json.loads(row["key"]), ensure_ascii=False): row for row in model.every(
        "select t.key, t.dataset_id, t.missing_since, d.body_id from gkopen.tombstone t join gkopen.public_part p"
        " using (dataset_id, part) join gkopen.dataset d on d.id = t.dataset_id where t.source = :source"
        " and d.domain = :domain", source=f"source:{source.name}", domain=domain.name)}
    if not missing:
        return
    known, days = bodies.every(), timedelta(days=blast.Limits.configured().grace_days)
    for revision in model.every(
            "select r.id, r.dataset_id, d.body_id, array_agg(p.new_sha256) as contents from gkopen.submission b"
            " join gkopen.revision r on r.submission_id = b.id join gkopen.dataset d on d.id = r.dataset_id"
            " join gkopen.revision_part p on p.revision_id = r.id where b.run_id = :run and r.kind = 'publish'"
            " and p.part <> :meta and p.added > 0 and p.new_sha256 is not null group by 1, 2, 3 order by 2",
            run=run["id"], meta=changesets.METADATA):
        rows, due = _moved(domain, revision, missing)
        for body, number in rows.items():
            params = {"rows": number, "was": known[body]["title"], "now": known[revision["body_id"]]["title"],
                      "due": clock.told(due[body] + days)[:10]}
            found = [Finding(CODE, severity_of(CODE), params=params)]
            old = next(row["dataset_id"] for row in missing.values() if row["body_id"] == body)
            reports.store_findings(found, revision["dataset_id"], str(revision["id"]), str(run["id"]))
            reports.store_findings(found, old, None, str(run["id"]))
            for one in (body, revision["body_id"]):
                report.count(known[one]["name"], {CODE: 1})
            report.at_least("partly")


def _moved(domain: Domain, revision: Mapping[str, Any],
           missing: Mapping[str, Mapping[str, Any]]) -> tuple[Counter[str], dict[str, datetime]]:
    """Of each old body how many rows a revision brings, and since when the last of them is missing there."""
    rows: Counter[str] = Counter()
    since: dict[str, datetime] = {}
    for sha256 in revision["contents"]:
        for key in blast.key_texts(domain, parts.read_part(domain, blobs.read(sha256), domain.key)):
            row = missing.get(key)
            if row is not None and row["dataset_id"] != revision["dataset_id"]:
                rows[row["body_id"]] += 1
                since[row["body_id"]] = max(row["missing_since"], since.get(row["body_id"], row["missing_since"]))
    return rows, since
