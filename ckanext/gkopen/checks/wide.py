"""What a wide table says beside its rows: a column that its others add up to, percentages, the totals of halves."""

from __future__ import annotations

import re
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.checks.groups import half_up
from ckanext.gkopen.checks.ruleset import plain
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.labels import narrow, split_label
from ckanext.gkopen.normalise.amounts import YUAN, Units, amounts
from ckanext.gkopen.normalise.cells import as_mask, empty
from ckanext.gkopen.normalise.derived import Made
from ckanext.gkopen.normalise.rows import Rows
from ckanext.gkopen.normalise.shapes import Layout, RateColumn, Turned
from ckanext.gkopen.normalise.turning import Long, parts_of


def check_wide(domain: Domain, rows: Rows, made: Made, findings: Findings) -> None:
    """Compares what the table prints with what its rows say; a contradiction is told, never repaired."""
    if rows.long is None:
        return
    wholes = {index: _whole(domain, rows, rows.long, index, turned, made, findings)
              for index, turned in rows.long.layout.turned.items() if turned.whole}
    _balance(domain, rows, rows.long, wholes, made, findings)
    for rate in rows.long.layout.rates:
        _rate(rows, rows.long, rate, made, findings)


def _rate(rows: Rows, long: Long, rate: RateColumn, made: Made, findings: Findings) -> None:
    """完成预算% and 比上年% line by line. Where the label does not say of which figures it is, one pair that fits is
    enough."""
    label = rows.columns.labels[rate.index]
    printed = rows.texts[rate.index].to_pylist()
    figures = {place: _figures(rows, long, made, place) for place in {*rate.of, *rate.to}}
    first = {int(row): place for place, row in reversed(list(enumerate(long.take)))}
    for source, cell in enumerate(printed):
        flat = narrow(cell).removesuffix("%").strip()
        if not re.fullmatch(r"[-+]?\d+(?:\.\d+)?", flat) or source not in first:
            continue
        pairs = [(over, under) for top in rate.of for bottom in rate.to
                 for over, under in [(figures[top].get(source), figures[bottom].get(source))]
                 if over is not None and under]
        said, digits = Decimal(flat), len(flat.partition(".")[2])
        exact = [(over - under if rate.change else over) * 100 / under for over, under in pairs]
        fits = {half_up(share, digits) for share in exact}
        if "%" not in narrow(cell):  # 0.978 is what Excel keeps of 97.8%
            fits |= {half_up(share / 100, digits) for share in exact}
        if pairs and said not in fits:
            over, under = pairs[0]
            findings.rows("rate-differs", np.array([first[source]]), label=label, params={
                "title": {"zh": label, "en": label}, "printed": flat, "computed": plain(half_up(exact[0], digits)),
                "numerator": plain(over - under if rate.change else over), "denominator": plain(under)})


def _figures(rows: Rows, long: Long, made: Made, index: int) -> dict[int, Decimal]:
    """Source row → yuan in a column, of which rows were made or not."""
    if index in long.layout.turned:
        mine = np.flatnonzero(long.column == index)
        found = made.values[long.layout.value].take(pa.array(mine)).to_pylist()
        return {int(long.take[row]): figure for row, figure in zip(mine, found, strict=True) if figure is not None}
    found = amounts(rows.texts[index], _units(rows, long.layout, rows.columns.labels[index])).yuan.to_pylist()
    return {row: figure for row, figure in enumerate(found) if figure is not None}


def _balance(domain: Domain, rows: Rows, long: Long, wholes: dict[int, dict[int, Decimal]], made: Made,
             findings: Findings) -> None:
    """收入总计 on the left against 支出总计 on the right, where one of them stands in a column of totals: what the
    domain's own rule, which goes by rows, cannot compare."""
    rule = next((rule for rule in domain.rules if rule.kind == "balance"), None)
    if rule is None or len(wholes) != 1 or "is_total" not in made.values:
        return
    (index, said), = wholes.items()
    half = long.layout.turned[index].half
    others = [place for place, turned in long.layout.rows.items()
              if turned.half is not None and turned.half is not half and not turned.half.again]
    if half is None or half.again or len(others) != 1:
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
    said = amounts(text, _units(rows, layout, label), _unit_column(domain, made, layout, mine[first]))
    blank = empty(text)
    no_amount: list[int] = []
    for place, (whole, total) in enumerate(zip(said.yuan.to_pylist(), added, strict=True)):
        row = int(mine[first[place]])
        if unread[place] or blank[place]:
            continue
        if whole is None:
            no_amount.append(row)
        elif whole != total:
            findings.rows("whole-differs", np.array([row]), label=label, params={
                "printed": plain(whole), "sum": plain(total), "difference": plain((total or Decimal(0)) - whole),
                "parts": [rows.columns.labels[part] for part in parts]})
    if no_amount:
        findings.rows("whole-unread", np.array(no_amount), label=label,
                      values=rows.texts[index].take(pa.array(long.take)))
    return {int(row): whole for row, whole in zip(source, said.yuan.to_pylist(), strict=True) if whole is not None}


def _units(rows: Rows, layout: Layout, label: str) -> Units:
    """Of a column of money what its label and the table say; a column of counts is read as it is printed."""
    table = rows.units.get(layout.value)
    return YUAN if table is None else Units(split_label(label).unit, table.fallback)


def _unit_column(domain: Domain, made: Made, layout: Layout, which: np.ndarray) -> pa.Array | None:
    beside = domain.field(layout.value).unit_from
    if domain.field(layout.value).type != "money":
        return None
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
