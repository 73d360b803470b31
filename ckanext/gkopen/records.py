"""The nouns of the pipeline: what a check says, and what examining one file gives.

Problems in data are :class:`Finding` values; problems in the system are exceptions. Neither writes the database.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

Severity = Literal["error", "warning", "info"]
"""error: the row (or the file) is quarantined; warning: the reviewer must look; info: what was done."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem in data, at one place.

    `code` is stable and listed in `checks/catalogue.yaml`, which holds title, message and fix in Chinese and English
    with `{placeholders}` filled from `params`, `label`, `value`, `line`. `line` is 1-based in the file as the officer
    sees it (the header is counted). `value` is never set for a finding of the privacy gate.
    """

    code: str
    severity: Severity
    line: int | None = None
    field: str | None = None
    label: str | None = None
    value: str | None = None
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    sheet: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"code": self.code, "severity": self.severity, "line": self.line, "field": self.field,
                "label": self.label, "value": self.value, "params": dict(self.params), "sheet": self.sheet}


class Unreadable(Exception):
    """The whole file cannot be taken in (encoding, password, broken workbook, no header, missing required column)."""

    def __init__(self, *findings: Finding):
        super().__init__(", ".join(f.code for f in findings))
        self.findings = list(findings)


@dataclass(frozen=True, slots=True)
class Options:
    """What a source or an officer says about a file beyond the file itself.

    `mapping`: source label → field name. `units`: source label or field name → unit ("万元"), where the file states it
    nowhere. `constants`: field name → value for columns that the source leaves out.
    `aside`: source labels that the source itself reads, such as the one that says whose a row is: known, if no field's.
    `expected_header`: labels of the last accepted file (the schema contract), or None for a first one.
    """

    mapping: Mapping[str, str] = dataclasses.field(default_factory=dict)
    units: Mapping[str, str] = dataclasses.field(default_factory=dict)
    constants: Mapping[str, str] = dataclasses.field(default_factory=dict)
    aside: tuple[str, ...] = ()
    expected_header: tuple[str, ...] | None = None
    sheet: str | None = None


@dataclass(slots=True)
class Examined:
    """One file after reading, typing and checking. rows_in == rows_ok + rows_quarantined + rows_duplicate, always.

    `table`: good rows, typed by `domain.arrow_schema`, unique by key, in key order.
    `quarantine`: bad rows: columns `line` int32, `row` string (JSON object source label → source text).
    `duplicates`: the same two columns, for rows that repeat another row exactly.
    `header`: source label → field name or None (kept out, with a finding), in the file's order.
    `apart`: the key of each bad row, null where it cannot be read.
    """

    table: pa.Table
    findings: list[Finding]
    quarantine: pa.Table
    duplicates: pa.Table
    rows_in: int
    header: dict[str, str | None]
    encoding: str | None = None
    notes: list[str] = dataclasses.field(default_factory=list)
    apart: pa.Table | None = None

    @property
    def rows_ok(self) -> int:
        return self.table.num_rows

    @property
    def rows_quarantined(self) -> int:
        return self.quarantine.num_rows

    @property
    def rows_duplicate(self) -> int:
        return self.duplicates.num_rows

    def counts(self) -> Counter[str]:
        """Findings by code."""
        return Counter(f.code for f in self.findings)
