"""The four ways in which Chinese exchange platforms have calls signed (formulas: docs/sources.md).

A signer adds to a call what the platform checks: headers or fields. It is asked anew for every try, since a
platform refuses a signature that it has seen or that is minutes old.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urljoin

from ckanext.gkopen.harvesters.envelopes import moment
from ckanext.gkopen.harvesters.errors import BadAnswer

# family -> key of `signer:` in the source file -> whether it must be there; `family` itself is understood.
OPTIONS: dict[str, dict[str, bool]] = {
    "national": {"requester": True, "prefix": False, "refresh": False},
    "zhejiang": {"app_key": True},
    "header": {"id": True, "variant": False, "case": False, "headers": False},
    "bearer": {},
}
CHOICES: dict[str, tuple[str, ...]] = {"variant": ("sha256", "hmac"), "case": ("lower", "upper")}
HEADER_NAMES = {
    "id": "x-tif-paasid",
    "timestamp": "x-tif-timestamp",
    "nonce": "x-tif-nonce",
    "signature": "x-tif-signature",
}
# A refreshed secret is renewed this long before its end, so that it does not end on the way.
RENEW_BEFORE = timedelta(seconds=60)
SECRET_KEYS = ("secret", "requestSecret")
"""Under `data`: the working secret, and with EndTime after it the time at which it ends."""


@dataclass
class Call:
    """One request before it is sent. `fields` travel in the query, a form or a JSON body as `place` says."""

    method: str
    url: str
    place: str = "query"
    fields: dict[str, str | int] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


class Signer(Protocol):
    def sign(self, call: Call, now: datetime) -> None:
        """Add headers and fields to `call`. `now` is aware."""
        ...

    def before(self, now: datetime) -> Call | None:
        """A signed call that must be made first, whose answer goes to `learn`; None when nothing is due."""
        ...

    def learn(self, answer: Mapping[str, Any]) -> None:
        """Take what `before` asked for. Raises BadAnswer."""
        ...

    def forget(self) -> bool:
        """The platform refused: drop what was learnt. True when that may help."""
        ...


class _Stateless:
    def before(self, now: datetime) -> Call | None:
        return None

    def learn(self, answer: Mapping[str, Any]) -> None:
        raise AssertionError("nothing was asked")

    def forget(self) -> bool:
        return False


class National:
    """National gateway family: base64(HMAC-SHA256(secret, sid + rid + rtime)), rtime in ms, four headers.

    With `refresh` (an address) the standing secret only fetches a working secret with an end time
    (`data.secret`, `data.secretEndTime`; some call it `requestSecret`), and that one signs the calls.
    """

    def __init__(self, secret: str, service: str, url: str, options: Mapping[str, Any]):
        self._standing = secret
        self._service = service
        self._requester = options["requester"]
        self._prefix = options.get("prefix", "gjgxjhpt")
        self._refresh = urljoin(url, options["refresh"]) if "refresh" in options else None
        self._working: tuple[str, datetime] | None = None
        self._last_stamp = 0

    def sign(self, call: Call, now: datetime) -> None:
        self._sign(call, now, self._working[0] if self._working else self._standing)

    def _sign(self, call: Call, now: datetime, secret: str) -> None:
        # Two calls of one millisecond would carry one signature, and the second be refused as a replay.
        self._last_stamp = max(int(now.timestamp() * 1000), self._last_stamp + 1)
        stamp = str(self._last_stamp)
        text = self._service + self._requester + stamp
        digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
        call.headers |= {
            f"{self._prefix}_rid": self._requester,
            f"{self._prefix}_sid": self._service,
            f"{self._prefix}_rtime": stamp,
            f"{self._prefix}_sign": base64.b64encode(digest).decode(),
        }

    def before(self, now: datetime) -> Call | None:
        if self._refresh is None or (self._working and now < self._working[1] - RENEW_BEFORE):
            return None
        call = Call("POST", self._refresh, "json")
        self._sign(call, now, self._standing)
        return call

    def learn(self, answer: Mapping[str, Any]) -> None:
        data = answer.get("data")
        told = data if isinstance(data, dict) else {}
        for name in SECRET_KEYS:
            secret, end = told.get(name), told.get(f"{name}EndTime")
            until = moment(end) if isinstance(end, str) else None
            if isinstance(secret, str) and secret and until is not None:
                self._working = (secret, until)
                return
        raise BadAnswer(
            "刷新密钥的应答缺少 data.secret 或 data.secretEndTime（时间）。请核对 signer.refresh 地址。",
            "the answer with the refreshed secret lacks data.secret or data.secretEndTime (a time); "
            "check the address signer.refresh",
        )

    def forget(self) -> bool:
        held, self._working = self._working, None
        return held is not None


class Zhejiang(_Stateless):
    """Zhejiang family: fields appKey, requestTime (ms), sign = MD5(appKey + secret + requestTime), hex."""

    def __init__(self, secret: str, service: str, url: str, options: Mapping[str, Any]):
        self._secret = secret
        self._app_key = options["app_key"]

    def sign(self, call: Call, now: datetime) -> None:
        stamp = str(int(now.timestamp() * 1000))
        text = self._app_key + self._secret + stamp
        digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        call.fields |= {"appKey": self._app_key, "requestTime": stamp, "sign": digest}


class Header(_Stateless):
    """Header family: id, timestamp (s), nonce and signature as headers.

    Variant sha256: hex SHA256(ts + token + nonce + ts); hmac: base64(HMAC-SHA256(key, id + ts + nonce)).
    """

    def __init__(self, secret: str, service: str, url: str, options: Mapping[str, Any]):
        self._secret = secret
        self._id = options["id"]
        self._variant = options.get("variant", "sha256")
        self._upper = options.get("case", "lower") == "upper"
        self._names = HEADER_NAMES | dict(options.get("headers", {}))

    def sign(self, call: Call, now: datetime) -> None:
        stamp, nonce = str(int(now.timestamp())), secrets.token_hex(8)
        if self._variant == "hmac":
            text = self._id + stamp + nonce
            digest = hmac.new(self._secret.encode(), text.encode(), hashlib.sha256).digest()
            signature = base64.b64encode(digest).decode()
        else:
            text = stamp + self._secret + nonce + stamp
            signature = hashlib.sha256(text.encode()).hexdigest()
            signature = signature.upper() if self._upper else signature
        values = {"id": self._id, "timestamp": stamp, "nonce": nonce, "signature": signature}
        call.headers |= {self._names[part]: value for part, value in values.items()}


class Bearer(_Stateless):
    """Plain token: `Authorization: Bearer …`."""

    def __init__(self, secret: str, service: str, url: str, options: Mapping[str, Any]):
        self._secret = secret

    def sign(self, call: Call, now: datetime) -> None:
        call.headers["Authorization"] = f"Bearer {self._secret}"


FAMILIES: dict[str, Callable[[str, str, str, Mapping[str, Any]], Signer]] = {
    "national": National,
    "zhejiang": Zhejiang,
    "header": Header,
    "bearer": Bearer,
}


def make_signer(options: Mapping[str, Any], secret: str, service: str, url: str) -> Signer:
    """The signer that `signer:` of a source file describes; `options` is checked there."""
    return FAMILIES[options["family"]](secret, service, url, options)
