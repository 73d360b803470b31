"""A fault of the portal is told apart from a value that it cannot use, and a database that is away from both."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from ckan import logic
from ckan import model as ckan_model
from ckan.plugins import toolkit
from sqlalchemy import exc

from ckanext.gkopen import away, model
from ckanext.gkopen.unfit import fits, is_callers
from tests.fresh import FreshSite

KNOWN = {"id": "string", "limit": "int", "all_fields": "bool", "fields": "list of strings", "extras": "dictionary"}


@pytest.mark.parametrize(("value", "words", "fit"), [
    ("x", "string", True), (1, "string", False), (None, "string", False), (["x"], "string", False),
    ("7", "int", True), (7, "int, optional", True), ("x", "int", False), (True, "int", False), ("", "int", False),
    ("true", "bool (optional, default: False)", True), (False, "bool", True), ("x", "bool", False),
    (["x"], "list of strings", True), ([1], "list of strings", False), ("x", "list of strings", False),
    ([{"a": 1}], "list of tag dictionaries", True), ("a,b", "list or comma separated string", True),
    ({}, "dictionary", True), ("{}", "dictionary", False), ("csv", "controlled list", True),
    (1.5, "depends on records_format value passed", True)])
def test_what_a_type_in_words_takes(value: Any, words: str, fit: bool) -> None:
    assert fits(value, words) is fit


@pytest.mark.parametrize(("error", "sent", "callers"), [
    (TypeError("'<' not supported"), {"id": "x", "limit": "7"}, False),
    (TypeError("'<' not supported"), {"id": "x", "limit": ""}, True),
    (AttributeError("'NoneType' object has no attribute 'id'"), {"id": "x", "all_fields": "true"}, False),
    (AttributeError("'list' object has no attribute 'strip'"), {"id": ["x"]}, True),
    (KeyError("id"), {"limit": 5}, True), (KeyError("id"), {"id": "x"}, False), (KeyError("title"), {"id": "x"}, False),
    (ValueError("Authorization function not found: x_update"), {"id": "x"}, True),
    (ValueError("not enough values to unpack"), {"id": "x"}, False),
    (AssertionError(), {"id": "x"}, False),
    (exc.ProgrammingError("select", {}, Exception("relation does not exist")), {"id": "x"}, False),
    (exc.DataError("select", {}, Exception("bigint out of range")), {"limit": 10**20}, True)])
def test_whose_fault_it_is(error: Exception, sent: dict[str, Any], callers: bool) -> None:
    try:
        raise error
    except Exception as raised:
        assert is_callers(raised, KNOWN, sent) is callers


def test_a_fault_of_the_portal_is_no_value_that_does_not_fit(app: Any) -> None:
    """A table that is not there, behind a question that is right."""
    model.execute("alter table public.vocabulary rename to mislaid")
    ckan_model.Session.commit()
    try:
        assert app.get("/api/3/action/vocabulary_list").status_code == 500
        assert app.get("/api/3/action/tag_list?vocabulary_id=v").status_code == 500
        assert app.post("/api/3/action/tag_list", json={"vocabulary_id": {"a": 1}}).status_code == 409
    finally:
        ckan_model.Session.rollback()
        model.execute("alter table public.mislaid rename to vocabulary")
        ckan_model.Session.commit()
    assert app.get("/api/3/action/vocabulary_list").status_code == 200


@pytest.fixture
def no_database(app: Any, fresh_site: FreshSite) -> Iterator[None]:
    """CKAN's database ends its connections and takes no new ones."""
    name = fresh_site.site.databases.name
    ckan_model.Session.remove()
    with fresh_site.datastore.cursor() as cursor:
        cursor.execute(f'alter database "{name}" with allow_connections false')
        cursor.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s"
                       " and usename <> current_user", [name])
    yield
    with fresh_site.datastore.cursor() as cursor:
        cursor.execute(f'alter database "{name}" with allow_connections true')
    ckan_model.Session.remove()


@pytest.mark.parametrize("address", ["/", "/open/", "/open/index.json", "/api/3/action/package_show?id=x",
                                     "/api/3/action/gkopen_rows?domain=parking", "/api/3/action/tag_list"])
def test_a_database_that_is_away_is_said(no_database: None, app: Any, address: str) -> None:
    for _ in range(2):
        answer = app.get(address)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, away.AGAIN)
        assert answer.headers["Cache-Control"].startswith("no-store")


def test_what_a_supervisor_asks_tells_which_server_is_away(no_database: None, app: Any) -> None:
    """CKAN looks up the asker before it comes to the view, which is not asked then."""
    alive, ready = app.get("/healthz"), app.get("/readyz")
    assert (alive.status_code, alive.body) == (200, "ok\n")
    assert (ready.status_code, ready.body) == (503, "postgresql does not answer\nsolr ok\nvalkey ok\n")


@pytest.fixture
def nobody_listens() -> Iterator[int]:
    """A port at which no server is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize("address", ["/", "/dataset/", "/domain/parking", "/organization/", "/catalog.ttl",
                                     "/feeds/dataset.atom", "/api/3/action/package_search"])
def test_a_search_that_is_away_is_said(app: Any, monkeypatch: pytest.MonkeyPatch, nobody_listens: int,
                                       address: str) -> None:
    monkeypatch.setitem(toolkit.config, "solr_url", f"http://127.0.0.1:{nobody_listens}/solr/ckan")
    answer = app.get(address)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, away.AGAIN)


def test_sessions_that_are_away_are_said(app: Any, monkeypatch: pytest.MonkeyPatch, nobody_listens: int) -> None:
    monkeypatch.setattr(app.flask_app.session_interface, "client", redis.Redis(port=nobody_listens))
    monkeypatch.setitem(app.flask_app.config, "PROPAGATE_EXCEPTIONS", False)      # as in a portal
    answer = app.get("/user/login")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, away.AGAIN)


@pytest.mark.parametrize("action", ["tag_list", "gkopen_domain_list"])
def test_an_action_that_loses_the_database_says_so(app: Any, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    """In its midst: before it, the request is answered without it."""
    def lose(_context: Any, _data_dict: Any) -> None:
        model.execute("select pg_terminate_backend(pg_backend_pid())")

    toolkit.get_action(action)                            # all of them are looked up with the first
    monkeypatch.setitem(logic._actions, action, toolkit.side_effect_free(lose))
    answer = app.get(f"/api/3/action/{action}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, away.AGAIN)
    assert answer.json["success"] is False
    ckan_model.Session.remove()


def test_a_question_that_took_too_long_is_a_fault_and_not_a_database_that_is_away(site: Any) -> None:
    model.execute("set local statement_timeout = 1")
    with pytest.raises(exc.OperationalError) as canceled:
        model.execute("select pg_sleep(1)")
    ckan_model.Session.rollback()
    assert not away.is_away(canceled.value)
