"""Guessing passwords is stopped: after some wrong ones from an address, an account rests for a quarter of an hour.

Counted in Valkey by account and address, so that a stranger cannot lock an officer out from elsewhere; a flushed
Valkey only starts the count anew.
"""

from __future__ import annotations

from typing import Any

from ckan.lib import base
from ckan.lib.redis import connect_to_redis
from ckan.plugins import toolkit
from flask import Response, make_response, request

WRONG = 8
REST_SECONDS = 900


def _key(login: str) -> str:
    return f"gkopen:login:{request.remote_addr}:{login.strip().casefold()[:200]}"


def count_failure(login: str) -> None:
    """For CKAN's signal `failed_login`."""
    redis: Any = connect_to_redis()
    key = _key(login or "")
    redis.incr(key)
    redis.expire(key, REST_SECONDS)


def forget_failures(_sender: Any, **_more: Any) -> None:
    """For flask-login's signal `user_logged_in`."""
    if login := request.form.get("login"):
        redis: Any = connect_to_redis()
        redis.delete(_key(login))


def refuse_while_resting() -> Response | None:
    """For IAuthenticator.login: the login page with 429 while the account rests, else None."""
    if request.method != "POST":
        return None
    redis: Any = connect_to_redis()
    if int(redis.get(_key(request.form.get("login", ""))) or 0) < WRONG:
        return None
    toolkit.h.flash_error(toolkit._("Too many wrong passwords: try again in {minutes} minutes.").format(
        minutes=REST_SECONDS // 60))
    response = make_response(base.render("user/login.html", {}), 429)
    response.headers["Retry-After"] = str(REST_SECONDS)
    return response
