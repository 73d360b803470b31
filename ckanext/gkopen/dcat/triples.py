"""The graph into which RDF profiles draw one dataset: some two hundred triples, written out once and thrown away.

rdflib's store keeps three indexes and a context for each triple, which is half of the time that ckanext-dcat takes. A
profile may ask this graph whatever it asks of rdflib's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rdflib import Graph
from rdflib.term import Node

Triple = tuple[Node, Node, Node]


class Triples(Graph):
    """`nodes`: subject → predicate → its values, all in the order in which they were added."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: dict[Node, dict[Node, dict[Node, None]]] = {}

    def add(self, triple: Triple) -> Triples:
        subject, predicate, value = triple
        said = self.nodes.get(subject)
        if said is None:
            said = self.nodes[subject] = {}
        values = said.get(predicate)
        if values is None:
            said[predicate] = {value: None}
        else:
            values[value] = None
        return self

    def triples(self, triple: Any) -> Iterator[Triple]:
        """Those that are there now: the asker may add and remove while he goes through them."""
        subject, predicate, value = triple
        asked = self.nodes.items() if subject is None else ((subject, self.nodes.get(subject, {})),)
        if predicate is None:
            found = [(one, name, each) for one, said in asked for name, values in said.items() for each in values]
        else:
            found = [(one, predicate, each) for one, said in asked if predicate in said for each in said[predicate]]
        return iter(found if value is None else [one for one in found if one[2] == value])

    def remove(self, triple: Any) -> Triples:
        for subject, predicate, value in self.triples(triple):
            del self.nodes[subject][predicate][value]
        return self

    def bind(self, *_: Any, **__: Any) -> None:
        """Prefixes are the writer's (`written.PREFIXES`)."""

    def __len__(self) -> int:
        return sum(len(values) for properties in self.nodes.values() for values in properties.values())
