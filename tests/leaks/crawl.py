"""Every registered action and every route, found by introspection, with every name and id that a caller could know."""

from __future__ import annotations

import html
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice, product
from typing import Any
from urllib.parse import unquote

from ckan import model as ckan_model
from ckan.lib.navl.dictization_functions import DataError
from ckan.lib.search import SearchError, SearchQueryError
from ckan.logic import _actions, get_action
from ckan.plugins import toolkit

from ckanext.gkopen import ids
from tests.leaks.world import KINDS, LATIN, WITHDRAWN_BODY, World, canary
from tests.people import call

REFUSALS = (toolkit.NotAuthorized, toolkit.ObjectNotFound, toolkit.ValidationError, SearchError, SearchQueryError,
            DataError)
"""What CKAN's API answers with a status below 500."""
MOST_ADDRESSES = 8
"""Addresses tried of one route: its parameters are filled in every combination up to this number."""
ALL, SOME, FIRST = slice(None), slice(2, None, 3), slice(1)
"""Which of them: SOME begins with what nobody published, and takes in what waits."""


@dataclass
class Seen:
    """What a crawl met. `leaks`: place → what was seen there; `broken`: place → the error; `kinds`: canaries seen."""

    leaks: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    tried: int = 0
    answered: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)

    def look(self, place: str, text: str, asked: str, secrets: Mapping[str, str]) -> None:
        """`asked`: what the caller sent, which an answer may repeat."""
        self.tried += 1
        forms = readings(text)
        leaks = [what for secret, what in secrets.items()
                 if secret not in asked and any(secret in form for form in forms)]
        if leaks:
            self.leaks[place] = leaks[-1]
            self.kinds.update(kind for kind in KINDS if any(canary(kind) in form for form in forms))


def readings(text: str) -> tuple[str, ...]:
    """A text as it is, and with the escapes of HTML, addresses and JSON undone."""
    plain = html.unescape(unquote(text))
    return (text, plain, plain.encode("ascii", "backslashreplace").decode("unicode_escape")
            if "\\u" in plain else plain)


def text_of(data: bytes) -> str:
    """The words of an answer's body: packed forms (XLSX, ZIP) are opened."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return "\n".join([*archive.namelist(), *(text_of(archive.read(name)) for name in archive.namelist())])
    return data.decode("utf-8", "replace")


def identifiers(world: World) -> list[str]:
    """Names and ids that somebody could have learnt, guessed, or kept from before a withdrawal."""
    body = ckan_model.Group.get(world.cast.body)
    assert body is not None
    return [world.public_name, world.unpublished_name, world.withdrawn_name, ids.resource_id(world.withdrawn),
            ids.table_id("procurement"), world.revisions["held"], world.revisions["returned"],
            world.revisions["recalled"], world.revisions["gone"], world.revisions["other"],
            world.revisions["meta"], world.run, world.source, body.id, world.cast.officer]


def of_ours(world: World) -> list[str]:
    """What only gkopen's own actions could know: pushes, approvals, keys and numbers of rows."""
    return [*world.doors.pushes, world.doors.standing, f"{LATIN}-token", world.revisions["frozen"],
            world.revisions["pushed"], "NTCG-2024-004", f"{LATIN}-400", *world.doors.keys]


def asked_of_ours(value: str) -> Iterator[dict[str, Any]]:
    """The requests that only gkopen's actions understand."""
    yield {"id": value}
    yield {"domain": "procurement", "key": value, "project_no": value}
    yield {"domain": "procurement", "key": [value], "q": value, "filters": {"project_no": value}}
    yield {"id": value, "revision": value, "name": value, "part": "2024-07"}
    yield {"run": value}
    yield {"project_no": value}
    yield {"ocid": value}
    yield {"project_code": value}


def requests(value: str) -> Iterator[dict[str, Any]]:
    """The requests that ask any action for `value`: plain ones, and one that fills all it might call its arguments."""
    yield {"id": value}
    yield {"resource_id": value}
    yield {"id": value, "revision": value, "part": "2024-05", "include_datasets": True, "include_users": True}
    named = ("id", "name", "name_or_id", "resource_id", "package_id", "dataset_id", "revision", "source", "dataset",
             "user_id", "username", "object", "email")
    yield dict.fromkeys(named, value) | {
        "part": "2024-05", "domain": "procurement", "organization": WITHDRAWN_BODY, "object_type": "package",
        "reason": "x", "digest": "0" * 64, "seq": 1, "include_datasets": True, "include_users": True, "limit": 100,
        "all_fields": True, "table_names": True, "hash": "x", "password": "x", "capacity": "admin"}


def action_names() -> set[str]:
    get_action("package_show")
    return set(_actions)


def reads(name: str) -> bool:
    return bool(getattr(_actions[name], "side_effect_free", False))


