"""The platform as a WSGI application.

    GET       /FAMILY/catalogue                 the entries of all services of a family
    GET       /FAMILY/catalogue/SERVICE         one entry
    GET, POST /FAMILY/data/SERVICE              rows, paged, `updateTime` for changes since
    GET, POST /national/gateway                 the same, the service named by its header
    POST      /national/token                   a working secret
    GET, POST /_faults, GET /_calls             faults and counters, from this machine only

Every call but those of the last line is signed.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Any

from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from ckanext.gkopen.simulator import answers, faults
from ckanext.gkopen.simulator.faults import Faults
from ckanext.gkopen.simulator.folder import City, Folder, FolderError, Service, Table
from ckanext.gkopen.simulator.signatures import PREFIX, Checker, Incoming, Refusal
from ckanext.gkopen.simulator.transmission import Transmission

ROUTES = Map(
    [
        Rule("/_faults", endpoint="faults", methods=["GET", "POST"]),
        Rule("/_calls", endpoint="calls", methods=["GET"]),
        Rule("/national/token", endpoint="token", methods=["POST"]),
        Rule("/national/gateway", endpoint="gateway", methods=["GET", "POST"]),
        Rule("/<any(national, zhejiang, header, bearer):family>/catalogue", endpoint="entries", methods=["GET"]),
        Rule(
            "/<any(national, zhejiang, header, bearer):family>/catalogue/<service>",
            endpoint="entry",
            methods=["GET"],
        ),
        Rule(
            "/<any(national, zhejiang, header, bearer):family>/data/<service>",
            endpoint="data",
            methods=["GET", "POST"],
        ),
    ]
)
DEFAULT_PAGE = 100


class Platform:
    """`secret` is what all callers sign with. `clock` gives seconds since 1970."""

    def __init__(
        self,
        folder: Folder,
        secret: str,
        switched_on: list[faults.Fault] | None = None,
        clock: Callable[[], float] = time.time,
    ):
        self.folder = folder
        self.faults = Faults(switched_on)
        self.calls: Counter[str] = Counter()
        self.stopping = threading.Event()
        self.checker = Checker(folder.city().caller, secret)
        self._clock = clock
        self._lock = threading.Lock()
        self._recent: deque[float] = deque()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        try:
            endpoint, values = ROUTES.bind_to_environ(environ).match()
            response = getattr(self, f"_{endpoint}")(request, **values)
        except HTTPException as exc:
            response = exc.get_response(environ)
        except FolderError as exc:
            response = Response(str(exc), status=500, mimetype="text/plain")
        if "Date" not in response.headers:
            response.headers["Date"] = self._date(self._clock())
        return response(environ, start_response)

    def _gateway(self, request: Request) -> Response:
        service = request.headers.get(f"{PREFIX}_sid", "")
        return self._data(request, "national", service)

    def _data(self, request: Request, family: str, service: str) -> Response:
        with self._lock:
            self.calls[service] += 1
        fields = _fields(request)
        wire = Transmission(self.faults, service, self.stopping)
        page_field, size_field = answers.PAGING[family]
        page = _number(fields.get(page_field), 1)
        if (early := wire.instead_of_answer(request, page)) is not None:
            return early
        if (wait := self._limited()) is not None:
            return wire.too_many(wait)
        ahead = self.faults.take("clock_off", service)
        now = self._clock() + ((ahead.value or 600) if ahead else 0)
        city = self.folder.city()
        try:
            found = self._authorised(city, family, service, request, fields, now)
        except Refusal as refusal:
            status, text = answers.word_refusal(family, refusal.reason)
            return self._json(text, status, now)
        size = min(_number(fields.get(size_field), DEFAULT_PAGE), city.page_size)
        listing = self._listing(city, found, page, size, fields.get("updateTime"))
        text = answers.word_rows(family, listing, f"{now:.6f}")
        return wire.send(self._json(text, 200, now), request)

    def _listing(self, city: City, service: Service, page: int, size: int, since: str | None) -> answers.Listing:
        table = self.folder.table(service)
        if since and service.watermark:
            column = service.watermark
            kept = [
                row for row in table.slice(0, table.count) if row.get(column, "") >= since[: len(row.get(column, ""))]
            ]
            table = Table(table.columns, len(kept), kept)
        rows = table.slice((page - 1) * size, page * size)
        listing = answers.Listing(rows, table.count, page, size, service.numbers)
        if not self.faults.listed():
            return listing
        other = next((each for each in city.services.values() if each.id != service.id), service)
        foreign = self.folder.table(other).slice(0, size)
        return faults.distort(listing, self.faults, service.id, table.slice(0, size), foreign)

    def _entries(self, request: Request, family: str) -> Response:
        city = self.folder.city()
        mine = [service for service in city.services.values() if service.family == family]
        try:
            # A list belongs to no service: the national gateway signs it with the word catalogue.
            self.checker.check(family, Incoming(request.headers, _fields(request), "catalogue", self._clock()))
        except Refusal as refusal:
            status, text = answers.word_refusal(family, refusal.reason)
            return self._json(text, status, self._clock())
        return self._json(answers.word_object(family, [self._describe(city, one) for one in mine]))

    def _entry(self, request: Request, family: str, service: str) -> Response:
        city, now = self.folder.city(), self._clock()
        try:
            found = self._authorised(city, family, service, request, _fields(request), now)
        except Refusal as refusal:
            status, text = answers.word_refusal(family, refusal.reason)
            return self._json(text, status, now)
        return self._json(answers.word_object(family, self._describe(city, found)))

    def _token(self, request: Request) -> Response:
        service = request.headers.get(f"{PREFIX}_sid", "")
        try:
            secret, end = self.checker.hand_out(Incoming(request.headers, {}, service, self._clock()))
        except Refusal as refusal:
            status, text = answers.word_refusal("national", refusal.reason)
            return self._json(text, status)
        return self._json(answers.word_object("national", {"secret": secret, "secretEndTime": int(end * 1000)}))

    def _faults(self, request: Request) -> Response:
        _only_from_here(request)
        if request.method == "POST":
            try:
                wanted = json.loads(request.get_data(as_text=True) or "{}")["faults"]
                self.faults.replace([faults.parse_fault(text) for text in wanted])
            except (ValueError, KeyError, TypeError) as exc:
                return Response(f'{{"faults": ["NAME", …]}}: {exc}\n', status=400, mimetype="text/plain")
        on = [vars(fault) for fault in self.faults.listed()]
        known = {name: {"zh": zh, "en": en} for name, (zh, en) in faults.FAULTS.items()}
        return self._json(json.dumps({"on": on, "known": known}, ensure_ascii=False))

    def _calls(self, request: Request) -> Response:
        _only_from_here(request)
        with self._lock:
            return self._json(json.dumps(dict(self.calls)))

    def _authorised(
        self, city: City, family: str, service: str, request: Request, fields: Mapping[str, str], now: float
    ) -> Service:
        if self.faults.take("wrong_sign", service):
            raise Refusal("sign")
        self.checker.check(family, Incoming(request.headers, fields, service, now))
        found = city.services.get(service)
        if found is None or found.family != family:
            raise Refusal("service")
        return found

    def _describe(self, city: City, service: Service) -> dict[str, Any]:
        """The entry by the guide's names (发改高技术〔2017〕1272号), what city.yaml leaves out filled in."""
        body = city.bodies[service.body]
        return {
            "信息资源名称": service.title["zh"],
            "信息资源提供方": body.title["zh"],
            "资源提供方代码": body.uscc,
            "信息项": [{"信息项名称": name} for name in self.folder.table(service).columns],
            **service.catalogue,
        }

    def _limited(self) -> int | None:
        """Seconds to wait when the calls of the last minute are used up."""
        limit, now = self.folder.city().calls_per_minute, self._clock()
        with self._lock:
            while self._recent and self._recent[0] < now - 60:
                self._recent.popleft()
            if len(self._recent) >= limit:
                return int(self._recent[0] + 60 - now) + 1
            self._recent.append(now)
        return None

    def _json(self, text: str, status: int = 200, now: float | None = None) -> Response:
        response = Response(text, status=status, content_type="application/json; charset=utf-8")
        response.headers["Date"] = self._date(self._clock() if now is None else now)
        return response

    @staticmethod
    def _date(now: float) -> str:
        return format_datetime(datetime.fromtimestamp(int(now), UTC), usegmt=True)


def _fields(request: Request) -> dict[str, str]:
    fields = {**request.args.to_dict(), **request.form.to_dict()}
    if request.mimetype == "application/json":
        try:
            body = json.loads(request.get_data(as_text=True) or "{}")
        except ValueError:
            body = {}
        fields |= {key: str(value) for key, value in body.items()} if isinstance(body, dict) else {}
    return fields


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and 0 < int(text) < 10**9 else default


def _only_from_here(request: Request) -> None:
    if not ip_address(request.remote_addr or "0.0.0.0").is_loopback:
        raise NotFound
