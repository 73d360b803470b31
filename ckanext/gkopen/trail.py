"""The way of public money: budget line → plan → notice → award → contract → acceptance → project → final account.

Pure: rows that are public, joined by plan number, project number, contract number, project code (and a budget line by
the project's own name), become steps in order, places where the chain breaks off, and amounts that contradict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from ckanext.gkopen.checks import contradictions
from ckanext.gkopen.codes import fold
from ckanext.gkopen.domains import Text
from ckanext.gkopen.records import Finding

Row = Mapping[str, Any]
T = TypeVar("T")

STAGES: dict[str, Text] = {
    "budget": Text("预算", "Budget line"),
    "plan": Text("采购意向与计划", "Plan"),
    "notice": Text("采购公告", "Notice"),
    "award": Text("中标（成交）", "Award"),
    "contract": Text("合同", "Contract"),
    "acceptance": Text("验收", "Acceptance"),
    "project": Text("项目", "Project"),
    "final": Text("竣工与决算", "Completion and final account"),
}
"""In the order of the money."""
OF_PROCESS = ("plan", "notice", "award", "contract", "acceptance")
STAGE_OF = {"intention": "plan", "award": "award", "candidates": "award", "contract": "contract",
            "acceptance": "acceptance"}
"""Kind of notice → stage; every other kind belongs to the notice."""
WON = (None, "awarded", "contracted")
"""Status of a supplier who was awarded; other rows of a result are candidates, bids or single items."""
KINDS = {
    "line": Text("预算数", "budget line"),
    "budget": Text("预算金额", "budget"),
    "ceiling": Text("最高限价", "ceiling"),
    "award": Text("中标（成交）金额", "award"),
    "contract": Text("合同金额", "contract"),
    "total": Text("总投资", "investment"),
    "approved": Text("批复金额", "approved"),
    "change": Text("变更后金额", "after the change"),
    "final": Text("决算金额", "final account"),
    "other": Text("金额", "amount"),
}
_LACKS = {
    "award": Text("自 {day} 的采购公告以来，没有公布中标（成交）结果。",
                  "No award has been published since the notice of {day}."),
    "contract": Text("自 {day} 的中标（成交）结果以来，没有公布合同。",
                     "No contract has been published since the award of {day}."),
    "acceptance": Text("自 {day} 的合同以来，没有公布验收结果。",
                       "No acceptance has been published since the contract of {day}."),
    "notice": Text("自 {day} 的采购意向以来，没有公布采购公告。",
                   "No notice has been published since the plan of {day}."),
}
_SKIPPED = Text("{day} 公布了“{later}”，但没有公布“{stage}”。", "{later} was published on {day}, but no {stage}.")
_NO_FINAL = Text("自 {day} 竣工以来，没有公布决算。",
                 "No final account has been published since the completion of {day}.")
_NO_PROCESS = Text("该项目没有公布与之关联的采购。", "No procurement is published that is linked with this project.")


@dataclass(frozen=True, slots=True)
class Amount:
    """`value`: yuan; `kind`: what it is the amount of (a key of KINDS)."""

    kind: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class Step:
    """One published event of the chain. `on`: ISO day; `process`: project number; `row`: one of its rows; `words`: a
    price that is no amount (a rate, a discount), as printed."""

    stage: str
    on: str | None
    title: str
    amounts: tuple[Amount, ...]
    row: Row
    domain: str
    process: str | None = None
    party: str | None = None
    number: str | None = None
    ended: bool = False
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain stops or leaves a stage out. `since`: ISO day of the last step before it."""

    stage: str
    since: str | None
    text: Text
    process: str | None = None


