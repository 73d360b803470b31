"""Choices and labels of the disclosure metadata: each name in `__all__` is a template helper.

ckanext-scheming asks for choices with the field's definition; its key `code_list` names the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ckan.plugins import toolkit

from ckanext.gkopen.deadlines import limits
from ckanext.gkopen.domains import domains
from ckanext.gkopen.metadata.codes import label, meta_codes

__all__ = ["gkopen_choices", "gkopen_code_label", "gkopen_domain_choices", "gkopen_limit_choices"]

Choice = dict[str, Any]


def gkopen_choices(field: Mapping[str, Any]) -> list[Choice]:
    """The codes of the field's `code_list`, in the order of the file."""
    return [{"value": code.code, "label": label(code.title)} for code in meta_codes(field["code_list"]).codes]


def gkopen_domain_choices(field: Mapping[str, Any]) -> list[Choice]:
    """The domains of this portal: schemas/domains/*.yaml and the city's own."""
    return [{"value": name, "label": label(domain.title)} for name, domain in domains().items()]


def gkopen_limit_choices(field: Mapping[str, Any]) -> list[Choice]:
    """The rules of time limits: schemas/limits.yaml, then the domains' own deadlines."""
    rules = {limit.id: label(limit.text) for limit in limits().values()}
    for domain in domains().values():
        for deadline in domain.deadlines:
            rules.setdefault(deadline.id, label(deadline.basis))
    return [{"value": name, "label": text} for name, text in rules.items()]


def gkopen_code_label(code_list: str, code: str | None) -> str:
    """The name of a code in the reader's language; a code that the list does not know stands for itself."""
    found = meta_codes(code_list).get(code or "")
    return found.title.get(toolkit.h.lang()) if found else code or ""
