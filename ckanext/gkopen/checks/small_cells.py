"""Figures of so few people that a neighbour knows whom they mean: withheld, with what they could be counted back from.

Cells under 5 for body × topic are suppressed, with their complements (docs/domains.md). Nought stays: it is nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.domains import Domain, SmallCells
from ckanext.gkopen.normalise.cells import as_mask, lengths
from ckanext.gkopen.normalise.derived import Made

COMPLEMENT = "*"
"""What stands in the place of a figure from which, with the total, a small one could be counted back."""


def withhold(domain: Domain, made: Made, findings: Findings, good: np.ndarray, labels: dict[str, str]) -> None:
    """Empties the small figures among the good rows after everything was compared; each is told, without its value."""
    rule = domain.small_cells
    if rule is None:
        return
    rows = np.flatnonzero(good & _crossed(rule, made))
    if not len(rows):
        return
    values = made.values[rule.value].take(pa.array(rows)).to_pylist()
    counts: dict[int, Decimal] = {int(row): value for row, value in zip(rows, values, strict=True) if value is not None}
    small = {row for row, value in counts.items() if 0 < value < rule.below and value == value.to_integral_value()}
    if not small:
        return
    hidden = _with_complements(small, counts, _lines(rule, made, findings, counts), as_mask(made.values[rule.total]))
    for code, which in (("cell-small", small), ("cell-complement", hidden - small)):
        findings.rows(code, np.array(sorted(which), int), field=rule.value, label=labels.get(rule.value),
                      params={"below": str(rule.below)})
    away = np.zeros(made.rows, bool)
    away[sorted(hidden)] = True
    for name in (rule.value, *rule.also):
        made.values[name] = pc.if_else(pa.array(away), pa.scalar(None, made.values[name].type), made.values[name])
    said = np.full(made.rows, COMPLEMENT, object)
    said[sorted(small)] = f"<{rule.below}"
    made.values[rule.printed] = pc.if_else(pa.array(away), pa.array(said, pa.string()), made.values[rule.printed])


def _crossed(rule: SmallCells, made: Made) -> np.ndarray:
    """Rows that are of one body and one topic, and count people's requests."""
    found = np.ones(made.rows, bool)
    for name in rule.across:
        found &= lengths(made.values[name]) > 0
    for name, codes in rule.when.items():
        found &= as_mask(pc.is_in(made.values[name], value_set=pa.array(codes, pa.string())))
    for name, texts in rule.unless.items():
        found &= ~as_mask(pc.is_in(made.values[name], value_set=pa.array(texts, pa.string())))
    return found


def _lines(rule: SmallCells, made: Made, findings: Findings, rows: Iterable[int]) -> list[list[int]]:
    """Rows of a file that are added up: all topics of a body, all bodies of a topic."""
    order = [*rows]
    columns = {name: made.values[name].take(pa.array(order)).to_pylist() for name in (*rule.within, *rule.across)}
    lines: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, row in enumerate(order):
        around = (int(findings.file[row]), *(columns[name][place] for name in rule.within))
        for name in rule.across:
            lines[name, columns[name][place], *around].append(row)
    return list(lines.values())


def _with_complements(small: set[int], counts: dict[int, Decimal], lines: list[list[int]], totals: np.ndarray
                      ) -> set[int]:
    """A line in which one figure alone is missing gives it away to who knows the total: its next smallest goes too."""
    hidden = set(small)
    found = True
    while found:
        found = False
        for line in lines:
            shown = [row for row in line if row not in hidden]
            if len(line) - len(shown) == 1 and shown:
                hidden.add(min(shown, key=lambda row: (bool(totals[row]), counts[row] == 0, counts[row], row)))
                found = True
    return hidden
