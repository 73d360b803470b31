"""Triples as text: Turtle, RDF/XML and JSON-LD, in pieces that may follow one another in one document.

The same triples give the same text, blank nodes too: they are numbered, below a name that no other piece has. rdflib's
serialisers take as long as drawing the graph, name blank nodes by chance, and let one address with a space or one
control character spoil a whole page of the feed. tests/dcat/test_written.py holds these texts to rdflib's reading.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from json.encoder import encode_basestring as quoted
from typing import Any, NamedTuple
from urllib.parse import quote

from ckanext.dcat.processors import HYDRA
from ckanext.dcat.profiles.base import namespaces
from rdflib import PROV, RDF, RDFS, XSD, BNode, Literal

from ckanext.gkopen.dcat.profile import ELI, GK
from ckanext.gkopen.dcat.triples import Triples

PREFIXES = {name: str(namespace) for name, namespace in {
    **namespaces, "rdf": RDF, "rdfs": RDFS, "xsd": XSD, "prov": PROV, "hydra": HYDRA, "eli": ELI, "gkopen": GK}.items()}
RDF_TYPE = RDF.type
_TYPE_KEY = quoted(RDF_TYPE)
_PREFIX_OF = {namespace: name for name, namespace in PREFIXES.items()}
_SPLIT = re.compile(r"(.*[#/:])([A-Za-z_][\w-]*)", re.ASCII)
_NOT_IN_ADDRESS = re.compile(r'[\x00-\x20<>"{}|\\^`]')
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_HEAD = {
    "turtle": "".join(f"@prefix {name}: <{namespace}> .\n" for name, namespace in sorted(PREFIXES.items())) + "\n",
    "xml": '<?xml version="1.0" encoding="utf-8"?>\n<rdf:RDF' + "".join(
        f'\n  xmlns:{name}="{namespace}"' for name, namespace in sorted(PREFIXES.items())) + ">\n"}


class Form(NamedTuple):
    """One way to write triples. `piece`: triples and the name of its blank nodes → text; `whole`: pieces → document."""

    name: str
    piece: Callable[[Triples, str], str]
    whole: Callable[[Iterable[str]], str]


def piece(form: Form, graph: Triples, of: str) -> str:
    """The triples of one thing; `of`: its address, which no other piece of a document has."""
    return form.piece(graph, "n" + hashlib.sha256(of.encode()).hexdigest()[:16])


def _turtle(graph: Triples, name: str) -> str:
    blank = _Blank(name)

    def term(node: Any) -> str:
        if type(node) is Literal:
            language, datatype = node.language, node.datatype
            return quoted(node) + (f"@{language}" if language else f"^^{_short(datatype)}" if datatype else "")
        return f"_:{blank[node]}" if type(node) is BNode else _turtle_address(node)

    def told(predicate: Any, values: Iterable[Any]) -> str:
        name = _short(predicate)
        if name == "rdf:type":
            return "a " + ", ".join([term(kind) if type(kind) is BNode else _short(kind) for kind in values])
        return f"{name} {', '.join([term(value) for value in values])}"

    return "\n".join([f"{term(subject)} " + " ;\n    ".join([told(*each) for each in said]) + " .\n"
                      for subject, said in _said(graph)])


@lru_cache(20_000)
def _turtle_address(uri: str) -> str:
    return f"<{_address(uri)}>"


def _xml(graph: Triples, name: str) -> str:
    blank = _Blank(name)

    def element(predicate: str, value: Any) -> str:
        tag, attribute = _tag(predicate)
        if type(value) is Literal:
            language, datatype = value.language, value.datatype
            if language:
                attribute += f' xml:lang="{language}"'
            elif datatype:
                attribute += f' rdf:datatype="{_escaped(datatype)}"'
            return f"    <{tag}{attribute}>{_escaped(value)}</{tag}>\n"
        return f"    <{tag}{attribute} rdf:{at('resource', value)}/>\n"

    def at(attribute: str, node: Any) -> str:
        return f'nodeID="{blank[node]}"' if type(node) is BNode else f'{attribute}="{_xml_address(node)}"'

    def told(subject: Any, said: Sequence[tuple[Any, Iterable[Any]]]) -> str:
        kind: Any = next(iter(graph.nodes[subject].get(RDF_TYPE, ())), None)
        tag, attribute = _tag(kind) if kind is not None and _SPLIT.fullmatch(kind) else ("rdf:Description", "")
        inside = "".join([
            element(predicate, value) for predicate, values in said for value in values
            if value is not kind or predicate != RDF_TYPE or tag == "rdf:Description"])
        return f"  <{tag}{attribute} rdf:{at('about', subject)}>\n{inside}  </{tag}>\n"

    return "".join([told(*each) for each in _said(graph)])


@lru_cache(20_000)
def _xml_address(uri: str) -> str:
    return _escaped(_address(uri))


def _jsonld(graph: Triples, name: str) -> str:
    blank = _Blank(name)

    def at(node: Any) -> str:
        return f'"_:{blank[node]}"' if type(node) is BNode else _json_address(node)

    def told(value: Any) -> str:
        if type(value) is not Literal:
            return f'{{"@id": {at(value)}}}'
        language, datatype = value.language, value.datatype
        kind = f', "@language": "{language}"' if language else f', "@type": {quoted(datatype)}' if datatype else ""
        return f'{{"@value": {quoted(value)}{kind}}}'

    def listed(predicate: Any, values: Iterable[Any]) -> str:
        name = quoted(predicate)
        return f'"@type": [{", ".join([at(value) for value in values])}]' if name == _TYPE_KEY else \
            f'{name}: [{", ".join([told(value) for value in values])}]'

    return ",\n".join([f'{{"@id": {at(subject)}, ' + ", ".join([listed(*each) for each in said]) + "}"
                       for subject, said in _said(graph)])


@lru_cache(20_000)
def _json_address(uri: str) -> str:
    return quoted(_address(uri))


TURTLE = Form("turtle", _turtle, lambda pieces: _HEAD["turtle"] + "\n".join(pieces))
XML = Form("xml", _xml, lambda pieces: f"{_HEAD['xml']}{''.join(pieces)}</rdf:RDF>\n")
JSONLD = Form("jsonld", _jsonld, lambda pieces: "[\n" + ",\n".join(pieces) + "\n]\n")


class _Blank(dict[BNode, str]):
    """Blank nodes by number, in the order in which they are written."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def __missing__(self, node: BNode) -> str:
        self[node] = f"{self._name}-{len(self) + 1}"
        return self[node]


