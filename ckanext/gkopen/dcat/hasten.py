"""Functions of CKAN, ckanext-dcat and rdflib that give the same answer to the same question, and now do so at once.

The profiles ask for the same few terms, addresses and plugins some thousand times a dataset; each was made anew. They
are remembered here. Nothing that is said in RDF is said here: tests/dcat/test_hasten.py holds each to the original.
"""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from ckan.common import config
from ckan.plugins import core
from ckanext.dcat import utils
from ckanext.dcat.profiles import CleanedURIRef, RDFProfile, URIRefOrLiteral
from rdflib import RDF, Literal, Namespace
from rdflib.namespace import DefinedNamespaceMeta
from rdflib.term import Node

from ckanext.gkopen.dcat.triples import Triples

LONGEST = 300
"""Characters of a text whose term is remembered."""
_implementations = core.PluginImplementations.__iter__
_catalog_uri = utils.catalog_uri


def hasten() -> None:
    """Called when the portal starts; a second call changes nothing. Half of the time of the feed."""
    if utils.catalog_uri is not _catalog_uri:
        return
    utils.catalog_uri = lambda: _catalog(config.store.get("ckanext.dcat.base_uri"), config.store.get("ckan.site_url"),
                                         tuple(core._PLUGINS_SERVICE.values()))
    core.PluginImplementations.__iter__ = lambda self: iter(_ordered(
        self.interface, tuple(core._PLUGINS_SERVICE.values()), tuple(config.store.get("ckan.plugins") or ())))
    _quote_by_table()
    for kind in (CleanedURIRef, URIRefOrLiteral, Literal):
        kind.__new__ = _remembering(kind.__new__)
    _keep_terms(Namespace, lambda space, name, term: space.__dict__.__setitem__(name, term))
    _keep_terms(DefinedNamespaceMeta, type.__setattr__)


@lru_cache(10_000)
def dates(value: str, kind: type) -> tuple[Node, ...]:
    """What ckanext-dcat makes of a date: a literal, or nothing of an empty text."""
    drawn: Any = SimpleNamespace(g=Triples())
    RDFProfile._add_date_triple(drawn, RDF.value, RDF.value, value, kind)
    return tuple(drawn.g.objects())


@lru_cache(10)
def _catalog(*_state: Any) -> str:
    """It is the beginning of every address, and each plugin may change it."""
    return _catalog_uri()


@lru_cache(1000)
def _ordered(interface: Any, *_state: Any) -> tuple[Any, ...]:
    """The plugins that have a say in something: each is asked for each address."""
    return tuple(_implementations(core.PluginImplementations(interface)))


def _quote_by_table() -> None:
    """ckanext-dcat goes through an address once for each of twenty characters: a table says the same in one pass."""
    table = str.maketrans({character: CleanedURIRef._careful_quote(character) for character in map(chr, range(128))})
    CleanedURIRef._careful_quote = staticmethod(lambda value: value.translate(table))


def _remembering(make: Any) -> Any:
    """The `__new__` of a kind of terms, which never change."""
    remembered = lru_cache(20_000)(make)

    def new(kind: Any, value: Any, *more: Any, **named: Any) -> Any:
        if type(value) is str and len(value) < LONGEST:
            return remembered(kind, value, *more, **named)
        return make(kind, value, *more, **named)

    return staticmethod(new)


def _keep_terms(kind: Any, keep: Any) -> None:
    """rdflib makes DCT.issued anew each time it is read: it stays where it was looked for."""
    make = kind.__getattr__

    def found(self: Any, name: str) -> Any:
        term = make(self, name)
        keep(self, name, term)
        return term

    kind.__getattr__ = found
