"""Answers that no well-behaved server gives, from a socket that says what it is told to."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ckanext.gkopen.harvesters import (
    AnswerTooLarge,
    BadAnswer,
    ClockSkew,
    ForbiddenAddress,
    HarvestError,
    InconsistentListing,
    Limits,
    Page,
    RateLimited,
    SourceRefused,
    SourceUnreachable,
    Transport,
    exchange,
    load_source,
    open_transport,
)
from ckanext.gkopen.harvesters.base import Breaker, NoBreaker

LIMITS = Limits(connect=1, silence=0.4, attempt=0.8, tries=1)
GOOD = b'{"errcode":0,"totalrecords":1,"data":[{"a":"1"}]}'
EMPTY = b'{"errcode":0,"result":"ok","data":null}'


class Wire:
    """Listens on a port of its own; `say` decides what one connection gets for one request."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.requests: list[bytes] = []
        self.say: Callable[[socket.socket, bytes], None] = lambda sock, request: None
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self.listening.accept()
            except OSError:
                return
            with sock:
                request = sock.recv(65536)
                self.requests.append(request)
                try:
                    self.say(sock, request)
                except OSError:
                    continue

    def answers(self, *whole: bytes) -> None:
        """One whole answer a connection, the last one again."""
        left = list(whole)
        self.say = lambda sock, request: sock.sendall(left.pop(0) if len(left) > 1 else left[0])

    def trickles(self, text: bytes) -> None:
        def say(sock: socket.socket, request: bytes) -> None:
            for at in range(len(text)):
                sock.sendall(text[at : at + 1])
                if self.stopping.wait(0.1):
                    return

        self.say = say

    def read(self, limits: Limits = LIMITS, **keys: str) -> list[Page]:
        """All pages, after the entry of the catalogue where an address of it is given. `keys`: more of the source file.
        """
        with self.connected(limits, **keys) as transport:
            transport.catalogue()
            return list(transport.pages())

    @contextmanager
    def connected(self, limits: Limits = LIMITS, breaker: Breaker | None = None, /, **keys: str) -> Iterator[Transport]:
        more = "".join(f", {key}: {value}" for key, value in keys.items())
        source = load_source(
            f"{{name: aa, title: t, domain: dd, organization: a, transport: exchange, service: s, update_cycle: daily,"
            f" url: 'http://127.0.0.1:{self.port}/x', signer: {{family: bearer}}, secret_env: GKOPEN_SECRET_A{more}}}"
        )
        transport = open_transport(source, "s", allowed_hosts=[f"127.0.0.1:{self.port}"], limits=limits,
                                   breaker=breaker or NoBreaker(), sleep=lambda _: None)
        try:
            yield transport
        finally:
            transport.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.stopping.set()
    made.listening.shutdown(socket.SHUT_RDWR)
    made.listening.close()
    made.thread.join(timeout=5)


