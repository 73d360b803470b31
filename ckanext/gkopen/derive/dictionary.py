"""A domain → data dictionary, for the DataStore, for pages and files."""

from __future__ import annotations

from typing import Any

from ckanext.gkopen.domains import Condition, Domain, Field, Text

TYPE_NAMES = {
    "string": Text("文本", "text"),
    "text": Text("长文本", "long text"),
    "integer": Text("整数", "whole number"),
    "decimal": Text("小数", "decimal number"),
    "money": Text("金额", "amount of money"),
    "percent": Text("百分数", "percentage"),
    "date": Text("日期", "date"),
    "datetime": Text("日期时间", "date and time"),
    "year": Text("年份", "year"),
    "month": Text("月份", "month"),
    "period": Text("期间", "period"),
    "boolean": Text("是否", "true or false"),
    "code": Text("代码", "code"),
    "uscc": Text("统一社会信用代码", "unified social credit code"),
    "url": Text("网址", "address"),
    "list": Text("列表", "list"),
}
ALWAYS = Text("必填", "required")
EXPECTED = Text("应填", "expected")
IF = Text("在下列情形必填：", "required if ")
EXPECTED_IF = Text("在下列情形应填：", "expected if ")
MADE = Text("自动生成", "made by the system")
EMPTY = Text("空", "empty")


def datastore_fields(domain: Domain) -> list[dict[str, Any]]:
    """Columns as the DataStore describes them: ASCII id, PostgreSQL type, Chinese and English label, notes, unit."""
    return [
        {
            "id": field.name,
            "type": field.pg_type,
            "info": {
                "label": field.title.zh,
                "label_en": field.title.en,
                "notes": field.description.zh if field.description else "",
                "unit": field.unit or "",
            },
        }
        for field in domain.fields
    ]


def dictionary_rows(domain: Domain, lang: str = "zh") -> list[dict[str, Any]]:
    """One row a field in one language: name, title, type, need, unit, description, codes, pattern, example, path.

    `codes` is a list of {code, title}; `path` tells the place in each standard.
    """
    return [
        {
            "name": field.name,
            "title": field.title.get(lang),
            "type": TYPE_NAMES[field.type].get(lang),
            "need": need(domain, field, lang),
            "unit": field.unit or "",
            "description": field.description.get(lang) if field.description else "",
            "codes": [{"code": c.code, "title": c.title.get(lang)} for c in field.codes.codes] if field.codes else [],
            "pattern": field.pattern or "",
            "example": field.example or "",
            "path": dict(field.path),
        }
        for field in domain.fields
    ]


def need(domain: Domain, field: Field, lang: str) -> str:
    """Whether a person must fill a field in, in words."""
    if not field.input:
        return MADE.get(lang)
    told = []
    if field.required:
        told.append(IF.get(lang) + _told(domain, field.required_if, lang) if field.required_if else ALWAYS.get(lang))
    if field.expected:
        conditions = field.expected_if
        told.append(EXPECTED_IF.get(lang) + _told(domain, conditions, lang) if conditions else EXPECTED.get(lang))
    return ("; " if lang.startswith("en") else "；").join(told)


def _told(domain: Domain, conditions: tuple[Condition, ...], lang: str) -> str:
    english = lang.startswith("en")
    joined = []
    for condition in conditions:
        field = domain.field(condition.field)
        values = [_value(field, value, lang) for value in condition.values]
        verb = (" is not " if condition.negate else " is ") if english else ("不是" if condition.negate else "为")
        joined.append(field.title.get(lang) + verb + (" or " if english else "、").join(values))
    return (" and " if english else "，且").join(joined)


def _value(field: Field, value: str, lang: str) -> str:
    if not value:
        return EMPTY.get(lang)
    code = field.codes.get(value) if field.codes else None
    return code.title.get(lang) if code else value
