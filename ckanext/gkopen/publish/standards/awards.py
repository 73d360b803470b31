"""Awards and contracts of one process: which award a lot and supplier have, and which contract came of it."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from typing import Any

from ckanext.gkopen.publish.standards.exact import Object, Row, digest, filled, moment, money
from ckanext.gkopen.publish.standards.notices import Kinds, Notice, classification, quantity
from ckanext.gkopen.publish.standards.parties import Parties

_FIRST = re.compile(r"^\W*(?:第|排名)?\s*(?:0*1(?!\d)|[一首])")
_FAULTY = re.compile("不合格|不通过|未通过|不予通过")
_DAYS = re.compile(r"(\d{1,5})\s*(?:个?日历天|日历日|天|日)(?!期)")
_DAY = re.compile(r"(\d{4})[-年./](\d{1,2})[-月./](\d{1,2})日?")
WON = ("awarded", "contracted")


class Awards:
    """The awards and contracts that the notices of a process have named so far."""

    def __init__(self, parties: Parties, kinds: Kinds) -> None:
        self.parties, self.kinds = parties, kinds
        self._awards: dict[str, Object] = {}     # id → {lot, party, status}
        self._contracts: dict[str, Object] = {}  # id → {award, party}
        self._lots: set[str] = set()

    def of_notice(self, notice: Notice, document: Object, amendment: Object | None = None) -> list[Object]:
        """The awards of a result or candidates notice.

        A first candidate is a pending award; where another one wins the lot it is cancelled, and so is an award that
        another one follows (`_replaced`). Further candidates are tenderers only: their amounts are bids.
        """
        before = self._active()
        rows = [row for row in notice.rows if row.get("supplier_name") and self._wins(row)]
        made: dict[str, Object] = {}
        for row, identifier in zip(rows, self._ids(rows), strict=True):
            won = row.get("supplier_status") in WON
            made[identifier] = filled(
                id=identifier, title=row.get("lot_name") or row.get("project_name"), description=self._price_text(row),
                status="active" if won else "pending", date=moment(row.get("awarded_on")), value=self._value(row),
                suppliers=[self._supplier(row)], items=_items([row]), documents=[document],
                amendments=[amendment] if amendment else None)
            self._awards[identifier] = {"lot": _lot(row), "party": made[identifier]["suppliers"][0]["id"],
                                        "status": made[identifier]["status"]}
        self._detail(notice, made)
        for identifier in (*self._overtaken(made), *self._replaced(notice, made, before)):
            made[identifier] = self._cancelled(identifier)
        return list(made.values())

    def contracts_of_notice(self, notice: Notice, document: Object) -> Object:
        """The contracts of a contract or acceptance notice, and the awards that they presuppose."""
        contracts: dict[str, Object] = {}
        awards: dict[str, Object] = {}
        for row in notice.rows:
            if not (row.get("supplier_name") or row.get("contract_no")):
                continue
            party = self._supplier(row)
            if notice.kind == "acceptance" and (known := self._known_contract(row, party)):
                identifier, award = known, self._contracts[known]["award"]
            else:
                award = self._award_of(row, party, awards)
                identifier = row.get("contract_no") or f"HT-{digest(award, length=12)}"
                self._contracts[identifier] = {"award": award, "party": party["id"] if party else None}
            contract = contracts.setdefault(identifier, {"id": identifier, "awardID": award})
            details = self._contract(row, document) if notice.kind == "contract" else self._accepted(
                notice, row, document)
            contract.update({name: value for name, value in details.items() if name not in contract})
        return {"awards": list(awards.values()), "contracts": list(contracts.values())}

    def lots_go_on(self, notice: Notice) -> bool:
        """The termination is of some lots, and others of the process are known."""
        lots = {row.get("lot_no") for row in notice.rows}
        return bool(lots) and None not in lots and bool(self._known_lots() - lots)

    def ended(self, notice: Notice, document: Object) -> list[Object]:
        """What a termination says of awards: those of its lots are cancelled, unless a contract came of them, and where
        single lots end without one, it is an unsuccessful award. A termination that names no lot is that of the process
        where this has a single one; else nobody can tell which of them."""
        lots = {row.get("lot_no") for row in notice.rows}
        alone = self.lots_go_on(notice)
        told = [{"id": row["lot_no"], "status": "unsuccessful", "documents": [document]} for row in notice.rows
                if alone]
        if None in lots and len(self._known_lots()) > 1:
            return told
        signed = {known["award"] for known in self._contracts.values()}
        return told + [{**self._cancelled(identifier), "documents": [document]}
                       for identifier, known in self._awards.items() if known["status"] in ("active", "pending")
                       and identifier not in signed and (None in lots or known["lot"] in lots)]

    def note_lots(self, notice: Notice) -> None:
        self._lots |= {lot for row in notice.rows if (lot := row.get("lot_no"))}

    def _known_lots(self) -> set[Any]:
        return self._lots

    def _wins(self, row: Row) -> bool:
        if row.get("supplier_status") == "candidate":
            order = row.get("candidate_order")
            return not order or bool(_FIRST.match(order))
        return row.get("supplier_status") in WON

    def _supplier(self, row: Row) -> Object | None:
        return self.parties.refer(row.get("supplier_name"), "supplier", row.get("supplier_uscc"))

    def _ids(self, rows: list[Row]) -> list[str]:
        """Lot and supplier make the id; where one supplier has several lines of a lot, what the line is about too."""
        plain = []
        for row in rows:
            party = self._supplier(row)
            plain.append(f"{_lot(row)}-{party['id'] if party else 'none'}")
        often = Counter(plain)
        ids: list[str] = []
        for row, identifier in zip(rows, plain, strict=True):
            line = f"-{digest(row.get('lot_name'), row.get('record_id'), length=8)}" if often[identifier] > 1 else ""
            ids.append(identifier + line)
        return ids

    def _detail(self, notice: Notice, made: dict[str, Object]) -> None:
        """Lines of single items go to the award of their lot and supplier: their amounts are unit prices."""
        for row in notice.rows:
            if row.get("supplier_status") != "item":
                continue
            party = self._supplier(row)
            for identifier, award in made.items():
                known = self._awards[identifier]
                if known["lot"] == _lot(row) and (party is None or known["party"] == party["id"]):
                    priced = {"item_price": row.get("item_price") or row.get("award_amount")}
                    award["items"] = [*award.get("items", []), *_items([{**row, **priced}])]
                    break

    def _overtaken(self, made: dict[str, Object]) -> list[str]:
        won = {self._awards[identifier]["lot"] for identifier, award in made.items() if award["status"] == "active"}
        return [identifier for identifier, known in self._awards.items()
                if known["status"] == "pending" and known["lot"] in won and identifier not in made]

    def _replaced(self, notice: Notice, made: dict[str, Object], before: dict[str, list[str]]) -> list[str]:
        """The one award that a lot had, where a correction of the result, or another result of the same lot, names
        somebody else: the first winner gave up, or an objection was upheld. Of several winners of a lot (frameworks)
        nobody can tell whose place the new one takes. `before`: lot → its active awards before this notice."""
        said = {_lot(row) for row in notice.rows if notice.kind == "correction" or row.get("lot_no")}
        won = {self._awards[identifier]["lot"] for identifier, award in made.items() if award["status"] == "active"}
        if notice.first("method") == "framework":
            return []
        return [own[0] for lot, own in before.items() if len(own) == 1 and lot in said & won and own[0] not in made
                and self._awards[own[0]]["party"] not in {self._awards[identifier]["party"] for identifier in made}]

    def _active(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for identifier, known in self._awards.items():
            if known["status"] == "active":
                found.setdefault(known["lot"], []).append(identifier)
        return found

    def _cancelled(self, identifier: str) -> Object:
        self._awards[identifier]["status"] = "cancelled"
        return {"id": identifier, "status": "cancelled"}

    def _award_of(self, row: Row, party: Object | None, new: dict[str, Object]) -> str:
        """The award of a contract: of its lot and supplier, else the supplier's only one, else one of its own."""
        own = [identifier for identifier, known in self._awards.items()
               if known["status"] == "active" and (party is None or known["party"] == party["id"])]
        of_lot = [identifier for identifier in own if self._awards[identifier]["lot"] == _lot(row)]
        if of_lot or len(own) == 1:
            return (of_lot or own)[0]
        identifier = f"{_lot(row)}-{party['id'] if party else 'none'}"
        self._awards[identifier] = {"lot": _lot(row), "party": party["id"] if party else None, "status": "active"}
        new[identifier] = filled(id=identifier, title=row.get("lot_name") or row.get("project_name"), status="active",
                                 suppliers=[party] if party else None, value=self._value(row))
        return identifier

    def _known_contract(self, row: Row, party: Object | None) -> str | None:
        if row.get("contract_no"):
            return row["contract_no"] if row["contract_no"] in self._contracts else None
        own = [identifier for identifier, known in self._contracts.items()
               if party is None or known["party"] == party["id"]]
        return own[0] if len(own) == 1 else None

    def _contract(self, row: Row, document: Object) -> Object:
        period = row.get("contract_period")
        return filled(
            title=row.get("contract_name") or row.get("project_name"),
            description=f"合同期限：{period}" if period else None, status="active", period=_period(period),
            value=money(row.get("contract_amount")), items=_items([row]), dateSigned=moment(row.get("signed_on")),
            documents=[document])

    def _accepted(self, notice: Notice, row: Row, document: Object) -> Object:
        text, day = row.get("acceptance"), row.get("accepted_on")
        status = "notMet" if _FAULTY.search(text or "") else "met" if text or day else None
        milestone = filled(id=notice.id, title="履约验收", type="delivery", description=text, dateMet=moment(day),
                           status=status)
        return {"implementation": {"milestones": [milestone], "documents": [document]}}

    def _value(self, row: Row) -> Object | None:
        """Only what is priced in money has a value; rates and discounts are words (`_price_text`)."""
        return money(row.get("award_amount")) if row.get("pricing_basis") in (None, "amount") else None

    def _price_text(self, row: Row) -> str | None:
        basis = row.get("pricing_basis")
        if basis in (None, "amount"):
            return None
        printed = row.get("award_amount_text")
        return f"计价方式：{self.kinds.basis.get(basis, basis)}" + (f"；原文：{printed}" if printed else "")


