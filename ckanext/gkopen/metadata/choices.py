"""Choices and labels of the disclosure metadata for ITemplateHelpers: each name in `__all__` is a helper.

ckanext-scheming asks for choices with the field's definition; the key `code_list` of the field names the list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ckan.plugins import toolkit

from ckanext.gkopen.deadlines import limits
from ckanext.gkopen.domains import domains
from ckanext.gkopen.metadata.codes import meta_codes

Choice = dict[str, Any]


def gkopen_choices(field: Mapping[str, Any]) -> list[Choice]:
    """The codes of the field's `code_list`, in the order of the file."""
    return [{"value": code.code, "label": code.label} for code in meta_codes(field["code_list"])]


def gkopen_domain_choices(field: Mapping[str, Any]) -> list[Choice]:
    """The domains of this portal: schemas/domains/*.yaml."""
    return [{"value": name, "label": {"en": domain.title.en, "zh_Hans_CN": domain.title.zh}}
            for name, domain in domains().items()]


def gkopen_limit_choices(field: Mapping[str, Any]) -> list[Choice]:
    """The rules of time limits: schemas/limits.yaml."""
    return [{"value": limit.id, "label": limit.label} for limit in limits().values()]


def gkopen_code_label(code_list: str, code: str | None) -> str:
    """The name of a code in the reader's language; a code that the list does not know stands for itself."""
    found = meta_codes(code_list).get(code)
    if found is None:
        return code or ""
    return found.en if str(toolkit.h.lang()).startswith("en") else found.zh


__all__: dict[str, Callable[..., Any]] = {  # noqa: PLE0604
    function.__name__: function
    for function in (gkopen_choices, gkopen_domain_choices, gkopen_limit_choices, gkopen_code_label)
}