def _said(graph: Triples) -> Iterator[tuple[Any, Sequence[tuple[Any, Iterable[Any]]]]]:
    """Subject, and each of its predicates with the values; what was emptied is left out."""
    for subject, properties in graph.nodes.items():
        if said := [each for each in properties.items() if each[1]]:
            yield subject, said


def _address(uri: str) -> str:
    """Without characters that no address may hold: they are written as %20 and so on."""
    return _NOT_IN_ADDRESS.sub(lambda found: quote(found[0]), uri) if _NOT_IN_ADDRESS.search(uri) else uri


def _escaped(text: str) -> str:
    """For XML, which has no way to write most control characters and reads a carriage return as a line feed."""
    if _NOT_IN_XML.search(text):
        text = _NOT_IN_XML.sub("\ufffd", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


@lru_cache(1000)
def _short(uri: Any) -> str:
    """A name of a vocabulary, in Turtle."""
    split = _SPLIT.fullmatch(uri)
    prefix = _PREFIX_OF.get(split[1]) if split else None
    return f"{prefix}:{split[2]}" if split and prefix else f"<{_address(uri)}>"


@lru_cache(1000)
def _tag(uri: str) -> tuple[str, str]:
    """The name of a predicate's element, and the attribute that it needs where its vocabulary has no prefix here.

    :raises ValueError: XML has no name for it
    """
    split = _SPLIT.fullmatch(uri)
    if split is None:
        raise ValueError(f"{uri} cannot be written as RDF/XML")
    prefix = _PREFIX_OF.get(split[1])
    return (f"{prefix}:{split[2]}", "") if prefix else (f"own:{split[2]}", f' xmlns:own="{_escaped(split[1])}"')
