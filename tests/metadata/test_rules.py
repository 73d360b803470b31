"""Rules between the fields of the metadata."""

import pytest

from ckanext.gkopen.metadata.rules import REQUIRED, missing, problems

OPEN = {"disclosure_attribute": "proactive", "open_type": "unconditional"}
GROUND = {"exemption_ground": "trade_secret", "exemption_note": "涉及供应商报价"}


def broken(meta: dict, *, public: bool = True) -> set[tuple[str, str]]:
    return {(problem.code, problem.field) for problem in problems(meta, public=public)}


@pytest.mark.parametrize(("meta", "expected"), [
    (OPEN, set()),
    (OPEN | {"disclosure_attribute": "partial"} | GROUND, set()),
    (OPEN | {"disclosure_attribute": "partial", "exemption_note": "x"},
     {("meta_exemption_without_ground", "exemption_ground")}),
    (OPEN | {"disclosure_attribute": "partial", "exemption_ground": "trade_secret"},
     {("meta_exemption_without_note", "exemption_note")}),
    (OPEN | GROUND, {("meta_ground_without_exemption", "exemption_ground")}),
    (OPEN | {"exemption_note": "x"}, {("meta_ground_without_exemption", "exemption_note")}),
    (OPEN | {"disclosure_attribute": "on_request"}, {("meta_not_disclosed_but_public", "disclosure_attribute")}),
    (OPEN | {"disclosure_attribute": "exempt"} | GROUND,
     {("meta_not_disclosed_but_public", "disclosure_attribute")}),
    (OPEN | {"open_type": "not_open"}, {("meta_not_open_but_public", "open_type")}),
    (OPEN | {"open_type": ""}, {("meta_openness_unknown", "open_type")}),
    (OPEN | {"open_type": "", "share_type": "unconditional"}, {("meta_openness_unknown", "open_type")}),
    (OPEN | {"open_type": "conditional"}, {("meta_condition_missing", "open_condition")}),
    (OPEN | {"open_type": "conditional", "open_condition": "注明来源"}, set()),
    (OPEN | {"share_type": "conditional"}, {("meta_condition_missing", "share_condition")}),
    (OPEN | {"time_limit_value": 0}, {("meta_unit_missing", "time_limit_unit")}),
    (OPEN | {"time_limit_value": 20, "time_limit_unit": "working_days"}, set()),
    (OPEN | {"formed_on": "2025-09-25", "due_on": "2025-09-24"}, {("meta_dates_reversed", "due_on")}),
    (OPEN | {"formed_on": "2025-09-25", "due_on": "2025-09-25"}, set()),
    (OPEN | {"period_start": "2025-12-31", "period_end": "2025-01-01"}, {("meta_dates_reversed", "period_end")}),
])
def test_a_public_dataset(meta: dict, expected: set) -> None:
    assert broken(meta) == expected


@pytest.mark.parametrize("meta", [
    {"disclosure_attribute": "on_request", "open_type": "not_open"},
    {"disclosure_attribute": "exempt", "open_type": "not_open"} | GROUND,
    {"disclosure_attribute": "proactive", "open_type": ""},
])
def test_a_private_dataset_may_be_closed(meta: dict) -> None:
    assert broken(meta, public=False) == set()


def test_empty_fields_are_asked_for() -> None:
    filled = dict.fromkeys(REQUIRED, "x") | {"open_type": "", "notes": None}
    assert {problem.field for problem in missing(filled)} == {"open_type", "notes"}


def test_a_problem_becomes_a_finding_that_stops() -> None:
    finding = next(problems({**OPEN, "open_type": "not_open"}, public=True)).as_finding()
    assert (finding.code, finding.severity, finding.field) == ("meta_not_open_but_public", "error", "open_type")
