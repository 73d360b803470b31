"""Each file form holds exactly the rows, and the tools of the field open it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import re
import shutil
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import frictionless
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from ckanext.gkopen.domains import Text
from ckanext.gkopen.publish.forms import make, parquet, spool, streams, xlsx
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
            return make.make(described({"2024-05": canonical(rows)}), Path(folder), {})[form].file.read_bytes()

    return make_one


def test_parts_stand_behind_each_other_as_they_were_approved(tmp_path: Path) -> None:
    parts = {"2024-05": canonical(ROWS[3:9]), "2024-06": canonical(ROWS[:3]), "2024-07": canonical([])}
    (tmp_path / "whole").mkdir()
    (tmp_path / "one").mkdir()
    joined = make.make(described(parts), tmp_path, {})
    assert joined["csv"].rows == 9
    assert joined["csv"].file.read_bytes() == parts["2024-05"] + parts["2024-06"].split(b"\n", 1)[1]
    single = make.make(described({"whole": canonical(ROWS)}), tmp_path / "one", {})
    assert single["csv"].file.read_bytes() == canonical(ROWS)
    bulk = make.make(described(parts, whole=True), tmp_path / "whole", {})["csv"].file.read_bytes().decode()
    header, *lines = csv.reader(io.StringIO(bulk, newline=""))
    assert header == ["dataset_id", "part", "publisher", *NAMES]
    assert [(line[0], line[1], line[2]) for line in lines] == [("d-1", "2024-05", "财政局")] * 6 + [
        ("d-1", "2024-06", "财政局")] * 3
    plain = csv.reader(io.StringIO(joined["csv"].file.read_bytes().decode(), newline=""))
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


def test_other_readers_of_workbooks_see_the_same_cells(made: Made, tmp_path: Path) -> None:
    (tmp_path / "table.xlsx").write_bytes(made("xlsx"))
    rows = CalamineWorkbook.from_path(str(tmp_path / "table.xlsx")).get_sheet_by_name("数据").to_python()
    frame = pd.read_excel(tmp_path / "table.xlsx", sheet_name="数据", engine="openpyxl")
    assert len(rows) == len(frame) + 1 == len(ROWS) + 1
    assert rows[1][:3] == ["0001", "", '停车场,\n"二期"']
    assert rows[1][7] == date(2024, 2, 29)
    assert list(frame.columns[:2]) == ["公告编号", "标段"]
    assert frame["公告编号"].map(str).tolist() == [str(one["notice_no"]) for one in ROWS]
    assert frame["中标金额（元）"].iloc[1] == 100
    dictionary = pd.read_excel(tmp_path / "table.xlsx", sheet_name="数据字典", dtype=str)
    assert dictionary["列名"].tolist() == NAMES


def test_parquet_keeps_types_digits_and_titles(made: Made) -> None:
    file = pq.ParquetFile(io.BytesIO(made("parquet")))
    table = file.read()
    assert table.column_names == NAMES
    kinds = {name: str(table.schema.field(name).type) for name in NAMES}
    assert kinds["award_amount"] == "decimal128(28, 8)"
    assert kinds["published_on"] == "date32[day]"
    assert kinds["opened_at"] == "timestamp[ms, tz=+08:00]"
    assert kinds["bidders"] == "int64"
    assert kinds["is_green"] == "bool"
    first = table.slice(0, 1).to_pylist()[0]
    assert first["award_amount"] == Decimal("90071992547409.93")
    assert first["opened_at"].isoformat() == "2024-05-13T09:30:01+08:00"
    assert first["lot_no"] is None
    assert table["project_name"].to_pylist() == [one["project_name"] for one in ROWS]
    metadata = table.schema.field("award_amount").metadata
    assert metadata[b"title"].decode() == "中标金额"
    assert metadata[b"unit"].decode() == "元"
    assert table.schema.metadata[b"publisher"].decode() == "财政局"
    columns = json.loads(file.metadata.metadata[b"columns"])
    assert [entry["title"] for entry in columns] == [field.title.zh for field in FIELDS]
    assert made("parquet", []), "no rows are a table too"
    frame = pd.read_parquet(io.BytesIO(made("parquet")))
    assert frame["award_amount"].iloc[2] == Decimal("-1234567890123456.78")


def test_row_groups_do_not_depend_on_the_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(parquet, "GROUP", 4)
    rows = [row(f"{n:02}", project_name=f"项目{n}") for n in range(11)]
    found = []
    for number, cut in enumerate((0, 3, 7)):
        (tmp_path / str(number)).mkdir()
        parts = {"a": canonical(rows[:cut]), "b": canonical(rows[cut:])}
        data = make.make(described(parts), tmp_path / str(number), {})["parquet"].file.read_bytes()
        file = pq.ParquetFile(io.BytesIO(data))
        assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [4, 4, 3]
        found.append(data)
    assert len(set(found)) == 1


@pytest.mark.parametrize("limit", [1 << 20, 1500])
def test_tables_that_are_made_together_have_the_bytes_of_each_alone(
        limit: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Long numbers, formulas, line breaks and empty columns of one table say nothing about its neighbours."""
    monkeypatch.setattr(make, "FEW_BYTES", limit)
    few = [row(f"N{n}", project_name="项目", award_amount="1.00", published_on="2024-05-01") for n in range(3)]
    tables = [described({"2024-05": canonical(rows)}, name=f"t-{number}", title=Text(f"表{number}", f"Table {number}"))
              for number, rows in enumerate((few, ROWS[:3], ROWS[3:20], few[:1], ROWS[20:], few))]
    assert all(map(make.may_go_together, tables))
    count = 0
    for content, together in zip(tables, make.make_together(tables, tmp_path), strict=True):
        alone = make.make(content, tmp_path, {})
        for form in make.FORMS:
            assert (together[form].sha256, together[form].rows) == (alone[form].sha256, alone[form].rows), form
            assert together[form].pieces == alone[form].pieces
            assert together[form].file.read_bytes() == alone[form].file.read_bytes()
            for coding, file in alone[form].variants.items():
                assert together[form].variants[coding].read_bytes() == file.read_bytes()
        count += alone["csv"].rows
    assert count == len(ROWS) + 7
    assert not make.may_go_together(described({"2024-05": canonical([])}))
    assert not make.may_go_together(described({"1": canonical(few), "2": canonical(few)}))


