"""The sheets of the Excel template and of a workbook of corrections, by which the pipeline knows again what it wrote
itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

SHEETS = {
    "data": "填报 Data",
    "example": "示例 Example",
    "dictionary": "字典 Dictionary",
    "codes": "代码 Codes",
}
ASIDE = frozenset(title for name, title in SHEETS.items() if name != "data")
"""Sheets that help the person who fills in the template and hold no data."""

FINDINGS = "问题清单"
FINDINGS_COLUMNS = ("责任主体", "工作表", "行号", "列", "原值", "级别", "规则", "代码", "问题", "处理办法")
"""The list of findings in a workbook of corrections, which comes back with it."""
_FINDINGS = re.compile(rf"{FINDINGS}(?: \d+)?")
ROWS = "待改正"
ROWS_COLUMNS = ("责任主体", "行号")
"""The rows that were set aside, of what has no workbook of its own, with whose they are and where they stood. It is no
whole table: handed in as one, all other rows of it would be taken for removed."""


def is_aside(name: str | None, head: Sequence[Any]) -> bool:
    """Whether a sheet is gkopen's own and holds no data. `head`: its first row; a list of findings of the officer's own
    has the name and other columns."""
    return name in ASIDE or is_findings(name, head) or is_rows(name, head)


def is_rows(name: str | None, head: Sequence[Any]) -> bool:
    return name == ROWS and tuple(head[:len(ROWS_COLUMNS)]) == ROWS_COLUMNS


def is_findings(name: str | None, head: Sequence[Any]) -> bool:
    return bool(name and _FINDINGS.fullmatch(name)) and tuple(head[:len(FINDINGS_COLUMNS)]) == FINDINGS_COLUMNS
