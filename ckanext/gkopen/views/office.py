"""The data officer's desk: check and submit a workbook, follow own submissions, sources and runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from ckan import model
from ckan.lib.helpers import helper_functions as h
from ckan.plugins import toolkit
from flask import Blueprint, Response

from ckanext.gkopen import clock
from ckanext.gkopen.domains import domains
from ckanext.gkopen.oversight import health, ledger
from ckanext.gkopen.review import roles
from ckanext.gkopen.review.nil import standing
from ckanext.gkopen.views import kept, report
from ckanext.gkopen.views.findings import as_csv, every, grouped, rows_as_csv
from ckanext.gkopen.views.session import act, attachment, sentences, signed_in, telling, words

blueprint = Blueprint("gkopen_office", __name__, url_prefix="/office")
blueprint.before_request(signed_in)

PER_PAGE = 20
DESK_ROWS = 10
MESSAGES = 10


@blueprint.get("/", strict_slashes=False, endpoint="desk")
def desk() -> str:
    """What the officer has to do with: the form, the last submissions, the sources."""
    revisions = act("gkopen_revision_list", {"limit": DESK_ROWS, **words("cursor")})
    choices = _choices()
    mine = {body.id: body for body in choices["body_choices"]}
    return toolkit.render("gkopen/office/desk.html", {
        **choices, "revisions": revisions["results"], "cursor": revisions["cursor"],
        "sources": _by_urgency(), "data": words("domain", "organization"),
        "owed": _owed(mine), "nil_reports": _nil_reports(mine)})


@blueprint.route("/submit", methods=["GET", "POST"], endpoint="submit")
def submit() -> Any:
    """A file is checked first; the same file is submitted from the page that shows its findings."""
    if not h.check_access("gkopen_desk"):          # before any byte is kept
        toolkit.abort(403, toolkit._("You are not allowed to do this."))
    data = words("domain", "organization", "ticket")
    if toolkit.request.method == "GET":
        return _form(data)
    upload = toolkit.request.files.get("upload")
    file = kept.find(data["ticket"]) if "ticket" in data and not (upload and upload.filename) else None
    errors = _missing(data, bool(file or (upload and upload.filename)))
    if errors or (file is None and not (upload and upload.filename)):
        return _form(data, errors)
    try:
        if file is not None and toolkit.request.form.get("do") == "submit":
            return _submitted(data, file)
        file = file or kept.keep(upload)
        checked = act("gkopen_check", {**data, "upload": file.as_upload(), "filename": file.filename})
    except toolkit.ValidationError as error:
        return _form(data, sentences(error))
    if toolkit.request.form.get("do") == "findings":
        return attachment(as_csv(checked["findings"]), "findings.csv")
    return toolkit.render("gkopen/office/checked.html", {
        **_choices(), "data": data, "file": file, "checked": checked, "groups": grouped(checked["findings"])})


@blueprint.get("/sources", endpoint="sources")
def sources() -> str:
    """Every source of the officer's bodies, with its health."""
    return _sources()


@blueprint.post("/feed", endpoint="feed")
def feed() -> str:
    """A new secret address of the person's feed: told in this answer only, and kept nowhere."""
    made = act("gkopen_feed_create")
    return _sources(feed=toolkit.config["ckan.site_url"].rstrip("/") + made["path"])


@blueprint.post("/sources/<name>/<any(harvest, pause, resume):what>", endpoint="source_do")
def source_do(name: str, what: str) -> Any:
    """Harvest now, pause or resume."""
    with telling():
        if what == "harvest":
            run = act("gkopen_run_create", {"source": name})
            return h.redirect_to("gkopen_office.run", id=run["id"])
        act(f"gkopen_source_{what}", {"id": name})
        h.flash_success(toolkit._("Paused.") if what == "pause" else toolkit._("Resumed."))
    return h.redirect_to("gkopen_office.sources")


@blueprint.get("/runs", endpoint="runs")
def runs() -> str:
    """Runs, newest first."""
    listed = act("gkopen_run_list", {"limit": PER_PAGE, **words("source", "state", "cursor")})
    return toolkit.render("gkopen/office/runs.html", {"runs": listed["results"], "cursor": listed["cursor"],
                                                      "chosen": words("source", "state")})


@blueprint.get("/runs/<id>", endpoint="run")
def run(id: str) -> str:
    """The report of one run."""
    return toolkit.render("gkopen/office/run.html", report.of(act("gkopen_run_show", {"id": id})))