def http(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    lines = {"Content-Length": str(len(body)), "Connection": "close"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


@pytest.mark.parametrize("text", [b"HTTP/1.1 200 OK\r\nX-A: b\r\n" * 99, b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 99])
def test_headers_that_trickle_are_cut_by_the_deadline(wire, text):
    """Each byte comes well within the silence limit: only a limit on the whole ends this."""
    wire.trickles(text)
    began = time.monotonic()
    with pytest.raises(SourceUnreachable, match="time limit"):
        wire.read()
    assert time.monotonic() - began < 2


def test_a_gateways_own_clock_is_named_from_its_answer_in_seconds(wire):
    """The front before it has the right time; only the answer tells that the gateway lives ten minutes ago."""
    theirs = int(time.time()) - 600
    wire.answers(http(b'{"errcode":401,"errmsg":"sign expired","timestamp":%d}' % theirs, "401 Unauthorized",
                      Date=format_datetime(datetime.now(UTC), usegmt=True)))
    with pytest.raises(ClockSkew) as caught:
        wire.read()
    assert abs(caught.value.seconds + 600) <= 3
    assert len(wire.requests) == 1, "an answer that will not change is not asked for again"


def test_a_code_that_is_not_known_is_blamed_on_the_clock_where_that_is_wrong(wire):
    wire.answers(http('{"errcode":14,"result":"请求时间失效"}'.encode(),
                      Date=format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)))
    with pytest.raises(ClockSkew, match="请求时间失效"):
        wire.read()


@pytest.mark.parametrize(("status", "kind"), [("500 Error", SourceUnreachable), ("403 Forbidden", SourceRefused),
                                              ("429 Too Many", RateLimited)])
def test_what_the_platform_says_is_told_in_the_encoding_that_it_names(wire, status, kind):
    wire.answers(http('{"errcode":9,"result":"额度已用完"}'.encode("gbk"), status,
                      Content_Type="application/json;charset=GBK"))
    with pytest.raises(kind, match=f"{status[:3]} 额度已用完"):
        wire.read()


@pytest.mark.parametrize(("answer", "kind", "said"), [
    (http(b"", "404 Not Found"), SourceRefused, "no such address or service"),
    (http(b"", "405 Method Not Allowed"), SourceRefused, "request.method"),
    (http(b""), BadAnswer, "the answer is empty"), (http(b"", "204 No Content"), BadAnswer, "the answer is empty")])
def test_an_interface_that_was_taken_down_or_says_nothing_is_named(wire, answer, kind, said):
    """The secret is not to be blamed for an address that is gone."""
    wire.answers(answer)
    with pytest.raises(kind, match=said) as caught:
        wire.read()
    assert "secret" not in caught.value.en


def test_pages_whose_rows_move_while_they_are_read_are_no_listing(wire):
    """A row that is new at the top pushes the last one of each page onto the next: the total is right by chance."""
    def page(*names):
        return http(('{"errcode":0,"totalrecords":4,"data":[' + ",".join(f'{{"a":"{name}"}}' for name in names)
                     + "]}").encode())

    wire.answers(page("a", "b"), page("b", "c"), page(), page("new", "a"))
    with pytest.raises(InconsistentListing, match="two pages"):
        wire.read()
    wire.answers(page("a", "b"), page("b", "c"), page(), page("a", "b"))
    assert [row["a"] for page in wire.read() for row in page.rows] == ["a", "b", "b", "c"]


def two_pages(number: int) -> bytes:
    return http(b'{"errcode":0,"totalrecords":3,"data":%s}' % [b'[{"a":"1"},{"a":"2"}]', b'[{"a":"3"}]'][number - 1])


def page_of(request: bytes) -> int:
    return int(request.partition(b"page=")[2][:1])


def test_the_next_page_is_on_its_way_while_one_is_taken_in(wire):
    asked = threading.Event()

    def say(sock: socket.socket, request: bytes) -> None:
        if page_of(request) == 2:
            asked.set()
        sock.sendall(two_pages(page_of(request)))

    wire.say = say
    with wire.connected() as transport:
        pages = transport.pages()
        assert len(next(pages).rows) == 2
        assert asked.wait(5), "page 2 is asked for when the first one was taken in"
        assert [len(page.rows) for page in pages] == [1]
    assert list(map(page_of, wire.requests)) == [1, 2]


def test_of_a_large_page_the_next_one_is_not_held_beside_it(wire, monkeypatch):
    monkeypatch.setattr(exchange, "AHEAD_BYTES", 10)
    wire.say = lambda sock, request: sock.sendall(two_pages(page_of(request)))
    with wire.connected() as transport:
        pages = transport.pages()
        next(pages)
        assert list(transport._beside._threads) == [], "nothing runs beside whoever takes the page in"
        assert len(list(pages)) == 1


def test_a_page_that_fails_while_the_one_before_is_taken_in_is_tried_again(wire):
    """The first try is one of the tries, the breaker hears of it once, and the page before is not lost for it."""
    heard: list[str] = []

    class Hears:
        def before(self, host: str) -> None:
            heard.append("asked")

        def succeeded(self, host: str) -> None:
            heard.append("well")

        def failed(self, host: str, error: HarvestError) -> None:
            heard.append(type(error).__name__)

    wire.answers(two_pages(1), http(b"busy", "503 Busy"), two_pages(2))
    with wire.connected(replace(LIMITS, tries=2), Hears()) as transport:
        assert [len(page.rows) for page in transport.pages()] == [2, 1]
    assert heard == ["asked", "well", "asked", "SourceUnreachable", "asked", "well"]
    wire.answers(two_pages(1), http(b"busy", "503 Busy"))
    with wire.connected(replace(LIMITS, tries=3)) as transport:
        pages = transport.pages()
        assert len(next(pages).rows) == 2
        with pytest.raises(SourceUnreachable, match="503"):
            next(pages)
    assert list(map(page_of, wire.requests)) == [1, 2, 2, 1, 2, 2, 2]


def test_a_listing_that_nobody_reads_on_ends_its_call(wire):
    wire.say = lambda sock, request: (sock.sendall(two_pages(1)) if page_of(request) == 1 else wire.stopping.wait(9))
    with wire.connected(replace(LIMITS, silence=0.2, attempt=60)) as transport:
        next(transport.pages())
    assert not any(thread.name.startswith("page-ahead") for thread in threading.enumerate())


def test_rows_in_the_encoding_that_the_header_names_are_read(wire):
    wire.answers(http('{"errcode":0,"totalrecords":1,"data":[{"a":"江海市"}]}'.encode("gb18030"),
                      Content_Type="text/html; charset=gb2312"), http(GOOD.replace(b'{"a":"1"}', b"")))
    assert [row for page in wire.read() for row in page.rows] == [{"a": "江海市"}]


def test_rows_in_the_encoding_that_the_source_file_names_are_read_whatever_the_header_says(wire):
    rows = '{"errcode":0,"totalrecords":1,"data":[{"a":"江海市"}]}'
    for body in (rows.encode("gbk"), rows.encode()):
        wire.answers(http(body, Content_Type="application/json;charset=ISO-8859-1"), http(EMPTY))
        assert [row for page in wire.read(encoding="gb18030") for row in page.rows] == [{"a": "江海市"}]
    wire.answers(http(rows.encode("gbk")))
    with pytest.raises(BadAnswer, match="encoding: gb18030"):
        wire.read()


def test_an_address_on_the_same_host_is_followed(wire):
    wire.answers(
        http(b"", "302 Found", Location="/y?page=1"), http(GOOD), http(b'{"errcode":0,"totalrecords":1,"data":[]}')
    )
    assert [page.rows for page in wire.read()] == [[{"a": "1"}]]
    assert wire.requests[1].startswith(b"GET /y?page=1 HTTP")
    assert b"Authorization: Bearer s" in wire.requests[1]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:1/x",
        "http://localhost/x",
        "//169.254.169.254/latest",
        "https://127.0.0.1/x",
        "file:///etc/passwd",
    ],
)
def test_the_secret_is_not_carried_elsewhere(wire, location):
    wire.answers(http(b"", "302 Found", Location=location))
    with pytest.raises(ForbiddenAddress):
        wire.read()
    assert len(wire.requests) == 1


