"""Procurement notices → OCDS 1.1.5 releases, one a notice (the mapping with every choice: docs/standards.md).

What a release says depends on its own notice and on earlier ones only, so that it stays as it is when others follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ckanext.gkopen.publish.standards.awards import Awards
from ckanext.gkopen.publish.standards.exact import Object, Row, address, digest, filled, moment
from ckanext.gkopen.publish.standards.notices import ENDED, Kinds, Notice, classification, is_paused
from ckanext.gkopen.publish.standards.parties import Parties

VERSION = "1.1"
PUBLIC = frozenset({"prequalification", "tender", "negotiation"})
"""Notices by which any supplier could come."""
ON_AWARD = frozenset({"award", "candidates"})
ON_CONTRACT = frozenset({"contract", "acceptance"})


def ocid(prefix: str, project_no: str) -> str:
    """The process's id: the publisher's prefix and the project number."""
    return f"{prefix}-{project_no}"


def releases(kinds: Kinds, identifier: str, rows: Iterable[Row], related: Sequence[Object] = ()) -> list[Object]:
    """All releases of the process `identifier` (an ocid), the earliest first.

    `rows` are those of its project number, of all bodies; `related` goes into `relatedProcesses` of the first release.
    """
    process = _Process(identifier, kinds)
    made = [process.release(notice) for notice in process.kinds.notices(rows)]
    if made and related:
        made[0]["relatedProcesses"] = list(related)
    return made


class _Process:
    """What earlier notices of the process said, as far as later ones refer to it."""

    def __init__(self, identifier: str, kinds: Kinds) -> None:
        self.ocid, self.kinds = identifier, kinds
        self.parties = Parties()
        self.awards = Awards(self.parties, kinds)
        self.public_notice = False
        self.status: str | None = None
        self.last_tender: str | None = None

    def release(self, notice: Notice) -> Object:
        self.public_notice = self.public_notice or notice.kind in PUBLIC
        buyer = self.parties.refer(notice.first("buyer_name"), "buyer", notice.first("buyer_uscc"),
                                   notice.first("region_name"))
        document = self._document(notice)
        tender = self._tender(notice, buyer)
        planning = self._planning(notice)
        tag = self.kinds.tag(notice)
        body: Object = {}
        if notice.kind in ON_AWARD:
            body = {"awards": self.awards.of_notice(notice, document)}
        elif notice.kind in ON_CONTRACT:
            body = self.awards.contracts_of_notice(notice, document)
        elif notice.kind == "intention":
            planning["documents"] = [document]
        elif notice.kind == "termination" and not is_paused(notice) and (ended := self.awards.ended(notice, document)):
            body = {"awards": ended}
        elif notice.kind == "correction" and tag == "awardUpdate":
            body = {"awards": self.awards.of_notice(notice, document, amendment=self._amendment(notice))}
        if document not in planning.get("documents", ()) and not any(body.values()):
            tender["documents"] = [document]
        if notice.kind == "correction" and tag == "tenderAmendment":
            tender["amendments"] = [self._amendment(notice)]
        self.awards.note_lots(notice)
        if tag.startswith("tender") and notice.kind not in ("inspection", "assessment"):
            self.last_tender = notice.id
        return filled(
            ocid=self.ocid, id=notice.id, date=moment(notice.at), tag=[tag], initiationType="tender", language="zh",
            parties=self.parties.mentioned(), buyer=buyer, planning=planning, tender=tender, **body)

    def _planning(self, notice: Notice) -> Object:
        plan = notice.first("plan_no")
        budget = filled(id=plan, description=notice.first("fund_source"), amount=notice.sum("budget_amount"),
                        projectID=plan)
        planned = notice.first("planned_for")
        return filled(
            rationale=notice.first("requirement") if notice.kind == "intention" else None, budget=budget,
            milestones=[{"id": "planned", "title": "预计采购时间", "type": "preProcurement", "description": planned,
                         "status": "scheduled"}] if planned else None)

    def _tender(self, notice: Notice, buyer: Object | None) -> Object:
        agency = self.parties.refer(notice.first("agency_name"), "procuringEntity")
        if agency is None and buyer is not None:
            agency = self.parties.refer(buyer["name"], "procuringEntity")
        method, category = notice.first("method"), notice.first("category")
        bidders = [self.parties.refer(row.get("supplier_name"), "tenderer", row.get("supplier_uscc"))
                   for row in notice.rows if row.get("supplier_status") in ("bid", "candidate", "rejected")]
        criteria = notice.first("award_method")
        return filled(
            id=notice.first("project_no"), title=notice.first("project_name"),
            description=None if notice.kind == "intention" else notice.first("requirement"),
            status=self._status(notice), procuringEntity=agency, items=self._items(notice),
            value=notice.sum("ceiling_amount"), procurementMethod=self.kinds.method(method, self.public_notice),
            procurementMethodDetails=notice.first("method_text"),
            mainProcurementCategory=self.kinds.extra["category"][category]["ocds_category"] if category else None,
            awardCriteria=_criteria(criteria), awardCriteriaDetails=criteria,
            tenderPeriod=filled(endDate=moment(notice.first("bid_deadline"))),
            tenderers=list({bidder["id"]: bidder for bidder in bidders if bidder}.values()))

    def _status(self, notice: Notice) -> str | None:
        """None where the notice says nothing of it; a correction or record does not reopen what has ended."""
        if notice.kind == "termination" and self.awards.lots_go_on(notice):
            return None
        status = self.kinds.status(notice)
        if status == "active" and notice.kind not in (*PUBLIC, "single_source", "selection") and self.status in ENDED:
            return None
        self.status = status or self.status
        return status

    def _items(self, notice: Notice) -> list[Object]:
        """What is wanted, one a lot and class; what was bought stands in the awards."""
        if notice.kind in ON_AWARD | ON_CONTRACT:
            return []
        found: dict[str, Object] = {}
        for row in notice.rows:
            kind = classification(row.get("item_code"))
            if kind:
                lot = row.get("lot_no")
                found.setdefault(digest(lot, kind["id"], length=12), filled(
                    id=digest(lot, kind["id"], length=12), description=row.get("lot_name") or row.get("project_name"),
                    classification=kind))
        return list(found.values())

    def _document(self, notice: Notice) -> Object:
        period = notice.first("publicity_period")
        return filled(
            id=notice.id, documentType=self.kinds.document_type(notice.kind),
            title=notice.first("source_title") or self.kinds.titles[notice.kind],
            description=f"公示期：{period}" if period else None, url=address(notice.first("source_url")),
            datePublished=moment(notice.at), language="zh")

    def _amendment(self, notice: Notice) -> Object:
        return filled(id=notice.id, date=moment(notice.at), rationale=notice.first("reason"),
                      description=notice.first("note"), amendsReleaseID=self.last_tender, releaseID=notice.id)


def _criteria(text: str | None) -> str | None:
    """Code of the open list awardCriteria; None where the text is none of these."""
    if not text:
        return None
    if re.search("最低", text):
        return "priceOnly"
    return "ratedCriteria" if re.search("综合|性价比|评分", text) else None
