"""Major projects with their events and contracting processes → OC4IDS 0.9 (every choice: docs/standards.md)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from ckanext.gkopen.codes import fold
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.publish.standards.exact import Exact, Object, Row, address, digest, filled, moment, money
from ckanext.gkopen.publish.standards.oc4ids_events import Events
from ckanext.gkopen.publish.standards.parties import Parties

VERSION = "0.9"
DONE = frozenset({"completion", "maintenance", "decommissioning", "decommissioned"})
_PIECE = re.compile(r"^([^\d]{2,30}?)[:：]?\s*(\d[\d,]*(?:\.\d+)?)\s*(亿元|万元|元)$")
_FACTOR = {"元": Decimal(1), "万元": Decimal(10_000), "亿元": Decimal(100_000_000)}


def key(row: Row) -> str:
    """What a project is known by: its code, else what its name, owner and place make."""
    return row.get("project_code") or "g-" + digest(
        *(fold(row.get(name) or "") for name in ("title", "owner_name", "location")))


def identifier(prefix: str, known_by: str) -> str:
    return f"{prefix}-{known_by}"


def year(known_by: str, rows: Sequence[Row]) -> str | None:
    """The package of a year that holds the project: of its code, which never changes, else of its first day.

    A code begins with the year (2019-…), since 2020 with year and month (2401-… is January 2024).
    """
    if not known_by.startswith("g-"):
        return f"20{known_by[:2]}" if "01" <= known_by[2:4] <= "12" else known_by[:4]
    days = [day for row in rows for name in ("approved_on", "started_on") if (day := row.get(name))]
    return min(days)[:4] if days else None


def project(domain: Domain, name: str, rows: Sequence[Row], events: Sequence[Row],
            processes: Iterable[tuple[str, list[Object], Object]] = ()) -> Object:
    """One project. `name` is its id; `rows`: what bodies say of it; `events`: those of its code; `processes`: ocid or
    address of the record, releases and compiled release of each contracting process that belongs to it."""
    facts = _Facts(rows)
    parties = Parties()
    told = Events(events, parties, name, facts.first("title"))
    told.link(processes)
    sectors = domain.field("sector").codes
    sector = sectors.get(facts.first("sector") or "") if sectors else None
    code = facts.first("project_code") or next((event["project_code"] for event in events), None)
    owner = parties.refer(facts.first("owner_name"), "publicAuthority", facts.first("owner_uscc"))
    stage, place = facts.first("stage"), facts.first("location")
    documents = [*_approval(facts), *told.documents]
    return filled(
        id=name, updated=max((row.get("public_at") or "" for row in (*rows, *events)), default="") or None,
        language="zh", identifiers=[{"id": code, "scheme": "CN-TZXM"}] if code else None,
        title=facts.first("title") or next((event["project_name"] for event in events if event["project_name"]), None),
        description=facts.first("scope"), status=stage, type=facts.first("type"),
        sector=[sector.extra["oc4ids"]] if sector and sector.extra.get("oc4ids") else None,
        locations=[{"id": "1", "description": place}] if place else None, publicAuthority=owner,
        budget=filled(amount=money(facts.first("total_investment")), approvalDate=moment(facts.first("approved_on")),
                      budgetBreakdowns=_breakdowns(facts)),
        implementationPeriod=_period(facts.first("started_on"), facts.first("completed_on")),
        completion=_completion(facts, told), milestones=told.milestones, metrics=[*_metrics(facts), *told.metrics],
        documents=list({document["id"]: document for document in documents}.values()), social=told.social(),
        contractingProcesses=told.contracting_processes(), parties=parties.mentioned())


class _Facts:
    """What the rows of a project say: of each field the newest statement."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = sorted(rows, key=lambda row: (row.get("period") or "", row.get("public_at") or "",
                                                   row.get("dataset_id") or ""), reverse=True)

    def first(self, name: str) -> str | None:
        return next((row[name] for row in self._rows if row.get(name)), None)


def _approval(facts: _Facts) -> list[Object]:
    number, title = facts.first("approval_no"), facts.first("source_title")
    url = address(facts.first("source_url"))
    if not (number or url):
        return []
    return [filled(id=f"approval-{digest(number, url, length=12)}", documentType="projectScope",
                   title=title or number, description=f"文号：{number}" if number else None, url=url,
                   datePublished=moment(facts.first("approved_on")), language="zh")]


def _breakdowns(facts: _Facts) -> list[Object]:
    """By source of funds as printed; by kind of cost where every piece states its amount."""
    found = []
    source = facts.first("fund_source")
    if source:
        found.append({"id": "source", "description": "资金来源",
                      "budgetBreakdown": [{"id": "1", "description": source}]})
    pieces = [piece.strip() for piece in re.split("[；;]", facts.first("investment_breakdown") or "") if piece.strip()]
    matches = [_PIECE.match(piece) for piece in pieces]
    if pieces:
        parts = [filled(id=str(number), description=match[1] if match else piece, amount=_amount(match))
                 for number, (piece, match) in enumerate(zip(pieces, matches, strict=True), 1)]
        found.append({"id": "cost", "description": "投资构成", "budgetBreakdown": parts})
    return found


def _amount(match: re.Match[str] | None) -> Object | None:
    if match is None:
        return None
    figure = Decimal(match[2].replace(",", "")) * _FACTOR[match[3]]
    return {"amount": Exact(figure.normalize()), "currency": "CNY"}


def _period(start: str | None, end: str | None) -> Object | None:
    return filled(startDate=moment(start), endDate=moment(end) if not (start and end) or start <= end else None) or None


def _completion(facts: _Facts, told: Events) -> Object:
    """`completed_on` of a project that is not completed yet is a plan: it ends the implementation period only."""
    done = facts.first("stage") in DONE
    final = money(facts.first("final_amount")) or told.final_value
    return filled(endDate=moment(facts.first("completed_on") if done else None) or told.completed_at,
                  endDateDetails=told.completed_by, finalValue=final,
                  finalScope=facts.first("scope") if done else None)


def _metrics(facts: _Facts) -> list[Object]:
    period, progress = facts.first("period"), facts.first("progress")
    said: Mapping[str, tuple[str, str]] = {
        "annualPlan": ("年度计划投资", "annual_plan"), "cumulativeInvested": ("累计完成投资", "cumulative_invested")}
    found = [{"id": name, "title": title, "observations": [filled(id="1", value=value, notes=period)]}
             for name, (title, field) in said.items() if (value := money(facts.first(field)))]
    if progress:
        found.append({"id": "progress", "title": "形象进度", "observations": [{"id": "1", "notes": progress}]})
    return found
