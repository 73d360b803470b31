"""`/trail/process/NUMBER` and `/trail/project/CODE`: the way of the money, as a page and as JSON (`.json`)."""

from __future__ import annotations

from typing import Any

from ckan.plugins import toolkit
from flask import Blueprint, Response

from ckanext.gkopen.logic.action.trail import withdrawn
from ckanext.gkopen.views.answers import json_of
from ckanext.gkopen.views.download import cached, said

blueprint = Blueprint("gkopen_trail", __name__, url_prefix="/trail")

FIELDS = {"process": "project_no", "project": "project_code"}


def as_json(of: str, number: str) -> Response:
    """The answer of `gkopen_trail_show`. 404: never published; 410: published no more."""
    try:
        return cached(json_of(_shown(of, number)), "application/json")
    except toolkit.ObjectNotFound:
        reason = withdrawn(of, number)
    if reason is None:
        return said(404, "没有以此编号公布的信息：采购用项目编号，建设项目用项目代码。",
                    "Nothing is published under this number: a procurement has a project number, a construction"
                    " project a project code.")
    if not reason:
        return said(410, "以此编号公布过的信息已不再公开。", "What was published under this number is public no more.")
    return said(410, f"该信息已撤回。{reason}", f"This information was withdrawn. {reason}")


def read(of: str, number: str) -> str:
    """The same for people."""
    try:
        trail = _shown(of, number)
    except toolkit.ObjectNotFound:
        reason = withdrawn(of, number)
        if reason is None:
            toolkit.abort(404, toolkit._("Nothing is published under this number."))
        toolkit.abort(410, reason or toolkit._("This is no longer published."))
    return toolkit.render("gkopen/trail/read.html", {
        "of": of, "number": number, "trail": trail,
        "json_url": f"{toolkit.url_for('gkopen_trail.read', of=of, number=number)}.json"})


def _shown(of: str, number: str) -> dict[str, Any]:
    return toolkit.get_action("gkopen_trail_show")({"user": ""}, {FIELDS[of]: number})


for _of in FIELDS:
    blueprint.add_url_rule(f"/{_of}/<path:number>.json", "json", as_json, defaults={"of": _of})
    blueprint.add_url_rule(f"/{_of}/<path:number>", "read", read, defaults={"of": _of})
