"""The graph of the profile `gkopen_dcat`, judged by the SHACL shapes of DCAT-AP where they are at hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ckan.plugins import toolkit
from ckanext.dcat.processors import RDFParser, RDFSerializer
from ckanext.dcat.profiles import DCAT, DCATAP, DCT, FOAF, SKOS, SPDX
from rdflib import PROV, Graph, Literal, URIRef
from rdflib.namespace import Namespace

from ckanext.gkopen.dcat.profile import GK
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.metadata.package import bulk_package_dict, default_metadata, package_dict
from tests.dcat.shapes import judge, needs_shapes
from tests.metadata.samples import BODY, ENTRY, PUBLISHED, dataset_name

EU = Namespace("http://publications.europa.eu/resource/authority/")


@pytest.fixture
def packages(site) -> list[dict]:
    """As package_show gives them: with the organisation."""
    url = toolkit.config["ckan.site_url"]
    organization = {"id": BODY["id"], "name": BODY["name"], "title": BODY["title"]}
    made = []
    for name in ("procurement", "budget", "hotline"):
        domain = get_domain(name)
        entry = ENTRY | {"open_condition": "注明来源", "formed_on": "2025-09-25"}
        meta = default_metadata(domain, BODY, entry)
        made.append(package_dict(domain, BODY, meta, PUBLISHED, name=dataset_name(domain), site_url=url))
        made.append(bulk_package_dict(domain, BODY, PUBLISHED, site_url=url))
    return [package | {"organization": organization} for package in made]


def graph(serialised: str) -> Graph:
    return Graph().parse(data=serialised, format="turtle")


def test_a_dataset_carries_its_disclosure_metadata(packages: list[dict]) -> None:
    package = packages[0]
    told = graph(RDFSerializer().serialize_dataset(package, "ttl"))
    dataset = told.value(predicate=DCT.identifier, object=Literal(package["id"]))

    def label(predicate: URIRef) -> set[str]:
        return {str(text) for concept in told.objects(dataset, predicate)
                for text in told.objects(concept, SKOS.prefLabel)
                if isinstance(text, Literal) and text.language == "zh"}

    assert label(GK.disclosureAttribute) == {"主动公开"}
    assert label(GK.disclosureField) == {"公共资源交易"}
    assert label(GK.stage) == {"执行公开", "结果公开"}
    assert told.value(dataset, GK.dueOn) == Literal("2025-10-29")
    publisher = told.value(dataset, DCT.publisher)
    assert told.value(publisher, DCT.identifier) == Literal(BODY["uscc"])
    assert told.value(publisher, FOAF.name) == Literal("南通市财政局")
    assert told.value(dataset, DCT.accrualPeriodicity) == EU["frequency/DAILY"]
    assert told.value(dataset, DCT.accessRights) == EU["access-right/RESTRICTED"]
    law = told.value(dataset, DCATAP.applicableLegislation)
    assert told.value(law, DCT.title) == Literal(package["legal_basis"], lang="zh")
    assert len(list(told.objects(dataset, DCAT.qualifiedRelation))) == 2
    activity = told.value(dataset, PROV.wasGeneratedBy)
    assert activity == URIRef(f"urn:uuid:{package['revision_id']}")
    titles = [title for title in told.objects(dataset, DCT.title) if isinstance(title, Literal)]
    assert {title.language for title in titles} == {"zh", "en"}


def test_a_file_carries_checksum_and_licence(packages: list[dict]) -> None:
    told = graph(RDFSerializer().serialize_dataset(packages[0], "ttl"))
    url = URIRef(packages[0]["resources"][1]["url"])
    distribution = told.value(predicate=DCAT.downloadURL, object=url)
    checksum = told.value(distribution, SPDX.checksum)
    assert str(told.value(checksum, SPDX.checksumValue)) == "b" * 64
    assert told.value(distribution, DCT.license) == URIRef("https://creativecommons.org/licenses/by/4.0/")
    assert str(told.value(distribution, DCAT.byteSize)) == "51234"


def test_the_contact_is_an_office_said_once(packages: list[dict]) -> None:
    told = graph(RDFSerializer().serialize_dataset(packages[0], "ttl"))
    assert len(list(told.triples((None, DCAT.contactPoint, None)))) == 1


def test_a_bare_package_is_told_too(site, tmp_path: Path) -> None:
    told = RDFSerializer().serialize_dataset({"id": "d1", "name": "bare", "title": "t", "resources": []}, "ttl")
    assert list(graph(told).triples((None, DCT.description, None)))


def test_the_european_readers_understand_it(packages: list[dict]) -> None:
    parser = RDFParser(profiles=["euro_dcat_ap_3"])
    parser.parse(RDFSerializer().serialize_dataset(packages[0], "ttl"), "turtle")
    read: Iterator[dict] = parser.datasets()
    assert len(next(read)["resources"]) == len(packages[0]["resources"])


@needs_shapes
def test_datasets_and_catalogue_conform_to_dcat_ap(packages: list[dict], tmp_path: Path) -> None:
    for package in packages:
        assert judge(RDFSerializer().serialize_dataset(package, "ttl"), tmp_path) == "conforms"
    whole = RDFSerializer().serialize_catalog(dataset_dicts=packages, _format="ttl")
    assert len(list(graph(whole).triples((None, DCAT.dataset, None)))) == len(packages)
    assert judge(whole, tmp_path) == "conforms"
