"""Rows set aside: by rule and page, as files, hidden where personal, and gone once the source is mended."""

from __future__ import annotations

import io
from typing import Any

import pytest
from ckan.plugins import toolkit
from openpyxl import Workbook, load_workbook
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import model
from ckanext.gkopen.demo import act
from ckanext.gkopen.oversight import book as look
from tests.oversight.world import HEADER, approve, row, submit
from tests.people import Cast, call, make_cast

PERSON = "13812345678"
GOOD = tuple(row(number) for number in range(1, 4))
BAD = (row(4).replace("2026-05-06 09:00", "2026-13-46"), row(5).replace("838000.00", "不详"),
       row(6, name=f"联系{PERSON}，第"))


def sheet_of(*rows: str) -> bytes:
    """The same rows as an officer's workbook, with a formula in it."""
    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(HEADER.split(","))
    for each in rows:
        sheet.append(each.split(","))
    sheet.cell(2, 20, "=1+1")
    kept = io.BytesIO()
    workbook.save(kept)
    return kept.getvalue()


def send(cast: Cast, *rows: str) -> dict[str, Any]:
    return call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
                upload=FileStorage(io.BytesIO(sheet_of(*rows)), filename="采购公告.xlsx"))


def token(user: str) -> dict[str, str]:
    return {"Authorization": act("api_token_create", user=user, name="test")["token"]}


@pytest.fixture
def cast(site: Any) -> Cast:
    return make_cast()


def test_by_rule_and_page_without_personal_data(cast: Cast) -> None:
    revision = submit(cast, *GOOD, *BAD)["revision_id"]
    listed = call("gkopen_revision_quarantine", cast.officer, id=revision)["results"]
    assert [entry["line"] for entry in listed] == [5, 6, 7]
    by_rule = call("gkopen_revision_quarantine", cast.officer, id=revision, code="personal-mobile")["results"]
    assert [entry["line"] for entry in by_rule] == [7]
    assert by_rule[0]["row"]["项目名称"] == look.HIDDEN
    assert PERSON not in str(listed)
    assert not model.every("select 1 from gkopen.finding where value like :p or params::text like :p",
                           p=f"%{PERSON}%"), "no finding keeps what it found"
    first = call("gkopen_revision_quarantine", cast.officer, id=revision, limit=2)
    rest = call("gkopen_revision_quarantine", cast.officer, id=revision, limit=2, cursor=first["cursor"])
    assert [entry["line"] for entry in (*first["results"], *rest["results"])] == [5, 6, 7] and not rest["cursor"]
    with pytest.raises(toolkit.ObjectNotFound):
        call("gkopen_revision_quarantine", cast.stranger, id=revision)


def test_good_rows_are_delivered_and_mended_rows_come_by_themselves(cast: Cast) -> None:
    outcome = submit(cast, *GOOD, *BAD)
    assert (outcome["rows_ok"], outcome["rows_quarantined"]) == (3, 3)
    approve(cast, outcome["revision_id"])
    assert model.value("select sum(rows) from gkopen.public_part where part <> '~metadata'") == 3
    mended = submit(cast, *GOOD, *(row(number) for number in (4, 5, 6)))
    assert (mended["state"], mended["added"], mended["rows_quarantined"]) == ("held", 3, 0)


