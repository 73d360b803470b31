"""What the headings over one column of a wide table say: codes, a year, and what no list knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ckanext.gkopen.domains import Domain, Shape
from ckanext.gkopen.labels import fold, split_label
from ckanext.gkopen.normalise.head import ONLY_YEAR

_YEARS = (re.compile(r"(?<!\d)((?:19|20)\d{2})\s*年"), re.compile(r"^\(?((?:19|20)\d{2})(?![\d.,万亿千百元%个])"),
          re.compile(r"(?<!\d)((?:19|20)\d{2})\)?$"))
"""2023年决算数, 2023决算数, 决算数(2023): the year of a heading."""
OTHER_TIME = re.compile(r"上年|去年|上期|上月|同期|同比|环比|增减|增长|比上|较上|占比|比重|%")
"""A heading that makes figures those of another time or no amounts: what stands below it is left out."""
_MONTHS = re.compile(r"^(?:(?:19|20)\d{2}\s*年)?\s*((?:1\s*[-—–~至到]\s*)?\d{1,2}月|[上下]半年|第?[一二三四1-4]季度|"
                     r"前三季度)份?((?:累计)?(?:(?:支出|收入)[数额]?)?|\D+)$")
"""1-6月累计完成, 一季度支出: the period and the measure in one label."""
_SO_FAR = "累计"
_PLAIN = re.compile(r"^(?:本年度?|当年|全年|累计|当月|本月|其中:?)$")
"""A heading that says nothing which its columns do not say themselves."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the headings of one column say: `rest` are those that no list knows."""

    codes: Mapping[str, str]
    beside: Mapping[str, str]
    rest: tuple[str, ...]
    year: str | None

    def keys(self) -> frozenset[str]:
        return frozenset(self.codes)


def read_headings(domain: Domain, shapes: Sequence[Shape], levels: Sequence[str], taken: frozenset[str],
                  neutral: Iterable[str]) -> Reading | None:
    """What the headings over a column say; the lower one wins. None where they are of another time."""
    names = [split_label(level).name for level in levels]
    if any(domain.field(shape.value).type == "money" for shape in shapes[:1]) and any(
            split_label(level).unit == "%" for level in levels):
        return None  # 完成%: no amount, though 完成 is one
    joined = " ".join(names)
    year = _year(names)
    whole = _code(shapes, joined)
    if whole is not None:
        return Reading(dict([whole]), {}, (), year)
    if len(names) == 1 and all(len(part) > 1 for part in names[0].split(" ")):
        names = names[0].split(" ")
    names = [part for name in names for part in _apart(shapes, name)]
    codes: dict[str, str] = {}
    beside: dict[str, str] = {}
    rest: list[str] = []
    for name in names:
        found = _code(shapes, name)
        other = None if found else _beside(domain, shapes, name, taken)
        if found is not None:
            codes[found[0]] = found[1]
        elif other is not None:
            beside[other[0]] = other[1]
        elif fold(name) not in neutral and not ONLY_YEAR.match(name) and not _PLAIN.match(name):
            rest.append(name)
    if any(OTHER_TIME.search(name) for name in rest) or any(split_label(level).unit == "%" for level in levels[:-1]):
        return None
    return Reading(codes, beside, tuple(rest), year)


def _year(names: Sequence[str]) -> str | None:
    """The year that a heading names, the lowest that does."""
    return next((match[1] for name in reversed(names) for pattern in _YEARS for match in [pattern.search(name)]
                 if match), None)


def _apart(shapes: Sequence[Shape], name: str) -> list[str]:
    """`1-6月累计完成` as 1-6月 and 累计完成. Figures of some months are what was done in them, if a list knows that."""
    match = _MONTHS.match(name)
    if match is None:
        return [name]
    plain = re.fullmatch(r"(?:累计)?(?:(?:支出|收入)[数额]?)?", match[2])
    return [match[1], _SO_FAR if plain and _code(shapes, _SO_FAR) else match[2]] if match[2] or _code(
        shapes, _SO_FAR) else [name]


def _code(shapes: Sequence[Shape], name: str) -> tuple[str, str] | None:
    """Field and code of a heading that one shape knows."""
    found = [(shape.code, code.code) for shape in shapes for code in [shape.find(name)] if code]
    return found[0] if len(found) == 1 else None


def _beside(domain: Domain, shapes: Sequence[Shape], name: str, taken: frozenset[str]) -> tuple[str, str] | None:
    """`累计完成数` over `省级`: the lower heading is a code of one other field."""
    own = {shape.code for shape in shapes} | {shapes[0].value, *taken} if shapes else taken
    found = [(each.name, code.code) for each in domain.fields if each.codes and each.input and each.name not in own
             for code in [each.codes.find(name)] if code]
    return found[0] if len(found) == 1 else None
