"""What was made quicker in the libraries below gives the answer that it gave."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from ckan.plugins import PluginImplementations, core, toolkit
from ckan.tests.helpers import changed_config
from ckanext.dcat import utils
from ckanext.dcat.interfaces import IDCATURIGenerator
from ckanext.dcat.profiles import DCT, RDFProfile, base
from rdflib import PROV, RDF, SKOS, XSD, Graph, Literal, Namespace, URIRef

from ckanext.gkopen.dcat.profile import GK, GkopenProfile

EX = Namespace("http://example.org/")


@pytest.fixture
def untouched(site: Any) -> Any:
    """The module of the terms as ckanext-dcat brings it."""
    spec = importlib.util.spec_from_file_location("untouched", base.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.CleanedURIRef._careful_quote is not base.CleanedURIRef._careful_quote
    return module


@pytest.mark.parametrize("date", ["2024", "2024-05", "2024-05-06", "2024-05-06T09:30:00+08:00", "2024/5/6 9:30",
                                  "no date", "", "24:00", "2024-05-06T01:30:00.123456"])
def test_a_date_is_read_as_ckanext_dcat_reads_it(site: Any, date: str) -> None:
    drawn, profiles = [], (GkopenProfile, RDFProfile)
    profile: Any
    for profile in profiles:
        for _ in range(2):
            graph = Graph()
            profile._add_date_triple(profile(graph), EX.thing, DCT.issued, date)
            drawn.append(set(graph))
    assert all(one == drawn[0] for one in drawn)


def test_addresses_are_quoted_as_ckanext_dcat_quotes_them(untouched: Any) -> None:
    text = "".join(map(chr, range(0x3100))) + "%20 𠮷"
    quick, slow = base.CleanedURIRef._careful_quote, untouched.CleanedURIRef._careful_quote
    assert quick(text) == slow(text)
    assert quick(quick(text)) == quick(text)


@pytest.mark.parametrize("value", [
    "http://a.b/c d", " https://a.b/中文?x=1 ", "text", "", "http://", "http://a.b/" + "x" * 400, "urn:x", 5, None])
def test_terms_are_those_of_ckanext_dcat(untouched: Any, value: Any) -> None:
    for _ in range(2):
        for name, named in (("URIRefOrLiteral", {}), ("URIRefOrLiteral", {"lang": "zh"}), ("CleanedURIRef", {})):
            if name == "CleanedURIRef" and not isinstance(value, str):
                continue
            made, wanted = getattr(base, name)(value, **named), getattr(untouched, name)(value, **named)
            assert (type(made), made.n3()) == (type(wanted), wanted.n3())


def test_literals_of_one_text_are_told_apart(site: Any) -> None:
    for _ in range(2):
        made = [Literal("1"), Literal("1", lang="zh"), Literal("1", "en"), Literal("1", datatype=XSD.integer),
                Literal(1), Literal("01", datatype=XSD.integer),
                Literal("01", datatype=XSD.integer, normalize=False), Literal(True)]
        assert [one.n3() for one in made] == [
            '"1"', '"1"@zh', '"1"@en', *[f'"{text}"^^<{XSD}integer>' for text in ("1", "1", "1", "01")],
            f'"true"^^<{XSD}boolean>']
        with pytest.raises(ValueError, match="language tag"):
            Literal("1", lang="no tag!")


def test_terms_of_vocabularies_stay_where_they_are(site: Any) -> None:
    for space, name in ((DCT, "issued"), (GK, "tier"), (SKOS, "Concept"), (PROV, "Activity"), (RDF, "type")):
        assert getattr(space, name) is getattr(space, name)
        assert getattr(space, name) == space[name] == URIRef(f"{space}{name}")
    assert DCT.title == URIRef(f"{DCT}title") and not hasattr(DCT, "__array__")


def test_addresses_follow_the_settings_and_the_plugins(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = utils.catalog_uri()
    assert before == toolkit.config["ckan.site_url"]
    with changed_config("ckanext.dcat.base_uri", "https://data.example.org"):
        assert utils.resource_uri({"id": "r", "package_id": "p"}) == "https://data.example.org/dataset/p/resource/r"

    class Renaming(core.Plugin):
        _implements = {IDCATURIGenerator}  # noqa: RUF012

        def catalog_uri(self, default_uri: str) -> str:
            return f"{default_uri}/renamed"

    assert not list(PluginImplementations(IDCATURIGenerator))
    with monkeypatch.context() as patched:
        plugin: Any = Renaming("renaming")
        patched.setitem(core._PLUGINS_SERVICE, "renaming", plugin)
        assert utils.catalog_uri() == f"{before}/renamed"
        assert list(PluginImplementations(IDCATURIGenerator)) == [plugin]
    assert utils.catalog_uri() == before
