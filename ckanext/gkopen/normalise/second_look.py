"""A second look at cells that are not of their column's type as they stand: a remark behind a period, months of a year,
a day as Excel counts it, a count in 万, a sign that says nothing is stated."""

from __future__ import annotations

import re
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen import dates
from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.dates import parse_period
from ckanext.gkopen.domains import Field
from ckanext.gkopen.labels import narrow
from ckanext.gkopen.normalise import typed
from ckanext.gkopen.normalise.cells import as_mask, by_distinct, empty, has_text, may_begin
from ckanext.gkopen.normalise.derived import Made

NOT_STATED = re.compile(r"^(?:[-—–/\\*.]+|无|暂无|未提供|未公布|不详|未知|待定|n/?a|null|none|nan|nil|"
                         r"单位?不?需填列|单位不需填列)$", re.I)
NOT_STATED_BEGINS = r"-—–/\*.无暂未不待nN单"
_OWN_UNIT = r"^\s*[0-9０-９][0-9０-９,，.]*\s*[万亿]?(?:件次|件|个|人次|次|人|批次|批|宗|户|项)\s*$"
"""A count with its unit."""
_SINCE = re.compile(r"累计(?:数)?$")
_BRACKETS = re.compile(r"[()\[\]【】〔〕]")
_REMARK = re.compile(r"^(?P<period>.*\S)\s*[(\[【〔](?P<remark>[^()\[\]【】〔〕]*)[)\]】〕]$")
_MANY = re.compile(r"(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(万|亿)")


def bare_figures(field: Field, made: Made) -> pa.Array:
    """`98.5%` beside the unit % is the figure 98.5, `1.2万件` beside 件 is 12000. Beside no unit 98.5% and 3211件 say
    their own: the row's unit becomes % or 件."""
    text = _without_own_unit(field, made)
    if field.unit_from in made.text and (has_text(text, "万") or has_text(text, "亿")):
        beside = pc.binary_join_element_wise(text, made.text[field.unit_from], "|")
        text = pc.coalesce(by_distinct(beside, _counted, pa.string()), text)
    if not has_text(text, "%") and not has_text(text, "％"):
        return text
    assert field.unit_from is not None
    stated = made.text.get(field.unit_from, pa.repeat(pa.scalar("", pa.string()), len(text)))
    units = by_distinct(stated, narrow, pa.string())
    bare = by_distinct(text, lambda cell: narrow(cell).removesuffix("%").strip(), pa.string())
    percent = as_mask(pc.ends_with(by_distinct(text, narrow, pa.string()), "%"))
    silent = percent & empty(units)
    if silent.any():
        made.text[field.unit_from] = pc.if_else(pa.array(silent), "%", stated)
    return pc.if_else(pa.array(percent & (silent | as_mask(pc.equal(units, "%")))), bare, text)


def _without_own_unit(field: Field, made: Made) -> pa.Array:
    text = made.text[field.name]
    own = as_mask(pc.match_substring_regex(text, _OWN_UNIT))
    if not own.any() or field.unit_from is None:
        return text
    stated = made.text.get(field.unit_from, pa.repeat(pa.scalar("", pa.string()), len(text)))
    units = by_distinct(text, lambda cell: re.sub(r"^[\d,.万亿\s]+", "", narrow(cell)), pa.string())
    own &= empty(stated) | as_mask(pc.equal(by_distinct(stated, narrow, pa.string()), units))
    made.text[field.unit_from] = pc.if_else(pa.array(own & empty(stated)), units, stated)
    return pc.if_else(pa.array(own), pc.replace_substring_regex(text, r"[^0-9０-９万亿]+$", ""), text)


def _counted(cell_and_unit: str) -> str | None:
    """The figure of `1.2万` or `1.2万件` beside 件; beside 万件 the cell says something else."""
    cell, _, unit = map(narrow, cell_and_unit.rpartition("|"))
    match = _MANY.fullmatch(cell.removesuffix(unit).strip() if unit else cell)
    if match is None or unit[:1] in ("万", "亿", "%"):
        return None
    return f"{Decimal(match[1].replace(',', '')).scaleb(4 if match[2] == '万' else 8):f}"


