"""What the door for business systems refuses: requests that are not right, too large, too many, or not theirs."""

from __future__ import annotations

import gzip
import io
import json
import logging
import zipfile
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit
from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.unreader import IterUnreader
from werkzeug.test import create_environ, run_wsgi_app

from ckanext.gkopen import model
from ckanext.gkopen.push import limits
from tests.people import call
from tests.push.system import DOOR, ROW, XLSX, System, rows, submissions, work

REFUSED_HEADERS = [
    ({"Authorization": ""}, 401, "token-missing"),
    ({"Authorization": "Bearer gkp_nonsense"}, 401, "token-unknown"),
    ({"Authorization": "Basic Zm9vOmJhcg=="}, 401, "token-missing"),
    ({"Authorization": "Bearer \xff\xfe"}, 401, "token-unknown"),
    ({"Idempotency-Key": ""}, 400, "key-missing"),
    ({"Idempotency-Key": "x" * 201}, 400, "key-missing"),
    ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "media-type"),
    ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "media-type"),
    ({"Content-Encoding": "gzip"}, 415, "encoding"),
    ({"Content-Encoding": "br"}, 415, "encoding"),
]


@pytest.mark.parametrize(("headers", "status", "code"), REFUSED_HEADERS, ids=[str(h) for h, *_ in REFUSED_HEADERS])
def test_a_request_that_is_not_right_is_refused_in_words(system: System, headers: dict[str, str], status: int,
                                                         code: str) -> None:
    answer = system.web.test_client(use_cookies=False).post(DOOR, data=b'{"rows": []}',
                                                            headers={**system.headers(), **headers})
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert "Set-Cookie" not in answer.headers


def test_a_session_does_not_stand_in_for_a_token(system: System) -> None:
    """Else a page elsewhere could push in the name of whoever is logged in."""
    answer = system.web.test_client(use_cookies=True).post(
        DOOR, data=b"{}", headers={"Content-Type": "application/json"},
        environ_overrides={"REMOTE_USER": system.cast.officer})
    assert answer.status_code == 401


@pytest.mark.parametrize("change", ["expires_at = now() - interval '1 second'", "revoked_at = now()"])
def test_a_token_that_ended_is_refused_for_pushes_and_states(system: System, change: str) -> None:
    place = system.push({"rows": rows(1)}).headers["Location"]
    model.execute(f"update gkopen.push_token set {change}")
    ckan_model.Session.commit()
    code = "token-expired" if "expires" in change else "token-revoked"
    for answer in (system.push({"rows": rows(1)}, "k-2"), system.ask(place)):
        assert (answer.status_code, answer.json["error"]["code"]) == (401, code)


def test_another_domain_or_body_is_out_of_reach(system: System) -> None:
    answer = system.push({"rows": rows(1)}, address="/api/gkopen/push/budget")
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "other-domain")
    place = system.push({"rows": rows(1)}).headers["Location"]
    other = call("gkopen_push_token_create", system.cast.stranger, name="jtj", domain="procurement",
                 organization=system.cast.other)["token"]
    assert system.ask(place, other).status_code == 404
    assert system.ask(f"{DOOR}/not-an-id").status_code == 404
    assert system.push({"rows": rows(2)}, token=other).headers["Location"] != place      # keys belong to a body


class Endless(io.RawIOBase):
    """A body that never ends; it knows how much of it was read."""

    def __init__(self) -> None:
        self.read_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = b"[" * len(buffer)
        self.read_bytes += len(buffer)
        return len(buffer)


