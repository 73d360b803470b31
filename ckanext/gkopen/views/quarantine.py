"""Rows that were set aside, of a revision or of a run: by page and by rule, and the workbook of corrections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ckan.lib.helpers import helper_functions as h
from ckan.plugins import toolkit
from flask import Blueprint, Response
from werkzeug.wsgi import wrap_file

from ckanext.gkopen import scratch
from ckanext.gkopen.oversight import corrections
from ckanext.gkopen.views import report
from ckanext.gkopen.views.domain import XLSX
from ckanext.gkopen.views.findings import every, rows_as_csv
from ckanext.gkopen.views.session import act, attachment, signed_in, words

blueprint = Blueprint("gkopen_quarantine", __name__)
blueprint.before_request(signed_in)

PER_PAGE = 50


@blueprint.get("/review/<id>/rows", endpoint="revision")
def revision_rows(id: str) -> str:
    """Rows of a revision, filtered by rule."""
    revision = act("gkopen_revision_show", {"id": id, "limit": 1})
    errors = {finding["code"]: finding["number"] for finding in act("gkopen_finding_list", {
        "revision": id, "each": 1})["results"] if finding["severity"] == "error"}
    return _page("gkopen_revision_quarantine", id, h.gkopen_revision_title(revision),
                 report.rules(errors, dict.fromkeys(errors, "error")),
                 back=h.url_for("gkopen_review.read", id=id), kind="revision",
                 numbers={name: revision[name] for name in ("rows_quarantined", "rows_duplicate")})


@blueprint.get("/office/runs/<id>/rows", endpoint="run")
def run_rows(id: str) -> str:
    """Rows of a run, whatever became of its tables, filtered by rule."""
    run = act("gkopen_run_show", {"id": id})
    counts = run["counts"] or {}
    title = h.gkopen_text(run["source_title"]) or run["source"]
    rules = [rule for rule in report.rules(counts.get("findings", {}), run["severities"])
             if rule["severity"] == "error"]
    return _page("gkopen_run_quarantine", id, title, rules, back=h.url_for("gkopen_office.run", id=id),
                 kind="run", kept=run["rows_kept"] or not counts.get("rows_in"),
                 newest=h.url_for("gkopen_office.runs", source=run["source"]),
                 numbers={name: counts.get(name, 0) for name in ("rows_quarantined", "rows_duplicate")})


@blueprint.get("/review/<id>/rows.csv", endpoint="revision_csv")
def revision_csv(id: str) -> Response:
    """The rows of a revision as their source printed them."""
    rows = ({**row, "body": "", "codes": sorted({finding["code"] for finding in row["findings"]})}
            for row in every("gkopen_revision_quarantine", {"id": id}))
    return attachment(rows_as_csv(rows), f"revision-{id[:8]}-rows.csv")


@blueprint.get("/review/<id>/corrections.xlsx", endpoint="revision_workbook")
def revision_workbook(id: str) -> Response:
    """The officer's own table with its bad cells marked; for other ones one that is generated."""
    revision = act("gkopen_revision_show", {"id": id, "limit": 1})
    own = h.check_access("gkopen_submit", {"body_id": revision["organization"]["id"]})
    # Its personal data is in it: for the body's people only.
    raw, sent_as = (corrections.raw_of(id) if own else None) or (None, "")
    return _workbook(f"corrections-{id[:8]}.xlsx", {"revision": id}, "gkopen_revision_quarantine", id, raw, sent_as)


@blueprint.get("/office/runs/<id>/corrections.xlsx", endpoint="run_workbook")
def run_workbook(id: str) -> Response:
    """The rows that a run set aside, marked like an officer's own workbook."""
    act("gkopen_run_show", {"id": id})
    return _workbook(f"corrections-{id[:8]}.xlsx", {"run": id}, "gkopen_run_quarantine", id)


def _page(action: str, id: str, title: str, rules: list[dict[str, Any]], *, back: str, kind: str,
          numbers: Mapping[str, int], kept: bool = True, newest: str = "") -> str:
    """`kept`: whether its rows still are; of a run that has them no more, `newest` leads to the one that has."""
    asked = words("code", "cursor")
    listed = act(action, {"id": id, "limit": PER_PAGE, **asked})
    return toolkit.render("gkopen/office/rows.html", {
        "rows": listed["results"], "cursor": listed["cursor"], "rules": rules, "chosen": asked, "title": title,
        "back": back, "kind": kind, "id": id, "numbers": numbers, "kept": kept,
        "newest": newest})


def _workbook(filename: str, of: Mapping[str, str], action: str, id: str, raw: bytes | None = None,
              sent_as: str = "") -> Response:
    """Written to a file of its own: a large one never stands in memory."""
    with scratch.folder() as folder:
        target = folder / "corrections.xlsx"
        corrections.write(target, lambda: every("gkopen_finding_list", of), lambda: every(action, {"id": id}), raw,
                          sent_as)
        size, file = target.stat().st_size, target.open("rb")
    response = Response(wrap_file(toolkit.request.environ, file), mimetype=XLSX, direct_passthrough=True)
    response.headers.update({
        "Content-Length": str(size), "Content-Disposition": f'attachment; filename="{filename}"',
        "X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"})
    return response
