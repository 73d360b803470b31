"""What a file says outside its table: lines above it, names of sheet and file, titles of other sheets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from ckanext.gkopen.checks.personal import judge
from ckanext.gkopen.dates import numerals
from ckanext.gkopen.domains import Domain, Field
from ckanext.gkopen.labels import clean, fold, is_unit
from ckanext.gkopen.normalise.raw import Beside
from ckanext.gkopen.normalise.typed import READERS

_NO_TITLE = re.compile(r"\d\s*日|日期|时间|制表|填报|打印|导出|上传|下载")
_YEAR = re.compile(r"(?<!\d)((?:19|20|21)\d{2})\s*年")
_PERIOD = re.compile(r"(?<!\d)(?:19|20|21)\d{2}\s*年度?\s*((?:\d{1,2}\s*[-—–~至到]\s*)?\d{1,2}\s*月|"
                     r"第?[1-4一二三四]\s*季度|[上下]半年|前三季度)")
_UNTIL = re.compile(r"截[至止]")
_DAYS = re.compile(r"(?<!\d)(?:19|20)\d{2}\s*年\s*\d{1,2}\s*月\s*\d{1,2}\s*日?\s*[-—–~至到]+\s*"
                   r"(?:(?:19|20)\d{2}\s*年\s*)?(?:\d{1,2}\s*月\s*)?\d{1,2}\s*日")
_PART_OF_YEAR = re.compile(r"月|季度|半年|截[至止]")
_LABELLED = re.compile(r"(?:^|\s)([^\s：:]{2,12})[：:]\s*(.+?)(?=\s+[^\s：:]{2,12}[：:](?!\d)|$)")
_GENERIC = frozenset(map(fold, ("日期", "时间", "单位", "项目", "类型", "来源", "标题", "名称")))
"""Labels that mean something else before a colon above a table: 日期：2024年5月6日 is when it was made."""
TITLE = 60
"""Characters of a line that is a title; a longer one explains something."""


@dataclass(frozen=True, slots=True)
class Around:
    """Something that a file says of its table further away than right above it. `place`: sheet, other-sheet or file."""

    place: str
    text: str


def titles(beside: Iterable[Beside]) -> list[str]:
    """The lines above a table that are about the table, and not about when it was made."""
    found = [numerals(item.text) for item in beside if item.place == "title"]
    return [text for text in found if not _NO_TITLE.search(text)]


def speaks(domain: Domain, text: str) -> bool:
    """Does a text name a year or one of the codes that titles have?"""
    flat = numerals(text)
    return not _NO_TITLE.search(flat) and bool(_YEAR.search(flat) or any(
        codes_in(field, [flat]) for field in domain.fields if field.codes))


def levels(beside: Iterable[Beside], around: Iterable[Around]) -> list[tuple[str, list[str]]]:
    """Places with what is said there, the nearest first: `title`, `sheet`, `other-sheet`, `file`."""
    said = [("title", titles(beside))]
    texts = [(item.place, numerals(item.text)) for item in around]
    said += [(place, [text for own, text in texts if own == place and not _NO_TITLE.search(text)])
             for place in ("sheet", "other-sheet", "file")]
    return [(place, found) for place, found in said if found]


def years_in(texts: Iterable[str]) -> set[str]:
    return {year for text in texts for year in _YEAR.findall(text)}


def spans_in(texts: Iterable[str]) -> set[str]:
    """1-6月, 上半年 behind a year."""
    return {re.sub(r"\s", "", span) for text in texts for span in _PERIOD.findall(text)}


def days_in(beside: Iterable[Beside]) -> set[str]:
    """2024年5月6日-5月12日 in the lines above a table."""
    return {span for item in beside if item.place == "title" for span in _DAYS.findall(numerals(item.text))}


def names_an_end(texts: Iterable[str]) -> bool:
    """截至2024年5月底: figures until then, since a day that is not told, and not those of the month."""
    return any(_UNTIL.search(text) for text in texts)


def codes_in(field: Field, texts: Iterable[str]) -> set[str]:
    """The codes whose words (`in_title` of their list) a title has."""
    assert field.codes is not None
    words = {code.code: code.extra["in_title"] for code in field.codes.codes if code.extra.get("in_title")}
    short = [text for text in texts if len(text) <= TITLE]
    return {code for code, pattern in words.items() if any(re.search(pattern, text) for text in short)}


def names_part_of_year(texts: Iterable[str]) -> bool:
    return any(_PART_OF_YEAR.search(text) for text in texts)


def stated(domain: Domain, field: Field, beside: Iterable[Beside]) -> set[str]:
    """`部门：江海市财政局`, `发布日期：2024-05-06`: what lines above a table state of a field under one of its labels.

    A value that is not of the field's type states nothing; `单位：万元` is no body.
    """
    if not field.input or field.type in ("text", "list", "money", "integer", "decimal", "percent", "boolean"):
        return set()
    own = field.type == "string" and field.required and field.derived is None
    labels = {fold(label) for label in field.labels} - (frozenset() if own else _GENERIC)
    found: set[str] = set()
    for line in _lines(beside):
        for label, value in _LABELLED.findall(line):
            if fold(label) in labels and not all(is_unit(part) for part in re.split(r"[、,/和 ]+", value) if part):
                found |= {_read(field, value)} - {None}  # type: ignore[arg-type]
    return found


def _lines(beside: Iterable[Beside]) -> Iterator[str]:
    """Lines above a table without persons; `部门：` in one cell and the name in the next are one."""
    waiting: Beside | None = None
    for item in (item for item in beside if item.place == "title" and not judge(item.text)):
        text = clean(item.text)
        if waiting is not None and waiting.line == item.line and not re.search("[：:]", text):
            yield f"{clean(waiting.text)}{text}"
        waiting = item if text.endswith(("：", ":")) else None
        if waiting is None:
            yield text


def _read(field: Field, value: str) -> str | None:
    for text in dict.fromkeys((value, value.split(" ")[0]) if field.type != "string" else (value.split(" ")[0],)):
        values, wrong = READERS[field.type](field, pa.array([text], pa.string()))
        if not wrong[0] and values[0].is_valid and (not field.pattern or re.search(field.pattern, text)):
            return text
    return None
