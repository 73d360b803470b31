"""Where a table begins and ends: title lines, the unit line, two-row headers, footnotes, blank and repeated lines."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.personal import judge
from ckanext.gkopen.labels import clean, narrow, split_label, unit_of_line

from .raw import Beside, Body, Sheet, refuse

_FOOTNOTE = re.compile(
    r"^\s*[（(\[]?\s*(?:注|备注|附注|说明|填表说明|数据来源|资料来源|来源|制表|填表|填报|审核|复核|单位负责人|负责人|编制|"
    r"联系人|联系电话|打印日期|统计时间|第\s*\d+\s*页)\s*(?:人|单位|日期|时间)?\s*[0-9一二三四五]?\s*[:：、.）)\]]")
_TAIL = 60


@dataclass(slots=True)
class Head:
    """`labels`: one a column, as printed, made distinct; `skip`: preview rows above the body; `line`: the header's."""

    labels: list[str]
    skip: int
    line: int
    unit: str | None = None
    above: list[Beside] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)


def find_head(sheet: Sheet, known: Collection[str]) -> Head:
    """The header row: the first that names the most columns which the domain knows (`known`: folded labels).

    A row of labels may be continued by a second one below (merged headings): its cells qualify those above.
    Raises Unreadable `no-header` where no row of the preview names one known column.
    """
    rows = sheet.preview
    if not rows:
        raise refuse("file-empty", sheet=sheet.name)
    if sheet.labelled:
        return _head([rows[0][1]], rows[0][0], 1, None, [])
    scores = [_score(cells, known) for _, cells in rows]
    best = max(range(len(rows)), key=lambda index: (scores[index], -index))
    if scores[best] == 0:
        raise refuse("no-header", sheet=sheet.name,
                     found=[c for c in map(clean, rows[0][1]) if c and not judge(c)][:12])
    header = [rows[best][1]]
    if best + 1 < len(rows):
        below = rows[best + 1][1]
        joined = [_joined(up, down) for up, down in zip(_pad(header[0], len(below)), below, strict=False)]
        if _looks_like_labels(header[0], below) and _score(joined, known) + _score(below, known) > 0:
            header.append(below)
    above = [Beside("title", clean(cell), line, clean(cell), sheet.name)
             for line, cells in rows[:best] for cell in dict.fromkeys(cells) if clean(cell)]
    unit = next((found for found in (unit_of_line(item.text) for item in above) if found), None)
    return _head(header, rows[best][0], best + len(header), unit, above)


def _score(cells: list[str], known: Collection[str]) -> int:
    found: set[str] = set()
    for cell in dict.fromkeys(filter(None, cells)):
        label = split_label(cell)
        found.add(label.folded)
        if label.name != label.text:
            found.add(label.folded_name)
    return len(found.intersection(known))


def _looks_like_labels(top: list[str], below: list[str]) -> bool:
    """A second header row fills gaps of the first or repeats its merged cells, and holds no figure."""
    texts = [clean(cell) for cell in below]
    if not any(texts) or any(re.fullmatch(r"[-+\d.,%\s]+", narrow(text)) for text in texts if text):
        return False
    tops = _pad([clean(cell) for cell in top], len(texts))
    open_above = [i for i, label in enumerate(tops) if not label or tops.count(label) > 1 or texts[i] == label]
    return bool(open_above) and all(i in open_above for i, text in enumerate(texts) if text)


def _pad(cells: list[str], width: int) -> list[str]:
    return cells + [""] * (width - len(cells))


def _joined(up: str, down: str) -> str:
    up, down = clean(up), clean(down)
    return down if not up or up == down else up if not down else f"{up} {down}"


def _head(rows: list[list[str]], line: int, skip: int, unit: str | None, above: list[Beside]) -> Head:
    width = max(map(len, rows))
    labels = [""] * width
    if len(rows) == 2:  # a merged heading stands over several columns: carry it to the right for the row below
        carried = ""
        for index, cell in enumerate(_pad(rows[0], width)):
            carried = clean(cell) or (carried if _pad(rows[1], width)[index].strip() else "")
            labels[index] = _joined(carried, _pad(rows[1], width)[index])
    else:
        labels = [clean(cell) for cell in _pad(rows[0], width)]
    while labels and not labels[-1]:
        labels.pop()
    seen: dict[str, int] = {}
    duplicates: list[str] = []
    distinct: list[str] = []
    for index, printed in enumerate(labels):
        label = printed or f"第{index + 1}列"
        seen[label] = seen.get(label, 0) + 1
        if seen[label] > 1:
            duplicates.append(label)
        distinct.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return Head(distinct, skip, line, unit, above, duplicates)


@dataclass(slots=True)
class Trimmed:
    """Rows that are data (`keep`, ascending indexes); what was left out and the footnotes, of each file."""

    keep: np.ndarray
    notes: list[list[str]]
    footnotes: list[list[Beside]]


def trim_body(body: Body, labels: list[str], bounds: np.ndarray) -> Trimmed:
    """Takes blank rows, footnotes at the end and headers repeated on every printed page out of the body.

    `bounds`: first row of each file in it, and the number of all rows.
    """
    drop = np.zeros(len(body.lines), bool)
    notes: list[list[str]] = [[] for _ in bounds[1:]]
    footnotes: list[list[Beside]] = [[] for _ in bounds[1:]]
    if len(drop):
        drop |= _all_empty(body.columns)
        repeated = pc.equal(pc.utf8_trim_whitespace(body.columns[0]), labels[0]).to_numpy()
        for index in np.flatnonzero(repeated):
            if [clean(column[int(index)].as_py()) for column in body.columns] == labels:
                drop[index] = True
                line = body.lines[index]
                notes[int(np.searchsorted(bounds, index, side="right")) - 1].append(
                    f"第{line}行重复表头，已略过 / line {line}: repeated header left out")
        for file, (start, end) in enumerate(itertools.pairwise(bounds.tolist())):
            footnotes[file] = list(_footnotes(body, start, end, drop))
    return Trimmed(np.flatnonzero(~drop), notes, footnotes)


def _footnotes(body: Body, start: int, end: int, drop: np.ndarray) -> Iterator[Beside]:
    """From the end of a file upwards; each one is dropped."""
    for index in range(end - 1, max(start - 1, end - _TAIL), -1):
        if drop[index]:
            continue
        if index in body.broken or not _FOOTNOTE.match(_first_text(body, index)):
            return
        filled = [text for text in dict.fromkeys(clean(column[index].as_py()) for column in body.columns) if text]
        filled += [text for text in map(clean, body.surplus.get(index, [])) if text]
        drop[index] = True
        line, said = int(body.lines[index]), " ".join(filled)
        yield Beside("footnote", said, line, f"第{line}行表注 / line {line}, footnote: {said[:300]}")


def _first_text(body: Body, index: int) -> str:
    """The first cell of a row that is not empty."""
    for column in body.columns:
        if text := clean(column[index].as_py()):
            return text
    return next((text for text in map(clean, body.surplus.get(index, [])) if text), "")


def _all_empty(columns: list[pa.ChunkedArray]) -> np.ndarray:
    """Rows without any text; stops at the first column that is never empty."""
    empty = np.ones(len(columns[0]) if columns else 0, bool)
    for column in columns:
        empty &= pc.equal(pc.utf8_trim_whitespace(column), "").to_numpy()
        if not empty.any():
            break
    return empty
