"""What the officers' and reviewers' pages share: signed-in people only, and sentences from refused actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ckan.lib.helpers import helper_functions as h
from ckan.plugins import toolkit
from flask import Response


def signed_in() -> Any:
    """For `before_request`: whoever has no session is asked to log in and comes back to the same page."""
    if toolkit.current_user.is_authenticated:
        return None
    return h.redirect_to("user.login", came_from=h.gkopen_page_url())


def act(action: str, data: Mapping[str, Any] | None = None, **context: Any) -> Any:
    """Call an action as the person at the page. A refusal by the role is a 403, an unknown id a 404."""
    try:
        whole: Any = {"user": toolkit.current_user.name, **context}
        return toolkit.get_action(action)(whole, dict(data or {}))
    except toolkit.NotAuthorized as error:
        toolkit.abort(403, error.message or toolkit._("You are not allowed to do this."))
    except toolkit.ObjectNotFound:
        toolkit.abort(404, toolkit._("There is no such page; it may have been decided or taken back already."))


@contextmanager
def telling() -> Iterator[None]:
    """What an action refuses is said on the next page, one sentence a reason."""
    try:
        yield
    except toolkit.ValidationError as error:
        for sentence in sentences(error):
            h.flash_error(sentence)


def sentences(error: toolkit.ValidationError) -> list[str]:
    """The reasons of a refusal without CKAN's field names; ids that accompany them are left out."""
    told: list[str] = []
    for field, values in error.error_dict.items():
        if field in ("stale",):
            continue
        told.extend(str(value) for value in (values if isinstance(values, list) else [values]))
    return told


def words(*names: str) -> dict[str, str]:
    """Those of the address's or form's parameters that are filled in."""
    given = {**toolkit.request.args.to_dict(), **toolkit.request.form.to_dict()}
    return {name: given[name].strip() for name in names if given.get(name, "").strip()}


def attachment(text: str, filename: str) -> Response:
    """A CSV file that Excel opens with the right characters, and that no browser shows as a page."""
    response = Response("\ufeff" + text, mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
