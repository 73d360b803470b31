"""Duties (责任): which body owes which domain, how often, and by which rule. Kept by the disclosure office."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import uuid4

from ckanext.gkopen import model
from ckanext.gkopen.deadlines import DayRule, general_rule, limits
from ckanext.gkopen.domains import Deadline, Domain, Text, domains, get_domain
from ckanext.gkopen.oversight.due import Due, Pause, due
from ckanext.gkopen.oversight.periods import MONTHS, Period, named, period_of, periods
from ckanext.gkopen.review import audit
from ckanext.gkopen.review.refused import Refused

FINEST = {"month": 1, "year": 12}
"""Kind of part → months that one part tells of: a shorter cycle cannot be owed."""


@dataclass(frozen=True, slots=True)
class Duty:
    """A row of gkopen.duty with the respites of its periods."""

    id: str
    domain: Domain
    body_id: str
    cycle: str
    part: str | None
    rule: str | None
    starts: str | None
    since: date
    until: date | None
    respites: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def day_rule(self) -> DayRule:
        return rules_of(self.domain)[self.rule] if self.rule else general_rule(self.domain)

    @property
    def rule_text(self) -> Text:
        return text_of(self.day_rule)

    def clock(self, period: Period) -> date:
        """The day on which the limit of a period begins: the period's last one, or `starts` in the period's year, and
        with a + in the year after, as for final accounts."""
        if self.starts is None:
            return period.last
        month, day = map(int, self.starts.removeprefix("+").split("-"))
        return date(period.first.year + self.starts.startswith("+"), month, day)

    def owed(self, today: date) -> list[Period]:
        """The periods whose limit has begun, oldest first."""
        end = min(self.until, today) if self.until else today
        return [period for period in periods(self.cycle, self.since, end) if self.clock(period) <= today]

    def part_of(self, period: Period) -> str | None:
        """The one part that is owed for a period, where the duty names it."""
        return self.part.format(period=period.name) if self.part else None

    def due(self, period: Period) -> Due:
        given = self.respites.get(period.name, [])
        pauses = [Pause(row["from_on"], row["to_on"]) for row in given if row["kind"] == "pause"]
        extensions = [row["to_on"] for row in given if row["kind"] == "extension"]
        if not given:
            return _usual(self.day_rule, self.clock(period))
        return due(self.day_rule, self.clock(period), pauses, extensions[-1] if extensions else None)


@lru_cache(1 << 14)
def _usual(rule: DayRule, start: date) -> Due:
    """What a rule says of a start, which is that of many bodies. The calendar is that of the process too."""
    return due(rule, start)


def rules_of(domain: Domain) -> dict[str, DayRule]:
    """The rules by which a duty can be counted: the domain's deadlines and those of limits.yaml."""
    found: dict[str, DayRule] = {name: limit for name, limit in limits().items() if not limit.at_least}
    return found | {deadline.id: deadline for deadline in domain.deadlines}


def text_of(rule: DayRule) -> Text:
    if isinstance(rule, Deadline):
        return Text(f"{rule.basis.zh}（{rule.source}）", f"{rule.basis.en} ({rule.source})")
    text = getattr(rule, "text", None)
    assert isinstance(text, Text)
    return text


def every(domain: str | None = None, body_id: str | None = None) -> list[Duty]:
    """Duties by domain, body and part, with their respites. One of a domain whose file is gone is owed no more."""
    given: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in model.every("select * from gkopen.respite order by granted_at"):
        given.setdefault(str(row["duty_id"]), {}).setdefault(row["period"], []).append(row)
    rows = model.every("select * from gkopen.duty where (cast(:domain as text) is null or domain = :domain) and"
                       " (cast(:body as text) is null or body_id = :body) order by domain, body_id, part",
                       domain=domain, body=body_id)
    return [of_row(row, given.get(str(row["id"]), {})) for row in rows if row["domain"] in domains()]


def of_row(row: Mapping[str, Any], respites: Mapping[str, list[dict[str, Any]]]) -> Duty:
    return Duty(str(row["id"]), get_domain(row["domain"]), row["body_id"], row["cycle"], row["part"], row["rule"],
                row["starts"], row["since"], row["until"], respites)


