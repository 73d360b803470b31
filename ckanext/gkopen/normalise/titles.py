"""What a table says above its header and in no column: 二〇二四年二月财政收入执行情况表, 部门：江海市财政局."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen import money
from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.checks.personal import PERSON_NAME, judge
from ckanext.gkopen.dates import numerals, period_code
from ckanext.gkopen.domains import Domain, Field
from ckanext.gkopen.labels import narrow, split_label
from ckanext.gkopen.normalise import said
from ckanext.gkopen.normalise.cells import by_distinct
from ckanext.gkopen.normalise.derived import sources
from ckanext.gkopen.normalise.raw import Apart
from ckanext.gkopen.normalise.totals import TOTAL
from ckanext.gkopen.records import Finding, Options

if TYPE_CHECKING:
    from ckanext.gkopen.normalise.opened import Opened
    from ckanext.gkopen.normalise.rows import Rows

_NO_YEAR = (r"^\s*(?:(?:\d{1,2}\s*月?\s*[-~—–至到]\s*)?\d{1,2}\s*月份?|第?[1-4一二三四]\s*季度|[上下]半年|前三季度"
            r"|全年)\s*$")
_PLACES = {"sheet": {"zh": "工作表名称", "en": "the name of the sheet"},
           "other-sheet": {"zh": "其他工作表的标题", "en": "the titles of other sheets"},
           "file": {"zh": "文件名", "en": "the name of the file"},
           "values": {"zh": "各行的内容", "en": "what its rows hold"}}
_SUM = (r"[¥￥]?\s*\d[\d,]*(?:\.\d+)?\s*[亿万]?元|"
        r"[零〇一二三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟两]+[元圆](?:[零壹贰叁肆伍陆柒捌玖一二三四五六七八九]+[角分])*整?")
_FIGURES = frozenset({"money", "decimal", "integer", "percent"})
_CUMULATIVE, _OF_MONTH, _SO_FAR = "累计|累积", "当月|本月", "累计|累积|完成|执行"


def year_of_title(file: Opened) -> tuple[str, str] | None:
    """The one year that is named nearest to a table, and where; None where several are."""
    for place, texts in said.levels(file.beside, file.around):
        years = said.years_in(texts)
        if years:
            return (years.pop(), place) if len(years) == 1 else None
    return None


def from_title(domain: Domain, rows: Rows, options: Options) -> None:
    """Fills what no column and no constant gives, where the lines above, else the sheet, the others, the file's name,
    name exactly one."""
    file = rows.files[0]
    _from_lines(domain, rows)
    _days_of_title(domain, rows)
    found = year_of_title(file)
    if found is None:
        return
    year, place = found
    texts = next(texts for own, texts in said.levels(file.beside, file.around) if own == place)
    spans = said.spans_in(texts)
    span = spans.pop() if len(spans) == 1 else None
    for field in domain.fields:
        if field.type in ("period", "month") and field.name in rows.text:
            _year_of_months(rows, field, year, place)
        turned = rows.long is not None and field.name in rows.long.columns
        if field.name in rows.text and not (turned and field.codes):
            continue
        if any(name in rows.text for name in _made_of(domain, field)):
            continue
        if field.type == "year" and field.required:
            _fill(rows, field, pa.repeat(pa.scalar(year), len(rows.take)), year, place)
        elif field.type in ("period", "month") and field.required and span and not said.names_an_end(texts):
            _fill(rows, field, pa.repeat(pa.scalar(f"{year}年{span}"), len(rows.take)), f"{year}年{span}", place)
        elif field.codes and any("months" in code.extra for code in field.codes.codes):
            if span:
                _period_of_columns(rows, field, span, place)
            elif not said.names_part_of_year([*_everything(file), *file.head.labels]):
                _whole_year(domain, rows, field, year)


def _days_of_title(domain: Domain, rows: Rows) -> None:
    """`一周运行情况（2024年5月6日-5月12日）`: the period of rows that have none of their own."""
    field = next((field for field in domain.fields if field.type == "period" and field.required), None)
    if field is None or field.name in rows.text or any(name in rows.text for name in _made_of(domain, field)):
        return
    found = {period for days in said.days_in(rows.files[0].beside) if (period := period_code(days))}
    if len(found) == 1:
        period = found.pop()
        _fill(rows, field, pa.repeat(pa.scalar(period), len(rows.take)), period)


def _everything(file: Opened) -> list[str]:
    return [text for _, texts in said.levels(file.beside, file.around) for text in texts] + [
        item.text for item in file.beside]


def _from_lines(domain: Domain, rows: Rows) -> None:
    """Body, phase and name of the table, where exactly one is named."""
    file = rows.files[0]
    lines = [item.text for item in file.beside if item.place == "title" and not judge(item.text)]
    for field in domain.fields:
        if field.name in rows.text:
            continue
        way = (field.derived or "").partition(":")[0]
        other = next((name for name in sources(field) if name in rows.text), None) if way == "column_of" else None
        if other is not None:
            rows.text[field.name] = _titled(domain.field(other), rows.text[other])
            continue
        if way == "amount_in" and _amount_in(rows, field):
            continue
        if (field.derived or "").startswith("label_of:") and _code_of_label(domain, rows, field):
            continue
        found = said.stated(domain, field, file.beside)
        if field.privacy == "organisation":
            found = {value for value in found
                     if not pc.match_substring_regex(pa.array([value]), PERSON_NAME)[0].as_py()}
        if field.above is not None:
            found |= {text for text in lines if re.search(field.above, text)}
        if len(found) == 1:
            value = found.pop()
            _fill(rows, field, pa.repeat(pa.scalar(value), len(rows.take)), value)
        elif not found and field.codes is not None:
            _code_of_title(rows, field)


def _titled(field: Field, cells: pa.Array) -> pa.Array:
    """Cells as printed; the title of a code that was put there from elsewhere."""
    return cells if field.codes is None else by_distinct(cells, lambda cell: code.title.zh if (
        code := field.codes and field.codes.get(cell)) else cell, pa.string())


def _code_of_label(domain: Domain, rows: Rows, field: Field) -> bool:
    """`诉求类型` over the names of categories tells what they are; so does `渠道` where only channels are counted."""
    first, *others = sources(field)
    if not any(each.input and each.type in _FIGURES for each in domain.fields if each.name in rows.text):
        return False  # figures under 1月, 2月 are not of this form
    if first in rows.text and field.codes and len(said.codes_in(field, said.titles(rows.files[0].beside))) == 1:
        return False  # 热点诉求 above the table says it better than 诉求分类 in it
    for name in [first] if first in rows.text else [first, *others]:
        label = rows.columns.label_of(name)
        code = field.codes.find(split_label(label).name) if label and field.codes else None
        if code is not None and name in rows.text:
            rows.text[field.name] = pa.repeat(pa.scalar(code.code, pa.string()), len(rows.take))
            rows.text.setdefault(first, rows.text[name])
            return True
    return _code_of_values(domain, rows, field, first)


def _code_of_values(domain: Domain, rows: Rows, field: Field, name: str) -> bool:
    """咨询类, 投诉类, 求决类 under 类别: the codes that a wide table has as columns stand in lines, and are what they
    are there."""
    if name in rows.text and len(rows.files) > 1:
        raise Apart(range(len(rows.files)))
    words = [word for word in pc.unique(rows.text[name]).to_pylist() if word] if name in rows.text else []
    words = [word for word in words if not re.search(TOTAL, word)]
    for shape in domain.shapes:
        if field.name in shape.constants and len(words) > 1 and all(shape.codes.find(word) for word in words):
            value = shape.constants[field.name]
            code = field.codes.get(value) if field.codes else None
            _fill(rows, field, pa.repeat(pa.scalar(value, pa.string()), len(rows.take)),
                  code.title.zh if code else value, "values")
            return True
    return False


def _code_of_title(rows: Rows, field: Field) -> None:
    """A title that has the words of one code (`in_title` of its list), for the rows that say nothing of it. What names
    another year is of another table."""
    assert field.codes is not None
    file = rows.files[0]
    year = year_of_title(file)
    found = next(((codes, place) for place, texts in said.levels(file.beside, file.around)
                  if year is None or year[0] in (said.years_in(texts) or year)
                  for codes in [said.codes_in(field, texts)] if codes), None)
    own = _named_in_rows(rows, field)
    if found is None or len(found[0]) != 1:
        return
    code, place = found[0].pop(), found[1]
    if own is None:
        own = codes_of_rows(rows, field, sources(field) if field.derived else [])
    text = pc.if_else(pc.is_null(own), code, "")
    title = field.codes.get(code)
    if pc.any(pc.not_equal(text, "")).as_py():
        _fill(rows, field, text, title.title.zh if title else code, place)


def _named_in_rows(rows: Rows, field: Field) -> pa.Array | None:
    """The code that words at the end of each row's own title name (`named_in`), which is taken; null of other rows.

    Raises Apart for several files: how many rows say it, and whether any is left for a name, is a matter of each.
    """
    way, _, name = (field.derived or "").partition(":")
    if way != "named_in" or name not in rows.text:
        return None
    if len(rows.files) > 1:
        raise Apart(range(len(rows.files)))

    def named(cell: str) -> str | None:
        found = said.codes_in(field, [numerals(cell)[-said.TITLE:]])
        return found.pop() if len(found) == 1 else None

    own = by_distinct(rows.text[name], named, pa.string())
    if own.null_count < len(own):
        _from_column(rows, field, name, own)
    return own


def _amount_in(rows: Rows, field: Field) -> bool:
    """The one amount that stands in another column behind a label of this field: 警告，并处罚款2000元.

    Raises Apart for several files, as `_named_in_rows`.
    """
    name = sources(field)[0]
    if name not in rows.text:
        return False
    if len(rows.files) > 1:
        raise Apart(range(len(rows.files)))
    labels = "|".join(sorted({re.escape(split_label(label).name) for label in field.labels}, key=len, reverse=True))
    pattern = re.compile(rf"(?:{labels})(?:人民币|共计|合计|计|为|共|金额|[:\s])*({_SUM})")

    def amount(cell: str) -> str | None:
        found = {text: money.parse(text) for text in pattern.findall(narrow(cell)[:money.LONGEST])}
        yuan = {one.yuan for one in found.values() if isinstance(one, money.Amount)}
        return next(iter(found)) if len(yuan) == 1 and len(found) == 1 else None

    own = by_distinct(rows.text[name], amount, pa.string())
    if own.null_count == len(own):
        return False
    _from_column(rows, field, name, own)
    return True


def _from_column(rows: Rows, field: Field, name: str, own: pa.Array) -> None:
    """Takes what another column says, and says for how many rows it does."""
    rows.text[field.name] = pc.fill_null(own, "")
    label = rows.columns.label_of(name) or name
    for file in rows.files:
        file.findings.append(Finding("taken-from-column", severity_of("taken-from-column"), field=field.name,
                                     label=label, params={"title": {"zh": field.title.zh, "en": field.title.en},
                                                          "count": len(own) - own.null_count}))


def codes_of_rows(rows: Rows, field: Field, names: list[str]) -> pa.Array:
    """The code of a field that each row says itself in one of the fields `names`, the first that does; else null."""
    found = pa.nulls(len(rows.take), pa.string())
    for name in names:
        if name in rows.text:
            own = by_distinct(rows.text[name], lambda cell: code.code if (
                code := field.codes and field.codes.find(cell)) else None, pa.string())
            found = pc.coalesce(found, own)
    return found


def _whole_year(domain: Domain, rows: Rows, field: Field, year: str) -> None:
    """`2024年一般公共预算执行情况表`: a file that names a year and no part of one means the year. Told as a warning."""
    way, _, argument = (field.derived or "").partition(":")
    codes = field.codes.codes if field.codes else ()
    whole = next((code for code in codes if code.extra.get("months") == "12"), None)
    if way != "extra_of" or whole is None:
        return
    name, _, column = argument.partition(".")
    other = domain.field(name)
    silent = [code.code for code in other.codes.codes if not code.extra.get(column)] if other.codes else []
    said_by_rows = codes_of_rows(rows, other, [name, *sources(other)])
    mask = pc.is_in(said_by_rows, value_set=pa.array(silent, pa.string()))
    if rows.long is not None:
        mask = pc.and_(mask, pc.invert(pc.match_substring_regex(rows.long.cells, _OF_MONTH)))
    stated = rows.text.get(field.name)
    mask = mask if stated is None else pc.and_(mask, pc.equal(stated, ""))
    if pc.any(mask).as_py():
        rows.text[field.name] = pc.if_else(mask, whole.code, "" if stated is None else stated)
        for file in rows.files:
            file.findings.append(Finding("period-whole-year", severity_of("period-whole-year"), field=field.name,
                                         label=field.title.zh, params={"year": year}))


def _year_of_months(rows: Rows, field: Field, year: str, place: str) -> None:
    """`1月` in a table whose title names the year."""
    cells = rows.text[field.name]
    bare = pc.match_substring_regex(cells, _NO_YEAR)
    if pc.any(bare).as_py():
        rows.text[field.name] = pc.if_else(bare, pc.binary_join_element_wise(year, "年", cells, ""), cells)
        _tell(rows, field, year, place)


def _made_of(domain: Domain, field: Field) -> list[str]:
    if not field.derived or field.codes:
        return []
    return [name for name in sources(field) if name in domain.field_names]


def _period_of_columns(rows: Rows, field: Field, span: str, place: str) -> None:
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
        _fill(rows, field, text, "、".join(taken), place)


def _fill(rows: Rows, field: Field, text: pa.Array, taken: str, place: str = "title") -> None:
    """Where the headings of some columns say it themselves, for the others."""
    stated = rows.text.get(field.name)
    rows.text[field.name] = text if stated is None else pc.if_else(pc.equal(stated, ""), text, stated)
    _tell(rows, field, taken, place)


def _tell(rows: Rows, field: Field, taken: str, place: str) -> None:
    title = {"zh": field.title.zh, "en": field.title.en}
    code = "taken-from-title" if place == "title" else "taken-from-file"
    for file in rows.files:
        file.findings.append(Finding(code, severity_of(code), field=field.name, label=field.title.zh, params={
            "title": title, "taken": taken, **({} if place == "title" else {"place": _PLACES[place]})}))
