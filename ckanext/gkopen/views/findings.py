"""Findings as pages and files show them: grouped by rule, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

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


def safe(value: Any) -> str:
    """A cell that a spreadsheet does not take for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
