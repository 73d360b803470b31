"""Everything that can be wrong with the domain files, found without a database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path

from ckanext.gkopen.derive.reader import BUILT_IN, domain_files, read_domain
from ckanext.gkopen.domains import NUMERIC, Domain, Field
from ckanext.gkopen.schemas import Problem, SchemaError, Source


def lint_files(directory: Path | None = None) -> list[Problem]:
    """Problems of all files, gkopen's and those of a city's folder: form, references, and the example record."""
    problems: list[Problem] = []
    owners: dict[str, Path] = {}
    try:
        paths = domain_files(BUILT_IN) + (domain_files(directory) if directory else [])
    except SchemaError as error:
        return error.problems
    for path in paths:
        try:
            domain = read_domain(path, directory)
        except SchemaError as error:
            problems += (problem for problem in error.problems if problem not in problems)
            continue
        other = owners.setdefault(domain.name, path)
        if other != path:
            problems.append(
                Problem(path, 1, "unique", f"the domain {domain.name} is also in {other}", "give it a new name")
            )
        if domain.name != path.stem:
            problems.append(
                Problem(path, 1, "name", f"the file describes {domain.name}", f"call it {domain.name}.yaml")
            )
        source = Source(path)
        problems += (
            source.problem(["fields", name, "example"], "example", message, fix)
            for name, message, fix in _example_problems(domain)
        )
    return problems


def _example_problems(domain: Domain) -> Iterator[tuple[str, str, str]]:
    for field in domain.input_fields:
        value = domain.example.get(field.name)
        if value is None:
            if field.required and not field.required_if and field.default is None and field.derived is None:
                yield field.name, f"{field.name} is required but has no example", "write example: ..."
        elif not _fits(field, value):
            yield (
                field.name,
                f"the example {value!r} is not a {field.type} that this field allows",
                "correct it",
            )


def _fits(field: Field, value: str) -> bool:
    if field.codes:
        return field.codes.get(value) is not None
    if field.pattern and not re.search(field.pattern, value):
        return False
    if field.type in NUMERIC:
        try:
            number = Decimal(value)
        except InvalidOperation:
            return False
        return (field.minimum is None or number >= field.minimum) and (field.maximum is None or number <= field.maximum)
    form = {
        "date": r"\d{4}-\d\d-\d\d",
        "datetime": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
        "month": r"\d{4}-\d\d",
        "boolean": "true|false",
        "url": r"https?://\S+",
        "uscc": r"[0-9A-HJ-NP-RTUWXY]{18}",
    }.get(field.type)
    return form is None or re.fullmatch(form, value) is not None
