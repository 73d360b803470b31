"""What no page can answer is refused in time, and guessing passwords is stopped."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ckan.plugins import toolkit
from sqlalchemy.exc import DataError

from ckanext.gkopen import lockout, model
from ckanext.gkopen.demo import act
from tests.people import call, make_cast


@pytest.mark.parametrize("address", [
    "/dataset/?q=%00", "/domain/parking?q=%00", "/dataset/a%00b", "/organization/a%00b",
    "/datastore/dump/procurement?q=%00", "/datastore/dump/a%00b"])
def test_a_nul_character_is_a_bad_request(app: Any, address: str) -> None:
    assert app.get(address, status=400).mimetype == "text/plain"


def test_a_nul_character_in_json_is_a_bad_request(app: Any) -> None:
    app.post("/api/3/action/datastore_search", json={"resource_id": "x", "q": "\x00"}, status=400)


@pytest.mark.parametrize("half", ["\ud800", "a\udfff"])
def test_half_of_a_character_in_json_is_a_bad_request(app: Any, half: str) -> None:
    for action in ("datastore_search", "gkopen_row_history", "package_show"):
        app.post(f"/api/3/action/{action}", json={"resource_id": half, "id": half, "key": half}, status=400)
    app.post("/api/3/action/package_search", json={"q": "\U0001f600"}, status=200)


@pytest.mark.parametrize("query", ["sort=公开", "sort=2024-13-99", "sort=a:b", "sort=99999999999999999999"])
def test_a_feed_in_an_order_that_there_is_not_is_a_bad_request(app: Any, query: str) -> None:
    assert "sort" in app.get(f"/feeds/custom.atom?{query}", status=400).text


def test_a_form_of_a_table_that_there_is_not_is_a_bad_request(app: Any) -> None:
    assert "csv" in app.get("/datastore/dump/67296220-c879-5fa4-a91e-8af29ebc1421?format=%5B", status=400).text


@pytest.mark.parametrize("address", [
    "/user/?limit=公开", "/user/?limit=", "/user/?page=x", "/organization/?page=99999999999999999999",
    "/group/?page=99999999999999999999", "/dataset/?page=0",
    "/feeds/dataset.atom?page=10000000"])
def test_a_page_that_cannot_be_counted_is_a_bad_request(app: Any, address: str) -> None:
    assert "9999999" in app.get(address, status=400).text


@pytest.mark.parametrize("address", ["/user/_logout?came_from=公开", "/user/_logout?came_from=0", "/user/login?next=x"])
def test_an_address_to_go_on_to_that_is_none_is_a_bad_request(app: Any, address: str) -> None:
    headers = token_of(make_cast().admin)
    assert app.get(address, headers=headers, status=400).mimetype == "text/plain"
    for fine in ("/user/_logout?came_from=/about", "/user/_logout?came_from=", "/user/login?next=/about"):
        app.get(fine, headers=headers, status=200)


def test_an_error_that_passes_every_handler_leaves_the_database_usable(app: Any, monkeypatch: pytest.MonkeyPatch
                                                                       ) -> None:
    """The next request of the process would find a transaction in which every statement fails."""
    monkeypatch.setitem(app.flask_app.view_functions, "home.about", lambda: str(model.value("select 1 / 0")))
    with pytest.raises(DataError):
        app.get("/about")
    assert model.value("select 1") == 1


def cursor_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize("text", ["[" * 3000, '["\\ud800"]', '["\\u0000"]', "{}", "1", "null",
                                  '[1, 1, "\\ud800", 0, ""]'])
def test_a_cursor_that_no_answer_gave_is_no_error_of_the_portal(app: Any, text: str) -> None:
    cast, cursor = make_cast(), cursor_of(text)
    for address in ("/open/changes.jsonl", "/open/changes.atom", "/oversight"):
        assert app.get(f"{address}?cursor={cursor}").status_code in (400, 404), address
    for action, data in (("gkopen_rows", {"domain": "procurement"}), ("gkopen_change_list", {}),
                         ("gkopen_oversight_list", {}), ("gkopen_message_list", {}), ("gkopen_revision_list", {}),
                         ("gkopen_source_list", {}), ("gkopen_push_token_list", {})):
        with pytest.raises(toolkit.ValidationError):
            call(action, cast.admin, cursor=cursor, **data)


def test_a_number_of_a_cursor_has_an_end(app: Any) -> None:
    with pytest.raises(toolkit.ValidationError):
        call("gkopen_message_list", make_cast().admin, cursor=cursor_of(f'["{10 ** 30}"]'))


def test_a_key_that_nests_too_deeply_is_none(app: Any) -> None:
    with pytest.raises((toolkit.ValidationError, toolkit.ObjectNotFound)):
        call("gkopen_row_history", "", domain="project", key="[" * 5000)


def token_of(user: str) -> dict[str, str]:
    return {"Authorization": act("api_token_create", user=user, name="t")["token"]}


@pytest.mark.parametrize("address", ["/office/", "/review/", "/office/runs", "/office/sources", "/office/tokens"])
def test_a_page_that_cannot_go_on_from_a_cursor_says_so(app: Any, address: str) -> None:
    headers = token_of(make_cast().admin)
    names = ("cursor", "messages") if address == "/office/sources" else ("cursor",)
    for name in names:
        for text in ("nonsense", cursor_of("[1, 2, 3, 4, 5]"), cursor_of('["2026-05-01T00:00:00+08:00", "x"]')):
            answer = app.get(f"{address}?{name}={text}", headers=headers)
            assert answer.status_code in (200, 400), (address, name, text)
    assert app.get(f"{address}?{names[-1]}=nonsense", headers=headers).status_code == 400


@pytest.mark.parametrize(("address", "sent", "missing"), [
    ("/dataset/nothing/resource/new", {"name": "x"}, "save, id"), ("/dataset/nothing/resource/new", {"id": ""}, "save"),
    ("/dataset/nothing/resource/new", {"save": "again"}, "id"), ("/dataset/nothing/resource/r/edit", {}, "save"),
    ("/ckan-admin/config", {}, "save")])
def test_a_form_of_ckan_that_is_not_whole(app: Any, address: str, sent: dict[str, str], missing: str) -> None:
    answer = app.post(address, data=sent, headers=token_of(make_cast().admin))
    assert (answer.status_code, answer.mimetype) == (400, "text/plain")
    assert missing in answer.body


def test_a_form_of_the_catalogue_that_there_is_not(app: Any) -> None:
    assert "jsonld" in app.get("/catalog.json", status=404).body


@pytest.mark.parametrize("question", [
    "page=x", "page=0", "page=-1", "page=1.5", "page=999999999999", "modified_since=x", "modified_since=99999-01-01",
    "modified_since=" + "9" * 30, "fq=%5B", "profiles=nope"])
def test_a_question_that_the_catalogue_cannot_answer(app: Any, question: str) -> None:
    answer = app.get(f"/catalog.ttl?{question}", status=400)
    assert answer.mimetype == "text/plain"
    assert "modified_since" in answer.body and "gkopen_dcat" in answer.body


def test_what_is_asked_of_the_catalogue_twice_is_not_guessed(app: Any) -> None:
    app.get("/catalog.ttl")
    for question in ("page=1&page=2", "modified_since=2026-01-31&modified_since=2026-02-01"):
        assert question.partition("=")[0] in app.get(f"/catalog.ttl?{question}", status=400).body


def test_the_catalogue_since_a_time_with_a_zone(app: Any) -> None:
    for time in ("2026-01-31T09:30:00Z", "2026-01-31T17:30:00%2B08:00", "2026-01-31T17:30:00+08:00", "2026-01-31",
                 "2026-01-31 17:30", "Sat, 31 Jan 2026 09:30:00 GMT"):
        assert app.get(f"/catalog.ttl?modified_since={time}", status=200).mimetype == "text/turtle"


def test_an_account_rests_after_wrong_passwords(app: Any) -> None:
    cast = make_cast()

    def log_in(name: str, password: str) -> int:
        page = app.get("/user/login")
        token = page.body.split('name="_csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
        return app.post("/user/login", data={"login": name, "password": password, "_csrf_token": token},
                        follow_redirects=False).status_code

    assert [log_in(cast.officer, "wrong") for _ in range(lockout.WRONG)] == [200] * lockout.WRONG
    assert log_in(cast.officer, "correct-horse-9") == 429
    assert log_in(cast.reviewer, "correct-horse-9") == 302


@pytest.mark.parametrize("part", ["2026-13", "<b>not a month</b>", "", "2026-5"])
def test_a_nil_report_names_a_real_part(site: Any, part: str) -> None:
    cast = make_cast()
    with pytest.raises(toolkit.ValidationError):
        call("gkopen_nil_report", cast.officer, domain="procurement", organization=cast.body, part=part)


def test_a_nil_report_is_recorded_once(site: Any) -> None:
    cast = make_cast()
    data = {"domain": "procurement", "organization": cast.body, "part": "2026-05"}
    first = call("gkopen_nil_report", cast.officer, **data)
    assert call("gkopen_nil_report", cast.officer, **data) == first
    assert call("gkopen_nil_report", cast.officer, domain="budget", organization=cast.body, part="2026-budget")
