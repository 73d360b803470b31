"""What is listed on /open/ and in index.json: every published table with its columns and files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ckanext.gkopen import clock, ids, model
from ckanext.gkopen.derive.dictionary import dictionary_rows
from ckanext.gkopen.domains import Domain, domains
from ckanext.gkopen.publish.forms.make import FORMS
from ckanext.gkopen.publish.table_sql import SYSTEM_COLUMNS

_DATASETS = ("select distinct d.id::text as id, d.domain, d.name from gkopen.file f join gkopen.dataset d"
             " on d.id = f.dataset_id and d.state <> 'withdrawn' where f.sha256 is not null and f.form = any(:forms)")
"""Those that have files."""


def first(number: int) -> list[dict[str, Any]]:
    """`tables` with so many datasets of each domain, by name, and `of`: how many it has."""
    found = model.every(f"select * from (select *, row_number() over (partition by domain order by name) as place,"
                        f" count(*) over (partition by domain) as of from ({_DATASETS}) d) d where place <= :number",
                        forms=list(FORMS), number=number)
    counts = {row["domain"]: row["of"] for row in found}
    return [{**table, "of": counts.get(table["name"], 0)} for table in tables([row["id"] for row in found])]


def of_domain(domain: str, after: str, number: int) -> tuple[list[dict[str, Any]], str | None]:
    """`tables` with so many datasets of one domain behind a name, and the name to go on from."""
    found = model.every(f"select * from ({_DATASETS}) d where domain = :domain and name > :after order by name"
                        " limit :number", forms=list(FORMS), domain=domain, after=after, number=number + 1)
    shown = [table for table in tables([row["id"] for row in found[:number]]) if table["name"] == domain]
    return shown, found[number - 1]["name"] if len(found) > number else None


def tables(only: Collection[str] | None = None) -> list[dict[str, Any]]:
    """One entry a domain that has files: the table over all bodies, then the datasets of single bodies.

    `only`: ids of the datasets that are wanted.
    """
    rows = model.every(
        "select f.address, f.form, f.sha256, f.size, f.media_type, f.rows, f.updated_at, f.domain,"
        " f.dataset_id::text as dataset_id, p.name, p.title, p.license_id, g.title as publisher"
        " from gkopen.file f left join gkopen.dataset d on d.id = f.dataset_id"
        " left join public.package p on p.id = coalesce(f.dataset_id::text, :none)"
        " left join public.\"group\" g on g.id = d.body_id where f.sha256 is not null"
        " and coalesce(d.state, '') <> 'withdrawn' and f.form = any(:forms) and (:all or f.dataset_id is null"
        " or f.dataset_id = any(cast(:only as uuid[]))) order by f.address",
        none="", forms=list(FORMS), all=only is None, only=list(only or ()))
    order = list(FORMS)
    rows.sort(key=lambda row: order.index(row["form"]))
    listed = []
    for domain in domains().values():
        own = [row for row in rows if row["domain"] == domain.name]
        if not own:
            continue
        datasets: dict[str, dict[str, Any]] = {}
        for row in own:
            if row["dataset_id"]:
                entry = datasets.setdefault(row["dataset_id"], {
                    "id": row["dataset_id"], "name": row["name"], "title": row["title"],
                    "publisher": row["publisher"], "licence": row["license_id"], "rows": row["rows"],
                    "resource_id": ids.resource_id(row["dataset_id"]), "files": []})
                entry["files"].append(_listed(row))
        whole = [_listed(row) for row in own if not row["dataset_id"]]
        listed.append({
            "name": domain.name, "title": {"zh": domain.title.zh, "en": domain.title.en},
            "description": {"zh": domain.description.zh, "en": domain.description.en},
            "rows": whole[0]["rows"] if whole else sum(entry["rows"] for entry in datasets.values()),
            "resource_id": ids.table_id(domain.name), "columns": _columns(domain), "files": whole,
            "datasets": sorted(datasets.values(), key=lambda entry: entry["name"] or ""),
        })
    return listed


def _listed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"form": row["form"], "url": f"/open/{row['address']}", "media_type": row["media_type"],
            "size": row["size"], "sha256": row["sha256"], "rows": row["rows"],
            "updated": clock.told(row["updated_at"])}


def _columns(domain: Domain) -> list[dict[str, Any]]:
    system = [{"name": name, "title": title.zh, "title_en": title.en, "type": "text", "unit": ""}
              for name, title in SYSTEM_COLUMNS.items()]
    described = zip(dictionary_rows(domain, "zh"), domain.fields, strict=True)
    return system + [{"name": row["name"], "title": row["title"], "title_en": field.title.en, "type": field.pg_type,
                      "unit": row["unit"]} for row, field in described]