@pytest.mark.parametrize("small", [spool.SMALL, 100])
def test_a_file_is_the_same_in_memory_and_on_the_disk(
        small: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(spool, "SMALL", small)
    made = make.make(described({"2024-05": canonical(ROWS)}), tmp_path, {})
    for one in made.values():
        assert one.sha256 == hashlib.sha256(one.file.read_bytes()).hexdigest()
        assert one.file.size == len(one.file.read_bytes())
        assert (one.file.held is None) == one.file.path.exists() == (small == 100)
    assert made["csv"].file.read_bytes() == canonical(ROWS)
    assert made["csv"].file.at_path().read_bytes() == canonical(ROWS)


def money(number: int, seed: int) -> list[str]:
    """Amounts with up to 20 digits before the point and 2 to 8 behind it, of either sign, in canonical spelling."""
    rng = random.Random(seed)
    amounts = []
    for _ in range(number):
        whole = rng.randrange(10 ** rng.randint(1, 20))
        behind = f"{rng.randrange(10**8):08}"[:rng.choice((2, 2, 2, 3, 5, 8))]
        behind = behind[:2] + behind[2:].rstrip("0")
        sign = "-" if rng.random() < 0.3 and (whole or behind.strip("0")) else ""
        amounts.append(f"{sign}{whole}.{behind}")
    return amounts


@pytest.mark.parametrize("number", [4000, pytest.param(1_000_000, marks=pytest.mark.torture)])
def test_money_is_digit_equal_in_every_form(number: int, tmp_path: Path) -> None:
    seed = 20240513
    amounts = money(number, seed)
    print(f"{number} amounts of seed {seed}")
    empty = "," * (len(FIELDS) - 7)
    lines = "".join(f"{n:07},,,,,{amount},{empty}\n" for n, amount in enumerate(amounts))
    assert lines.splitlines()[0].count(",") == len(FIELDS) - 1
    data = (",".join(NAMES) + "\n" + lines).encode()
    made = make.make(described({"whole": data}), tmp_path, {})
    wanted, total = [Decimal(amount) for amount in amounts], sum(map(Decimal, amounts))

    assert made["csv"].file.read_bytes() == data
    with made["jsonl"].file.open() as file:
        spelt = [re.search(r'"award_amount":([^,]*),', line.decode())[1] for line in file]  # type: ignore[index]
    assert spelt == amounts
    with made["excel.csv"].file.open() as file:
        lines = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""))
        assert [line[5].lstrip("'") for line in list(lines)[1:]] == amounts
    found = pq.read_table(made["parquet"].file.open(), columns=["award_amount"])["award_amount"].to_pylist()
    assert found == wanted
    assert sum(found) == total


def test_checksums_of_texts_behind_each_other() -> None:
    rng = random.Random(7)
    for length in (0, 1, 3, 255, 70_000):
        first, second = rng.randbytes(rng.randrange(1000)), rng.randbytes(length)
        assert streams.joined_crc(zlib.crc32(first), zlib.crc32(second), length) == zlib.crc32(first + second)


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not here; .ci/run installs it")
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
