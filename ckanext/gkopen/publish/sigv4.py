"""AWS Signature Version 4 in headers, as S3-compatible stores check it.

Source: AWS, Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import SplitResult, quote

EMPTY = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
"""In place of the body's sha256, where the body is a file that would have to be read twice."""


def signed(method: str, url: SplitResult, query: Mapping[str, str], headers: Mapping[str, str], keys: tuple[str, str],
           region: str, *, payload: str, now: datetime | None = None) -> dict[str, str]:
    """The headers with date, payload's hash and signature. `url`: path percent-encoded; `keys`: access key, secret."""
    at = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{at[:8]}/{region}/s3/aws4_request"
    sent = {**headers, "x-amz-date": at, "x-amz-content-sha256": payload}
    named = {name.lower(): " ".join(value.split()) for name, value in sent.items()} | {"host": url.netloc}
    names = ";".join(sorted(named))
    asked = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))
    lines = [f"{name}:{named[name]}" for name in sorted(named)]
    request = "\n".join([method, url.path or "/", asked, *lines, "", names, payload])
    text = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{keys[1]}".encode()
    for step in (at[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return {**sent, "Authorization": f"AWS4-HMAC-SHA256 Credential={keys[0]}/{scope}, SignedHeaders={names},"
                                     f" Signature={signature}"}
