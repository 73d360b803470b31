"""A template that an officer fills in with the example passes the check, its own sheets unmentioned."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import openpyxl
import pytest

from ckanext.gkopen.derive.sheets import SHEETS
from ckanext.gkopen.derive.template import workbook
from ckanext.gkopen.domains import domains, get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.records import Options


@pytest.mark.parametrize("name", list(domains()))
def test_a_filled_template_is_read(name: str, tmp_path: Path) -> None:
    book = openpyxl.load_workbook(BytesIO(workbook(get_domain(name))))
    example, data = book[SHEETS["example"]], book[SHEETS["data"]]
    for column, cell in enumerate(example[2], 1):
        data.cell(2, column, cell.value)
    path = tmp_path / "filled.xlsx"
    book.save(path)
    examined = examine(get_domain(name), path, filename=path.name, options=Options())
    assert (examined.rows_in, examined.rows_ok) == (1, 1), examined.findings
    assert "sheet-left-out" not in examined.counts()
    assert not [finding for finding in examined.findings if finding.severity == "error"]
