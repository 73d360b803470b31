"""Who may call gkopen's actions; the roles are in `review.roles`, and each action checks the body it touches itself."""

from __future__ import annotations

from typing import Any

from ckan.plugins import toolkit

from ckanext.gkopen.review import roles


def _answer(allowed: bool) -> dict[str, Any]:
    return {"success": True} if allowed else {"success": False, "msg": toolkit._("You are not allowed to do this.")}


def submit(context: Any, data_dict: Any) -> dict[str, Any]:
    """Data officer of the body (`body_id`), or the portal administrator."""
    return _answer(roles.may_submit(context.get("user"), data_dict.get("body_id", "")))


def see(context: Any, data_dict: Any) -> dict[str, Any]:
    """Whoever may see held content of the body."""
    return _answer(roles.may_see(context.get("user"), data_dict.get("body_id", "")))


def review(context: Any, data_dict: Any) -> dict[str, Any]:
    """Reviewer of the body, the disclosure office, or the portal administrator."""
    return _answer(roles.may_review(context.get("user"), data_dict.get("body_id", "")))


def desk(context: Any, data_dict: Any) -> dict[str, Any]:
    """Anyone with a role in some body: lists are then cut to the bodies that the person may see."""
    visible = roles.visible_bodies(context.get("user"))
    return _answer(visible is None or bool(visible))


def oversee(context: Any, data_dict: Any) -> dict[str, Any]:
    """The disclosure office, or the portal administrator: who keeps what bodies owe."""
    return _answer(roles.reviewed_bodies(context.get("user")) is None)


@toolkit.auth_allow_anonymous_access
def public(context: Any, data_dict: Any) -> dict[str, Any]:
    return {"success": True}


def functions() -> dict[str, Any]:
    """For IAuthFunctions: gkopen's checks by name."""
    return {"gkopen_submit": submit, "gkopen_see": see, "gkopen_review": review, "gkopen_desk": desk,
            "gkopen_oversee": oversee, "gkopen_public": public}
