"""`/row/DOMAIN/KEY`: the permanent address of a row, as a page and as JSON (`.json`)."""

from __future__ import annotations

from typing import Any

from ckan.plugins import toolkit
from flask import Blueprint, Response, request

from ckanext.gkopen.domains import Domain, UnknownDomain, get_domain
from ckanext.gkopen.history import keys
from ckanext.gkopen.views.answers import asked_once, json_of, refused
from ckanext.gkopen.views.download import cached, said

blueprint = Blueprint("gkopen_row", __name__, url_prefix="/row")


@blueprint.get("/<domain>/<path:key>.json", endpoint="json")
def as_json(domain: str, key: str) -> Response:
    """The answer of `gkopen_row_history`. 404: never published; 410: withdrawn, with the public reason."""
    try:
        told = _history(get_domain(domain), key, money=request.args.get("money"))
    except UnknownDomain as error:
        return said(404, *str(error).split("。", 1))
    except toolkit.ValidationError as error:
        return refused(error)
    except toolkit.ObjectNotFound:
        return said(404, "从未发布过这一行。", "No row of this key was ever published.")
    if (reason := _withdrawn(told)) is not None:
        return said(410, f"该行已撤回。{reason}", f"This row was withdrawn. {reason}")
    return cached(json_of(told), "application/json")


@blueprint.get("/<domain>/<path:key>", endpoint="read")
def read(domain: str, key: str) -> str:
    """The same for people."""
    try:
        described = get_domain(domain)
        told = _history(described, key, money="text")
    except UnknownDomain:
        toolkit.abort(404, toolkit._("There is no such domain on this portal."))
    except (toolkit.ObjectNotFound, toolkit.ValidationError) as error:
        if isinstance(error, toolkit.ValidationError) and "dataset" in error.error_dict:
            toolkit.abort(400, toolkit._("Many datasets have a row of this key: name one with ?dataset=."))
        toolkit.abort(404, toolkit._("No row of this key was ever published."))
    if (reason := _withdrawn(told)) is not None:
        toolkit.abort(410, reason)
    return toolkit.render("gkopen/row/read.html", {
        "domain": described, "told": told, "json_url": toolkit.url_for(
            "gkopen_row.json", domain=domain, key=key, dataset=request.args.get("dataset"))})


def _withdrawn(told: dict[str, Any]) -> str | None:
    """The public reason where nothing but a withdrawn row is told."""
    rows = told["results"]
    return rows[0]["reason"] or "" if rows and all(row["state"] == "withdrawn" for row in rows) else None


def _history(domain: Domain, path: str, **more: Any) -> dict[str, Any]:
    """Raises ObjectNotFound for what is no key of the domain, too."""
    try:
        key = keys.from_path(domain, path)
    except keys.NotAKey as error:
        raise toolkit.ObjectNotFound from error
    args = asked_once()
    data = {"domain": domain.name, "key": list(key), "dataset": args.get("dataset"), "cursor": args.get("cursor"),
            **more}
    return toolkit.get_action("gkopen_row_history")({"user": ""}, data)
