"""/open/openapi.json: made from the domains, the actions' own words and the routes, so that it cannot lag behind."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ckanext.gkopen.datastore.dump import DELIMITERS
from ckanext.gkopen.domains import domains
from ckanext.gkopen.history.files import FORMS as REVISION_FORMS
from ckanext.gkopen.logic import action
from ckanext.gkopen.openapi import rows
from ckanext.gkopen.openapi.answers import Answer, actions, files
from ckanext.gkopen.publish.forms.make import FORMS

VERSION = "3.1.0"
ERRORS = {"400": "BadRequest", "404": "NotFound", "410": "Gone"}


def document(site: str, title: str, routes: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """`routes`: (address pattern of Werkzeug, view) of the GET routes below /open/ and /row/."""
    paths: dict[str, Any] = {}
    for name, answer in actions().items():
        function = action.functions().get(name)
        words = inspect.getdoc(function) if function else answer.words
        paths[f"/api/3/action/{name}"] = {"get": _operation(name, words or "", answer, "API", _ACTION_ERRORS)}
    for path, answer in files().items():
        paths[path] = {"get": _operation(_name(path), answer.words, answer, "files", ERRORS)}
    for pattern, view in routes:
        path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", pattern)
        if path not in paths and not any(_covers(known, path) for known in paths):
            answer = Answer(inspect.getdoc(view) or path, {"type": ["object", "string"]}, media_type="*/*")
            paths[path] = {"get": _operation(_name(path), answer.words, answer, "files", ERRORS, path=path)}
    return {
        "openapi": VERSION, "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {"title": title, "version": "1", "license": {"name": "AGPL-3.0-or-later"}, "description": (
            "公开数据的读取接口，无需账号。金额为精确的十进制数；时间为北京时间。"
            " / Reading what is published, without an account. Amounts are exact decimals; times are those of"
            " Asia/Shanghai.")},
        "servers": [{"url": site}],
        "tags": [{"name": "API", "description": "查询 / queries"}, {"name": "files", "description": "文件 / files"}],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": {**{f"row_{d.name}": rows.row_schema(d) for d in domains().values()}},
                       "responses": _RESPONSES}}


def _words(zh: str, en: str, *media: str) -> dict[str, Any]:
    return {"description": f"{zh} / {en}", "content": {one: {"schema": {"type": "string"}} for one in media}}


_ERROR = {"application/json": {"schema": {"type": "object", "required": ["success", "error"], "properties": {
    "success": {"const": False}, "error": {"type": "object"}}}}}
_PLAIN = ("text/plain", "text/html")
"""Programs' addresses answer in plain text, those of pages with a page."""
_RESPONSES = {
    "BadRequest": _words("请求有误，回答说明允许什么", "wrong; the answer says what is allowed", *_PLAIN),
    "NotFound": _words("从未发布", "never published", *_PLAIN),
    "Gone": _words("已撤回，附公开理由", "withdrawn, with the public reason", *_PLAIN),
    "Unreadable": _words("请求无法读取", "the request itself cannot be read", "text/plain", "application/json"),
    "Unknown": {"description": "没有所指的对象 / what is named is not there", "content": _ERROR},
    "Conflict": {"description": "请求有误，error 说明允许什么 / wrong; `error` says what is allowed",
                 "content": _ERROR},
}
_ACTION_ERRORS = {"400": "Unreadable", "404": "Unknown", "409": "Conflict"}
_DOCUMENTED = re.compile(r":param (\w+):\s*(.*?)(?=\s*:param |\s*:returns|\Z)", re.DOTALL)


def _operation(name: str, words: str, answer: Answer, tag: str, errors: Mapping[str, str],
               path: str = "") -> dict[str, Any]:
    told, _, _ = words.partition(":param")
    summary, _, more = told.strip().partition("\n")
    parameters = [_parameter(key, " ".join(said.split()), "query", answer) for key, said in _DOCUMENTED.findall(words)]
    known = {parameter["name"] for parameter in parameters}
    parameters += [_parameter(key, said, "query", answer) for key, said in answer.query.items() if key not in known]
    places = re.findall(r"{(\w+)}", answer.path or path)
    parameters += [_parameter(key, "", "path", answer) for key in places]
    content: dict[str, Any] = {"schema": answer.schema}
    if answer.example is not None:
        content["example"] = answer.example
    return {"operationId": name, "tags": [tag], "summary": summary.rstrip("."), "description": " ".join(more.split()),
            "parameters": parameters,
            "responses": {"200": {"description": answer.title or summary, "content": {
                answer.media_type: content, **{media: {"schema": {}} for media in answer.others}}},
                          **{status: {"$ref": f"#/components/responses/{ref}"} for status, ref in errors.items()}}}


def _parameter(name: str, said: str, place: str, answer: Answer) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if name == "domain":
        schema["enum"] = list(domains())
    elif name == "money":
        schema["enum"] = ["number", "text"]
    elif name in ("limit", "seq"):
        schema = {"type": "integer", "minimum": 1}
    elif name == "format":
        schema["enum"] = list(DELIMITERS)
    elif name == "form":
        schema["enum"] = list(REVISION_FORMS if "@" in answer.path else FORMS)
    parameter = {"name": name, "in": place, "schema": schema, "required": place == "path" or name in answer.needed}
    if said:
        parameter["description"] = said
    if name in answer.asked:
        parameter["example"] = answer.asked[name]
    return parameter


def _name(path: str) -> str:
    return re.sub(r"\W+", "_", path).strip("_")


def _covers(known: str, path: str) -> bool:
    """Whether a described address is this route under other names for its places."""
    return re.sub(r"{\w+}", "{}", known) == re.sub(r"{\w+}", "{}", path)
