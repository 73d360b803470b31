"""`/review/takeback/<dataset>`: a dataset or a part of it is withdrawn, or brought back to an earlier revision."""

from __future__ import annotations

from typing import Any

from ckan.lib.helpers import helper_functions as h
from ckan.plugins import toolkit
from flask import Blueprint

from ckanext.gkopen import changesets
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.views.session import act, signed_in, telling, words

blueprint = Blueprint("gkopen_takeback", __name__, url_prefix="/review/takeback")
blueprint.before_request(signed_in)


@blueprint.get("/<name>", endpoint="read")
def read(name: str) -> str:
    """What is public of one dataset, and the two forms: for its reviewers, and for who may submit for its body."""
    revisions = act("gkopen_revision_list", {"dataset": name, "limit": 1})["results"]
    if not revisions:
        toolkit.abort(404)
    dataset, body = revisions[0]["dataset"], {"body_id": revisions[0]["organization"]["id"]}
    may = {what: bool(h.check_access(auth, body))
           for what, auth in (("withdraw", "gkopen_review"), ("rollback", "gkopen_submit"))}
    if not any(may.values()):
        toolkit.abort(403, toolkit._("You are not allowed to do this."))
    published = h.gkopen_publications(dataset)
    parts = sorted(changesets.public_parts(dataset["id"]).keys() - {changesets.METADATA})
    return toolkit.render("gkopen/review/takeback.html", {
        "dataset": dataset, "title": h.gkopen_revision_title(revisions[0]), "domain": get_domain(dataset["domain"]),
        "parts": parts, "may": may, "data": words("part", "seq"),
        "earlier": [one for one in published["results"] if one["url"] and not one["current"]] if published else []})


@blueprint.post("/<name>/withdraw", endpoint="withdraw")
def withdraw(name: str) -> Any:
    with telling():
        act("gkopen_dataset_withdraw", {"id": name, **words("part", "reason")})
        h.flash_success(toolkit._("Withdrawn. Every public address of it now answers with the reason."))
    return h.redirect_to("gkopen_takeback.read", name=name)


@blueprint.post("/<name>/rollback", endpoint="rollback")
def rollback(name: str) -> Any:
    """Leads to the held revision: it is reviewed like any other."""
    with telling():
        held = act("gkopen_dataset_rollback", {"id": name, **words("seq", "reason")})
        h.flash_success(toolkit._("Submitted. Another person has to approve it before it is public."))
        return h.redirect_to("gkopen_review.read", id=held["revision"])
    return h.redirect_to("gkopen_takeback.read", name=name)
