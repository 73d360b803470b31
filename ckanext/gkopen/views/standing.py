"""`/review/standing/<dataset>`: the standing approval of a dataset: what was published under it, granting, revoking."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ckan.lib.helpers import helper_functions as h
from ckan.plugins import toolkit
from flask import Blueprint

from ckanext.gkopen import clock
from ckanext.gkopen.oversight import standing
from ckanext.gkopen.views.session import act, signed_in, telling, words

blueprint = Blueprint("gkopen_standing", __name__, url_prefix="/review/standing")
blueprint.before_request(signed_in)

USUAL = timedelta(days=180)


@blueprint.get("/<name>", endpoint="read")
def read(name: str) -> str:
    """The approvals of one dataset, and the forms."""
    revisions = act("gkopen_revision_list", {"dataset": name, "limit": 1})["results"]
    if not revisions:
        toolkit.abort(404)
    newest = act("gkopen_standing_list", {"dataset": name, "limit": 1})["results"]
    listed = act("gkopen_standing_list", {"dataset": name, **words("cursor")})
    body = revisions[0]["organization"]["id"]
    today = clock.today()
    return toolkit.render("gkopen/oversight/standing.html", {
        "name": name, "title": h.gkopen_revision_title(revisions[0]), "approvals": listed["results"],
        "cursor": listed["cursor"],
        "active": next((approval for approval in newest if approval["active"]), None),
        "may": h.check_access("gkopen_review", {"body_id": body}), "usual": (today + USUAL).isoformat(),
        "first": (today + timedelta(days=1)).isoformat(), "last": (today + standing.LONGEST).isoformat()})


@blueprint.post("/<name>/grant", endpoint="grant")
def grant(name: str) -> Any:
    with telling():
        act("gkopen_standing_grant", {"dataset": name, **words("until", "reason")})
        h.flash_success(toolkit._("Granted. It ends by itself, and can be revoked at any time."))
    return h.redirect_to("gkopen_standing.read", name=name)


@blueprint.post("/<name>/revoke", endpoint="revoke")
def revoke(name: str) -> Any:
    with telling():
        act("gkopen_standing_revoke", words("id"))
        h.flash_success(toolkit._("Revoked. From now on everything waits for a person."))
    return h.redirect_to("gkopen_standing.read", name=name)
