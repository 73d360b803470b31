"""A database that is away is said: 503 and when to ask again, by pages and by the interface."""

from __future__ import annotations

import logging
from typing import Any

import psycopg2
from ckan import model
from flask import Response, g, has_request_context, request
from sqlalchemy import exc

log = logging.getLogger(__name__)

LOST = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, exc.PendingRollbackError,
        psycopg2.OperationalError, psycopg2.InterfaceError)
AGAIN = "5"
"""Seconds."""
_CANNOT_RECONNECT = "8s2b"
"""SQLAlchemy's number for a session whose connection went; it has others for one that an error left open."""
_CLASSES = ("08", "53", "57P")
"""SQLSTATE: no connection, no room for one more, being shut down. An error that has none came from no server."""


def is_away(error: Exception) -> bool:
    """Whether the database could not be reached, or went while it was asked. A query that took too long is none."""
    if not isinstance(error, LOST) or (isinstance(error, exc.PendingRollbackError) and error.code != _CANNOT_RECONNECT):
        return False
    code = getattr(getattr(error, "orig", error), "pgcode", None)
    return code is None or code.startswith(_CLASSES)


def say(error: Exception) -> Response:
    """For `register_error_handler`. In plain words: a page would ask the database again."""
    if not is_away(error):
        raise error
    log.error("the database is away: %s", str(error).split("\n", 1)[0])
    text = "数据库暂时无法访问，请稍后再试。\nThe database cannot be reached just now: try again in a moment.\n"
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
    for kind in LOST:
        app.register_error_handler(kind, say)
