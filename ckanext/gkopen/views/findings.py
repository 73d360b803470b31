"""Findings as pages and files show them: grouped by rule, the worst first; all of them as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ckan.plugins import toolkit

from ckanext.gkopen.views.session import act

RANKS = {"error": 0, "warning": 1, "info": 2}
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(slots=True)
class Group:
    """Findings of one rule. `code` is stable; `title` and `fix` are in the reader's language."""

    code: str
    severity: str
    title: str
    fix: str
    findings: list[Mapping[str, Any]] = field(default_factory=list)


def grouped(findings: Iterable[Mapping[str, Any]]) -> list[Group]:
    """The findings by rule; errors before warnings, then the more frequent first."""
    groups: dict[tuple[str, str], Group] = {}
    for finding in findings:
        key = (finding["code"], finding["severity"])
        group = groups.setdefault(key, Group(*key, finding.get("title") or finding["code"], finding.get("fix") or ""))
        group.findings.append(finding)
    return sorted(groups.values(), key=lambda group: (RANKS.get(group.severity, 3), -len(group.findings)))


def of_revisions(ids: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """All findings of revisions, in their order."""
    for identifier in ids:
        cursor = None
        while True:
            answer = act("gkopen_finding_list", {"revision": identifier, "limit": 1000,
                                                 **({"cursor": cursor} if cursor else {})})
            yield from answer["results"]
            cursor = answer.get("cursor")
            if not cursor:
                break


def as_csv(findings: Iterable[Mapping[str, Any]]) -> str:
    """A table for spreadsheets: severity, line, column, value, rule, message, how to mend it, code."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([toolkit._("Severity"), toolkit._("Line"), toolkit._("Column"), toolkit._("Value"),
                     toolkit._("Rule"), toolkit._("Message"), toolkit._("How to mend it"), "code"])
    for finding in findings:
        writer.writerow([safe(finding.get(name)) for name in
                         ("severity", "line", "label", "value", "title", "message", "fix", "code")])
    return text.getvalue()


def safe(value: Any) -> str:
    """A cell that a spreadsheet does not take for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