def test_pages_and_files_for_the_people_of_the_body(app: Any) -> None:
    cast = make_cast()
    revision = send(cast, *GOOD, *BAD)["revision_id"]
    officer = token(cast.officer)
    page = app.get(f"/review/{revision}/rows", headers=officer)
    assert page.status_code == 200 and "2026-13-46" in page.body and PERSON not in page.body
    only = app.get(f"/review/{revision}/rows?code=personal-mobile", headers=officer)
    assert "2026-13-46" not in only.body and look.HIDDEN in only.body
    assert PERSON not in app.get(f"/review/{revision}/rows.csv", headers=officer).body
    answer = app.get(f"/review/{revision}/corrections.xlsx", headers=officer)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="corrections-{revision[:8]}.xlsx"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    own = load_workbook(io.BytesIO(answer.data))
    marked = {cell.coordinate for line in own.worksheets[0].iter_rows() for cell in line if cell.comment}
    assert {"C5", "K6", "E7"} <= marked and own.sheetnames[-1] == look.LIST
    assert all(cell.data_type != "f" for line in own.worksheets[0].iter_rows() for cell in line)
    other = app.get(f"/review/{revision}/corrections.xlsx", headers=token(cast.office))
    made = load_workbook(io.BytesIO(other.data))
    assert made.sheetnames == ["待改正", look.LIST], "another body gets no copy of the officer's file"
    assert PERSON not in "".join(str(cell.value) for sheet in made for line in sheet.iter_rows() for cell in line)
    approve(cast, revision)
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", reason="经复核不宜公开")
    gone = load_workbook(io.BytesIO(app.get(f"/review/{revision}/corrections.xlsx", headers=officer).data))
    assert gone.sheetnames == ["待改正", look.LIST], "what was withdrawn comes back to nobody"
    for path in (f"/review/{revision}/rows", f"/review/{revision}/rows.csv", f"/review/{revision}/corrections.xlsx"):
        assert app.get(path, headers=token(cast.stranger), expect_errors=True).status_code == 404
        assert app.get(path, follow_redirects=False).status_code == 302


def checked(cast: Cast, book: Any) -> dict[str, Any]:
    kept = io.BytesIO()
    book.save(kept)
    return call("gkopen_check", cast.officer, domain="procurement", organization=cast.body,
                upload=FileStorage(io.BytesIO(kept.getvalue()), filename="corrections.xlsx"))


def test_a_csv_comes_back_as_the_whole_table_and_can_be_handed_in_mended(app: Any) -> None:
    cast = make_cast()
    revision = submit(cast, *GOOD, *BAD)["revision_id"]
    approve(cast, revision)
    answer = app.get(f"/review/{revision}/corrections.xlsx", headers=token(cast.officer))
    book = load_workbook(io.BytesIO(answer.data))
    assert book.sheetnames == ["采购公告", look.LIST], "what the name of the file said is not lost"
    sheet = book.worksheets[0]
    assert {"C5", "K6", "E7"} <= {cell.coordinate for line in sheet.iter_rows() for cell in line if cell.comment}
    same = checked(cast, book)
    assert (same["change"]["removed"], same["rows_ok"], same["rows_quarantined"]) == (0, 3, 3), "as it is, no row goes"
    sheet["C5"], sheet["K6"], sheet["E7"] = "2026-05-06 09:00", "838000.00", "停车场收费系统采购6"
    mended = checked(cast, book)
    assert (mended["change"]["added"], mended["change"]["removed"], mended["rows_quarantined"]) == (3, 0, 0)
    assert not {each["code"] for each in mended["findings"]} & {"column-unknown", "column-added"}


def test_a_workbook_of_bad_rows_alone_cannot_take_the_good_ones_away(app: Any) -> None:
    cast = make_cast()
    revision = submit(cast, *GOOD, *BAD)["revision_id"]
    approve(cast, revision)
    made = load_workbook(io.BytesIO(app.get(f"/review/{revision}/corrections.xlsx", headers=token(cast.office)).data))
    assert made.sheetnames == ["待改正", look.LIST]
    made.worksheets[0]["E2"] = "2026-05-06 09:00"
    refused = checked(cast, made)
    assert not refused["readable"] and [each["code"] for each in refused["findings"]] == ["corrections-generated"]
    whole = load_workbook(io.BytesIO(sheet_of(*GOOD, *(row(number) for number in (4, 5, 6)))))
    copy = whole.create_sheet("待改正")
    for line in made.worksheets[0].iter_rows(values_only=True):
        copy.append(line)
    beside = checked(cast, whole)
    assert beside["readable"] and (beside["change"]["added"], beside["change"]["removed"]) == (3, 0)
    assert "sheet-left-out" not in {each["code"] for each in beside["findings"]}
