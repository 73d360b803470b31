"""Working days in mainland China with make-up workdays (调休), in whole days of Asia/Shanghai.

Years come from the package chinesecalendar and from schemas/workdays.yaml, which an officer edits when the
State Council's yearly notice is out. A year that neither knows is refused: a due date is never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import chinese_calendar
import yaml

DAY = timedelta(days=1)


class UnknownYear(ValueError):
    """The holidays of a year are not known yet, so that its working days cannot be counted."""

    def __init__(self, year: int):
        super().__init__(year)
        self.year = year
        self.zh = (f"{year} 年的放假安排未知，工作日无法计算："
                   f"请按国务院办公厅通知在 schemas/workdays.yaml 中补充该年")
        self.en = (f"The holidays of {year} are not known, so that working days cannot be counted: "
                   f"add the year to schemas/workdays.yaml from the State Council's notice")

    def __str__(self) -> str:
        return f"{self.zh} / {self.en}"


class BadCalendar(ValueError):
    """schemas/workdays.yaml says something that cannot be; the message names the place and what to write."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """`years`: year → (days off, weekend days worked) of the overlay; `off`, `worked`: single days."""

    years: Mapping[int, tuple[frozenset[date], frozenset[date]]]
    off: frozenset[date]
    worked: frozenset[date]

    def is_workday(self, day: date) -> bool:
        """Whether `day` is worked. Raises UnknownYear."""
        if day in self.worked:
            return True
        if day in self.off:
            return False
        if year := self.years.get(day.year):
            holidays, workdays = year
            return day in workdays or (day.weekday() < 5 and day not in holidays)
        try:
            return chinese_calendar.is_workday(day)
        except NotImplementedError:
            raise UnknownYear(day.year) from None

    def add(self, start: date, count: int) -> date:
        """The `count`-th working day after `start`; `start` itself is never counted. Zero gives `start`.

        Raises UnknownYear as soon as the count runs into a year that is not known.
        """
        if isinstance(start, datetime) or count < 0:
            raise ValueError("a date (not a moment) and a number of days from 0 on are needed")
        day = start
        while count:
            day += DAY
            count -= self.is_workday(day)
        return day


def parse(overlay: Mapping[str, Any]) -> Calendar:
    """The calendar that schemas/workdays.yaml describes. Raises BadCalendar."""
    unknown = set(overlay) - {"years", "holidays", "workdays"}
    if unknown:
        raise BadCalendar(f"workdays.yaml: unknown key {min(unknown)!r}: write years, holidays or workdays")
    years = {}
    for year, entry in (overlay.get("years") or {}).items():
        where = f"workdays.yaml: years: {year}"
        if not isinstance(year, int) or not isinstance(entry, Mapping) or not entry.get("source"):
            raise BadCalendar(f"{where}: a year needs its number, its source, its holidays and its workdays")
        holidays, workdays = (_days(entry.get(key), f"{where}: {key}") for key in ("holidays", "workdays"))
        strange = sorted(day for day in holidays | workdays if day.year != year)
        if strange:
            raise BadCalendar(f"{where}: {strange[0]} is a day of another year")
        weekdays = sorted(day for day in workdays if day.weekday() < 5)
        if weekdays:
            raise BadCalendar(f"{where}: workdays: {weekdays[0]} is no weekend day, it is worked anyhow")
        if not holidays:
            raise BadCalendar(f"{where}: holidays: no year is without holidays")
        years[year] = (holidays, workdays)
    off, worked = (_days(overlay.get(key), f"workdays.yaml: {key}") for key in ("holidays", "workdays"))
    return Calendar(years, off, worked)


def _days(values: Iterable[Any] | None, where: str) -> frozenset[date]:
    days = list(values or ())
    for day in days:
        if not isinstance(day, date) or isinstance(day, datetime):
            raise BadCalendar(f"{where}: {day!r} is no date: write 2027-01-31")
    return frozenset(days)


@cache
def calendar() -> Calendar:
    """The calendar of this installation, read once a process."""
    text = (files("ckanext.gkopen.schemas") / "workdays.yaml").read_text("utf-8")
    return parse(yaml.safe_load(text) or {})
