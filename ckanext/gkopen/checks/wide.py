"""What a wide table says beside its rows: a column that its other columns add up to."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.checks.ruleset import plain
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.labels import split_label
from ckanext.gkopen.normalise.amounts import Units, amounts
from ckanext.gkopen.normalise.cells import empty
from ckanext.gkopen.normalise.derived import Made
from ckanext.gkopen.normalise.rows import Rows
from ckanext.gkopen.normalise.shapes import Layout, Turned
from ckanext.gkopen.normalise.turning import Long, parts_of


def check_wide(domain: Domain, rows: Rows, made: Made, findings: Findings) -> None:
    """Compares what the table prints with what its rows say; a contradiction is told, never repaired."""
    if rows.long is None:
        return
    for index, turned in rows.long.layout.turned.items():
        if turned.whole:
            _whole(domain, rows, rows.long, index, turned, made, findings)


def _whole(domain: Domain, rows: Rows, long: Long, index: int, turned: Turned, made: Made, findings: Findings) -> None:
    """合计 against 基本支出 + 项目支出, line by line; a line with a part that could not be read is not judged."""
    layout = long.layout
    parts = [part for part in parts_of(layout, turned) if not _inner(domain, layout, part, turned)]
    mine = np.flatnonzero(np.isin(long.column, parts))
    if not len(mine):
        return
    label = rows.columns.labels[index]
    source, first, group = np.unique(long.take[mine], return_index=True, return_inverse=True)
    figures = made.values[layout.value].take(pa.array(mine))
    unread = np.bincount(group[np.asarray(pc.is_null(figures))], minlength=len(source)) > 0
    table = pa.table([pa.array(group), figures], names=["group", "figure"])
    added = table.group_by("group").aggregate([("figure", "sum")]).sort_by("group")["figure_sum"].to_pylist()
    text = rows.texts[index].take(pa.array(source))
    said = amounts(text, Units(split_label(label).unit, rows.units[layout.value].fallback),
                   _unit_column(domain, made, layout, mine[first]))
    blank = empty(text)
    for place, (whole, total) in enumerate(zip(said.yuan.to_pylist(), added, strict=True)):
        row = np.array([mine[first[place]]])
        if unread[place] or blank[place]:
            continue
        if whole is None:
            findings.rows("whole-unread", row, label=label, params={"printed": text[place].as_py()})
        elif whole != total:
            findings.rows("whole-differs", row, label=label, params={
                "printed": plain(whole), "sum": plain(total), "difference": plain((total or Decimal(0)) - whole),
                "parts": [rows.columns.labels[part] for part in parts]})


def _unit_column(domain: Domain, made: Made, layout: Layout, which: np.ndarray) -> pa.Array | None:
    beside = domain.field(layout.value).unit_from
    return made.text[beside].take(pa.array(which)) if beside in made.text else None


def _inner(domain: Domain, layout: Layout, part: int, whole: Turned) -> bool:
    """Is a column a part of another part: 人员经费 of 基本支出?"""
    own = layout.turned[part].codes
    for name, code in own.items():
        codes = domain.field(name).codes
        found = codes.get(code) if codes and name not in whole.codes else None
        over = found.extra.get("part_of") if found else None
        if over and any({**own, name: over} == dict(other.codes) for other in layout.rows.values()):
            return True
    return False
