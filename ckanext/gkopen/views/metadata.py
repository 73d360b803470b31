"""The officer's form for a dataset's disclosure metadata: what is written there is held and reviewed like rows.

CKAN's own dataset form is refused (nothing public without review). This one shows what waits in the held revision,
else what is public, in the fields of schemas/dataset.yaml.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ckan import model
from ckan.lib.helpers import helper_functions as h
from ckan.plugins import toolkit
from flask import Blueprint

from ckanext.gkopen import changesets
from ckanext.gkopen.checks.catalogue import render
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.logic import language
from ckanext.gkopen.metadata.package import APPROVED, review_findings
from ckanext.gkopen.metadata.proposal import MANY
from ckanext.gkopen.metadata.values import LINES, validated
from ckanext.gkopen.records import Finding
from ckanext.gkopen.review import roles
from ckanext.gkopen.views.session import act, sentences, signed_in

blueprint = Blueprint("gkopen_metadata", __name__, url_prefix="/office/metadata")
blueprint.before_request(signed_in)

Metadata = dict[str, Any]
Told = dict[str, list[str]]

GROUPS = {
    "what": ("title", "title_en", "notes", "notes_en"),
    "disclosure": ("disclosure_attribute", "exemption_ground", "exemption_note", "legal_basis", "responsible_body",
                   "responsible_uscc", "field", "matter", "stage", "audience", "channel", "tier"),
    "time": ("legal_rule", "time_limit_value", "time_limit_unit", "time_limit_text", "formed_on", "due_on",
             "update_cycle"),
    "openness": ("open_type", "open_condition", "license_id", "share_type", "share_condition", "res_code",
                 "related_codes"),
    "contact": ("contact_name", "contact_phone", "contact_email", "source_system"),
}
"""Headings of the form → fields. A dataset is one body's in one `domain`: that alone cannot be edited."""
FIELDS = tuple(name for names in GROUPS.values() for name in names)
LONG = ("legal_basis", "share_condition", "open_condition")
"""Fields that are sentences: a single line would hide their end."""
SNIPPETS = {"markdown.html": "textarea.html", "multiple_checkbox.html": "gkopen/office/metadata_codes.html",
            "multiple_text.html": "gkopen/office/metadata_lines.html"}
"""Snippets of ckanext-scheming that need JavaScript or lead to foreign hosts → those used in their place."""


@blueprint.route("/<name>", methods=["GET", "POST"], endpoint="edit")
def edit(name: str) -> Any:
    """The form; a POST holds what differs and leads to the page of the new revision.

    A value that is none (a wrong code, no date) and a rule that the edit breaks anew are told beside the field, and
    nothing is submitted. What was open before the edit may stay open: the reviewer sees it too.
    """
    dataset, organization = _dataset(name)
    known, waiting = _known(name)
    page = {"dataset": dataset, "organization": organization, "waiting": waiting, "seen": _seen(known)}
    if toolkit.request.method == "GET":
        return _form(page, known, {}, review_findings(known))
    posted = _posted(known)
    values, errors = validated(posted, toolkit.current_user.name)
    changes = {field: value for field, value in values.items() if not _same(known.get(field), value)}
    wanted = {field: value for field, value in (known | changes).items() if value not in (None, "", [])}
    before = {(finding.code, finding.field) for finding in review_findings(known)}
    found = review_findings(wanted)
    for finding in found:
        if (finding.code, finding.field) not in before:
            errors.setdefault(finding.field or "", []).append(_sentence(finding))
    if changes and toolkit.request.form.get("seen", page["seen"]) != page["seen"]:
        errors.setdefault("", []).append(toolkit._(
            "Somebody has changed the metadata since you opened this form. The fields show what you wrote: compare it"
            " with what waits or is public now, then submit again."))
    if errors:
        return _form(page, known | posted, errors, found)
    try:
        outcome = act("gkopen_submission_create", {
            "domain": dataset["domain"], "organization": organization["id"], "metadata": changes})
    except toolkit.ValidationError as error:
        return _form(page, known | posted, {"": sentences(error)}, found)
    if outcome["state"] == "unchanged":
        h.flash_notice(toolkit._("Nothing has changed."))
        return h.redirect_to("gkopen_metadata.edit", name=name)
    h.flash_success(toolkit._("Submitted. Another person has to approve it before it is public."))
    return h.redirect_to("gkopen_review.read", id=outcome["revision_id"])


