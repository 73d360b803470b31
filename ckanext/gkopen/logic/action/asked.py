"""What requests for public rows have in common: limits, numbers, names of a domain, amounts as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ckan.plugins import toolkit

from ckanext.gkopen.domains import Domain, domains

DEEPEST = 20
"""Levels of a question in JSON; what reads it goes down by recursion."""


def limit_of(data_dict: Mapping[str, Any], default: int, most: int) -> int:
    """`limit`, 1 to `most`: one that is larger is refused and never cut silently."""
    return whole_number(data_dict, "limit", most) if data_dict.get("limit") not in (None, "") else default


def whole_number(data_dict: Mapping[str, Any], name: str, most: int) -> int:
    """A number from 1 to `most`. Raises ValidationError."""
    text = str(data_dict.get(name))
    if text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= most:
        return int(text)
    raise toolkit.ValidationError({name: [
        f"{name} 是 1 到 {most} 的整数 / {name} is a whole number from 1 to {most}"]})


def money_as_text(data_dict: Mapping[str, Any]) -> bool:
    """`money=text`: amounts as texts; `money=number` or nothing: as exact numbers."""
    wanted = data_dict.get("money") or "number"
    if wanted not in ("number", "text"):
        raise toolkit.ValidationError({"money": ["money 可为 number 或 text / money is number or text"]})
    return wanted == "text"


def domain_of(data_dict: Mapping[str, Any]) -> Domain:
    """The domain that is named. Raises ValidationError that lists what there is."""
    name = data_dict.get("domain")
    if not isinstance(name, str) or name not in domains():
        raise toolkit.ValidationError({"domain": [
            f"没有这个领域，可用：{'、'.join(domains())} / there is no such domain; use one of:"
            f" {', '.join(domains())}"]})
    return domains()[name]


def names_of(data_dict: Mapping[str, Any], name: str, allowed: Mapping[str, Any] | list[str]) -> list[str]:
    """A list of columns: a list, JSON text of one, or names with commas. Raises ValidationError."""
    given = data_dict.get(name)
    if isinstance(given, str) and given.startswith("["):
        given = json_of(given, name)
    if isinstance(given, str):
        given = [part.strip() for part in given.split(",") if part.strip()]
    given = [] if given is None else given
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise toolkit.ValidationError({name: [f"{name} 是列名的列表 / {name} is a list of column names"]})
    unknown = [one for one in given if one not in allowed]
    if unknown:
        raise toolkit.ValidationError({name: [
            f"不可用的列：{'、'.join(unknown)[:200]}；可用：{'、'.join(allowed)} / use columns of:"
            f" {', '.join(allowed)}"]})
    if len(set(given)) != len(given):
        raise toolkit.ValidationError({name: ["同一列出现了两次 / a column is named twice"]})
    return given


def json_of(text: Any, name: str) -> Any:
    """A value that may be given as JSON text, as in an address."""
    try:
        value = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError) as error:
        raise toolkit.ValidationError({name: [f"{name} 不是 JSON / {name} is no JSON"]}) from error
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level if isinstance(outer, dict | list)
                 for inner in (outer.values() if isinstance(outer, dict) else outer)]
    if level:
        raise toolkit.ValidationError({name: [f"{name} 嵌套过深 / {name} is nested too deeply: {DEEPEST}"]})
    return value
