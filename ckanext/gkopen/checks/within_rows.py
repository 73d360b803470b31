"""Rules inside one row, for all rows at once: order, range, pattern, column titles in cells, parts, rates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen import clock
from ckanext.gkopen.checks.groups import digits_printed, half_up
from ckanext.gkopen.checks.ruleset import Context, plain
from ckanext.gkopen.domains import Domain, Rule
from ckanext.gkopen.normalise.cells import as_mask
from ckanext.gkopen.normalise.cells import matches as matching
from ckanext.gkopen.normalise.kept import once


def order(rule: Rule, context: Context) -> None:
    earlier, later = rule.params["earlier"], rule.params["later"]
    if not context.has(earlier, later):
        return
    left, right = context.values(earlier), context.values(later)
    if left.type != right.type:  # a day and a moment are compared as days
        left, right = left.cast(pa.date32()), right.cast(pa.date32())
    wrong = np.flatnonzero(as_mask(pc.greater(left, right)) & context.where(rule.params))
    pairs = zip(wrong, _shown(left, wrong), _shown(right, wrong), strict=True)
    for row, before, after in pairs:
        context.say(rule, "order-wrong", np.array([row]), earlier, earlier=before, later=after,
                    earlier_label=context.label(earlier), later_label=context.label(later))


def _shown(values: pa.Array, rows: np.ndarray) -> list[str]:
    return [plain(value) for value in values.take(pa.array(rows)).to_pylist()]


def in_range(rule: Rule, context: Context) -> None:
    name = rule.params["field"]
    values = context.values(name)
    for key, compare in (("minimum", pc.less), ("maximum", pc.greater)):
        limit = rule.params.get(key)
        if limit is not None and context.has(name):
            beyond = as_mask(compare(values, pa.scalar(str(limit)).cast(values.type)))
            rows = np.flatnonzero(beyond & context.where(rule.params))
            printed = context.made.printed(name)
            context.say(rule, "implausible", rows, name, values=printed, **{key: str(limit)})


def happened(rule: Rule, context: Context) -> None:
    """A day that is over is neither to come (2062 for 2026) nor what a system writes for none (1900-01-01)."""
    name, today = rule.params["field"], clock.today()
    if not context.has(name):
        return
    values, since = context.values(name), date.fromisoformat(rule.params["since"])
    days = values.cast(pa.date32())
    beyond = as_mask(pc.or_(pc.less(days, since), pc.greater(days, today)))
    context.say(rule, "day-unlikely", np.flatnonzero(beyond & context.where(rule.params)), name,
                values=context.made.strings(name), since=since.isoformat(), today=today.isoformat())


def matches(rule: Rule, context: Context) -> None:
    name = rule.params["field"]
    values = context.made.strings(name)
    wrong = ~matching(pc.fill_null(values, ""), rule.params["pattern"])
    if not rule.params["pattern"].startswith("^.+"):  # an empty cell is a matter of `required`, not of a pattern
        wrong &= as_mask(pc.is_valid(values))
    context.say(rule, "rule-pattern", np.flatnonzero(wrong & context.where(rule.params)), name, values=values)


def not_label(rule: Rule, context: Context) -> None:
    known = _titles(context.domain)
    for name in rule.params["fields"]:
        if context.has(name):
            values = context.made.strings(name)
            rows = np.flatnonzero(as_mask(pc.is_in(values, value_set=known)) & context.good)
            context.say(rule, "label-in-cell", rows, name, values=values)


@once
def _titles(domain: Domain) -> pa.Array:
    titles = {label for field in domain.fields for label in field.labels if len(label) > 1}
    return pa.array(sorted(titles), pa.string())


def parts_of_row(rule: Rule, context: Context) -> None:
    """The total of a row equals the sum of its parts; rows without any part are not judged."""
    total, parts = rule.params["total"], rule.params["parts"]
    if not context.has(total):
        return
    tolerance = Decimal(str(rule.params.get("tolerance", 0)))
    stated = np.zeros(context.made.rows, bool)
    for part in parts:
        stated |= as_mask(pc.is_valid(context.values(part)))
    rows = np.flatnonzero(stated & as_mask(pc.is_valid(context.values(total))) & context.good)
    columns = [context.values(part).take(pa.array(rows)).to_pylist() for part in parts]
    totals = context.values(total).take(pa.array(rows)).to_pylist()
    for row, whole, *each in zip(rows, totals, *columns, strict=True):
        added = sum((value for value in each if value is not None), Decimal(0))
        if abs(added - whole) > tolerance:
            context.say(rule, "parts-sum-differs", np.array([row]), total, printed=plain(whole), sum=plain(added),
                        difference=plain(added - whole), group="")


def rate_of_row(rule: Rule, context: Context) -> None:
    """A rate in percent equals numerator / denominator, rounded half up to the digits that are printed."""
    rate, numerator, denominator = (rule.params[name] for name in ("rate", "numerator", "denominator"))
    if not context.has(rate, numerator, denominator):
        return
    known = context.good.copy()
    for name in (rate, numerator, denominator):
        known &= as_mask(pc.is_valid(context.values(name)))
    rows = np.flatnonzero(known)
    picked = [context.values(name).take(pa.array(rows)).to_pylist() for name in (rate, numerator, denominator)]
    printed = context.made.printed(rate).take(pa.array(rows)).to_pylist()
    for row, stated, top, bottom, text in zip(rows, *picked, printed, strict=True):
        if not bottom:
            continue
        computed = half_up(Decimal(top) * 100 / Decimal(bottom), digits_printed(text))
        if computed != stated:
            context.say(rule, "rate-differs", np.array([row]), rate, printed=plain(stated), computed=plain(computed),
                        numerator=plain(top), denominator=plain(bottom))
