"""Amounts along a chain that contradict each other: award above budget, contract above ceiling, final above approved.

Pure, over rows of one process or one project: the money trail shows what is found among published rows, the checks
say it to a reviewer where the rows are in one dataset. Amounts may be Decimal or canonical text; nothing is repaired.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]
ASKING = frozenset({"intention", "prequalification", "tender", "negotiation", "single_source", "selection",
                    "correction"})
"""Notices that state what may be spent."""
FIELDS = ("project_no", "release_id", "notice_type", "published_at", "lot_no", "supplier_name", "supplier_status",
          "pricing_basis", "method", "budget_amount", "ceiling_amount", "award_amount", "contract_no",
          "contract_amount")
EVENT_FIELDS = ("project_code", "item", "event", "event_on", "modification_type", "amount_after")


@dataclass(frozen=True, slots=True)
class Contradiction:
    """`lower` should be at most `upper` (yuan). `row`: the row that states the lower one. `lot`: None for all."""

    code: str
    lower: Decimal
    upper: Decimal
    row: Row
    lot: str | None = None


_Amounts = dict["str | None", tuple[Decimal, Row]]


def of_process(rows: Sequence[Row]) -> list[Contradiction]:
    """Rows of one project number. Framework agreements have no total: only their contracts are judged by awards."""
    budget, ceiling = _asked(rows, "budget_amount"), _asked(rows, "ceiling_amount")
    awards, contracts = _by_lot(_awards(rows)), _by_lot(_contracts(rows))
    if any(row.get("method") == "framework" for row in rows):
        awards = contracts = {}
    pairs = (("award-above-budget", awards, budget), ("award-above-ceiling", awards, ceiling),
             ("contract-above-ceiling", contracts, ceiling), ("contract-above-award", contracts, awards))
    return [found for code, lower, upper in pairs for found in _compare(code, lower, upper)]


def of_project(rows: Sequence[Row], events: Sequence[Row]) -> list[Contradiction]:
    """The final account against the last approved change, else the last approval that states an amount."""
    changes = [event for event in events if event["item"] == "design_change" and event.get("amount_after")]
    approvals = [event for event in events if event["item"] == "approval_result" and event.get("amount_after")]
    settled = [event for event in events
               if event["item"] == "completion" and event.get("amount_after") and "算" in (event["event"] or "")]
    final = [(Decimal(row["final_amount"]), row) for row in rows if row.get("final_amount")]
    final += [(Decimal(event["amount_after"]), event) for event in _last(settled)]
    approved = [Decimal(event["amount_after"]) for event in _last(changes) or _last(approvals)]
    approved = approved or [Decimal(row["total_investment"]) for row in rows if row.get("total_investment")]
    if not final or not approved:
        return []
    amount, row = max(final, key=lambda pair: pair[0])
    return [Contradiction("final-above-approved", amount, max(approved), row)] if amount > max(approved) else []


def _last(events: Iterable[Row]) -> list[Row]:
    ordered = sorted(events, key=lambda event: str(event["event_on"]))
    return ordered[-1:]


def _asked(rows: Sequence[Row], field: str) -> _Amounts:
    """Lot → the amount that the newest notice states for it; none where one notice states several."""
    stating = [row for row in rows if row["notice_type"] in ASKING and row.get(field) is not None]
    found: _Amounts = {}
    unclear: set[tuple[Any, Any]] = set()
    for row in sorted(stating, key=lambda row: str(row["published_at"])):
        lot, amount = row.get("lot_no"), Decimal(row[field])
        held = found.get(lot)
        if held is not None and held[1]["release_id"] == row["release_id"] and held[0] != amount:
            unclear.add((lot, row["release_id"]))
        found[lot] = (amount, row)
    return {lot: held for lot, held in found.items() if (lot, held[1]["release_id"]) not in unclear}


def _awards(rows: Sequence[Row]) -> Iterator[tuple[tuple[Any, ...], Decimal, Row]]:
    """Those that hold: what ended after its award (中标无效, 重新招标) is awarded anew, and is not spent twice."""
    lots = {row["lot_no"] for row in rows if row.get("lot_no")}
    ended: dict[Any, str] = {}
    for row in rows:
        lot = row.get("lot_no") if len(lots) > 1 else ""
        if row["notice_type"] == "termination" and lot is not None:     # else nobody can tell which lot ended
            ended[lot] = max(ended.get(lot, ""), str(row["published_at"]))
    for row in rows:
        if str(row["published_at"]) < ended.get(row.get("lot_no") if len(lots) > 1 else "", ""):
            continue
        if (row["notice_type"] == "award" and row.get("supplier_status") in (None, "awarded", "contracted")
                and row.get("award_amount") is not None and row.get("pricing_basis") in (None, "amount")):
            yield (row.get("lot_no"), row.get("lot_name"), row.get("supplier_name")), Decimal(row["award_amount"]), row


def _contracts(rows: Sequence[Row]) -> Iterator[tuple[tuple[Any, ...], Decimal, Row]]:
    for row in rows:
        if row["notice_type"] == "contract" and row.get("contract_amount") is not None:
            key = (row.get("lot_no"), row.get("contract_no") or row.get("supplier_name"))
            yield key, Decimal(row["contract_amount"]), row


def _by_lot(stated: Iterable[tuple[tuple[Any, ...], Decimal, Row]]) -> _Amounts:
    """The newest statement of each award or contract, added up by lot."""
    newest: dict[tuple[Any, ...], tuple[Decimal, Row]] = {}
    for key, amount, row in sorted(stated, key=lambda entry: str(entry[2]["published_at"])):
        newest[key] = (amount, row)
    lots: _Amounts = {}
    for key, (amount, row) in newest.items():
        lots[key[0]] = (lots[key[0]][0] + amount if key[0] in lots else amount, row)
    return lots


def _compare(code: str, lower: _Amounts, upper: _Amounts) -> Iterator[Contradiction]:
    """Lot by lot; as a whole where one side states no lots."""
    if lower and set(upper) == {None} and None not in lower:
        lower = _whole(lower)
    elif upper and set(lower) == {None} and None not in upper:
        upper = _whole(upper)
    for lot in sorted(lower.keys() & upper.keys(), key=str):
        if lower[lot][0] > upper[lot][0]:
            yield Contradiction(code, lower[lot][0], upper[lot][0], lower[lot][1], lot)


def _whole(amounts: _Amounts) -> _Amounts:
    return {None: (sum((amount for amount, _ in amounts.values()), Decimal(0)), next(iter(amounts.values()))[1])}


def params(found: Contradiction, of: str) -> dict[str, Any]:
    """What the catalogue's texts are filled with: `of` is the project number or code."""
    lot = f" {found.lot}" if found.lot else ""
    return {"of": of + lot, "lower": f"{found.lower:,.2f}", "upper": f"{found.upper:,.2f}",
            "difference": f"{found.lower - found.upper:,.2f}"}
