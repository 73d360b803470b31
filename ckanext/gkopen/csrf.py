"""CSRF exemption for one request, not for the life of the process.

CKAN 2.12.0 calls `csrf.exempt(view)` when a request with an API token (or an anonymous one) reaches a view: from then
on the view takes every later session's POST without a token (CVE-2026-41255). Upstream has `exempt_this_request` since;
`tests/test_csrf.py` says when this module can go.
"""

from __future__ import annotations

from typing import Any

from ckan.common import current_user
from ckan.config.middleware import flask_app
from flask import g, has_request_context, request


def exempt_per_request() -> None:
    """Patch CKAN's CSRF object, once a process."""
    csrf: Any = flask_app.csrf
    if getattr(csrf, "gkopen_per_request", False):
        return
    for_ever, is_exempt = csrf.exempt, csrf._is_exempt

    def exempt(view: Any) -> Any:
        if not has_request_context():
            return for_ever(view)                        # a decorator at import time means the view itself
        if request.blueprint == "api" or current_user.is_authenticated:
            g.gkopen_csrf_exempt = True
        return view

    csrf.exempt = exempt
    csrf._is_exempt = lambda: g.get("gkopen_csrf_exempt", False) or is_exempt()
    csrf.gkopen_per_request = True
