"""What a wide table says beside its rows: a column that its others add up to, and the totals of its two halves."""

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
from ckanext.gkopen.normalise.cells import as_mask, empty
from ckanext.gkopen.normalise.derived import Made
from ckanext.gkopen.normalise.rows import Rows
from ckanext.gkopen.normalise.shapes import Layout, Turned
from ckanext.gkopen.normalise.turning import Long, parts_of


def check_wide(domain: Domain, rows: Rows, made: Made, findings: Findings) -> None:
    """Compares what the table prints with what its rows say; a contradiction is told, never repaired."""
    if rows.long is None:
        return
    wholes = {index: _whole(domain, rows, rows.long, index, turned, made, findings)
              for index, turned in rows.long.layout.turned.items() if turned.whole}
    _balance(domain, rows, rows.long, wholes, made, findings)


def _balance(domain: Domain, rows: Rows, long: Long, wholes: dict[int, dict[int, Decimal]], made: Made,
             findings: Findings) -> None:
    """收入总计 on the left against 支出总计 on the right, where one of them stands in a column of totals: what the
    domain's own rule, which goes by rows, cannot compare."""
    rule = next((rule for rule in domain.rules if rule.kind == "balance"), None)
    if rule is None or len(wholes) != 1 or "is_total" not in made.values:
        return
    (index, said), = wholes.items()
    half = long.layout.turned[index].half
    others = [place for place, turned in long.layout.rows.items() if turned.half is not half]
    if half is None or len(others) != 1:
        return
    total = as_mask(made.values["is_total"])
    lines = {int(long.take[row]) for row in np.flatnonzero(total & (long.column != others[0]))} & set(said)
    for row in np.flatnonzero(total & (long.column == others[0])):
        figure = made.values[long.layout.value][int(row)].as_py()
        if figure is not None and len(lines) == 1 and figure != said[next(iter(lines))]:
            other = said[next(iter(lines))]
            revenue = long.layout.turned[others[0]].codes.get(rule.params["side"]) in rule.params["left"]
            left, right = (figure, other) if revenue else (other, figure)
            findings.rows("balance-differs", np.array([row]), field=long.layout.value, params={
                "rule": rule.id, "title": {"zh": rule.title.zh, "en": rule.title.en}, "left": plain(left),
                "right": plain(right), "difference": plain(left - right),
                "group": {"zh": rows.columns.labels[index], "en": rows.columns.labels[index]}})


def _whole(domain: Domain, rows: Rows, long: Long, index: int, turned: Turned, made: Made,
           findings: Findings) -> dict[int, Decimal]:
    """合计 against 基本支出 + 项目支出, line by line; a line with a part that could not be read is not judged.

    Source row → what the column of totals says.
    """
    layout = long.layout
    parts = [part for part in parts_of(layout, turned) if not _inner(domain, layout, part, turned)]
    mine = np.flatnonzero(np.isin(long.column, parts))
    if not len(mine):
        return {}
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
    return {int(row): whole for row, whole in zip(source, said.yuan.to_pylist(), strict=True) if whole is not None}


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
