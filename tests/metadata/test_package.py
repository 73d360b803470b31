"""The proposal of metadata and the package that is made of it, on a real domain."""

import json

import pytest

from ckanext.gkopen import ids
from ckanext.gkopen.domains import domains, get_domain
from ckanext.gkopen.metadata.package import (
    bulk_package_dict,
    default_metadata,
    package_dict,
    period_of,
    review_findings,
    unknown_labels,
)

from .samples import BODY, ENTRY, PUBLISHED, SITE, dataset_name

PROCUREMENT = get_domain("procurement")


def package() -> dict:
    meta = default_metadata(PROCUREMENT, BODY, ENTRY)
    return package_dict(PROCUREMENT, BODY, meta, PUBLISHED, name=dataset_name(PROCUREMENT), site_url=SITE)


def test_the_catalogue_entry_is_read_by_label() -> None:
    meta = default_metadata(PROCUREMENT, BODY, ENTRY)
    assert meta["disclosure_attribute"] == "proactive"
    assert meta["share_type"] == "unconditional"
    assert meta["open_type"] == "unconditional"
    assert meta["update_cycle"] == "daily"
    assert meta["stage"] == ["execution", "result"]
    assert meta["channel"] == ["website", "press"]
    assert meta["related_codes"] == ["307010004/000018", "307010004/000019"]
    assert meta["responsible_uscc"] == BODY["uscc"]
    assert meta["legal_basis"] == PROCUREMENT.legal_basis.zh
    assert meta["field"] == "public_resource_trading"
    assert review_findings(meta) == unknown_labels(ENTRY) == []


@pytest.mark.parametrize(("said", "condition", "openness"), [
    ("是", "", "unconditional"), ("是", "注明来源", "conditional"), (True, "无", "unconditional"),
    ("是", "无条件开放", "unconditional"), ("是", "无条件", "unconditional"),
    ("否", "", "not_open"), (False, "", "not_open"), ("有条件开放", "实名申请", "conditional"),
    ("不予开放", "", "not_open"), ("", "", None), (None, "注明来源", None), ("待定", "", None), ("1", "", None),
])
def test_openness_comes_from_the_word_on_openness_alone(said, condition: str, openness: str | None) -> None:
    entry = {"open": said, "open_condition": condition, "share_type": "无条件共享"}
    meta = default_metadata(PROCUREMENT, BODY, entry)
    assert meta.get("open_type") == openness
    assert openness != "unconditional" or "open_condition" not in meta, "a condition that says there is none is none"


def test_a_silent_entry_leaves_openness_to_be_asked_for() -> None:
    entry = {"share_type": "无条件共享"}
    meta = default_metadata(PROCUREMENT, BODY, entry)
    assert meta["disclosure_attribute"] == "proactive", "what a domain of the law proposes"
    assert "open_type" not in meta
    asked = {(finding.code, finding.field) for finding in review_findings(meta)}
    assert asked == {("meta_missing", "open_type"), ("meta_openness_unknown", "open_type")}
    assert not unknown_labels(entry)


def test_unknown_labels_stay_empty_and_are_found() -> None:
    entry = ENTRY | {"update_cycle": "偶尔", "channel": "政府网站、飞鸽", "open": "待定"}
    meta = default_metadata(PROCUREMENT, BODY, entry)
    assert "update_cycle" not in meta
    assert meta["channel"] == ["website"]
    assert {(found.field, found.value) for found in unknown_labels(entry)} == {
        ("update_cycle", "偶尔"), ("channel", "飞鸽"), ("open_type", "待定")}


def test_the_due_date_is_computed_or_left_empty() -> None:
    assert default_metadata(PROCUREMENT, BODY, ENTRY | {"formed_on": "2025-09-25"})["due_on"] == "2025-10-29"
    assert "due_on" not in default_metadata(PROCUREMENT, BODY, ENTRY | {"formed_on": "2026-12-15"})


