"""The exchange platform's HTTP gateway: signed calls, paged rows, the catalogue's entry.

Read top-down: `ExchangeTransport.pages` asks for page after page, `_call` tries and waits, `_once` sends one
request and judges the answer. What differs between platforms is in the source file (signer, envelope,
request), not here.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from ckanext.gkopen.harvesters import envelopes, signers
from ckanext.gkopen.harvesters.base import Breaker, CatalogueEntry, Limits, Page
from ckanext.gkopen.harvesters.catalogue import parse_entry
from ckanext.gkopen.harvesters.errors import (
    BadAnswer,
    ClockSkew,
    ForbiddenAddress,
    HarvestError,
    HostResting,
    InconsistentListing,
    RateLimited,
    SourceRefused,
    SourceUnreachable,
)
from ckanext.gkopen.harvesters.listing import Listing
from ckanext.gkopen.harvesters.net import Deadline, open_session, read_body, unreachable
from ckanext.gkopen.harvesters.signers import Call
from ckanext.gkopen.harvesters.source import Source

CHINA = envelopes.CHINA
# What a family's platforms expect when the source file does not say otherwise.
REQUEST_DEFAULTS: dict[str, dict[str, Any]] = {
    "national": {"method": "POST", "body": "json", "page": "pageNum", "size": "pageSize"},
    "zhejiang": {"method": "GET", "page": "pageNum", "size": "pageSize"},
    "header": {"method": "GET", "page": "pageNum", "size": "pageSize"},
    "bearer": {"method": "GET", "page": "page", "size": "rows"},
}
SKEW_SECONDS = 60
MOST_REDIRECTS = 3
LONGEST_REST = 86_400.0
"""Seconds: a platform that asks to be left alone for longer, or until the year 9999, is asked again after a day."""


AHEAD_BYTES = 4 << 20
"""Of a page so large that the next one is not asked for before it is taken in."""

Answer = tuple[bytes, dict[str, Any]]
"""An answer's body, and what it says."""