@pytest.mark.parametrize("location", ["http://[sso/login", "http://127.0.0.1:port/"])
def test_a_redirect_to_what_is_no_address_is_named(wire, location):
    wire.answers(http(b"", "302 Found", Location=location))
    with pytest.raises(HarvestError, match="redirects"):
        wire.read()


@pytest.mark.parametrize("packed", [True, False])
def test_the_body_of_a_redirect_is_bounded_like_any_other(wire, packed):
    """requests reads it to its end, and takes it apart, before anybody sees where it leads."""
    body = gzip.compress(b" " * 3_000_000) if packed else b" " * 3_000_000
    wire.answers(http(body, "302 Found", Location="/x", **({"Content_Encoding": "gzip"} if packed else {})))
    with pytest.raises(AnswerTooLarge):
        wire.read(replace(LIMITS, answer_bytes=1_000_000))


def test_what_comes_behind_the_end_needs_no_total(wire):
    wire.answers(http(GOOD), http(EMPTY))
    assert [page.rows for page in wire.read()] == [[{"a": "1"}]]


@pytest.mark.parametrize("body", [gzip.compress(GOOD[:9]) + gzip.compress(GOOD[9:]), gzip.compress(GOOD) + b"\0" * 9],
                         ids=["members", "padded"])
@pytest.mark.parametrize("name", ["gzip", "x-gzip"])
def test_gzip_in_several_members_or_padded_is_read_whole(wire, body, name):
    wire.answers(http(body, Content_Encoding=name), http(EMPTY))
    assert [page.rows for page in wire.read()] == [[{"a": "1"}]]


