"""`/api/gkopen/push/DOMAIN`: the door for business systems (docs/push.md).

A token opens it and nothing else does: no session is read and no cookie is set, so that there is nothing to forge from
a browser. What is taken in is queued; nothing is public before a person has approved it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import UUID

from ckan import model as ckan_model
from ckan.config.middleware.flask_app import csrf
from ckan.plugins import toolkit
from flask import Blueprint, Response, request, url_for
from werkzeug.exceptions import HTTPException

from ckanext.gkopen import bodies, ids, scratch
from ckanext.gkopen.domains import UnknownDomain, get_domain
from ckanext.gkopen.push import contents, limits, queue, tokens
from ckanext.gkopen.records import Finding

blueprint = Blueprint("gkopen_push", __name__, url_prefix="/api/gkopen/push")
csrf.exempt(blueprint)

KEY = r"[\x21-\x7e]{1,200}"
BLOCK = 1 << 16
IN_ADDRESS = ("scope", "columns")
STATUS_SHARE = 10
"""Asking for a state is allowed so many times as often as pushing."""
TOKENS = {
    "missing": ("请在 Authorization 请求头中给出令牌：Bearer gkp_…",
                "give the token in the header Authorization: Bearer gkp_…"),
    "unknown": ("令牌无效，请核对或重新申请", "this token is not known: check it, or ask for a new one"),
    "expired": ("令牌已过期，请申请新令牌", "this token has expired: ask for a new one"),
    "revoked": ("令牌已被撤销，请申请新令牌", "this token was revoked: ask for a new one"),
    "unsupported": ("创建该令牌的账号已停用或不再是该单位的数据专员，请由现任数据专员申请新令牌",
                    "whoever made this token has no account any more, or is no officer of the body: its officer makes a"
                    " new one"),
}


class Answer(Response):
    """For one system only: kept by no cache, and without the session's cookie, which CKAN adds after the view."""

    def get_wsgi_headers(self, environ: Any) -> Any:
        headers = super().get_wsgi_headers(environ)
        headers["Cache-Control"] = "no-store"
        headers.remove("Set-Cookie")
        return headers


class Refused(Exception):
    """A push is not taken: HTTP status, a code for programs, a sentence in both languages, findings, headers."""

    def __init__(self, status: int, code: str, zh: str, en: str, *, findings: Iterable[Finding] = (), **headers: str):
        super().__init__(en)
        self.status, self.headers = status, {name.replace("_", "-"): value for name, value in headers.items()}
        self.told: dict[str, Any] = {"error": {"code": code, "zh": zh, "en": en}}
        if found := [queue.described(finding) for finding in findings]:
            self.told["findings"] = found


def _broken() -> Refused:
    return Refused(400, "request-broken", "请求不完整，请重发", "the request is not whole: send it again")


