"""Bodies and people of a test: one officer and one reviewer a body, the disclosure office, the administrator."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from ckan import model
from ckan.plugins import toolkit

from ckanext.gkopen.demo import act, make_body

TABLES = ('"user"', '"group"', "member", "dashboard")
"""What bodies and people are kept in."""


@dataclass(frozen=True)
class Cast:
    """User names and organisation names."""

    body: str = "nantong-czj"
    other: str = "nantong-jtj"
    officer: str = "li-officer"
    reviewer: str = "wang-reviewer"
    stranger: str = "zhao-other"
    office: str = "zwgk-office"
    admin: str = "portal-admin"


def made_once(make: Callable[[], None]) -> Callable[[], None]:
    """`make` gives a fresh site bodies and people, by CKAN's actions, and commits. It runs once in a session; later
    the same rows are put back, in a hundredth of the time. A site that is not fresh gets `make` itself.
    """
    kept: dict[str, str] = {}

    @wraps(make)
    def made() -> None:
        fresh = model.Session.query(model.User).first() is None
        if not (fresh and kept):
            make()
        cursor = model.Session.connection().connection.cursor()
        for table in TABLES if fresh else ():
            rows = io.StringIO(kept.get(table))
            if table in kept:
                cursor.copy_expert(f"COPY {table} FROM STDIN", rows)
            else:
                cursor.copy_expert(f"COPY {table} TO STDOUT", rows)
                kept[table] = rows.getvalue()
        model.Session.commit()

    return made


def make_cast() -> Cast:
    """The bodies and people of Cast."""
    _make_cast()
    return Cast()


@made_once
def _make_cast() -> None:
    cast = Cast()
    toolkit.get_action("get_site_user")({"ignore_auth": True}, {})
    make_body("zwgkb", {"zh": "南通市政务公开办公室", "en": "Disclosure Office"}, disclosure_office=True)
    make_body(cast.body, {"zh": "南通市财政局", "en": "Finance Bureau"})
    make_body(cast.other, {"zh": "南通市交通运输局", "en": "Transport Bureau"})
    for name in (cast.officer, cast.reviewer, cast.stranger, cast.office, cast.admin):
        act("user_create", name=name, email=f"{name}@example.com", password="correct-horse-9")
    for organization, name, role in ((cast.body, cast.officer, "editor"), (cast.body, cast.reviewer, "admin"),
                                     (cast.other, cast.stranger, "admin"), ("zwgkb", cast.office, "admin")):
        act("organization_member_create", id=organization, username=name, role=role)
    administrator = model.User.get(cast.admin)
    assert administrator is not None
    administrator.sysadmin = True
    model.Session.commit()


def call(action: str, user: str, **data: Any) -> Any:
    """An action as a person calls it: with access checks."""
    return toolkit.get_action(action)({"user": user}, data)
