"""The disclosure metadata on a real site: bodies and datasets are stored, shown, refused, faceted and edited."""

from pathlib import Path

import pytest
from ckan import model
from ckan.plugins import toolkit
from ckan.tests.helpers import call_action
from lxml import html

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.metadata.facets import facets
from ckanext.gkopen.metadata.package import bulk_package_dict, default_metadata, package_dict
from ckanext.gkopen.publish.publisher import door
from tests.dcat.shapes import judge, needs_shapes

from .samples import BODY, ENTRY, PUBLISHED

GROUND = {"exemption_ground": "trade_secret", "exemption_note": "涉及供应商报价"}


@pytest.fixture
def admin(site) -> str:
    """The name of a portal administrator."""
    call_action("user_create", name="admin", email="admin@example.gov.cn", password="a long one 123")
    user = model.User.get("admin")
    assert user is not None
    user.sysadmin = True
    model.repo.commit()
    return "admin"


@pytest.fixture
def body(admin: str) -> dict:
    more = {"kind": "department", "region_code": "320600", "short_names": ["财政局", "市财政局"],
            "former_names": ["南通市财政税务局"], "disclosure_office": "True"}
    with door():
        return call_action("organization_create", context={"user": admin}, **BODY | more)


@pytest.fixture
def package(body: dict) -> dict:
    domain = get_domain("procurement")
    meta = default_metadata(domain, body, ENTRY | {"formed_on": "2025-09-25"})
    return package_dict(domain, body, meta, PUBLISHED, name=f"{body['name']}-procurement",
                        site_url=toolkit.config["ckan.site_url"])


def store(package: dict, action: str = "package_create") -> dict:
    with door():
        return call_action(action, **package)


def test_a_body_is_shown_as_it_was_made(body: dict) -> None:
    shown = call_action("organization_show", id=body["id"])
    assert shown["title_en"] == "Nantong Finance Bureau"
    assert shown["short_names"] == ["财政局", "市财政局"]
    assert shown["uscc"] == BODY["uscc"]
    assert shown["disclosure_office"] is True
    assert (shown["tier"], shown["kind"], shown["region_code"]) == ("city", "department", "320600")


@pytest.mark.parametrize(("field", "value"), [
    ("uscc", "91110000600037341M"), ("uscc", "1234"), ("region_code", "32060"), ("tier", "planet"),
    ("kind", ""), ("contact_email", "nobody"), ("title", ""),
])
def test_a_wrong_body_is_refused_and_the_field_named(admin: str, field: str, value: str) -> None:
    with door(), pytest.raises(toolkit.ValidationError) as refused:
        call_action("organization_create", {"user": admin}, **BODY | {"kind": "department"} | {field: value})
    assert field in refused.value.error_dict


def test_a_dataset_is_shown_as_it_was_made(package: dict) -> None:
    store(package)
    shown = call_action("package_show", id=package["id"])
    different = {name for name, value in package.items() if name not in ("tags", "resources") and shown[name] != value}
    assert different == set()
    assert {tag["name"] for tag in shown["tags"]} == {tag["name"] for tag in package["tags"]}
    for made, resource in zip(package["resources"], shown["resources"], strict=True):
        assert {name for name, value in made.items() if resource[name] != value} == set()


def test_a_dataset_may_be_written_again_as_it_is_shown(package: dict) -> None:
    shown = store(package)
    again = store(shown | {"publication_seq": 8}, "package_update")
    assert again["publication_seq"] == 8
    assert again["stage"] == shown["stage"]
    assert again["related_codes"] == ["307010004/000018", "307010004/000019"]


def test_the_table_of_all_bodies_is_a_dataset_too(body: dict) -> None:
    made = bulk_package_dict(get_domain("budget"), body, PUBLISHED, site_url=toolkit.config["ckan.site_url"])
    assert store(made)["name"] == "all-budget"