@pytest.mark.parametrize("cut", [http(GOOD[:30]), http(gzip.compress(GOOD)[:-9], Content_Encoding="gzip")],
                         ids=["plain", "gzip"])
def test_an_answer_that_was_cut_on_its_way_is_asked_for_again(wire, cut):
    wire.answers(cut, http(GOOD), http(EMPTY))
    assert [page.rows for page in wire.read(replace(LIMITS, tries=2, pause=0.01))] == [[{"a": "1"}]]


def test_a_date_of_retry_after_is_meant_by_the_platforms_own_clock(wire):
    theirs = datetime.now(UTC) + timedelta(minutes=10)
    wire.answers(http(b"", "429 Too Many", Date=format_datetime(theirs, usegmt=True),
                      Retry_After=format_datetime(theirs + timedelta(seconds=30), usegmt=True)))
    with pytest.raises(RateLimited) as caught:
        wire.read()
    assert caught.value.retry_after == 30


@pytest.mark.parametrize("status", ["429 Too Many", "503 Unavailable"])
@pytest.mark.parametrize("when", ["999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_platform_is_left_alone_for_longer_than_a_day(wire, status, when):
    wire.answers(http(b"", status, Retry_After=when))
    with pytest.raises((RateLimited, SourceUnreachable)) as caught:
        wire.read()
    assert caught.value.retry_after == 86_400


@pytest.mark.parametrize("when", ["soon", "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
                                  "Wed, 21 Oct 2026 07:28:00 +99999999999999999999"])
def test_a_time_that_is_none_is_no_wait(wire, when):
    wire.answers(http(b"", "503 Unavailable", Retry_After=when, Date=when))
    with pytest.raises(SourceUnreachable) as caught:
        wire.read()
    assert caught.value.retry_after is None


def test_an_entry_that_is_nested_without_end_is_named(wire):
    deep = b"[" * 100_000 + b"]" * 100_000
    wire.answers(http(b'{"errcode":0,"data":{"resCode":"1","resName":"x","more":' + deep + b"}}"))
    with pytest.raises(BadAnswer, match="nested"):
        wire.read(catalogue="/entry")


def test_redirects_without_end_are_ended(wire):
    wire.answers(http(b"", "302 Found", Location="/x"))
    with pytest.raises(BadAnswer, match="again and again"):
        wire.read()
    assert len(wire.requests) <= 5


BAD = [
    (http(b"\x00\x01", Content_Encoding="br"), BadAnswer),
    (http(b"not gzip at all", Content_Encoding="gzip"), BadAnswer),
    (http(b"\x1f\x8b\x08\x00\x00\x00\x00\x00", Content_Encoding="gzip"), BadAnswer),
    (http(GOOD, Content_Length="9999"), SourceUnreachable),
    (b"SSH-2.0-OpenSSH_9.6\r\n", SourceUnreachable),
    (b"", SourceUnreachable),
    (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"err', SourceUnreachable),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", SourceUnreachable),
    (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n", SourceUnreachable),
    (http(b"", "204 No Content"), BadAnswer),
    (http(b"", "503 Service Unavailable", Retry_After="Wed, 21 Oct 2199 07:28:00 GMT"), SourceUnreachable),
]


@pytest.mark.parametrize(("answer", "error"), BAD, ids=range(len(BAD)))
def test_what_is_no_answer_is_a_named_error(wire, answer, error):
    wire.answers(answer)
    with pytest.raises(HarvestError) as caught:
        wire.read()
    assert type(caught.value) is error


def test_a_body_without_a_length_ends_with_the_connection(wire):
    wire.answers(b"HTTP/1.0 200 OK\r\n\r\n" + GOOD, http(b'{"errcode":0,"totalrecords":1,"data":[]}'))
    assert [page.rows for page in wire.read()] == [[{"a": "1"}]]
