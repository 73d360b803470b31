"""Who may do what: data officer and reviewer of a body, disclosure office, portal administrator.

CKAN's own memberships carry the roles: `editor` of an organisation is its data officer, `admin` its reviewer; the
admins of the organisation that is marked as the disclosure office (政务公开办) review all bodies.
"""

from __future__ import annotations

from ckan import authz, model

OFFICER, REVIEWER = "editor", "admin"


def user_id(name_or_id: str | None) -> str | None:
    user = model.User.get(name_or_id) if name_or_id else None
    return user.id if user is not None and user.is_active else None


def is_administrator(user: str | None) -> bool:
    return user_id(user) is not None and authz.is_sysadmin(user)


def bodies(user: str | None, role: str) -> set[str]:
    """Organisation ids in which the user has the role (a reviewer is also counted as an officer)."""
    identity = user_id(user)
    if identity is None:
        return set()
    roles = (OFFICER, REVIEWER) if role == OFFICER else (REVIEWER,)
    members = (model.Session.query(model.Member.group_id)
               .join(model.Group, model.Group.id == model.Member.group_id)
               .filter(model.Member.table_name == "user", model.Member.table_id == identity,
                       model.Member.state == "active", model.Group.state == "active",
                       model.Group.is_organization.is_(True), model.Member.capacity.in_(roles)))
    return {row[0] for row in members}


def disclosure_offices() -> set[str]:
    rows = model.Session.query(model.Group.id).filter(
        model.Group.state == "active", model.group_table.c.extras["disclosure_office"].astext == "true")
    return {row[0] for row in rows}


def is_disclosure_office(user: str | None) -> bool:
    return bool(bodies(user, REVIEWER) & disclosure_offices())


def may_submit(user: str | None, body_id: str) -> bool:
    return is_administrator(user) or body_id in bodies(user, OFFICER)


def may_see(user: str | None, body_id: str) -> bool:
    """Held content is seen by its own officers and reviewers, the disclosure office and the administrator only."""
    return may_submit(user, body_id) or is_disclosure_office(user)


def may_review(user: str | None, body_id: str) -> bool:
    return is_administrator(user) or body_id in bodies(user, REVIEWER) or is_disclosure_office(user)


def reviewed_bodies(user: str | None) -> set[str] | None:
    """Bodies about whose revisions the user may decide; None means all."""
    if is_administrator(user) or is_disclosure_office(user):
        return None
    return bodies(user, REVIEWER)


def visible_bodies(user: str | None) -> set[str] | None:
    """Bodies whose held content the user may see; None means all."""
    if is_administrator(user) or is_disclosure_office(user):
        return None
    return bodies(user, OFFICER)


