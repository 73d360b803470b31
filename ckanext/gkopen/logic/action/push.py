"""Tokens with which a business system pushes one domain of one body."""

from __future__ import annotations

from typing import Any

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import bodies, clock, model
from ckanext.gkopen.logic import paging
from ckanext.gkopen.logic.action.common import domain_of, need, speaking, user_of
from ckanext.gkopen.push import tokens
from ckanext.gkopen.review import roles


def gkopen_push_token_create(context: Any, data_dict: Any) -> dict[str, Any]:
    """Make a token; the answer is the only place that ever shows it.

    :param name: a-z 0-9 -, unique; shown as submitter of what comes in
    :param domain: name of the domain
    :param organization: name, id, title or credit code of the body
    :param days: how long it is good, 1 to 730; 365 unless said
    """
    with speaking():
        need(data_dict, "name", "domain", "organization")
        domain, body = domain_of(data_dict), bodies.find(str(data_dict["organization"]))
        toolkit.check_access("gkopen_submit", context, {"body_id": body["id"]})
        try:
            token, row = tokens.make(str(data_dict["name"]), domain.name, body, _days(data_dict), user_of(context))
        except ValueError as error:
            ckan_model.Session.rollback()
            raise toolkit.ValidationError(_wrong(str(error))) from error
        ckan_model.Session.commit()
    return {**_shown(row), "token": token}


@toolkit.side_effect_free
def gkopen_push_token_list(context: Any, data_dict: Any) -> dict[str, Any]:
    """Tokens of the bodies for which the caller may submit, without the tokens themselves. One that is not `supported`
    is refused: whoever made it has no account any more, or may not submit for the body. :param cursor: :param limit:
    """
    toolkit.check_access("gkopen_desk", context, {})
    held = roles.roles_of(user_of(context))
    return paging.listed(
        data_dict, "select * from gkopen.push_token where (:every or body_id = any(:bodies))"
        " and (cast(:after_name as text) is null or name > :after_name) order by name limit :limit", {"name": str},
        _shown, every=held.administrator, bodies=sorted(held.officer))


def gkopen_push_token_revoke(context: Any, data_dict: Any) -> dict[str, Any]:
    """Refuse a token from now on. What came in by it stays. :param name:"""
    toolkit.check_access("gkopen_desk", context, {})
    need(data_dict, "name")
    row = model.one("select * from gkopen.push_token where name = :name", name=str(data_dict["name"]))
    if row is None or not roles.may_submit(user_of(context), row["body_id"]):
        raise toolkit.ObjectNotFound(toolkit._(
            "There is no push token {name} that you may revoke: gkopen_push_token_list (gkopen push-token list) names"
            " those that there are.").format(name=str(data_dict["name"])[:100]))
    tokens.revoke(row["name"], user_of(context))
    ckan_model.Session.commit()
    return _shown(model.one("select * from gkopen.push_token where name = :name", name=row["name"]) or row)


def _days(data_dict: Any) -> int:
    try:
        wished = data_dict.get("days")
        return tokens.USUAL_DAYS if wished in (None, "") else int(wished)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("days") from None


def _wrong(what: str) -> Any:
    told = {
        "name": ("name", toolkit._("A name has 2 to 60 characters a-z, 0-9 and -, a letter first.")),
        "taken": ("name", toolkit._("This name is taken; names of revoked tokens stay taken too.")),
        "days": ("days", toolkit._("days is a whole number from 1 to {most}.").format(most=tokens.MOST_DAYS)),
    }
    field, sentence = told[what]
    return {field: [sentence]}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    body = ckan_model.Group.get(row["body_id"])
    shown = {"name": row["name"], "domain": row["domain"], "created_by": row["created_by"],
             "revoked_by": row["revoked_by"], "supported": tokens.supported(row),
             "organization": {"name": body.name, "title": body.title or body.name} if body else None}
    for name in ("created_at", "expires_at", "last_used_at", "revoked_at"):
        shown[name] = clock.told(row[name])
    return shown
