"""`/office/feed.atom`: changes of state for feed readers. A secret token of its own, or an API token in the header.

The token opens nothing but the feed, and shows what its owner may see at the time of reading. Nobody else learns that
the address exists.
"""

from __future__ import annotations

from typing import Any

from ckan.plugins import toolkit
from flask import Blueprint, Response

from ckanext.gkopen.logic.action.message import owner_of
from ckanext.gkopen.views import atom
from ckanext.gkopen.views.atom import add

blueprint = Blueprint("gkopen_feed", __name__)

ENTRIES = 50


class Secret(Response):
    """For one reader: CKAN calls what it answers without a session public, after the view has answered."""

    def get_wsgi_headers(self, environ: Any) -> Any:
        headers = super().get_wsgi_headers(environ)
        headers["Cache-Control"] = "private, no-store"
        return headers


@blueprint.get("/office/feed.atom", endpoint="atom")
def read() -> Response:
    """The newest messages, in the language of the address, Chinese by default."""
    token = toolkit.request.args.get("token", "")
    user = owner_of(token) if token else None
    if user is None and toolkit.current_user.is_authenticated:
        user = toolkit.current_user.name
    if user is None:
        toolkit.abort(404)
    try:
        messages = toolkit.get_action("gkopen_message_list")({"user": user}, {"limit": ENTRIES})["results"]
    except toolkit.NotAuthorized:
        toolkit.abort(404)
    site = toolkit.config["ckan.site_url"].rstrip("/")
    lang = "en" if toolkit.h.gkopen_english() else "zh"
    feed = atom.feed()
    add(feed, "id", f"{site}/office/feed.atom")
    add(feed, "title", f"{toolkit.h.gkopen_site_title()}: {toolkit._('Changes of state')}")
    add(feed, "updated", messages[0]["at"] if messages else "1970-01-01T00:00:00+08:00")
    add(add(feed, "author"), "name", toolkit.h.gkopen_site_title())
    for message in messages:
        entry = add(feed, "entry")
        add(entry, "id", f"{site}/office/messages/{message['id']}")
        add(entry, "title", message["subject"][lang])
        add(entry, "updated", message["at"])
        add(entry, "link", href=f"{site}{message['path']}")
        add(entry, "summary", message["advice"][lang])
    response = Secret(atom.written(feed), mimetype="application/atom+xml")
    response.headers["X-Robots-Tag"] = "noindex"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
