"""The platform's side of the four signatures: is this call from whom it says, fresh, and made once?

Written from the platforms' formulas, not from the harvester's code, so that each proves the other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex

from werkzeug.datastructures import Headers

# A call whose stamp differs more from the platform's clock is refused.
FRESH_SECONDS = 300
# A working secret handed out by the national gateway lasts this long.
WORKING_SECONDS = 600
PREFIX = "gjgxjhpt"


class Refusal(Exception):
    """The call is refused. `reason`: caller, clock, replay, sign, or service."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Incoming:
    """What a check looks at: headers, the query or body fields, the service asked for, the platform's time."""

    headers: Headers
    fields: Mapping[str, str]
    service: str
    now: float


class Checker:
    """Checks calls of one platform: one caller, one secret. Remembers what it has seen."""

    def __init__(self, caller: str, secret: str):
        self._caller = caller
        self._secret = secret
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}
        self._working: dict[str, float] = {}

    def check(self, family: str, call: Incoming) -> None:
        """Raises Refusal."""
        getattr(self, f"_{family}")(call)

    def hand_out(self, call: Incoming) -> tuple[str, float]:
        """National: a working secret and its end (seconds) for a call signed with the standing secret."""
        self._national(call, standing_only=True)
        secret, end = token_hex(16), call.now + WORKING_SECONDS
        with self._lock:
            self._working[secret] = end
        return secret, end

    def recall(self) -> None:
        """Forget all working secrets, as a platform does after an incident."""
        with self._lock:
            self._working.clear()

    def _national(self, call: Incoming, standing_only: bool = False) -> None:
        rid, sid, stamp, sign = (call.headers.get(f"{PREFIX}_{part}", "") for part in ("rid", "sid", "rtime", "sign"))
        if rid != self._caller:
            raise Refusal("caller")
        if sid != call.service:
            raise Refusal("service")
        self._fresh(stamp, 1000, call.now)
        secrets = [self._secret]
        if not standing_only:
            with self._lock:
                secrets += [secret for secret, end in self._working.items() if end > call.now]
        good = (
            base64.b64encode(hmac.new(secret.encode(), f"{sid}{rid}{stamp}".encode(), hashlib.sha256).digest())
            for secret in secrets
        )
        if not any(hmac.compare_digest(expected, sign.encode()) for expected in good):
            raise Refusal("sign")
        # Two calls of the same millisecond carry the same signature: the second one is refused.
        self._once(f"{stamp}{sign}", call.now)

    def _zhejiang(self, call: Incoming) -> None:
        key, stamp, sign = (call.fields.get(name, "") for name in ("appKey", "requestTime", "sign"))
        if key != self._caller:
            raise Refusal("caller")
        self._fresh(stamp, 1000, call.now)
        expected = hashlib.md5(f"{key}{self._secret}{stamp}".encode(), usedforsecurity=False).hexdigest()
        self._same(expected, sign.lower())

    def _header(self, call: Incoming) -> None:
        caller, stamp, nonce, sign = (
            call.headers.get(f"x-tif-{part}", "") for part in ("paasid", "timestamp", "nonce", "signature")
        )
        if caller != self._caller or not nonce:
            raise Refusal("caller")
        self._fresh(stamp, 1, call.now)
        plain = hashlib.sha256(f"{stamp}{self._secret}{nonce}{stamp}".encode()).hexdigest()
        keyed = hmac.new(self._secret.encode(), f"{caller}{stamp}{nonce}".encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(plain, sign.lower()):
            self._same(base64.b64encode(keyed).decode(), sign)
        self._once(nonce, call.now)

    def _bearer(self, call: Incoming) -> None:
        self._same(f"Bearer {self._secret}", call.headers.get("Authorization", ""))

    def _same(self, expected: str, given: str) -> None:
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise Refusal("sign")

    def _fresh(self, stamp: str, per_second: int, now: float) -> None:
        if not stamp.isascii() or not stamp.isdecimal() or abs(int(stamp[:15]) / per_second - now) > FRESH_SECONDS:
            raise Refusal("clock")

    def _once(self, mark: str, now: float) -> None:
        with self._lock:
            for old in [key for key, when in self._seen.items() if when < now - 2 * FRESH_SECONDS]:
                del self._seen[old]
            if mark in self._seen:
                raise Refusal("replay")
            self._seen[mark] = now