def test_a_body_that_is_too_large_is_refused_before_and_while_it_is_read(
        system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.push.max_size", 1)
    announced = system.push(b" " * (1 << 20) + b" ")
    assert (announced.status_code, announced.json["error"]["code"]) == (413, "too-large")
    for media in ("application/json", "text/csv"):
        endless = Endless()
        environ = create_environ(DOOR, method="POST", headers=system.headers(media=media))
        environ |= {"wsgi.input": io.BufferedReader(endless), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
        _, status, _ = run_wsgi_app(system.web, environ)
        assert status.startswith("413")
        assert endless.read_bytes < 3 << 20


@pytest.mark.parametrize("media", ["text/csv", "application/json"])
def test_a_body_whose_connection_broke_off_is_none(system: System, media: str) -> None:
    """Two of three rows are a table too, and the third would be gone; the same key is free for the whole of it."""
    lines = [",".join(ROW), *(",".join(each.values()) for each in rows(3))]
    whole = "\r\n".join((*lines, "")).encode() if media == "text/csv" else json.dumps({"rows": rows(3)}).encode() + b" "
    came = whole[: whole.rindex(lines[3].encode())] if media == "text/csv" else whole[:-1]
    environ = create_environ(DOOR, method="POST", headers=system.headers(media=media))
    environ |= {"wsgi.input": io.BytesIO(came), "wsgi.input_terminated": True, "CONTENT_LENGTH": str(len(whole))}
    body, status, _ = run_wsgi_app(system.web, environ)
    assert status.startswith("400")
    assert json.loads(b"".join(body))["error"]["code"] == "request-broken"
    answer = system.push(whole, media=media)
    assert answer.status_code == 202
    work()
    assert system.ask(answer.headers["Location"]).json["rows_ok"] == 3


def test_a_body_in_chunks_that_breaks_off_is_none(system: System) -> None:
    request: Any = None                                   # only its trailers would be asked of it
    reader = ChunkedReader(request, IterUnreader([b"5\r\n" + json.dumps({"rows": rows(1)}).encode()[:5] + b"\r\n"]))
    environ = create_environ(DOOR, method="POST", headers=system.headers())
    environ |= {"wsgi.input": Body(reader), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    body, status, _ = run_wsgi_app(system.web, environ)
    assert (status[:3], json.loads(b"".join(body))["error"]["code"]) == ("400", "request-broken")


def test_a_push_is_no_error_in_the_log(system: System, caplog: pytest.LogCaptureFixture) -> None:
    """CKAN looks at each Authorization header for a token of its own."""
    place = system.push({"rows": rows(1)}).headers["Location"]
    assert system.ask(place).status_code == 200
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    system.web.test_client().get("/api/3/action/status_show", headers={"Authorization": "Bearer nonsense"})
    assert [record.name for record in caplog.records if record.levelno >= logging.ERROR] == ["ckan.lib.api_token"]


def test_bombs_are_refused_without_being_unpacked(system: System) -> None:
    packed = gzip.compress(b" " * (50 << 20))
    assert system.push(packed, Content_Encoding="gzip").status_code == 415
    assert system.push(packed, media="text/csv").status_code == 422
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for _ in range(600):
                sheet.write(b" " * (1 << 20))
    answer = system.push(book.getvalue(), media=XLSX)
    assert answer.status_code == 422
    assert answer.json["findings"]


def test_too_often_says_when_to_come_back_and_a_flushed_valkey_does_no_harm(
        system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    from ckan.lib.redis import connect_to_redis

    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.push.rate", 2)
    monkeypatch.setattr(limits.time, "time", lambda: 1_000_000.0)
    codes = [system.push({"rows": rows(1)}, f"k-{number}").status_code for number in range(4)]
    assert codes == [202, 202, 429, 429]
    refused = system.push({"rows": rows(1)}, "k-9")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    redis: Any = connect_to_redis()
    redis.flushdb()
    assert system.push({"rows": rows(1)}, "k-9").status_code == 202
    work()
    assert submissions() == 3


def test_without_valkey_pushes_still_come_in(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    import redis

    monkeypatch.setattr(limits, "connect_to_redis", lambda: redis.Redis(port=1, socket_connect_timeout=0.2))
    assert system.push({"rows": rows(1)}).status_code == 202


def test_a_queue_that_is_full_says_so(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WAITING_MOST", 1)
    assert system.push({"rows": rows(1)}).status_code == 202
    assert system.push({"rows": rows(1)}, "k-2").status_code == 429
    work()
    assert system.push({"rows": rows(1)}, "k-2").status_code == 202
