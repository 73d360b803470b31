"""Template helpers of the past: a dataset's published revisions, a row's cells. Names in `__all__` are registered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ckan.plugins import toolkit

from ckanext.gkopen.domains import Domain, Field
from ckanext.gkopen.views.change import key_name
from ckanext.gkopen.views.preview import cell, technical, unit

__all__ = ["gkopen_publications", "gkopen_row_cell", "gkopen_row_fields", "gkopen_row_title"]

SHOWN = 20
"""Revisions on a dataset's page; `gkopen_publication_list` gives all of them."""


def gkopen_publications(package: Mapping[str, Any]) -> dict[str, Any] | None:
    """The newest published revisions of a dataset; None for a table over all bodies, which has none of its own."""
    try:
        return toolkit.get_action("gkopen_publication_list")({"user": ""}, {"id": package["id"], "limit": SHOWN})
    except toolkit.ObjectNotFound:
        return None


def gkopen_row_title(domain: Domain, told: Mapping[str, Any]) -> str:
    """A row's name for people: its key, or where that is put together by the portal what the row is found by."""
    if any(domain.field(name).derived for name in domain.key):
        for row in told["results"]:
            named = [str(value) for field in domain.search_fields if (value := (row["current"] or {}).get(field.name))]
            if named:
                return " · ".join(list(dict.fromkeys(named))[:3])
    return key_name(domain, told["key"])


def gkopen_row_fields(domain: Domain) -> list[Field]:
    """The fields in the order of a row's page: what serves programs and auditors comes last."""
    return sorted(domain.fields, key=technical)


def gkopen_row_cell(field: Field, value: Any) -> str:
    """A cell of `gkopen_row_history` in words, with its unit."""
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    shown = cell(field, text.removesuffix("+08:00") if field.type == "datetime" else text)
    measure = unit(field)
    return f"{shown} {measure}" if measure else shown
