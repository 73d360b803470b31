"""Working days and due dates: the State Council's notices, unknown years, and every row of the table of limits."""

from datetime import date, datetime

import pytest

from ckanext.gkopen.deadlines import due_on, limits
from ckanext.gkopen.workdays import BadCalendar, UnknownYear, calendar, parse

NOTICE_2027 = {
    "years": {2027: {"source": "a notice made up for this test",
                     "holidays": [date(2027, 1, 1), date(2027, 2, 8), date(2027, 2, 9)],
                     "workdays": [date(2027, 2, 6)]}},
}


@pytest.mark.parametrize(("day", "worked"), [
    (date(2025, 9, 28), True),    # Sunday, worked for the National Day holiday of 2025
    (date(2025, 10, 8), False),   # Wednesday, last day of that holiday
    (date(2025, 10, 11), True),   # Saturday, worked for it
    (date(2025, 10, 12), False),  # an ordinary Sunday
    (date(2024, 2, 4), True),     # Sunday, worked for the Spring Festival of 2024
    (date(2024, 2, 16), False),   # Friday of that festival
])
def test_make_up_days_are_worked_and_days_off_are_not(day: date, worked: bool) -> None:
    assert calendar().is_workday(day) is worked


@pytest.mark.parametrize(("start", "count", "end"), [
    (date(2025, 9, 25), 1, date(2025, 9, 26)),
    (date(2025, 9, 26), 1, date(2025, 9, 28)),    # over a worked Sunday
    (date(2025, 9, 30), 1, date(2025, 10, 9)),    # over the whole holiday
    (date(2025, 10, 10), 1, date(2025, 10, 11)),  # to a worked Saturday
    (date(2025, 9, 25), 20, date(2025, 10, 29)),
    (date(2025, 10, 4), 1, date(2025, 10, 9)),    # begins on a day off
    (date(2025, 12, 31), 1, date(2026, 1, 4)),    # new year, with a worked Sunday
    (date(2025, 12, 31), 0, date(2025, 12, 31)),
])
def test_working_days_are_counted_from_the_day_after(start: date, count: int, end: date) -> None:
    assert calendar().add(start, count) == end


def test_a_year_that_is_not_known_is_refused_in_both_languages() -> None:
    with pytest.raises(UnknownYear) as refused:
        calendar().add(date(2026, 12, 28), 20)
    assert refused.value.year == 2027
    assert "2027 年的放假安排未知" in str(refused.value)
    assert "The holidays of 2027 are not known" in str(refused.value)


def test_a_count_that_stays_in_a_known_year_is_not_refused() -> None:
    assert calendar().add(date(2026, 12, 28), 3) == date(2026, 12, 31)


def test_the_overlay_makes_a_year_known() -> None:
    days = parse(NOTICE_2027)
    assert days.add(date(2026, 12, 31), 1) == date(2027, 1, 4)  # 1 January off, then a weekend
    assert days.add(date(2027, 2, 5), 1) == date(2027, 2, 6)    # a worked Saturday
    assert days.add(date(2027, 2, 6), 1) == date(2027, 2, 10)


def test_single_days_of_the_overlay_change_a_known_year() -> None:
    days = parse({"holidays": [date(2025, 3, 3)], "workdays": [date(2025, 3, 8)]})
    assert not days.is_workday(date(2025, 3, 3))
    assert days.is_workday(date(2025, 3, 8))


@pytest.mark.parametrize(("overlay", "place"), [
    ({"year": {}}, "unknown key 'year'"),
    ({"years": {"2027": {"source": "x", "holidays": [date(2027, 1, 1)]}}}, "years: 2027"),
    ({"years": {2027: {"holidays": [date(2027, 1, 1)]}}}, "its source"),
    ({"years": {2027: {"source": "x", "holidays": []}}}, "no year is without holidays"),
    ({"years": {2027: {"source": "x", "holidays": [date(2028, 1, 1)]}}}, "2028-01-01 is a day of another year"),
    ({"years": {2027: {"source": "x", "holidays": [date(2027, 1, 1)], "workdays": [date(2027, 1, 4)]}}},
     "2027-01-04 is no weekend day"),
    ({"holidays": ["2027-1-1"]}, "'2027-1-1' is no date"),
])
def test_a_wrong_overlay_is_named(overlay: dict, place: str) -> None:
    with pytest.raises(BadCalendar, match=place):
        parse(overlay)


@pytest.mark.parametrize(("rule", "start", "end"), [
    ("disclosure", date(2025, 9, 25), date(2025, 10, 29)),
    ("request_reply", date(2025, 9, 25), date(2025, 10, 29)),
    ("request_extension", date(2025, 10, 29), date(2025, 11, 26)),
    ("request_correction", date(2025, 9, 25), date(2025, 10, 11)),
    ("third_party_opinion", date(2025, 9, 25), date(2025, 10, 22)),
    ("yearly_report_department", date(2025, 12, 31), date(2026, 1, 31)),   # a Saturday, not moved
    ("yearly_report_government", date(2025, 12, 31), date(2026, 3, 31)),
    ("budget", date(2025, 9, 15), date(2025, 10, 5)),                      # calendar days, ends in the holiday
    ("budget", date(2026, 12, 20), date(2027, 1, 9)),                      # needs no calendar of 2027
    ("award_notice", date(2025, 9, 26), date(2025, 9, 29)),
    ("contract_notice", date(2025, 9, 30), date(2025, 10, 10)),
    ("single_source_notice", date(2025, 9, 25), date(2025, 10, 9)),
    ("major_project", date(2025, 9, 25), date(2025, 10, 29)),
    ("major_project_decision", date(2025, 9, 25), date(2025, 10, 11)),
    ("major_project_guide", date(2025, 9, 25), date(2025, 9, 25)),
    ("penalty_withdrawn", date(2025, 9, 25), date(2025, 9, 29)),
    ("nantong_document", date(2025, 9, 25), date(2025, 10, 11)),
    ("nantong_interpretation", date(2025, 9, 25), date(2025, 9, 29)),
    ("nantong_service_elements", date(2025, 9, 25), date(2025, 9, 26)),
    ("nantong_request_forward", date(2025, 9, 25), date(2025, 9, 26)),
    ("nantong_request_cohandle", date(2025, 9, 25), date(2025, 10, 9)),
])
def test_every_limit_of_the_law(rule: str, start: date, end: date) -> None:
    assert due_on(limits()[rule], start) == end


def test_the_table_above_has_every_limit_of_the_file() -> None:
    marks = test_every_limit_of_the_law.pytestmark
    assert {row[0] for mark in marks for row in mark.args[1]} == set(limits())


def test_a_yearly_report_is_due_in_the_year_after_it() -> None:
    rule = limits()["yearly_report_department"]
    assert due_on(rule, date(2026, 1, 30)) == date(2026, 1, 31)
    assert due_on(rule, date(2026, 1, 31)) == date(2027, 1, 31)


def test_a_limit_in_working_days_is_not_computed_into_an_unknown_year() -> None:
    with pytest.raises(UnknownYear):
        due_on(limits()["disclosure"], date(2026, 12, 15))


def test_a_moment_is_no_day() -> None:
    with pytest.raises(ValueError, match="Asia/Shanghai"):
        due_on(limits()["disclosure"], datetime(2025, 9, 25, 23, 0))