class ExchangeTransport:
    """A `Transport` over HTTP. Not for several threads at once: it holds one session and one deadline."""

    emptied = False                                       # a gateway says no more of a table than what it lists

    def __init__(
        self,
        source: Source,
        secret: str | None,
        *,
        allowed_hosts: Collection[str],
        clock: Callable[[], datetime],
        log: logging.Logger,
        limits: Limits,
        sleep: Callable[[float], None],
        jitter: Callable[[], float],
        breaker: Breaker,
    ):
        self._source = source
        self._clock = clock
        self._log = log
        self._limits = limits
        self._sleep = sleep
        self._jitter = jitter
        self._breaker = breaker
        self._request = REQUEST_DEFAULTS[source.signer["family"]] | source.request
        self._place = self._request.get("body", "query" if self._request["method"] == "GET" else "json")
        self._secret = secret or ""
        self._envelope = envelopes.make_envelope(source.envelope, self._secret)
        self._signer = self._make_signer(source.service)
        self._deadline = Deadline()
        self._session = open_session(allowed_hosts, self._deadline)
        self._beside = ThreadPoolExecutor(1, "page-ahead")
        self.repeated = 0

    def close(self) -> None:
        """What was sent ahead and is not wanted any more is waited for, no longer than the platform keeps silent."""
        self._deadline.start(0)
        self._beside.shutdown(cancel_futures=True)
        self._session.close()

    def pages(self, since: datetime | None = None) -> Iterator[Page]:
        listing = Listing(self._limits.pages)
        number = 0
        ahead: Future[Answer] | None = None
        end = time.monotonic() + self._limits.listing
        while not listing.ended:
            number += 1
            if time.monotonic() > end:
                raise InconsistentListing(
                    f"已用时 {self._limits.listing:.0f} 秒仍未取完",
                    f"the listing has not ended after {self._limits.listing:.0f} s",
                    number,
                )
            page = self._page(number, since, ahead=ahead)
            listing.add(page)
            ahead = None if listing.ended else self._send_ahead(page, since)
            if page.rows or number == 1:
                yield page
        if listing.needs_look_further:
            listing.look_further(self._page(number + 1, since, behind=True))
        self.repeated = listing.repeated()
        if self.repeated:
            listing.look_again(self._page(1, since))

    def catalogue(self) -> CatalogueEntry | None:
        wanted = self._source.catalogue
        if wanted is None:
            return None
        if "/" in wanted:
            url, signer = urljoin(self._url(self._source.service), wanted), self._signer
        else:
            url, signer = self._url(wanted), self._make_signer(wanted)
        try:
            raw, answer = self._call(lambda: Call("GET", url), signer, "catalogue")
        except (BadAnswer, SourceRefused) as exc:          # what is to be checked is not the address of the rows
            exc.zh = f"取目录条目（来源文件的 catalogue：{wanted}）时：{exc.zh}"
            exc.en = f"the catalogue's entry (catalogue in the source file: {wanted}): {exc.en}"
            raise
        try:
            return parse_entry(envelopes.storable(answer), raw)
        except RecursionError:
            raise envelopes.too_deep() from None

    def _page(self, number: int, since: datetime | None, *, ahead: Future[Answer] | None = None,
              behind: bool = False) -> Page:
        """`ahead`: its first call, which is under way. `behind` the end only the rows count: many platforms say nothing
        of a total there."""
        raw, answer = self._call(lambda: self._rows_call(number, since), self._signer, f"page {number}", ahead)
        rows = envelopes.rows_of(answer, self._envelope)
        total = None if behind else envelopes.total_of(answer, self._envelope)
        self._breaker.succeeded(urlsplit(self._url(self._source.service)).netloc)
        return Page(number, raw, rows, total, self._clock())

    def _send_ahead(self, page: Page, since: datetime | None) -> Future[Answer] | None:
        """Ask for the page after this one while this one is taken in, so that platform and portal work side by side.

        No two calls are under way at once. Nothing is sent ahead of a large page, which would be held twice; where the
        token has to be fetched anew; and to a host that rests: `_call` sees to these.
        """
        if len(page.raw) > AHEAD_BYTES or self._signer.before(self._clock()) is not None:
            return None
        call = self._rows_call(page.number + 1, since)
        self._signer.sign(call, self._clock())
        try:
            self._breaker.before(urlsplit(call.url).netloc)
        except HostResting:
            return None
        return self._beside.submit(self._once, call)

    def _rows_call(self, number: int, since: datetime | None) -> Call:
        request = self._request
        fields: dict[str, str | int] = dict(request.get("fields", {}))
        if "service" in request:
            fields[request["service"]] = self._source.service
        fields[request["page"]] = number - 1 + request.get("first_page", 1)
        fields[request["size"]] = self._source.page_size
        if since is not None and "since" in request:
            fields[request["since"]] = since.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
        return Call(request["method"], self._url(self._source.service), self._place, fields)

    def _url(self, service: str) -> str:
        return self._source.url.replace("{service}", quote(service, safe=""))

    def _make_signer(self, service: str) -> signers.Signer:
        return signers.make_signer(self._source.signer, self._secret, service, self._url(service))

    def _call(self, build: Callable[[], Call], signer: signers.Signer, what: str,
              ahead: Future[Answer] | None = None) -> Answer:
        """Try until an answer is good, the failure is final, or the tries are used up. `ahead`: the first try, which
        was sent already."""
        refused_once = False
        attempt = 0
        last: HarvestError | None = None
        while True:
            attempt += 1
            try:
                if ahead is not None and attempt == 1:
                    return self._told(self._url(self._source.service), ahead.result)
                due = signer.before(self._clock())
                if due is not None:
                    signer.learn(self._guarded(due)[1])
                call = build()
                signer.sign(call, self._clock())
                return self._guarded(call)
            except HostResting as resting:
                raise (last or resting) from None          # what it failed with says more than that it now rests
            except SourceRefused:
                # A refreshed secret may have been recalled before its end: fetch a new one, once.
                if refused_once or not signer.forget():
                    raise
                refused_once = True
            except HarvestError as exc:
                last = exc
                if not exc.retryable or attempt >= self._limits.tries:
                    raise
                wait = self._pause(attempt, getattr(exc, "retry_after", None))
                if wait is None:
                    raise
                self._log.warning(
                    "%s: %s: try %d failed (%s), next in %.1f s",
                    self._source.name, what, attempt, type(exc).__name__, wait,
                )  # fmt: skip
                self._sleep(wait)

    def _pause(self, attempt: int, retry_after: float | None) -> float | None:
        """Seconds to wait, or None when the platform asks for more than a run may wait."""
        limits = self._limits
        longest = min(limits.pause * 2 ** (attempt - 1), limits.pause_most)
        pause = longest * (0.5 + 0.5 * self._jitter())
        if retry_after is None:
            return pause
        return None if retry_after > limits.retry_after_most else retry_after + pause

    def _guarded(self, call: Call) -> Answer:
        """One call through the breaker."""
        self._breaker.before(urlsplit(call.url).netloc)
        return self._told(call.url, lambda: self._once(call))

    def _told(self, url: str, answer: Callable[[], Answer]) -> Answer:
        """The breaker hears when a call fails. Only a page of rows says that the platform is well: one that hands out
        tokens and no rows is not."""
        try:
            return answer()
        except HarvestError as exc:
            self._breaker.failed(urlsplit(url).netloc, exc)
            raise

    def _once(self, call: Call) -> Answer:
        """Send one signed call, follow redirects on the same host, judge status and envelope. Touches neither the
        breaker nor the signer, since it may run beside the caller."""
        self._deadline.start(self._limits.attempt)
        for _ in range(MOST_REDIRECTS + 1):
            response, raw = self._exchange(call)
            if response.status_code not in (301, 302, 303, 307, 308):
                return raw, self._judge(response, raw)
            call = self._redirected(call, response)
        raise BadAnswer(
            "平台反复重定向。请核对 url。",
            "the platform redirects again and again; check url in the source file",
        )

    def _exchange(self, call: Call) -> tuple[requests.Response, bytes]:
        body: dict[str, Any] = {"query": {"params": call.fields}, "form": {"data": call.fields}}.get(
            call.place, {"json": call.fields}
        )
        host = urlsplit(call.url).netloc
        if not all(value.isascii() and value.isprintable() for value in call.headers.values()):
            raise SourceRefused(
                "密钥或请求者标识含有请求头不能携带的字符（如换行、中文）。请核对 secret_env 与 signer。",
                "the secret or the requester's id has a character that a header cannot carry (a line break, say); "
                "check secret_env and signer",
            )
        try:
            with self._session.request(
                call.method, call.url, headers=call.headers, allow_redirects=False, stream=True,
                timeout=(self._limits.connect, self._limits.silence), **body,
            ) as response:  # fmt: skip
                return response, read_body(response, self._limits.answer_bytes)
        except (requests.RequestException, HTTPError, OSError) as exc:
            # The exception's text may hold the whole address with its signature: only its kind is told.
            raise unreachable(host, exc) from None

    def _judge(self, response: requests.Response, raw: bytes) -> dict[str, Any]:
        status, charset = response.status_code, self._source.encoding or _charset(response)
        host = urlsplit(response.url).netloc
        said = f"HTTP {status} {envelopes.words(raw, self._envelope, charset)}".strip() if status >= 400 else ""
        if status == 429:
            raise RateLimited(self._retry_after(response), said.removeprefix("HTTP "))
        if status >= 500 or status == 408:
            zh, en = ("，应答的网页提到维护或升级", ", with a page that speaks of maintenance") if (
                envelopes.of_maintenance(raw)) else ("", "")
            raise SourceUnreachable(
                f"平台 {host} 出错（{said}{zh}）。请稍后重试或联系平台运维单位。",
                f"the platform {host} failed ({said}{en}); harvest again later or ask its operator",
                self._retry_after(response),
            )
        if status >= 400:
            self._blame_clock(response, raw, said)
            raise envelopes.not_there(said) if status in (404, 405, 410) else envelopes.refused(said)
        answer = envelopes.decode(raw, charset)
        try:
            envelopes.unwrap(answer, self._envelope)
        except (SourceRefused, BadAnswer):                 # a code that the source file does not know may mean it too
            self._blame_clock(response, raw, envelopes.words(raw, self._envelope, charset))
            raise
        return answer

    def _blame_clock(self, response: requests.Response, raw: bytes, said: str) -> None:
        """Raises ClockSkew where the clocks differ: that is why such a call is refused."""
        for skew in (self._skew(response), self._told_skew(raw)):
            if skew is not None and abs(skew) > SKEW_SECONDS:
                raise ClockSkew(skew, said) from None

    def _redirected(self, call: Call, response: requests.Response) -> Call:
        try:
            target = urljoin(call.url, response.headers.get("Location", ""))
            elsewhere = urlsplit(target)[:2] != urlsplit(call.url)[:2]
        except ValueError:
            raise BadAnswer(
                "平台重定向到的地址无效。请联系平台运维单位。",
                "the platform redirects to what is no address; ask its operator",
            ) from None
        if elsewhere:
            raise ForbiddenAddress(
                "平台把请求重定向到另一个主机，未跟随（多为统一登录页：请核对 url、service 和授权是否有效）。"
                "如平台已迁移，请修改来源文件中的 url。",
                "the platform redirects to another host, which is not followed (mostly a login page: check url, "
                "service and whether the authorisation holds); if it has moved, change url in the source file",
            )
        if call.method != "GET" and response.status_code not in (307, 308):
            raise ForbiddenAddress(
                f"平台以 HTTP {response.status_code} 重定向 POST 请求（多为登录页）。请核对 url、service 和授权。",
                f"the platform redirects a POST with HTTP {response.status_code} (a login page?); check url, service, "
                "and whether the authorisation holds",
            )
        # The target of a GET carries its own query.
        fields = {} if call.place == "query" and urlsplit(target).query else call.fields
        return Call(call.method, target, call.place, fields, call.headers)

    def _retry_after(self, response: requests.Response) -> float | None:
        """Seconds. A date is meant by the platform's own clock, which its Date header tells."""
        text = response.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdecimal():
            return min(float(text[:9]), LONGEST_REST)
        when = _http_date(text)
        if when is None:
            return None
        now = _http_date(response.headers.get("Date", "")) or self._clock()
        return min(max(0.0, (when - now).total_seconds()), LONGEST_REST)

    def _skew(self, response: requests.Response) -> int | None:
        theirs = _http_date(response.headers.get("Date", ""))
        return round((theirs - self._clock()).total_seconds()) if theirs else None

    def _told_skew(self, raw: bytes) -> int | None:
        """A front may send the right Date while the gateway behind it has its own clock, and tells it in its answer."""
        theirs = envelopes.told_time(raw)
        return round((theirs - self._clock()).total_seconds()) if theirs else None


def _charset(response: requests.Response) -> str:
    """What the header says of the body's encoding, else the empty text."""
    named = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", response.headers.get("Content-Type", ""), re.ASCII)
    return named[1] if named else ""


def _http_date(text: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):                    # a year or an offset of twenty digits
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
