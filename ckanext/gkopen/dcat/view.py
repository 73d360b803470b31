"""A CKAN package with the disclosure metadata, told in the words of ckanext-dcat's profiles.

Pure: a new dictionary whose keys (publisher, frequency, temporal_coverage ...) the European profile makes
triples of. What DCAT-AP has no word for is added by profile.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ckanext.gkopen.metadata.codes import meta_codes

EU = "http://publications.europa.eu/resource/authority/"
CHINESE, ENGLISH = f"{EU}language/ZHO", f"{EU}language/ENG"
SHA256 = "http://spdx.org/rdf/terms#checksumAlgorithm_sha256"
IANA = "https://www.iana.org/assignments/media-types/"
RELATED = "http://www.iana.org/assignments/relation/related"
PUBLISHER_TYPE = "http://purl.org/adms/publishertype/"
CONTACT = ("contact_name", "contact_phone", "contact_email")

FILE_TYPES = {"CSV": "CSV", "XLSX": "XLSX", "JSONL": "JSON", "ZIP": "ZIP", "API": "JSON"}
"""Format of a resource → its code in the EU's file-type authority table."""


def dcat_view(package: Mapping[str, Any], *, site_url: str, licence_url: str | None) -> dict[str, Any]:
    """`package` as ckanext-dcat reads it. `licence_url`: the licence's text; `site_url`: no last slash."""
    view = {name: value for name, value in package.items() if name not in CONTACT}
    view["resources"] = [
        {**_resource(resource, licence_url), **_inherited(package)}
        for resource in package.get("resources", [])
    ]
    view |= {
        "title_translated": _both(package.get("title"), package.get("title_en")),
        "notes_translated": _both(package.get("notes") or package.get("title"), package.get("notes_en")),
        "url": f"{site_url}/dataset/{package['name']}",
        "language": [CHINESE],
        "publisher": [publisher(package, site_url)],
        "issued": package.get("first_published_at") or package.get("metadata_created"),
        "modified": package.get("published_at") or package.get("metadata_modified"),
        "version": str(package["publication_seq"]) if package.get("publication_seq") else None,
        "frequency": _term("update_cycle", package, "frequency", f"{EU}frequency/"),
        "access_rights": _term("open_type", package, "access_right", f"{EU}access-right/"),
        "theme": [theme for theme in [_term("field", package, "theme", f"{EU}data-theme/")] if theme],
        "alternate_identifier": [package["res_code"]] if package.get("res_code") else None,
        "temporal_coverage": _period(package),
        "provenance": package.get("source_system"),
    }
    return {name: value for name, value in view.items() if value}


def publisher(package: Mapping[str, Any], site_url: str) -> dict[str, Any]:
    """The responsible body as a publisher, known by its credit code."""
    organization = package.get("organization") or {}
    name = organization.get("name") or package.get("owner_org")
    address = f"{site_url}/organization/{name}" if name else ""
    return {
        "uri": address, "name": package.get("responsible_body") or organization.get("title") or name,
        "identifier": package.get("responsible_uscc") or "",
        "type": f"{PUBLISHER_TYPE}LocalAuthority",
    }


def related_codes(package: Mapping[str, Any]) -> list[str]:
    """The catalogue codes of related resources; a package read from the search index has them as one text."""
    codes = package.get("related_codes") or []
    return re.findall(r'[^\[\]",\s]+', codes) if isinstance(codes, str) else list(codes)


def _resource(resource: Mapping[str, Any], licence_url: str | None) -> dict[str, Any]:
    view = dict(resource)
    mimetype, format_ = resource.get("mimetype"), resource.get("format") or ""
    view |= {
        "name_translated": _both(resource.get("name"), resource.get("name_en")),
        "license": licence_url,
        "mimetype": f"{IANA}{mimetype}" if mimetype else None,
        "format": f"{EU}file-type/{FILE_TYPES[format_]}" if format_ in FILE_TYPES else None,
        "language": [CHINESE],
        "access_url": resource.get("url"),
        "status": "http://purl.org/adms/status/Completed",
    }
    if resource.get("sha256"):
        view |= {"hash": resource["sha256"], "hash_algorithm": SHA256}
    if resource.get("form") not in (None, "table"):
        view["download_url"] = resource.get("url")
        standard = (form := meta_codes("meta_form").get(resource["form"])) and form.extra["standard"]
        view["conforms_to"] = [standard] if standard else None
    return {name: value for name, value in view.items() if value}


def _inherited(package: Mapping[str, Any]) -> dict[str, Any]:
    """What a file keeps of its dataset: the condition of its openness and the dates of its publication.

    Its dataset's id as well, without which ckanext-dcat asks the database for each resource.
    """
    inherited = {
        "package_id": package["id"],
        "rights": package.get("open_condition") if package.get("open_type") == "conditional" else None,
        "issued": package.get("first_published_at"), "modified": package.get("published_at"),
    }
    return {name: value for name, value in inherited.items() if value}


def _period(package: Mapping[str, Any]) -> list[dict[str, str]]:
    start, end = package.get("period_start"), package.get("period_end")
    period = {name: day for name, day in (("start", start), ("end", end)) if day}
    return [period] if period else []


def _term(field: str, package: Mapping[str, Any], column: str, prefix: str) -> str | None:
    """The term of an EU vocabulary that the code list names for a field's code."""
    code = meta_codes(f"meta_{field}").get(package.get(field) or "")
    return f"{prefix}{code.extra[column]}" if code else None


def _both(zh: Any, en: Any) -> dict[str, str]:
    return {lang: text for lang, text in (("zh", zh), ("en", en)) if text}
