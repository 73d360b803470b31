"""Messages about changes of state: of the bodies that the caller may see, and the secret address of their feed."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import bodies, clock, model
from ckanext.gkopen.logic import paging
from ckanext.gkopen.logic.action.common import speaking, user_of
from ckanext.gkopen.oversight import words
from ckanext.gkopen.review import roles


@toolkit.side_effect_free
def gkopen_message_list(context: Any, data_dict: Any) -> dict[str, Any]:
    """Changes of state, newest first: sources that fail or are good again, what waits, what is overdue.

    :param cursor: :param limit:
    :returns: each with kind, source if it is about one, organization, at, subject and advice (zh, en), path of the
        page to look at
    """
    toolkit.check_access("gkopen_desk", context, {})
    user = user_of(context)
    titles = bodies.titles()

    def shown(row: dict[str, Any]) -> dict[str, Any]:
        subject, advice, path = words.said(row["kind"], row["params"])
        return {"id": row["id"], "kind": row["kind"], "source": row["params"].get("source"),
                "at": clock.told(row["at"]), "path": path, "organization": titles.get(row["body_id"] or "", ""),
                "subject": {"zh": subject.zh, "en": subject.en}, "advice": {"zh": advice.zh, "en": advice.en}}

    return paging.listed(
        data_dict, "select * from gkopen.message where (:all or body_id = any(:visible) or (:portal and body_id is"
        " null)) and (cast(:after_id as bigint) is null or id < :after_id) order by id desc limit :limit",
        {"id": paging.number}, shown, **roles.seen_by(user),
        portal=roles.is_administrator(user))


def gkopen_feed_create(context: Any, data_dict: Any) -> dict[str, Any]:
    """A secret address of the caller's feed of messages, shown once; an earlier one stops working."""
    toolkit.check_access("gkopen_desk", context, {})
    identity = roles.user_id(user_of(context))
    if identity is None:
        raise toolkit.NotAuthorized(toolkit._("Log in with an account of your own."))
    token = secrets.token_urlsafe(32)
    with speaking():
        model.execute("insert into gkopen.feed_token (user_id, sha256) values (:user, :sha) on conflict (user_id) do"
                      " update set sha256 = excluded.sha256, made_at = now()", user=identity, sha=digest(token))
        ckan_model.Session.commit()
    return {"token": token, "path": f"/office/feed.atom?token={token}"}


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def owner_of(token: str) -> str | None:
    """Name of the active account whose feed has this token."""
    user_id = model.value("select user_id from gkopen.feed_token where sha256 = :sha", sha=digest(token))
    user = ckan_model.User.get(user_id) if user_id else None
    return user.name if user is not None and user.is_active else None
