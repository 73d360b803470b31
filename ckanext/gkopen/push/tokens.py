"""Tokens of business systems: each may push one domain of one body, and nothing else.

The token itself is shown once and never kept; its SHA-256 is enough, since it is random and long. Whoever made a token
has seen it and could push by hand, and so does not approve what comes in by it (`creator`). It is worth what its maker
is: who may no longer submit for the body has no token that may.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from ckanext.gkopen import model
from ckanext.gkopen.review import audit, roles

PREFIX = "gkp_"
SUBMITTER = "push:"
"""Before a token's name: no account has a colon in its name."""
NAME = r"[a-z][a-z0-9-]{1,59}"
MOST_DAYS, USUAL_DAYS = 730, 365


class BadToken(Exception):
    """`kind`: unknown, expired, revoked, or unsupported: whoever made it may no longer submit for the body."""

    def __init__(self, kind: str):
        super().__init__(kind)
        self.kind = kind


def make(name: str, domain: str, body: Mapping[str, Any], days: int, by: str) -> tuple[str, dict[str, Any]]:
    """The token, to be shown once, and its row. Raises ValueError for a name that is taken or days out of range."""
    if not re.fullmatch(NAME, name):
        raise ValueError("name")
    if not 1 <= days <= MOST_DAYS:
        raise ValueError("days")
    token = PREFIX + secrets.token_urlsafe(32)
    row = model.one(
        "insert into gkopen.push_token (id, name, hash, domain, body_id, created_by, expires_at) values (:id, :name,"
        " :hash, :domain, :body, :by, now() + make_interval(days => :days)) on conflict (name) do nothing returning *",
        id=str(uuid4()), name=name, hash=_hash(token), domain=domain, body=body["id"], by=by, days=days)
    if row is None:
        raise ValueError("taken")
    audit.record(by, "push_token.created", name, domain=domain, body=body["name"], days=days)
    return token, row


def in_header(text: str) -> bool:
    """Whether a header Authorization holds a push token; whether it is good, `find` says."""
    return text.rpartition(" ")[2].startswith(PREFIX)


def find(token: str) -> dict[str, Any]:
    """The row of a token that is good now. Raises BadToken."""
    row = model.one("select *, expires_at <= now() as expired from gkopen.push_token where hash = :hash",
                    hash=_hash(token)) if token.startswith(PREFIX) else None
    if row is None:
        raise BadToken("unknown")
    if row["revoked_at"] is not None:
        raise BadToken("revoked")
    if row["expired"]:
        raise BadToken("expired")
    if not supported(row):
        raise BadToken("unsupported")
    return row


def supported(row: Mapping[str, Any]) -> bool:
    """Whether the maker of a token has an account and may submit for its body."""
    return roles.may_submit(row["created_by"], row["body_id"])


def used(token_id: Any) -> None:
    """Remember that a token was used, to the minute: a row that every request writes would be waited for."""
    model.execute("update gkopen.push_token set last_used_at = now() where id = :id and (last_used_at is null or"
                  " last_used_at < now() - interval '1 minute')", id=token_id)


def revoke(name: str, by: str) -> None:
    """From now on the token is refused. Revoking it again changes nothing."""
    gone = model.value("update gkopen.push_token set revoked_at = now(), revoked_by = :by where name = :name and"
                       " revoked_at is null returning name", name=name, by=by)
    if gone:
        audit.record(by, "push_token.revoked", name)


def creator(submitted_by: str) -> str | None:
    """Who made the token by which something was submitted; None where it came in another way."""
    if not submitted_by.startswith(SUBMITTER):
        return None
    return model.value("select created_by from gkopen.push_token where name = :name",
                       name=submitted_by.removeprefix(SUBMITTER))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
