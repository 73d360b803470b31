"""The CKAN package that stands for a published dataset, and the one of a domain's table over all bodies.

Pure functions: the same arguments give the same dictionary, ready for package_create and for JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NotRequired, TypedDict
from urllib.parse import quote

from ckanext.gkopen import ids
from ckanext.gkopen.codes import Code
from ckanext.gkopen.dates import parse_period
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.metadata import proposal
from ckanext.gkopen.metadata.codes import meta_codes
from ckanext.gkopen.metadata.proposal import DEFAULT_LICENSE, default_metadata, review_findings, unknown_labels

__all__ = ["Published", "PublishedFile", "bulk_package_dict", "default_metadata", "package_dict", "period_of",
           "review_findings", "unknown_labels"]

APPROVED = (
    *proposal.TEXT, *proposal.ONE, *proposal.MANY, "domain", "open_type", "responsible_body",
    "responsible_uscc", "legal_rule", "due_on", "related_codes",
)
"""The fields that come from approved metadata. The others of schemas/dataset.yaml are made here."""
SYSTEM_COLUMNS = 3
"""dataset_id, part and publisher stand before a domain's own fields in every published table."""


class PublishedFile(TypedDict):
    """One file form of a dataset as it lies in the public folder."""

    size: int
    sha256: str


class Published(TypedDict):
    """What the publication says: times are ISO texts with their offset, `parts` names the public parts.

    `files` (form → file) may lack forms that are not made yet: their resources then have no checksum.
    """

    seq: int
    rows: int
    parts: list[str]
    published_at: str
    first_published_at: NotRequired[str]
    revision_id: NotRequired[str]
    sha256: NotRequired[str]
    harvest_source: NotRequired[str]
    files: NotRequired[Mapping[str, PublishedFile]]


def package_dict(domain: Domain, body: Mapping[str, Any], meta: Mapping[str, Any], published: Published, *,
                 name: str, site_url: str) -> dict[str, Any]:
    """The package of one body's dataset, from approved metadata. `name`: the dataset's, which stays in its addresses
    when its body gets another one. `site_url` has no slash at its end."""
    dataset = ids.dataset_id(domain.name, body["id"])
    start, end = period_of(domain, published["parts"])
    package = {field: meta[field] for field in APPROVED if meta.get(field) not in (None, "", [])}
    package |= {
        "id": dataset, "name": name, "owner_org": body["id"], "period_start": start, "period_end": end,
        "tags": _tags(domain, meta, body["title"]),
        "resources": list(_resources(domain, ids.resource_id(dataset), dataset, f"{domain.name}/{name}",
                                     published, site_url)),
    }
    return _finished(package, published)


def bulk_package_dict(domain: Domain, publisher_org: Mapping[str, Any], published: Published, *,
                      site_url: str, license_id: str | None = DEFAULT_LICENSE) -> dict[str, Any]:
    """The package of a domain's table over all bodies; its first resource is the DataStore table itself.

    `publisher_org`: the body that answers for the portal (the disclosure office). `parts`: of all bodies.
    `license_id`: the one that all its datasets have; None where they differ.
    """
    dataset = ids.bulk_id(domain.name)
    start, end = period_of(domain, published["parts"])
    meta = default_metadata(domain, publisher_org, None, license_id=license_id)
    package = meta | {
        "id": dataset, "name": f"all-{domain.name.replace('_', '-')}", "owner_org": publisher_org["id"],
        "title": f"全部机构{domain.title.zh}", "title_en": f"All bodies: {domain.title.en}",
        "period_start": start, "period_end": end, "tags": _tags(domain, meta, "全部机构"),
        "resources": list(_resources(domain, ids.table_id(domain.name), dataset, domain.name, published,
                                     site_url)),
    }
    return _finished(package, published)


def period_of(domain: Domain, parts: list[str]) -> tuple[str, str]:
    """First and last day (ISO) that the parts cover; empty texts where the domain is not cut by time."""
    spans = [span for part in parts if (span := _span(domain, part))]
    if not spans:
        return "", ""
    return min(first for first, _ in spans).isoformat(), max(last for _, last in spans).isoformat()


def _span(domain: Domain, part: str) -> tuple[date, date] | None:
    """The days of a part: `2024-05`, `2024-Q2` and `2024-01/2024-09` are what they say, `2024-budget` is its year."""
    found = None if domain.part.kind == "whole" else parse_period(part) or parse_period(part[:4])
    return (found.start, found.end) if found else None


def _tags(domain: Domain, meta: Mapping[str, Any], body_title: str) -> list[dict[str, str]]:
    field = meta_codes("meta_field").get(meta.get("field") or "")
    labels = [domain.title.zh, field.title.zh if field and field.code != "other" else "", body_title]
    # CKAN allows letters of any script, digits, space, - _ . in a tag, and two characters at least.
    clean = dict.fromkeys(re.sub(r"[^\w\-. ]", "", label)[:100] for label in labels)
    return [{"name": label} for label in clean if len(label) > 1]


def _resources(domain: Domain, table: str, dataset: str, path: str, published: Published,
               site_url: str) -> Iterator[dict[str, Any]]:
    """The table first, then the file forms of schemas/codes/meta_form.csv."""
    table_columns = len(domain.fields) + SYSTEM_COLUMNS
    # A dataset's own files leave out the columns that say which dataset it is; its table and the bulk files have them.
    file_columns = len(domain.fields) if "/" in path else table_columns
    shared: dict[str, Any] = {"rows": published["rows"], "columns": file_columns}
    start, end = period_of(domain, published["parts"])
    if start:
        shared["period"] = f"{start}/{end}"
    files = published.get("files") or {}
    for form in meta_codes("meta_form").codes:
        if form.code == "table":
            url = f"{site_url}/api/3/action/datastore_search?resource_id={table}"
            yield _resource(form, table, url) | shared | {"columns": table_columns, "datastore_active": True}
        else:
            url = f"{site_url}/open/{quote(path)}.{form.code}"
            resource = _resource(form, ids.file_resource_id(dataset, form.code), url)
            yield resource | shared | files.get(form.code, {})


def _resource(form: Code, identifier: str, url: str) -> dict[str, Any]:
    return {"id": identifier, "name": form.title.zh, "name_en": form.title.en, "url": url, "form": form.code,
            "format": form.extra["format"], "mimetype": form.extra["mimetype"]}


def _finished(package: dict[str, Any], published: Published) -> dict[str, Any]:
    """With type, visibility and where it comes from; without empty fields."""
    package |= {
        "type": "dataset", "state": "active", "private": False,
        "publication_seq": published["seq"], "published_at": published["published_at"],
        "first_published_at": published.get("first_published_at") or published["published_at"],
        "revision_id": published.get("revision_id"), "content_sha256": published.get("sha256"),
        "harvest_source": published.get("harvest_source"),
    }
    return {name: value for name, value in package.items() if value not in (None, "")}
