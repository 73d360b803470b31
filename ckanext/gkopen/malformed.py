"""Requests that no page can answer are refused before any page sees them: 400 instead of a database's error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from ckan.lib.search import SearchQueryError
from ckan.plugins import toolkit
from ckanext.dcat.processors import RDF_PROFILES_ENTRY_POINT_GROUP
from flask import Response, current_app, request
from werkzeug.exceptions import BadRequest, Forbidden, NotFound

from ckanext.gkopen import unfit
from ckanext.gkopen.views.answers import asked_once, refused

JSON_MOST = 1 << 20
"""Bytes of a JSON body that are looked at; a larger one is rows, whose texts are checked by the pipeline. One of
unknown length is not looked at: it could be without end."""
RDF_FORMS = ("ttl", "xml", "jsonld", "n3", "rdf")


FORMS = {"dataset_resource.new": ("save", "id"), "dataset_resource.edit": ("save",), "admin.config": ("save",)}
"""CKAN's own forms → what they take for granted of a request, and end in a 500 without."""
COUNTED = {"dataset": ("page",), "feeds": ("page",), "group": ("page",), "organization": ("page",),
           "user": ("page", "limit")}
"""CKAN's own lists → what they take for whole numbers that database and index can count with."""
AFTERWARDS = {"user.login": ("next", "came_from"), "user.logout": ("came_from",)}
"""CKAN's own pages → where they send a person on to; what begins otherwise they take for the name of a route."""
DEEP = "请求中的 JSON 嵌套过深，请改正。/ The JSON of the request is nested too deeply: mend it.\n"
HALF = "请求中有不完整的字符（\\ud800 一类），请改正。/ The request holds half of a character (\\ud800): mend it.\n"
NUL = "请求中有 NUL 字符（%00），请去掉。/ The request holds a NUL character (%00): leave it out.\n"


def without_nul(application: WSGIApplication) -> WSGIApplication:
    """A WSGI application that answers 400 where path or query hold a NUL, which PostgreSQL's texts cannot hold."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "\x00" in environ.get("PATH_INFO", "") or "%00" in environ.get("QUERY_STRING", ""):
            return Response(NUL, status=400, mimetype="text/plain")(environ, start_response)
        return application(environ, start_response)

    return answer


def refuse() -> Response | None:
    """For `before_request`: a NUL or half a character in a JSON body; a form that is not whole; a page that cannot be
    counted; an address that is none to go on to; a form of the catalogue that there is not, and a question to it that
    says a thing twice."""
    if wrong := _wrong_in_json():
        return Response(wrong, status=400, mimetype="text/plain")
    if request.method == "POST" and request.endpoint in FORMS:
        missing = [name for name in FORMS[request.endpoint] if name not in request.form]
        if missing:
            return Response(toolkit._("The form was not sent whole: {names} is missing. Open its page and send it from"
                                      " there.").format(names=", ".join(missing)) + "\n", 400, mimetype="text/plain")
    for name in COUNTED.get(request.blueprint or "", ()):
        if not re.fullmatch(r"[1-9]\d{0,6}", request.args.get(name, "1"), re.ASCII):
            return Response(toolkit._("{name} is a whole number from 1 to 9999999.").format(name=name) + "\n", 400,
                            mimetype="text/plain")
    for name in AFTERWARDS.get(request.endpoint or "", ()):
        if not re.match("/|https?:|$", request.args.get(name, "")):
            return Response(toolkit._("{name} is an address of this portal, and begins with a slash.").format(name=name)
                            + "\n", 400, mimetype="text/plain")
    return _wrong_of_catalogue() if (request.endpoint or "").startswith("dcat.") else None


def _wrong_of_catalogue() -> Response | None:
    form = (request.view_args or {}).get("_format")
    if form is not None and form not in RDF_FORMS:
        return Response(toolkit._("There is no form {form}; there are: {forms}.").format(
            form=form, forms=", ".join(RDF_FORMS)) + "\n", status=404, mimetype="text/plain")
    try:
        asked_once()
    except toolkit.ValidationError as error:
        return refused(error)
    return None


def say_plainly(response: Response) -> Response:
    """For `after_request`: what reads the catalogue is a program, and gets no page where it asked wrongly."""
    if response.status_code != 409 or request.endpoint not in ("dcat.read_catalog", "dcat.read_dataset"):
        return response
    profiles = ", ".join(sorted(entry_points(group=RDF_PROFILES_ENTRY_POINT_GROUP).names))
    told = toolkit._("This cannot be answered. page is a whole number from 1, modified_since a time such as {time},"
                     " q and fq are queries of Solr, profiles is one of {profiles}.")
    return Response(told.format(time="2026-01-31T09:30:00Z", profiles=profiles) + "\n", status=400,
                    mimetype="text/plain")


def not_found(_error: toolkit.ObjectNotFound) -> Any:
    """For `register_error_handler`: some of CKAN's own views let this pass, which would be a 500."""
    return current_app.handle_user_exception(NotFound())


def not_authorized(_error: toolkit.NotAuthorized) -> Any:
    """The same for what a reader may not do."""
    return current_app.handle_user_exception(Forbidden())


def not_valid(error: toolkit.ValidationError) -> Any:
    """What an address asks of a page and no page can answer, such as a cursor that no answer gave: 400 in its words."""
    told = [str(text) for texts in error.error_dict.values()
            for text in (texts if isinstance(texts, list) else [texts])]
    return current_app.handle_user_exception(BadRequest(" ".join(told)))


def no_query(_error: SearchQueryError) -> Any:
    """A search that Solr cannot follow: CKAN's own feeds let it pass, which would be a 500."""
    return current_app.handle_user_exception(BadRequest(toolkit._(
        "This search cannot be answered: sort is the name of a field with asc or desc, such as metadata_modified desc;"
        " q and fq are queries of Solr.")))


def not_endless(error: RecursionError) -> Any:
    """JSON of endless brackets, in an address or a body, is the asker's fault; every other recursion is a program's."""
    if not unfit.is_endless(error):
        raise error
    return Response(DEEP, status=400, mimetype="text/plain")


def _wrong_in_json() -> str | None:
    if not (request.is_json and request.blueprint != "gkopen_push"             # which reads its body itself
            and 0 < (request.content_length or 0) <= JSON_MOST):
        return None
    data = request.get_data()
    if b"\\u0000" in data or b"\x00" in data:
        return NUL
    if b"\\ud" in data or b"\\uD" in data:
        try:
            json.dumps(json.loads(data), ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return HALF
        except (ValueError, RecursionError):
            return None                                   # no JSON at all: said where it is read
    return None
