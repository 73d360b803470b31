"""The notices of one process: its rows grouped, in order of time, with what all rows of a notice say together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from ckanext.gkopen.domains import Domain
from ckanext.gkopen.publish.standards.exact import Exact, Object, Row, filled

_FAILED = re.compile("废标|流标|失败|不足[三3]家|有效供应商不足|无人投标|无效标")
_ONLY_PAUSED = re.compile("^(?!.*(?:终止|废标|流标|失败|取消)).*暂停", re.DOTALL)
_RESULT = re.compile("结果|中标|成交|中选|入围")
ENDED = frozenset({"complete", "unsuccessful", "cancelled"})


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice: `rows` in the order of the table's key, `at` the earliest time that they state."""

    kind: str
    number: str
    at: str
    rows: tuple[Row, ...]

    @property
    def id(self) -> str:
        """The release's id: of the notice's number and kind alone, so that no later row can change it."""
        return f"{self.number}-{self.kind}".replace("#", "%23")

    def first(self, name: str) -> str | None:
        """The first value that a row of the notice states: heads often stand in one row only."""
        for row in self.rows:       # asked twenty times a notice: a generator takes twice as long
            if value := row.get(name):
                return value
        return None

    def all(self, name: str) -> list[str]:
        return list(dict.fromkeys(value for row in self.rows if (value := row.get(name))))

    def sum(self, name: str) -> Object | None:
        """An amount of the whole notice: the one figure that is stated, or the sum where each lot states its own.

        Figures that are neither (several of one lot) give None: the notice itself is linked.
        """
        figures = [(row.get("lot_no"), value) for row in self.rows if (value := row.get(name))]
        values = {value for _, value in figures}
        if not values:
            return None
        if len(values) == 1:
            return {"amount": Exact(values.pop()), "currency": "CNY"}
        lots = [lot for lot, _ in figures]
        if None in lots or len(set(lots)) < len(lots):
            return None
        return {"amount": Exact(sum((Decimal(value) for _, value in figures), Decimal(0))), "currency": "CNY"}


class Kinds:
    """What the code lists say of notice kinds and methods, beside the rows: tag, document type, status."""

    def __init__(self, domain: Domain) -> None:
        self.extra = {name: {code.code: code.extra for code in codes.codes}
                      for name in ("notice_type", "method", "category", "supplier_status", "pricing_basis")
                      if (codes := domain.field(name).codes)}
        self.titles = {code.code: code.title.zh for code in domain.field("notice_type").codes.codes}  # type: ignore[union-attr]
        self.basis = {code.code: code.title.zh for code in domain.field("pricing_basis").codes.codes}  # type: ignore[union-attr]
        self._order = {kind: position for position, kind in enumerate(ORDER)}

    def tag(self, notice: Notice) -> str:
        """By the table; a correction of a result updates the award instead of the tender."""
        if notice.kind == "correction" and is_result(notice):
            return "awardUpdate"
        if is_paused(notice):
            return "tenderUpdate"
        return self.extra["notice_type"][notice.kind]["ocds_tag"]

    def document_type(self, kind: str) -> str:
        return self.extra["notice_type"][kind]["ocds_document"]

    def status(self, notice: Notice) -> str | None:
        """Status of the tender. A termination is `unsuccessful` where it says 废标 or the like, else `cancelled`; one
        that only pauses the process (暂停) changes nothing."""
        if is_paused(notice):
            return None
        if notice.kind == "termination":
            texts = " ".join(filter(None, (notice.first(name) for name in ("reason", "source_title", "note"))))
            return "unsuccessful" if _FAILED.search(texts) else "cancelled"
        return self.extra["notice_type"][notice.kind]["tender_status"] or None

    def method(self, code: str | None, public_notice: bool) -> str | None:
        """`open` where suppliers came by a public notice, by the note of the list."""
        if not code:
            return None
        extra = self.extra["method"][code]
        return "open" if public_notice and "public notice" in extra.get("ocds_note", "") else extra["ocds_method"]

    def notices(self, rows: Iterable[Row]) -> list[Notice]:
        """The rows of a process as its notices, the earliest first; of one instant in the order of a procurement.

        A row that two bodies publish is one row.
        """
        grouped: dict[tuple[str, str], dict[str, Row]] = {}
        for row in rows:
            number, kind, key = row.get("release_id"), row.get("notice_type"), row.get("record_id") or ""
            if number and kind and row.get("published_at"):
                grouped.setdefault((number, kind), {}).setdefault(key, row)
        notices = [Notice(kind, number, min(row["published_at"] or "" for row in own.values()),
                          tuple(own[key] for key in sorted(own))) for (number, kind), own in grouped.items()]
        return sorted(notices, key=lambda notice: (notice.at, self._order.get(notice.kind, len(ORDER)), notice.id))


def is_result(notice: Notice) -> bool:
    return bool(notice.first("supplier_name") or _RESULT.search(notice.first("source_title") or ""))


def is_paused(notice: Notice) -> bool:
    return notice.kind == "termination" and any(_ONLY_PAUSED.match(notice.first(name) or "")
                                                for name in ("source_title", "notice_type_text"))


ORDER = ("intention", "prequalification", "tender", "negotiation", "single_source", "selection", "correction",
         "bid_opening", "candidates", "termination", "award", "complaint", "contract", "acceptance", "inspection",
         "assessment")


_CODE = re.compile(r"^([A-Z]\d{2,})[\s\-—:：、]*(.*)$", re.DOTALL)
_QUANTITY = re.compile(r"^(\d+(?:\.\d+)?)\s*([^\d\s.,，、；;]{0,4})$")


def classification(text: str | None) -> Object | None:
    """`A090101-复印纸` → code and label of the catalogue of procurement items (own scheme)."""
    if not text:
        return None
    match = _CODE.match(text.strip())
    code, label = match.groups() if match else (text.strip(), "")
    return filled(scheme="CN-GPCC", id=code, description=label or None)


def quantity(text: str | None) -> tuple[Exact | None, str | None]:
    """`12套` → 12 and its unit; anything else is no number and stays in the description."""
    match = _QUANTITY.match((text or "").strip())
    return (Exact(match[1]), match[2] or None) if match else (None, None)
