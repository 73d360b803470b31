"""A package in the words of ckanext-dcat, without CKAN."""

import pytest

from ckanext.gkopen.dcat.view import dcat_view, related_codes

PACKAGE = {
    "id": "d1", "name": "nantong-czj-procurement", "title": "南通市财政局政府采购", "notes": "公告",
    "responsible_body": "南通市财政局", "responsible_uscc": "91110000600037341L",
    "organization": {"name": "nantong-czj", "title": "南通市财政局"},
    "update_cycle": "half_yearly", "open_type": "unconditional", "open_condition": "注明来源",
    "published_at": "2026-01-05T09:30:00+08:00", "publication_seq": 7, "contact_email": "gk@example.gov.cn",
    "resources": [{"id": "r1", "form": "csv", "format": "CSV", "mimetype": "text/csv", "sha256": "b" * 64,
                   "url": "https://data.example.gov.cn/open/a.csv"}],
}
EU = "http://publications.europa.eu/resource/authority/"


def view(**changes) -> dict:
    return dcat_view(PACKAGE | changes, site_url="https://data.example.gov.cn", licence_url="https://l.example/")


def test_terms_of_the_european_vocabularies() -> None:
    assert view()["frequency"] == f"{EU}frequency/ANNUAL_2"
    assert view(field="farm_subsidies")["theme"] == [f"{EU}data-theme/AGRI"]
    assert view()["language"] == [f"{EU}language/ZHO"]


@pytest.mark.parametrize(("openness", "right", "statement"), [
    ("unconditional", "PUBLIC", None), ("conditional", "RESTRICTED", "注明来源"), ("not_open", "NON_PUBLIC", None)])
def test_openness_is_the_access_right(openness: str, right: str, statement: str | None) -> None:
    told = view(open_type=openness)
    assert told["access_rights"] == f"{EU}access-right/{right}"
    assert told["resources"][0].get("rights") == statement


def test_the_body_is_the_publisher_with_its_credit_code() -> None:
    assert view()["publisher"] == [{
        "uri": "https://data.example.gov.cn/organization/nantong-czj", "name": "南通市财政局",
        "identifier": "91110000600037341L", "type": "http://purl.org/adms/publishertype/LocalAuthority"}]


def test_a_file_has_checksum_licence_type_and_address() -> None:
    file = view()["resources"][0]
    assert (file["hash"], file["hash_algorithm"]) == (
        "b" * 64, "http://spdx.org/rdf/terms#checksumAlgorithm_sha256")
    assert file["license"] == "https://l.example/"
    assert file["download_url"] == "https://data.example.gov.cn/open/a.csv"
    assert file["mimetype"] == "https://www.iana.org/assignments/media-types/text/csv"


def test_what_is_not_known_is_not_said() -> None:
    bare = dcat_view({"id": "d", "name": "n", "title": "t"}, site_url="https://x", licence_url=None)
    assert {"frequency", "access_rights", "theme", "temporal_coverage", "provenance"}.isdisjoint(bare)


def test_the_package_itself_is_not_changed() -> None:
    before = repr(PACKAGE)
    view()
    assert repr(PACKAGE) == before


@pytest.mark.parametrize("codes", [["307/1", "307/2"], '["307/1", "307/2"]'])
def test_related_codes_from_the_site_and_from_the_index(codes) -> None:
    assert related_codes({"related_codes": codes}) == ["307/1", "307/2"]
