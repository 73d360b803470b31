"""The events of one project, each where OC4IDS has a place for it, and its contracting processes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from ckanext.gkopen.publish.standards.exact import Exact, Object, Row, address, digest, filled, moment, money
from ckanext.gkopen.publish.standards.parties import Parties

_APPROVALS = ((r"可行性|可研", "feasibilityStudy"), (r"环评|环境影响", "environmentalImpact"),
              (r"概算|预算", "budgetApproval"), (r"初步设计|施工图", "designReport"), (r"建议书", "needsAssessment"))
_NATURES = ((r"监理", "supervision"), (r"设计|勘察", "design"), (r"施工|工程|建设|改造|修缮|总承包", "construction"))
DOCUMENTS = {"approval_service": "x_approvalService", "approval_result": "x_approval", "bidding": "tenderNotice",
             "land": "landAndSettlementImpact", "design_change": "contractAmendment",
             "works": "physicalProgressReport", "supervision": "oversightReport", "completion": "completionCertificate"}
"""Kind of information → type of document. Penalties are a table of their own and no document of the project."""
MILESTONES = {"approval_result": "approval", "works": "delivery", "completion": "delivery"}


class Events:
    """Reads events in the order of their days."""

    def __init__(self, events: Sequence[Row], parties: Parties, project: str, title: str | None) -> None:
        self.parties, self.project, self.title = parties, project, title
        self.documents: list[Object] = []
        self.milestones: list[Object] = []
        self.metrics: list[Object] = []
        self.final_value: Object | None = None
        self.completed_at: str | None = None
        self.completed_by: str | None = None
        self._compensation: list[Decimal] = []
        self._changes: list[tuple[str | None, Object]] = []
        self._processes: dict[str, Object] = {}
        for event in sorted(events, key=lambda event: (event["event_on"] or "", event["event_id"] or "")):
            self._read(event)

    def _read(self, event: Row) -> None:
        item, name = event["item"] or "", digest(event["event_id"])
        party = self.parties.refer(event.get("party_name"), _role(event))
        if item in DOCUMENTS:
            self.documents.append(_document(event, name))
        if item in MILESTONES:
            self.milestones.append(filled(
                id=name, title=event["event"], type=MILESTONES[item], description=event.get("result"),
                dateMet=moment(event["event_on"]), status="met",
                value=money(event.get("amount_after")) if item == "approval_result" else None))
        if item == "bidding":
            self._bidding(event, name, party)
        elif item == "land":
            self._land(event, name)
        elif item == "design_change":
            self._changes.append((event.get("ocid"), filled(
                id=name, date=moment(event["event_on"]), description=event.get("result") or event["event"],
                rationale=event.get("reason"), type=event.get("modification_type"),
                oldContractValue=money(event.get("amount_before")),
                newContractValue=money(event.get("amount_after")))))
        elif item == "completion":
            self.completed_at, self.completed_by = moment(event["event_on"]), event["event"]
            if "算" in (event["event"] or ""):
                self.final_value = money(event.get("amount_after")) or self.final_value

    def _bidding(self, event: Row, name: str, party: Object | None) -> None:
        """A process of its own until the process with this ocid is published (`link`)."""
        process = self._processes.setdefault(event.get("ocid") or name, {"summary": {}})
        summary = process["summary"]
        summary.setdefault("title", event["event"])
        summary["documents"] = [*summary.get("documents", []), _document(event, name)]
        if event.get("ocid"):
            summary["ocid"] = event["ocid"]
        if nature := _nature(event["event"]):
            summary["nature"] = [nature]
        if party and party["id"] not in {known["id"] for known in summary.get("suppliers", [])}:
            summary["suppliers"] = [*summary.get("suppliers", []), party]

    def _land(self, event: Row, name: str) -> None:
        if amount := event.get("amount_after"):
            self._compensation.append(Decimal(amount))
        if area := event.get("area"):
            self.metrics.append({"id": f"landArea-{name}", "title": "征收土地面积", "observations": [{
                "id": "1", "measure": Exact(area), "unit": {"name": "平方米", "scheme": "UNCEFACT",
                                                                     "id": "MTK"}}]})

    def social(self) -> Object | None:
        """Compensation for land: the sum of all notices that state one."""
        if not self._compensation:
            return None
        return {"landCompensationBudget": {"amount": Exact(sum(self._compensation, Decimal(0))), "currency": "CNY"}}

    def link(self, processes: Iterable[tuple[str, list[Object], Object]]) -> None:
        """Address of the record, releases and compiled release of each published process of the project."""
        for url, releases, compiled in processes:
            process = self._processes.setdefault(compiled["ocid"], {"summary": {}})
            process["summary"] |= self._summary(compiled)
            process["releases"] = [{"id": release["id"], "tag": release["tag"], "date": release["date"], "url": url}
                                   for release in releases]

    def contracting_processes(self) -> list[Object]:
        """With each design change at its process: the one it names, else the one of the works, else the first.

        Where no process is known, the changes show that a contract for the works exists, and it gets an entry.
        """
        works = next((name for name, process in self._processes.items()
                      if "construction" in process["summary"].get("nature", ())), None)
        for ocid, change in self._changes:
            name = ocid if ocid in self._processes else works or next(iter(self._processes), None)
            if name is None:
                name = f"{self.project}-works"
                self._processes[name] = {"summary": {"title": f"{self.title or ''}施工", "nature": ["construction"]}}
            summary = self._processes[name]["summary"]
            summary["modifications"] = [*summary.get("modifications", []), change]
        return [{"id": name, **process} for name, process in self._processes.items()]

    def _summary(self, compiled: Object) -> Object:
        tender, contracts = compiled.get("tender", {}), compiled.get("contracts", [])
        people = {party["id"]: party for party in compiled.get("parties", [])}
        values = [contract["value"]["amount"] for contract in contracts if "value" in contract]
        suppliers = {supplier["id"]: supplier for award in compiled.get("awards", []) if award["status"] == "active"
                     for supplier in award.get("suppliers", [])}
        nature = _nature(tender.get("title"))
        return filled(
            ocid=compiled["ocid"], externalReference=tender.get("id"), title=tender.get("title"),
            nature=[nature] if nature else None, description=tender.get("description"), status=_status(compiled),
            tender=filled(
                procurementMethod=tender.get("procurementMethod"),
                procurementMethodDetails=tender.get("procurementMethodDetails"),
                costEstimate=compiled.get("planning", {}).get("budget", {}).get("amount") or tender.get("value"),
                tenderers=[self._copy(people, bidder, "tenderer") for bidder in tender.get("tenderers", [])],
                procuringEntity=self._copy(people, tender.get("procuringEntity"), "procuringEntity")),
            suppliers=[self._copy(people, supplier, "supplier") for supplier in suppliers.values()],
            contractValue={"amount": Exact(sum(values, Decimal(0))), "currency": "CNY"}
            if values and len(values) == len(contracts) else None,
            contractPeriod=contracts[0].get("period") if len(contracts) == 1 else None)

    def _copy(self, people: dict[str, Object], reference: Object | None, role: str) -> Object | None:
        if reference is None:
            return None
        known = people.get(reference["id"], {})
        return self.parties.refer(reference["name"], role, known.get("identifier", {}).get("id"))


def _status(compiled: Object) -> str:
    contracts = compiled.get("contracts", [])
    met = [milestone.get("status") == "met" for contract in contracts
           for milestone in contract.get("implementation", {}).get("milestones", [])]
    if compiled.get("tender", {}).get("status") in ("cancelled", "unsuccessful") or (met and all(met)):
        return "closed"
    return "active" if contracts else "pre-award"


def _document(event: Row, name: str) -> Object:
    kind, title = DOCUMENTS[event["item"] or ""], event["event"] or ""
    if event["item"] == "approval_result":
        kind = next((code for words, code in _APPROVALS if re.search(words, title)), kind)
    elif event["item"] == "bidding":
        kind = "contractNotice" if "合同" in title else "awardNotice" if re.search("中标|成交|结果", title) else kind
    number = event.get("document_no")
    return filled(id=name, documentType=kind, title=title, description=f"文号：{number}" if number else None,
                  url=address(event.get("source_url")), datePublished=moment(event["event_on"]), language="zh",
                  author=event.get("body_name"))


def _role(event: Row) -> str:
    return "supplier" if event["item"] in ("bidding", "works") else "interestedParty"


def _nature(text: str | None) -> str | None:
    return next((code for words, code in _NATURES if re.search(words, text or "")), None)
