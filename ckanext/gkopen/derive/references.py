"""What JSON Schema cannot see in a domain file: names that point nowhere, labels that mean two things."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ckanext.gkopen.codes import fold
from ckanext.gkopen.domains import NUMERIC, Condition, Domain, Field, Rule
from ckanext.gkopen.labels import fold as fold_label
from ckanext.gkopen.schemas import Problem, Source

FIELD_PARAMS = frozenset(
    {
        "value",
        "name",
        "total",
        "rate",
        "numerator",
        "denominator",
        "share",
        "code",
        "earlier",
        "later",
        "field",
        "period",
        "side",
        "kind",
        "phase",
        "group",
        "parts",
        "fields",
    }
)
"""Parameters of rules that name one field or several."""
COMPARABLE = NUMERIC | {"date", "datetime"}


def reference_problems(source: Source, domain: Domain) -> list[Problem]:
    return [
        *_names(source, domain),
        *_conditions(source, domain),
        *_derivations(source, domain),
        *_rules(source, domain),
        *_labels(source, domain),
        *_patterns(source, domain),
    ]


def _unknown(source: Source, where: Sequence[str | int], name: str) -> Problem:
    return source.problem(where, "field", f"there is no field {name}", "name a field that is described under fields")


def _names(source: Source, domain: Domain) -> Iterator[Problem]:
    known = set(domain.field_names)
    for name in domain.key:
        if name not in known:
            yield _unknown(source, ["key"], name)
        elif not domain.field(name).required or domain.field(name).required_if:
            yield source.problem(
                ["fields", name],
                "key",
                f"{name} is in the key but not always there",
                "write required: true, or a derived field that is never empty",
            )
    for name in domain.part.fields:
        if name not in known:
            yield _unknown(source, ["part", "fields"], name)
        elif not domain.field(name).required:
            yield source.problem(["part"], "part", f"{name} makes the part but may be empty", "write required: true")
        elif domain.part.kind in ("month", "year") and domain.field(name).type not in ("date", "datetime"):
            yield source.problem(["part"], "part", f"{name} is not a date", "name a field of type date or datetime")
    if domain.period_field and domain.period_field not in known:
        yield _unknown(source, ["period_field"], domain.period_field)
    for shape in domain.shapes:
        for name in filter(None, (shape.code, shape.value, shape.label, *shape.constants)):
            if name not in known:
                yield _unknown(source, ["shapes", shape.name], name)
        for code in (*shape.also.values(), *(code for rate in shape.rates for code in (*rate.of, *rate.to))):
            if shape.codes.get(code) is None:
                yield _no_code(source, ["shapes", shape.name], code, shape.codes.name)
    if domain.sections and domain.sections not in known:
        yield _unknown(source, ["sections"], domain.sections)
    if domain.halves is not None:
        for name in (domain.halves.field, domain.halves.name, *domain.halves.instead):
            if name not in known:
                yield _unknown(source, ["halves"], name)
        codes = domain.field(domain.halves.field).codes if domain.halves.field in known else None
        for code in domain.halves.codes:
            if codes is not None and codes.get(code) is None:
                yield _no_code(source, ["halves", "codes"], code, codes.name)
    if (cells := domain.small_cells) is not None:
        for name in (cells.value, cells.printed, *cells.also, *cells.across, *cells.within, cells.total, *cells.when,
                     *cells.unless):
            if name not in known:
                yield _unknown(source, ["small_cells"], name)
        for name, wanted in cells.when.items():
            codes = domain.field(name).codes if name in known else None
            for code in wanted:
                if codes is not None and codes.get(code) is None:
                    yield _no_code(source, ["small_cells", "when", name], code, codes.name)
    for deadline in domain.deadlines:
        if deadline.from_field and deadline.from_field not in known:
            yield _unknown(source, ["deadlines", deadline.id, "from"], deadline.from_field)


def _conditions(source: Source, domain: Domain) -> Iterator[Problem]:
    for field in domain.fields:
        for word, conditions in (("required", field.required_if), ("expected", field.expected_if)):
            yield from _condition(source, domain, ["fields", field.name, word], conditions)
    for deadline in domain.deadlines:
        yield from _condition(source, domain, ["deadlines", deadline.id, "when"], deadline.when)


def _condition(
    source: Source,
    domain: Domain,
    where: list[str | int],
    conditions: Sequence[Condition],
) -> Iterator[Problem]:
    for condition in conditions:
        if condition.field not in domain.field_names:
            yield _unknown(source, where, condition.field)
            continue
        codes = domain.field(condition.field).codes
        for value in condition.values:
            if codes and value and codes.get(value) is None:
                yield _no_code(source, where, value, codes.name)


def _no_code(source: Source, where: Sequence[str | int], value: str, codes: str) -> Problem:
    return source.problem(where, "code", f"{value!r} is not in the code list {codes}", f"use a code of {codes}.csv")


def _derivations(source: Source, domain: Domain) -> Iterator[Problem]:
    for field in domain.fields:
        where = ["fields", field.name, "derived"]
        way, _, operands = (field.derived or "").partition(":")
        for operand in filter(None, re.split("[,+]", operands)):
            name, _, column = operand.partition(".")
            if name not in domain.field_names:
                yield _unknown(source, where, name)
            elif way == "extra_of":
                codes = domain.field(name).codes
                if codes is None or any(column not in code.extra for code in codes.codes):
                    yield source.problem(
                        where,
                        "derived",
                        f"{name} has no code list with a column {column}",
                        "name a column of its CSV file",
                    )
        if way == "code_of" and field.codes is None:
            yield source.problem(where, "derived", f"{field.name} has no code list", "write type: code and codes")
        if field.unit_from and field.unit_from not in domain.field_names:
            yield _unknown(source, ["fields", field.name, "unit_from"], field.unit_from)
        if field.elsewhere and field.elsewhere[0] not in domain.field_names:
            yield _unknown(source, ["fields", field.name, "elsewhere"], field.elsewhere[0])
        kinds = domain.field(field.person_by).codes if field.person_by in domain.field_names else None
        if field.person_by and (kinds is None or any("person" not in code.extra for code in kinds.codes)):
            yield source.problem(["fields", field.name, "person_by"], "person_by",
                                 f"{field.person_by} is no code whose list has a column person",
                                 "name a field of type code; its list says yes, no or nothing in the column person")


def _rules(source: Source, domain: Domain) -> Iterator[Problem]:
    for rule in domain.rules:
        where: list[str | int] = ["rules", rule.id, "params"]
        for param, value in rule.params.items():
            if param in ("when", "subtract", "nested"):
                yield from _condition(
                    source,
                    domain,
                    [*where, param],
                    [Condition(value["field"], tuple(map(str, value["values"])))],
                )
            elif param in FIELD_PARAMS:
                for name in (value,) if isinstance(value, str) else value:
                    if name not in domain.field_names:
                        yield _unknown(source, [*where, param], name)
        yield from _rule_values(source, domain, rule, where)


def _rule_values(source: Source, domain: Domain, rule: Rule, where: list[str | int]) -> Iterator[Problem]:
    """Codes in trees, rates and sides; and that an order compares what can be compared."""
    for param, kind in (
        ("tree", "kind"),
        ("rates", "kind"),
        ("left", "side"),
        ("right", "side"),
        ("base", "phase"),
        ("compared", "phase"),
    ):
        field = _field(domain, rule.params.get(kind))
        if param in rule.params and field is not None and field.codes is not None:
            for value in _leaves(rule.params[param]):
                if field.codes.get(value) is None:
                    yield _no_code(source, [*where, param], value, field.codes.name)
    if rule.kind == "order":
        for param in ("earlier", "later"):
            field = _field(domain, rule.params[param])
            if field is not None and field.type not in COMPARABLE:
                yield source.problem(
                    [*where, param],
                    "order",
                    f"{field.name} is of type {field.type}",
                    "compare numbers or dates",
                )
    if rule.kind == "happened":
        field = _field(domain, rule.params["field"])
        if field is not None and field.type not in ("date", "datetime"):
            yield source.problem([*where, "field"], "happened", f"{field.name} is of type {field.type}", "name a date")


def _field(domain: Domain, name: object) -> Field | None:
    return domain.field(name) if isinstance(name, str) and name in domain.field_names else None


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _leaves(item)
    elif hasattr(value, "items"):
        for key, item in value.items():  # pyright: ignore[reportAttributeAccessIssue]
            yield key
            yield from _leaves(item)


def _labels(source: Source, domain: Domain) -> Iterator[Problem]:
    """A label that names two columns, or two codes of a list, would be a guess."""
    seen: dict[str, str] = {}
    for field in domain.fields:
        for folded, label in {fold_label(label): label for label in field.labels}.items():
            owner = seen.setdefault(folded, field.name)
            if owner != field.name:
                yield source.problem(
                    ["fields", field.name],
                    "label",
                    f"{label!r} also names {owner}",
                    "leave it to one of the two",
                )
    for label in domain.ignored_columns:
        if fold_label(label) in seen:
            yield source.problem(
                ["ignored_columns"],
                "label",
                f"{label!r} names {seen[fold_label(label)]}",
                "leave it out of ignored_columns",
            )
    for codes in domain.code_lists.values():
        owners: dict[str, str] = {}
        for code in codes.codes:
            for label in {fold(label) for label in code.labels}:
                owner = owners.setdefault(label, code.code)
                if owner != code.code:
                    yield source.problem(
                        ["fields"],
                        "label",
                        f"{codes.name}.csv: {label!r} means {owner} and {code.code}",
                        "leave it to one of the two",
                    )


def _patterns(source: Source, domain: Domain) -> Iterator[Problem]:
    for where, pattern in [
        *((["fields", f.name, "pattern"], f.pattern) for f in domain.fields if f.pattern),
        *((["rules", r.id, "params", "pattern"], r.params["pattern"]) for r in domain.rules if r.kind == "matches"),
    ]:
        try:
            re.compile(pattern)
        except re.error as error:
            yield source.problem(
                where, "pattern", f"{pattern} is not a regular expression: {error}", "correct the pattern"
            )
