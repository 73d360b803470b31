"""Where a table ends and what in it is no row: footnotes, blank lines, headers repeated on every page, 栏次."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.labels import clean, narrow, split_label, unit_of_line
from ckanext.gkopen.normalise.cells import as_mask, may_hold
from ckanext.gkopen.normalise.head import Head
from ckanext.gkopen.normalise.raw import Beside, Body, refuse

_FOOTNOTE = re.compile(
    r"^\s*[（(\[]?\s*(?:注|备注|附注|说明|填表说明|数据来源|资料来源|来源|制表|填表|填报|审核|复核|单位负责人|负责人|编制|"
    r"联系人|联系电话|打印日期|统计时间|第\s*\d+\s*页)\s*(?:人|单位|日期|时间)?\s*[0-9一二三四五]?\s*[:：、.）)\]]")
_SIGNED = re.compile(r"^\s*(?:制表|填表|填报|审核|复核|单位负责人|负责人|编制|联系人|联系电话)")
"""Lines that name persons: that they are there is said, not whom they name."""
_FIGURES = re.compile(r"[-+\d.,%‰/\s]*")
_SHORT = re.compile(r"[-—–/\\*.]*|暂?无|[是否]|同上|略")
_DAY = re.compile(r"\s*\d{4}\s*(?:年\s*\d{1,2}\s*月\s*\d{1,2}\s*日|[-/.]\d{1,2}[-/.]\d{1,2})\s*")
_SENTENCE = re.compile(r".*[。；;].*|.{30,}", re.DOTALL)
_ALONE = 3
"""Columns that a table has at least where a text across all of them is known from a row of data."""
_NUMBERS = frozenset(["栏次", "行次", "列次", "栏目"])
_NUMBERED = _NUMBERS | {"类", "款", "项"}
"""What stands in such a line beside its numbers."""
_SURELY = 8
"""Columns of which nobody has a row of data that reads 1, 2, 3 …"""
_TAIL = 60
_UNIT_LINE = re.compile(r"(?:.*\s)?(?:计量|金额|货币|数量)?单位\s*:\s*\S{1,10}\s*")
_FIGURE = re.compile(r"^[-+¥￥(（]*\d[\d.,]*\S{0,3}$")
_MOST_BESIDE = 3
"""Texts of a line that states the unit: 续表, 公开05表, 部门：江海市财政局."""
_SILENT = {"zh": "未写明", "en": "not stated"}


@dataclass(slots=True)
class Trimmed:
    """Rows that are data (`keep`, ascending indexes); what was left out and the footnotes, of each file; `doubtful`:
    line of each file that may be data, and its columns; `repeated`: rows that are the header or a title again."""

    keep: np.ndarray
    notes: list[list[str]]
    footnotes: list[list[Beside]]
    doubtful: dict[int, tuple[int, int]]
    repeated: list[int]


def trim_body(body: Body, head: Head, bounds: np.ndarray) -> Trimmed:
    """Takes blank rows, footnotes at the end, titles and headers repeated on every printed page, and lines that number
    the columns out of the body.

    `bounds`: first row of each file in it, and the number of all rows. Raises Unreadable where the unit changes.
    """
    drop = np.zeros(len(body.lines), bool)
    notes: list[list[str]] = [[] for _ in bounds[1:]]
    footnotes: list[list[Beside]] = [[] for _ in bounds[1:]]
    doubtful: dict[int, tuple[int, int]] = {}
    repeated: list[int] = []
    if len(drop):
        drop |= _all_empty(body.columns)
        repeated = sorted({*_repeated(body, head), *_units_again(body, head, drop)})
        below = [row for start in (*bounds[:-1].tolist(), *(index + 1 for index in repeated))
                 for row in range(start, min(start + 2, len(drop)))]
        numbers = [index for index in sorted({*below} - {*repeated}) if _numbers_columns(body, index)]
        for index in _below_headers(bounds, repeated, drop) - {*numbers}:
            if _counts_columns(body, index):
                numbers.append(index)
                if len(body.columns) < _SURELY:
                    file = int(np.searchsorted(bounds, index, side="right")) - 1
                    doubtful[file] = int(body.lines[index]), len(body.columns)
        for indexes, note in ((repeated, "第{0}行重复表头，已略过 / line {0}: repeated header left out"),
                              (numbers, "第{0}行是栏次，已略过 / line {0} numbers the columns")):
            for index in indexes:
                drop[index] = True
                notes[int(np.searchsorted(bounds, index, side="right")) - 1].append(note.format(body.lines[index]))
        for file, (start, end) in enumerate(itertools.pairwise(bounds.tolist())):
            footnotes[file] = list(_footnotes(body, start, end, drop, printed=head.line > 0))
    return Trimmed(np.flatnonzero(~drop), notes, footnotes, doubtful, repeated)


def _below_headers(bounds: np.ndarray, repeated: list[int], blank: np.ndarray) -> set[int]:
    """The row right below each header, blank ones and repeated ones left out."""
    skipped = blank.copy()
    skipped[repeated] = True
    starts = [*bounds[:-1].tolist(), *(index + 1 for index in repeated)]
    below = (start + int(np.argmin(skipped[start:])) for start in starts if start < len(skipped))
    return {index for index in below if not skipped[index]}


def _repeated(body: Body, head: Head) -> list[int]:
    """Rows that are a row of the header again, or nothing but one of the lines above it."""
    found: set[int] = set()
    for row in [head.labels, *(head.rows if len(head.rows) > 1 else ())]:
        place = next(index for index, label in enumerate(row) if label) if any(row) else 0
        for index in np.flatnonzero(pc.equal(pc.utf8_trim_whitespace(body.columns[place]), row[place]).to_numpy()):
            if [clean(column[int(index)].as_py()) for column in body.columns] == row:
                found.add(int(index))
    titles = {item.text for item in head.above}
    if titles:
        starts = pc.is_in(pc.utf8_trim_whitespace(body.columns[0]), value_set=pa.array(titles, pa.string()))
        for index in np.flatnonzero(starts.to_numpy()):
            if {clean(column[int(index)].as_py()) for column in body.columns[1:]} <= {
                    "", clean(body.columns[0][int(index)].as_py())}:
                found.add(int(index))
    return sorted(found)


def _units_again(body: Body, head: Head, blank: np.ndarray) -> list[int]:
    """Lines in the midst of a table, as above a further page, that state the unit: the same again. Raises Unreadable
    for another one, since nobody knows for which rows it holds."""
    found: list[int] = []
    known = [unit for unit in (head.unit, *(split_label(label).unit for label in head.labels)) if unit]
    for column in body.columns:
        if not any(may_hold(chunk, "单位") for chunk in column.chunks):
            continue
        for index in np.flatnonzero(pc.match_substring_regex(column, r"单位\s*[:：]").to_numpy() & ~blank):
            texts = {clean(cells[int(index)].as_py()) for cells in body.columns} - {""}
            unit = next((unit for text in texts if _UNIT_LINE.fullmatch(narrow(text))
                         for unit in [unit_of_line(text)] if unit), None)
            if unit is None or len(texts) > _MOST_BESIDE or any(_FIGURE.search(text) for text in texts):
                continue
            if unit not in known:
                raise refuse("unit-changes", line=int(body.lines[index]), found=unit,
                             unit=known[0] if known else _SILENT)
            found.append(int(index))
    return found


def _numbers_columns(body: Body, index: int) -> bool:
    """`栏次,1,2,3`: the line below the header of a final account."""
    figures: list[int] = []
    words: set[str] = set()
    for cell in _cells(body, index):
        if re.fullmatch(r"\d{1,3}", cell):
            figures.append(int(cell))
        elif cell and not cell.isdigit():
            if cell not in _NUMBERED:
                return False
            words.add(cell)
    return bool(figures) and figures == list(range(figures[0], figures[0] + len(figures))) and bool(words & _NUMBERS)


def _counts_columns(body: Body, index: int) -> bool:
    """1, 2, 3 … below every one of more than three columns: their numbers, without the word. Of few columns it may be
    a row of data."""
    return len(body.columns) > 3 and all(cell == str(place) for place, cell in enumerate(_cells(body, index), 1))


def _cells(body: Body, index: int) -> Iterator[str]:
    """One after another: of most rows the first one says enough."""
    return (re.sub(r"\s", "", narrow(column[index].as_py())) for column in body.columns)


def _footnotes(body: Body, start: int, end: int, drop: np.ndarray, *, printed: bool) -> Iterator[Beside]:
    """From the end of a file upwards; each one is dropped. `printed`: the table has a line of labels, and may have
    lines of text below; records of JSON have none."""
    signed = False
    for index in range(end - 1, max(start - 1, end - _TAIL), -1):
        if drop[index]:
            continue
        if index in body.broken or index in body.twice or not (_FOOTNOTE.match(_first_text(body, index)) or (
                printed and _closes(body, index, signed))):
            return
        filled = [text for text in dict.fromkeys(clean(column[index].as_py()) for column in body.columns) if text]
        filled += [text for text in map(clean, body.surplus.get(index, [])) if text]
        drop[index] = True
        line, said = int(body.lines[index]), " ".join(filled)
        signed = _DAY.fullmatch(said) is not None
        shown = "制表、审核等署名" if _SIGNED.match(said) else said[:300]
        yield Beside("footnote", said, line, f"第{line}行表注 / line {line}, footnote: {shown}")


def _closes(body: Body, index: int, signed: bool) -> bool:
    """Is it a line of text below the table: merged over all columns, or a sentence or a day alone in one cell, or the
    body's name above that day (`signed`)?"""
    text, times, width = "", 0, len(body.columns)
    for cell in (clean(column[index].as_py()) for column in body.columns):
        if cell and text and cell != text:
            return False
        text, times = cell or text, times + bool(cell)
    if not text or width < _ALONE or index in body.surplus:
        return False
    if times == width:
        return one_text(text)
    return times == 1 and (_DAY.fullmatch(text) is not None or _SENTENCE.fullmatch(text) is not None
                           or (signed and not _FIGURES.fullmatch(text)))


def lines_across(texts: list[pa.Array]) -> np.ndarray:
    """Rows of a table that are one text over all its columns (一、货物类, merged over the whole width)."""
    if len(texts) < _ALONE:
        return np.empty(0, np.int64)
    rows = np.arange(len(texts[0]))
    for column in texts[1:]:
        some = pa.array(rows)
        rows = rows[as_mask(pc.equal(texts[0].take(some), column.take(some)))] if len(rows) != len(column) else (
            np.flatnonzero(as_mask(pc.equal(texts[0], column))))
        if not len(rows):
            break
    return np.array([row for row in rows.tolist() if one_text(clean(texts[0][row].as_py()))], np.int64)


def one_text(text: str) -> bool:
    """Whether the text of a row that has it in every column is a line across the table: no figure, and not 无 or —."""
    return not _FIGURES.fullmatch(text) and not _SHORT.fullmatch(text)


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
