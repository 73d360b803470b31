"""What is written of a dataset is, read again by rdflib, the graph that the profiles draw into rdflib's own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from ckan.plugins import toolkit
from ckanext.dcat.processors import RDFSerializer
from rdflib import RDF, XSD, BNode, ConjunctiveGraph, Graph, Literal, Namespace, URIRef
from rdflib.compare import isomorphic

from ckanext.gkopen import domains
from ckanext.gkopen.dcat.triples import Triples
from ckanext.gkopen.dcat.written import JSONLD, TURTLE, XML, Form, piece
from ckanext.gkopen.metadata.package import bulk_package_dict, default_metadata, package_dict
from tests.metadata.samples import BODY, ENTRY, PUBLISHED, dataset_name

READ_AS = {TURTLE: "turtle", XML: "xml", JSONLD: "json-ld"}
FORMS = pytest.mark.parametrize("form", READ_AS, ids=lambda form: form.name)
ODD = "a\"b'c\\d\te\r\nf<g>&h;{i}|^`%20 ]]> \\u4e2d \U00020bb7𠮷 \u2028 \u0663 --> @prefix"


def read(form: Form, graph: Triples) -> Graph:
    return Graph().parse(data=form.whole([piece(form, graph, "urn:x")]), format=READ_AS[form])


def plain(graph: Graph) -> Graph:
    """Without the context that rdflib keeps of each triple."""
    alone = Graph()
    for triple in graph:
        alone.add(triple)
    return alone


def packages() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each domain; without an entry of the catalogue, over all bodies, with every field, with odd characters, bare."""
    url = toolkit.config["ckan.site_url"]
    organization = {"id": BODY["id"], "name": BODY["name"], "title": BODY["title"]}
    for domain in domains.domains().values():
        meta = default_metadata(domain, BODY, ENTRY)
        yield domain.name, package_dict(domain, BODY, meta, PUBLISHED, name=dataset_name(domain), site_url=url)
    domain = domains.get_domain("procurement")
    meta = default_metadata(domain, BODY, ENTRY | {"open_condition": "注明来源", "formed_on": "2025-09-25"})
    whole = package_dict(domain, BODY, meta, PUBLISHED, name=dataset_name(domain), site_url=url) | {
        "organization": organization, "metadata_created": "2026-01-05T01:30:00.123456",
        "metadata_modified": "2026-01-06T01:30:00"}
    for field in toolkit.get_action("scheming_dataset_schema_show")({}, {"type": "dataset"})["dataset_fields"]:
        whole.setdefault(field["field_name"], "1")
    yield "whole", whole
    yield "all bodies", bulk_package_dict(domain, BODY, PUBLISHED, site_url=url)
    yield "no entry", package_dict(domain, BODY, default_metadata(domain, BODY, None), PUBLISHED,
                                   name=dataset_name(domain), site_url=url)
    yield "bare", {"id": "d1", "name": "bare", "title": "t"}
    strict = ("id", "name", "revision_id", "contact_email", "published_at")     # of which addresses and times are made
    yield "odd", {name: ODD if isinstance(value, str) and name not in strict else value
                  for name, value in whole.items()}
    yield "without files", whole | {"resources": []}


def test_every_kind_of_dataset(site: Any) -> None:
    serializer: Any = RDFSerializer()
    compared = 0
    for name, package in packages():
        serializer.g = ours = Triples()
        serializer.graph_from_dataset(package)
        serializer.g = ConjunctiveGraph()
        serializer.graph_from_dataset(package)
        theirs = plain(serializer.g)
        for form in READ_AS if name in ("whole", "bare", "odd") else (TURTLE,):
            assert isomorphic(read(form, ours), theirs), (name, form.name)
        assert len(ours) == len(theirs) > 8
        compared += 1
    assert compared == len(domains.domains()) + 6


EX = Namespace("https://example.org/of/another#")


def strange() -> Triples:
    """What no profile draws: vocabularies without prefix, blank nodes that meet, types of literals, lists of values."""
    graph, one, two = Triples(), BNode(), BNode()
    for value in (Literal(ODD), Literal(ODD, lang="zh"), Literal("1", datatype=XSD.integer), Literal(""), one,
                  Literal("x", datatype=EX.kind), URIRef("https://example.org/?a=1&b=<2>")):
        graph.add((EX.thing, EX["a-1_b"], value))
    for triple in ((one, RDF.type, EX.Kind), (one, RDF.type, two), (one, EX.knows, two), (two, EX.knows, one),
                   (EX.thing, EX.knows, EX.thing), (EX.gone, EX.knows, one), (EX.thing, EX.gone, one)):
        graph.add(triple)
    graph.remove((EX.gone, None, None))
    return graph.remove((None, EX.gone, None))


@FORMS
def test_strange_triples(form: Form) -> None:
    wanted = Graph()
    for subject, predicate, value in strange():
        wanted.add((subject, predicate, URIRef(value.replace("<", "%3C").replace(">", "%3E"))
                    if isinstance(value, URIRef) else value))
    assert isomorphic(read(form, strange()), wanted)


@FORMS
def test_the_same_triples_give_the_same_text(form: Form) -> None:
    assert piece(form, strange(), "urn:x") == piece(form, strange(), "urn:x") != piece(form, strange(), "urn:y")


@FORMS
def test_one_bad_character_does_not_spoil_a_page(form: Form) -> None:
    graph = Triples()
    graph.add((EX.thing, EX.says, Literal("a\x0bb\x1f\uffff")))
    graph.add((EX.thing, EX.mail, URIRef("mailto:a b\n@example.org")))
    found = read(form, graph)
    assert str(found.value(EX.thing, EX.mail)) == "mailto:a%20b%0A@example.org"
    assert len(str(found.value(EX.thing, EX.says))) == 5


def test_xml_says_what_it_has_no_name_for() -> None:
    graph = Triples()
    graph.add((EX.thing, URIRef("https://example.org/1"), Literal("x")))
    with pytest.raises(ValueError, match=r"example\.org/1"):
        piece(XML, graph, "urn:x")


def test_the_graph_answers_as_rdflib_does() -> None:
    choose, ours, theirs = random.Random(7), Triples(), Graph()
    terms = [EX.a, EX.b, EX.c, Literal("a"), Literal("a", lang="zh"), Literal("a", datatype=XSD.string), BNode("a")]
    for _ in range(300):
        triple = choose.choice(terms[:3]), choose.choice(terms[:3]), choose.choice(terms)
        pattern: Any = tuple(choose.choice((term, term, None)) for term in triple)
        if choose.random() < 0.2:
            ours.remove(pattern)
            theirs.remove(pattern)
        else:
            ours.add(triple)
            theirs.add(triple)
        found = list(ours.triples(pattern))
        assert set(found) == set(theirs.triples(pattern)) and len(found) == len(set(found))
        assert (pattern in ours, len(ours)) == (pattern in theirs, len(theirs))
        assert ours.value(EX.a, EX.b, any=True) in [*theirs.objects(EX.a, EX.b), None]
