"""Findings as pages and files show them: grouped by rule, the worst first; all of them as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ckan.plugins import toolkit

from ckanext.gkopen.views.session import act

SHOWN = 50
"""Findings of a rule that a page lists; a file has all of them."""
RANKS = {"error": 0, "warning": 1, "info": 2}
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(slots=True)
class Group:
    """Findings of one rule. `code` is stable; `title` and `fix` are in the reader's language; `number`: how many there
    are, where `findings` are only the first (`each` of gkopen_finding_list)."""

    code: str
    severity: str
    title: str
    fix: str
    findings: list[Mapping[str, Any]] = field(default_factory=list)
    number: int = 0


def grouped(findings: Iterable[Mapping[str, Any]]) -> list[Group]:
    """The findings by rule; errors before warnings, then the more frequent first."""
    groups: dict[tuple[str, str], Group] = {}
    for finding in findings:
        key = (finding["code"], finding["severity"])
        group = groups.setdefault(key, Group(*key, finding.get("title") or finding["code"], finding.get("fix") or ""))
        group.findings.append(finding)
        group.number = finding.get("number") or len(group.findings)
    return sorted(groups.values(), key=lambda group: (RANKS.get(group.severity, 3), -group.number))


def every(action: str, asked: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """All that a list action answers to what is asked, page after page, in its order."""
    cursor = None
    while True:
        answer = act(action, {**asked, "limit": 1000, **({"cursor": cursor} if cursor else {})})
        yield from answer["results"]
        cursor = answer["cursor"]
        if not cursor:
            return


def as_csv(findings: Iterable[Mapping[str, Any]]) -> str:
    """A table for spreadsheets: body and file (of a run's), severity, line, column, value, rule, message, how to mend
    it."""
    kept = list(findings)
    return _csv({"body": toolkit._("Responsible body"), **_file(kept), "severity": toolkit._("Severity"),
                 "line": toolkit._("Line"), "label": toolkit._("Column"), "value": toolkit._("Value"),
                 "title": toolkit._("Rule"), "message": toolkit._("Message"), "fix": toolkit._("How to mend it"),
                 "code": "code"}, kept)


def rows_as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows that were set apart, as their source printed them, with their line and the codes of their findings."""
    kept = list(rows)
    labels = dict.fromkeys(label for entry in kept for label in entry["row"])
    kinds = {"bad": toolkit._("not usable"), "duplicate": toolkit._("repeated exactly")}
    # A label of the source may be one of our own names: ours are set apart by their place, not by their name.
    columns = {"body": toolkit._("Responsible body"), **_file(kept), "line": toolkit._("Line"),
               "kind": toolkit._("State"), "codes": toolkit._("Rule")} | {f"row/{label}": label for label in labels}
    return _csv(columns, ({"body": entry["body"], "file": entry.get("file"), "line": entry["line"],
                           "kind": kinds[entry["kind"]], "codes": " ".join(entry["codes"])} | {
        f"row/{label}": value for label, value in entry["row"].items()} for entry in kept))


def _file(entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The column of file names, where there are some."""
    return {"file": toolkit._("File")} if any(entry.get("file") for entry in entries) else {}


def _csv(columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> str:
    """`columns`: key of a row → heading."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([safe(heading) for heading in columns.values()])
    writer.writerows([safe(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def safe(value: Any) -> str:
    """A cell that a spreadsheet does not take for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
