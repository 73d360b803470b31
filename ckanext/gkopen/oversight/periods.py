"""The periods of a duty's cycle, and the parts of a dataset that belong to them. Pure; days of Asia/Shanghai."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}
"""Cycle → months of one period."""


@dataclass(frozen=True, slots=True)
class Period:
    """`name`: 2026-05, 2026-Q2 or 2026. `first`, `last`: its days. `months`: names of its months."""

    name: str
    first: date
    last: date
    months: tuple[str, ...]

    def holds(self, part: str) -> bool:
        """Whether the part of this name tells of the period: by its leading year or month, or by the same name. A span
        (2026-01/2026-09) tells of the period in which it lies, not of the one in which it begins."""
        return all(self._has(end) for end in part.split("/"))

    def _has(self, part: str) -> bool:
        if len(self.months) == 12:
            return part[:4] == self.name
        return part == self.name or part[:7] in self.months


def period_of(cycle: str, day: date) -> Period:
    """The period of a cycle in which a day lies."""
    length = MONTHS[cycle]
    start = (day.month - 1) // length * length + 1
    months = [f"{day.year}-{month:02d}" for month in range(start, start + length)]
    last_month = start + length - 1
    name = {1: months[0], 3: f"{day.year}-Q{(start + 2) // 3}", 12: str(day.year)}[length]
    return Period(name, date(day.year, start, 1),
                  date(day.year, last_month, calendar.monthrange(day.year, last_month)[1]), tuple(months))


def periods(cycle: str, since: date, until: date) -> Iterator[Period]:
    """Every period from the one in which `since` lies to the one in which `until` lies, oldest first."""
    day = since
    while (period := period_of(cycle, day)).first <= until:
        yield period
        day = period.last + timedelta(days=1)


def named(cycle: str, name: str) -> Period | None:
    """The period of this name, or None for a name that the cycle does not have."""
    year, _, rest = name.partition("-")
    if not (year.isascii() and year.isdecimal() and len(year) == 4 and int(year) >= 1):
        return None
    month = {"yearly": "1", "quarterly": str(int(rest[1]) * 3 - 2) if rest in ("Q1", "Q2", "Q3", "Q4") else "",
             "monthly": rest}[cycle]
    if not (month.isascii() and month.isdecimal() and 1 <= int(month) <= 12):
        return None
    period = period_of(cycle, date(int(year), int(month), 1))
    return period if period.name == name else None
