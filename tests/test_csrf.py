"""A token request must not switch CSRF protection off for everybody else's sessions (CVE-2026-41255)."""

from __future__ import annotations

from typing import Any

from ckan.config.middleware import flask_app


def test_upstream_has_not_taken_over_yet() -> None:
    """When this fails, CKAN has the fix: delete ckanext/gkopen/csrf.py."""
    assert not hasattr(flask_app.csrf, "exempt_this_request")


def test_one_request_exempts_no_later_one(app: Any) -> None:
    first = app.post("/user/login", data={"login": "x", "password": "y"}, headers={"Authorization": "no-such-token"})
    second = app.post("/user/login", data={"login": "x", "password": "y"})
    assert "csrf" in second.body.lower() or second.status_code in (400, 403)
    assert not any("login" in name for name in getattr(flask_app.csrf, "_exempt_views", ())), first.status_code