def without_remark(field: Field, text: pa.Array, values: pa.Array, wrong: np.ndarray, year: pa.Array | None,
                    findings: Findings, labels: dict[str, str]) -> tuple[pa.Array, np.ndarray]:
    """`2017-03(标题作二月)` is March with a warning; `2021年(1-6月)` is read without its brackets."""
    rows = np.flatnonzero(wrong)
    cells = text.take(pa.array(rows))
    beside = None if year is None else year.take(pa.array(rows))
    joined = by_distinct(cells, lambda cell: _BRACKETS.sub("", narrow(cell)), pa.string())
    read = typed.periods(field, joined, beside)[0]
    bare = typed.periods(field, by_distinct(cells, _bare, pa.string()), beside)[0]
    remarked = as_mask(pc.and_(pc.is_null(read), pc.is_valid(bare)))
    findings.rows("remark-left-out", rows[remarked], field=field.name, label=labels.get(field.name), values=text)
    found = pc.coalesce(read, bare)
    place = np.full(len(text), -1, np.int64)
    place[rows] = np.arange(len(rows))
    wrong = wrong.copy()
    wrong[rows] = as_mask(pc.is_null(found))
    return pc.coalesce(values, found.take(pa.array(place, mask=place < 0))), wrong


def _bare(cell: str) -> str:
    """A period without the remark behind it, unless the remark is a period of its own."""
    match = _REMARK.match(narrow(cell))
    return match["period"] if match and parse_period(match["remark"], 2000) is None else ""


def excel_days(field: Field, text: pa.Array, values: pa.Array, wrong: np.ndarray, findings: Findings,
             labels: dict[str, str]) -> tuple[pa.Array, np.ndarray]:
    """`45418`, a day as Excel counts it, where a cell lost its format: read as Excel does, and told as a warning."""
    rows = np.flatnonzero(wrong)
    days = by_distinct(text.take(pa.array(rows)), lambda cell: dates.excel_day(narrow(cell)), values.type)
    if days.null_count == len(rows):
        return values, wrong
    read = np.zeros(len(text), bool)
    read[rows] = as_mask(pc.is_valid(days))
    findings.of_column("date-serial", read, field=field.name, label=labels.get(field.name) or field.title.zh, params={
        "first": str(next(day for day in days.to_pylist() if day is not None))})
    place = np.full(len(text), -1, np.int64)
    place[rows] = np.arange(len(rows))
    return pc.coalesce(values, days.take(pa.array(place, mask=place < 0))), wrong & ~read


def months_of_year(made: Made, field: Field, text: pa.Array, values: pa.Array,
            wrong: np.ndarray) -> tuple[pa.Array, np.ndarray]:
    """`2023年1-9月`, `1至9月`, `1-9月累计` as the code of those months; a year that the row contradicts is refused."""
    year = next((made.values[every.name] for every in made.domain.fields
                 if every.type == "year" and every.name in made.values), None)
    if year is None:
        return values, wrong
    joined = pc.binary_join_element_wise(pc.fill_null(year.cast(pa.string()), ""), text, "|")

    def code(cell: str) -> str | None:
        stated, _, span = cell.partition("|")
        period = parse_period(_SINCE.sub("", narrow(span)), int(stated)) if stated else None
        if period is None or field.codes is None or period.start.year != int(stated) or period.kind in ("day", "week"):
            return None
        first, last = period.start.month, period.end.month
        name = f"{first:02d}" if first == last else "FY" if last - first == 11 else f"{first:02d}-{last:02d}"
        return name if field.codes.get(name) else None

    found = pc.coalesce(values, by_distinct(joined, code, pa.string()))
    return found, wrong & as_mask(pc.is_null(found))


def null_where_silent(field: Field, text: pa.Array, values: pa.Array, findings: Findings,
                      labels: dict[str, str]) -> pa.Array:
    """****, / and the like say that the source does not state it: no project's number, and no supplier's name."""
    rows = may_begin(text, NOT_STATED_BEGINS)
    said = by_distinct(text.take(pa.array(rows)), lambda cell: bool(NOT_STATED.match(narrow(cell))), pa.bool_())
    if not pc.any(said).as_py():
        return values
    silent = np.zeros(len(text), bool)
    silent[rows] = as_mask(said)
    label = labels.get(field.name) or field.title.zh
    findings.of_column("not-stated", silent, field=field.name, label=label, params={})
    return pc.if_else(pa.array(silent), pa.scalar(None, pa.string()), values)
