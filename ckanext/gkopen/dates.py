"""Dates, times and periods as they are printed: 2018年11月20日, 2024年1-2月, 二〇二四年二月, 2025-Q1, 一季度.

A text that names no day of the calendar, or could name two, gives None: the caller reports it. Times are wall-clock
times of Asia/Shanghai; an offset in the text is converted. Nothing is taken from the day on which the program runs.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

from .labels import narrow

SHANGHAI = timezone(timedelta(hours=8))
FIRST_YEAR, LAST_YEAR = 1900, 2199
LONGEST = 500
"""Characters of a text that may name a day or a period: what the patterns cost grows with the square of them."""

_CHINESE = str.maketrans("〇○零一二三四五六七八九", "000123456789")
_ASIDE = re.compile(r"\s*\(?(?:星期|周)[一二三四五六日天]\)?|\s*整?\s*\(?北京时间\)?\s*[,:]?|\s*整$")
_DAY = re.compile(r"^(\d{4})\s*(?:年|[-/.])\s*(\d{1,2})\s*(?:月|[-/.])\s*(\d{1,2})\s*[日号]?$")
_COMPACT = re.compile(r"^(\d{4})(\d{2})(\d{2})$")
_TIME = re.compile(
    r"^(?P<day>.+?\d[日号]?)[\sT,]*(?P<half>上午|下午|中午|早上|晚上|am|pm)?\s*"
    r"(?P<h>\d{1,2})\s*(?::|时|点)\s*(?:(?P<m>\d{1,2})\s*(?:[:分])?\s*(?:(?P<s>\d{1,2})(?:\.(?P<f>\d+))?\s*秒?)?)?\s*"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?$", re.I)
_POSTGRESQL = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d")
"""A timestamptz as PostgreSQL prints it: the zone's hours alone, which elsewhere may be the end of a span (9:00-17)."""
_MONTH = re.compile(r"^(\d{4})\s*(?:年|[-/.])\s*(\d{1,2})\s*月?份?$")
_COMPACT_MONTH = re.compile(r"^((?:19|20|21)\d{2})(0[1-9]|1[0-2])$")
_YEAR = re.compile(r"^(\d{4})\s*(?:年度?)?(?:全年)?$")
_MONTHS = re.compile(r"^(?:(\d{4})\s*年?[-/.\s]*)?(\d{1,2})\s*(?:月份?)?\s*[-~—–至到]\s*(\d{1,2})\s*月份?$")
_QUARTER = re.compile(r"^(?:(\d{4})\s*年?[-/.\s]*)?(?:q([1-4])|第?\s*([1-4一二三四])\s*季度?)$", re.I)
_HALF = re.compile(r"^(?:(\d{4})\s*年?[-/.\s]*)?(上半年|下半年|前三季度|[1一][-~—–至到][3三]季度|全年|h1|h2)$", re.I)
_MONTH_ONLY = re.compile(r"^(\d{1,2})\s*月份?$")
_SPAN = re.compile(r"^(?P<a>\d{4}.+?)\s*(?:至|到|~|—|--|/)\s*(?P<b>\d{4}.+)$")
_DAYS = re.compile(r"^((\d{4})\s*[年/.-]\s*(\d{1,2})\s*[月/.-]\s*\d{1,2})\s*日?\s*[-~—–至到]+\s*"
                   r"(?:(\d{1,2})\s*[月/.-]\s*)?(\d{1,2})\s*[日号]?$")
_LONG_SPAN = re.compile(r"^(?P<a>\d{4}\s*年\s*\d{1,2}\s*月)\s*[-~—–]+\s*(?P<b>\d{4}\s*年\s*\d{1,2}\s*月)份?$")
_WEEK = re.compile(r"^(\d{4})-?W(\d{1,2})(?:\s*\(.*\))?$", re.I)


@dataclass(frozen=True, slots=True)
class Period:
    """First and last day, both included, and the kind: day week month quarter half year span."""

    start: date
    end: date
    kind: str


def numerals(text: str) -> str:
    """Narrow text with Chinese numerals of a date as digits: 二〇二四年十二月 → 2024年12月. 十 counts as ten.

    Nothing of a text that is too long to name one.
    """
    if len(text) > LONGEST:
        return ""
    flat = narrow(text)
    if not re.search(r"[〇○零一二三四五六七八九十]", flat):
        return flat
    flat = re.sub(r"[一二三四五六七八九]?十[一二三四五六七八九]?(?=[年月日号时分\s至到-]|$)", _tens, flat)
    return re.sub(r"[〇○零一二三四五六七八九]+(?=[年月日号时分])", lambda m: m.group().translate(_CHINESE), flat)


def _tens(match: re.Match[str]) -> str:
    left, _, right = match.group().partition("十")
    return str(int((left or "一").translate(_CHINESE)) * 10 + int((right or "零").translate(_CHINESE)))


