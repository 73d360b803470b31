"""All rows that a revision adds, changes and removes as one CSV: its page shows the first of each."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
from ckan.lib.helpers import helper_functions as h
from ckan.plugins import toolkit
from flask import Response
from werkzeug.wsgi import wrap_file

from ckanext.gkopen.domains import Domain, Field, get_domain
from ckanext.gkopen.logic.action.revision import differences
from ckanext.gkopen.parts import Difference
from ckanext.gkopen.views.findings import safe
from ckanext.gkopen.views.preview import cell
from ckanext.gkopen.views.session import act

BATCH = 10_000


def download(id: str) -> Response:
    """Part, what happens to the row, for a changed row the columns that differ, then the row; a changed row stands
    twice, as it is public and as it would be."""
    revision = act("gkopen_revision_show", {"id": id, "limit": 1})
    domain = get_domain(revision["dataset"]["domain"])
    target = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - the response closes it; a large one never is in memory
    _write(target, domain, differences({"user": toolkit.current_user.name}, {"id": id}))
    size = target.tell()
    target.seek(0)
    response = Response(wrap_file(toolkit.request.environ, target), mimetype="text/csv", direct_passthrough=True)
    response.headers.update({
        "Content-Length": str(size), "Content-Disposition": f'attachment; filename="difference-{id[:8]}.csv"',
        "X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"})
    return response


def _write(target: IO[bytes], domain: Domain, found: Iterator[tuple[str, Difference]]) -> None:
    text = io.TextIOWrapper(target, "utf-8-sig", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([toolkit._("Part"), toolkit._("Change"), toolkit._("Changed columns"),
                     *(_title(field) for field in domain.fields)])
    for part, difference in found:
        name = h.gkopen_part(part, domain)
        for word, table in ((toolkit._("added"), difference.added), (toolkit._("removed"), difference.removed)):
            writer.writerows([name, word, "", *_cells(domain, row)] for row in _rows(table))
        for before, after in zip(_rows(difference.before), _rows(difference.changed), strict=True):
            columns = "; ".join(field.title.get(h.lang()) for field in domain.fields
                                if before[field.name] != after[field.name])
            writer.writerow([name, toolkit._("before"), columns, *_cells(domain, before)])
            writer.writerow([name, toolkit._("after"), columns, *_cells(domain, after)])
    text.detach()


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(BATCH):
        yield from batch.to_pylist()


def _title(field: Field) -> str:
    unit = f" ({field.unit})" if field.unit else ""
    return safe(f"{field.title.get(h.lang())}{unit}")


def _cells(domain: Domain, row: dict[str, Any]) -> list[str]:
    """Codes by their names; figures with the digits that are published, and no separators."""
    return [_cell(field, row[field.name]) for field in domain.fields]


def _cell(field: Field, value: Any) -> str:
    if value is None:
        return ""
    shown = cell(field, str(value))
    return safe(shown) if isinstance(value, str) else shown.replace(",", "")
