"""Collects findings while files are examined, and knows which rows are bad. Whole in number, bounded in memory.

The rows of several small files may stand one below the other: what is said of a file is said of each for itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.records import Finding, Severity

LIMIT = 10_000
"""Findings kept one by one for each code; a further `findings-more` states the exact number of all."""
_LONGEST_VALUE = 300
_NAMED_LINES = 10


class Findings:
    """`lines`: line of each row. `bad[row]` becomes true with the first error of a row.

    `bounds`: first row of each file, and the number of all rows; `several`: the rows are of more than one file.
    `uncut[row]`: the row could not be cut into cells, so nothing is said about what stands in which.
    `secret[row]`: the row holds personal data, so no finding about it shows a value.
    `turned`: of a wide table the field that its columns became, and each row's column; what is said about another
    column is said once for each line.
    """

    def __init__(self, lines: np.ndarray, sheet: str | None = None, bounds: np.ndarray | None = None,
                 turned: tuple[str, pa.Array] | None = None):
        self.lines = lines
        self.sheet = sheet
        self.bounds = np.array([0, len(lines)]) if bounds is None else bounds
        self.several = len(self.bounds) > 2
        self.turned = turned
        self.bad = np.zeros(len(lines), bool)
        self.secret = np.zeros(len(lines), bool)
        self.uncut = np.zeros(len(lines), bool)
        self._cells: dict[str, np.ndarray] = {}
        self._kept: list[list[Finding]] = [[] for _ in range(len(self.bounds) - 1)]
        self._count: list[Counter[str]] = [Counter() for _ in self._kept]
        self._worst: dict[tuple[int, str], Severity] = {}

    @cached_property
    def file(self) -> np.ndarray:
        """The file (its number, from 0) of each row."""
        return np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))

    def of_files(self, where: np.ndarray) -> np.ndarray:
        """How many rows of a mask each file has."""
        if not self.several:
            return np.array([np.count_nonzero(where)])
        return np.bincount(self.file[where], minlength=len(self.bounds) - 1)

    def add(self, code: str, file: int, **details: Any) -> None:
        """One finding about a file, a column of it or a line that is no row of the table."""
        details.setdefault("severity", severity_of(code))
        details.setdefault("sheet", self.sheet)
        self.extend([Finding(code, **details)], file)

    def add_each(self, code: str, files: Iterable[int] | None = None, **details: Any) -> None:
        """The same finding about several files; about all without `files`."""
        for file in range(len(self._kept)) if files is None else files:
            self.add(code, file, **details)

    def extend(self, findings: Iterable[Finding], file: int) -> None:
        for finding in findings:
            self._note(file, finding.code, finding.severity, 1)
            if self._count[file][finding.code] <= LIMIT:
                self._kept[file].append(finding)

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
        once = self.turned is not None and field != self.turned[0] and label is not None
        for file, of_file in self._by_file(rows):
            mine = of_file[np.sort(np.unique(self.lines[of_file], return_index=True)[1])] if once else of_file
            room = max(0, LIMIT - self._count[file][code])
            self._note(file, code, severity, len(mine))
            shown = mine[:room]
            texts = values.take(pa.array(shown)).to_pylist() if values is not None else [None] * len(shown)
            own = self.turned[1].take(pa.array(shown)).to_pylist() if self.turned is not None and (
                field == self.turned[0]) else [label] * len(shown)
            for row, text, name in zip(shown, texts, own, strict=True):
                value = None if text is None else str(text)[:_LONGEST_VALUE]
                self._kept[file].append(Finding(code, severity, line=int(self.lines[row]), field=field,
                                                label=name or label, value=value, params=params or {},
                                                sheet=self.sheet))

    def _by_file(self, rows: np.ndarray) -> Iterable[tuple[int, np.ndarray]]:
        """Each file that has some of the rows, with them; in the order in which the rows come."""
        if not self.several:
            return [(0, rows)]
        files = self.file[rows]
        cuts = np.flatnonzero(np.diff(files)) + 1
        return [(int(self.file[mine[0]]), mine) for mine in np.split(rows, cuts)]

    def of_column(self, code: str, where: np.ndarray, *, field: str, label: str | None,
                  params: Mapping[str, Any]) -> None:
        """One finding a file for many rows of a column, naming the first lines: what an officer mends at one go.

        `count` of its parameters is the number of all rows of `where`.
        """
        rows = np.flatnonzero(where & ~self.uncut)
        if not len(rows):
            return
        if severity_of(code) != "info":
            self._cells.setdefault(field, np.zeros(len(self.lines), bool))[rows] = True
        number = self.of_files(where)
        for file, mine in self._by_file(rows):
            first = np.unique(self.lines[mine[:_NAMED_LINES * 4]])[:_NAMED_LINES].tolist()
            name = label
            if self.turned is not None and field == self.turned[0]:
                names = pc.unique(self.turned[1].take(pa.array(mine))).to_pylist()
                name = "、".join(names[:_NAMED_LINES]) or label
            more = {"zh": " 等", "en": " and more"} if len(mine) > len(first) else {"zh": "", "en": ""}
            self.add(code, file, field=field, label=name,
                     params={**params, "count": int(number[file]), "lines": first, "more": more})

    def bad_cells(self, field: str) -> np.ndarray:
        """Rows for which something was said about this field already: one cell needs no second finding."""
        return self._cells.get(field, np.zeros(len(self.lines), bool))

    def _note(self, file: int, code: str, severity: Severity, count: int) -> None:
        self._count[file][code] += count
        if self._worst.get((file, code)) != "error":
            self._worst[file, code] = severity

    def of(self, file: int) -> list[Finding]:
        """All findings of a file: those about it as a whole first, then by line."""
        mine = slice(self.bounds[file], self.bounds[file + 1])
        secret = set(self.lines[mine][self.secret[mine]].tolist())
        kept = [replace(f, value=None) if f.line in secret and f.value is not None else f for f in self._kept[file]]
        found = sorted(kept, key=lambda f: (f.line is not None, f.line or 0, f.code, f.field or ""))
        for code, count in sorted(self._count[file].items()):
            if count > LIMIT:
                found.append(Finding("findings-more", self._worst[file, code], sheet=self.sheet,
                                     params={"code": code, "count": count, "shown": LIMIT}))
        return found
