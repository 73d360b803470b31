"""What is listed on /open/ and in index.json: every published table with its columns and files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ckanext.gkopen import ids, model
from ckanext.gkopen.derive.dictionary import dictionary_rows
from ckanext.gkopen.domains import Domain, domains
from ckanext.gkopen.publish.forms.make import FORMS
from ckanext.gkopen.publish.table_sql import SYSTEM_COLUMNS


def tables() -> list[dict[str, Any]]:
    """One entry a domain that has files: the table over all bodies, then the datasets of single bodies."""
    rows = model.every(
        "select f.address, f.form, f.sha256, f.size, f.media_type, f.rows, f.updated_at, f.domain,"
        " f.dataset_id::text as dataset_id, p.name, p.title, p.license_id, g.title as publisher"
        " from gkopen.file f left join gkopen.dataset d on d.id = f.dataset_id"
        " left join public.package p on p.id = coalesce(f.dataset_id::text, :none)"
        " left join public.\"group\" g on g.id = d.body_id where f.sha256 is not null"
        " and coalesce(d.state, '') <> 'withdrawn' and f.form = any(:forms) order by f.address",
        none="", forms=list(FORMS))
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
            "updated": row["updated_at"].isoformat(timespec="seconds")}


def _columns(domain: Domain) -> list[dict[str, Any]]:
    system = [{"name": name, "title": title.zh, "title_en": title.en, "type": "text", "unit": ""}
              for name, title in SYSTEM_COLUMNS.items()]
    described = zip(dictionary_rows(domain, "zh"), domain.fields, strict=True)
    return system + [{"name": row["name"], "title": row["title"], "title_en": field.title.en, "type": field.pg_type,
                      "unit": row["unit"]} for row, field in described]
