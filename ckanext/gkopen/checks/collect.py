"""Collects findings while a file is examined, and knows which rows are bad. Whole in number, bounded in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.records import Finding, Severity

LIMIT = 10_000
"""Findings kept one by one for each code; a further `findings-more` states the exact number of all."""
_LONGEST_VALUE = 300
_NAMED_LINES = 10


class Findings:
    """`lines`: line of each row. `bad[row]` becomes true with the first error of a row.

    `uncut[row]`: the row could not be cut into cells, so nothing is said about what stands in which.
    `secret[row]`: the row holds personal data, so no finding about it shows a value.
    """

    def __init__(self, lines: np.ndarray, sheet: str | None = None):
        self.lines = lines
        self.sheet = sheet
        self.bad = np.zeros(len(lines), bool)
        self.secret = np.zeros(len(lines), bool)
        self.uncut = np.zeros(len(lines), bool)
        self._cells: dict[str, np.ndarray] = {}
        self._kept: list[Finding] = []
        self._count: Counter[str] = Counter()
        self._worst: dict[str, Severity] = {}

    def add(self, code: str, **details: Any) -> None:
        """One finding about the file, a column or a line that is no row of the table."""
        details.setdefault("severity", severity_of(code))
        details.setdefault("sheet", self.sheet)
        self.extend([Finding(code, **details)])

    def extend(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._note(finding.code, finding.severity, 1)
            if self._count[finding.code] <= LIMIT:
                self._kept.append(finding)

    def rows(self, code: str, where: np.ndarray, *, field: str | None = None, label: str | None = None,
             values: pa.Array | None = None, severity: Severity | None = None,
             params: Mapping[str, Any] | None = None) -> None:
        """The same finding for many rows. `where`: row mask or indexes; `values`: the text of each row, shown."""
        rows = np.flatnonzero(where) if where.dtype == bool else where
        if field is not None and not code.startswith("personal-"):
            rows = rows[~self.uncut[rows]]
        if not len(rows):
            return
        severity = severity or severity_of(code)
        if severity == "error":
            self.bad[rows] = True
        if field is not None and severity != "info":
            self._cells.setdefault(field, np.zeros(len(self.lines), bool))[rows] = True
        room = max(0, LIMIT - self._count[code])
        self._note(code, severity, len(rows))
        shown = rows[:room]
        texts = values.take(pa.array(shown)).to_pylist() if values is not None else [None] * len(shown)
        for row, text in zip(shown, texts, strict=True):
            value = None if text is None else str(text)[:_LONGEST_VALUE]
            self._kept.append(Finding(code, severity, line=int(self.lines[row]), field=field, label=label,
                                      value=value, params=params or {}, sheet=self.sheet))

    def of_column(self, code: str, where: np.ndarray, *, field: str, label: str | None,
                  params: Mapping[str, Any]) -> None:
        """One finding for many rows of a column, naming the first lines: what an officer mends at one go."""
        rows = np.flatnonzero(where & ~self.uncut)
        if not len(rows):
            return
        if severity_of(code) != "info":
            self._cells.setdefault(field, np.zeros(len(self.lines), bool))[rows] = True
        first = np.unique(self.lines[rows[:_NAMED_LINES * 4]])[:_NAMED_LINES].tolist()
        more = {"zh": " 等", "en": " and more"} if len(rows) > len(first) else {"zh": "", "en": ""}
        self.add(code, field=field, label=label, params={**params, "lines": first, "more": more})

    def bad_cells(self, field: str) -> np.ndarray:
        """Rows for which something was said about this field already: one cell needs no second finding."""
        return self._cells.get(field, np.zeros(len(self.lines), bool))

    def _note(self, code: str, severity: Severity, count: int) -> None:
        self._count[code] += count
        if self._worst.get(code) != "error":
            self._worst[code] = severity

    def list(self) -> list[Finding]:
        """All findings: those about the file first, then by line."""
        secret = set(self.lines[self.secret].tolist())
        kept = [replace(f, value=None) if f.line in secret and f.value is not None else f for f in self._kept]
        found = sorted(kept, key=lambda f: (f.line is not None, f.line or 0, f.code, f.field or ""))
        for code, count in sorted(self._count.items()):
            if count > LIMIT:
                found.append(Finding("findings-more", self._worst[code], sheet=self.sheet,
                                     params={"code": code, "count": count, "shown": LIMIT}))
        return found
