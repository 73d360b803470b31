"""Lines that only head others in a list: 一、续建项目（3个）, （一）交通. No rows; what they state is compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.checks.ruleset import plain
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise.amounts import YUAN, amounts
from ckanext.gkopen.normalise.cells import as_mask
from ckanext.gkopen.normalise.columns import Columns
from ckanext.gkopen.records import Finding

_NUMERAL = "[一二三四五六七八九十百]+"
_FIRST = rf"^\s*{_NUMERAL}\s*[、.．]"
_SECOND = rf"^\s*[（(]\s*{_NUMERAL}\s*[)）]"
_FIRST_ALONE = rf"^\s*{_NUMERAL}\s*[、.．]?\s*$"
_COUNT = r"[（(]\s*(?:共\s*)?(?P<count>[0-9０-９]+)\s*(?:个|项|件|宗)\s*(?:项目)?\s*[)）]\s*[:：]?\s*$"
_NUMBERS = frozenset({"money", "decimal", "integer", "percent"})


@dataclass(slots=True)
class Sections:
    """`level` of each row: 1 for 一、, 2 for （一）, 3 for a line known by its count alone, 0 for a row of data;
    `count`: how many the line says it heads."""

    level: np.ndarray
    count: dict[int, int]

    def rows(self) -> np.ndarray:
        return self.level > 0


def find_sections(domain: Domain, columns: Columns, texts: list[pa.Array], sums: np.ndarray) -> Sections | None:
    """A line heads others where it has an ordinal in Chinese figures or a count, and says nothing about itself beside
    its name and figures, while the rows of the table do, or it stands over lines of a lower level. None where there is
    no such line: projects may be numbered 一, 二, 三 themselves. `sums`: lines of totals."""
    if domain.sections is None or domain.sections not in columns.field_at:
        return None
    place = columns.field_at.index(domain.sections)
    name = texts[place]
    for index in range(place):  # 一、交通类（2个） under 序号
        if columns.field_at[index] is None:
            heads = pc.match_substring_regex(texts[index], rf"(?:{_FIRST}|{_SECOND})\s*\S")
            name = pc.if_else(pc.and_(heads, pc.equal(pc.utf8_trim_whitespace(name), "")), texts[index], name)
    first, second, counted = (as_mask(pc.match_substring_regex(name, pattern)) for pattern in (_FIRST, _SECOND, _COUNT))
    for index in range(place):
        if columns.field_at[index] is None:  # 序号
            first |= as_mask(pc.match_substring_regex(texts[index], _FIRST_ALONE))
            second |= as_mask(pc.match_substring_regex(texts[index], _SECOND))
    marked = first | second | counted
    if not marked.any():
        return None
    silent, bare = (np.ones(len(name), bool) for _ in range(2))
    for index, field_name in enumerate(columns.field_at):
        if field_name is None or index == place or len(texts[index].unique()) == 1:
            continue
        blank = as_mask(pc.or_(pc.equal(pc.utf8_trim_whitespace(texts[index]), ""), pc.equal(texts[index], name)))
        if domain.field(field_name).type in _NUMBERS:
            silent &= blank
        else:
            bare &= blank
    rank = np.where(sums, 0, np.where(first, 1, np.where(second, 2, 3)))
    below = np.append(rank[1:], 0)
    others = ~marked & ~sums
    told = bool(others.any()) and np.count_nonzero(~bare & others) * 2 >= np.count_nonzero(others)
    sure = silent | counted
    found = marked & ~sums & bare & (
        (counted & (rank == 3)) | (sure & told) | ((below > rank) & (sure | told | (below == 2))))
    if not found.any():
        return None
    level = rank * found
    stated = pc.extract_regex(name, _COUNT).field("count")
    count = {row: int(str(stated[row])) for row in map(int, np.flatnonzero(found & counted))}
    places = np.append(np.flatnonzero(found), len(name))
    for row in map(int, np.flatnonzero(level == 3)):  # 充电桩（10个） may be a project: only as many lines below tell
        if places[np.searchsorted(places, row) + 1] - row - 1 != count[row]:
            level[row] = 0
    return Sections(level, count)


def compare(domain: Domain, columns: Columns, texts: list[pa.Array], lines: np.ndarray, sections: Sections,
            data: np.ndarray) -> Iterator[Finding]:
    """What a line states about those below it, up to the next one of its level or a higher one.

    `data`: the rows of data.
    """
    figures = {index: amounts(texts[index], YUAN).yuan for index, name in enumerate(columns.field_at)
               if name is not None and domain.field(name).type in _NUMBERS}
    for row, end in _spans(sections):
        level = int(sections.level[row])
        mine = np.flatnonzero(data[row + 1:end]) + row + 1
        count = sections.count.get(row)
        if count is not None and level < 3 and count != len(mine):
            yield Finding("section-count-differs", severity_of("section-count-differs"), line=int(lines[row]),
                          params={"printed": count, "count": len(mine)})
        for index, column in figures.items():
            stated = column[row].as_py()
            if stated is None or level == 3:
                continue
            added = pc.sum(column.take(pa.array(mine))).as_py() or Decimal(0)
            if added != stated:
                yield Finding("total-row-differs", severity_of("total-row-differs"), line=int(lines[row]),
                              field=columns.field_at[index], label=columns.labels[index], value=plain(stated),
                              params={"printed": plain(stated), "sum": plain(added),
                                      "difference": plain(added - stated)})


def _spans(sections: Sections) -> list[tuple[int, int]]:
    """Each line that heads others, and the next one of its level or a higher one (or the number of all rows)."""
    nearest, spans = [len(sections.level)] * 4, []
    for row in map(int, np.flatnonzero(sections.rows())[::-1]):
        level = int(sections.level[row])
        spans.append((row, min(nearest[:level + 1])))
        nearest[level] = row
    return spans[::-1]
