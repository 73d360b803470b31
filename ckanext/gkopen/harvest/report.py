"""What a run did, as it is kept with the run and read by an officer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from ckanext.gkopen import pipeline, reports
from ckanext.gkopen.harvest.drifting import Drift
from ckanext.gkopen.records import Finding

STATES = ("done", "partly", "held", "stopped", "incomplete", "failed", "cancelled")
"""How a run ends, the worst last: good rows delivered and bad ones set apart (partly); a person has to let it through
(held); columns changed (stopped); not the whole listing came (incomplete); nothing came (failed); told to stop."""

REPEATED = "listing-repeats"
"""The finding of a listing in which rows came on two pages: as many others may have come on none."""
NUMBERS = ("rows_in", "rows_ok", "rows_quarantined", "rows_duplicate", "added", "changed", "removed")
NAMED, LONGEST_NAME = 20, 60
"""Rows and bodies that a report names, and how much of a body's name; it states the number of all of them."""


@dataclass
class Report:
    """The counts add up: rows_in = rows_ok + rows_quarantined + rows_duplicate, and every row that came was read, or is
    one of `rows_unread`: of a table that was stopped or returned whole, or of a run that broke off.

    `held`: frozen tables with the alarms of the blast-radius guard. `stopped`: tables whose columns changed.
    `tombstones`: rows that are gone from the source and stay public until they are due. `of_bodies`: NUMBERS and
    findings of each body, from which `seen_by` makes what its own people read.
    """

    state: str = "done"
    pages: int = 0
    rows_fetched: int = 0
    rows_read: int = 0
    repeated: int = 0
    rows_in: int = 0
    rows_ok: int = 0
    rows_quarantined: int = 0
    rows_duplicate: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    of_bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)
    unknown_bodies: dict[str, int] = field(default_factory=dict)
    foreign_bodies: dict[str, int] = field(default_factory=dict)
    vanished: dict[str, int] = field(default_factory=dict)
    held: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[dict[str, Any]] = field(default_factory=list)
    tombstones: list[dict[str, Any]] = field(default_factory=list)

    def at_least(self, state: str) -> None:
        """The run ends in this state, or in a worse one that it has come to already."""
        self.state = max(self.state, state, key=STATES.index)

    def add(self, outcome: pipeline.Outcome, body: str, came: int) -> None:
        """What became of one table, of which so many rows came."""
        own = self._of(body)
        unread = came if outcome.state == "returned" and not outcome.rows_in else 0
        own["rows_unread"] += unread
        self.rows_read += came - unread
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(outcome, name))
            own[name] += getattr(outcome, name)
        self.count(body, outcome.findings)
        self.outcomes.append({"body": body, "state": outcome.state, "revision": outcome.revision_id,
                              "dataset": outcome.dataset_id})
        if outcome.state == "returned" or outcome.rows_quarantined:
            self.at_least("partly")
        if outcome.state == "frozen":
            self.hold(body, outcome.dataset_id, outcome.revision_id, outcome.alarms)

    def hold(self, body: str, dataset_id: str, revision_id: str | None, alarms: Iterable[Mapping[str, Any]]) -> None:
        """A table is frozen."""
        alarms = [dict(alarm) for alarm in alarms]
        self.held.append({"body": body, "dataset": dataset_id, "revision": revision_id, "alarms": alarms})
        for alarm in alarms:
            if alarm["kind"] == "gone":
                self.vanished[body] = alarm["rows"]
            elif alarm["kind"] == "empty":
                self.vanished[body] = alarm["public"]
        self.at_least("held")

    def stop(self, body: str, dataset_id: str, rows: int, drifts: Iterable[Drift], found: Iterable[Finding],
             file: str | None = None) -> None:
        """A table is left alone: its columns are not what was accepted. `file`: the one that held it."""
        self.stopped.append({"body": body, "dataset": dataset_id, "rows": rows, "file": file,
                             "drift": [drift.as_dict() for drift in drifts]})
        self.outcomes.append({"body": body, "state": "stopped", "revision": None, "dataset": dataset_id})
        self._of(body)["rows_unread"] += rows
        self.count(body, Counter(finding.code for finding in found))
        self.at_least("stopped")

    def _of(self, body: str) -> dict[str, Any]:
        return self.of_bodies.setdefault(body, {**dict.fromkeys((*NUMBERS, "rows_unread"), 0), "findings": {}})

    def count(self, body: str, numbers: Mapping[str, int]) -> None:
        """Findings of a body: code → number."""
        for findings in (self.findings, self._of(body)["findings"]):
            for code, number in numbers.items():
                findings[code] = findings.get(code, 0) + number

    def bury(self, body: str, buried: list[dict[str, Any]]) -> None:
        """Rows that are gone from the source and still public."""
        if buried:
            self.tombstones.append({"body": body, "rows": len(buried), "due": buried[0]["due"],
                                    "last_due": buried[-1]["due"], "named": buried[:NAMED]})

    def set_aside(self, apart: Mapping[str, dict[str, int]]) -> None:
        """Finding code → body → rows: of bodies that the portal does not know, or for which the source may not speak.
        """
        self.unknown_bodies = apart.get(reports.BODY_UNKNOWN, {})
        self.foreign_bodies = apart.get(reports.BODY_FOREIGN, {})
        for code, named in apart.items():
            if rows := sum(named.values()):
                self.rows_in += rows
                self.rows_read += rows
                self.rows_quarantined += rows
                self.findings[code] = rows
                self.at_least("partly")

    def counts(self) -> dict[str, Any]:
        told = {name: value for name, value in vars(self).items() if name not in ("state", "rows_read")}
        return told | {"rows_unread": self.rows_fetched - self.rows_read}


