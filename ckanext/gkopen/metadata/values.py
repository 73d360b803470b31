"""Single values of the metadata, as their validators in schemas/dataset.yaml make and refuse them.

The form and the API ask here; what must hold between the fields is in `rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ckan import model
from ckan.lib.helpers import helper_functions as h
from ckan.plugins import toolkit
from ckanext.scheming.validation import validators_from_string

from ckanext.gkopen.metadata.proposal import MANY

LINES = "related_codes"
"""The field that is a list of free texts; those of MANY are lists of codes, all others one text."""


def validated(fields: Mapping[str, Any], user: str) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The values that were given, and what is wrong with them, field by field. Empty ones are the rules' to judge."""
    definition = h.scheming_get_dataset_schema("dataset")
    errors = {name: told for name, value in fields.items() if (told := _misshapen(name, value))}
    filled = {name: value for name, value in fields.items() if value not in (None, "", []) and name not in errors}
    schema = {field["field_name"]: validators_from_string(field.get("validators", "unicode_safe"), field, definition)
              for field in definition["dataset_fields"] if field["field_name"] in filled}
    context: Any = {"model": model, "session": model.Session, "user": user}
    values, refused = toolkit.navl_validate(filled, schema, context)
    lists = {name: value for name, value in filled.items() if isinstance(value, list)}
    return {**fields, **values, **lists}, errors | {str(name): list(map(str, told)) for name, told in refused.items()}


def _misshapen(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if name in MANY or name == LINES:
        fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return [] if fits else [toolkit._("Give a list of texts.")]
    whole = isinstance(value, int) and not isinstance(value, bool)
    return [] if whole or isinstance(value, str) else [toolkit._("Give a text.")]
