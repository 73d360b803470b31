"""Text columns → the types of a domain's fields. A function: text array → values, and which rows are not of the type.

A value that is not of its type is never repaired: it stays in the quarantined row, as printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen import dates, money
from ckanext.gkopen.domains import Field
from ckanext.gkopen.labels import narrow
from ckanext.gkopen.normalise.amounts import DECIMAL, shifted
from ckanext.gkopen.normalise.cells import as_mask, by_distinct, empty, nulled

Result = tuple[pa.Array, np.ndarray]
"""Typed values (null where empty or wrong), and the mask of rows that hold a text which is not of the type."""

_TRUE = frozenset(["1", "是", "有", "对", "真", "true", "t", "yes", "y", "√", "✓", "✔"])
_FALSE = frozenset(["0", "否", "无", "没有", "错", "假", "false", "f", "no", "n", "×", "✗", "✘"])
_DAY = r"^(?:19|2[01])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_ISO_DATE = _DAY + "$"
_ISO_TIME = _DAY + r"[ T]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"
"""With the years that `dates` reads: a column of such cells alone is read as one where others stand among them."""
_REMARK = re.compile(r"\s*[(\[【][^()\[\]【】]*[)\]】]$")  # 更正公告（第二次）, 预算（草案）
_BETWEEN = re.compile(r"\s*[;,、/|+和及]\s*")
_NUMBER = re.compile(r"^[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?$")


def strings(field: Field, text: pa.Array) -> Result:
    return nulled(text), np.zeros(len(text), bool)


def items(field: Field, text: pa.Array) -> Result:
    """A list: items between ；;| or line ends, published with ； between them."""
    split = re.compile(r"\s*[;；|\n]\s*")

    def joined(cell: str) -> str | None:
        return "；".join(item for item in split.split(cell) if item) or None

    if not as_mask(pc.match_substring_regex(text, r"[;；|\n]")).any():
        return strings(field, text)
    return by_distinct(text, joined, pa.string()), np.zeros(len(text), bool)


def codes(field: Field, text: pa.Array) -> Result:
    assert field.codes is not None
    find = field.codes.find

    several = next((code.code for code in field.codes.codes if code.extra.get("several") == "yes"), None)

    def code(label: str) -> str | None:
        found = (find(label) or find(_REMARK.sub("", narrow(label)))) if label else None
        if found is None and several is not None:  # 罚款;没收违法所得
            parts = {found.code if (found := find(part)) else None for part in _BETWEEN.split(narrow(label)) if part}
            return several if len(parts) > 1 and None not in parts else None
        return found.code if found else None

    return _wrong_where_null(text, by_distinct(text, code, pa.string()))


def integers(field: Field, text: pa.Array) -> Result:
    plain = as_mask(pc.match_substring_regex(text, r"^-?[0-9]{1,18}$"))
    if plain.all():
        return text.cast(pa.int64()), np.zeros(len(text), bool)
    unit = narrow(field.unit or "")

    def integer(cell: str) -> int | None:
        number = _figure(cell, unit)
        whole = number is not None and number == number.to_integral_value() and abs(number) < 2**63
        return int(number) if whole and number is not None else None

    return _wrong_where_null(text, by_distinct(text, integer, pa.int64()))


def decimals(field: Field, text: pa.Array) -> Result:
    quick = _plain_decimals(text)
    if quick is not None:
        return quick, np.zeros(len(text), bool)
    unit = narrow(field.unit or "")
    return _wrong_where_null(text, by_distinct(text, lambda cell: _fits(_figure(cell, unit)), DECIMAL))


def percents(field: Field, text: pa.Array) -> Result:
    """63.72% and, in a column of percents, 63.72 are 63.72; 5‰ is 0.5. Bounds (80%以上) are not figures."""
    quick = _plain_decimals(text)
    if quick is not None:
        return quick, np.zeros(len(text), bool)

    def percent(cell: str) -> Decimal | None:
        flat = narrow(cell).replace("％", "%").replace(" ", "")
        number = _figure(flat.rstrip("%‰"), "")
        if number is None or flat.count("%") + flat.count("‰") > 1:
            return None
        return _fits(number.scaleb(-1) if flat.endswith("‰") else number)

    return _wrong_where_null(text, by_distinct(text, percent, DECIMAL))


def booleans(field: Field, text: pa.Array) -> Result:
    def boolean(cell: str) -> bool | None:
        word = narrow(cell).casefold()
        return True if word in _TRUE else False if word in _FALSE else None

    return _wrong_where_null(text, by_distinct(text, boolean, pa.bool_()))


def days(field: Field, text: pa.Array) -> Result:
    if as_mask(pc.match_substring_regex(text, _ISO_DATE)).all():
        try:
            return text.cast(pa.date32()), np.zeros(len(text), bool)
        except pa.ArrowInvalid:
            pass  # a 30th of February among them: each by itself says which
    return _wrong_where_null(text, by_distinct(text, dates.parse_date, pa.date32()))


def moments(field: Field, text: pa.Array) -> Result:
    if as_mask(pc.match_substring_regex(text, _ISO_TIME)).all():
        try:
            return text.cast(pa.timestamp("s")), np.zeros(len(text), bool)
        except pa.ArrowInvalid:
            pass
    return _wrong_where_null(text, by_distinct(text, dates.parse_datetime, pa.timestamp("s")))


def years(field: Field, text: pa.Array) -> Result:
    return _wrong_where_null(text, by_distinct(text, dates.parse_year, pa.int64()))


def months(field: Field, text: pa.Array) -> Result:
    return _wrong_where_null(text, by_distinct(text, dates.parse_month, pa.string()))


def periods(field: Field, text: pa.Array, years_beside: pa.Array | None = None) -> Result:
    """`years_beside`: typed years of the same rows, for 一季度, 1-7月, 全年."""
    if years_beside is None:
        return _wrong_where_null(text, by_distinct(text, dates.period_code, pa.string()))
    joined = pc.binary_join_element_wise(pc.fill_null(years_beside.cast(pa.string()), ""), text, "|")

    def code(cell: str) -> str | None:
        year, _, period = cell.partition("|")
        return dates.period_code(period, int(year) if year else None)

    return _wrong_where_null(text, by_distinct(joined, code, pa.string()))


def usccs(field: Field, text: pa.Array) -> Result:
    """18 signs of a unified social credit code, capitals. The check digit is judged by `checks.fields`."""
    upper = text
    if not as_mask(pc.match_substring_regex(text, r"^[0-9A-Z]{18}$")).all():
        upper = by_distinct(text, lambda cell: narrow(cell).replace(" ", "").upper() or None, pa.string())
    good = as_mask(pc.match_substring_regex(upper, r"^[0-9A-HJ-NP-RT-UW-Y]{18}$"))
    return pc.if_else(pa.array(good), upper, pa.scalar(None, pa.string())), ~good & ~empty(text)


READERS: dict[str, Callable[[Field, pa.Array], Result]] = {
    "string": strings, "text": strings, "url": strings, "list": items, "code": codes, "uscc": usccs,
    "integer": integers, "decimal": decimals, "percent": percents, "boolean": booleans,
    "date": days, "datetime": moments, "year": years, "month": months, "period": periods,
}
"""Type of a field → its reader. Money has its own: it needs the unit (`amounts.amounts`)."""


def _wrong_where_null(text: pa.Array, values: pa.Array) -> Result:
    if not values.null_count:
        return values, np.zeros(len(text), bool)
    return values, as_mask(pc.is_null(values)) & ~empty(text)


def _plain_decimals(text: pa.Array) -> pa.Array | None:
    if not as_mask(pc.match_substring_regex(text, r"^-?[0-9]{1,20}(\.[0-9]{1,8})?$")).all():
        return None
    return shifted(text, 0)


def _figure(cell: str, unit: str) -> Decimal | None:
    """A figure with or without its own unit behind it; thousands separators only where they belong."""
    flat = narrow(cell).replace("−", "-")
    if unit and flat.endswith(unit):
        flat = flat[: -len(unit)].strip()
    if not _NUMBER.match(flat):
        return None
    try:
        return Decimal(flat.replace(",", ""))
    except InvalidOperation:
        return None


def too_precise(text: pa.Array, unit: str) -> np.ndarray:
    """The cells that are figures, with more digits than can be kept."""
    return by_distinct(text, lambda cell: (number := _figure(cell.rstrip("%％‰"), unit)) is not None
                       and _fits(number) is None, pa.bool_()).fill_null(False).to_numpy(zero_copy_only=False)


def _fits(number: Decimal | None) -> Decimal | None:
    """A database pads a figure with as many noughts as its column has places: they say nothing."""
    if number is None or number.copy_abs() >= Decimal(10) ** money.INTEGER_DIGITS:
        return None
    kept = number.quantize(Decimal(1).scaleb(-money.SCALE), ROUND_DOWN)       # up, it may be one digit longer
    return kept if kept == number else None