def owing() -> tuple[set[str], set[str]]:
    """Domains of which something is owed, and ids of the bodies that owe it."""
    pairs = model.every("select distinct domain, body_id from gkopen.duty")
    return {row["domain"] for row in pairs} & domains().keys(), {row["body_id"] for row in pairs}


def keep(domain: Domain, body: Mapping[str, Any], actor: str, *, cycle: str, since: date, until: date | None = None,
         part: str | None = None, rule: str | None = None, starts: str | None = None) -> str:
    """Set what a body owes; the same domain, body and part again changes it. Returns the duty's id. Raises Refused."""
    _check(domain, cycle, since, until, part, rule, starts)
    duty_id = model.value(
        "insert into gkopen.duty (id, domain, body_id, cycle, part, rule, starts, since, until, set_by) values"
        " (:id, :domain, :body, :cycle, :part, :rule, :starts, :since, :until, :by)"
        " on conflict (domain, body_id, coalesce(part, '')) do update set cycle = excluded.cycle, rule = excluded.rule,"
        " starts = excluded.starts, since = excluded.since, until = excluded.until, set_by = excluded.set_by,"
        " set_at = now() returning id",
        id=str(uuid4()), domain=domain.name, body=body["id"], cycle=cycle, part=part, rule=rule, starts=starts,
        since=period_of(cycle, since).first, until=until, by=actor)
    audit.record(actor, "duty.set", str(duty_id), domain=domain.name, body=body["name"], cycle=cycle, part=part,
                 rule=rule, starts=starts, since=since, until=until)
    return str(duty_id)


def _check(domain: Domain, cycle: str, since: date, until: date | None, part: str | None, rule: str | None,
           starts: str | None) -> None:
    if cycle not in MONTHS:
        raise Refused("The cycle is one of {cycles}.", cycles=", ".join(MONTHS))
    if MONTHS[cycle] < FINEST.get(domain.part.kind, 1):
        raise Refused("{domain} is kept by the year: the cycle of its duty is yearly.", domain=domain.title.zh)
    if until is not None and until < since:
        raise Refused("The duty ends before it begins: give a later day.")
    if rule is not None and rule not in rules_of(domain):
        raise Refused("There is no rule {rule}. Rules: {rules}.", rule=rule[:50], rules=", ".join(rules_of(domain)))
    if starts is not None and not re.fullmatch(r"\+?(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])", starts):
        raise Refused("The day on which the limit begins is a month and a day up to the 28th, such as 02-15, or +09-15"
                      " in the year after.")
    if starts is not None and cycle != "yearly":
        raise Refused("Only a yearly duty can begin on a fixed day of the year.")
    if part is not None and (domain.part.kind == "whole" or not re.fullmatch(r"[\w./-]*\{period\}[\w./-]*", part)):
        raise Refused("A part is named with {{period}} in it, such as {{period}}-budget.")


def remove(duty_id: str, actor: str) -> bool:
    """Take a duty away that was set by mistake; one that ends is set again with its last day."""
    row = model.one("delete from gkopen.duty where id = :id returning domain, body_id", id=duty_id)
    if row is not None:
        audit.record(actor, "duty.removed", duty_id, domain=row["domain"], body=row["body_id"])
    return row is not None


def respite(duty: Duty, period_name: str, actor: str, reason: str, to_on: date, from_on: date | None = None) -> str:
    """Extend the limit of one period to a day, or pause it from a day to a day; the reason is public. Refused."""
    period = named(duty.cycle, period_name)
    if period is None or period.first < duty.since:
        raise Refused("{period} is no period of this duty; one looks like {example}.", period=period_name[:20],
                      example=period_of(duty.cycle, duty.since).name)
    if not reason.strip():
        raise Refused("The reason is public: say why, in words that a citizen understands.")
    if from_on is not None and from_on > to_on:
        raise Refused("The pause ends before it begins.")
    respite_id = str(uuid4())
    kind = "pause" if from_on else "extension"
    model.execute("insert into gkopen.respite (id, duty_id, period, kind, from_on, to_on, reason, granted_by) values"
                  " (:id, :duty, :period, :kind, :from, :to, :reason, :by)", id=respite_id, duty=duty.id,
                  period=period.name, kind=kind, to=to_on, reason=reason.strip(), by=actor, **{"from": from_on})
    audit.record(actor, f"duty.{kind}", duty.id, period=period.name, to=to_on, reason=reason, start=from_on)
    return respite_id
