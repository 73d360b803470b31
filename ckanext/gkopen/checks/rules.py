"""Rules between the cells of a row and between rows: one function a kind, declared in `schemas/domains/*.yaml`.

Parameters of each kind (all field names of the domain; `when {field, values}` limits most of them to some rows):

    sum               value, group[], total (boolean field), [subtract {field, values}], [tolerance], [when]
                      rows marked false of a group add up to the one marked true
    parts_sum         total, parts[]                                  inside one row, or
                      value, group[], kind, tree {whole: [part, …]}   between rows of a group (三公经费)
    rate              rate, numerator, denominator                    inside one row, or
                      value, group[], kind, rates {rate: [numerator, denominator]}   between rows of a group
    shares            share, value, group[], total, [when]            printed shares of a group against its total
    code_parent       code, group[], [value], [levels]                a child code has its parent, and adds up to it
    order             earlier, later, [when]                          days or numbers of one row
    range             field, [minimum], [maximum], [when]
    happened          field, since, [when]                            a day of the past: from `since` to today
    period_gap        period, group[]                                 periods missing between first and last
    balance           value, group[], side, left[], right[], [total], [tolerance]
    change_vs_budget  value, group[], phase, base, compared, limit    percent
    matches           field, pattern, [when]
    not_label         fields[]                                        a cell that is a column title: the row slipped
    process_amounts   group            award above budget or ceiling, contract above ceiling or award, of one process
    project_amounts   group            final account above what was approved, of one project's events

A contradiction of the source is reported, never repaired. Figures that are not stated are not zero: a group without
any stated part is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks import between_rows, chain, within_rows
from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.checks.ruleset import Context
from ckanext.gkopen.domains import Domain, Rule
from ckanext.gkopen.normalise.cells import as_mask
from ckanext.gkopen.normalise.derived import Made

Kind = Callable[[Rule, Context], None]


def apply_within(domain: Domain, made: Made, findings: Findings, rows: np.ndarray, labels: Mapping[str, str]) -> None:
    """Rules inside a row, for all `rows`: bad ones too, so that an officer sees everything at once."""
    _apply(domain, made, findings, rows, labels, WITHIN)


def apply_between(domain: Domain, made: Made, findings: Findings, rows: np.ndarray, labels: Mapping[str, str]) -> None:
    """Rules between rows, for the good rows: what a bad row would add to a sum is not known."""
    _apply(domain, made, findings, rows, labels, BETWEEN)


def _apply(domain: Domain, made: Made, findings: Findings, rows: np.ndarray, labels: Mapping[str, str],
           kinds: Mapping[str, Kind]) -> None:
    for rule in domain.rules:
        kind = kinds.get(_kind(rule))
        concerned = rows & _in_force(domain, rule, made) if kind else rows
        if kind and concerned.any():
            kind(rule, Context(domain, made, findings, concerned, labels))


def _kind(rule: Rule) -> str:
    """parts_sum and rate have two forms: their parameters say which."""
    return f"{rule.kind}_of_group" if rule.kind in ("parts_sum", "rate") and "group" in rule.params else rule.kind


def _in_force(domain: Domain, rule: Rule, made: Made) -> np.ndarray:
    every = np.ones(made.rows, bool)
    if (rule.valid_from is None and rule.valid_to is None) or domain.period_field is None:
        return every
    values = made.values[domain.period_field]
    if values.type == pa.int64():  # a year is judged by its first day
        first = pc.binary_join_element_wise(values.cast(pa.string()), "01-01", "-").cast(pa.date32())
    elif values.type == pa.string():
        return every
    else:
        first = values.cast(pa.date32())
    for limit, compare in ((rule.valid_from, pc.greater_equal), (rule.valid_to, pc.less_equal)):
        if limit is not None:
            every &= as_mask(compare(first, pa.scalar(limit, pa.date32())))
    return every


WITHIN: Mapping[str, Kind] = {
    "order": within_rows.order, "range": within_rows.in_range, "happened": within_rows.happened,
    "matches": within_rows.matches, "not_label": within_rows.not_label, "parts_sum": within_rows.parts_of_row,
    "rate": within_rows.rate_of_row,
}
BETWEEN: Mapping[str, Kind] = {
    "sum": between_rows.sums, "shares": between_rows.shares, "parts_sum_of_group": between_rows.parts_of_group,
    "rate_of_group": between_rows.rates_of_group, "code_parent": between_rows.code_parents,
    "balance": between_rows.balance, "change_vs_budget": between_rows.changes, "period_gap": between_rows.period_gaps,
    "process_amounts": chain.process, "project_amounts": chain.project,
}
