"""Dates and periods as printed; what is impossible or ambiguous is refused."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckanext.gkopen.dates import parse_date, parse_datetime, parse_month, parse_period, parse_year, period_code


@pytest.mark.parametrize(("text", "day"), [
    ("2018年11月20日", date(2018, 11, 20)), ("20240601", date(2024, 6, 1)), ("2016-6-16", date(2016, 6, 16)),
    ("2024/05/13", date(2024, 5, 13)), ("2024.5.13", date(2024, 5, 13)), ("２０２４年５月１３日", date(2024, 5, 13)),
    ("二〇二四年十二月三十一日", date(2024, 12, 31)), ("2024年5月13日（星期一）", date(2024, 5, 13)),
    ("2026-03-17 00:32:09", date(2026, 3, 17)), ("2024年2月29日", date(2024, 2, 29)),
])
def test_days(text, day):
    assert parse_date(text) == day


@pytest.mark.parametrize("text", ["2023年2月29日", "2024-13-01", "01/02/2024", "24-5-13", "2024年5月", "近日", "45000",
                                  "",                                  "20xx年5月1日", "2024-05-13至2024-05-15",
                                  "零" * 2_000_000, "2024-05-13" + " " * 2_000_000 + "x"])
def test_no_certain_day(text):
    assert parse_date(text) is None
    assert parse_datetime(text) is None


@pytest.mark.parametrize(("text", "moment"), [
    ("2025年06月13日 18时00分", datetime(2025, 6, 13, 18)), ("2026-01-30 09:13:54", datetime(2026, 1, 30, 9, 13, 54)),
    ("2026-03-17 00:32", datetime(2026, 3, 17, 0, 32)), ("2024-01-01T00:00:00Z", datetime(2024, 1, 1, 8)),
    ("2024-01-01T00:00:00+08:00", datetime(2024, 1, 1)), ("2024年5月13日下午2时30分", datetime(2024, 5, 13, 14, 30)),
    ("20240513093000", datetime(2024, 5, 13, 9, 30)), ("2024年5月13日24:00", datetime(2024, 5, 14)),
    ("2024年5月13日中午1点", datetime(2024, 5, 13, 13)), ("2024年5月13日中午12点", datetime(2024, 5, 13, 12)),
    ("2024年5月13日晚上8点", datetime(2024, 5, 13, 20)), ("2024年5月13日中午11:30", datetime(2024, 5, 13, 11, 30)),
    ("2024-05-13 09:00:00+08", datetime(2024, 5, 13, 9)), ("2024-05-13 01:00:00.123456+00", datetime(2024, 5, 13, 9)),
])
def test_moments(text, moment):
    assert parse_datetime(text) == moment


@pytest.mark.parametrize("text", ["2024-05-13 25:00", "2024-05-13 09:61", "五、公告期限：年 月 日 时至",
                                  "2024-05-13 24:30", "2024年5月13日晚上12点", "2024年5月13日上午12:00",
                                  "2024-05-13 09:00+25:00", "2024-05-13 09:00+08:99", "2024-05-13 09:00-24:00",
                                  "2024-05-13 9:00-17", "2024-05-13 09:00:00-25"])
def test_no_certain_moment(text):
    assert parse_datetime(text) is None


@pytest.mark.parametrize(("text", "year", "code"), [
    ("2024-11", None, "2024-11"), ("2024年1-2月", None, "2024-01/2024-02"), ("二〇二四年二月", None, "2024-02"),
    ("2025-Q1", None, "2025-Q1"), ("2024年第一季度", None, "2024-Q1"), ("一季度", 2022, "2022-Q1"),
    ("1-7月", 2022, "2022-01/2022-07"), ("全年", 2019, "2019"), ("上半年", 2024, "2024-H1"), ("2024", None, "2024"),
    ("2024年度", None, "2024"), ("二○一○年", None, "2010"), ("2024-W28 (2024-07-08/2024-07-14)", None, "2024-W28"),
    ("2023-01/2023-09", None, "2023-01/2023-09"), ("2021年1-9月", None, "2021-01/2021-09"), ("2月", 2024, "2024-02"),
    ("2024-05-01至2024-05-31", None, "2024-05"),
    ("2025年06月13日 18时00分至2025年06月16日 18时00分", None, "2025-06-13/2025-06-16"),
])
def test_periods(text, year, code):
    assert period_code(text, year) == code
    assert period_code(code) == code


@pytest.mark.parametrize(("text", "year"), [("2017-03(标题作二月)", None), ("1-7月", None), ("一季度", None),
                                            ("(年份未载)-05", None), ("2024年一季度", 2023), ("9-3月", 2024),
                                            ("去年", 2024)])
def test_no_certain_period(text, year):
    assert parse_period(text, year) is None


def test_year_and_month():
    assert parse_year("2024年度") == 2024
    assert parse_year("20xx") is None
    assert parse_month("202405") == "2024-05"
    assert parse_month("2024年13月") is None


@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)))
def test_every_day_in_every_form(day):
    for form in ("{0.year}年{0.month}月{0.day}日", "{0:%Y-%m-%d}", "{0:%Y%m%d}", "{0.year}/{0.month}/{0.day}"):
        assert parse_date(form.format(day)) == day
