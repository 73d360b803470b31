"""收入总计 and 支出总计: which lines of each half of a table are totals, parts of them, and parts of parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa

from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.checks.ruleset import plain
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.labels import fold, narrow
from ckanext.gkopen.normalise.amounts import YUAN, amounts
from ckanext.gkopen.normalise.turning import Long
from ckanext.gkopen.records import Finding

_GRAND = re.compile(r"^(?:收入|支出|收支|本年收入|本年支出)?(?:总计|总合计)$")
_SUM = re.compile(r"^(?:本年|当年)?(?:收入|支出)?(?:合计|小计)$")
_LEVELS = (re.compile(r"^[一二三四五六七八九十]+[、.]"), re.compile(r"^[(（][一二三四五六七八九十]+[)）]"),
           re.compile(r"^[(（]?\d{1,2}(?:[、.)）])"))
_WITHIN = re.compile(r"^其中")
_INNER = 9


@dataclass(slots=True)
class Marks:
    """For each line of one column: `total` (true, false, or "" outside the sum) and `parent`: the line it is part of.

    `differs`: line → the sum of its parts, where 本年收入合计 or the line over （一）, （二） is another.
    """

    total: list[str]
    parent: list[str]
    differs: dict[int, Decimal]


def marks_of(names: Sequence[str], figures: Sequence[Decimal | None], nested: Iterable[str] = ()) -> Marks:
    """Which lines of a half add up to 收入总计 (or, without one, to 合计): those of the highest ordinals, 一、 before
    （一）, and between 本年收入合计 and the total those without any. `nested`: folded names that are parts there."""
    flat = [re.sub(r"[\s::]", "", narrow(name)) for name in names]
    depth = [_depth(name) for name in flat]
    sums = [row for row, name in enumerate(flat) if _SUM.match(name)]
    grand = [row for row, name in enumerate(flat) if _GRAND.match(name)]
    marks = Marks([""] * len(flat), [""] * len(flat), {})
    if len(grand) > 1 or (not grand and len(sums) != 1):
        return marks
    end = (grand or sums)[0]
    inner = sums[0] if grand and len(sums) == 1 and sums[0] < end else None
    stated = [each for row, each in enumerate(depth[:end]) if each and row not in sums]
    top = min(stated) if stated else 0
    rows = [row for row in range(end) if row not in sums and depth[row] != _INNER]
    before = [row for row in rows if depth[row] == top and (inner is None or row < inner)]
    after = [row for row in rows if inner is not None and row > inner and depth[row] in (0, top)]
    nested = frozenset(nested)
    choices = [[*before, *after], [*before, *(row for row in after if fold(flat[row]) not in nested)]]
    if inner is None and top:
        loose = [row for row in rows if depth[row] == 0 and row > max(before, default=-1)]
        choices.append([*before, *loose])
    parts = next((each for each in choices if _sum(figures, each) == figures[end]), choices[-1 if after else 0])
    for row in parts:
        marks.total[row] = "false"
    marks.total[end] = "true"
    over = None
    below: dict[int, list[int]] = {}
    for row in range(end):
        if marks.total[row]:
            over = row
        elif row not in sums and over is not None:
            marks.parent[row] = names[over].strip()
            if depth[row] == top + 1:
                below.setdefault(over, []).append(row)
    for row, children in below.items():
        if top and figures[row] is not None and _sum(figures, children) != figures[row]:
            marks.differs[row] = _sum(figures, children)
    if inner is not None and figures[inner] is not None and before and _sum(figures, before) != figures[inner]:
        marks.differs[inner] = _sum(figures, before)
    return marks


def _again(marks: Marks, figures: Sequence[Decimal | None], heading: str) -> Marks:
    """A block that tells again what another has told takes part in no sum of the table: its own is compared here."""
    parts = [row for row, mark in enumerate(marks.total) if mark == "false"]
    differs = dict(marks.differs)
    for end in (row for row, mark in enumerate(marks.total) if mark == "true"):
        if figures[end] is not None and parts and _sum(figures, parts) != figures[end]:
            differs[end] = _sum(figures, parts)
    return Marks([""] * len(marks.total), [f"{heading} {parent}".strip() for parent in marks.parent], differs)


def _depth(name: str) -> int:
    """1 for 一、, 2 for （一）, 3 for 1., 9 for 其中, 0 for a line without any."""
    if _WITHIN.match(name):
        return _INNER
    return next((level for level, pattern in enumerate(_LEVELS, 1) if pattern.match(name)), 0)


def _sum(figures: Sequence[Decimal | None], rows: Iterable[int]) -> Decimal:
    return sum((figure for row in rows for figure in [figures[row]] if figure is not None), Decimal(0))


def mark_halves(domain: Domain, long: Long, lines: np.ndarray, labels: Sequence[str],
                text: dict[str, pa.Array]) -> list[Finding]:
    """Fills `is_total` and, for what is a part of a line, `sum_group`, of each column of figures; says which 合计 is
    not the sum of the lines above it. `lines`: of the source's rows; `text`: field → cells by row to be typed."""
    assert domain.halves is not None
    total, parent = (np.full(len(long.take), "", object) for _ in range(2))
    nested = {fold(label) for shape in domain.shapes for code in shape.codes.codes for label in code.labels}
    findings: list[Finding] = []
    for index in long.layout.turned:
        mine = np.flatnonzero(long.column == index)
        pick = pa.array(mine)
        names = text[domain.halves.name].take(pick).to_pylist()
        figures = amounts(text[long.layout.value].take(pick), YUAN).yuan.to_pylist()
        marks = marks_of(names, figures, nested)
        half = long.layout.turned[index].half
        if half is not None and half.again:
            marks = _again(marks, figures, half.again)
        total[mine], parent[mine] = marks.total, marks.parent
        for row, added in marks.differs.items():
            printed = figures[row] or Decimal(0)
            findings.append(Finding(
                "total-row-differs", severity_of("total-row-differs"), line=int(lines[long.take[mine[row]]]),
                field=long.layout.value, label=labels[index], value=plain(printed),
                params={"printed": plain(printed), "sum": plain(added), "difference": plain(added - printed)}))
    text["is_total"] = pa.array(total, pa.string())
    if "sum_group" in domain.field_names and "sum_group" not in text:
        text["sum_group"] = pa.array(parent, pa.string())
    return findings
