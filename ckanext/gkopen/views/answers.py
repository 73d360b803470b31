"""Answers for machines: the same for everyone, cacheable, open to scripts of other sites, errors in both languages."""

from __future__ import annotations

from typing import Any

from ckan.plugins import toolkit
from flask import Response, request

CACHE = "public, max-age=60, must-revalidate"
"""Not longer: a withdrawal has to reach every cache within a minute."""


class Public(Response):
    """CKAN sets its own caching, and the session its cookie, after the view has answered: they are taken back."""

    def get_wsgi_headers(self, environ: Any) -> Any:
        headers = super().get_wsgi_headers(environ)
        headers["Cache-Control"] = CACHE
        headers["Access-Control-Allow-Origin"] = "*"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        for name in ("Set-Cookie", "Vary"):
            headers.remove(name)
        return headers


def public(text: str | bytes, media_type: str, status: int = 200) -> Response:
    """A whole answer with an ETag of its bytes; conditions of the request are honoured."""
    response = Public(text, status, content_type=media_type)
    if status == 200:
        response.add_etag()
        response.make_conditional(request)
    return response


def said(status: int, chinese: str, english: str) -> Response:
    return public(f"{chinese}\n{english}\n", "text/plain; charset=utf-8", status)


def refused(error: toolkit.ValidationError) -> Response:
    """400 with what was wrong, a line each."""
    lines = [f"{name}: {text}" for name, texts in error.error_dict.items()
             for text in (texts if isinstance(texts, list) else [texts])]
    return public("\n".join(map(str, lines)) + "\n", "text/plain; charset=utf-8", 400)


def json_of(answer: Any) -> str:
    """JSON with exact numbers, Chinese as it is."""
    return toolkit.h.dump_json(answer, ensure_ascii=False, use_decimal=True)
