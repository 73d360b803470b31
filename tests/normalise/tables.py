"""Small tables of other cities, written as files and examined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.records import Examined, Options


def look(folder: Path, domain: str, *lines: str, filename: str = "表.csv", **constants: str) -> Examined:
    path = folder / filename
    path.write_text("\n".join(lines), "utf-8")
    return _counted(examine(get_domain(domain), path, filename=filename, options=Options(constants=constants)))


def book(folder: Path, domain: str, rows: list[list[Any]], *merged: str, **constants: str) -> Examined:
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.worksheets[0].append(row)
    for place in merged:
        workbook.worksheets[0].merge_cells(place)
    path = folder / "表.xlsx"
    workbook.save(path)
    return _counted(examine(get_domain(domain), path, filename=path.name, options=Options(constants=constants)))


def _counted(x: Examined) -> Examined:
    assert x.rows_in == x.rows_ok + x.rows_quarantined + x.rows_duplicate
    return x
