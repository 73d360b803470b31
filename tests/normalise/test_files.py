"""Files as they arrive: encodings, delimiters, damaged lines, workbooks, JSON. Read exactly or refused by name."""

from __future__ import annotations

import io
import json
import re
import zipfile
from datetime import date
from pathlib import Path

import openpyxl
import pytest

from ckanext.gkopen.derive.sheets import FINDINGS_COLUMNS
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine, render
from ckanext.gkopen.normalise import text as text_module
from ckanext.gkopen.normalise.opened import open_file, open_rows
from ckanext.gkopen.normalise.raw import MAX_TEXT_BYTES
from ckanext.gkopen.normalise.rows import read_rows
from ckanext.gkopen.normalise.rows import rows_of as rows_together
from ckanext.gkopen.records import Options, Unreadable

PARKING = get_domain("parking")
HEADER = "停车场名称,区,地址,类型,泊位总数,收费标准,开放时间"
ROW = "中央公园停车场,崇川区,紫琅路88号,公共停车场,620,首小时5元,全天"


def put(folder: Path, data: bytes | str, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def rows_of(path: Path, **options):
    return read_rows(PARKING, path, path.name, Options(**options))


@pytest.mark.parametrize("lines", [False, True])
def test_half_a_character_sets_its_row_apart_and_no_other(tmp_path, lines):
    good = dict(zip(HEADER.split(","), ROW.split(","), strict=True))
    records = [json.dumps(good | {"停车场名称": name}) for name in ("甲\ud83d", "乙\ud83d\ude00", "丙")]
    text = "\n".join(records) if lines else f"[{','.join(records)}]"
    examined = examine(PARKING, put(tmp_path, text, "a.json"), filename="a.json", options=Options())
    assert (examined.rows_in, examined.rows_ok, examined.rows_quarantined) == (3, 2, 1)
    assert [finding.code for finding in examined.findings if finding.severity == "error"] == ["character-broken"]


def refused(path: Path) -> tuple[str, int | None]:
    with pytest.raises(Unreadable) as error:
        rows_of(path)
    return error.value.findings[0].code, error.value.findings[0].line


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-be", "utf-32"])
def test_encodings_are_exact(tmp_path, encoding):
    text = f"{HEADER}\n{ROW.replace('中央公园', '𠮷㐂䶮')}\n" * 1
    data = text.encode(encoding)
    if encoding == "utf-16-be":
        data = b"\xfe\xff" + data
    rows = rows_of(put(tmp_path, data))
    assert rows.text["name"].to_pylist() == ["𠮷㐂䶮停车场"]


def test_short_gb18030_is_not_taken_for_korean(tmp_path):
    assert rows_of(put(tmp_path, f"{HEADER}\n{ROW}".encode("gb18030"))).files[0].encoding == "gb18030"


def test_mixed_unknown_and_broken_encodings_are_refused_with_their_line(tmp_path):
    lines = [HEADER, ROW, ROW]
    mixed = b"\n".join([lines[0].encode(), lines[1].encode("gb18030"), lines[2].encode()])
    assert refused(put(tmp_path, mixed)) == ("encoding-mixed", 2)
    assert refused(put(tmp_path, f"{HEADER}\n{ROW}\n".encode() + b"\xff\xff,x\n")) == ("encoding-mixed", 3)
    big5 = "停車場名稱,區,地址,類型,泊位總數,收費標準,開放時間\n" + "中央公園停車場,一區,二路,公共,1,免費,全天\n"
    assert refused(put(tmp_path, big5.encode("big5")))[0] == "encoding-unknown"
    assert refused(put(tmp_path, f"{HEADER}\n{ROW}\n{ROW}\0\n")) == ("nul-bytes", 3)
    assert refused(put(tmp_path, f"{HEADER}\n{ROW}\n".encode("utf-16-le")))[0] == "nul-bytes"
    assert refused(put(tmp_path, b"")) == ("file-empty", None)
    assert refused(put(tmp_path, HEADER)) == ("no-rows", None)


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "，"])
def test_delimiters(tmp_path, delimiter):
    path = put(tmp_path, f"{HEADER}\n{ROW}\n{ROW}".replace(",", delimiter))
    assert rows_of(path).text["spaces"].to_pylist() == ["620", "620"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_numbers_are_those_of_the_file(tmp_path, end):
    lines = ["停车场一览表", "", HEADER, ROW, "", ROW, '"两行的\n名称",' + ROW.split(",", 1)[1], ROW]
    rows = rows_of(put(tmp_path, end.join(lines)))
    assert rows.lines.tolist() == [4, 6, 7, 9]


def test_both_parsers_give_the_same_rows(tmp_path, monkeypatch):
    lines = [HEADER, ROW, "", '"a,b ""c""",' + ROW.split(",", 1)[1], ROW]
    path = put(tmp_path, "\n".join(lines))
    fast = rows_of(path)
    monkeypatch.setattr(text_module, "_fast", lambda *args: None)
    slow = rows_of(path)
    assert fast.lines.tolist() == slow.lines.tolist()
    assert {k: v.to_pylist() for k, v in fast.text.items()} == {k: v.to_pylist() for k, v in slow.text.items()}
    assert fast.text["name"].to_pylist()[1] == 'a,b "c"'


def test_ragged_lines_and_damaged_quotes_are_rows_of_their_own(tmp_path):
    lines = [HEADER, ROW, ROW + ",多", "只有一格", '"没有收尾,' + ROW, ROW, ROW]
    rows = rows_of(put(tmp_path, "\n".join(lines)))
    assert rows.lines.tolist() == [2, 3, 4, 5, 6, 7]
    assert {code: (rows.lines[found]).tolist() for code, found in rows.structure.items()} == {
        "row-ragged": [3, 4], "quote-broken": [5]}


def test_limits_are_judged_before_reading(tmp_path):
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(MAX_TEXT_BYTES + 1)
    assert refused(path)[0] == "file-too-large"
    assert refused(put(tmp_path, ",".join(f"列{i}" for i in range(100_000)) + "\n1\n"))[0] == "too-many-columns"


def test_headers_that_are_long_full_width_or_double(tmp_path):
    long = "很长的列名" * 30
    path = put(tmp_path, f"{HEADER.replace('区', '　区　')},{long},{long},备用\n{ROW},1,2,3")
    rows = rows_of(path)
    assert rows.text["district"].to_pylist() == ["崇川区"]
    assert [label for label, name in rows.columns.header().items() if name is None] == [long, f"{long} (2)", "备用"]
    assert sorted(f.code for f in rows.files[0].findings) == ["column-unknown"] * 3 + ["header-duplicate"]
    assert refused(put(tmp_path, f"{HEADER},区\n{ROW},x"))[0] == "header-duplicate"


def test_a_page_saved_as_a_workbook_is_named(tmp_path):
    assert refused(put(tmp_path, "<html><table><tr><td>区</td></tr></table></html>", "a.xls"))[0] == "markup-as-table"


def workbook(rows: list[list], *, merge: str | None = None, more=None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    if merge:
        sheet.merge_cells(merge)
    if more:
        more(book, sheet)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def test_workbook_title_unit_two_header_rows_and_merged_cells(tmp_path):
    data = workbook([["停车场一览", None, None, None, None, None, None],
                     ["基本情况", None, None, None, "规模", "收费标准", "开放时间"],
                     ["停车场名称", "区", "地址", "类型", "泊位总数", "收费标准", "开放时间"],
                     ["甲", "崇川区", "一路", "公共停车场", 620, "免费", "全天"],
                     ["乙", None, "二路", "公共停车场", 30.0, "免费", "全天"]],
                    merge="B4:B5")
    rows = rows_of(put(tmp_path, data, "a.xlsx"))
    assert rows.lines.tolist() == [4, 5]
    assert rows.text["district"].to_pylist() == ["崇川区", "崇川区"]
    assert rows.text["spaces"].to_pylist() == ["620", "30"]


def test_workbooks_that_are_read_together_keep_their_findings(tmp_path):
    files = []
    for name in ("a.xlsx", "b.xlsx"):
        rows = [HEADER.split(","), *([f"{name}{n}", *ROW.split(",")[1:4], 620, *ROW.split(",")[5:]] for n in (1, 2))]
        path = put(tmp_path, workbook(rows, merge="E2:E3"), name)
        files.append(open_rows(PARKING, path, name, Options()))
    assert files[0].alike() == files[1].alike()
    rows_together(PARKING, files)
    for file in files:
        assert [finding.line for finding in file.findings if finding.code == "merged-number"] == [3]


def test_figures_dates_and_percents_of_a_workbook_are_what_excel_shows(tmp_path):
    def style(book, sheet):
        sheet["H2"].number_format = "0.00%"

    data = workbook([[*HEADER.split(","), "占比", "日期", "是否"],
                     [*ROW.split(",")[:4], 0.1 + 0.2, *ROW.split(",")[5:], 0.6372, date(2024, 5, 13), True]],
                    more=style)
    rows = rows_of(put(tmp_path, data, "a.xlsx"))
    cells = dict(zip(rows.columns.labels, (column.to_pylist()[0] for column in rows.texts), strict=True))
    assert (cells["泊位总数"], cells["占比"], cells["日期"], cells["是否"]) == ("0.3", "63.72%", "2024-05-13", "true")


def test_hidden_and_further_sheets_are_reported(tmp_path):
    def sheets(book, sheet):
        book.create_sheet("隐藏").sheet_state = "hidden"
        book.create_sheet("说明").append(["随便写写"])

    data = workbook([HEADER.split(","), ROW.split(",")], more=sheets)
    found = {(f.code, f.sheet) for f in rows_of(put(tmp_path, data, "a.xlsx")).files[0].findings}
    assert found == {("sheet-hidden", "隐藏"), ("sheet-left-out", "说明")}
    assert refused_option(put(tmp_path, data, "a.xlsx"), sheet="没有") == "sheet-missing"


@pytest.mark.parametrize("first", [False, True])
def test_the_list_of_findings_that_comes_back_with_a_workbook_is_no_table_of_the_officers(tmp_path, first):
    def sheets(book, sheet):
        for name in ("问题清单", "问题清单 2"):
            book.create_sheet(name, 0 if first else None).append(list(FINDINGS_COLUMNS))
        book.create_sheet("问题清单 3").append(["停车场名称", "审计发现的问题"])

    data = workbook([HEADER.split(","), ROW.split(",")], more=sheets)
    found = {(f.code, f.sheet) for f in rows_of(put(tmp_path, data, "a.xlsx")).files[0].findings}
    assert found == {("sheet-left-out", "问题清单 3")}


def refused_option(path: Path, **options) -> str:
    with pytest.raises(Unreadable) as error:
        rows_of(path, **options)
    return error.value.findings[0].code


def rezipped(data: bytes, change: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change.get(entry.filename, old.read(entry)))
    return sink.getvalue()


def test_bad_workbooks_are_refused_by_name(tmp_path):
    good = workbook([HEADER.split(","), ROW.split(",")])
    sheet = "xl/worksheets/sheet1.xml"
    assert refused(put(tmp_path, good[: len(good) // 2], "a.xlsx"))[0] == "workbook-broken"
    bomb = rezipped(good, {sheet: b"<a>" + b" " * (40 << 20) + b"</a>"})
    assert refused(put(tmp_path, bomb, "a.xlsx"))[0] == "zip-bomb"
    entity = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><worksheet/>'
    assert refused(put(tmp_path, rezipped(good, {sheet: entity}), "a.xlsx"))[0] == "xml-entities"
    ocean = (b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
             b'<row r="1048576"><c r="ZZ1048576"><v>1</v></c></row></sheetData></worksheet>')
    assert refused(put(tmp_path, rezipped(good, {sheet: ocean}), "a.xlsx"))[0] == "sheet-too-large"
    wide = ocean.replace(b'1048576', b"1").replace(b"ZZ1", b"XFD1")
    assert refused(put(tmp_path, rezipped(good, {sheet: wide}), "a.xlsx"))[0] == "too-many-columns"
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000
    assert refused(put(tmp_path, ole + "EncryptedPackage".encode("utf-16-le"), "a.xlsx"))[0] == "workbook-password"
    assert refused(put(tmp_path, ole, "a.xls"))[0] == "workbook-broken"


def test_an_archive_of_tables_is_named_and_no_library_speaks_english_in_a_chinese_sentence(tmp_path):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("2024年支出表.csv", HEADER)
        archive.writestr("附件/收入表.csv", HEADER)
        archive.writestr("身份证11010519491231002X.jpg", "")
    with pytest.raises(Unreadable) as error:
        rows_of(put(tmp_path, sink.getvalue(), "附件.zip"))
    assert "有 3 个文件：2024年支出表.csv、附件/收入表.csv。" in render(error.value.findings[0], "zh")["message"]
    for data, name in ((workbook([["a"]])[:200], "a.xlsx"), (b"PK\x03\x04", "a.zip"), (b'[{"a": }]', "a.json")):
        with pytest.raises(Unreadable) as error:
            rows_of(put(tmp_path, data, name))
        message = render(error.value.findings[0], "zh")["message"]
        assert not re.search(r"[A-Za-z]{2,} [a-z]{2,}", message), message


def record(**changes) -> dict:
    return dict(zip(HEADER.split(","), ROW.split(","), strict=True)) | changes


@pytest.mark.parametrize("wrap", [json.dumps, lambda r: json.dumps({"code": "00", "data": r}),
                                  lambda r: json.dumps({"data": {"list": r, "total": len(r)}}),
                                  lambda r: "\n".join(map(json.dumps, r))])
def test_json_in_its_shapes(tmp_path, wrap):
    rows = rows_of(put(tmp_path, wrap([record(), record(泊位总数=7)]), "a.json"))
    assert rows.text["spaces"].to_pylist() == ["620", "7"]
    assert rows.lines.tolist() == [1, 2]


def test_json_numbers_stay_the_digits_of_the_file(tmp_path):
    text = json.dumps([record(经度="X")]).replace('"X"', "120.123456789012345678")
    assert rows_of(put(tmp_path, text, "a.json")).text["longitude"].to_pylist() == ["120.123456789012345678"]


def test_a_json_row_that_names_a_column_twice(tmp_path):
    once = json.dumps(record(), ensure_ascii=False)
    twice = once.replace('"区":', '"区": "西洲区", "区":')
    for name, text in (("a.json", f"[{once}, {twice}]"), ("a.jsonl", f"{once}\n{twice}")):
        rows = rows_of(put(tmp_path, text, name))
        assert {code: rows.lines[found].tolist() for code, found in rows.structure.items()} == {"key-twice": [2]}


def test_json_that_is_no_table(tmp_path):
    assert refused(put(tmp_path, '[{"区": 1}', "a.json"))[0] == "json-broken"
    assert refused(put(tmp_path, '{"a": 1}\n{"b": }', "a.jsonl")) == ("json-broken", 2)
    assert refused(put(tmp_path, '[{"区": NaN}]', "a.json"))[0] == "json-broken"
    assert refused(put(tmp_path, "[1, 2]", "a.json"))[0] == "json-shape"
    assert refused(put(tmp_path, "[" * 100_000, "a.json"))[0] == "json-broken"
    twice = f'"rows": {json.dumps([record()])}, "rows": {json.dumps([record()])}'
    for text in (f"{{{twice}}}", f'{{"data": {{{twice}}}}}'):
        assert refused(put(tmp_path, text, "a.json"))[0] == "json-broken", "only one of two lists would be read"
    nested = rows_of(put(tmp_path, json.dumps([record(地址={"路": "一路"}), record()]), "a.json"))
    assert nested.structure["cell-nested"].tolist() == [0]


def test_open_file_goes_by_content(tmp_path):
    assert open_file(put(tmp_path, workbook([["a"]]), "表.csv"), "表.csv").sheets[0].name == "Sheet"


def test_wide_tables_become_long(tmp_path):
    path = put(tmp_path, "统计期间,地区,受理量,办结量,满意率(%)\n2024-05,南通市,100,90,98.5\n2024-06,南通市,120,,99\n")
    x = examine(get_domain("hotline"), path, filename="a.csv", options=Options())
    assert (x.rows_in, x.rows_ok) == (5, 5)
    rows = {(r["period"], r["measure"]): (r["value"], r["unit"]) for r in x.table.to_pylist()}
    assert rows["2024-05", "satisfaction_rate"][1] == "%"
    assert rows["2024-05", "accepted"] == (100, "件")
    assert ("2024-06", "closed") not in rows


@pytest.mark.parametrize(("cell", "code"), [
    ("\\ud83d", "character-broken"), ("\\ude00\\ud83d", "character-broken"), ("\\u0000", "character-broken"),
    ("[" * 400 + "]" * 400, "cell-nested"), ("x" * 3000, "key-too-long"), ("停" * 700, "key-too-long"),
    ("\\ud83d\\ude00", None), ("\\uffff", None), ("停" * 600, None)])
def test_a_json_value_that_cannot_be_kept_sets_its_row_aside(tmp_path, cell, code):
    quote = "" if cell.startswith("[") else '"'
    good = json.dumps(dict(zip(HEADER.split(","), ROW.split(","), strict=True)), ensure_ascii=False)
    odd = good.replace('"中央公园停车场"', f"{quote}{cell}{quote}")
    for name, text in (("a.jsonl", f"{good}\n{odd}\n"), ("a.json", f"[{good},{odd}]")):
        examined = examine(PARKING, put(tmp_path, text, name), filename=name, options=Options())
        assert examined.rows_in == 2
        assert [f.code for f in examined.findings if f.severity == "error"] == ([code] if code else [])
        assert examined.rows_ok == (1 if code else 2)
        assert all("\\u0000" not in row.replace("\\\\u0000", "") for row in examined.quarantine["row"].to_pylist())


def test_a_label_with_half_a_character_is_refused_by_name(tmp_path):
    path = put(tmp_path, '[{"停车场名称\\ud83d": "x", "区": "y"}]', "a.json")
    with pytest.raises(Unreadable) as error:
        rows_of(path)
    assert [(f.code, f.label) for f in error.value.findings] == [("label-broken", "停车场名称\\ud83d")]


@pytest.mark.parametrize(("number", "kept"), [
    ("1e400", None), ("-1e400", None), ("1e2", None), ("12345678901234567890.123", None), ("-0", "0"), ("600", "600")])
def test_numbers_that_json_can_say_are_exact_or_set_aside(tmp_path, number, kept):
    row = dict(zip(HEADER.split(","), ROW.split(","), strict=True))
    text = json.dumps([row], ensure_ascii=False).replace('"620"', number)
    examined = examine(PARKING, put(tmp_path, text, "a.json"), filename="a.json", options=Options())
    assert [str(value) for value in examined.table["spaces"].to_pylist()] == ([kept] if kept else [])
    assert examined.rows_in == 1 == examined.rows_ok + examined.rows_quarantined


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_in_json_is_refused_with_its_line(tmp_path, constant):
    row = json.dumps(dict(zip(HEADER.split(","), ROW.split(","), strict=True)), ensure_ascii=False)
    odd = row.replace('"620"', constant)
    assert refused(put(tmp_path, f"{row}\n{odd}\n", "a.jsonl")) == ("json-broken", 2)
