"""Amounts of one process or project that contradict each other, where its rows are in one dataset."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks import contradictions
from ckanext.gkopen.checks.groups import groups
from ckanext.gkopen.checks.ruleset import Context
from ckanext.gkopen.domains import Rule
from ckanext.gkopen.normalise.cells import as_mask

UPPER = ("budget_amount", "ceiling_amount")
LOWER = ("award_amount", "contract_amount")


def process(rule: Rule, context: Context) -> None:
    """Notices by project number. Sums of whole columns tell which few processes have to be looked at."""
    number = rule.params["group"]
    if not context.has(number) or not any(context.has(name) for name in LOWER):
        return
    suspect = _suspect(context, number)
    for group in groups(context, [number], list(contradictions.FIELDS), context.good, suspect):
        rows = [dict(zip((*group.columns, "at"), (*cells, at), strict=True))
                for *cells, at in zip(*group.columns.values(), group.rows, strict=True)]
        for found in contradictions.of_process(rows):
            field = "contract_amount" if found.code.startswith("contract") else "award_amount"
            context.say(rule, found.code, np.array([found.row["at"]]), field,
                        **contradictions.params(found, group.name["zh"]))


def project(rule: Rule, context: Context) -> None:
    """Events by project code: the final account against what was approved."""
    code = rule.params["group"]
    if not context.has(code, "amount_after"):
        return
    settled = as_mask(pc.equal(context.made.strings("item"), "completion")) & context.good
    settled &= as_mask(pc.is_valid(context.values("amount_after")))
    for group in groups(context, [code], list(contradictions.EVENT_FIELDS), context.good, settled):
        events = [dict(zip((*group.columns, "at"), (*cells, at), strict=True))
                  for *cells, at in zip(*group.columns.values(), group.rows, strict=True)]
        for found in contradictions.of_project([], events):
            context.say(rule, found.code, np.array([found.row["at"]]), "amount_after",
                        **contradictions.params(found, group.name["zh"]))


def _numbers(context: Context, name: str) -> pa.Array:
    """The number of each row's process: the same one in two files is two processes."""
    numbers = context.made.strings(name)
    if not context.findings.several:
        return numbers
    return pc.binary_join_element_wise(pa.array(context.findings.file).cast(pa.string()), numbers, "\x1f")


def _suspect(context: Context, number: str) -> np.ndarray:
    """Rows of processes whose awards or contracts add up to more than the least amount stated as a limit of them."""
    table = pa.table({"number": _numbers(context, number),
                      **{name: context.values(name) for name in (*UPPER, *LOWER)}})
    kinds = pc.fill_null(context.made.strings("notice_type"), "")
    limits = table.filter(pa.array(context.good)).group_by("number").aggregate(
        [(name, "min") for name in (*UPPER, "award_amount")] + [(name, "sum") for name in LOWER])
    limit = pc.min_element_wise(*(limits[f"{name}_min"] for name in UPPER))
    over = as_mask(pc.greater(limits["award_amount_sum"], limit)) | as_mask(
        pc.greater(limits["contract_amount_sum"], pc.min_element_wise(limit, limits["award_amount_min"])))
    if not over.any():
        return np.zeros(context.made.rows, bool)
    named = limits["number"].filter(pa.array(over)).combine_chunks()
    rows = as_mask(pc.is_in(table["number"], value_set=named.drop_null()))
    return rows & as_mask(pc.is_in(kinds, value_set=pa.array(["award", "contract"]))) & context.good
