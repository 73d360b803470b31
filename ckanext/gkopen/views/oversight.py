"""`/oversight`: the public ledger (台账) of what bodies owe, as a page, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ckan.lib.helpers import helper_functions as h
from ckan.plugins import toolkit
from flask import Blueprint, Response

from ckanext.gkopen import bodies
from ckanext.gkopen.domains import domains
from ckanext.gkopen.logic.action.oversight import whole_ledger
from ckanext.gkopen.oversight import duties
from ckanext.gkopen.oversight.ledger import STATES
from ckanext.gkopen.views.download import Cacheable
from ckanext.gkopen.views.findings import safe
from ckanext.gkopen.views.session import sentences

blueprint = Blueprint("gkopen_oversight", __name__)

PER_PAGE = 50
FILTERS = ("domain", "organization", "period", "state")


@blueprint.get("/oversight", strict_slashes=False, endpoint="index")
def index() -> str:
    """Who owes what and whether it is there: filters by domain, body and state."""
    args, chosen = toolkit.request.args, _chosen()
    owing = _ask("gkopen_duty_list", {"cursor": args.get("duties")})
    listed = _ask("gkopen_oversight_list", {**chosen, "cursor": args.get("cursor")})
    owed, owers = duties.owing()
    return toolkit.render("gkopen/oversight/index.html", {
        "entries": listed["results"], "cursor": listed["cursor"], "counts": listed["counts"],
        "unknown_years": listed["unknown_years"], "chosen": chosen, "states": STATES, "duties": owing["results"],
        "duties_cursor": owing["cursor"],
        "bodies": sorted((body for body_id, body in bodies.every().items() if body_id in owers),
                         key=lambda body: body["title"]),
        "domains": [domain for name, domain in domains().items() if name in owed]})


@blueprint.get("/oversight.json", endpoint="json")
def as_json() -> Response:
    """The same for machines: all rows, or those of the filters."""
    answer = _all()
    return Cacheable(h.dump_json(answer, ensure_ascii=False), mimetype="application/json")


@blueprint.get("/oversight.csv", endpoint="csv")
def as_csv() -> Response:
    """The same for spreadsheets."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["period", "domain", "domain_title", "organization", "organization_title", "state", "due_on", "on",
                     "days_late", "overdue_since", "rule", "note"])
    lang = "en" if h.gkopen_english() else "zh"
    for entry in _all()["results"]:
        note = "; ".join(row["reason"] for row in entry["respites"])
        writer.writerow([safe(value) for value in (
            entry["period"], entry["domain"], entry["domain_title"][lang], entry["organization"]["name"],
            entry["organization"]["title"], entry["state"], entry["due_on"], entry["on"], entry["days_late"],
            entry["overdue_since"], entry["rule"][lang], note)])
    response = Cacheable("\ufeff" + text.getvalue(), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="oversight.csv"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _all() -> dict[str, Any]:
    with _refusing():
        return whole_ledger(_chosen())


def _chosen() -> dict[str, str]:
    return {name: toolkit.request.args[name] for name in FILTERS if toolkit.request.args.get(name)}


def _ask(action: str, data: dict[str, Any]) -> dict[str, Any]:
    """As anyone would: who looks at the page makes no difference to what it shows."""
    with _refusing():
        return toolkit.get_action(action)({"user": ""}, {**data, "limit": PER_PAGE})


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except toolkit.ValidationError as error:
        toolkit.abort(404, " ".join(sentences(error)))
