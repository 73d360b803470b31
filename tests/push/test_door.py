"""The door for business systems, on the real application: what is taken, what is refused, and what a push becomes."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import blobs, model
from ckanext.gkopen.derive.template import workbook
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.harvest import worker
from ckanext.gkopen.publish import outbox
from ckanext.gkopen.push import queue
from tests.leaks.world import HEADER, row
from tests.people import call, make_cast
from tests.push.system import DOOR, ROW, XLSX, System, rows, submissions, work


def test_a_push_is_queued_checked_held_approved_and_published(system: System) -> None:
    answer = system.push({"rows": rows(3)})
    assert (answer.status_code, answer.json["state"]) == (202, "queued")
    place = answer.headers["Location"]
    assert place == answer.json["status"]
    assert "Set-Cookie" not in answer.headers and answer.headers["Cache-Control"] == "no-store"
    assert system.ask(place).json["state"] == "queued"
    assert submissions() == 0
    worker.work(once=True)
    held = system.ask(place).json
    assert (held["state"], held["rows_in"], held["rows_ok"], held["added"]) == ("held", 3, 3, 3)
    shown = call("gkopen_revision_show", system.cast.reviewer, id=held["revision"])
    assert shown["submitted_by"] == "push:czj-finance" and shown["may"]["approve"]
    assert call("package_search", "", q="*:*")["count"] == 0
    call("gkopen_revision_approve", system.cast.reviewer, id=held["revision"], digest=shown["digest"])
    assert all(outbox.drain())
    assert system.ask(place).json["state"] == "published"
    assert call("datastore_search", "", resource_id="procurement")["total"] == 3


def test_who_made_the_token_does_not_approve_what_comes_by_it(app: Any) -> None:
    cast = make_cast()
    made = call("gkopen_push_token_create", cast.reviewer, name="own", domain="procurement", organization=cast.body)
    system = System(app.flask_app, cast, made["token"])
    place = system.push({"rows": rows(1)}).headers["Location"]
    work()
    held = call("gkopen_revision_show", cast.reviewer, id=system.ask(place).json["revision"])
    assert not held["may"]["approve"]
    key = toolkit.get_action("api_token_create")({"user": cast.reviewer}, {"user": cast.reviewer, "name": "t"})["token"]
    page = app.get(f"/review/{held['id']}", headers={"Authorization": key}, status=200).body
    assert "任何人不得审核自己的提交" in page and f'action="/review/{held["id"]}/approve"' not in page
    assert f'action="/review/{held["id"]}/return"' in page
    with pytest.raises(toolkit.ValidationError):
        call("gkopen_revision_approve", cast.reviewer, id=held["id"], digest=held["digest"])
    call("gkopen_revision_approve", cast.office, id=held["id"], digest=held["digest"])


@pytest.mark.parametrize(("media", "body"), [
    ("text/csv; charset=utf-8", ("\r\n".join((HEADER, row(1, "采购一"), row(2, "采购二"), ""))).encode()),
    ("text/csv", ("\r\n".join((HEADER, row(1, "采购一"), row(2, "采购二"), ""))).encode("gb18030")),
])  # fmt: skip
def test_csv_is_taken_with_its_own_bytes(system: System, media: str, body: bytes) -> None:
    answer = system.push(body, media=media)
    work()
    told = system.ask(answer.headers["Location"]).json
    assert (told["state"], told["rows_ok"]) == ("held", 2)
    raw = model.value("select raw_sha256 from gkopen.submission")
    assert blobs.read(raw) == body


def test_a_workbook_is_taken(system: System) -> None:
    answer = system.push(workbook(get_domain("procurement")), media=XLSX)
    assert answer.status_code in (202, 422), answer.json      # the template has its example row, or none
    if answer.status_code == 422:
        assert {finding["code"] for finding in answer.json["findings"]} == {"no-rows"}


def test_amounts_keep_every_digit(system: System) -> None:
    body = json.dumps({"rows": rows(1)}, ensure_ascii=False).replace('"838000.00"', "90071992547409.93").encode()
    answer = system.push(body)
    work()
    held = system.ask(answer.headers["Location"]).json
    diff = call("gkopen_revision_diff", system.cast.reviewer, id=held["revision"], part="2024-05")
    assert Decimal(diff["added"][0]["award_amount"]) == Decimal("90071992547409.93")


def test_bad_rows_come_in_the_state_with_words_in_both_languages(system: System) -> None:
    bad = {**rows(2)[1], "发布时间": "去年"}
    answer = system.push({"rows": [rows(1)[0], bad]})
    assert answer.status_code == 202
    work()
    told = system.ask(answer.headers["Location"]).json
    assert (told["state"], told["rows_ok"], told["rows_quarantined"]) == ("held", 1, 1)
    worst = [finding for finding in told["findings"] if finding["severity"] == "error"]
    assert worst and worst[0]["line"] == 2
    assert worst[0]["message"]["zh"] != worst[0]["message"]["en"]
    answer = system.push({"rows": [bad]}, "k-2")
    work()
    assert system.ask(answer.headers["Location"]).json["state"] == "returned"


def test_of_what_was_withdrawn_no_finding_is_told(system: System) -> None:
    place = system.push({"rows": [*rows(2), *rows(1, 公告编号="NT-9", 发布时间="昨天")]}).headers["Location"]
    work()
    held = system.ask(place).json
    assert held["findings_total"] and held["findings"]
    shown = call("gkopen_revision_show", system.cast.reviewer, id=held["revision"])
    call("gkopen_revision_approve", system.cast.reviewer, id=held["revision"], digest=shown["digest"])
    assert system.ask(place).json["findings"] == held["findings"]
    call("gkopen_dataset_withdraw", system.cast.reviewer, id=f"{system.cast.body}-procurement", reason="含不应公开内容")
    gone = system.ask(place).json
    assert gone["state"] == "withdrawn" and "findings" not in gone
    again = system.push({"rows": [*rows(2), *rows(1, 公告编号="NT-9", 发布时间="昨天")]}, "k-2").headers["Location"]
    work()
    assert system.ask(again).json["state"] == "held", "the same bytes may be submitted anew"


def test_scopes_replace_the_whole_or_change_single_rows(system: System) -> None:
    def published(key: str, body: dict[str, Any]) -> int:
        place = system.push(body, key).headers["Location"]
        work()
        shown = call("gkopen_revision_show", system.cast.reviewer, id=system.ask(place).json["revision"])
        call("gkopen_revision_approve", system.cast.reviewer, id=shown["id"], digest=shown["digest"])
        assert all(outbox.drain())
        return call("datastore_search", "", resource_id="procurement")["total"]

    assert published("a", {"rows": rows(5)}) == 5
    assert published("b", {"rows": rows(1, **{"预算金额(万元)": "85"}), "scope": "changes"}) == 5
    assert published("c", {"rows": rows(2), "scope": "complete"}) == 2


UNACCEPTABLE = [
    (b"", "application/json", "malformed"),
    (b"[1]", "application/json", "malformed"),
    (b'{"rows": [1]}', "application/json", "malformed"),
    (b'{"rows": [], "part": "2024-05"}', "application/json", "malformed"),
    (b'{"rows": [{"a": "1"}], "scope": "all"}', "application/json", "malformed"),
    (b'{"rows": [{"a": "1"}], "units": []}', "application/json", "malformed"),
    (b"[" * 100_000, "application/json", "malformed"),
    (b'{"rows": [{"a": "\\ud800"}]}', "application/json", "malformed"),
    (b'{"rows": [{"a": "1"}], "\\ud800": 1}', "application/json", "malformed"),
    (b'{"rows": [{"a": "1"}], "units": {"a": "\\u0000"}}', "application/json", "malformed"),
    (b'{"rows": [{"a": "1"}], "rows": [{"a": "2"}]}', "application/json", "malformed"),
    (b'{"rows": [{"a": "1"}], "scope": "complete", "scope": "changes"}', "application/json", "malformed"),
    (b'{"rows": [{"a": "1"}], "units": {"a": "x", "a": "y"}}', "application/json", "malformed"),
    (b'{"rows": []}', "application/json", "not-acceptable"),
    (b"\xff\xfe\x00garbage\x81", "text/csv", "not-acceptable"),
    (b"not a workbook", XLSX, "not-acceptable"),
    (b"", "text/csv", "not-acceptable"),
]


@pytest.mark.parametrize(("body", "media", "code"), UNACCEPTABLE, ids=range(len(UNACCEPTABLE)))
def test_what_cannot_be_read_is_422_and_leaves_nothing(system: System, body: bytes, media: str, code: str) -> None:
    answer = system.push(body, media=media)
    assert (answer.status_code, answer.json["error"]["code"]) == (422, code)
    assert answer.json["error"]["zh"] and answer.json["error"]["en"]
    assert model.value("select count(*) from gkopen.push") == 0


def test_unknown_and_missing_columns_are_named_at_once(system: System) -> None:
    answer = system.push({"rows": [{**ROW, "神秘列": "1"}]})
    assert answer.status_code == 422
    assert [(f["code"], f["label"]) for f in answer.json["findings"]] == [("column-unknown", "神秘列")]
    short = {label: text for label, text in ROW.items() if label != "项目名称"}
    answer = system.push({"rows": [short]})
    assert answer.status_code == 422
    assert "project_name" in {finding["field"] for finding in answer.json["findings"]}
    assert system.push({"rows": [ROW]}).status_code == 202      # the key was not used up by what was refused


def test_the_same_key_again_is_the_same_answer_and_with_other_content_409(system: System) -> None:
    first = system.push({"rows": rows(2)})
    again = system.push({"rows": rows(2)})
    assert (again.status_code, again.headers["Location"]) == (202, first.headers["Location"])
    other = system.push({"rows": rows(3)})
    assert (other.status_code, other.json["error"]["code"]) == (409, "key-reused")
    assert system.push({"rows": rows(2), "scope": "complete"}).status_code == 409
    work()
    assert submissions() == 1
    late = system.push({"rows": rows(2)})
    assert (late.status_code, late.json["state"]) == (202, "held")


def test_twenty_equal_keys_at_once_are_one_submission(system: System) -> None:
    gate = threading.Barrier(20)
    body = {"rows": rows(5)}

    def one(_: int) -> tuple[int, str]:
        gate.wait()
        try:
            answer = system.push(body, "same")
            return answer.status_code, answer.headers.get("Location", "")
        finally:
            ckan_model.Session.remove()

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(one, range(20)))
    assert len(answers) == 1 and next(iter(answers))[0] == 202
    assert model.value("select count(*) from gkopen.push") == 1
    work()
    assert submissions() == 1


def test_equal_keys_with_different_contents_at_once_take_exactly_one(system: System) -> None:
    gate = threading.Barrier(8)

    def one(number: int) -> int:
        gate.wait()
        try:
            return system.push({"rows": rows(number + 1)}, "same").status_code
        finally:
            ckan_model.Session.remove()

    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(one, range(8)))
    assert codes == [202, *[409] * 7]


def test_two_workers_check_each_push_once_and_in_order(system: System) -> None:
    places = [system.push({"rows": rows(1, 项目名称=f"第{number}版")}, f"k-{number}").headers["Location"]
              for number in range(6)]

    def one(_: int) -> None:
        try:
            work()
        finally:
            ckan_model.Session.remove()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(one, range(3)))
    work()
    assert submissions() == 6
    assert model.value("select max(attempts) from gkopen.push") == 1
    states = [system.ask(place).json["state"] for place in places]
    assert states == [*["superseded"] * 5, "held"]


def test_a_worker_that_comes_between_counting_and_locking_counts_nothing(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.push({"rows": rows(1)})
    found = model.one

    def one(sql: str, **params: Any) -> Any:
        if sql.startswith("select p.*"):
            monkeypatch.setattr(model, "one", found)
            with ThreadPoolExecutor(1) as other:
                assert other.submit(queue.work_one).result() is False
        return found(sql, **params)

    monkeypatch.setattr(model, "one", one)
    assert queue.work_one()
    assert model.every("select state, attempts from gkopen.push") == [{"state": "checked", "attempts": 1}]


def test_a_push_that_is_being_checked_says_so(system: System) -> None:
    place = system.push({"rows": rows(1)}).headers["Location"]
    with ckan_model.ensure_engine().connect() as other:
        other.exec_driver_sql("select * from gkopen.push for update")
        assert system.ask(place).json["state"] == "checking"
        other.rollback()
    assert system.ask(place).json["state"] == "queued"


def test_a_push_that_always_breaks_the_program_ends_as_failed(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    place = system.push({"rows": rows(1)}).headers["Location"]

    def broken(*_: Any) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(queue, "_check", broken)
        for _ in range(queue.TRIES + 1):
            assert queue.work_one()
            model.execute("update gkopen.push set not_before = now()")
            ckan_model.Session.commit()
    assert not queue.work_one()
    told = system.ask(place).json
    assert told["state"] == "failed" and told["error"]["zh"]


def test_changed_columns_are_refused_with_a_proposal_unless_they_are_meant(system: System) -> None:
    assert system.push({"rows": rows(5)}).status_code == 202
    work()
    [held] = call("gkopen_revision_list", system.cast.officer, state="held")["results"]
    call("gkopen_revision_approve", system.cast.office, id=held["id"], digest=held["digest"])

    def changed(**more: Any) -> Any:
        told = [{{"中标供应商": "成交单位名称"}.get(label, label): text for label, text in each.items()}
                for each in rows(5, 标段="2")]
        return system.push({"rows": told, **more}, "k-2")

    def findings(answer: Any) -> list[tuple[str, str]]:
        assert (answer.status_code, answer.json["error"]["code"]) == (422, "not-acceptable")
        return [(finding["code"], finding["label"]) for finding in answer.json["findings"]]

    refused = changed()
    assert findings(refused) == [("column-renamed", "中标供应商")]
    assert "成交单位名称" in refused.json["findings"][0]["message"]["zh"]
    assert changed(mapping={"成交单位名称": "supplier_name"}).status_code == 202
    fewer = [{label: text for label, text in each.items() if label != "采购类别"} for each in rows(5, 标段="3")]
    assert findings(system.push({"rows": fewer}, "k-3")) == [("column-removed", "采购类别")]
    other = rows(5, 标段="3", **{"预算金额(万元)": "约一百万"})
    assert findings(system.push({"rows": other}, "k-3")) == [("column-kind-changed", "预算金额(万元)")]
    place = system.push({"rows": other, "columns": "changed"}, "k-3").headers["Location"]
    work()
    told = system.ask(place).json
    assert told["state"] == "held" and "column-kind-changed" in {finding["code"] for finding in told["findings"]}
    assert system.push({"rows": other, "columns": "perhaps"}, "k-4").status_code == 422


def test_columns_that_wait_for_review_are_not_taken_for_accepted(system: System) -> None:
    """Though another part with the same header is published meanwhile."""
    def approve_newest() -> None:
        held = call("gkopen_revision_list", system.cast.officer, state="held")["results"][0]
        call("gkopen_revision_approve", system.cast.office, id=held["id"], digest=held["digest"])

    assert system.push({"rows": rows(5)}, "k-1").status_code == 202
    work()
    approve_newest()
    words = rows(5, 发布时间="2024-08-06 09:00", **{"预算金额(万元)": "约一百万"})
    assert system.push({"rows": words, "columns": "changed"}, "k-2").status_code == 202
    work()
    upload = json.dumps(rows(5, 发布时间="2024-09-06 09:00"), ensure_ascii=False).encode()
    call("gkopen_submission_create", system.cast.officer, domain="procurement", organization=system.cast.body,
         upload=FileStorage(io.BytesIO(upload), filename="九月.json"))
    approve_newest()
    refused = system.push({"rows": words}, "k-3")
    assert refused.status_code == 422, "the words in the place of amounts were never approved"
    assert [finding["code"] for finding in refused.json["findings"]] == ["column-kind-changed"]
    assert system.push({"rows": rows(5, 标段="2")}, "k-4").status_code == 202


def test_a_cell_with_a_nul_character_does_no_harm(system: System) -> None:
    answer = system.push({"rows": rows(1, 项目名称="a\x00b")})
    assert answer.status_code in (202, 422)
    work()
    if answer.status_code == 202:
        assert system.ask(answer.headers["Location"]).json["state"] in ("held", "returned")


@pytest.mark.parametrize("name", ["supplier_nam", "中标供应商"])
def test_a_constant_for_no_field_is_refused(system: System, name: str) -> None:
    """Else the column stays empty and nobody is told."""
    table = [{label: value for label, value in each.items() if label != "中标供应商"} for each in rows(1)]
    refused = system.push({"rows": table, "constants": {name: "南通某某科技有限公司"}})
    assert (refused.status_code, refused.json["findings"][0]["code"]) == (422, "mapping-unknown-field")
    assert name in refused.json["findings"][0]["message"]["zh"]


@pytest.mark.parametrize("address", ["?scop=changes", "?scope=changes&scope=complete", "?mapping=x"])
def test_a_slip_of_the_pen_in_the_address_is_refused(system: System, address: str) -> None:
    """Else a table of changes is read as a whole one, and what it leaves out as gone."""
    body = "\r\n".join((HEADER, row(1, "采购一"), "")).encode()
    refused = system.push(body, media="text/csv", address=DOOR + address)
    assert (refused.status_code, refused.json["error"]["code"]) == (422, "malformed")
    assert "scope、columns" in refused.json["error"]["zh"]


@pytest.fixture
def example() -> Iterator[str]:
    yield (Path(__file__).parents[2] / "docs" / "push.md").read_text("utf-8")


def test_the_docs_name_every_answer_and_state(example: str) -> None:
    for word in ("202", "400", "401", "403", "404", "409", "413", "415", "422", "429", "Retry-After", "Location",
                 "Idempotency-Key", "queued", "checking", "held", "published", "returned", "failed", "unchanged",
                 "superseded", "withdrawn", "parts", "complete", "changes", "mapping", "units", "constants"):
        assert word in example, word


def test_columns_hold_too_where_the_officer_edits_the_metadata_of_what_waits(system: System) -> None:
    assert system.push({"rows": rows(5)}, "k-1").status_code == 202
    work()
    call("gkopen_submission_create", system.cast.officer, domain="procurement", organization=system.cast.body,
         metadata={"title": "采购公告，人工改过的标题"})
    held = call("gkopen_revision_list", system.cast.officer, state="held")["results"][0]
    call("gkopen_revision_approve", system.cast.office, id=held["id"], digest=held["digest"])
    words = rows(5, 发布时间="2024-08-06 09:00", **{"预算金额(万元)": "约一百万"})
    refused = system.push({"rows": words}, "k-2")
    assert [finding["code"] for finding in refused.json["findings"]] == ["column-kind-changed"]
