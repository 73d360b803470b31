"""`/office/tokens`: the tokens of a body's business systems. A new one is shown once, on the page that made it."""

from __future__ import annotations

from typing import Any

from ckan.plugins import toolkit
from flask import Blueprint, Response, make_response

from ckanext.gkopen.views.office import _choices
from ckanext.gkopen.views.session import act, sentences, signed_in, telling, words

blueprint = Blueprint("gkopen_tokens", __name__, url_prefix="/office/tokens")
blueprint.before_request(signed_in)


@blueprint.get("/", strict_slashes=False, endpoint="index")
def index() -> Response:
    return _page()


@blueprint.post("/", strict_slashes=False, endpoint="create")
def create() -> Response:
    data = words("name", "domain", "organization", "days")
    try:
        return _page(made=act("gkopen_push_token_create", data))
    except toolkit.ValidationError as error:
        return _page(data=data, errors=sentences(error))


@blueprint.post("/<name>/revoke", endpoint="revoke")
def revoke(name: str) -> Any:
    with telling():
        act("gkopen_push_token_revoke", {"name": name})
        toolkit.h.flash_success(toolkit._("The token is revoked."))
    return toolkit.h.redirect_to("gkopen_tokens.index")


def _page(**more: Any) -> Response:
    listed = act("gkopen_push_token_list", {"limit": 100, **words("cursor")})
    response = make_response(toolkit.render("gkopen/office/tokens.html", {
        **_choices(), "tokens": listed["results"], "cursor": listed["cursor"], "made": None, "data": {}, "errors": [],
        **more}))
    response.headers["Cache-Control"] = "no-store"
    return response