@dataclass(slots=True)
class Trail:
    """Stage → its steps by day; stages without any have none. `findings`: codes of the catalogue."""

    stages: dict[str, list[Step]]
    breaks: list[Break] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def build(notices: Sequence[Row], projects: Sequence[Row] = (), events: Sequence[Row] = (),
          lines: Sequence[Row] = ()) -> Trail:
    """The chain of all processes in `notices` (rows of procurement), their projects, events and budget lines."""
    steps = [*(_line(row) for row in lines), *_notices(notices), *(_project(row) for row in projects),
             *(_event(row) for row in events if row["item"] in _EVENTS)]
    steps += [step for row in projects if (step := _settled(row))]
    trail = Trail({stage: sorted((step for step in steps if step.stage == stage), key=_by_day) for stage in STAGES})
    own, by_number = _by(steps, lambda step: step.process), _by(notices, lambda row: row["project_no"])
    shared = _outline(own.pop(None, []))
    processes = sorted(number for number in by_number if number)
    for number in processes or ([None] if notices else []):
        trail.breaks += _breaks([*own.get(number, []), *shared], number)
    trail.breaks += _project_breaks(trail, bool(notices))
    for number in processes:
        trail.findings += [_finding(found, number) for found in contradictions.of_process(by_number[number])]
    of_code, events_of = (_by(rows, lambda row: row.get("project_code")) for rows in (projects, events))
    for code in sorted(code for code in {*of_code, *events_of} if code):
        trail.findings += [_finding(found, code) for found in contradictions.of_project(
            of_code.get(code, []), events_of.get(code, []))]
    return trail


def budget_lines(rows: Iterable[Row], names: Iterable[str | None]) -> list[Row]:
    """Lines that are about a project or procurement of exactly this name: budgets carry no number of either."""
    wanted = {fold(name) for name in names if name}
    return [row for row in rows if row.get("project") and fold(row["project"]) in wanted]