@pytest.mark.parametrize("name", sorted(domains()))
def test_every_domain_gives_a_proposal_that_needs_no_repair(name: str) -> None:
    meta = default_metadata(get_domain(name), BODY, None)
    assert review_findings(meta) == []
    assert json.loads(json.dumps(meta)) == meta


def test_ids_name_and_title() -> None:
    made = package()
    assert made["id"] == ids.dataset_id("procurement", BODY["id"])
    assert made["name"] == "nantong-czj-procurement"
    assert made["title"] == "南通市财政局政府采购"
    assert made["title_en"] == "Nantong Finance Bureau: Public procurement"
    assert made["owner_org"] == BODY["id"]
    assert (made["period_start"], made["period_end"]) == ("2024-12-01", "2025-11-30")
    assert made["publication_seq"] == 7
    assert {tag["name"] for tag in made["tags"]} == {"政府采购", "公共资源交易", "南通市财政局"}


def test_one_resource_a_form_the_table_first() -> None:
    made = package()
    table, csv = made["resources"][:2]
    assert table["id"] == ids.resource_id(made["id"])
    assert table["datastore_active"] is True
    assert table["url"] == f"{SITE}/api/3/action/datastore_search?resource_id={table['id']}"
    assert csv["url"] == f"{SITE}/open/procurement/nantong-czj-procurement.csv"
    assert (csv["size"], csv["sha256"], csv["rows"]) == (51234, "b" * 64, 218)
    assert csv["columns"] == len(PROCUREMENT.fields), "a dataset's own file has the domain's fields only"
    assert [resource["form"] for resource in made["resources"]] == [
        "table", "csv", "excel.csv", "xlsx", "jsonl", "parquet", "zip"]
    assert "sha256" not in made["resources"][4]
    assert len({resource["id"] for resource in made["resources"]}) == 7


def test_only_approved_fields_reach_the_package() -> None:
    meta = default_metadata(PROCUREMENT, BODY, ENTRY) | {"state": "deleted", "private": True, "id": "x", "note": "y"}
    assert package_dict(PROCUREMENT, BODY, meta, PUBLISHED, name=dataset_name(PROCUREMENT), site_url=SITE) == package()


def test_the_table_of_all_bodies() -> None:
    made = bulk_package_dict(PROCUREMENT, BODY, PUBLISHED, site_url=SITE)
    assert made["id"] == ids.bulk_id("procurement")
    assert made["name"] == "all-procurement"
    assert made["resources"][0]["id"] == ids.table_id("procurement")
    assert made["resources"][1]["url"] == f"{SITE}/open/procurement.csv"
    assert review_findings(made) == []


def test_packages_are_plain_json() -> None:
    for made in (package(), bulk_package_dict(PROCUREMENT, BODY, PUBLISHED, site_url=SITE)):
        assert json.loads(json.dumps(made)) == made


def test_a_leap_february_and_an_empty_list_of_parts() -> None:
    assert period_of(PROCUREMENT, ["2024-02"]) == ("2024-02-01", "2024-02-29")
    assert period_of(PROCUREMENT, []) == ("", "")


@pytest.mark.parametrize(("domain", "parts", "days"), [
    ("hotline", ["2026-01", "2026-02"], ("2026-01-01", "2026-02-28")),
    ("hotline", ["2026-01", "2026-01/2026-09"], ("2026-01-01", "2026-09-30")),
    ("hotline", ["2025-Q4", "2026-W02"], ("2025-10-01", "2026-01-11")),
    ("budget", ["2025-final", "2026-budget"], ("2025-01-01", "2026-12-31")),
    ("project_event", ["2026"], ("2026-01-01", "2026-12-31")), ("parking", ["whole"], ("", ""))])
def test_a_dataset_covers_the_days_of_its_parts_and_no_months_to_come(domain: str, parts: list[str],
                                                                      days: tuple[str, str]) -> None:
    assert period_of(get_domain(domain), parts) == days