def _date(year: int, month: int, day: int) -> date | None:
    if not FIRST_YEAR <= year <= LAST_YEAR or not 1 <= month <= 12 or not 1 <= day <= monthrange(year, month)[1]:
        return None
    return date(year, month, day)


def parse_date(text: str) -> date | None:
    """A day; a time of day behind it is left out."""
    flat = _ASIDE.sub("", numerals(text))
    match = _DAY.match(flat) or _COMPACT.match(flat)
    if match:
        return _date(*map(int, match.groups()))
    moment = parse_datetime(text)
    return moment.date() if moment is not None else None


def parse_datetime(text: str) -> datetime | None:
    """Wall-clock time in Asia/Shanghai, without tzinfo. A bare date is its midnight."""
    flat = _ASIDE.sub("", numerals(text))
    match = _DAY.match(flat) or _COMPACT.match(flat)
    if match:
        day = _date(*map(int, match.groups()))
        return datetime(day.year, day.month, day.day) if day else None
    if re.fullmatch(r"1\d{12}", flat):  # milliseconds since 1970, as gateways give them
        return (datetime(1970, 1, 1) + timedelta(milliseconds=int(flat), hours=8)).replace(microsecond=0)
    if re.fullmatch(r"\d{14}", flat):
        flat = f"{flat[:8]} {flat[8:10]}:{flat[10:12]}:{flat[12:]}"
    if _POSTGRESQL.fullmatch(flat):
        flat += ":00"
    match = _TIME.match(flat)
    if match is None:
        return None
    head = _DAY.match(match["day"].strip()) or _COMPACT.match(match["day"].strip())
    day = _date(*map(int, head.groups())) if head else None
    if day is None:
        return None
    hour, minute, second = int(match["h"]), int(match["m"] or 0), int(match["s"] or 0)
    half = (match["half"] or "").lower()
    if hour == 12 and half not in ("", "下午", "中午", "pm"):
        return None                                       # 晚上12点, 上午12点: noon or midnight
    if (half in ("下午", "晚上", "pm") and hour < 12) or (half == "中午" and hour < 3):
        hour += 12
    if minute > 59 or second > 59 or (hour > 23 and (hour, minute, second) != (24, 0, 0)):
        return None
    moment = datetime(day.year, day.month, day.day) + timedelta(hours=hour, minutes=minute, seconds=second)
    return _in_shanghai(moment, match["zone"]) if match["zone"] else moment


def _in_shanghai(moment: datetime, zone: str) -> datetime | None:
    try:
        offset = UTC if zone in "Zz" else datetime.strptime(zone, "%z").tzinfo
    except ValueError:                                    # +25:00, +08:99
        return None
    return moment.replace(tzinfo=offset).astimezone(SHANGHAI).replace(tzinfo=None)


def excel_day(text: str) -> datetime | None:
    """The day of a number of five digits as Excel counts days, from 2000 to 2049; with its time behind a point."""
    match = re.fullmatch(r"([345]\d{4})(\.\d{1,10})?", text)
    if match is None or not 36526 <= int(match[1]) <= 54788:
        return None
    seconds = round(float(match[2] or 0) * 86400)
    return datetime(1899, 12, 30) + timedelta(days=int(match[1]), seconds=seconds)


def parse_year(text: str) -> int | None:
    match = _YEAR.match(numerals(text))
    return int(match.group(1)) if match and FIRST_YEAR <= int(match.group(1)) <= LAST_YEAR else None


def parse_month(text: str) -> str | None:
    """`2024-05` of 2024年5月, 2024-05, 202405, 2024/5; None for anything that is not one month."""
    flat = numerals(text)
    match = _MONTH.match(flat) or _COMPACT_MONTH.match(flat)
    if match and FIRST_YEAR <= int(match.group(1)) <= LAST_YEAR and 1 <= int(match.group(2)) <= 12:
        return f"{match.group(1)}-{int(match.group(2)):02d}"
    return None


def parse_period(text: str, year: int | None = None) -> Period | None:
    """A span of days. `year`: what another column states, for texts without one (一季度, 1-7月, 全年).

    `1-2月` is January to February, `2024-Q1` a quarter, `2024-01/2024-09` and `2024年1月至9月` spans. A text that
    contradicts `year`, or carries a remark such as 2017-03(标题作二月), is None.
    """
    flat = numerals(text)
    for pattern, build in ((_QUARTER, _quarter), (_HALF, _half), (_MONTHS, _months)):
        match = pattern.match(flat)
        if match:
            own = int(match.group(1)) if match.group(1) else None
            if own is not None and year is not None and own != year:
                return None
            which = own or year
            return build(match, which) if which and FIRST_YEAR <= which <= LAST_YEAR else None
    match = _MONTH_ONLY.match(flat)
    if match:
        return _between(year, int(match.group(1)), int(match.group(1)), "month") if year else None
    match = _WEEK.match(flat)
    if match:
        try:
            start = date.fromisocalendar(int(match.group(1)), int(match.group(2)), 1)
        except ValueError:
            return None
        return Period(start, start + timedelta(days=6), "week")
    return _calendar_period(text, flat)


