"""The interface for programs: its description (OpenAPI), a page with snippets, and scripts of other sites let in."""

from __future__ import annotations

from ckan.plugins import toolkit
from flask import Blueprint, Response, current_app, request

from ckanext.gkopen import model
from ckanext.gkopen.openapi import snippets
from ckanext.gkopen.openapi.answers import example_domain
from ckanext.gkopen.openapi.document import document
from ckanext.gkopen.views.answers import json_of
from ckanext.gkopen.views.download import cached

blueprint = Blueprint("gkopen_api", __name__)
PUBLIC = ("/api/", "/open/", "/row/", "/datastore/dump/", "/catalog.", "/dataset/", "/robots.txt")
ALLOWED_HEADERS = "Range, If-None-Match, If-Modified-Since, If-Range, Accept, Content-Type"
EXPOSED_HEADERS = "ETag, Last-Modified, Content-Range, Content-Length, Content-Disposition, X-Gkopen-Cursor"


@blueprint.get("/open/openapi.json", endpoint="openapi")
def openapi() -> Response:
    """The description of the public interface, OpenAPI 3.1."""
    routes = [(rule.rule, current_app.view_functions[rule.endpoint]) for rule in current_app.url_map.iter_rules()
              if rule.rule.startswith(("/open/", "/row/")) and "GET" in (rule.methods or ())]
    site, title = toolkit.config["ckan.site_url"].rstrip("/"), toolkit.config["ckan.site_title"]
    return cached(json_of(document(site, title, sorted(routes, key=lambda route: route[0]))), "application/json")


@blueprint.get("/open/api", endpoint="page")
def page() -> str:
    """How to read the data with curl, Python, pandas, R and JavaScript."""
    site = toolkit.config["ckan.site_url"].rstrip("/")
    return toolkit.render("gkopen/api/read.html", {"examples": snippets.examples(site, _published())})


def _published() -> tuple[str, int] | None:
    """A dataset of the example's domain that has files now, and its revision."""
    row = model.one("select d.name, d.seq from gkopen.dataset d where d.domain = :domain and exists"
                    " (select from gkopen.file f where f.dataset_id = d.id and f.sha256 is not null)"
                    " order by d.name limit 1", domain=example_domain().name)
    return (row["name"], row["seq"]) if row else None


@blueprint.after_app_request
def let_scripts_in(response: Response) -> Response:
    """Scripts of any site may read what anyone may read: GET without a token. Nothing else is let in."""
    if not request.path.startswith(PUBLIC) or {"Authorization", "Cookie"} & {*request.headers.keys()}:
        return response
    wanted = request.headers.get("Access-Control-Request-Method", "")
    if request.method in ("GET", "HEAD") or (request.method == "OPTIONS" and wanted in ("GET", "HEAD")):
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    if request.method == "OPTIONS" and wanted in ("GET", "HEAD"):
        response.headers["Access-Control-Allow-Methods"] = "GET, HEAD"
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = "86400"
    return response


