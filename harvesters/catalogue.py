"""The catalogue's entry of a resource, from whatever names a platform gives the guide's items.

The items are those of 政务信息资源目录编制指南 (发改高技术〔2017〕1272号).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ckanext.gkopen.harvesters.base import CatalogueEntry, CatalogueItem
from ckanext.gkopen.harvesters.envelopes import printed
from ckanext.gkopen.harvesters.errors import BadAnswer

# Field of CatalogueEntry -> keys under which platforms give it, the guide's own first.
KEYS: dict[str, tuple[str, ...]] = {
    "res_code": ("信息资源代码", "资源代码", "代码", "res_code", "resCode", "resourceCode"),
    "title": ("信息资源名称", "资源名称", "名称", "title", "resName", "resourceName"),
    "provider": ("信息资源提供方", "提供方", "provider", "providerName"),
    "provider_uscc": ("资源提供方代码", "提供方代码", "provider_uscc", "providerCode"),
    "notes": ("信息资源摘要", "摘要", "notes", "abstract", "resAbstract"),
    "format": ("信息资源格式", "资源格式", "格式", "format", "resFormat"),
    "share_type": ("共享类型", "share_type", "shareType"),
    "share_condition": ("共享条件", "share_condition", "shareCondition"),
    "share_method": ("共享方式", "share_method", "shareMethod"),
    "open_condition": ("开放条件", "open_condition", "openCondition"),
    "update_cycle": ("更新周期", "update_cycle", "updateCycle"),
    "published": ("发布日期", "published", "publishDate"),
}
OPEN_KEYS = ("是否向社会开放", "开放属性", "open", "isOpen")
RELATED_KEYS = ("关联资源代码", "related_codes", "relatedCodes")
ITEM_KEYS = ("信息项", "信息项信息", "items", "dataItems")
ITEM_FIELDS = {
    "name": ("信息项名称", "名称", "name", "itemName"),
    "type": ("数据类型", "类型", "type", "dataType"),
    "length": ("数据长度", "长度", "length", "dataLength"),
}
OPEN_TEXTS = {"是": True, "1": True, "true": True, "否": False, "0": False, "false": False, "不予开放": False,
              "不开放": False}


def parse_entry(answer: Mapping[str, Any], raw: bytes) -> CatalogueEntry:
    """Find the entry in an unwrapped answer. Raises BadAnswer when nothing there has a code and a title."""
    found = _find(answer)
    if found is None:
        raise BadAnswer(
            "目录应答中没有信息资源代码和名称。请核对来源文件中的 catalogue。",
            "the catalogue's answer has no resource code and title; check catalogue in the source file",
        )
    texts = {field: _text(found, keys) for field, keys in KEYS.items()}
    openness = _text(found, OPEN_KEYS)
    is_open = OPEN_TEXTS.get(openness.lower())
    related = _first(found, RELATED_KEYS)
    if isinstance(related, str):
        related = re.split(r"[、,，;；|\s]", related)
    related = related if isinstance(related, list) else ()
    items = _first(found, ITEM_KEYS)
    items = items if isinstance(items, list) else ()
    return CatalogueEntry(
        **texts,
        open=is_open,
        open_type=openness if is_open is None else "",
        related_codes=tuple(code for part in related if (code := printed(part).strip())),
        items=tuple(
            CatalogueItem(**{field: _text(item, keys) for field, keys in ITEM_FIELDS.items()})
            for item in items
            if isinstance(item, dict)
        ),
        raw=raw,
    )


def _find(answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The outermost object with a code and a title: platforms put it under data, result, datas[0] …"""
    level: list[Any] = [answer]
    for _ in range(4):
        for part in level:
            if isinstance(part, dict) and _text(part, KEYS["res_code"]) and _text(part, KEYS["title"]):
                return part
        below = [part.values() if isinstance(part, dict) else part for part in level]
        level = [child for group in below for child in group if isinstance(child, dict | list)]
    return None


def _first(entry: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((entry[key] for key in keys if entry.get(key) is not None), None)


def _text(entry: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    value = _first(entry, keys)
    return "" if value is None else printed(value).strip()
