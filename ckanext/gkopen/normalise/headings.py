"""Columns whose whole label no list knows: known by their lowest heading, or without the time that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ckanext.gkopen.codes import fold as fold_code
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.labels import fold, narrow, split_label
from ckanext.gkopen.normalise.kept import once

_UNTIL = re.compile(r"^(?:(?:截[至止]到?|[至到])[^,、]*(?:年|月|日|底|末|季度|目前|今)|"
                    r"(?:19|20)\d{2}\s*年[底末])(?=\D{3})")
"""截至5月底累计完成投资, 至4月底累计完成投资: which column it is does not hang on the day."""
_IN = re.compile(r"^(?:19|20)\d{2}\s*年度?(?=[^\d度底末]\D{2})")
"""2024年计划投资 is 年度计划投资; 2024年完成投资 is what was done in that year, and not 完成投资, which is all."""
_WHOLE = frozenset(map(fold, ("合计", "小计", "总计", "总额", "金额")))
_TEXTS = frozenset({"string", "text"})


def by_lowest_heading(domain: Domain, field_at: list[str | None], levels: Sequence[Sequence[str]],
                      known: Mapping[str, str]) -> None:
    """Gives columns their field that are still without one, where no other column claims it.

    `项目` over `功能分类科目编码` is the code. A lowest heading that stands twice says too little, and one that names a
    column of figures needs the heading above it (上年 over 决算数). 合计 beside the parts of 总投资 is 总投资, where no
    figures of several columns become rows.
    """
    claims: dict[str, list[int]] = {}
    turned = _turned(domain)
    timed = any(field.type in ("year", "period", "month") for field in domain.fields)  # there the time makes the row
    for index, each in enumerate(levels):
        if field_at[index] is not None or not each:
            continue
        last = split_label(each[-1])
        name = known.get(last.folded) or known.get(last.folded_name) if len(each) > 1 else None
        if name is None or domain.field(name).type not in _TEXTS or last.folded_name in turned:
            label = narrow(" ".join(each))
            bare = label if timed else _IN.sub("年度", _UNTIL.sub("", label))
            name = known.get(split_label(bare).folded_name) if bare != label else None
        if name is None and len(each) > 1 and not domain.shapes and last.folded_name in _WHOLE:
            above = split_label(each[-2])
            name = known.get(above.folded) or known.get(above.folded_name)
        if name is not None:
            claims.setdefault(name, []).append(index)
    for name, found in claims.items():
        if len(found) == 1 and name not in field_at:
            field_at[found[0]] = name


@once
def _turned(domain: Domain) -> frozenset[str]:
    """Folded headings of columns of figures: 项目 over 基本支出's sister column is a kind of expenditure."""
    return frozenset({fold(label) for shape in domain.shapes for label in shape.when_columns} | {
        fold_code(label) for shape in domain.shapes for label in shape.also})