def _dataset(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Dataset and body, for whoever may submit for the body. Other bodies' datasets are as if they did not exist."""
    user = toolkit.current_user.name
    listed = act("gkopen_revision_list", {"dataset": name, "limit": 1})["results"]
    if not listed and roles.visible_bodies(user) is None:
        toolkit.abort(404, toolkit._("There is no such dataset."))
    if not listed or not h.check_access("gkopen_submit", {"body_id": listed[0]["organization"]["id"]}):
        toolkit.abort(403, toolkit._("Only data officers of the responsible body edit its metadata."))
    return listed[0]["dataset"], listed[0]["organization"]


def _known(name: str) -> tuple[Metadata, str | None]:
    """The metadata that waits, with its revision's id; else the public one. The same as the pipeline builds upon."""
    for held in act("gkopen_revision_list", {"dataset": name, "state": "held"})["results"]:
        change = act("gkopen_revision_show", {"id": held["id"], "limit": 1})["metadata_change"]
        if change and change["after"]:
            return change["after"], held["id"]
    try:
        public = toolkit.get_action("package_show")({"user": toolkit.current_user.name}, {"id": name})
    except (toolkit.ObjectNotFound, toolkit.NotAuthorized):
        toolkit.abort(404, toolkit._("Nothing of this dataset waits or is public: submit its rows first."))
    return {field: public[field] for field in APPROVED if public.get(field) not in (None, "", [])}, None


def _seen(known: Metadata) -> str:
    """What a form was drawn from: one that is older than a colleague's edit would put the old values back."""
    return hashlib.sha256(changesets.canonical_json(known)).hexdigest()


def _posted(known: Metadata) -> Metadata:
    """What the form says. A box that is not ticked is not sent; any other field that is not sent stays as it is."""
    form = toolkit.request.form
    posted: Metadata = {}
    for field in FIELDS:
        if field in MANY:
            posted[field] = form.getlist(field)
        elif field not in form:
            posted[field] = known.get(field)
        elif field == LINES:
            posted[field] = list(dict.fromkeys(filter(None, map(str.strip, form[field].splitlines()))))
        else:
            posted[field] = form[field].replace("\r\n", "\n").strip()
    return posted


def _same(before: Any, after: Any) -> bool:
    """Whether a reader sees no difference: 20 and "20", the order of codes, empty and missing."""
    if isinstance(before, list) or isinstance(after, list):
        return sorted(before or ()) == sorted(after or ())
    return ("" if before is None else str(before)) == ("" if after is None else str(after))


def _form(page: Mapping[str, Any], data: Metadata, errors: Told, found: Iterable[Finding]) -> str:
    """`errors` are shown beside their fields, what else was `found` in the list of what is still to be settled."""
    open_: Told = {}
    for finding in found:
        if finding.field not in errors:
            open_.setdefault(finding.field or "", []).append(_sentence(finding))
    fields = _fields(errors)
    return toolkit.render("gkopen/office/metadata.html", {
        **page, "domain": get_domain(page["dataset"]["domain"]), "groups": GROUPS, "fields": fields,
        "data": {name: data.get(name, [] if name in MANY or name == LINES else "") for name in FIELDS},
        "errors": errors, "open": open_,
        "licenses": [(h.gkopen_license({"license_id": each.id}), each.id)
                     for each in model.Package.get_license_register().values()]})


def _fields(errors: Told) -> dict[str, dict[str, Any]]:
    """The form's fields. Each list of choices can be left empty: a browser would else choose the first for a person."""
    defined = h.scheming_get_dataset_schema("dataset")["dataset_fields"]
    fields: dict[str, dict[str, Any]] = {}
    for field in defined:
        name, snippet = field["field_name"], field.get("form_snippet") or "text.html"
        invalid = {"aria-invalid": "true"} if name in errors else {}
        if name in LONG:
            snippet = "textarea.html"
        choosing = {"class": "form-control form-select"} if snippet == "license.html" else {}
        fields[name] = {**field, "form_snippet": SNIPPETS.get(snippet, snippet), "form_include_blank_choice": True,
                        "form_attrs": {**choosing, **invalid}, "classes": []}
    return fields


def _sentence(finding: Finding) -> str:
    """What is wrong and what to do, in the reader's language, with the field's label."""
    labels = {field["field_name"]: field["label"] for field in
              h.scheming_get_dataset_schema("dataset")["dataset_fields"]}
    label = h.scheming_language_text(labels[finding.field]) if finding.field in labels else finding.field
    told = render(replace(finding, label=label), language.reader())
    return f"{told['message']} {told['fix']}"
