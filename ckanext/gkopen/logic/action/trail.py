"""The money trail of a process or a project, from what is public at this moment. For anyone to read."""

from __future__ import annotations

from typing import Any

from ckan.plugins import toolkit

from ckanext.gkopen import model
from ckanext.gkopen import trail as trails
from ckanext.gkopen.checks.catalogue import render
from ckanext.gkopen.domains import Domain, Text, get_domain
from ckanext.gkopen.history import keys
from ckanext.gkopen.logic import language
from ckanext.gkopen.publish.standards import known, links
from ckanext.gkopen.publish.standards.live import numbers_below, rows_where
from ckanext.gkopen.publish.standards.oc4ids import identifier
from ckanext.gkopen.publish.standards.ocds import ocid as ocid_of
from ckanext.gkopen.publish.standards.prefix import prefix

NAMES = ("project_code", "project_no", "ocid")


@toolkit.side_effect_free
def gkopen_trail_show(context: Any, data_dict: Any) -> dict[str, Any]:
    """The chain budget line → plan → notice → award → contract → acceptance → project → final account.

    `stages` has the published steps of each, with day, amounts (yuan, exact, as texts), party, number and the dataset
    and row that they come from; `breaks` says where the chain stops; `findings` which amounts contradict each other.

    Name one of:

    :param project_code: code of a construction project
    :param project_no: number of a procurement
    :param ocid: identifier of a contracting process
    """
    toolkit.check_access("gkopen_public", context, {})
    given = [name for name in NAMES if data_dict.get(name)]
    if len(given) != 1:
        raise toolkit.ValidationError({"project_no": [
            "请给出 project_code、project_no、ocid 中的一个 / give one of: project_code, project_no, ocid"]})
    value = str(data_dict[given[0]]).strip()
    if given[0] == "project_code":
        return _of_project(value)
    start = prefix("ocds")
    if given[0] == "ocid":
        if start is None or not value.startswith(f"{start}-"):
            raise toolkit.ObjectNotFound(toolkit._("Nothing is published under this number."))
        value = value[len(start) + 1:]
    return _of_process(value)


def withdrawn(of: str, value: str) -> str | None:
    """The public reason (or an empty text) where the process or project was published once; None where it never was."""
    start = prefix("ocds" if of == "process" else "oc4ids")
    name = ocid_of(start or "", value) if of == "process" else identifier(start or "", value)
    entry = known.entry("ocds" if of == "process" else "oc4ids", name)
    return (known.reason(entry) or "") if entry else None


def _of_process(number: str) -> dict[str, Any]:
    own = rows_where(get_domain("procurement"), "project_no", [number])
    if not own:
        raise toolkit.ObjectNotFound(toolkit._("Nothing is published under this number."))
    notices = _with_joined(own)
    events = _events_of(number)
    code = links.project_code(number, events, _ocid(number) or number)
    projects = rows_where(get_domain("project"), "project_code", [code] if code else [])
    happened = rows_where(get_domain("project_event"), "project_code", [code] if code else [])
    names = {row["project_name"] for row in own} | {row["title"] for row in projects}
    return _answer({"project_no": number, "ocid": _ocid(number), "title": own[0]["project_name"],
                    "project_code": code if projects or happened else None, "processes": [number]},
                   notices, projects, happened, _lines(names))


def _of_project(code: str) -> dict[str, Any]:
    projects = rows_where(get_domain("project"), "project_code", [code])
    start, domain = prefix("ocds"), get_domain("procurement")
    events = rows_where(get_domain("project_event"), "project_code", [code])
    if not (projects or events):                          # else one letter would be asked for all numbers below it
        raise toolkit.ObjectNotFound(toolkit._("Nothing is published under this number."))
    named = [event["ocid"].removeprefix(f"{start}-") for event in events if event["ocid"]]
    own = rows_where(domain, "project_no", sorted({*named, *numbers_below(domain, code)}))
    title = next((row["title"] for row in projects), None) or events[0]["project_name"]
    names = {row["project_name"] for row in own} | {row["title"] for row in projects}
    return _answer({"project_no": None, "ocid": None, "title": title, "project_code": code,
                    "processes": sorted({row["project_no"] or "" for row in own})},
                   _with_joined(own), projects, events, _lines(names))


def _with_joined(own: list[Any]) -> list[Any]:
    """With notices that carry no project number, but a plan or contract number of this process."""
    domain, found = get_domain("procurement"), {row["record_id"]: row for row in own}
    for name in ("plan_no", "contract_no"):
        numbers = sorted({row[name] for row in own if row[name]})
        for row in rows_where(domain, name, numbers):
            if row["project_no"] is None:
                found.setdefault(row["record_id"], row)
    return list(found.values())


def _events_of(number: str) -> dict[str, str]:
    """The full ocid → the code of the project whose event names this process, by its ocid or its bare number."""
    name = _ocid(number) or number
    rows = rows_where(get_domain("project_event"), "ocid", [name, number])
    return {name: rows[-1]["project_code"] or ""} if rows else {}


def _lines(names: set[Any]) -> list[Any]:
    return trails.budget_lines(rows_where(get_domain("budget"), "project", sorted(filter(None, names))), names)


def _ocid(number: str) -> str | None:
    start = prefix("ocds")
    return ocid_of(start, number) if start else None


def _answer(of: dict[str, Any], notices: list[Any], projects: list[Any], events: list[Any],
            lines: list[Any]) -> dict[str, Any]:
    trail = trails.build(notices, projects, events, lines)
    ids = {row["dataset_id"] for row in (*notices, *projects, *events, *lines)}
    names = {row["id"]: row["name"] for row in model.every(
        "select id::text as id, name from gkopen.dataset where id = any(cast(:ids as uuid[]))", ids=sorted(ids))}
    reader = language.reader()
    return of | {
        "stages": [{"stage": stage, "title": _both(title),
                    "steps": [_step(step, names) for step in trail.stages[stage]]}
                   for stage, title in trails.STAGES.items()],
        "breaks": [{"stage": one.stage, "process": one.process, "since": one.since, "text": _both(one.text)}
                   for one in trail.breaks],
        "findings": [{"code": one.code, "severity": one.severity, "params": dict(one.params), **render(one, reader)}
                     for one in trail.findings]}


def _step(step: trails.Step, names: dict[str, str]) -> dict[str, Any]:
    row, domain = step.row, get_domain(step.domain)
    return {"on": step.on, "title": step.title, "party": step.party, "number": step.number, "process": step.process,
            "words": step.words,
            "amounts": [{"kind": amount.kind, "title": _both(trails.KINDS[amount.kind]),
                         "amount": format(amount.value, "f")} for amount in step.amounts],
            "publisher": row["publisher"], "dataset": names.get(row["dataset_id"]), "source_url": row["source_url"],
            "row": f"/row/{domain.name}/{_key(domain, row)}"}


def _key(domain: Domain, row: Any) -> str:
    return keys.to_path(tuple(row[name] for name in domain.key))


def _both(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}
