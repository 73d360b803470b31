"""Time limits of disclosure (schemas/limits.yaml) and the day on which they end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Protocol

import yaml

from ckanext.gkopen.domains import Deadline, Domain, Text
from ckanext.gkopen.workdays import Calendar, calendar


class DayRule(Protocol):
    """What a rule must say to be counted: a Limit in days, or a Deadline of a domain (domains.py)."""

    @property
    def unit(self) -> str: ...
    @property
    def limit(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Limit:
    """One row of schemas/limits.yaml.

    `unit` is working_days, days or month_day; for month_day `limit` is 0 and `month_day` is (month, day).
    `at_least`: the shortest time that something must last. `scope`: the only city where it holds.
    """

    id: str
    title: Text
    unit: str
    limit: int
    source: str
    month_day: tuple[int, int] | None = None
    at_least: bool = False
    scope: str | None = None

    @property
    def text(self) -> Text:
        """The rule with its source."""
        return Text(f"{self.title.zh}（{self.source}）", f"{self.title.en} ({self.source})")


@cache
def limits() -> Mapping[str, Limit]:
    """Every limit by its id, in the order of the file."""
    text = (files("ckanext.gkopen.schemas") / "limits.yaml").read_text("utf-8")
    found = {}
    for name, entry in yaml.safe_load(text).items():
        month_day = entry.get("month_day")
        found[name] = Limit(
            id=name, title=Text(**entry["title"]), source=entry["source"],
            unit="month_day" if month_day else entry["unit"], limit=0 if month_day else entry["limit"],
            month_day=_month_day(month_day) if month_day else None,
            at_least=entry.get("at_least", False), scope=entry.get("scope"))
    return found


def _month_day(text: str) -> tuple[int, int]:
    month, day = str(text).split("-")
    return int(month), int(day)


def general_rule(domain: Domain) -> Deadline | Limit:
    """The limit for a domain's tables as a whole: its own for every row, else that of proactive disclosure."""
    return next((deadline for deadline in domain.deadlines if not deadline.when), limits()["disclosure"])


def due_on(rule: DayRule, start: date, days: Calendar | None = None) -> date:
    """The last day of the limit that begins on `start` (a day of Asia/Shanghai, itself not counted).

    A limit in working days ends on a working day. One in calendar days, or a fixed day of the year, ends on
    that very day even where it is a holiday: the laws do not move it, the earlier day is stricter.
    Raises UnknownYear when working days of a year are needed whose holidays are not known.
    """
    if isinstance(start, datetime):
        raise ValueError("a due date is counted from a day: convert the moment to Asia/Shanghai first")
    if rule.unit == "working_days":
        return (days or calendar()).add(start, rule.limit)
    if rule.unit == "days":
        return start + timedelta(days=rule.limit)
    if isinstance(rule, Limit) and rule.month_day:
        day = date(start.year, *rule.month_day)
        return day if day > start else date(start.year + 1, *rule.month_day)
    raise ValueError(f"unknown unit {rule.unit!r}: write working_days or days")
