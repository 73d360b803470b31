"""A domain → Frictionless Table Schema: what `datapackage.json` says of a published CSV file."""

from __future__ import annotations

from typing import Any

from ckanext.gkopen.domains import NUMERIC, Domain, Field

TYPES = {
    "integer": "integer",
    "year": "integer",
    "decimal": "number",
    "money": "number",
    "percent": "number",
    "date": "date",
    "datetime": "datetime",
    "boolean": "boolean",
}
"""Type of a field → type in Table Schema; all others are strings."""
FORMATS = {"datetime": "%Y-%m-%d %H:%M:%S", "url": "uri"}


def table_schema(domain: Domain) -> dict[str, Any]:
    """The schema of the canonical CSV of a domain: fields in YAML order, codes as values, money in yuan."""
    return {
        "fields": [_field(field) for field in domain.fields],
        "primaryKey": list(domain.key),
        "missingValues": [""],
    }


def _field(field: Field) -> dict[str, Any]:
    """Standard properties, and `title_en`, `unit`, `categories` (code and titles), which readers may ignore."""
    described: dict[str, Any] = {
        "name": field.name,
        "type": TYPES.get(field.type, "string"),
        "title": field.title.zh,
        "title_en": field.title.en,
    }
    if field.type in FORMATS:
        described["format"] = FORMATS[field.type]
    if field.type == "boolean":
        described |= {"trueValues": ["true"], "falseValues": ["false"]}
    if field.description:
        described |= {"description": field.description.zh, "description_en": field.description.en}
    if field.unit:
        described["unit"] = field.unit
    if field.codes:
        described["categories"] = [
            {"value": code.code, "label": code.title.zh, "label_en": code.title.en} for code in field.codes.codes
        ]
    constraints = _constraints(field)
    if constraints:
        described["constraints"] = constraints
    return described


def _constraints(field: Field) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if field.required and not field.required_if:
        found["required"] = True
    if field.codes:
        found["enum"] = [code.code for code in field.codes.codes]
    if field.pattern:
        found["pattern"] = field.pattern
    if field.type in NUMERIC:
        for name, limit in (("minimum", field.minimum), ("maximum", field.maximum)):
            if limit is not None:
                found[name] = int(limit) if TYPES[field.type] == "integer" else str(limit)
    return found
