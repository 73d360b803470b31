"""A domain's page: what it is, who publishes, the rows of all bodies, the dictionary and the files."""

from __future__ import annotations

from typing import Any

from ckan.plugins import toolkit
from flask import Blueprint, Response

from ckanext.gkopen import ids
from ckanext.gkopen.derive.template import workbook
from ckanext.gkopen.domains import Domain, UnknownDomain, get_domain

blueprint = Blueprint("gkopen_domain", __name__, url_prefix="/domain")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_BODIES = 1000


@blueprint.get("/", strict_slashes=False, endpoint="index")
def index() -> str:
    """All domains."""
    return toolkit.render("gkopen/domain/index.html", {})


@blueprint.get("/<name>", endpoint="read")
def read(name: str) -> str:
    """One domain."""
    domain = _domain(name)
    found = toolkit.get_action("package_search")({}, {
        "fq": f'+domain:"{domain.name}" -id:{ids.bulk_id(domain.name)}', "rows": MOST_BODIES,
        "sort": "metadata_modified desc"})
    datasets = found["results"]
    body = next((d for d in datasets if d["id"] == toolkit.request.args.get("body")), None)
    return toolkit.render("gkopen/domain/read.html", {
        "domain": domain, "datasets": datasets, "body": body, "package": _bulk(domain),
        "table": ids.table_id(domain.name)})


@blueprint.get("/<name>/template.xlsx", endpoint="template")
def template(name: str) -> Response:
    """The empty workbook that an officer fills in."""
    domain = _domain(name)
    response = Response(workbook(domain), mimetype=XLSX)
    response.headers["Content-Disposition"] = f'attachment; filename="{domain.name}-template.xlsx"'
    return response


def _domain(name: str) -> Domain:
    try:
        return get_domain(name)
    except UnknownDomain:
        toolkit.abort(404, toolkit._("There is no such domain on this portal."))


def _bulk(domain: Domain) -> dict[str, Any] | None:
    """The package of the table over all bodies; none before the first publication."""
    try:
        return toolkit.get_action("package_show")({}, {"id": ids.bulk_id(domain.name)})
    except toolkit.ObjectNotFound:
        return None