@blueprint.get("/runs/<id>/findings.csv", endpoint="run_findings")
def run_findings(id: str) -> Response:
    """All findings of a run, for whoever has to mend the source."""
    return attachment(as_csv(every("gkopen_finding_list", {"run": id})), f"run-{id[:8]}.csv")


@blueprint.get("/runs/<id>/rows.csv", endpoint="run_rows")
def run_rows(id: str) -> Response:
    """The rows that a run set apart, as the source printed them."""
    return attachment(rows_as_csv(every("gkopen_run_quarantine", {"id": id})), f"run-{id[:8]}-rows.csv")


@blueprint.post("/nil", endpoint="nil")
def nil() -> Any:
    """零报告: there is nothing to disclose for this period."""
    with telling():
        act("gkopen_nil_report", words("domain", "organization", "part"))
        h.flash_success(toolkit._("The nil report is recorded."))
    return h.redirect_to("gkopen_office.desk")


@blueprint.post("/nil/recall", endpoint="nil_recall")
def nil_recall() -> Any:
    """A nil report that was wrong."""
    with telling():
        act("gkopen_nil_recall", words("domain", "organization", "part", "reason"))
        h.flash_success(toolkit._("The nil report is taken back. What it answered is owed again."))
    return h.redirect_to("gkopen_office.desk")


def _owed(mine: Mapping[str, model.Group]) -> list[dict[str, Any]]:
    """What the person's bodies (by id) owe and have not sent, the longest overdue first."""
    owed = [entry for entry in ledger.entries(clock.today())
            if entry.state in ("overdue", "due") and entry.duty.body_id in mine]
    owed.sort(key=lambda entry: (entry.due.on or date.max, entry.duty.domain.name))
    return list(ledger.described(owed[:DESK_ROWS]))


def _nil_reports(mine: Mapping[str, model.Group]) -> list[dict[str, Any]]:
    """The latest nil reports of the person's bodies, each with its body."""
    return [{**told, "body": mine[told["body_id"]]} for told in standing(mine, DESK_ROWS)]


def _sources(**more: Any) -> str:
    told = words("messages")
    messages = act("gkopen_message_list", {"limit": MESSAGES, **({"cursor": told["messages"]} if told else {})})
    listed = _by_urgency()
    return toolkit.render("gkopen/office/sources.html", {
        "sources": listed, "titles": {source["name"]: h.gkopen_text(source["config"]["title"]) for source in listed},
        "messages": messages["results"], "cursor": messages["cursor"], **more})


def _by_urgency() -> list[dict[str, Any]]:
    """The officer's sources, those that need a look first."""
    return sorted(act("gkopen_source_list", {"limit": 1000})["results"],
                  key=lambda source: health.URGENT.index(source["health"]["state"]))


def _submitted(data: dict[str, str], file: kept.Kept) -> Any:
    outcome = act("gkopen_submission_create", {**data, "upload": file.as_upload(), "filename": file.filename},
                  gkopen_door="upload")
    if outcome["state"] == "unchanged":
        h.flash_notice(toolkit._("Nothing has changed: what is public says the same already."))
        return h.redirect_to("gkopen_office.desk")
    if outcome["state"] == "returned":
        h.flash_error(toolkit._("No row of it can be published: it was returned at once. Mend what is said below, and"
                                " submit it again."))
        return h.redirect_to("gkopen_review.read", id=outcome["revision_id"])
    if outcome.get("revision_id"):
        h.flash_success(toolkit._("Submitted. Another person has to approve it before it is public."))
        return h.redirect_to("gkopen_review.read", id=outcome["revision_id"])
    return h.redirect_to("gkopen_office.desk")


def _form(data: dict[str, str], errors: list[str] | None = None) -> str:
    return toolkit.render("gkopen/office/submit.html", {**_choices(), "data": data, "errors": errors or []})


def _missing(data: dict[str, str], file: bool) -> list[str]:
    told = []
    if "domain" not in data:
        told.append(toolkit._("Choose what kind of table it is."))
    if "organization" not in data:
        told.append(toolkit._("Choose the responsible body."))
    if not file:
        told.append(toolkit._("Choose the file. A checked file is kept for two hours: after that, choose it again."))
    return told


def _choices() -> dict[str, Any]:
    """Domains and the bodies for which the person may submit."""
    held = roles.roles_of(toolkit.current_user.name)
    groups = model.Session.query(model.Group).filter(model.Group.is_organization.is_(True),
                                                     model.Group.state == "active").order_by(model.Group.name)
    return {"domain_choices": list(domains().values()),
            "body_choices": [group for group in groups if held.administrator or group.id in held.officer]}