def unknown_bodies(counts: Mapping[str, Any]) -> tuple[list[tuple[str, int]], int, int]:
    """Bodies that the portal does not know, as they are told: (name, rows) of those with the most rows, then how many
    others there are, and their rows. A wrong organization_column makes one of each row."""
    known = sorted((counts.get("unknown_bodies") or {}).items(), key=lambda body: (-body[1], body[0]))
    named = [(name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "…", rows) for name, rows in known[:NAMED]]
    return named, len(known) - len(named), sum(rows for _, rows in known[NAMED:])


def seen_by(counts: Mapping[str, Any], names: Set[str] | None) -> dict[str, Any]:
    """The counts of a run as the people of some bodies read them; None: of all bodies.

    Tables, alarms and totals are those of their own bodies. What names a body that the portal does not know, or for
    which the source may not speak, is theirs who keep the source, and they alone see a run.
    """
    whole = dict(counts)
    of_bodies = whole.pop("of_bodies", {})
    if names is None or not counts:
        return whole
    own = [numbers for body, numbers in of_bodies.items() if body in names]
    apart = sum(sum((counts.get(name) or {}).values()) for name in ("unknown_bodies", "foreign_bodies"))
    seen = whole | {name: sum(numbers[name] for numbers in own) for name in NUMBERS}
    seen["rows_in"] += apart
    seen["rows_quarantined"] += apart
    if counts.get("outcomes"):                            # else the run broke off: whose rows came was not looked at
        seen["rows_unread"] = sum(numbers.get("rows_unread", 0) for numbers in own)
    seen["rows_fetched"] = seen["rows_in"] + seen.get("rows_unread", 0)
    findings = Counter({code: number for code, number in (counts.get("findings") or {}).items()
                        if code in (reports.BODY_UNKNOWN, reports.BODY_FOREIGN)
                        or code.startswith(("drop-", "listing-", "source-emptied"))})
    for numbers in own:
        findings.update(numbers["findings"])
    seen["findings"] = dict(findings)
    for name in ("outcomes", "held", "stopped", "tombstones"):
        seen[name] = [entry for entry in counts.get(name, []) if entry["body"] in names]
    seen["vanished"] = {body: rows for body, rows in (counts.get("vanished") or {}).items() if body in names}
    return seen
