"""What a table says above its header and in no column: 二〇二四年二月财政收入执行情况表, 部门：江海市财政局."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.checks.personal import PERSON_NAME, judge
from ckanext.gkopen.dates import numerals
from ckanext.gkopen.domains import Domain, Field
from ckanext.gkopen.labels import fold, is_unit, narrow
from ckanext.gkopen.normalise.cells import by_distinct
from ckanext.gkopen.normalise.derived import sources
from ckanext.gkopen.records import Finding, Options

if TYPE_CHECKING:
    from ckanext.gkopen.normalise.opened import Opened
    from ckanext.gkopen.normalise.rows import Rows

_YEAR = re.compile(r"(?<!\d)((?:19|20|21)\d{2})\s*年")
_PERIOD = re.compile(r"(?<!\d)(?:19|20|21)\d{2}\s*年度?\s*((?:\d{1,2}\s*[-—–~至到]\s*)?\d{1,2}\s*月|"
                     r"第?[1-4一二三四]\s*季度|[上下]半年|前三季度)")
_NO_TITLE = re.compile(r"\d\s*日|日期|时间|制表|填报|打印")
_NO_YEAR = r"^\s*(?:\d{1,2}\s*月份?|第?[1-4一二三四]\s*季度|[上下]半年)\s*$"
_LABELLED = re.compile(r"(?:^|\s)([^\s:]{2,12}):\s*([^\s:]+)")
_CUMULATIVE, _OF_MONTH, _SO_FAR = "累计|累积", "当月|本月", "累计|累积|完成|执行"


def _titles(file: Opened) -> list[str]:
    titles = [numerals(item.text) for item in file.beside if item.place == "title"]
    return [text for text in titles if not _NO_TITLE.search(text)]


def year_of_title(file: Opened) -> str | None:
    """The one year that the lines above a table name."""
    years = {year for text in _titles(file) for year in _YEAR.findall(text)}
    return years.pop() if len(years) == 1 else None


def from_title(domain: Domain, rows: Rows, options: Options) -> None:
    """Fills a year and a period that no column and no constant gives, where the lines above name exactly one."""
    titles = _titles(rows.files[0])
    periods = {re.sub(r"\s", "", span) for text in titles for span in _PERIOD.findall(text)}
    year = year_of_title(rows.files[0])
    _from_lines(domain, rows)
    if year is None:
        return
    span = periods.pop() if len(periods) == 1 else None
    for field in domain.fields:
        if field.type in ("period", "month") and field.name in rows.text:
            _year_of_months(rows, field, year)
        turned = rows.long is not None and field.name in rows.long.columns
        if field.name in rows.text and not (turned and field.codes):
            continue
        if any(name in rows.text for name in _made_of(domain, field)):
            continue
        if field.type == "year" and field.required:
            _fill(rows, field, pa.repeat(pa.scalar(year), len(rows.take)), year)
        elif field.type in ("period", "month") and field.required and span:
            _fill(rows, field, pa.repeat(pa.scalar(f"{year}年{span}"), len(rows.take)), f"{year}年{span}")
        elif field.codes and any("months" in code.extra for code in field.codes.codes) and span:
            _period_of_columns(rows, field, span)


def _from_lines(domain: Domain, rows: Rows) -> None:
    """Body, phase and name of the table, where exactly one is named."""
    lines = [item.text for item in rows.files[0].beside if item.place == "title" and not judge(item.text)]
    for field in domain.fields:
        if field.codes is not None:
            _code_of_title(rows, field)
        elif field.type == "string" and field.name not in rows.text:
            found: set[str] = set()
            if field.required and field.derived is None:  # 部门：江海市财政局, but not 单位：万元
                labels = {fold(label) for label in field.labels}
                found |= {value for text in lines for label, value in _LABELLED.findall(narrow(text))
                          if fold(label) in labels and not is_unit(value)}
            if field.privacy == "organisation":
                found = {value for value in found
                         if not pc.match_substring_regex(pa.array([value]), PERSON_NAME)[0].as_py()}
            if field.above is not None:
                found |= {text for text in lines if re.search(field.above, text)}
            if len(found) == 1:
                value = found.pop()
                _fill(rows, field, pa.repeat(pa.scalar(value), len(rows.take)), value)


def _code_of_title(rows: Rows, field: Field) -> None:
    """A title that has the words of one code (`in_title` of its list), for the rows that say nothing of it."""
    assert field.codes is not None
    said = {code.code: code.extra["in_title"] for code in field.codes.codes if code.extra.get("in_title")}
    if not said or field.name in rows.text:
        return
    titles = _titles(rows.files[0])
    found = {code for code, words in said.items() if any(re.search(words, text) for text in titles)}
    if len(found) != 1:
        return
    code = found.pop()
    text = pa.repeat(pa.scalar(code), len(rows.take))
    for name in reversed(sources(field) if field.derived else []):
        if name in rows.text:
            own = by_distinct(rows.text[name], lambda cell: (field.codes and field.codes.find(cell)) is not None,
                              pa.bool_())
            text = pc.if_else(own, "", text)
    title = field.codes.get(code)
    if pc.any(pc.not_equal(text, "")).as_py():
        _fill(rows, field, text, title.title.zh if title else code)


def _year_of_months(rows: Rows, field: Field, year: str) -> None:
    """`1月` in a table whose title names the year."""
    cells = rows.text[field.name]
    bare = pc.match_substring_regex(cells, _NO_YEAR)
    if pc.any(bare).as_py():
        rows.text[field.name] = pc.if_else(bare, pc.binary_join_element_wise(year, "年", cells, ""), cells)
        _tell(rows, field, year)


def _made_of(domain: Domain, field: Field) -> list[str]:
    if not field.derived or field.codes:
        return []
    return [name for name in sources(field) if name in domain.field_names]


def _period_of_columns(rows: Rows, field: Field, span: str) -> None:
    """The title names the month, the column's label whether its figures are of that month or add up since January."""
    if rows.long is None:
        return
    labels = rows.long.cells
    one_month = re.fullmatch(r"(\d{1,2})月", span)
    if one_month is None:
        text = pc.if_else(pc.match_substring_regex(labels, _SO_FAR), span, "")
    else:
        since = span if one_month[1].lstrip("0") == "1" else f"1-{int(one_month[1])}月"
        text = pc.if_else(pc.match_substring_regex(labels, _OF_MONTH), f"{int(one_month[1])}月",
                          pc.if_else(pc.match_substring_regex(labels, _CUMULATIVE), since, ""))
    taken = [value for value in pc.unique(text).to_pylist() if value]
    if taken:
        _fill(rows, field, text, "、".join(taken))


def _fill(rows: Rows, field: Field, text: pa.Array, taken: str) -> None:
    """Where the headings of some columns say it themselves, for the others."""
    stated = rows.text.get(field.name)
    rows.text[field.name] = text if stated is None else pc.if_else(pc.equal(stated, ""), text, stated)
    _tell(rows, field, taken)


def _tell(rows: Rows, field: Field, taken: str) -> None:
    title = {"zh": field.title.zh, "en": field.title.en}
    for file in rows.files:
        file.findings.append(Finding("taken-from-title", severity_of("taken-from-title"), field=field.name,
                                     label=field.title.zh, params={"title": title, "taken": taken}))
