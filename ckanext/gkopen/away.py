"""A server that is away is said: 503 and when to ask again, by pages and by the interface."""

from __future__ import annotations

import logging
from typing import Any

import psycopg2
import redis
from ckan import model
from ckan.lib.search import SolrConnectionError
from flask import Response, current_app, g, has_request_context, request
from sqlalchemy import exc
from werkzeug.exceptions import InternalServerError

log = logging.getLogger(__name__)

LOST = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, exc.PendingRollbackError,
        psycopg2.OperationalError, psycopg2.InterfaceError)
OTHERS = {
    SolrConnectionError: "检索服务暂时无法访问，请稍后再试；公开文件照常下载：/open/\nThe search cannot be reached just"
                         " now: try again in a moment. Public files are served as ever: /open/\n",
    redis.ConnectionError: "会话服务暂时无法访问，无法登录，请稍后再试。\nSessions cannot be kept just now, so that"
                           " nobody can log in: try again in a moment.\n"}
"""Servers other than PostgreSQL: their errors, and what is said."""
MAY_BE_AWAY = (*LOST, *OTHERS)
AGAIN = "5"
"""Seconds."""
_CANNOT_RECONNECT = "8s2b"
"""SQLAlchemy's number for a session whose connection went; it has others for one that an error left open."""
_CLASSES = ("08", "53", "57P")
"""SQLSTATE: no connection, no room for one more, being shut down. An error that has none came from no server."""
_TELL_THEMSELVES = ("gkopen_operations.healthz", "gkopen_operations.readyz")
"""What a supervisor asks: CKAN looks up the asker in the database before it comes to them."""


def is_away(error: BaseException) -> bool:
    """Whether a server could not be reached, or went while it was asked. A query that took too long is none."""
    if isinstance(error, tuple(OTHERS)):
        return True
    if not isinstance(error, LOST) or (isinstance(error, exc.PendingRollbackError) and error.code != _CANNOT_RECONNECT):
        return False
    code = getattr(getattr(error, "orig", error), "pgcode", None)
    return code is None or code.startswith(_CLASSES)


def say(error: Exception) -> Any:
    """For `register_error_handler`. In plain words: a page would ask the server again."""
    if not is_away(error):
        raise error
    if request.endpoint in _TELL_THEMSELVES:
        model.Session.rollback()
        return current_app.view_functions[request.endpoint]()
    log.error("a server is away: %s: %s", type(error).__name__, str(error).split("\n", 1)[0])
    text = next((said for kind, said in OTHERS.items() if isinstance(error, kind)),
                "数据库暂时无法访问，请稍后再试。\nThe database cannot be reached just now: try again in a moment.\n")
    return Response(text, 503, {"Retry-After": AGAIN, "Cache-Control": "no-store"},
                    content_type="text/plain; charset=utf-8")


def note(error: Exception) -> None:
    """Of an action, whose errors CKAN's interface makes a 500 of."""
    if has_request_context() and is_away(error):
        g.gkopen_away = True


def say_when(response: Response) -> Response:
    """For `after_request`."""
    if response.status_code == 500 and request.endpoint == "api.action" and g.get("gkopen_away"):
        response.status_code = 503
        response.headers["Retry-After"] = AGAIN
    return response


def leave_nothing_open(error: BaseException | None) -> None:
    """For `teardown_request`. CKAN gives its database session back after an answer; an error that gets past every
    handler (of the page that says the error, say) is none, and the next requests of the process would find a
    transaction that cannot go on."""
    if error is not None:
        model.Session.remove()


def register(app: Any) -> None:
    """For `make_middleware`."""
    app.after_request(say_when)
    app.teardown_request(leave_nothing_open)
    for kind in MAY_BE_AWAY:
        app.register_error_handler(kind, say)
    page_of_500 = app.error_handler_spec[None][500][InternalServerError]

    def say_or_page(error: InternalServerError) -> Any:
        """CKAN's pages of datasets make a 500 of a search that is away; of sessions, only this handler is asked."""
        cause = error.original_exception or error.__context__
        return say(cause) if isinstance(cause, Exception) and is_away(cause) else page_of_500(error)

    app.register_error_handler(500, say_or_page)
