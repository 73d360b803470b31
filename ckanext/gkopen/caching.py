"""Pages and answers that any cache may keep, and a cheap answer to "has it changed?".

What a visitor without account, session or token reads is the same for everyone. Such an answer may be kept for a minute
(no longer: a withdrawal has to reach every cache), and carries a tag with the number of the public state
(`gkopen.public_state`: every commit that changes what a visitor can see raises it). A cache that asks with the tag is
answered 304 before anything is looked up or drawn; one publication makes all tags void at once.
"""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from ckan.common import current_user
from ckan.plugins import toolkit
from flask import Response, has_request_context, request

from ckanext.gkopen import model
from ckanext.gkopen.clock import SHANGHAI

SECONDS = 60
SHARED_SECONDS = 5
"""nginx in front asks again after this time, and is answered by the tag."""
TAG = "gkopen.tag"
NEVER = {"user", "admin", "gkopen_feed", "gkopen_operations", "gkopen_push", "webassets", "static"}
"""Blueprints whose answers are a person's, a machine's, or carry their own rules."""
SHAPES = ("text/html", "application/json", "text/turtle", "application/rdf+xml", "application/ld+json", "text/n3")


def answer_unchanged() -> Response | None:
    """For `before_request`, after CKAN's own: 304 where the asker has what would be sent."""
    if not _same_for_everyone():
        return None
    tag = _tag()
    request.environ[TAG] = tag
    if tag in request.if_none_match.as_set(include_weak=True):
        return Response(status=304)
    return None


def tag_of_request() -> str | None:
    """The tag of what is being answered; None where the answer is one person's, or there is no request."""
    return request.environ.get(TAG) if has_request_context() else None


def say_how_long(application: WSGIApplication) -> WSGIApplication:
    """Around CKAN, which calls every answer private, and after the session, which may have set a cookie."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            tag = environ.get(TAG)
            names = {name.lower() for name, _ in headers}
            if tag and status[:3] in ("200", "304") and not names & {"set-cookie", "etag"}:
                headers = [pair for pair in headers if pair[0].lower() != "cache-control"]
                headers += [("Cache-Control", f"public, max-age={SECONDS}, must-revalidate"),
                            ("X-Accel-Expires", str(SHARED_SECONDS)), ("ETag", f'W/"{tag}"')]
            return start_response(status, headers, *more)

        return application(environ, start)

    return answer


def _same_for_everyone() -> bool:
    return (request.method in ("GET", "HEAD") and request.blueprint not in NEVER and request.endpoint is not None
            and not request.cookies and not current_user.is_authenticated
            and toolkit.config["apitoken_header_name"] not in request.headers)


def _tag() -> str:
    """Public state, day (deadlines pass at midnight), program, and form of the answer where one address has several."""
    day = datetime.now(SHANGHAI).strftime("%y%m%d")
    shape = request.accept_mimetypes.best_match(SHAPES, default=SHAPES[0]) or SHAPES[0]
    return f"{generation()}-{day}-{PROGRAM}-{SHAPES.index(shape)}"


def generation() -> int:
    """The number of the public state."""
    return model.value("select generation from gkopen.public_state") or 0


def _program() -> str:
    """Changes with a new version and with changed templates or translations."""
    here = Path(__file__).parent
    newest = max(path.stat().st_mtime_ns for folder in ("templates", "i18n") for path in (here / folder).rglob("*"))
    return f"{version('ckanext-gkopen')}.{newest:x}"


PROGRAM = _program()
"""Stands for this state of the program in keys and tags."""
