"""A pushed body: what it says about itself, and whether its table can be read at all.

Only the structure is judged here, while the system waits: can it be read, is every column known, is none missing that
must be there. Rows are checked by a worker.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ckanext.gkopen.changesets import Scope
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.harvest import contract, drifting, profiles
from ckanext.gkopen.normalise.rows import read_rows
from ckanext.gkopen.records import Finding, Options, Unreadable

KINDS = {
    "application/json": "json",
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
SCOPES: tuple[Scope, ...] = ("parts", "complete", "changes")
OPTIONS = ("mapping", "units", "constants")
COLUMNS = ("same", "changed")
UNKNOWN = ("column-unknown", "column-marks-deleted")
KEYS = ("rows", "scope", "columns", *OPTIONS)
SURROGATES = ("\\ud", "\\uD")
"""How the escape of a character beyond U+FFFF begins, which takes two of them."""


class Malformed(Exception):
    """The body is not what docs/push.md says; `zh` and `en` say where."""

    def __init__(self, zh: str, en: str):
        super().__init__(en)
        self.zh, self.en = zh, en


@dataclass(frozen=True)
class Said:
    """What a push says beside its rows. `columns`: whether they are meant to be other ones than before."""

    scope: Scope = "parts"
    columns: str = "same"
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def as_options(self) -> Options:
        mapping, units, constants = (dict(self.options.get(name, {})) for name in OPTIONS)
        return Options(mapping=mapping, units=units, constants=constants)


def read_said(path: Path, kind: str, scope: str | None, columns: str | None = None) -> Said:
    """`scope`, `columns`: the address's parameters, for bodies that cannot say it themselves. Raises Malformed."""
    told: dict[str, Any] = {}
    if kind == "json":
        told = _envelope(path)
        if scope is not None and "scope" in told and told["scope"] != scope:
            raise Malformed("地址与正文中的 scope 不一致", "the address and the body say different scopes")
    said = told.get("scope", scope or "parts")
    if said not in SCOPES:
        raise Malformed(f"scope 应为 {'、'.join(SCOPES)} 之一", f"scope is one of {', '.join(SCOPES)}")
    changed = told.get("columns", columns or "same")
    if changed not in COLUMNS:
        raise Malformed(f"columns 应为 {'、'.join(COLUMNS)} 之一", f"columns is one of {', '.join(COLUMNS)}")
    return Said(said, changed, {name: _texts(name, told[name]) for name in OPTIONS if name in told})


def problems(domain: Domain, dataset_id: str, path: Path, filename: str, said: Said) -> list[Finding]:
    """Why the table cannot be taken in; empty when it can. Columns that are not those of the last accepted push stop it
    with a proposal, unless it says that they are meant so: then a person sees that."""
    options = said.as_options()
    drifts = drift(domain, dataset_id, path, filename, options)[1] if said.columns == "same" else []
    # A column that is gone or has another name is told by the contract, with what it is called now.
    told = {label for one in drifts for label in (one.label, one.to)}
    try:
        rows = read_rows(domain, path, filename, options)
    except Unreadable as error:
        return [*drifting.findings(drifts), *error.findings]
    return [*drifting.findings(drifts), *(finding for finding in rows.files[0].findings
                                          if finding.code in UNKNOWN and finding.label not in told)]


def drift(domain: Domain, dataset_id: str, path: Path, filename: str,
          options: Options) -> tuple[profiles.Profile, list[drifting.Drift]]:
    """What the columns of a push hold, and what became of those that were last accepted."""
    rows = profiles.rows_of_file(domain, path, filename, options)
    now = profiles.Profiler(domain, options.mapping).profile(rows, salt=dataset_id)
    return now, drifting.compare(contract.accepted([dataset_id], None)[dataset_id], now, options.mapping)


class _Twice(dict[str, Any]):
    """An object that names one key twice. In a row it is set aside by whoever reads the rows."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Twice(found)


def _envelope(path: Path) -> dict[str, Any]:
    try:
        # Numbers stay texts here too: nothing of this is kept, but a float of 400 digits is an error.
        text = path.read_bytes().decode("utf-8-sig")
        told = json.loads(text, parse_float=str, parse_int=str, object_pairs_hook=_object)
        if any(begins in text for begins in SURROGATES):
            json.dumps(told, ensure_ascii=False).encode()             # half of a pair is no character
    except (ValueError, RecursionError):
        raise Malformed("正文不是有效的 UTF-8 JSON", "the body is not valid JSON in UTF-8") from None
    if not isinstance(told, dict) or not isinstance(told.get("rows"), list):
        raise Malformed('正文应为 {"rows": [...]}', 'the body is an object with a list: {"rows": [...]}')
    if any(isinstance(each, _Twice) for each in (told, *map(told.get, OPTIONS))):
        raise Malformed("正文或其中的 mapping、units、constants 有一个键出现两次，只能读到其中一个；请合并后重发",
                        "a key stands twice in the body or its mapping, units or constants, and only one of the two can"
                        " be read: put them together")
    unknown = sorted(set(told) - set(KEYS))
    if unknown:
        raise Malformed(f"不认识的键 {unknown[0][:50]}；可用：{'、'.join(KEYS)}",
                        f"unknown key {unknown[0][:50]}; there are: {', '.join(KEYS)}")
    for number, row in enumerate(told["rows"], 1):
        if not isinstance(row, dict):
            raise Malformed(f"rows 的第 {number} 项不是对象", f"item {number} of rows is not an object")
    return told


def _texts(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise Malformed(f"{name} 应为文本对文本的对象", f"{name} is an object of texts")
    if any("\x00" in text for pair in value.items() for text in pair):
        raise Malformed(f"{name} 中有 NUL 字符，请去掉", f"{name} holds a NUL character: leave it out")
    return value
