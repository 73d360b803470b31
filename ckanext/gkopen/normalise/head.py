"""Where a table begins: title lines, the unit line, a header of one row or several."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from ckanext.gkopen.checks.personal import judge
from ckanext.gkopen.labels import bare_unit, clean, fold, money_power, narrow, split_label, unit_of_line

from .raw import Beside, Sheet, refuse

_FIGURE = re.compile(r"[-+\d.,%\s]+")
ONLY_YEAR = re.compile(r"^\(?(?:19|20)\d{2}年?度?\)?$")
"""A heading that is a year and nothing else: what stands below it says what it is a year of."""
_MOST_ROWS = 4
"""Rows of one header: year, phase, kind and its parts."""


@dataclass(slots=True)
class Head:
    """`labels`: one a column, as printed, made distinct; `skip`: preview rows above the body; `line`: the header's.

    `levels`: what each row of the header says about a column, from above, each once; `rows`: its rows as they stand,
    by which a header is known that stands again on every printed page.
    """

    labels: list[str]
    levels: list[tuple[str, ...]]
    rows: list[list[str]]
    skip: int
    line: int
    unit: str | None = None
    above: list[Beside] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)


def find_head(sheet: Sheet, known: Collection[str], fields: Collection[str] = (),
              sides: Collection[str] = ()) -> Head:
    """The header row: the first that names the most columns which the domain knows (`known`: folded labels).

    Rows of labels may stand below it and above it (merged headings): their cells qualify each other. `fields`: labels
    that say alone which column it is, but for `sides`, headings over half a table. Raises Unreadable `no-header` where
    no row of the preview names a known column.
    """
    rows = sheet.preview
    if not rows:
        raise refuse("file-empty", sheet=sheet.name)
    if sheet.labelled:
        return _head([rows[0][1]], 0, fields, sides, rows[0][0], 1, None, [])
    scores = [_score(cells, known) for _, cells in rows]
    best = max(range(len(rows)), key=lambda index: (scores[index], -index))
    if scores[best] == 0:
        raise refuse("no-header", sheet=sheet.name,
                     found=[c for c in map(clean, rows[0][1]) if c and not judge(c)][:12])
    first = last = best
    while first and last - first < _MOST_ROWS - 1 and _is_heading(
            rows[first - 1][1], rows[first][1], scores[first - 1]):
        first -= 1
    while last + 1 < len(rows) and last - first < _MOST_ROWS - 1:
        up, below = rows[last][1], rows[last + 1][1]
        joined = [_joined(up, down) for up, down in zip(_pad(up, len(below)), below, strict=False)]
        if not _only_years(below) and (
                not _looks_like_labels(up, below) or _score(joined, known) + scores[last + 1] == 0):
            break
        last += 1
    above = [Beside("title", clean(cell), line, clean(cell), sheet.name)
             for line, cells in rows[:first] for cell in dict.fromkeys(cells) if clean(cell)]
    return _head([cells for _, cells in rows[first:last + 1]], best - first, fields, sides, rows[best][0], last + 1,
                 _unit(above), above)


def _unit(above: list[Beside]) -> str | None:
    """The unit that the lines above a table state. Raises Unreadable where they state two of money."""
    stated = [(found, item.line) for item in above
              for found in [unit_of_line(item.text) or bare_unit(item.text)] if found]
    money = [each for each in stated if money_power(each[0]) is not None]
    for found, line in money:
        if found != money[0][0]:
            raise refuse("unit-changes", line=line, found=found, unit=money[0][0])
    return stated[0][0] if stated else None


def _score(cells: list[str], known: Collection[str]) -> int:
    found: set[str] = set()
    for cell in dict.fromkeys(filter(None, cells)):
        label = split_label(cell)
        found.add(label.folded)
        if label.name != label.text:
            found.add(label.folded_name)
    return len(found.intersection(known))


def _is_heading(above: list[str], header: list[str], known: int) -> bool:
    """A row above the header that stands over its columns: neither a title, nor a line of unit and body.

    `known`: labels of the row that the domain knows; without any it must tell labels apart that stand twice.
    """
    texts = {clean(cell) for cell in above} - {""}
    years = {text for text in texts if ONLY_YEAR.match(narrow(text))}
    if len(texts) < 2 or any(":" in narrow(text) or _FIGURE.fullmatch(narrow(text)) for text in texts - years):
        return False
    return (known > 0 and _looks_like_labels(above, header)) or _tells_apart(above, header)


def _tells_apart(above: list[str], header: list[str]) -> bool:
    """Do different headings stand over one label?"""
    over: dict[str, set[str]] = {}
    carried = ""
    for up, label in zip(_pad(above, len(header)), header, strict=False):
        carried = clean(up) or carried
        if clean(label):
            over.setdefault(clean(label), set()).add(carried)
    return any(len(headings) > 1 for headings in over.values())


def _looks_like_labels(top: list[str], below: list[str]) -> bool:
    """A further header row fills gaps of the one above or stands under its merged cells, and holds no figure.

    In a CSV only the first cell of a merged heading has its text.
    """
    texts = [clean(cell) for cell in below]
    if not any(texts) or any(_FIGURE.fullmatch(narrow(text)) for text in texts if text):
        return False
    tops = _pad([clean(cell) for cell in top], len(texts))
    merged = {i for i in range(len(texts) - 1) if texts[i + 1] and not tops[i + 1]}
    open_above = [i for i, text in enumerate(texts)
                  if not tops[i] or tops.count(tops[i]) > 1 or text == tops[i] or i in merged
                  or ONLY_YEAR.match(narrow(tops[i]))]
    return bool(open_above) and all(i in open_above for i, text in enumerate(texts) if text)


def _only_years(cells: list[str]) -> bool:
    """`2023 | 2024` below 决算数 | 预算数; a single such figure may be an amount."""
    texts = [narrow(cell) for cell in cells if clean(cell)]
    return len(texts) > 1 and all(map(ONLY_YEAR.match, texts))


def _pad(cells: list[str], width: int) -> list[str]:
    return cells + [""] * (width - len(cells))


def _joined(up: str, down: str) -> str:
    up, down = clean(up), clean(down)
    return down if not up or up == down else up if not down else f"{up} {down}"


def _levels(rows: list[list[str]]) -> list[tuple[str, ...]]:
    """What the rows of a header say about each column. A merged heading is carried to the right, over what stands
    below it, as far as the heading above it goes."""
    width = max(map(len, rows))
    cells = [[clean(cell) for cell in _pad(row, width)] for row in rows]
    levels: list[list[str]] = [[] for _ in range(width)]
    for place, row in enumerate(cells):
        carried = ""
        for index, cell in enumerate(row):
            below = any(later[index] for later in cells[place + 1:])
            ends = any(upper[index] and upper[index] != upper[index - 1] for upper in cells[:place] if index)
            carried = cell or ("" if ends or not below else carried)
            if carried and carried not in levels[index][-1:]:
                levels[index].append(carried)
    return [tuple(each) for each in levels]


def _head(rows: list[list[str]], best: int, fields: Collection[str], sides: Collection[str], line: int, skip: int,
          unit: str | None, above: list[Beside]) -> Head:
    """`best`: the row of the most known labels. A heading above it is left out where the label alone says enough."""
    levels = _levels(rows)
    if best:
        alone = [" ".join(each) for each in _levels(rows[best:])]
        levels = [(short,) if fold(short) in fields and alone.count(short) == 1 and fold(full[0]) not in sides else full
                  for full, short in zip(levels, alone, strict=True)]
    labels = [" ".join(each) for each in levels]
    while labels and not labels[-1]:
        labels.pop()
        levels.pop()
    seen: dict[str, int] = {}
    duplicates: list[str] = []
    distinct: list[str] = []
    for index, printed in enumerate(labels):
        label = printed or f"第{index + 1}列"
        seen[label] = seen.get(label, 0) + 1
        if seen[label] > 1:
            duplicates.append(label)
        distinct.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    printed = [[clean(cell) for cell in _pad(row, len(labels))[:len(labels)]] for row in rows]
    return Head(distinct, levels, printed, skip, line, unit, above, duplicates)