def _lot(row: Row) -> str:
    return row.get("lot_no") or "1"


def _items(rows: list[Row]) -> list[Object]:
    """What was bought: the line's own item, or the list that it names."""
    items = []
    for row in rows:
        kind = classification(row.get("item_code"))
        spec = row.get("item_spec")
        names = [spec] if spec else [name.strip() for name in (row.get("items") or "").split("；") if name.strip()]
        if not names and (row.get("item_quantity") or row.get("item_price")):
            names = [row.get("lot_name") or row.get("project_name") or ""]
        number, unit = quantity(row.get("item_quantity")) if len(names) == 1 else (None, None)
        price = money(row.get("item_price")) if len(names) == 1 else None
        items += [filled(id=digest(row.get("record_id"), name, length=12), description=name, classification=kind,
                         quantity=number, unit=filled(name=unit, value=price)) for name in names]
    return list({item["id"]: item for item in items}.values())


def _period(text: str | None) -> Object | None:
    """Two days, or a number of days; other words (三年, 见合同) stay words."""
    found = _DAY.findall(text or "")
    try:
        days = [date(int(year), int(month), int(day)) for year, month, day in found]
    except ValueError:
        return None
    if len(days) == 2 and days[0] <= days[1]:
        return {"startDate": moment(days[0].isoformat()), "endDate": moment(days[1].isoformat())}
    length = _DAYS.findall(text or "")
    return {"durationInDays": int(length[0])} if len(length) == 1 and not days else None
