"""Each file form holds exactly the rows, and the tools of the field open it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import frictionless
import openpyxl
import pytest

from ckanext.gkopen.domains import Text
from ckanext.gkopen.publish.forms import make, xlsx
from ckanext.gkopen.publish.forms.content import Content, PartRows

from .sample import FIELDS, Row, canonical, domain, row

SAMPLE = domain()
NAMES = [field.name for field in FIELDS]
FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", "＝1+1", "＋1", "－1", "＠a",
            " =1+1", "-", "-2x", "+86 513", "\n=1", '="x"', "=HYPERLINK(\"http://x\")"]
CHANGED = ["00123", "440103199001010011", "123456789012",
           "12E3", "1e10", "2024-05", "3-4", "1/2", "(123)", "007.5", "1.50"]
PLAIN = ["-5", "-0.25", "通政发〔2019〕12号", "南通", "a=b", "12", "12.5", "x-1", "5 %", "_x0041_", "a;=b", "<&>\"'"]
ROWS = [row("0001", lot_no=None, project_name="停车场,\n\"二期\"", award_amount="90071992547409.93", bidders="-5",
            published_on="2024-02-29", opened_at="2024-05-13 09:30:01", is_green="true"),
        row("0002", award_amount="100.00", area="海门", is_green="false", published_on="1998-12-31"),
        row("0003", award_amount="-1234567890123456.78", bidders="9007199254740993")]
ROWS += [row(f"T{n:03}", project_name=text) for n, text in enumerate(FORMULAS + CHANGED + PLAIN)]

Made = Callable[..., bytes]


def described(parts: Mapping[str, bytes], *, whole: bool = False, **changes: Any) -> Content:
    """A table of these parts (name → canonical CSV)."""
    held = {hashlib.sha256(data).hexdigest(): data for data in parts.values()}
    rows = tuple(PartRows(SAMPLE, part, hashlib.sha256(data).hexdigest(), held.__getitem__,
                          dataset_id="d-1" if whole else "", publisher="财政局")
                 for part, data in sorted(parts.items()))
    said = {"name": "czj-sample", "title": Text("财政局采购", "Finance procurement"), "publisher": "财政局",
            "updated": "2024-06-01T08:00:00+08:00", "licence": "CC BY 4.0",
            "licence_url": "https://creativecommons.org/licenses/by/4.0/", "address": "https://x.cn/dataset/y"}
    return Content(domain=SAMPLE, parts=rows, whole=whole, **{**said, **changes})


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """(form, rows) → the bytes of the file."""
    def make_one(form: str, rows: Sequence[Row] = ROWS) -> bytes:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            return make.make(described({"2024-05": canonical(rows)}), Path(folder), {})[form].path.read_bytes()

    return make_one


def test_parts_stand_behind_each_other_as_they_were_approved(tmp_path: Path) -> None:
    parts = {"2024-05": canonical(ROWS[3:9]), "2024-06": canonical(ROWS[:3]), "2024-07": canonical([])}
    (tmp_path / "whole").mkdir()
    (tmp_path / "one").mkdir()
    joined = make.make(described(parts), tmp_path, {})
    assert joined["csv"].rows == 9
    assert joined["csv"].path.read_bytes() == parts["2024-05"] + parts["2024-06"].split(b"\n", 1)[1]
    single = make.make(described({"whole": canonical(ROWS)}), tmp_path / "one", {})
    assert single["csv"].path.read_bytes() == canonical(ROWS)
    bulk = make.make(described(parts, whole=True), tmp_path / "whole", {})["csv"].path.read_text("utf-8")
    header, *lines = csv.reader(io.StringIO(bulk, newline=""))
    assert header == ["dataset_id", "part", "publisher", *NAMES]
    assert [(line[0], line[1], line[2]) for line in lines] == [("d-1", "2024-05", "财政局")] * 6 + [
        ("d-1", "2024-06", "财政局")] * 3
    plain = csv.reader(io.StringIO(joined["csv"].path.read_text("utf-8"), newline=""))
    assert [line[3:] for line in lines] == list(plain)[1:]


def test_nothing_comes_alive_in_excel_and_nothing_changes(made: Made) -> None:
    text = made("excel.csv").decode("utf-8-sig")
    assert made("excel.csv").startswith(b"\xef\xbb\xbf")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header[:3] == ["公告编号", "标段", "项目名称"]
    assert "中标金额（元）" in header
    live = re.compile(r"^[\s\u3000]*[=+@＝＋＠－\t\r]|^\s*-(?![0-9.]+$)")
    assert [cell for one in rows for cell in one if live.match(cell)] == []
    by_number = {one[0].lstrip("'"): dict(zip(NAMES, one, strict=True)) for one in rows}
    for number, given in enumerate(FORMULAS + CHANGED):
        assert by_number[f"T{number:03}"]["project_name"] == "'" + given
    for number, given in enumerate(PLAIN, len(FORMULAS + CHANGED)):
        assert by_number[f"T{number:03}"]["project_name"] == given
    assert by_number["0001"]["bidders"] == "-5"
    assert by_number["0001"]["award_amount"] == "'90071992547409.93"
    assert by_number["0002"]["award_amount"] == "100.00"
    assert rows[0][0] == "'0001", "leading zeros stay"
    stripped = [[cell.removeprefix("'") for cell in one] for one in rows]
    assert stripped == list(csv.reader(io.StringIO(canonical(ROWS).decode(), newline="")))[1:]


def test_json_lines_keep_every_digit(made: Made) -> None:
    lines = made("jsonl").decode().splitlines()
    assert len(lines) == len(ROWS)
    for line, one in zip(lines, ROWS, strict=True):
        given = json.loads(line, parse_float=Decimal)
        assert list(given) == NAMES
        assert given["project_name"] == one["project_name"]
        assert given["award_amount"] == (one["award_amount"] and Decimal(one["award_amount"]))
    assert '"award_amount":90071992547409.93,' in lines[0]
    assert '"award_amount":100.00,' in lines[1]
    assert '"opened_at":"2024-05-13T09:30:01+08:00"' in lines[0]
    assert json.loads(lines[0])["is_green"] is True


def test_control_characters_are_escaped_in_json_and_left_out_of_xml(made: Made) -> None:
    odd = [row("1", project_name="a\x01b\x1fc\td\\")]
    assert json.loads(made("jsonl", odd))["project_name"] == "a\x01b\x1fc\td\\"
    workbook = openpyxl.load_workbook(io.BytesIO(made("xlsx", odd)))
    assert workbook["数据"].cell(2, 3).value == "abc\td\\"


def test_the_workbook_has_types_dictionary_and_source(made: Made) -> None:
    workbook = openpyxl.load_workbook(io.BytesIO(made("xlsx")))
    assert workbook.sheetnames == ["数据", "数据字典", "来源"]
    sheet = workbook["数据"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:J{len(ROWS) + 1}"
    assert [cell.value for cell in sheet[1]][:2] == ["公告编号", "标段"]
    first = [cell.value for cell in sheet[2]]
    assert first == ["0001", None, '停车场,\n"二期"', None, None, "90071992547409.93", -5, datetime(2024, 2, 29),
                     datetime(2024, 5, 13, 9, 30, 1), True]
    assert sheet.cell(3, 6).value == 100
    assert sheet.cell(3, 6).number_format == "#,##0.00"
    assert sheet.cell(3, 8).value == datetime(1998, 12, 31)
    assert sheet.cell(2, 1).number_format == "@"
    texts = [sheet.cell(number, 3) for number in range(5, len(ROWS) + 2)]
    assert [str(cell.value).replace("_x005F_", "_") for cell in texts] == [
        text.replace("\r", "\n") for text in FORMULAS + CHANGED + PLAIN]
    assert {cell.data_type for cell in texts} <= {"s", "inlineStr"}, "no formula"
    assert [cell.value for cell in workbook["数据字典"][7]][:5] == ["award_amount", "中标金额", "Award", "金额", "元"]
    assert ("发布单位", "财政局") in [tuple(cell.value for cell in line) for line in workbook["来源"]]


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed here")
def test_libreoffice_opens_the_workbook(made: Made, tmp_path: Path) -> None:
    (tmp_path / "table.xlsx").write_bytes(made("xlsx"))
    subprocess.run(["soffice", "--headless", f"-env:UserInstallation=file://{tmp_path}/profile", "--convert-to",
                    "csv:Text - txt - csv (StarCalc):44,34,76,1", "--outdir", str(tmp_path),
                    str(tmp_path / "table.xlsx")], check=True, capture_output=True, timeout=180)
    rows = list(csv.reader(io.StringIO((tmp_path / "table.csv").read_text("utf-8-sig"), newline="")))
    assert len(rows) == len(ROWS) + 1
    assert rows[1][0] == "0001"
    assert rows[1][7] == "2024-02-29"
    assert rows[2][5] == "100.00"


def test_more_rows_than_a_sheet_holds_are_split_by_year(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "SHEET_ROWS", 5)
    rows = [row(f"{n:02}", published_on=f"{2022 + n % 2}-01-01" if n < 15 else None) for n in range(16)]
    workbook = openpyxl.load_workbook(io.BytesIO(made("xlsx", rows)))
    assert workbook.sheetnames[:-2] == ["无年份", "2022-1", "2022-2", "2023-1", "2023-2"]
    found = [str(line[0].value) for name in workbook.sheetnames[:-2] for line in workbook[name].iter_rows(min_row=2)]
    assert sorted(found) == [one["notice_no"] for one in rows]
    assert all(line[7].value == datetime(2023, 1, 1) for line in workbook["2023-1"].iter_rows(min_row=2))


def test_the_package_is_valid_and_its_checksums_hold(made: Made, tmp_path: Path) -> None:
    good = [one for one in ROWS if one["project_name"] not in ("\r=1", "\n=1", "\t=1")]
    (tmp_path / "package.zip").write_bytes(made("zip", good))
    report = frictionless.validate(str(tmp_path / "package.zip"), type="package")
    assert report.valid, report.flatten(["rowNumber", "fieldName", "type", "note"])
    assert report.tasks[0].stats.get("rows") == len(good)
    with zipfile.ZipFile(tmp_path / "package.zip") as archive:
        sums = dict(line.split("  ")[::-1] for line in archive.read("SHA256SUMS").decode().splitlines())
        assert set(sums) == set(archive.namelist()) - {"SHA256SUMS"}
        for path, sha256 in sums.items():
            assert hashlib.sha256(archive.read(path)).hexdigest() == sha256
        assert archive.read("data/czj-sample.csv") == canonical(good)
        dictionary = list(csv.reader(io.StringIO(archive.read("dictionary.csv").decode())))
        assert [line[0] for line in dictionary[1:]] == NAMES
        assert "CC BY 4.0" in archive.read("LICENSE.txt").decode()


@pytest.mark.parametrize("form", make.FORMS)
def test_the_same_rows_give_the_same_bytes(form: str, made: Made) -> None:
    assert made(form) == made(form)
    assert made(form, []) == made(form, []), "no rows are a table too"


def test_dates_of_the_workbook_are_days_of_the_calendar(made: Made) -> None:
    days = [date(1970, 1, 1), date(2000, 2, 29), date(2024, 12, 31)]
    rows = [row(str(n), published_on=day.isoformat()) for n, day in enumerate(days)]
    sheet = openpyxl.load_workbook(io.BytesIO(made("xlsx", rows)))["数据"]
    assert [sheet.cell(n + 2, 8).value for n in range(3)] == [datetime(*day.timetuple()[:3]) for day in days]
