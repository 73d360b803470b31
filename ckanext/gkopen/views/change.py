"""A revision's change in words: totals before and after, changed cells, changed fields of the metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ckan.lib.helpers import helper_functions as h

from ckanext.gkopen.domains import Domain, Field
from ckanext.gkopen.views.preview import cell, column, number, unit


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs, as it is shown. `difference` is filled for amounts only."""

    title: str
    before: str
    after: str
    unit: str = ""
    difference: str = ""


def totals(domain: Domain, sums: Mapping[str, Mapping[str, Any]]) -> list[Change]:
    """The sums of the amount columns, those that differ first; columns without any amount are left out."""
    found = []
    for name, both in sums.items():
        before, after = _decimal(both.get("before")), _decimal(both.get("after"))
        if before or after:
            field = domain.field(name)
            step = after - before
            found.append((step == 0, Change(column(name, field).title, number(str(before)), number(str(after)),
                                            unit(field), ("+" if step > 0 else "") + number(str(step)))))
    return [change for _, change in sorted(found, key=lambda pair: pair[0])]


def cells(domain: Domain, row: Mapping[str, Any]) -> list[Change]:
    """The cells of one changed row."""
    changes = []
    for name in row["fields"]:
        field = domain.field(name)
        before, after = (cell(field, row[side].get(name) or "") for side in ("before", "after"))
        changes.append(Change(column(name, field).title, before, after, unit(field)))
    return changes


def row_name(domain: Domain, row: Mapping[str, Any]) -> str:
    """What people know a row by: its key, in the words of the page. In place of a key that the portal puts together
    stands what it is put together from."""
    shown = [cell(field, str(row.get(field.name) or "")) for name in domain.key
             for field in _made_of(domain, domain.field(name))]
    return " · ".join(dict.fromkeys(text for text in shown if text)) or " · ".join(
        str(row[name]) for name in domain.key if row.get(name))


def key_name(domain: Domain, key: Mapping[str, Any]) -> str:
    """The same of a row of which only the key is known: what a key joins is taken apart again."""
    row = dict(key)
    for name in domain.key:
        fields, texts = _made_of(domain, domain.field(name)), str(key.get(name) or "").split("|")
        if len(texts) <= len(fields):                     # empty ones at the end are not kept
            row |= {field.name: text for field, text in zip(fields, texts, strict=False)}
    return row_name(domain, row)


def _made_of(domain: Domain, field: Field) -> list[Field]:
    kind, _, names = (field.derived or "").partition(":")
    return [domain.field(name) for name in names.split(",")] if kind in ("join", "else_join") else [field]


def metadata(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Fields of the metadata whose value differs, in the schema's order; a first revision shows all that are filled."""
    schema = h.scheming_get_dataset_schema("dataset") or {"dataset_fields": []}
    fields = {field["field_name"]: field for field in schema["dataset_fields"]}
    names = [*fields, *sorted({*before, *after} - set(fields))]
    return [Change(h.scheming_language_text(fields[name]["label"]) if name in fields else name,
                   _value(fields.get(name), before.get(name)), _value(fields.get(name), after.get(name)))
            for name in names if before.get(name) != after.get(name)]


def _value(field: Mapping[str, Any] | None, value: Any) -> str:
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    if field and field["field_name"] == "license_id":
        return h.gkopen_license({"license_id": value}) if value else ""
    if field and (field.get("choices") or field.get("choices_helper")):
        choices = h.scheming_field_choices(field)
        values = [h.scheming_choices_label(choices, each) for each in values if each]
    return ", ".join(str(each) for each in values if each not in (None, ""))


def _decimal(value: Any) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
