"""A small domain with a cell of every type, a key with an empty part, and canonical CSV written without gkopen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ckanext.gkopen.domains import Domain, Field, Part, Text

if TYPE_CHECKING:
    from tests.people import Cast

Row = Mapping[str, str | None]

FIELDS = (
    Field("notice_no", Text("公告编号", "Notice number"), "string", required=True),
    Field("lot_no", Text("标段", "Lot"), "string"),
    Field("project_name", Text("项目名称", "Project"), "string", search=True,
          description=Text("采购项目的全称", "Full name of the project")),
    Field("buyer_name", Text("采购单位", "Buyer"), "string", search=True, filter=True),
    Field("area", Text("区域", "Area"), "string", filter=True),
    Field("award_amount", Text("中标金额", "Award"), "money", unit="元"),
    Field("bidders", Text("投标家数", "Bidders"), "integer"),
    Field("published_on", Text("发布日期", "Published on"), "date", filter=True),
    Field("opened_at", Text("开标时间", "Opened at"), "datetime"),
    Field("is_green", Text("绿色采购", "Green"), "boolean"),
)


def domain(name: str = "sample", **changes: Any) -> Domain:
    described = Domain(
        name=name, title=Text("样例采购", "Sample procurement"), description=Text("用于测试", "For tests"),
        fields=FIELDS, key=("notice_no", "lot_no"), part=Part("month", ("published_on",)),
        period_field="published_on", rules=(), deadlines=(), standard=None,
        legal_basis=Text("无", "none"), matter=Text("样例", "Sample"), example={}, shapes=(), ignored_columns=(),
        version="one")
    return replace(described, **changes)


def row(notice_no: str, **cells: str | None) -> dict[str, str | None]:
    return {**{field.name: None for field in FIELDS}, "notice_no": notice_no, **cells}


def key(one: Row) -> tuple[str, bool, str]:
    """The order of the canonical CSV: by code point, empty cells last."""
    return one["notice_no"] or "", one["lot_no"] is None, one["lot_no"] or ""


def canonical(rows: Sequence[Row]) -> bytes:
    """As RFC 4180 says, one cell after the other (Python's csv leaves a lone CR without quotes)."""
    def cell(text: str | None) -> str:
        text = text or ""
        return '"' + text.replace('"', '""') + '"' if set(text) & set('",\r\n') else text

    names = [field.name for field in FIELDS]
    lines = [names, *([one[name] for name in names] for one in sorted(rows, key=key))]
    return "".join(",".join(map(cell, line)) + "\n" for line in lines).encode()


class Blobs(dict[str, bytes]):
    """Bytes by their sha256, with `put`."""

    def put(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self[sha256] = data
        return sha256

    def read(self, sha256: str) -> bytes:
        return self[sha256]


def address(cast: Cast, form: str = "csv") -> str:
    """Of the procurements of the cast's body."""
    return f"/open/procurement/{cast.body}-procurement.{form}"
