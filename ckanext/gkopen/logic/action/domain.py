"""Domains: what the portal publishes, for anyone to read."""

from __future__ import annotations

from typing import Any

from ckan.plugins import toolkit

from ckanext.gkopen import bodies, clock, model
from ckanext.gkopen.derive.dictionary import dictionary_rows
from ckanext.gkopen.domains import domains, get_domain
from ckanext.gkopen.logic import language
from ckanext.gkopen.logic.action.common import need, speaking


@toolkit.side_effect_free
def gkopen_domain_list(context: Any, data_dict: Any) -> list[dict[str, Any]]:
    """Every domain with what is public of it: datasets, bodies, rows, time of the last publication."""
    toolkit.check_access("gkopen_public", context, {})
    facts = {row["domain"]: row for row in model.every(
        "select d.domain, count(distinct d.id) as datasets, count(distinct d.body_id) as bodies,"
        " coalesce(sum(p.rows), 0) as rows, max(u.at) as updated from gkopen.dataset d"
        " join gkopen.public_part p on p.dataset_id = d.id and p.part <> '~metadata'"
        " join gkopen.publication u on u.dataset_id = d.id and u.seq = p.seq group by d.domain")}
    return [_domain(name, facts.get(name)) for name in domains()]


@toolkit.side_effect_free
def gkopen_domain_show(context: Any, data_dict: Any) -> dict[str, Any]:
    """One domain: fields, key, rules, example, and the bodies that publish in it. :param id: name"""
    toolkit.check_access("gkopen_public", context, {})
    need(data_dict, "id")
    with speaking():
        domain = get_domain(str(data_dict["id"]))
    listed = next(d for d in gkopen_domain_list(context, {}) if d["name"] == domain.name)
    titles = bodies.titles()
    published = model.every(
        "select d.name, d.body_id, sum(p.rows) as rows, max(u.at) as updated from gkopen.dataset d"
        " join gkopen.public_part p on p.dataset_id = d.id and p.part <> '~metadata'"
        " join gkopen.publication u on u.dataset_id = d.id and u.seq = p.seq"
        " where d.domain = :domain group by d.name, d.body_id order by d.name", domain=domain.name)
    return listed | {
        "key": list(domain.key), "version": domain.version, "fields": dictionary_rows(domain, language.reader()),
        "rules": [{"id": rule.id, "kind": rule.kind, "title": {"zh": rule.title.zh, "en": rule.title.en}}
                  for rule in domain.rules],
        "example": dict(domain.example),
        "published": [{"name": row["name"], "organization": titles.get(row["body_id"], ""),
                       "rows": int(row["rows"] or 0), "updated": clock.told(row["updated"])} for row in published]}


def _domain(name: str, facts: dict[str, Any] | None) -> dict[str, Any]:
    domain = get_domain(name)
    facts = facts or {"datasets": 0, "bodies": 0, "rows": 0, "updated": None}
    return {"name": name, "title": {"zh": domain.title.zh, "en": domain.title.en},
            "description": {"zh": domain.description.zh, "en": domain.description.en},
            "datasets": int(facts["datasets"]), "bodies": int(facts["bodies"]), "rows": int(facts["rows"]),
            "updated": clock.told(facts["updated"])}
