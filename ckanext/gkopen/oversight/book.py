"""The look of a workbook of corrections: bad cells filled and commented, and a sheet 问题清单 that lists all findings.

Every text goes in as text: a cell that looks like a formula stays what was written and is never computed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils.exceptions import IllegalCharacterError
from openpyxl.workbook import Workbook

from ckanext.gkopen.checks.catalogue import render
from ckanext.gkopen.derive import sheets
from ckanext.gkopen.labels import fold
from ckanext.gkopen.records import Finding

LIST = sheets.FINDINGS
MARKED_CELLS = 20_000
"""Cells that get a comment; a spreadsheet with more of them is slow to open. The list holds all findings."""
COMMENT_LENGTH = 1_000
CELL_LENGTH = 32_000
FILLS = {"error": PatternFill("solid", fgColor="FFF4B6B0"), "warning": PatternFill("solid", fgColor="FFFFE8A3"),
         "info": PatternFill("solid", fgColor="FFD6E8F7")}
HEAD = PatternFill("solid", fgColor="FFE8EDF3")
SEVERITIES = {"error": "错误", "warning": "提醒", "info": "说明"}
RANKS = {"error": 0, "warning": 1, "info": 2}
WIDTHS = (26, 14, 8, 22, 28, 8, 26, 22, 56, 56)
_MARKED = re.compile(r"\n处理办法：[^\n]*\n\[[a-z0-9_-]+\]")
"""By which a comment of an earlier round is known again: not every office program keeps its author."""
PERSONAL = "personal-"
HIDDEN = "（已隐去）"

Marks = dict[int, list[Mapping[str, Any]]]
"""Line → findings at it: errors and warnings; what was only noted is in the list."""


def text_of(finding: Mapping[str, Any]) -> dict[str, str]:
    """Title, message and fix in Chinese: the language in which bodies work."""
    return render(Finding(finding["code"], finding["severity"], finding["line"], finding["field"], finding["label"],
                          finding["value"], finding["params"], finding["sheet"]), "zh")


def marks_of(findings: Iterable[Mapping[str, Any]]) -> Marks:
    """Findings that stand at a line; those about the file or a column are in the list only."""
    marks: Marks = {}
    number = 0
    for finding in findings:
        if finding["line"] is not None and finding["severity"] != "info" and number < MARKED_CELLS:
            marks.setdefault(finding["line"], []).append(finding)
            number += 1
    return marks


def by_label(findings: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Folded label → findings of one line; "" for those of the whole row."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for finding in findings:
        found.setdefault(fold(finding["label"]) if finding["label"] else "", []).append(finding)
    return found


def worst(findings: Iterable[Mapping[str, Any]]) -> str:
    return min((finding["severity"] for finding in findings), key=lambda severity: RANKS.get(severity, 2))


def comment(findings: list[Mapping[str, Any]]) -> Comment:
    """The findings of a cell: what is wrong, what to do, and the rule's code; of many, how many more the list has."""
    said: list[str] = []
    for number, finding in enumerate(sorted(findings, key=lambda each: RANKS.get(each["severity"], 2))):
        words = text_of(finding)
        advice = f"\n处理办法：{words['fix']}\n[{finding['code']}]"
        message = words["message"][:max(0, COMMENT_LENGTH - len(advice))]
        if said and sum(map(len, said)) + len(message + advice) > COMMENT_LENGTH:
            said.append(f"另有 {len(findings) - number} 处，见“{LIST}”。")
            break
        said.append(message + advice)
    text = _plain("\n\n".join(said))
    note = Comment(text, "gkopen")
    note.width, note.height = 360, 60 + 18 * (text.count("\n") + len(text) // 24)
    return note


def mark(cell: Cell, findings: list[Mapping[str, Any]]) -> None:
    cell.fill = FILLS.get(worst(findings), FILLS["info"])
    cell.comment = comment(findings)


def unmark(cell: Any) -> None:
    """Take away what an earlier workbook of corrections marked: the cell may have been mended since."""
    if cell.comment is not None and _MARKED.search(cell.comment.text):
        cell.comment = None
        if cell.fill.fgColor.rgb in {fill.fgColor.rgb for fill in FILLS.values()}:
            cell.fill = PatternFill()


def safe_text(value: Any) -> str:
    """What can stand in a cell: no control characters, no more than a cell holds."""
    return _plain("" if value is None else str(value))[:CELL_LENGTH]


def put_text(cell: Cell, value: Any) -> None:
    """Write a text that stays a text, also where it begins like a formula."""
    try:
        cell.value = safe_text(value)
    except IllegalCharacterError:
        cell.value = "".join(letter for letter in safe_text(value) if letter.isprintable())
    if cell.value not in (None, ""):
        cell.data_type = "s"


def text_cell(sheet: Any, value: Any, *, bold: bool = False) -> Cell:
    cell = WriteOnlyCell(sheet)
    put_text(cell, value)
    if bold:
        cell.font, cell.fill = Font(bold=True), HEAD
    return cell


def add_list(book: Workbook, findings: Iterable[Mapping[str, Any]]) -> None:
    """The sheet 问题清单: one line a finding, all of them. The book may be write-only or not."""
    sheet = book.create_sheet(_free_name(book, LIST))
    for index, width in enumerate(WIDTHS):
        sheet.column_dimensions["ABCDEFGHIJ"[index]].width = width
    sheet.freeze_panes = "A2"
    _append(sheet, list(sheets.FINDINGS_COLUMNS), bold=True)
    for finding in findings:
        words = text_of(finding)
        whose = " ".join(filter(None, (finding.get("body"), finding.get("file"))))  # as beside the row itself
        _append(sheet, [whose, finding["sheet"] or "", finding["line"], finding["label"] or
                        finding["field"] or "", finding["value"], SEVERITIES.get(finding["severity"], ""),
                        words["title"], finding["code"], words["message"], words["fix"]])


def _append(sheet: Any, values: list[Any], *, bold: bool = False) -> None:
    cells = []
    for value in values:
        if isinstance(value, int):
            cells.append(value)
        else:
            cell = text_cell(sheet, value, bold=bold)
            if not bold and len(safe_text(value)) > 30:
                cell.alignment = Alignment(wrap_text=True, vertical="top")
            cells.append(cell)
    sheet.append(cells)


def _free_name(book: Workbook, name: str) -> str:
    """A name that no sheet of the officer's has."""
    number, wanted = 2, name
    while wanted in book.sheetnames:
        wanted, number = f"{name} {number}", number + 1
    return wanted


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter in "\n\t" or (letter >= " " and letter not in "\ufffe\uffff"))
