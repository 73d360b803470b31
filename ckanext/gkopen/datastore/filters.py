"""What may be asked of a domain's table in `filters`, judged the same at every door before PostgreSQL sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ckan.plugins.toolkit import ValidationError
from ckanext.datastore.filters import FilterOp, parse_query_filters

from ckanext.gkopen.domains import Domain
from ckanext.gkopen.publish.table_sql import SYSTEM_COLUMNS

NO_OBJECT = 'filters 是 JSON 对象，例如 {"列名": 值} / filters is an object in JSON, such as {"column": value}'
OPERATORS = ("eq", "in", "gt", "gte", "lt", "lte")


def types_of(domain: Domain) -> dict[str, str]:
    """Column → PostgreSQL type of everything that may be asked for."""
    return {**dict.fromkeys(SYSTEM_COLUMNS, "text"), **{field.name: field.pg_type for field in domain.fields}}


def parsed(filters: Any, types: Mapping[str, str]) -> FilterOp | None:
    """`filters` as CKAN 2.12 has them ({"a": 1}, {"a": [1, 2]}, {"a": {"gte": 1, "lt": 5}}, $or, $and).

    Raises ValidationError that says what is allowed.
    """
    if filters in (None, "", {}):
        return None
    try:
        if not isinstance(filters, dict):
            raise ValidationError({"filters": [NO_OBJECT]})
        asked = parse_query_filters(filters, {"fields": types})
        _check(asked, types)
    except ValidationError as error:
        told: Any = error.error_dict["filters"]
        raise ValidationError({"filters": [
            *told,
            f"可用的列 / columns: {', '.join(types)}", f"可用的比较 / operators: {', '.join(OPERATORS)}, $and, $or"]
        }) from error
    return asked


def _check(asked: FilterOp | None, types: Mapping[str, str]) -> None:
    """Each value is a text or a number that its column can have. Raises ValidationError that names the column."""
    if asked is None or asked.field is None:
        for inner in asked.value if asked else ():
            _check(inner, types)
        return
    if asked.op not in OPERATORS:
        raise ValidationError({"filters": [
            f"{asked.field}: 没有 {asked.op} 这种比较 / there is no comparison {asked.op}"]})
    several = isinstance(asked.value, list)
    if several != (asked.op == "in"):
        what = "一列值 [1, 2] / takes a list [1, 2]" if asked.op == "in" else "一个值 / takes one value"
        raise ValidationError({"filters": [f"{asked.field}: {asked.op} 应为{what}"]})
    read, kinds, form = _READ.get(types[asked.field], (str, _ANY, ""))
    for value in asked.value if several else [asked.value]:
        try:
            if not isinstance(value, kinds) or "\x00" in str(value):
                raise ValueError(value)
            read(str(value))
        except (ValueError, ArithmeticError):
            raise ValidationError({"filters": [
                f"{asked.field}: {str(value)[:80]} 不是该列的值 / is no value of this column{form}"]}) from None


def _finite(text: str) -> None:
    if not Decimal(text).is_finite():
        raise ValueError(text)


def _truth(text: str) -> None:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)


_ANY = (str, int, float, Decimal)
_READ: dict[str, tuple[Callable[[str], object], tuple[type, ...], str]] = {
    "numeric": (_finite, _ANY, " (1234.56)"), "int4": (int, _ANY, " (1234)"), "int8": (int, _ANY, " (1234)"),
    "bool": (_truth, _ANY, " (true, false)"), "date": (date.fromisoformat, (str,), " (\"2026-01-31\")"),
    "timestamp": (datetime.fromisoformat, (str,), " (\"2026-01-31 08:00:00\")")}
"""PostgreSQL type → what refuses a text that is no such value, the types in JSON, an example. A day is a text: as a
number PostgreSQL would not compare it, and words such as yesterday, which it takes, mean another row each day."""