@pytest.mark.parametrize(("change", "field"), [
    ({"disclosure_attribute": ""}, "disclosure_attribute"),
    ({"disclosure_attribute": "secret"}, "disclosure_attribute"),
    ({"disclosure_attribute": "partial", "exemption_note": "报价"}, "exemption_ground"),
    ({"disclosure_attribute": "partial", "exemption_ground": "trade_secret"}, "exemption_note"),
    (GROUND, "exemption_ground"),
    ({"disclosure_attribute": "on_request"}, "disclosure_attribute"),
    ({"disclosure_attribute": "exempt"} | GROUND, "disclosure_attribute"),
    ({"open_type": ""}, "open_type"),
    ({"open_type": "not_open"}, "open_type"),
    ({"open_type": "conditional"}, "open_condition"),
    ({"responsible_uscc": "91110000600037341M"}, "responsible_uscc"),
    ({"due_on": "2025-09-24"}, "due_on"),
    ({"formed_on": "yesterday"}, "formed_on"),
    ({"period_end": "2020-01-01"}, "period_end"),
    ({"time_limit_unit": ""}, "time_limit_unit"),
    ({"time_limit_value": "many"}, "time_limit_value"),
    ({"stage": ["decision", "gossip"]}, "stage"),
    ({"domain": "weather"}, "domain"),
    ({"license_id": "mine"}, "license_id"),
    ({"published_at": "2026-01-05T09:30:00"}, "published_at"),
    ({"content_sha256": "abc"}, "content_sha256"),
    ({"notes": ""}, "notes"),
    ({"legal_basis": ""}, "legal_basis"),
])
def test_wrong_metadata_is_refused_and_the_field_named(package: dict, change: dict, field: str) -> None:
    with pytest.raises(toolkit.ValidationError) as refused:
        store(package | change)
    assert list(refused.value.error_dict) == [field]


def test_openness_does_not_follow_from_sharing(package: dict) -> None:
    del package["open_type"]
    with pytest.raises(toolkit.ValidationError) as refused:
        store(package | {"share_type": "unconditional"})
    assert "open_type" in refused.value.error_dict


def test_what_is_not_open_may_be_private(package: dict) -> None:
    closed = {"private": True, "open_type": "not_open", "disclosure_attribute": "exempt"} | GROUND
    assert store(package | closed)["private"] is True
    with pytest.raises(toolkit.ValidationError):
        store(package | closed | {"private": False}, "package_update")


def test_every_facet_counts_the_dataset(package: dict) -> None:
    store(package)
    names = list(facets({}))
    found = call_action("package_search", q="*:*", **{"facet.field": names})["search_facets"]
    first = {name: found[name]["items"][0]["name"] for name in names}
    assert first["domain"] == "procurement"
    assert first["field"] == "public_resource_trading"
    assert (first["tier"], first["update_cycle"], first["license_id"]) == ("city", "daily", "cc-by-4.0")
    assert all(found[name]["items"] for name in names)


def test_the_pages_of_a_dataset_tell_it_to_machines_too(app, package: dict) -> None:
    store(package)
    page = app.get(f"/dataset/{package['name']}").body
    assert 'type="application/ld+json"' in page
    assert '"schema:Dataset"' in page or "schema.org" in page


@needs_shapes
def test_what_the_site_serves_conforms_to_dcat_ap(app, package: dict, tmp_path: Path) -> None:
    store(package)
    for address in ("/catalog.ttl", f"/dataset/{package['name']}.ttl"):
        served = app.get(address).body
        assert "南通市财政局政府采购" in served
        assert "主动公开" in served
        assert judge(served, tmp_path) == "conforms"


def test_the_form_has_every_field_with_its_label_and_choices(app, admin: str, package: dict) -> None:
    store(package)
    token = call_action("api_token_create", {"user": admin}, user=admin, name="test")["token"]
    page = app.get(f"/zh_Hans_CN/dataset/edit/{package['name']}", headers={"Authorization": token})
    form = html.fromstring(page.body)
    assert "商业秘密" in form.xpath("//select[@name='exemption_ground']/option/text()")
    assert len(form.xpath("//input[@name='stage']")) == 5
    for name in ("disclosure_attribute", "responsible_uscc", "field", "due_on", "open_condition"):
        assert form.xpath(f"//*[@name='{name}']")
    assert "公开属性" in page.body
    assert not form.xpath("//*[@name='revision_id']")
