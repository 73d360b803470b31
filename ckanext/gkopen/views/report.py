"""The report of a harvest run in words: what became of each body's rows, which rules spoke, how long it took."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ckan import model
from ckan.lib.helpers import helper_functions as h

from ckanext.gkopen import bodies
from ckanext.gkopen.checks.catalogue import catalogue, render
from ckanext.gkopen.domains import Domain, domains
from ckanext.gkopen.harvest import contract
from ckanext.gkopen.harvest.report import NAMED, unknown_bodies
from ckanext.gkopen.oversight import words
from ckanext.gkopen.records import Finding, Severity
from ckanext.gkopen.views.change import key_name
from ckanext.gkopen.views.findings import RANKS


def of(run: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of a run as `gkopen_run_show` answers it.

    `outcomes`: body and its title, state, revision's id; `rules`: code, severity, title, number, the worst first;
    `held`: the first frozen tables with their alarms, and their domain if the settings still have it; `closed`: the
    source says that the data are not open any more; `revisions`: the ids of those that there are; `seconds`: of work,
    None while it goes on; `advice`: what to do, the most urgent first.
    """
    counts = run["counts"] or {}
    outcomes = [{**outcome, "title": title(outcome["body"])} for outcome in counts.get("outcomes", [])]
    return {"run": run, "outcomes": outcomes, "rules": rules(counts.get("findings", {})),
            "revisions": [outcome["revision"] for outcome in outcomes if outcome["revision"]],
            "stopped": [{**table, "title": title(table["body"]), "said": _drifts(table["drift"])}
                        for table in counts.get("stopped", [])],
            "buried": [_buried(table, domains().get(run["domain"])) for table in counts.get("tombstones", [])],
            "held": [{"title": title(table["body"]), "alarms": table["alarms"], "domain": domains().get(run["domain"])}
                     for table in counts.get("held", [])[:NAMED]],
            "closed": any(alarm["kind"] == "not_open" for table in counts.get("held", []) for alarm in table["alarms"]),
            "unknown": unknown_bodies(counts), "seconds": _seconds(run),
            "advice": words.run_advice(run)}


def _buried(table: Mapping[str, Any], domain: Domain | None) -> dict[str, Any]:
    """A table with rows that are gone, and what those that are named are called."""
    def name(key: list[str]) -> str:
        return key_name(domain, dict(zip(domain.key, key, strict=False))) if domain else " · ".join(filter(None, key))

    return {**table, "title": title(table["body"]),
            "named": [{"name": name(row["key"]), "due": row["due"]} for row in table["named"]]}


def rules(numbers: Mapping[str, int]) -> list[dict[str, Any]]:
    """Findings by rule: code, severity, title, number; the worst first."""
    known = catalogue()
    severities: dict[str, Severity] = {code: known[code]["severity"] if code in known else "info" for code in numbers}
    found = [{"code": code, "number": number, "severity": severities[code],
              "title": render(Finding(code, severities[code]), str(h.lang()))["title"]}
             for code, number in numbers.items()]
    return sorted(found, key=lambda rule: (RANKS.get(rule["severity"], 3), -rule["number"], rule["code"]))


def _drifts(drifts: list[dict[str, Any]]) -> list[str]:
    """What stopped a table, a sentence each, with what is proposed."""
    lang = str(h.lang())
    return [render(finding, lang)["message"] for finding in contract.findings(contract.Drift(**one) for one in drifts)]


def title(name: str) -> str:
    group = model.Group.get(name)
    if group is None:
        return name
    english = bodies.as_dict(group).get("title_en") if str(h.lang()).startswith("en") else None
    return english or group.title or name


def _seconds(run: Mapping[str, Any]) -> float | None:
    """The stages tell fractions; a run that ended before its first stage only has its two times."""
    if run["stages"]:
        return sum(run["stages"].values())
    if not run["started_at"] or not run["finished_at"]:
        return None
    return (datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["started_at"])).total_seconds()