def _answer(told: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(json.dumps(told, ensure_ascii=False), status=status, headers=dict(headers or {}),
                  mimetype="application/json")


def _speaking(view: Callable[..., Answer]) -> Callable[..., Answer]:
    """Refusals become answers; whatever was begun is rolled back."""

    @wraps(view)
    def answer(*args: Any, **kwargs: Any) -> Answer:
        try:
            return view(*args, **kwargs)
        except Refused as refused:
            ckan_model.Session.rollback()
            return _answer(refused.told, refused.status, refused.headers)
        except HTTPException as error:                    # the client went away in the middle of the body
            ckan_model.Session.rollback()
            return _answer(_broken().told, error.code or 400)

    return answer


@blueprint.post("/<domain>", endpoint="push")
@_speaking
def push(domain: str) -> Answer:
    """Take a table in: 202 with the address at which to ask what became of it."""
    token = _token()
    if domain != token["domain"]:
        raise Refused(403, "other-domain", f"该令牌只能推送 {token['domain']}",
                      f"this token may push {token['domain']} only")
    _in_time("push", token, toolkit.config["ckanext.gkopen.push.rate"])
    key = _key()
    kind = _kind()
    try:
        known = get_domain(domain)
        body = bodies.find(token["body_id"])
    except (UnknownDomain, bodies.UnknownBody):
        raise Refused(403, "body-gone", "该令牌的责任主体或领域已停用",
                      "the body or the domain of this token is no longer there") from None
    with scratch.folder() as folder:
        path, filename = folder / "body", f"{token['name']}.{kind}"
        raw_sha256 = _save(path)
        try:
            said = contents.read_said(path, kind, **_said_in_address())
        except contents.Malformed as wrong:
            raise Refused(422, "malformed", wrong.zh, wrong.en) from None
        mark = queue.fingerprint(raw_sha256, kind, said)
        try:
            row = queue.earlier(token, key, mark)
            if row is None:
                ckan_model.Session.rollback()             # nothing is locked or kept open while the table is read
                dataset_id = ids.dataset_id(known.name, body["id"])
                found = contents.problems(known, dataset_id, path, filename, said)
                ckan_model.Session.rollback()
                if found:
                    raise Refused(422, "not-acceptable", f"{body['title']}的数据无法接收，请按 findings 逐条修改",
                                  "the data cannot be taken in: see findings for what to mend", findings=found)
                row = _accept(token, key, mark, path, filename, said)
        except queue.OtherContent:
            raise Refused(409, "key-reused", "该 Idempotency-Key 已用于其他内容，请换一个",
                          "this Idempotency-Key was used with other content: choose a new one") from None
    place = url_for("gkopen_push.status", domain=domain, id=row["id"])
    return _answer({**queue.status(row), "status": place}, 202, {"Location": place})


@blueprint.get("/<domain>/<id>", endpoint="status")
@_speaking
def status(domain: str, id: str) -> Answer:
    """What became of a push: queued, checking, held, published, returned, failed …"""
    token = _token()
    _in_time("status", token, STATUS_SHARE * toolkit.config["ckanext.gkopen.push.rate"])
    try:
        row = queue.find(token, str(UUID(id))) if domain == token["domain"] else None
    except ValueError:
        row = None
    if row is None:
        raise Refused(404, "not-found", "没有这次推送，或它不属于该令牌的责任主体和领域",
                      "there is no such push of this token's body and domain")
    return _answer(queue.status(row))


def _token() -> dict[str, Any]:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    kind = "missing"
    if scheme.lower() == "bearer" and text.strip():
        try:
            token = tokens.find(text.strip())
        except tokens.BadToken as bad:
            kind = bad.kind
        else:
            tokens.used(token["id"])
            ckan_model.Session.commit()
            return token
    zh, en = TOKENS[kind]
    raise Refused(401, f"token-{kind}", zh, en, WWW_Authenticate="Bearer")


def _in_time(what: str, token: Mapping[str, Any], most: int) -> None:
    wait = limits.seconds_to_wait(what, token["id"], most)
    if not wait and what == "push" and limits.queue_is_full(token["id"]):
        wait = limits.WINDOW
    if wait:
        raise Refused(429, "too-often", f"推送过于频繁，请 {wait} 秒后再试",
                      f"too many requests: come back in {wait} s", Retry_After=str(wait))


def _key() -> str:
    key = request.headers.get("Idempotency-Key", "")
    if not re.fullmatch(KEY, key):
        raise Refused(400, "key-missing", "请在 Idempotency-Key 请求头中给出 1–200 个可打印 ASCII 字符，每批数据一个",
                      "give the header Idempotency-Key: 1 to 200 printable ASCII characters, one for each batch")
    return key


def _said_in_address() -> dict[str, str | None]:
    """A slip of the pen would else be `parts`, for which rows that were not sent are gone."""
    given = request.args.to_dict(flat=False)
    for name, values in given.items():
        if name not in IN_ADDRESS or len(values) > 1:
            raise contents.Malformed(
                f"地址参数 {name[:50]} 不认识或出现两次；可用：{'、'.join(IN_ADDRESS)}",
                f"the address's parameter {name[:50]} is not known or stands twice; there are: {', '.join(IN_ADDRESS)}")
    return {name: request.args.get(name) for name in IN_ADDRESS}


def _kind() -> str:
    packed = request.headers.get("Content-Encoding", "identity").strip().lower()
    if packed != "identity":
        raise Refused(415, "encoding", "请不要压缩正文（Content-Encoding）", "send the body without Content-Encoding",
                      Accept_Encoding="identity")
    kind = contents.KINDS.get(request.mimetype)
    if kind is None:
        known = ", ".join(contents.KINDS)
        raise Refused(415, "media-type", f"Content-Type 应为其中之一：{known}", f"Content-Type is one of: {known}",
                      Accept=known)
    return kind


def _save(path: Path) -> str:
    """The body into a file; its SHA-256. The limit holds for what is announced and for what comes.

    gunicorn ends a body where the connection ends: of a table that was cut, what came may well be read.
    """
    size_limit = toolkit.config["ckanext.gkopen.push.max_size"]
    most = size_limit * 1024 * 1024
    too_large = Refused(413, "too-large", f"正文超过 {size_limit} MB，请分批推送",
                        f"the body is larger than {size_limit} MB: push it in several batches", Connection="close")
    if (request.content_length or 0) > most:
        raise too_large
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as target:
        while block := _read():
            size += len(block)
            if size > most:
                raise too_large
            digest.update(block)
            target.write(block)
    if size < (request.content_length or 0):
        raise _broken()
    return digest.hexdigest()


def _read() -> bytes:
    try:
        return request.stream.read(BLOCK)
    except OSError:                                       # gunicorn: a body in chunks that ends within one
        raise _broken() from None


def _accept(token: Mapping[str, Any], key: str, mark: str, path: Path, filename: str,
            said: contents.Said) -> dict[str, Any]:
    row = queue.accept(token, key, mark, path.read_bytes(), request.mimetype, filename, said)
    ckan_model.Session.commit()
    return row
