"""What must hold between the fields of a dataset's metadata, whoever writes and checks them.

The package validators, the review of held metadata and the forms all ask `problems`; a rule is written once.
公开 (disclosure), 共享 (sharing) and 开放 (openness) are three regimes: none follows from another.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ckanext.gkopen.records import Finding

REQUIRED = ("title", "notes", "domain", "disclosure_attribute", "legal_basis", "responsible_body",
            "open_type", "license_id")
"""What nobody may leave empty. Also `required` or not_empty in schemas/dataset.yaml: a test compares them."""

WITHHOLDING = ("partial", "exempt")
NEVER_PUBLIC = ("on_request", "exempt")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def N_(text: str) -> str:
    """Marks an English text for the translators; it is translated where it is shown."""
    return text


@dataclass(frozen=True, slots=True)
class Problem:
    """One rule that does not hold. `message` is an English msgid with {placeholders} of `params`."""

    code: str
    field: str
    message: str
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def as_finding(self) -> Finding:
        """The same for the reviewer's list: what breaks a rule is repaired before approval."""
        return Finding(code=self.code, severity="error", field=self.field, params=dict(self.params))


def problems(meta: Mapping[str, Any], *, public: bool) -> Iterator[Problem]:
    """What is wrong between the fields of `meta` (a CKAN package dict). Dates are ISO texts.

    `public`: whether the dataset is to be seen by everyone (`private` false), which asks more of it.
    Empty required fields are not reported here, but by `missing`.
    """
    yield from _exemption(meta)
    if public:
        yield from _visibility(meta)
    yield from _conditions(meta)
    yield from _dates(meta)


def missing(meta: Mapping[str, Any]) -> Iterator[Problem]:
    """Required fields that are empty: unknown stays empty and is asked for, never filled in by a guess."""
    for name in REQUIRED:
        if not meta.get(name):
            yield Problem("meta_missing", name, N_("Required: fill in this field"), {"name": name})


def _exemption(meta: Mapping[str, Any]) -> Iterator[Problem]:
    attribute = meta.get("disclosure_attribute")
    ground, note = meta.get("exemption_ground"), meta.get("exemption_note")
    if attribute in WITHHOLDING:
        if not ground:
            yield Problem("meta_exemption_without_ground", "exemption_ground",
                          N_("What is not disclosed needs a ground: choose one of articles 14 to 16"))
        if not note:
            yield Problem("meta_exemption_without_note", "exemption_note",
                          N_("Explain what is withheld and why the ground applies"))
    elif ground:
        yield Problem("meta_ground_without_exemption", "exemption_ground",
                      N_("A ground is given although nothing is withheld: "
                         "remove it or change the disclosure attribute"))
    elif note:
        yield Problem("meta_ground_without_exemption", "exemption_note",
                      N_("An explanation is given although nothing is withheld: "
                         "remove it or change the disclosure attribute"))


def _visibility(meta: Mapping[str, Any]) -> Iterator[Problem]:
    attribute, openness = meta.get("disclosure_attribute"), meta.get("open_type")
    if attribute in NEVER_PUBLIC:
        yield Problem("meta_not_disclosed_but_public", "disclosure_attribute",
                      N_("A dataset that is disclosed on request or exempt cannot be public"))
    if openness == "not_open":
        yield Problem("meta_not_open_but_public", "open_type",
                      N_("A dataset that is not open cannot be public"))
    elif not openness:
        # 无条件共享 says nothing about the public: without a word on openness, the answer is no.
        yield Problem("meta_openness_unknown", "open_type",
                      N_("The responsible body has not said whether the data are open: "
                         "ask it; openness does not follow from sharing"))


def _conditions(meta: Mapping[str, Any]) -> Iterator[Problem]:
    if meta.get("open_type") == "conditional" and not meta.get("open_condition"):
        yield Problem("meta_condition_missing", "open_condition",
                      N_("Open under conditions: write down the condition"))
    if meta.get("share_type") == "conditional" and not meta.get("share_condition"):
        yield Problem("meta_condition_missing", "share_condition",
                      N_("Shared under conditions: write down the condition"))
    value, unit = meta.get("time_limit_value"), meta.get("time_limit_unit")
    if value not in (None, "") and not unit:
        yield Problem("meta_unit_missing", "time_limit_unit",
                      N_("Working days or calendar days: the time limit needs its unit"))


def _dates(meta: Mapping[str, Any]) -> Iterator[Problem]:
    for first, last, message in (
        ("formed_on", "due_on", N_("The due date is before the day on which the information was formed")),
        ("period_start", "period_end", N_("The period ends before it begins")),
    ):
        start, end = (str(meta.get(name) or "")[:10] for name in (first, last))
        # What is no date is the date validator's to report.
        if DAY.fullmatch(start) and DAY.fullmatch(end) and end < start:
            yield Problem("meta_dates_reversed", last, message, {"first": start, "last": end})
