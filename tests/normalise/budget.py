"""A table of a budget as a department prints it, read as a CSV and as a workbook: what is read must be the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.records import Examined, Options

BUDGET = get_domain("budget")
SAID = {"fiscal_year": "2024", "org_name": "江海市财政局", "phase": "budget", "direction": "expenditure",
        "budget_book": "general", "table_name": "支出表"}
Rows = list[list[Any]]


def look(folder: Path, rows: Rows, *merged: str, without: tuple[str, ...] = (), units: str = "") -> Examined:
    """The same rows as a CSV, in which only the first cell of a merged range is filled, and as a workbook: what is
    read must be the same."""
    text = folder / "表.csv"
    text.write_text("\n".join(",".join('"' + ("" if cell is None else str(cell)) + '"' for cell in row)
                              for row in filled(rows)))
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    for place in merged:
        book.worksheets[0].merge_cells(place)
    book.save(folder / "表.xlsx")
    options = Options(constants={name: value for name, value in SAID.items() if name not in without},
                      units={"amount": units} if units else {})
    both = [examine(BUDGET, path, filename=path.name, options=options) for path in (text, folder / "表.xlsx")]
    assert both[0].table.equals(both[1].table)
    assert said(both[0]) == said(both[1])
    for x in both:
        assert x.rows_in == x.rows_ok + x.rows_quarantined + x.rows_duplicate
    return both[0]


def filled(rows: Rows) -> Rows:
    width = max(map(len, rows))
    return [row + [None] * (width - len(row)) for row in rows]


def said(x: Examined) -> list[tuple[str, int | None, str | None]]:
    """What is said of single lines and of columns that were not taken."""
    return [(f.code, f.line, f.label) for f in x.findings
            if f.line is not None or f.code in ("column-unknown", "column-other-year", "header-duplicate")]


def cells(x: Examined, *names: str) -> list[tuple[Any, ...]]:
    return sorted(zip(*(x.table[name].to_pylist() for name in names), strict=True), key=str)


NATURES: Rows = [
    ["部门支出总表"], ["单位：万元"], ["科目编码", "科目名称", "合计", "基本支出", "项目支出"],
    ["合计", None, 1000.5, 600.5, 400], ["201", "一般公共服务支出", 800.5, 500.5, 300],
    ["20106", "财政事务", 800.5, 500.5, 300], ["208", "社会保障和就业支出", 200, 100, 100],
    ["注：本表反映部门本年度支出情况。"]]
