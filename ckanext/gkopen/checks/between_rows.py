"""Rules between the rows of a group: sums, shares, rates, parents, balance, gaps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen import dates
from ckanext.gkopen.checks.fields import is_one_of
from ckanext.gkopen.checks.groups import Group, digits_printed, groups, half_up
from ckanext.gkopen.checks.ruleset import Context, plain
from ckanext.gkopen.domains import Rule
from ckanext.gkopen.normalise.cells import as_mask

_ZERO = Decimal(0)


def _tolerance(params: Mapping[str, Any]) -> Decimal:
    return Decimal(str(params.get("tolerance", 0)))


def sums(rule: Rule, context: Context) -> None:
    """Parts of a group against its total. Signs: rows named by `subtract` enter with a minus.

    Lines named 其中…, and kinds that are `nested` in another, are parts of a part: the sum may hold without them.
    Rates of parts do not add up to that of the whole. A total that says nothing of the fields `unless_silent` is
    that of parts which may differ in them (合计 of 满意 and 不满意, each a measure of its own).
    """
    value, total = rule.params["value"], rule.params["total"]
    if not context.has(value, total):
        return
    unit = context.domain.field(value).unit_from
    rates = is_one_of(context.made.strings(unit), ["%"]) if unit else np.zeros(context.made.rows, bool)
    subtract = rule.params.get("subtract")
    minus = (is_one_of(context.made.strings(subtract["field"]), subtract["values"]) if subtract
             else np.zeros(context.made.rows, bool))
    marked = as_mask(context.values(total)) & context.good
    inner = _inner(rule, context)
    wide = list(rule.params.get("unless_silent", ()))
    silent = marked & np.logical_and.reduce([as_mask(pc.is_null(context.made.strings(name))) for name in wide]) if (
        wide) else np.zeros(context.made.rows, bool)
    among = context.where(rule.params) & ~rates
    by = rule.params["group"]
    found = [*groups(context, by, [value, total], among & ~silent, marked & ~silent)]
    if silent.any():
        found += groups(context, [name for name in by if name not in wide], [value, total],
                        among & (silent | ~marked), silent)
    for group in found:
        figures = list(zip(group.rows, group.columns[value], group.columns[total], strict=True))
        totals = {figure for _, figure, mark in figures if mark and figure is not None}
        signed = [(row, -figure if minus[row] else figure) for row, figure, mark in figures
                  if mark is False and figure is not None]
        where = np.array([next(row for row, figure, mark in figures if mark)])
        if len(totals) > 1 and signed:
            context.say(rule, "total-twice", where, value, group=group.name)
        elif totals and signed:
            whole, parts = totals.pop(), [figure for row, figure in signed if not inner[row]]
            if len(parts) < len(signed) and parts and abs(sum(parts, _ZERO) - whole) <= _tolerance(rule.params):
                continue
            parts = [figure for _, figure in signed]
            added = sum(parts, _ZERO)
            if abs(added - whole) > _tolerance(rule.params):
                context.say(rule, "sum-differs", where, value, printed=plain(whole), sum=plain(added),
                            difference=plain(added - whole), count=len(parts), group=group.name)


def _inner(rule: Rule, context: Context) -> np.ndarray:
    """Rows that are parts of a part."""
    rows = np.zeros(context.made.rows, bool)
    if "name" in rule.params:
        rows |= as_mask(pc.match_substring_regex(context.made.strings(rule.params["name"]), r"^\s*其中"))
    nested = rule.params.get("nested")
    return rows | is_one_of(context.made.strings(nested["field"]), nested["values"]) if nested else rows


def shares(rule: Rule, context: Context) -> None:
    """Printed shares against the group's total, rounded half up to the printed digits.

    Where no share fits the printed total but they fit the sum of the parts, that is said once for the group.
    """
    share, value, total = (rule.params[name] for name in ("share", "value", "total"))
    if not context.has(share, value):
        return
    stated = as_mask(pc.is_valid(context.values(share))) & context.good
    printed = context.made.printed(share)
    for group in groups(context, rule.params["group"], [share, value, total], context.where(rule.params), stated):
        figures = list(zip(group.rows, *(group.columns[name] for name in (share, value, total)), strict=True))
        parts = [figure for _, _, figure, mark in figures if mark is False and figure is not None]
        whole = next((figure for _, _, figure, mark in figures if mark and figure), None)
        rows = [(row, said, figure) for row, said, figure, mark in figures
                if said is not None and figure is not None and mark is False]
        added = sum(parts, _ZERO)
        if not rows or not (whole or added):
            continue
        digits = {row: digits_printed(printed[int(row)].as_py()) for row, _, _ in rows}
        wrong = _unlike_shares(rows, whole or added, digits)
        if whole and added and whole != added and len(wrong) * 2 > len(rows):
            by_sum = _unlike_shares(rows, added, digits)
            if len(by_sum) * 2 <= len(rows):
                context.say(rule, "share-of-sum", np.array([rows[0][0]]), share, sum=plain(added), total=plain(whole))
                wrong, whole = by_sum, added
        for row, said, computed in wrong:
            context.say(rule, "share-differs", np.array([row]), share, printed=plain(said), computed=plain(computed),
                        total=plain(whole or added))


def _unlike_shares(rows: list[tuple[int, Decimal, Decimal]], base: Decimal,
                   digits: Mapping[int, int]) -> list[tuple[int, Decimal, Decimal]]:
    computed = [(row, said, half_up(figure * 100 / base, digits[row])) for row, said, figure in rows]
    return [(row, said, right) for row, said, right in computed if said != right]


def _by_kind(group: Group, kind: str, value: str) -> dict[str, tuple[int, Decimal]]:
    """Kind → row and figure; kinds that stand several times with different figures are left out."""
    found: dict[str, tuple[int, Decimal]] = {}
    unclear: set[str] = set()
    for row, name, figure in zip(group.rows, group.columns[kind], group.columns[value], strict=True):
        if name is None or figure is None:
            continue
        if name in found and found[name][1] != figure:
            unclear.add(name)
        found.setdefault(name, (int(row), figure))
    return {name: entry for name, entry in found.items() if name not in unclear}


def parts_of_group(rule: Rule, context: Context) -> None:
    """A tree of kinds: each whole that is stated equals the sum of its stated parts (三公经费).

    A whole that prints 0 beside parts that are not does not count as stated zero: both are said.
    """
    value, kind = rule.params["value"], rule.params["kind"]
    if not context.has(value, kind):
        return
    known = as_mask(pc.is_valid(context.values(kind))) & context.good
    for group in groups(context, rule.params["group"], [kind, value], known, known):
        stated = _by_kind(group, kind, value)
        for whole, parts in rule.params["tree"].items():
            present = [part for part in parts if part in stated]
            if whole not in stated or not present:
                continue
            row, figure = stated[whole]
            added = sum((stated[part][1] for part in present), _ZERO)
            incomplete = len(present) < len(parts) and added < figure
            if abs(added - figure) > _tolerance(rule.params) and not (incomplete and len(present) == 1):
                context.say(rule, "parts-sum-differs", np.array([row]), value, printed=plain(figure), sum=plain(added),
                            difference=plain(added - figure), group=group.name)


def rates_of_group(rule: Rule, context: Context) -> None:
    """Rates that stand in rows of their own, from the rows of numerator and denominator in the same group."""
    value, kind = rule.params["value"], rule.params["kind"]
    rates: Mapping[str, list[str]] = rule.params["rates"]
    if not context.has(value, kind):
        return
    known = as_mask(pc.is_valid(context.values(kind))) & context.good
    wanted = is_one_of(context.made.strings(kind), list(rates)) & known
    printed = context.made.printed(value)
    for group in groups(context, rule.params["group"], [kind, value], known, wanted):
        stated = _by_kind(group, kind, value)
        for rate, (top, bottom) in rates.items():
            if rate not in stated or top not in stated or bottom not in stated or not stated[bottom][1]:
                continue
            row, said = stated[rate]
            exact = stated[top][1] * 100 / stated[bottom][1]
            computed = half_up(exact, digits_printed(printed[row].as_py()))
            if computed != said:
                context.say(rule, "rate-differs", np.array([row]), value, printed=plain(said), computed=plain(computed),
                            numerator=plain(stated[top][1]), denominator=plain(stated[bottom][1]))


def code_parents(rule: Rule, context: Context) -> None:
    """A 项 has its 款, a 款 its 类, and the children of a code add up to it where all are there."""
    code, value = rule.params["code"], rule.params.get("value")
    levels = sorted(rule.params.get("levels", [3, 5, 7]))
    if not context.has(code):
        return
    known = as_mask(pc.is_valid(context.values(code))) & context.good
    deep = known & as_mask(pc.greater(pc.utf8_length(context.made.strings(code)), levels[0]))
    names = [code, value] if value else [code]
    for group in groups(context, rule.params["group"], names, known, deep):
        codes = group.columns[code]
        figures = group.columns[value] if value else [None] * len(codes)
        held = {name: (int(row), figure) for row, name, figure in zip(group.rows, codes, figures, strict=True)}
        if len({len(name) for name in held}) < 2 or len(held) < len(codes):
            continue  # a table of one level only, or with a code twice, states no hierarchy
        children: dict[str, list[Decimal | None]] = {}
        for name, (row, figure) in held.items():
            shorter = [level for level in levels if level < len(name)]
            if not shorter:
                continue
            parent = name[: shorter[-1]]
            children.setdefault(parent, []).append(figure)
            if parent not in held:
                context.say(rule, "parent-missing", np.array([row]), code, values=context.made.strings(code),
                            parent=parent, group=group.name)
        for parent, parts in children.items():
            row, whole = held.get(parent, (0, None))
            stated = [part for part in parts if part is not None]
            if value and whole is not None and len(stated) == len(parts) and sum(stated, _ZERO) != whole:
                added = sum(stated, _ZERO)
                context.say(rule, "children-differ", np.array([row]), value, values=context.made.strings(code),
                            printed=plain(whole), sum=plain(added), difference=plain(added - whole), group=group.name)


def balance(rule: Rule, context: Context) -> None:
    """The sums of two sides are equal: revenue = expenditure + carried over. With `total`, total lines are compared."""
    value, side = rule.params["value"], rule.params["side"]
    total = rule.params.get("total")
    if not context.has(value, side):
        return
    where = context.good & as_mask(pc.is_valid(context.values(side)))
    if total:
        where &= as_mask(context.values(total))
    for group in groups(context, rule.params["group"], [value, side], where):
        sides = {name: [(int(row), figure) for row, figure, on in
                        zip(group.rows, group.columns[value], group.columns[side], strict=True)
                        if on in rule.params[name] and figure is not None] for name in ("left", "right")}
        if not sides["left"] or not sides["right"]:
            continue
        left, right = (sum((figure for _, figure in sides[name]), _ZERO) for name in ("left", "right"))
        if abs(left - right) > _tolerance(rule.params):
            context.say(rule, "balance-differs", np.array([sides["left"][0][0]]), value, left=plain(left),
                        right=plain(right), difference=plain(left - right), group=group.name)


def changes(rule: Rule, context: Context) -> None:
    """The figure of one phase against that of another, in percent of the latter."""
    value, phase, limit = rule.params["value"], rule.params["phase"], Decimal(str(rule.params["limit"]))
    if not context.has(value, phase):
        return
    compared = is_one_of(context.made.strings(phase), [rule.params["compared"]]) & context.good
    for group in groups(context, rule.params["group"], [phase, value], context.good, compared):
        stated = _by_kind(group, phase, value)
        if rule.params["base"] not in stated or rule.params["compared"] not in stated:
            continue
        (_, base), (row, now) = stated[rule.params["base"]], stated[rule.params["compared"]]
        if base and abs(now - base) * 100 > limit * abs(base):
            percent = half_up((now - base) * 100 / abs(base), 1)
            context.say(rule, "change-large", np.array([row]), value, base=plain(base), compared=plain(now),
                        percent=plain(percent))


def period_gaps(rule: Rule, context: Context) -> None:
    """Periods of one kind (months, quarters, years, weeks) that are missing between the first and the last."""
    period = rule.params["period"]
    if not context.has(period):
        return
    known = as_mask(pc.is_valid(context.values(period))) & context.good
    if len(context.values(period).filter(pa.array(known)).unique()) < 2:
        return
    said: set[tuple[int | str, ...]] = set()
    for group in groups(context, rule.params["group"], [period], known, optional=True):
        by_kind: dict[str, dict[Any, int]] = {}
        for row, text in zip(group.rows, group.columns[period], strict=True):
            found = dates.parse_period(str(text))
            if found is not None and found.kind in ("month", "quarter", "year", "week"):
                by_kind.setdefault(found.kind, {}).setdefault(found.start, int(row))
        for kind, starts in by_kind.items():
            missing = tuple(_between(kind, min(starts), max(starts), starts))
            if missing and (group.file, kind, *missing) not in said:
                said.add((group.file, kind, *missing))  # the same gap in every category of a file is one gap
                context.say(rule, "period-gap", np.array([starts[max(starts)]]), period, missing=list(missing[:24]),
                            group=group.name)


def _between(kind: str, first: Any, last: Any, present: Mapping[Any, int]) -> list[str]:
    missing = []
    while first < last:
        if first not in present:
            step = dates.Period(first, dates.last_day(first, kind), kind)
            missing.append(dates.code_of(step))
        first = dates.last_day(first, kind) + timedelta(days=1)
    return missing
