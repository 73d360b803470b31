"""What a run did, as it is kept with the run and read by an officer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ckanext.gkopen import pipeline, reports
from ckanext.gkopen.harvest.contract import Drift
from ckanext.gkopen.records import Finding

STATES = ("done", "partly", "held", "stopped", "incomplete", "failed", "cancelled")
"""How a run ends, the worst last: good rows delivered and bad ones set apart (partly); a person has to let it through
(held); columns changed (stopped); not the whole listing came (incomplete); nothing came (failed); told to stop."""

NAMED = 20
"""Rows that a report names; it states the number of all of them."""


@dataclass
class Report:
    """The counts add up: rows_in = rows_ok + rows_quarantined + rows_duplicate; rows of a stopped table come on top.

    `held`: frozen tables with the alarms of the blast-radius guard. `stopped`: tables whose columns changed.
    `tombstones`: rows that are gone from the source and stay public until they are due.
    """

    state: str = "done"
    pages: int = 0
    rows_fetched: int = 0
    rows_in: int = 0
    rows_ok: int = 0
    rows_quarantined: int = 0
    rows_duplicate: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    outcomes: list[dict[str, Any]] = field(default_factory=list)
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

    def add(self, outcome: pipeline.Outcome, body: str) -> None:
        for name in ("rows_in", "rows_ok", "rows_quarantined", "rows_duplicate", "added", "changed", "removed"):
            setattr(self, name, getattr(self, name) + getattr(outcome, name))
        for code, number in outcome.findings.items():
            self.findings[code] = self.findings.get(code, 0) + number
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

    def stop(self, body: str, dataset_id: str, rows: int, drifts: Iterable[Drift], found: Iterable[Finding]) -> None:
        """A table is left alone: its columns are not what was accepted."""
        self.stopped.append({"body": body, "dataset": dataset_id, "rows": rows,
                             "drift": [drift.as_dict() for drift in drifts]})
        self.outcomes.append({"body": body, "state": "stopped", "revision": None, "dataset": dataset_id})
        for code, number in Counter(finding.code for finding in found).items():
            self.findings[code] = self.findings.get(code, 0) + number
        self.at_least("stopped")

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
                self.rows_quarantined += rows
                self.findings[code] = rows
                self.at_least("partly")

    def counts(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "state"}
