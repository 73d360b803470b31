"""The reviewer's pages: what waits, what it changes, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ckan.lib.helpers import helper_functions as h
from ckan.plugins import toolkit
from flask import Blueprint, Response

from ckanext.gkopen import bodies, changesets, model
from ckanext.gkopen.domains import domains, get_domain
from ckanext.gkopen.review import roles
from ckanext.gkopen.views import difference
from ckanext.gkopen.views.findings import SHOWN, as_csv, every, grouped
from ckanext.gkopen.views.session import act, attachment, sentences, signed_in, telling, words

blueprint = Blueprint("gkopen_review", __name__, url_prefix="/review")
blueprint.before_request(signed_in)

STATES = ("held", "frozen", "stale", "returned", "published", "superseded", "discarded", "recalled", "withdrawn")
PER_PAGE = 25
DIFFERENCE_ROWS = 200


@blueprint.get("/", strict_slashes=False, endpoint="queue")
def queue() -> str:
    """Revisions in one state, the waiting ones by default."""
    chosen = {"state": "held", **words("state", "organization", "domain", "cursor")}
    listed = act("gkopen_revision_list", {**chosen, "limit": PER_PAGE})
    return toolkit.render("gkopen/review/queue.html", {
        "revisions": listed["results"], "cursor": listed["cursor"], "chosen": chosen, "states": STATES, **_choices()})


def _choices() -> dict[str, Any]:
    """Bodies and domains of the revisions that the person may see."""
    rows = model.every("select distinct domain, body_id from gkopen.dataset where :all or body_id = any(:visible)",
                       **roles.seen_by(toolkit.current_user.name))
    wanted, known = {row["domain"] for row in rows}, bodies.every()
    return {"domains": [domain for name, domain in domains().items() if name in wanted],
            "bodies": sorted((known[each] for each in {row["body_id"] for row in rows} & known.keys()),
                             key=lambda body: body["name"])}


@blueprint.get("/<id>", endpoint="read")
def read(id: str) -> str:
    """One revision: findings, difference of one part, metadata, quarantine, and the form of the decision."""
    revision = act("gkopen_revision_show", {"id": id, "limit": 1})
    domain = get_domain(revision["dataset"]["domain"])
    parts = [part for part in revision["parts"] if part["part"] != changesets.METADATA]
    asked = words("part", "quarantine_cursor")
    part = asked.get("part") or (parts[0]["part"] if parts else None)
    sealed = {each["part"] for each in revision["parts"] if each["sealed"]}
    shown = act("gkopen_revision_diff", {"id": id, "part": part, "limit": DIFFERENCE_ROWS}) if (
        part and part not in sealed) else None
    quarantine = None
    if (revision["rows_quarantined"] or revision["rows_duplicate"]) and not sealed:
        quarantine = act("gkopen_revision_quarantine", {"id": id, **(
            {"cursor": asked["quarantine_cursor"]} if "quarantine_cursor" in asked else {})})
    return toolkit.render("gkopen/review/read.html", {
        "revision": revision, "domain": domain, "parts": parts, "part": part, "difference": shown,
        "sealed": sealed,
        "groups": grouped(act("gkopen_finding_list", {"revision": id, "each": SHOWN})["results"]),
        "quarantine": quarantine, "next": _next(revision)})


def _next(revision: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a reviewer turns to once this one is decided on: of the newest that wait, the first that is not an own one.
    """
    if revision["state"] == "held" or not h.gkopen_role()["review"]:
        return None
    user = toolkit.current_user.name
    reviewed = roles.reviewed_bodies(user)
    waiting = act("gkopen_revision_list", {"state": "held", "limit": PER_PAGE})["results"]
    return next((one for one in waiting if one["submitted_by"] != user and (
        reviewed is None or one["organization"]["id"] in reviewed)), None)


@blueprint.get("/<id>/findings.csv", endpoint="findings")
def findings(id: str) -> Response:
    """All findings of a revision, for the officer who has to mend the source."""
    return attachment(as_csv(every("gkopen_finding_list", {"revision": id})), f"findings-{id[:8]}.csv")


@blueprint.get("/<id>/difference.csv", endpoint="difference")
def whole_difference(id: str) -> Response:
    """All rows that a revision adds, changes and removes: the page shows the first of each."""
    return difference.download(id)


@blueprint.post("/<id>/approve", endpoint="approve")
def approve(id: str) -> Any:
    """Approve the digest that the page showed: what has changed since is refused."""
    try:
        id = act("gkopen_revision_approve", {"id": id, **words("digest", "reason")})["id"]
        h.flash_success(toolkit._("Approved. The revision is being published."))
    except toolkit.ValidationError as error:
        stale: Any = error.error_dict.get("stale", [""])
        if again := stale[0]:                             # what waits now is looked at, not the number of it
            h.flash_notice(toolkit._("Nothing was published yet: what is public has changed since this revision was"
                                     " checked. It was compared again. Look at what it would change now, and decide."))
            return h.redirect_to("gkopen_review.read", id=again)
        for sentence in sentences(error):
            h.flash_error(sentence)
    return h.redirect_to("gkopen_review.read", id=id)


@blueprint.post("/<id>/return", endpoint="send_back")
def send_back(id: str) -> Any:
    """Return a revision to the officer, with the reason."""
    with telling():
        act("gkopen_revision_return", {"id": id, **words("reason")})
        h.flash_success(toolkit._("Returned to the data officer."))
    return h.redirect_to("gkopen_review.read", id=id)


@blueprint.post("/<id>/recall", endpoint="recall")
def recall(id: str) -> Any:
    """The officer takes an own submission back."""
    with telling():
        act("gkopen_revision_recall", {"id": id})
        h.flash_success(toolkit._("Taken back."))
    return h.redirect_to("gkopen_review.read", id=id)
