"""Who may do what: data officer and reviewer of a body, disclosure office, portal administrator.

CKAN's own memberships carry the roles: `editor` of an organisation is its data officer, `admin` its reviewer; the
admins of the organisation that is marked as the disclosure office (政务公开办) review all bodies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ckanext.gkopen import model

OFFICER, REVIEWER = "editor", "admin"

# A name that is another account's id is the account of that name, and has none of the other's roles.
_ROLES = """
select u.id, u.sysadmin, g.id as body, m.capacity, coalesce(g.extras ->> 'disclosure_office' = 'true', false) as office
from (select id, sysadmin, state from public."user" where :user in (name, id) order by name = :user desc limit 1) u
left join public.member m on m.table_name = 'user' and m.table_id = u.id and m.state = 'active'
  and m.capacity in ('editor', 'admin')
left join public."group" g on g.id = m.group_id and g.state = 'active' and g.is_organization
where u.state = 'active'
"""


@dataclass(frozen=True, slots=True)
class Roles:
    """What an account may do; `officer`, `reviewer`: ids of bodies (a reviewer is also counted as an officer)."""

    identity: str | None = None
    administrator: bool = False
    officer: frozenset[str] = frozenset()
    reviewer: frozenset[str] = frozenset()
    office: bool = False


def roles_of(user: str | None) -> Roles:
    """By name or id, in one statement: every action asks. Who does not exist or is not active has none."""
    found = model.every(_ROLES, user=user) if user else []
    if not found:
        return Roles()
    held = [row for row in found if row["body"] is not None]
    reviewed = [row for row in held if row["capacity"] == REVIEWER]
    return Roles(found[0]["id"], found[0]["sysadmin"], frozenset(row["body"] for row in held),
                 frozenset(row["body"] for row in reviewed), any(row["office"] for row in reviewed))


def user_id(user: str | None) -> str | None:
    return roles_of(user).identity


def is_administrator(user: str | None) -> bool:
    return roles_of(user).administrator


def disclosure_offices() -> set[str]:
    return {row["id"] for row in model.every("select id from public.\"group\" where state = 'active'"
                                             " and extras ->> 'disclosure_office' = 'true'")}


def may_submit(user: str | None, body_id: str) -> bool:
    roles = roles_of(user)
    return roles.administrator or body_id in roles.officer


def may_see(user: str | None, body_id: str) -> bool:
    """Held content is seen by its own officers and reviewers, the disclosure office and the administrator only."""
    visible = visible_bodies(user)
    return visible is None or body_id in visible


def may_review(user: str | None, body_id: str) -> bool:
    reviewed = reviewed_bodies(user)
    return reviewed is None or body_id in reviewed


def reviewed_bodies(user: str | None) -> frozenset[str] | None:
    """Bodies about whose revisions the user may decide; None means all."""
    roles = roles_of(user)
    return None if roles.administrator or roles.office else roles.reviewer


def visible_bodies(user: str | None) -> frozenset[str] | None:
    """Bodies whose held content the user may see; None means all."""
    roles = roles_of(user)
    return None if roles.administrator or roles.office else roles.officer


def seen_by(user: str | None) -> dict[str, Any]:
    """`visible_bodies` for a statement: `:all`, or those of `:visible`."""
    visible = visible_bodies(user)
    return {"all": visible is None, "visible": sorted(visible or ())}
