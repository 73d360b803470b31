"""The day by which something is owed, with pauses and an extension. Where a calendar is missing nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ckanext.gkopen.deadlines import DayRule, due_on
from ckanext.gkopen.workdays import DAY, Calendar, UnknownYear, calendar


@dataclass(frozen=True, slots=True)
class Pause:
    """Days that do not count, both ends included: a third party is asked (条例 32), a body is being merged."""

    from_on: date
    to_on: date


@dataclass(frozen=True, slots=True)
class Due:
    """`on`: the last day; None when it cannot be counted, and then `unknown_year` says which year is missing."""

    on: date | None
    unknown_year: int | None = None


def due(rule: DayRule, start: date, pauses: Sequence[Pause] = (), extended_to: date | None = None,
        days: Calendar | None = None) -> Due:
    """The last day of a limit that begins on `start` (not counted).

    Days of a pause do not count; a fixed day of the year (month_day) is not moved by one. An extension names its own
    day, so that it holds also where the limit's own day cannot be counted; it never makes the limit shorter.
    """
    try:
        on = _counted(rule, start, pauses, days or calendar())
    except UnknownYear as unknown:
        return Due(extended_to, None if extended_to else unknown.year)
    return Due(max(on, extended_to) if extended_to else on)


def _counted(rule: DayRule, start: date, pauses: Sequence[Pause], days: Calendar) -> date:
    if not pauses or rule.unit not in ("working_days", "days"):
        return due_on(rule, start, days)
    day, left = start, rule.limit
    while left:
        day += DAY
        if not any(pause.from_on <= day <= pause.to_on for pause in pauses):
            left -= days.is_workday(day) if rule.unit == "working_days" else 1
    return day
