"""The report of a harvest run in words: what became of each body's rows, which rules spoke, how long it took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ckan import model as ckan_model
from ckan.lib.helpers import helper_functions as h
from sqlalchemy import or_

from ckanext.gkopen import bodies, model
from ckanext.gkopen.checks.catalogue import catalogue, render
from ckanext.gkopen.domains import Domain, domains
from ckanext.gkopen.harvest import drifting
from ckanext.gkopen.harvest.report import NAMED, unknown_bodies
from ckanext.gkopen.oversight import words
from ckanext.gkopen.records import Finding, Severity
from ckanext.gkopen.views.change import key_name
from ckanext.gkopen.views.findings import RANKS

OUTCOMES = 100
"""Tables of a run that its page lists."""


def of(run: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of a run as `gkopen_run_show` answers it.

    A listing may hold the tables of thousands of bodies: of each kind the first are shown, and `unlisted` says how many
    more there are. `outcomes`: body's title, state, revision's id, its state `now`, what has changed first; `rules`:
    code, severity, title, number, of dropped ones `files`, the worst first; `stopped`: tables that stopped for the same
    reasons (`said`); `held`: frozen tables with their alarms, their dataset's `name`, and their domain if the settings
    still have it;
    `closed`: the source says that the data are not open any more; `revisions`: whether there are some; `seconds`: of
    work, None while it goes on; `advice`: what to do, the most urgent first.
    """
    counts = run["counts"] or {}
    domain = domains().get(run["domain"])
    outcomes = sorted(counts.get("outcomes", []), key=lambda outcome: outcome["state"] == "unchanged")
    stopped: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for table in counts.get("stopped", []):
        stopped.setdefault(tuple(drifting.sentences(table["drift"], str(h.lang()))), []).append(table)
    buried = counts.get("tombstones", [])
    held = sorted(counts.get("held", []), key=lambda table: not table["revision"])
    shown = {"outcomes": outcomes[:OUTCOMES], "buried": buried[:NAMED], "held": held[:NAMED]}
    titles = titles_of(table["body"] for tables in (*shown.values(), *(same[:NAMED] for same in stopped.values()))
                       for table in tables)

    def titled(tables: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{**table, "title": titles.get(table["body"], table["body"])} for table in tables]

    files: dict[str, list[dict[str, Any]]] = dict(run["files"])
    for table in counts.get("stopped", []):               # its findings name none: the file was not taken
        for code in {drifting.CODES[drift["kind"]] for drift in table["drift"]} if table.get("file") else ():
            files[code] = [*files.get(code, []), {"file": table["file"], "number": sum(
                drifting.CODES[drift["kind"]] == code for drift in table["drift"])}]
    names = _names([table["dataset"] for table in shown["held"]])
    now = _states([outcome["revision"] for outcome in shown["outcomes"] if outcome["revision"]])
    return {"run": run, "outcomes": [{**outcome, "now": now.get(outcome["revision"])}
                                     for outcome in titled(shown["outcomes"])],
            "rules": [{**rule, "files": files.get(rule["code"], [])}
                      for rule in rules(counts.get("findings", {}), run["severities"])],
            "revisions": any(outcome["revision"] for outcome in outcomes),
            "stopped": [{"said": said, "tables": titled(same[:NAMED]), "unlisted": len(same[NAMED:])}
                        for said, same in stopped.items()],
            "buried": [_buried(table, domain) for table in titled(shown["buried"])],
            "held": [{**table, "domain": domain, "name": names.get(table["dataset"])}
                     for table in titled(shown["held"])],
            "unlisted": {"outcomes": len(outcomes[OUTCOMES:]), "buried": len(buried[NAMED:]),
                         "held": len(held[NAMED:])},
            "closed": any(alarm["kind"] == "not_open" for table in held for alarm in table["alarms"]),
            "unknown": unknown_bodies(counts), "seconds": _seconds(run),
            "advice": words.run_advice(run)}


def _states(revisions: list[str]) -> dict[str, str]:
    """Revision → what became of it since the run."""
    return {row["id"]: row["state"] for row in model.every(
        "select id::text as id, state from gkopen.revision where id = any(cast(:ids as uuid[]))", ids=revisions)}


def _names(datasets: list[str]) -> dict[str, str]:
    """Id of a dataset → its name."""
    return {row["id"]: row["name"] for row in model.every(
        "select id::text as id, name from gkopen.dataset where id = any(cast(:ids as uuid[]))", ids=datasets)}


def _buried(table: Mapping[str, Any], domain: Domain | None) -> dict[str, Any]:
    """A table with rows that are gone, and what those that are named are called."""
    def name(key: list[str]) -> str:
        return key_name(domain, dict(zip(domain.key, key, strict=False))) if domain else " · ".join(filter(None, key))

    return {**table, "named": [{"name": name(row["key"]), "due": row["due"]} for row in table["named"]]}


def rules(numbers: Mapping[str, int], said: Mapping[str, Severity]) -> list[dict[str, Any]]:
    """Findings by rule: code, severity, title, number; the worst first. `said`: the severity that the findings of a
    rule have here, which a domain may set; without them (of older runs they are not kept) it is the rule's own."""
    known = catalogue()
    severities: dict[str, Severity] = {
        code: said.get(code) or (known[code]["severity"] if code in known else "info") for code in numbers}
    found = [{"code": code, "number": number, "severity": severities[code],
              "title": render(Finding(code, severities[code]), str(h.lang()))["title"]}
             for code, number in numbers.items()]
    return sorted(found, key=lambda rule: (RANKS.get(rule["severity"], 3), -rule["number"], rule["code"]))


def titles_of(bodies_named: Iterable[str]) -> dict[str, str]:
    """Name or id of bodies → title in the reader's language, of those that there are."""
    names, english, found = list(set(bodies_named)), str(h.lang()).startswith("en"), {}
    for group in ckan_model.Session.query(ckan_model.Group).filter(
            or_(ckan_model.Group.id.in_(names), ckan_model.Group.name.in_(names))):
        title = (english and bodies.as_dict(group).get("title_en")) or group.title or group.name
        found |= {group.id: title, group.name: title}
    return found


def _seconds(run: Mapping[str, Any]) -> float | None:
    """The stages tell fractions; a run that ended before its first stage only has its two times."""
    if run["stages"]:
        return sum(run["stages"].values())
    if not run["started_at"] or not run["finished_at"]:
        return None
    return (datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["started_at"])).total_seconds()
