"""Every field of the standards is described: name, type, need and place. The tables are those of the design."""

from __future__ import annotations

import pytest

from ckanext.gkopen.domains import domains, get_domain

# field, type, need, path. "yes": always required; "if": required under conditions; "asked": at least expected.
PROCUREMENT = """
ocid string - ocid
release_id string yes id
notice_type code yes tag
published_at datetime yes date
project_no string asked tender/id
project_name string yes tender/title
plan_no string - planning/budget/projectID
buyer_name string asked buyer/name
buyer_uscc uscc - parties/identifier/id
agency_name string - tender/procuringEntity/name
method code asked tender/procurementMethod
category code asked tender/mainProcurementCategory
item_code string - tender/items/classification/id
budget_amount money asked planning/budget/amount/amount
ceiling_amount money - tender/value/amount
fund_source string - planning/budget/description
bid_deadline datetime - tender/tenderPeriod/endDate
award_method string - tender/awardCriteriaDetails
lot_no string - tender/lots/id
supplier_name string asked awards/suppliers/name
supplier_uscc uscc asked awards/suppliers/id
award_amount money if awards/value/amount
pricing_basis code asked awards/x_pricingBasis
items list - awards/items
contract_no string asked contracts/id
signed_on date asked contracts/dateSigned
contract_amount money asked contracts/value/amount
contract_period string - contracts/period
acceptance text asked contracts/implementation/milestones/description
accepted_on date - contracts/implementation/milestones/dateMet
reason text asked tender/amendments/rationale
"""
PROJECT = """
project_code string asked identifiers/id
title string yes title
location string asked locations/description
owner_name string asked publicAuthority/name
owner_uscc uscc - publicAuthority/id
type code asked type
sector code asked sector
scope text - description
total_investment money asked budget/amount/amount
fund_source string - budget/budgetBreakdowns/description
stage code asked status
started_on date - implementationPeriod/startDate
completed_on date - completion/endDate
final_amount money - completion/finalValue/amount
"""
EVENT = """
project_code string yes identifiers/id
item code yes documents/documentType
event string yes milestones/title
event_on date yes milestones/dateMet
document_no string asked documents/id
body_name string asked milestones/x_body
amount_before money - contractingProcesses/summary/modifications/oldContractValue/amount
amount_after money - contractingProcesses/summary/modifications/newContractValue/amount
source_url url - documents/url
"""
BUDGET = """
fiscal_year year yes date:fiscal-year
phase code yes phase:id
budget_book code asked fund-type
level code asked administrative-classification:generic:level1
org_name string yes administrative-classification:generic:level2:label
org_code string asked administrative-classification:generic:level2:code
direction code asked direction
func_code string if functional-classification:generic:code
func_name string - functional-classification:generic:label
econ_system code if -
econ_code string - economic-classification:generic:code
econ_name string - economic-classification:generic:label
nature code - expenditure-type:code
transfer_kind code - -
region_code code if geo:target:code
project string - project:name
sangong_kind code - line-item-category
amount money yes value
source_value string if -
source_unit string if -
"""
HOTLINE = """
period period yes -
period_start date - -
period_end date - -
period_type code - -
region_code code - -
org_code string - -
channel string - -
dimension code yes -
category string yes -
measure code - -
value decimal asked -
unit string asked -
share percent - -
rate_basis string asked -
is_total boolean - -
adds_up boolean - -
request_type code - -
"""
PENALTY = """
decision_no string yes -
case_name string - -
party_name string yes -
party_uscc uscc asked -
facts text yes -
grounds text yes -
kind code yes -
content text yes -
fine_amount money if -
confiscated_amount money - -
body_name string yes -
decided_on date yes -
public_until date - -
status code yes -
"""
TABLES = [
    ("procurement", "ocds", PROCUREMENT),
    ("project", "oc4ids", PROJECT),
    ("project_event", "oc4ids", EVENT),
    ("budget", "fiscal", BUDGET),
    ("hotline", "", HOTLINE),
    ("penalty", "", PENALTY),
]
ROWS = [(domain, standard, *row.split()) for domain, standard, table in TABLES for row in table.strip().splitlines()]


@pytest.mark.parametrize(("domain", "standard", "name", "kind", "need", "path"), ROWS)
def test_field_of_the_standard(domain: str, standard: str, name: str, kind: str, need: str, path: str) -> None:
    field = get_domain(domain).field(name)
    assert field.type == kind
    assert field.path.get(standard, "-") == path
    if need == "yes":
        assert field.required and not field.required_if
    elif need == "if":
        assert field.required and field.required_if
    elif need == "asked":
        assert field.required or field.expected
    else:
        assert not field.required


@pytest.mark.parametrize("name", ["budget", "procurement", "project", "project_event", "hotline", "penalty", "parking"])
def test_every_row_names_its_source_and_keeps_what_was_printed(name: str) -> None:
    domain = get_domain(name)
    assert domain.field("source_url").type == "url"
    assert domain.field("source_title").type == "string"
    copies = {field.derived for field in domain.fields}
    assert {f"printed:{money.name}" for money in domain.money_fields} <= copies


def test_codes_of_functional_and_economic_classes_have_the_form_of_the_law() -> None:
    budget = get_domain("budget")
    assert budget.field("func_code").pattern == r"^\d{3}(\d{2}){0,3}$", "revenue has a fourth level, 目"
    assert budget.field("econ_code").pattern == r"^\d{3}(\d{2})?$"


def test_rules_and_limits_of_the_standards() -> None:
    kinds = {name: {rule.kind for rule in domain.rules} for name, domain in domains().items()}
    assert {"sum", "parts_sum", "code_parent", "balance", "change_vs_budget", "shares"} <= kinds["budget"]
    assert {"sum", "rate", "shares", "period_gap"} <= kinds["hotline"]
    assert {"order", "range", "not_label"} <= kinds["procurement"]
    limits = {(d.name, limit.id): (limit.limit, limit.unit) for d in domains().values() for limit in d.deadlines}
    assert limits["budget", "budget-published"] == (20, "days")
    assert limits["procurement", "award-notice"] == (2, "working_days")
    assert limits["procurement", "contract-notice"] == (2, "working_days")
    assert limits["procurement", "single-source-notice"] == (5, "working_days")
    assert limits["project", "project-disclosure"] == (20, "working_days")
    assert limits["project_event", "permits-and-penalties"] == (7, "working_days")
    assert limits["project_event", "guides-at-once"] == (0, "days")
    assert limits["penalty", "penalty-withdrawn"] == (3, "working_days")
    assert all(rule.source for rule in get_domain("budget").rules if rule.kind in ("sum", "parts_sum", "balance"))