def actions(world: World, user: str, names: Iterable[str]) -> Seen:
    """Each action, bare and with each identifier, as `user` ("" is nobody)."""
    seen, known = Seen(), identifiers(world)
    for name in sorted(names):
        more = chain.from_iterable(map(asked_of_ours, of_ours(world))) if name.startswith("gkopen_") else ()
        for data in ({}, {"all_fields": True}, *chain.from_iterable(map(requests, known)), *more):
            place = f"{name} {data}"
            try:
                answer = call(name, user, **data)
                seen.answered.add(name)
            except REFUSALS as error:
                ckan_model.Session.rollback()
                answer = [str(error), getattr(error, "error_dict", None)]
            except Exception as error:
                ckan_model.Session.rollback()
                seen.broken[name] = f"{type(error).__name__}: {str(error)[:200]}"
                answer = str(error)
            told = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, default=str)
            seen.look(place, told, json.dumps(data, ensure_ascii=False), world.secrets)
    return seen


def addresses(world: World, rules: Any, which: slice = ALL) -> Iterator[tuple[str, str, frozenset[str]]]:
    """(endpoint, address, methods) of every route, its parameters filled with what fits their names."""
    known = {
        "name": ["procurement", world.public_name, world.source], "domain": ["procurement"],
        "file": ["procurement.csv", "procurement.xlsx", "procurement.zip", f"{world.public_name}.jsonl",
                 f"{world.withdrawn_name}.csv", f"{world.unpublished_name}.csv"],
        "logic_function": ["package_search", "gkopen_revision_list"], "ver": ["3"], "lang": ["zh_CN"],
        "_format": ["ttl", "jsonld", "xml"], "what": ["harvest"], "view": ["/"], "package_type": ["dataset"],
        "seq": [1, 2], "form": ["csv", "jsonl"], "dataset": [world.public_name, world.withdrawn_name],
        "tag_name": ["政府采购"], "group_type": ["organization"], "part": ["2024-05"], "filename": ["a.csv"],
        "resource_id": [ids.resource_id(world.public), ids.resource_id(world.withdrawn),
                        ids.table_id("procurement")],
        "key": [key + end for key in world.doors.keys for end in ("", ".json")],
        "of": ["process", "project"], "number": ["NTCG-2024-004", f"{LATIN}-400.json", f"{LATIN}-400"],
    }
    of_runs = ("gkopen_quarantine.run", "gkopen_quarantine.run_workbook", "gkopen_run.hold", "gkopen_office.run")
    of_revisions = ("gkopen_quarantine.revision", "gkopen_quarantine.revision_csv", "gkopen_review.read",
                    "gkopen_quarantine.revision_workbook")
    revisions = [world.revisions[name] for name in ("held", "frozen", "pushed", "other", "gone")]
    by_rule: dict[str, dict[str, list[Any]]] = {
        "gkopen_push.status": {"id": world.doors.pushes}, **{endpoint: {"id": [world.run]} for endpoint in of_runs},
        **{endpoint: {"id": revisions} for endpoint in of_revisions}}
    for rule in rules:
        if rule.endpoint in {"static", "webassets.index"} or rule.endpoint.endswith(".static"):
            continue
        fitting = known | by_rule.get(rule.endpoint, {})
        choices = [fitting.get(argument, [
            world.public_name, world.withdrawn_name, world.unpublished_name, world.cast.body,
            world.run, world.revisions["held"], ids.resource_id(world.withdrawn), world.cast.officer])
            for argument in sorted(rule.arguments)]
        tried = list(islice(product(*choices), MOST_ADDRESSES))
        for values in tried[which] or tried:
            built = rule.build(dict(zip(sorted(rule.arguments), values, strict=True)), append_unknown=False)
            if built is not None:
                yield rule.endpoint, built[1], frozenset(rule.methods or ())


def routes(world: World, app: Any, *, headers: Mapping[str, str] | None = None, which: slice = ALL) -> Seen:
    """Every method of every route without following redirects."""
    seen = Seen()
    done: set[str] = set()
    for endpoint, path, methods in addresses(world, app.flask_app.url_map.iter_rules(), which):
        for method in sorted(methods & {"GET", "POST", "DELETE", "PUT", "PATCH"}):
            if f"{method} {path}" not in done:
                done.add(f"{method} {path}")
                ask(seen, world, app, path, method, endpoint, headers=headers)
    return seen


def ask(seen: Seen, world: World, app: Any, path: str, method: str = "GET", endpoint: str = "", *,
        headers: Mapping[str, str] | None = None, **more: Any) -> str:
    """One request; the text of the answer with its headers."""
    place = f"{method} {path}"
    try:
        answer = app.client.open(path, method=method, follow_redirects=False, headers=dict(headers or {}), **more)
    except Exception as error:
        ckan_model.Session.rollback()
        seen.broken[f"{endpoint} {place}"] = f"{type(error).__name__}: {str(error)[:200]}"
        return ""
    told = f"{answer.headers}\n{text_of(answer.get_data())}"
    if answer.status_code >= 500:
        seen.broken[f"{endpoint} {place}"] = str(answer.status_code)
    if answer.status_code < 300:
        seen.answered.add(endpoint)
    seen.look(place, told, unquote(path) + json.dumps(more, ensure_ascii=False, default=str), world.secrets)
    return told
