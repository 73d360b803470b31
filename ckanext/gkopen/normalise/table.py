"""Text columns under their field names → all fields of the domain, typed and derived, with what is wrong in them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.domains import TEXTS, Domain, Field
from ckanext.gkopen.labels import narrow
from ckanext.gkopen.money import FORMS, NOT_A_NUMBER, amount_with_parts
from ckanext.gkopen.normalise import derived, garbled, typed
from ckanext.gkopen.normalise.amounts import Units, amounts, by_own_unit
from ckanext.gkopen.normalise.cells import (
    REPLACEMENT,
    any_byte,
    as_mask,
    by_distinct,
    empty,
    has_text,
    side_by_side,
    tidy,
)
from ckanext.gkopen.normalise.derived import Made
from ckanext.gkopen.normalise.formula_errors import NO_RESULT, is_error
from ckanext.gkopen.normalise.second_look import (
    NOT_STATED,
    bare_figures,
    excel_days,
    months_of_year,
    null_where_silent,
    without_remark,
)

# Forms of a money cell that no other column can hold: the row waits for the officer.
_ERRORS = {"unit_missing": "unit-missing", "unit_conflict": "unit-conflict", "words_differ": "words-differ",
           "too_precise": "amount-too-precise", "number_format": "number-format"}
_FORMS = {"date": "2024-05-13", "datetime": "2024-05-13 09:30", "year": "2024", "month": "2024-05",
          "period": {"zh": "2024、2024-Q1、2024-05 或 2024-01/2024-09",
                     "en": "2024, 2024-Q1, 2024-05 or 2024-01/2024-09"}}
_TYPES = {"integer": {"zh": "整数", "en": "whole number"}, "decimal": {"zh": "数字", "en": "number"},
          "percent": {"zh": "百分比", "en": "percentage"}, "boolean": {"zh": "是或否", "en": "yes or no"},
          "date": {"zh": "日期", "en": "date"}, "datetime": {"zh": "时间", "en": "time"},
          "year": {"zh": "年度", "en": "year"}, "month": {"zh": "月份", "en": "month"},
          "period": {"zh": "期间", "en": "period"}}
_FIGURES = frozenset({"integer", "decimal", "percent"})
_LOST = r"^[1-9](?:\.[0-9]+)?E\+(?:1[1-9]|[2-9][0-9])$"
"""A number of twelve digits or more as spreadsheets show it: a long code that was taken for a figure."""


def make(domain: Domain, text: dict[str, pa.Array], units: dict[str, Units], row_units: dict[str, pa.Array],
         findings: Findings, labels: dict[str, str]) -> Made:
    """`text`: field → cells as printed; `units`: money field → unit of label, table; `row_units`: → unit by row.

    Raises nothing: what cannot be read is null in `values` and said in `findings`.
    """
    made = Made(domain, len(findings.lines))
    printed_fields = {source for field in domain.fields if (field.derived or "").startswith("printed:")
                      for source in derived.sources(field)}
    names = list(text)
    tidied = side_by_side(lambda name: tidy(text.pop(name), keep_lines=domain.field(name).type == "text"), names,
                          len(findings.lines))
    for name, (cells, changed) in zip(names, tidied, strict=True):
        made.text[name] = _tidied(domain.field(name), cells, changed, findings, labels)
    figures = {field.name: bare_figures(field, made) for field in domain.fields
               if field.type == "decimal" and field.unit_from and field.name in made.text}
    for name in sorted(made.text, key=lambda name: domain.field(name).type != "year"):  # a period needs its year
        field = domain.field(name)
        kept = name in printed_fields
        if field.type == "money":
            _money(field, made, units.get(name, Units()), _unit_column(field, made, row_units), findings, labels, kept)
        else:
            _typed(field, made, findings, labels, kept, figures.get(name))
    for field in domain.fields:
        _complete(field, made, set())
    return made


def _tidied(field: Field, cleaned: pa.Array, changed: np.ndarray | None, findings: Findings,
            labels: dict[str, str]) -> pa.Array:
    label = labels.get(field.name)
    if changed is not None:
        findings.add_each("invisible-removed", map(int, np.flatnonzero(findings.of_files(changed))), field=field.name,
                          label=label)
    if has_text(cleaned, REPLACEMENT):
        findings.rows("replacement-character", as_mask(pc.match_substring(cleaned, REPLACEMENT)), field=field.name,
                      label=label, values=cleaned)
    text = field.type in TEXTS
    if has_text(cleaned, NO_RESULT if text else "#"):
        wrong = by_distinct(cleaned, lambda cell: cell == NO_RESULT or (not text and is_error(cell)), pa.bool_())
        wrong = wrong.to_numpy(zero_copy_only=False)
        findings.rows("formula-error", wrong, field=field.name, label=label, values=cleaned)
    if text and (misread := garbled.misread(cleaned, findings.bounds)) is not None:
        findings.rows("text-garbled", misread & ~findings.bad_cells(field.name), field=field.name, label=label,
                      values=cleaned)
    if text and (markup := garbled.markup(cleaned)) is not None:
        findings.of_column("text-markup", markup & ~findings.bad_cells(field.name), field=field.name, label=label,
                           params={})
    if text and has_text(cleaned, "E+"):
        findings.rows("digits-lost", as_mask(pc.match_substring_regex(cleaned, _LOST)), field=field.name, label=label,
                      values=cleaned)
    if field.pattern and any_byte(cleaned, b"\xef"):  # full-width digits of a code
        cleaned = by_distinct(cleaned, narrow, pa.string())
    if field.default is not None:
        blank = empty(cleaned)
        if blank.any():
            cleaned = pc.if_else(pa.array(blank), field.default, cleaned)
    return cleaned


def _unit_column(field: Field, made: Made, row_units: dict[str, pa.Array]) -> pa.Array | None:
    beside = made.text.get(field.unit_from) if field.unit_from else None
    turned = row_units.get(field.name)
    if turned is None or beside is None:
        return beside if turned is None else turned
    return pc.if_else(pc.equal(turned, ""), beside, turned)


def _money(field: Field, made: Made, units: Units, row_units: pa.Array | None, findings: Findings,
           labels: dict[str, str], kept: bool) -> None:
    text = made.text[field.name]
    found = amounts(text, units, row_units)
    sharing = [every for every in made.domain.money_fields
               if every.unit_from == field.unit_from and every.name in made.text]
    if row_units is not None and units.label is None and len(sharing) > 1:
        found, settled = by_own_unit(found, text)
        findings.rows("unit-of-cell", settled, field=field.name, label=labels.get(field.name), values=text)
    made.amounts[field.name] = found
    made.values[field.name] = found.yuan
    label = labels.get(field.name)
    for form, rows in found.forms.items():
        mask = rows & ~findings.bad_cells(field.name)
        if form == "missing":
            continue
        if form in _ERRORS:
            findings.rows(_ERRORS[form], mask, field=field.name, label=label, values=text,
                          params={"unit": units.label or units.fallback or {"zh": "另一列", "en": "another column"}})
            continue
        if form == "parts":
            _parts(field, text, mask, findings, label)
        findings.rows("amount-kept-as-text" if kept else "not-an-amount", mask, field=field.name, label=label,
                      values=text, params={"form": form, "form_name": FORMS[form]})


def _parts(field: Field, text: pa.Array, mask: np.ndarray, findings: Findings, label: str | None) -> None:
    """An amount printed with its parts: they add up, or the reviewer is told by how much they do not."""
    rows = np.flatnonzero(mask)
    for row, cell in zip(rows, text.take(pa.array(rows)).to_pylist(), strict=True):
        parts = amount_with_parts(cell)
        if parts is not None and parts.difference:
            findings.rows("parts-differ", np.array([row]), field=field.name, label=label, values=text,
                          params={"whole": str(parts.whole), "difference": str(parts.difference)})


def _typed(field: Field, made: Made, findings: Findings, labels: dict[str, str], kept: bool,
           figures: pa.Array | None = None) -> None:
    """`figures`: the cells without the unit that they state themselves, where there are any."""
    text = made.text[field.name]
    year: pa.Array | None = None
    if field.type == "period":
        of_year = [every.name for every in made.domain.fields if every.type == "year"]
        year = next((made.values[name] for name in of_year if name in made.values), None)
        values, wrong = typed.periods(field, text, year)
    else:
        values, wrong = typed.READERS[field.type](field, text if figures is None else figures)
    if field.type in ("date", "datetime") and wrong.any():
        values, wrong = excel_days(field, text, values, wrong, findings, labels)
    if field.type == "period" and wrong.any():
        values, wrong = without_remark(field, text, values, wrong, year, findings, labels)
    if field.type in TEXTS and (field.pattern or (field.type == "string" and (
            field.required or field.expected or field.privacy == "organisation"))):
        values = null_where_silent(field, text, values, findings, labels)
    if field.codes is not None and wrong.any() and any("months" in code.extra for code in field.codes.codes):
        values, wrong = months_of_year(made, field, text, values, wrong)
    made.values[field.name] = values
    if field.type in TEXTS or not wrong.any():
        return
    stated = by_distinct(text, lambda cell: not NOT_STATED.match(narrow(cell)) or (
        field.type in _FIGURES and bool(NOT_A_NUMBER.match(narrow(cell)))), pa.bool_())
    wrong &= stated.to_numpy(zero_copy_only=False) & ~findings.bad_cells(field.name)
    code = {"code": "code-unknown", "date": "date-wrong", "datetime": "date-wrong", "year": "date-wrong",
            "month": "date-wrong", "period": "date-wrong", "uscc": "uscc-wrong"}.get(field.type, "type-wrong")
    if field.type in ("decimal", "percent") and wrong.any():
        precise = wrong & typed.too_precise(text if figures is None else figures, narrow(field.unit or ""))
        findings.rows("amount-too-precise", precise, field=field.name, label=labels.get(field.name), values=text,
                      severity="warning" if kept and not field.required else None)
        wrong &= ~precise
    params: dict[str, object] = {"type": _TYPES.get(field.type, field.type), "form": _FORMS.get(field.type, "")}
    if field.codes is not None:
        params["codes"] = [item.title.zh for item in field.codes.codes[:12]]
    findings.rows(code, wrong, field=field.name, label=labels.get(field.name), values=text, params=params,
                  severity="warning" if kept and not field.required else None)


def _complete(field: Field, made: Made, underway: set[str]) -> None:
    """Fills what the source left empty with what is derived, after what it is derived from."""
    name = field.name
    if name in underway:
        return
    values = made.values.get(name)
    if field.derived and (values is None or values.null_count):
        underway = underway | {name}
        for source in derived.sources(field):
            if source in made.domain.field_names:
                _complete(made.domain.field(source), made, underway)
        made_up = derived.derive(made, field)
        values = made_up if values is None else pc.coalesce(values, made_up)
    if values is None:
        values = made.nothing(field.arrow_type)
    made.values[name] = values if values.type == field.arrow_type else values.cast(field.arrow_type)
