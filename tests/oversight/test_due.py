"""Days by which something is owed: make-up workdays, year's end, pauses, extension, a year that is not known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest

from ckanext.gkopen.oversight.due import Due, Pause, due
from ckanext.gkopen.oversight.periods import named, period_of, periods
from ckanext.gkopen.workdays import parse


@dataclass(frozen=True)
class Rule:
    limit: int
    unit: str = "working_days"


D = date.fromisoformat
SPRING = (Pause(D("2026-02-10"), D("2026-02-13")),)

TABLE = [
    # what, rule, start, pauses, extended to, last day
    ("a plain week", Rule(5), "2026-06-01", (), None, "2026-06-08"),
    ("a Sunday that is worked counts (2026-01-04)", Rule(2), "2025-12-31", (), None, "2026-01-05"),
    ("the spring festival does not count, its make-up Saturdays do", Rule(3), "2026-02-12", (), None, "2026-02-24"),
    ("over the year's end", Rule(20), "2025-12-31", (), None, "2026-01-29"),
    ("calendar days end on a holiday too", Rule(20, "days"), "2026-09-15", (), None, "2026-10-05"),
    ("a limit of nothing is the day itself", Rule(0), "2026-06-06", (), None, "2026-06-06"),
    ("days of a pause do not count", Rule(3), "2026-02-09", SPRING, None, "2026-02-25"),
    ("a pause before the start changes nothing", Rule(5), "2026-06-01", SPRING, None, "2026-06-08"),
    ("a pause of calendar days", Rule(20, "days"), "2026-02-01", SPRING, None, "2026-02-25"),
    ("an extension names its day", Rule(5), "2026-06-01", (), "2026-06-30", "2026-06-30"),
    ("an extension never makes it shorter", Rule(5), "2026-06-01", (), "2026-06-02", "2026-06-08"),
    ("pause and extension, the later holds", Rule(3), "2026-02-09", SPRING, "2026-02-24", "2026-02-25"),
]


@pytest.mark.parametrize(("what", "rule", "start", "pauses", "extended", "expected"), TABLE,
                         ids=[row[0] for row in TABLE])
def test_last_day(what: str, rule: Rule, start: str, pauses: tuple[Pause, ...], extended: str | None,
                  expected: str) -> None:
    assert due(rule, D(start), pauses, D(extended) if extended else None) == Due(D(expected))


def test_a_year_that_is_not_known_is_not_guessed() -> None:
    assert due(Rule(20), D("2098-12-31")) == Due(None, 2099)
    assert due(Rule(20, "days"), D("2098-12-31")).on == D("2099-01-20"), "calendar days need no calendar"
    assert due(Rule(20), D("2098-12-31"), (), D("2099-02-01")) == Due(D("2099-02-01")), "an extension names its day"
    known = parse({"years": {2099: {"source": "国办发明电", "holidays": [D("2099-01-01")],
                                    "workdays": [D("2099-01-04")]}}})
    assert due(Rule(2), D("2098-12-31"), days=known) == Due(D("2099-01-04")), "Friday 2 January, then a worked Sunday"


@pytest.mark.parametrize(("cycle", "day", "name", "first", "last"), [
    ("monthly", "2024-02-29", "2024-02", "2024-02-01", "2024-02-29"),
    ("quarterly", "2026-12-31", "2026-Q4", "2026-10-01", "2026-12-31"),
    ("yearly", "2026-05-05", "2026", "2026-01-01", "2026-12-31")])
def test_periods(cycle: str, day: str, name: str, first: str, last: str) -> None:
    period = period_of(cycle, D(day))
    assert (period.name, period.first, period.last) == (name, D(first), D(last))
    assert named(cycle, name) == period


def test_periods_follow_each_other_over_the_year() -> None:
    assert [p.name for p in periods("quarterly", D("2025-11-30"), D("2026-04-01"))] == ["2025-Q4", "2026-Q1", "2026-Q2"]
    assert list(periods("monthly", D("2026-05-01"), D("2026-04-30"))) == []
    for cycle, wrong in (("monthly", "2026-13"), ("monthly", "2026"), ("quarterly", "2026-Q5"), ("yearly", "26"),
                         ("yearly", "2026-01"), ("monthly", "²⁰26-01"), ("monthly", "")):
        assert named(cycle, wrong) is None


@pytest.mark.parametrize(("cycle", "day", "part", "belongs"), [
    ("monthly", "2026-05-01", "2026-05", True), ("monthly", "2026-05-01", "2026-05-12", True),
    ("monthly", "2026-05-01", "2026-06", False), ("quarterly", "2026-05-01", "2026-04", True),
    ("quarterly", "2026-05-01", "2026-Q2", True), ("quarterly", "2026-05-01", "2026-07", False),
    ("monthly", "2026-01-01", "2026-01/2026-09", False), ("monthly", "2026-05-01", "2026-05-01/2026-05-31", True),
    ("quarterly", "2026-01-01", "2026-01/2026-09", False), ("quarterly", "2026-01-01", "2026-01/2026-03", True),
    ("yearly", "2026-05-01", "2026-01/2026-09", True), ("yearly", "2026-05-01", "2026-10/2027-03", False),
    ("yearly", "2026-05-01", "2026-budget", True), ("yearly", "2026-05-01", "2025-budget", False)])
def test_parts_of_a_period(cycle: str, day: str, part: str, belongs: bool) -> None:
    assert period_of(cycle, D(day)).holds(part) is belongs