def _by(items: Iterable[T], key: Callable[[T], str | None]) -> dict[str | None, list[T]]:
    found: dict[str | None, list[T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


def _outline(steps: Iterable[Step]) -> list[Step]:
    """Of steps that belong to every process what `_breaks` asks for: the first and the last of each stage, and one by
    which it ended."""
    found: list[Step] = []
    for stage, own in _by(steps, lambda step: step.stage).items():
        dated = [step for step in own if step.on]
        if stage in OF_PROCESS and dated:
            found += [min(dated, key=_by_day), max(dated, key=_by_day)]
        found += [step for step in own if step.ended][:1]
    return found


_EVENTS = ("approval_result", "design_change", "completion", "bidding", "works")


def _by_day(step: Step) -> tuple[bool, str, str]:
    return step.on is None, step.on or "", step.title


def _amounts(row: Row, **fields: str) -> tuple[Amount, ...]:
    return tuple(Amount(kind, Decimal(row[name])) for kind, name in fields.items() if row.get(name) is not None)


def _day(row: Row, name: str) -> str | None:
    return str(row[name])[:10] if row.get(name) else None


def _line(row: Row) -> Step:
    return Step("budget", None, " ".join(filter(None, (row["fiscal_year"], row["org_name"], row["project"]))),
                _amounts(row, line="amount"), row, "budget")


def _notices(rows: Sequence[Row]) -> list[Step]:
    """One step a notice; of awards and contracts one a lot and supplier."""
    grouped: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        stage = STAGE_OF.get(row["notice_type"], "notice")
        single = stage in ("award", "contract", "acceptance")
        if stage == "award" and row.get("supplier_status") not in WON:
            single = False
        key = (row["release_id"], row["notice_type"], row["lot_no"] if single else None,
               row["supplier_name"] if single else None)
        grouped.setdefault(key, []).append(row)
    return [_notice(own) for own in grouped.values()]


def _notice(rows: Sequence[Row]) -> Step:
    row = rows[0]
    stage = STAGE_OF.get(row["notice_type"], "notice")
    if row["notice_type"] == "candidates":
        amounts: tuple[Amount, ...] = ()
    elif stage == "award":
        amounts = _amounts(row, award="award_amount") if row.get("supplier_status") in WON else ()
    elif stage in ("contract", "acceptance"):
        amounts = _amounts(row, contract="contract_amount")
    else:
        amounts = _stated(rows)
    won = row["notice_type"] == "award" and row.get("supplier_status") in WON
    party = row["supplier_name"] if won or stage in ("contract", "acceptance") else None
    return Step(stage, _day(row, "published_at"), row["source_title"] or row["project_name"], amounts, row,
                "procurement", row["project_no"], party, row["contract_no"] or row["plan_no"],
                row["notice_type"] == "termination", row["award_amount_text"] if won and not amounts else None)


def _stated(rows: Sequence[Row]) -> tuple[Amount, ...]:
    """What a notice as a whole may cost: the figure that it states, or the sum of one a lot."""
    found = []
    for kind, name in (("budget", "budget_amount"), ("ceiling", "ceiling_amount")):
        lots = {(row["lot_no"], Decimal(row[name])) for row in rows if row.get(name) is not None}
        values = {value for _, value in lots}
        if len(values) == 1:
            found.append(Amount(kind, values.pop()))
        elif lots and len({lot for lot, _ in lots}) == len(lots):
            found.append(Amount(kind, sum((value for _, value in lots), Decimal(0))))
    return tuple(found)


def _project(row: Row) -> Step:
    return Step("project", _day(row, "approved_on") or _day(row, "started_on"), row["title"],
                _amounts(row, total="total_investment"), row, "project", party=row["owner_name"],
                number=row["approval_no"])


def _settled(row: Row) -> Step | None:
    """The final account that the project's own row states."""
    amounts = _amounts(row, final="final_amount")
    return Step("final", _day(row, "completed_on"), row["title"], amounts, row, "project",
                party=row["owner_name"]) if amounts else None


def _event(row: Row) -> Step:
    done = row["item"] == "completion"
    kind = {"design_change": "change", "approval_result": "approved"}.get(row["item"], "other")
    kind = "final" if done and "算" in (row["event"] or "") else kind
    return Step("final" if done else "project", _day(row, "event_on"), row["event"],
                _amounts(row, **{kind: "amount_after"}), row, "project_event", party=row["party_name"],
                number=row["document_no"])


def _breaks(steps: Sequence[Step], process: str | None) -> list[Break]:
    """Of one process: stages that were left out, and where it stops without having been terminated."""
    days = {stage: sorted(step.on for step in steps if step.stage == stage and step.on) for stage in OF_PROCESS}
    there = [stage for stage in OF_PROCESS if days[stage]]
    if not there:
        return []
    found = []
    last = OF_PROCESS.index(there[-1])
    for stage in OF_PROCESS[1:last]:
        if not days[stage]:
            later = next(name for name in there if OF_PROCESS.index(name) > OF_PROCESS.index(stage))
            words = {"day": days[later][0]}
            found.append(Break(stage, days[later][0], Text(
                _SKIPPED.zh.format(**words, later=STAGES[later].zh, stage=STAGES[stage].zh),
                _SKIPPED.en.format(**words, later=STAGES[later].en, stage=STAGES[stage].en.lower())), process))
    ended = any(step.ended for step in steps) and there[-1] in ("plan", "notice")
    if not ended and last + 1 < len(OF_PROCESS):
        missing, since = OF_PROCESS[last + 1], days[there[-1]][-1]
        found.append(Break(missing, since, _said(_LACKS[missing], since), process))
    return found


def _project_breaks(trail: Trail, has_processes: bool) -> list[Break]:
    if not (trail.stages["project"] or trail.stages["final"]):
        return []
    found = [] if has_processes else [Break("notice", None, _NO_PROCESS)]
    finals = trail.stages["final"]
    completed = [step.on for step in finals if step.on]
    if completed and not any(amount.kind == "final" for step in finals for amount in step.amounts):
        found.append(Break("final", completed[-1], _said(_NO_FINAL, completed[-1])))
    return found


def _said(text: Text, day: str) -> Text:
    return Text(text.zh.format(day=day), text.en.format(day=day))


def _finding(found: contradictions.Contradiction, of: str) -> Finding:
    return Finding(found.code, "warning", value=None, params=contradictions.params(found, of))
