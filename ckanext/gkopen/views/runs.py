"""What people decide on harvest runs: stop one, let through or drop what one holds, take changed columns."""

from __future__ import annotations

from typing import Any

from ckan.lib.helpers import helper_functions as h
from ckan.plugins import toolkit
from flask import Blueprint

from ckanext.gkopen import changesets
from ckanext.gkopen.views import report
from ckanext.gkopen.views.session import act, signed_in, telling, words

blueprint = Blueprint("gkopen_run", __name__, url_prefix="/office/runs")
blueprint.before_request(signed_in)

DIFFERENCE_ROWS = 50


@blueprint.get("/<id>/hold", endpoint="hold")
def hold(id: str) -> str:
    """What a held run would change, the first tables one by one, and the two ways to decide."""
    told = report.of(act("gkopen_run_show", {"id": id}))
    return toolkit.render("gkopen/office/hold.html", {**told, "tables": [_table(entry) for entry in told["held"]]})


@blueprint.post("/<id>/hold", endpoint="decide")
def decide(id: str) -> Any:
    """Let through to review, or discard."""
    do = words("do").get("do")
    if do not in ("release", "discard"):
        toolkit.abort(400)
    with telling():
        if do == "release":
            act("gkopen_run_release", {"id": id})
            h.flash_success(toolkit._("Let through: it now waits for review."))
        else:
            act("gkopen_run_discard", {"id": id})
            h.flash_success(toolkit._("Discarded. What is public stays as it is."))
    return h.redirect_to("gkopen_office.run", id=id)


@blueprint.post("/<id>/cancel", endpoint="cancel")
def cancel(id: str) -> Any:
    """Stop a run."""
    with telling():
        done = act("gkopen_run_cancel", {"id": id})
        h.flash_success(toolkit._("The run is cancelled.") if done["cancelled"] else toolkit._(
            "The run stops at its next page or table."))
    return h.redirect_to("gkopen_office.run", id=id)


@blueprint.post("/<id>/accept", endpoint="accept")
def accept(id: str) -> Any:
    """Take the columns at which a run stopped, and harvest again."""
    with telling():
        act("gkopen_run_accept", {"id": id})
        again = act("gkopen_run_create", {"source": act("gkopen_run_show", {"id": id})["source"]})
        h.flash_success(toolkit._("The columns are accepted; the source is harvested again."))
        return h.redirect_to("gkopen_office.run", id=again["id"])
    return h.redirect_to("gkopen_office.run", id=id)


def _table(entry: dict[str, Any]) -> dict[str, Any]:
    """One frozen table of `report.of`, with its revision, if the run made one, and the difference of its parts;
    without that where the domain was taken out of the settings since."""
    shown: dict[str, Any] = {**entry, "revision": None, "parts": []}
    if entry["revision"] and entry["domain"]:
        shown["revision"] = act("gkopen_revision_show", {"id": entry["revision"]})
        for part in shown["revision"]["parts"]:
            if part["part"] != changesets.METADATA and not part["sealed"]:
                shown["parts"].append((part, act("gkopen_revision_diff", {
                    "id": entry["revision"], "part": part["part"], "limit": DIFFERENCE_ROWS})))
    return shown
