"""A row of a domain as JSON Schema, and an example of one: its example record, taken through the whole pipeline."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from ckanext.gkopen import scratch
from ckanext.gkopen.domains import Domain, Field
from ckanext.gkopen.examine import examine
from ckanext.gkopen.history.difference import text_rows
from ckanext.gkopen.history.rows import Cells, typed
from ckanext.gkopen.parts import split_parts, write_part
from ckanext.gkopen.publish.table_sql import SYSTEM_COLUMNS
from ckanext.gkopen.records import Options

PUBLISHER, BODY = "南通市财政局", "nantong-czj"
DATASET_ID = "5f0c0f1e-8a53-5c59-9d0b-0f6f6a0f2d11"
TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string"}, "int8": {"type": "integer"}, "numeric": {"type": "number"},
    "bool": {"type": "boolean"}, "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"}}
MOST_CODES = 60
"""A longer list of codes is in the data dictionary only."""


def row_schema(domain: Domain) -> dict[str, Any]:
    """A row without the columns that the table over all bodies has in front."""
    return {"type": "object", "title": domain.title.zh, "description": domain.description.zh,
            "properties": {field.name: _field(field) for field in domain.fields},
            "required": list(domain.field_names), "additionalProperties": False}


def _field(field: Field) -> dict[str, Any]:
    """An amount may also be asked for as text; what is not always there may be null."""
    schema: dict[str, Any] = dict(TYPES[field.pg_type])
    kinds = [schema["type"], *(["string"] if field.type == "money" else []),
             *([] if field.required and not field.required_if else ["null"])]
    schema["type"] = kinds if len(kinds) > 1 else kinds[0]
    title = f"{field.title.zh}（{field.unit}）" if field.unit else field.title.zh
    schema |= {"title": title, "x-title-en": field.title.en}
    if field.description:
        schema["description"] = field.description.zh
    if field.codes and len(field.codes.codes) <= MOST_CODES:
        schema["description"] = "；".join(filter(None, [
            schema.get("description"), "、".join(f"{code.code} {code.title.zh}" for code in field.codes.codes)]))
    return schema


@lru_cache(maxsize=64)
def example_cells(name: str, version: str) -> tuple[str, tuple[tuple[str, str | None], ...]]:
    """(part, cells) of the domain's example record as it is published."""
    from ckanext.gkopen.domains import get_domain

    domain = get_domain(name)
    with scratch.folder() as folder:
        path = folder / "example.jsonl"
        path.write_text(json.dumps(dict(domain.example), ensure_ascii=False) + "\n", "utf-8")
        units = {field.name: "元" for field in domain.money_fields}  # examples are amounts in yuan
        table = examine(domain, path, filename="example.jsonl", options=Options(units=units)).table
    if not table.num_rows:  # a city's own domain whose example would be set aside: it shows its columns at least
        return "whole", tuple((name, domain.example.get(name)) for name in domain.field_names)
    part, rows = next(iter(split_parts(domain, table).items()))
    return part, tuple(text_rows(domain, write_part(domain, rows)).to_pylist()[0].items())


def example_row(domain: Domain) -> dict[str, Any]:
    return typed(domain, example_text(domain))


def example_text(domain: Domain) -> Cells:
    return dict(example_cells(domain.name, domain.version)[1])


def example_part(domain: Domain) -> str:
    return example_cells(domain.name, domain.version)[0]


def with_system(domain: Domain, row: dict[str, Any]) -> dict[str, Any]:
    """As the table over all bodies has it."""
    return dict(zip(SYSTEM_COLUMNS, (DATASET_ID, example_part(domain), PUBLISHER), strict=True)) | row


def dataset_name(domain: Domain) -> str:
    return f"{BODY}-{domain.name.replace('_', '-')}"
