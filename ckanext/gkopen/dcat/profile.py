"""The RDF profile `gkopen_dcat`: DCAT-AP 3 with the disclosure metadata of a Chinese city.

`ckanext.dcat.rdf.profiles = gkopen_dcat` takes the place of euro_dcat_ap_3, on which it stands. The graph
passes the SHACL shapes of DCAT-AP 3.0.1: nodes have the classes they ask for, concepts their labels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ckan import model
from ckan.plugins import toolkit
from ckanext.dcat.profiles import (
    ADMS,
    DCAT,
    DCATAP,
    DCT,
    FOAF,
    RDF,
    RDFS,
    SKOS,
    VCARD,
    EuropeanDCATAP3Profile,
)
from rdflib import PROV, BNode, Literal, Namespace, URIRef
from rdflib.term import Node

from ckanext.gkopen.dcat.hasten import dates
from ckanext.gkopen.dcat.triples import Triple
from ckanext.gkopen.dcat.view import CHINESE, ENGLISH, PUBLISHER_TYPE, RELATED, dcat_view, related_codes
from ckanext.gkopen.metadata.codes import meta_codes

GK = Namespace("urn:gkopen:disclosure:")
"""Properties of the disclosure regime that DCAT-AP does not know; docs/metadata.md describes each."""
ELI = Namespace("http://data.europa.eu/eli/ontology#")

CODED = {
    "disclosure_attribute": (GK.disclosureAttribute, "meta_disclosure_attribute"),
    "exemption_ground": (GK.exemptionGround, "meta_exemption_ground"),
    "field": (GK.disclosureField, "meta_field"), "stage": (GK.stage, "meta_stage"),
    "audience": (GK.audience, "meta_audience"), "channel": (GK.channel, "meta_channel"),
    "tier": (GK.tier, "meta_tier"), "share_type": (GK.shareType, "meta_share_type"),
    "open_type": (GK.openness, "meta_open_type"),
}
"""Field → property and code list; its values become labelled concepts."""
PLAIN = {
    "matter": GK.matter, "exemption_note": GK.exemptionNote, "time_limit_text": GK.timeLimit,
    "formed_on": GK.formedOn, "due_on": GK.dueOn, "open_condition": GK.openCondition,
    "share_condition": GK.shareCondition,
}
LICENCE_TYPES = {
    "https://creativecommons.org/licenses/by/4.0/": ("Attribution", "Attribution"),
    "https://creativecommons.org/publicdomain/zero/1.0/": ("PublicDomain", "Work in the public domain"),
}


class GkopenProfile(EuropeanDCATAP3Profile):
    """Serialises packages of schemas/dataset.yaml. Reading RDF stays with the European profile."""

    def graph_from_dataset(self, dataset_dict: dict[str, Any], dataset_ref: URIRef) -> None:
        site_url = toolkit.config["ckan.site_url"].rstrip("/")
        view = dcat_view(dataset_dict, site_url=site_url, licence_url=_licence_url(dataset_dict))
        super().graph_from_dataset(view, dataset_ref)
        self.g.bind("gkopen", GK)
        self._contact(dataset_dict, dataset_ref)
        self._disclosure(dataset_dict, dataset_ref)
        self._legislation(dataset_dict, dataset_ref)
        self._relations(dataset_dict, dataset_ref)
        self._activity(dataset_dict, dataset_ref)
        self._type_nodes()

    def graph_from_catalog(self, catalog_dict: dict[str, Any] | None, catalog_ref: URIRef) -> None:
        super().graph_from_catalog(catalog_dict, catalog_ref)
        title = toolkit.config.get("ckan.site_title") or toolkit.config["ckan.site_url"]
        for language in (CHINESE, ENGLISH):
            self._one(catalog_ref, DCT.language, URIRef(language), replace=language == CHINESE)
        if not list(self.g.objects(catalog_ref, DCT.description)):
            self.g.add((catalog_ref, DCT.description, Literal(title)))
        publisher = BNode()
        self.g.add((catalog_ref, DCT.publisher, publisher))
        self.g.add((publisher, RDF.type, FOAF.Agent))
        self.g.add((publisher, FOAF.name, Literal(title)))
        self.g.add((publisher, DCT.type, URIRef(f"{PUBLISHER_TYPE}LocalAuthority")))
        self._type_nodes()

    def _add_date_triple(self, subject: Node, predicate: URIRef, value: str, _type: type = Literal) -> None:
        """A dataset and its files say the same few dates over and over: each is read once."""
        for date in dates(value, _type):
            self.g.add((subject, predicate, date))

    def _add_triples_from_dict(self, _dict: dict[str, Any], subject: Node, items: Any, **how: Any) -> None:
        """A dataset or file has few of the fields that are asked for: only those are gone through."""
        if "extras" not in _dict:
            items = [item for item in items if item[0] in _dict or any(name in _dict for name in item[2] or ())]
        super()._add_triples_from_dict(_dict, subject, items, **how)

    def _one(self, subject: URIRef, predicate: URIRef, value: URIRef, *, replace: bool) -> None:
        if replace:
            self.g.remove((subject, predicate, None))
        self.g.add((subject, predicate, value))

    def _contact(self, package: dict[str, Any], ref: URIRef) -> None:
        """The office that answers; a telephone number is a vCard of its own in DCAT-AP's guidance."""
        name, phone, email = (package.get(f"contact_{part}") for part in ("name", "phone", "email"))
        if not (name or phone or email):
            return
        contact = BNode()
        self.g.add((ref, DCAT.contactPoint, contact))
        for kind in (VCARD.Kind, VCARD.Organization):
            self.g.add((contact, RDF.type, kind))
        self.g.add((contact, VCARD.fn, Literal(name or package.get("responsible_body"), lang="zh")))
        if email:
            self.g.add((contact, VCARD.hasEmail, URIRef(f"mailto:{email}")))
        if phone:
            number = BNode()
            self.g.add((contact, VCARD.hasTelephone, number))
            digits = "".join(character for character in phone if character in "+0123456789-")
            self.g.add((number, VCARD.hasValue, URIRef(f"tel:{digits}")))

    def _disclosure(self, package: dict[str, Any], ref: URIRef) -> None:
        for field, (predicate, list_name) in CODED.items():
            values = package.get(field) or []
            for value in [values] if isinstance(values, str) else values:
                if code := meta_codes(list_name).get(value):
                    concept, said = _concept(list_name, code.code, code.title.zh, code.title.en)
                    self.g.add((ref, predicate, concept))
                    for triple in said:
                        self.g.add(triple)
        for field, predicate in PLAIN.items():
            if package.get(field):
                self.g.add((ref, predicate, Literal(package[field])))

    def _legislation(self, package: dict[str, Any], ref: URIRef) -> None:
        if package.get("legal_basis"):
            law = BNode()
            self.g.add((ref, DCATAP.applicableLegislation, law))
            self.g.add((law, RDF.type, ELI.LegalResource))
            self.g.add((law, DCT.title, Literal(package["legal_basis"], lang="zh")))

    def _relations(self, package: dict[str, Any], ref: URIRef) -> None:
        """Related entries of the exchange platform's catalogue: opaque codes, no addresses."""
        for code in related_codes(package):
            relationship, resource = BNode(), BNode()
            self.g.add((ref, DCAT.qualifiedRelation, relationship))
            self.g.add((relationship, RDF.type, DCAT.Relationship))
            self.g.add((relationship, DCAT.hadRole, URIRef(RELATED)))
            self.g.add((URIRef(RELATED), RDF.type, DCAT.Role))
            self.g.add((relationship, DCT.relation, resource))
            self.g.add((resource, RDF.type, RDFS.Resource))
            self.g.add((resource, DCT.identifier, Literal(code)))

    def _activity(self, package: dict[str, Any], ref: URIRef) -> None:
        """The publication that made this state of the data: source, revision, number and digest."""
        if not package.get("revision_id"):
            return
        activity = URIRef(f"urn:uuid:{package['revision_id']}")
        self.g.add((ref, PROV.wasGeneratedBy, activity))
        self.g.add((activity, RDF.type, PROV.Activity))
        label = f"第 {package.get('publication_seq')} 次发布"
        self.g.add((activity, RDFS.label, Literal(label, lang="zh")))
        if package.get("published_at"):
            self._add_date_triple(activity, PROV.endedAtTime, package["published_at"])
        for field, predicate in (("harvest_source", GK.harvestSource), ("content_sha256", GK.contentSha256)):
            if package.get(field):
                self.g.add((activity, predicate, Literal(package[field])))

    def _type_nodes(self) -> None:
        """Classes and labels that the SHACL shapes ask of terms of foreign vocabularies."""
        for predicate, kind in (
            (DCT.language, DCT.LinguisticSystem), (FOAF.homepage, FOAF.Document),
            (DCAT.theme, SKOS.Concept), (ADMS.status, SKOS.Concept),
        ):
            for term in dict.fromkeys(self.g.objects(None, predicate)):
                self.g.add((term, RDF.type, kind))
                if kind == SKOS.Concept:
                    self._label(term)
        for agent in dict.fromkeys(self.g.subjects(RDF.type, FOAF.Agent)):
            for term in list(self.g.objects(agent, DCT.type)):
                self.g.add((term, RDF.type, SKOS.Concept))
                self._label(term)
        # The European profile gives every licence the type "unknown"; here it is known or not said.
        for licence in dict.fromkeys(self.g.objects(None, DCT.license)):
            self.g.remove((licence, DCT.type, None))
            if found := LICENCE_TYPES.get(str(licence)):
                kind = URIRef(f"http://purl.org/adms/licencetype/{found[0]}")
                self.g.add((licence, DCT.type, kind))
                self.g.add((kind, RDF.type, SKOS.Concept))
                self.g.add((kind, SKOS.prefLabel, Literal(found[1], lang="en")))

    def _label(self, term: Any) -> None:
        if not list(self.g.objects(term, SKOS.prefLabel)):
            self.g.add((term, SKOS.prefLabel, Literal(str(term).rsplit("/", 1)[-1], lang="en")))


@lru_cache(2000)
def _concept(list_name: str, code: str, zh: str, en: str) -> tuple[URIRef, tuple[Triple, ...]]:
    """A code of a list, and what is said of it."""
    concept = URIRef(f"urn:gkopen:code:{list_name.removeprefix('meta_')}:{code}")
    return concept, ((concept, RDF.type, SKOS.Concept), (concept, SKOS.notation, Literal(code)),
                     (concept, SKOS.prefLabel, Literal(zh, lang="zh")),
                     (concept, SKOS.prefLabel, Literal(en, lang="en")))


def _licence_url(package: dict[str, Any]) -> str | None:
    """Where the licence's text is; a licence without an address (or unknown) is left out."""
    if package.get("license_url"):
        return package["license_url"]
    licence = model.Package.get_license_register().get(package.get("license_id") or "")
    return (getattr(licence, "url", "") or None) if licence else None
