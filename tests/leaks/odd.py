"""Every action that reads, asked as the interface asks it, with values that its parameters do not expect; parameters as
its own words name them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ckan import model as ckan_model

from ckanext.gkopen.unfit import asked_for, layers
from tests.leaks.crawl import REFUSALS, action_names, reads

PARAMETER = re.compile(r":(?:param|type)\s+(?:[\w ]+\s)?([\w.]+):")
TYPED: tuple[Any, ...] = (None, True, 10**20, 1.5, [], {}, [1], {"a": 1}, [[]], [None])
SAID = ("", "x", "-1", "0", "99999999999999999999", "1.5", "[]", "{}", "'", "a:b", "[", "%", "name asc;", "\\", "NaN",
        "2024-13-99", "公开", '"', "[" * 2000)
"""What an address can say."""
IN_ADDRESSES = ("", "-1", "0", "x", "99999999999999999999", "1.5", "'", "%", "[", "公开", "a:b", "2024-13-99")
QUERIES = ("page", "q", "sort", "limit", "cursor", "part", "since", "domain", "body", "state", "format", "fields",
           "organization", "filters", "bom", "include_total", "name", "id", "key", "seq", "code", "rule", "messages",
           "columns", "locale", "_external", "_scheme", "_anchor", "_method", "endpoint", "values", "came_from")
"""What pages and feeds ask for, what their addresses are built of, and what url_for calls its own arguments."""
ALONE: tuple[Any, ...] = ("", "x", [1])
"""Asked also without what the action usually needs."""


def parameters(name: str) -> set[str]:
    return {found for layer in layers(asked_for(name)) for found in PARAMETER.findall(layer.__doc__ or "")}


def questions(name: str, usual: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(the parameter that is odd, all that is asked)."""
    yield "nothing", {}
    for parameter in sorted(parameters(name)):
        for value in (*SAID, *TYPED):
            yield parameter, usual | {parameter: value}
        for value in ALONE:
            yield parameter, {parameter: value}


def broken(usual: dict[str, Any]) -> tuple[int, dict[str, str]]:
    """How many were asked, and action and parameter → what was raised that the interface answers with a 500."""
    tried, found = 0, {}
    for name in sorted(filter(reads, action_names())):
        for parameter, data in questions(name, usual):
            tried += 1
            try:
                asked_for(name)({"user": "", "auth_user_obj": None}, dict(data))
            except REFUSALS:
                pass
            except Exception as error:
                found[f"{name} {parameter}"] = f"{data.get(parameter)!r:.60}: {type(error).__name__}: {error!s:.100}"
            ckan_model.Session.rollback()
    return tried, found
