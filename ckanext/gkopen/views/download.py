"""One published file as HTTP (RFC 9110) wants it: conditions, ranges, and the coding that the client asks for.

The ETag of a file is its sha256, that of a compressed representation the same with `-gzip` or `-zstd` behind it: a
range, a condition and a cache entry belong to one of them. What makes no sense in a request is ignored where the
standard says so. No answer sets a cookie, so that caches may keep it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ckan.lib import files as storages
from flask import Response, request
from werkzeug.datastructures import Accept
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import is_resource_modified
from werkzeug.wsgi import wrap_file

from ckanext.gkopen import model
from ckanext.gkopen.domains import domains
from ckanext.gkopen.publish import store
from ckanext.gkopen.publish.forms.streams import GZIP, IDENTITY, ZSTD

CACHE = "public, max-age=60, must-revalidate"
"""Not longer: a withdrawal has to reach every cache within a minute."""
ONE_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{1,18})?-((?(1)\d{0,18}|\d{1,18}))\s*", re.IGNORECASE | re.ASCII)
"""Of numbers that a file can have: Python refuses to read one of thousands of digits."""


class Cacheable(Response):
    """The same for everyone. CKAN sets its own caching, and the session its cookie, after the view has answered."""

    varies = ""

    def get_wsgi_headers(self, environ: Any) -> Any:
        headers = super().get_wsgi_headers(environ)
        headers["Cache-Control"] = CACHE
        for name in ("Set-Cookie", "Vary"):
            headers.remove(name)
        if self.varies:
            headers["Vary"] = self.varies
        return headers


def send(row: Mapping[str, Any]) -> Response:
    """The bytes of a row of gkopen.file that has some."""
    coding = coding_for(request.accept_encodings, row["variants"])
    size = row["size"] if coding == IDENTITY else row["variants"][coding]
    try:
        held = store.open_file(row["sha256"], coding, size)
    except storages.exc.MissingFileError:  # taken away since the row was read; the commit that says so is on its way
        return replaced()
    response = Cacheable(wrap_file(request.environ, held, 1 << 18), direct_passthrough=True)
    response.headers["Content-Type"] = row["media_type"]
    response.content_length = size
    response.set_etag(row["sha256"] if coding == IDENTITY else f"{row['sha256']}-{coding}")
    response.last_modified = row["updated_at"]
    response.headers["Content-Disposition"] = _disposition(row)
    protect(response)
    if row["variants"]:
        response.varies = "Accept-Encoding"
    if coding != IDENTITY:
        response.headers["Content-Encoding"] = coding
    return conditional(response, size)


def conditional(response: Response, size: int) -> Response:
    """The whole file, one range of it, 304, 412 or 416, as the request's conditions ask, in the order of RFC 9110,
    13.2.2. `size`: of the file, in bytes."""
    if not _as_expected(response):
        response.close()
        return _not_now(412, "文件已不是 If-Match、If-Unmodified-Since 所指的版本。",
                        "The file is not the one that If-Match or If-Unmodified-Since names.")
    try:
        response.make_conditional(_sensible(response, size), accept_ranges=True, complete_length=size)
    except RequestedRangeNotSatisfiable:
        response.close()
        response = _not_now(416, "所请求的范围超出文件大小。", f"The range lies outside the file's {size} bytes.")
        response.headers["Content-Range"] = f"bytes */{size}"
    return response


def _as_expected(response: Response) -> bool:
    """Whether If-Match, or else If-Unmodified-Since, lets the request through."""
    if request.if_match:
        return request.if_match.star_tag or request.if_match.contains(response.get_etag()[0] or "")
    since, changed = request.if_unmodified_since, response.last_modified
    return since is None or changed is None or changed <= since


def _not_now(status: int, chinese: str, english: str) -> Response:
    """What only this request is told: no cache may give it to another."""
    response = Response(f"{chinese}\n{english}\n", status, {"Cache-Control": "no-store"},
                        content_type="text/plain; charset=utf-8")
    protect(response)
    return response


def replaced() -> Response:
    """Nothing for a moment: what there is may not be shown any more, and the file that follows is being made."""
    text = "该文件正在更新，请稍后再试。\nThis file is just being replaced: try again in a moment.\n"
    return Response(text, 503, {"Retry-After": "5", "Cache-Control": "no-store"},
                    content_type="text/plain; charset=utf-8")


def coding_for(accepted: Accept, made: Iterable[str]) -> str:
    """The coding that the client likes best among those that there are (RFC 9110, 12.5.3); the smaller one of two.

    Who says nothing gets the file as it is; who refuses everything gets it too, for there is nothing better.
    """
    liked = [(accepted.quality(coding), coding == ZSTD, coding) for coding in (GZIP, ZSTD) if coding in made]
    quality, _, coding = max(liked, default=(0, False, IDENTITY))
    named = any(str(value).lower() == IDENTITY for value, _ in accepted)
    return coding if quality > 0 and (not named or quality >= accepted.quality(IDENTITY)) else IDENTITY


def _sensible(response: Response, size: int) -> dict[str, Any]:
    """The request without a Range that does not count: other unit, several ranges, wrong way round, other method, weak
    tag, or a file that the client has. Without If-Match, which was looked at."""
    kept = dict(request.environ)
    kept.pop("HTTP_IF_MATCH", None)
    match = ONE_RANGE.fullmatch(kept.get("HTTP_RANGE", ""))
    backwards = match is not None and match[1] and match[2] and int(match[1]) > int(match[2])
    weak = kept.get("HTTP_IF_RANGE", "").lstrip().startswith("W/")
    bare = {name: value for name, value in kept.items() if name not in ("HTTP_RANGE", "HTTP_IF_RANGE")}
    if match is None or backwards or weak or kept["REQUEST_METHOD"] != "GET" or not is_resource_modified(
            bare, response.headers.get("ETag"), None, response.last_modified):
        kept.pop("HTTP_RANGE", None)
    elif match[1] is None and not 0 < int(match[2]) <= size:
        # The last 0 bytes: as little there as those behind the end. More than there are: all (RFC 9110, 14.1.2).
        kept["HTTP_RANGE"] = "bytes=0-" if int(match[2]) else f"bytes={size}-"
    return kept


def _disposition(row: Mapping[str, Any]) -> str:
    """An ASCII name for everyone, and the Chinese title for browsers (RFC 6266, RFC 5987)."""
    title = domains()[row["domain"]].title.zh
    if row["dataset_id"]:
        title = model.value("select title from public.package where id = :id", id=str(row["dataset_id"])) or title
    plain = row["address"].rsplit("/", 1)[-1]
    named = quote(f"{title}.{row['form']}", safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{named}"


def said(status: int, chinese: str, english: str) -> Cacheable:
    return cached(f"{chinese}\n{english}\n", "text/plain", status)


def cached(text: str, media_type: str, status: int = 200) -> Cacheable:
    response = Cacheable(text, status, content_type=f"{media_type}; charset=utf-8")
    protect(response)
    if status == 200:
        response.set_etag(hashlib.sha256(text.encode()).hexdigest())
        response.make_conditional(request)
    return response


def protect(response: Response) -> None:
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Access-Control-Allow-Origin"] = "*"