def _calendar_period(text: str, flat: str) -> Period | None:
    year = parse_year(flat)
    if year:
        return Period(date(year, 1, 1), date(year, 12, 31), "year")
    month = parse_month(flat)
    if month:
        return _between(int(month[:4]), int(month[5:]), int(month[5:]), "month")
    day = parse_date(text)
    if day:
        return Period(day, day, "day")
    match = re.match(r"^(\d{4}\s*年\s*\d{1,2}\s*月)\s*(?:至|到|-)\s*(\d{1,2}\s*月)$", flat)
    span = (match.group(1), flat[:5] + match.group(2)) if match else None
    if span is None:
        days = _DAYS.match(flat)
        if days:
            flat = f"{days[1]}至{days[2]}-{days[4] or days[3]}-{days[5]}"
        match = _LONG_SPAN.match(flat) or _SPAN.match(flat)
        span = (match["a"], match["b"]) if match else None
    if span is None:
        return None
    first, last = _edge(span[0]), _edge(span[1])
    if first is None or last is None or first.start > last.end:
        return None
    return _whole(first.start, last.end)


def _whole(start: date, end: date) -> Period:
    """A span under the name of the calendar period that it fills: 2024-05-01/2024-05-31 is a month."""
    length = (end.year - start.year) * 12 + end.month - start.month + 1
    if start.day == 1 and end.day == monthrange(end.year, end.month)[1] and start.year == end.year:
        kind = {1: "month", 3: "quarter", 6: "half", 12: "year"}.get(length)
        if kind and (start.month - 1) % length == 0:
            return Period(start, end, kind)
    if start.weekday() == 0 and end - start == timedelta(days=6):
        return Period(start, end, "week")
    return Period(start, end, "day" if start == end else "span")


def _edge(text: str) -> Period | None:
    moment = parse_datetime(text)
    if moment:
        return Period(moment.date(), moment.date(), "day")
    month = parse_month(text)
    if month:
        return _between(int(month[:4]), int(month[5:]), int(month[5:]), "month")
    return None


def _between(year: int, first: int, last: int, kind: str) -> Period | None:
    if not 1 <= first <= last <= 12:
        return None
    return Period(date(year, first, 1), date(year, last, monthrange(year, last)[1]), kind)


def _quarter(match: re.Match[str], year: int) -> Period | None:
    which = match.group(2) or match.group(3)
    number = int(which.translate(_CHINESE))
    return _between(year, number * 3 - 2, number * 3, "quarter")


def _half(match: re.Match[str], year: int) -> Period | None:
    first, last, kind = {"上半年": (1, 6, "half"), "h1": (1, 6, "half"), "下半年": (7, 12, "half"),
                         "h2": (7, 12, "half"), "前三季度": (1, 9, "span"),
                         "全年": (1, 12, "year")}.get(match.group(2).lower(), (1, 9, "span"))
    return _between(year, first, last, kind)


def _months(match: re.Match[str], year: int) -> Period | None:
    first, last = int(match.group(2)), int(match.group(3))
    return _between(year, first, last, "month" if first == last else "span") if last != first or year else None


def period_code(text: str, year: int | None = None) -> str | None:
    """As it is published: 2024, 2024-H1, 2024-Q1, 2024-05, 2024-W28, 2024-01/2024-02, 2024-07-08/2024-07-14."""
    found = parse_period(text, year)
    return code_of(found) if found is not None else None


def code_of(period: Period) -> str:
    start, end = period.start, period.end
    if period.kind == "week":
        iso = start.isocalendar()
        return f"{iso.year}-W{iso.week:02d}"
    code = {
        "year": f"{start.year}",
        "half": f"{start.year}-H{1 if start.month == 1 else 2}",
        "quarter": f"{start.year}-Q{(start.month + 2) // 3}",
        "month": f"{start:%Y-%m}",
        "day": f"{start:%Y-%m-%d}",
    }.get(period.kind)
    if code is None:
        whole = start.day == 1 and end.day == monthrange(end.year, end.month)[1]
        code = f"{start:%Y-%m}/{end:%Y-%m}" if whole else f"{start:%Y-%m-%d}/{end:%Y-%m-%d}"
    return code


def last_day(start: date, kind: str) -> date:
    """The last day of the month, quarter, year or week that begins on `start`."""
    if kind == "week":
        return start + timedelta(days=6)
    month = start.month + {"month": 0, "quarter": 2, "year": 11}[kind]
    return date(start.year, month, monthrange(start.year, month)[1])
