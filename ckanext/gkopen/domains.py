"""What a domain is: its fields, key, parts, rules and deadlines, read from one YAML file each.

`schemas/domains/<name>.yaml` is the only place where a domain is described. A city adds its own by putting YAML files
(and code lists in `codes/`) into the folder that `ckanext.gkopen.domains_dir` or GKOPEN_DOMAINS_DIR names.
Nothing here imports CKAN. `python -m ckanext.gkopen.domains` checks every file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import date
from decimal import Decimal
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.codes import CodeList, Text
from ckanext.gkopen.schemas import Problem
from ckanext.gkopen.shapes import Halves, Shape

ARROW: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "text": pa.string(),
    "code": pa.string(),
    "uscc": pa.string(),
    "url": pa.string(),
    "list": pa.string(),
    "month": pa.string(),
    "period": pa.string(),
    "integer": pa.int64(),
    "year": pa.int64(),
    "decimal": pa.decimal128(28, 8),
    "money": pa.decimal128(28, 8),
    "percent": pa.decimal128(28, 8),
    "date": pa.date32(),
    "datetime": pa.timestamp("s"),
    "boolean": pa.bool_(),
}
"""Type of a field → Arrow type. Datetimes are Asia/Shanghai without a zone; money is yuan; 63.72 % is 63.72.

`period` is text in one of the forms 2024, 2024-H1, 2024-Q1, 2024-05, 2024-W28, 2024-07-08/2024-07-14, 2023-01/2023-09;
`list` is text with "；" between its items.
"""
PG = {
    pa.string(): "text",
    pa.int64(): "int8",
    pa.decimal128(28, 8): "numeric",
    pa.date32(): "date",
    pa.timestamp("s"): "timestamp",
    pa.bool_(): "bool",
}
NUMERIC = frozenset({"integer", "year", "decimal", "money", "percent"})
TEXTS = frozenset({"string", "text", "list", "url"})


class UnknownDomain(KeyError):
    """No YAML file describes a domain of this name."""

    def __init__(self, name: str, known: Iterable[str]):
        super().__init__(name)
        self.name, self.known = name, tuple(known)

    def __str__(self) -> str:
        known = ", ".join(self.known)
        return f"没有名为 {self.name} 的领域，可用：{known}。There is no domain {self.name}; use one of: {known}."


@dataclass(frozen=True, slots=True)
class Condition:
    """True for a row whose `field` is one of `values` ("" stands for empty), or, negated, is none of them."""

    field: str
    values: tuple[str, ...]
    negate: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a published table.

    `required`: a row without it is quarantined, when all conditions of `required_if` hold (none: always).
    `expected`: the same, but the row is published with a warning: the standard asks for it, real sources lack it.
    `derived`: how it is made where the source gives nothing (docs/domains.md lists the ways); `unit_from`: the column
    whose cell is the unit of a money cell that names none; `person_by`: the column that says whether a name in this
    one is a person's (its code list has a column `person`: yes, no, or empty where the name itself must tell);
    `above`: the form of the line above a table that says it, where no column does; `pieces`: labels of columns that
    hold its parts; `elsewhere`: another field, and the form of its codes where they stand in this column; `instead`:
    labels of columns that say it where no better one is there (计划开工时间 without 实际开工时间).
    """

    name: str
    title: Text
    type: str
    description: Text | None = None
    required: bool = False
    required_if: tuple[Condition, ...] = ()
    expected: bool = False
    expected_if: tuple[Condition, ...] = ()
    codes: CodeList | None = None
    unit: str | None = None
    unit_from: str | None = None
    person_by: str | None = None
    above: str | None = None
    pieces: tuple[str, ...] = ()
    elsewhere: tuple[str, str] | None = None
    aliases: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    default: str | None = None
    derived: str | None = None
    input: bool = True
    privacy: str = "none"
    search: bool = False
    filter: bool = False
    path: Mapping[str, str] = dataclass_field(default_factory=dict)
    example: str | None = None

    @property
    def arrow_type(self) -> pa.DataType:
        return ARROW[self.type]

    @property
    def pg_type(self) -> str:
        return PG[self.arrow_type]

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label by which a source may call this column."""
        return (self.name, self.title.zh, self.title.en, *self.aliases, *self.instead)


@dataclass(frozen=True, slots=True)
class Part:
    kind: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A check over cells of a row or over rows; the kinds are described in :mod:`ckanext.gkopen.checks.rules`."""

    id: str
    kind: str
    severity: str
    params: Mapping[str, Any]
    title: Text
    valid_from: date | None = None
    valid_to: date | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Deadline:
    """A limit of the law, counted from a date field or, with `from_field` None, from the day it was formed."""

    id: str
    basis: Text
    unit: str
    limit: int
    from_field: str | None
    source: str
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class SmallCells:
    """Figures that are not published where they are less than `below` and not nought (checks/small_cells.py).

    `value`: the figure; `printed`: what says so in its place; `also`: what would tell it too. `across`: the two fields
    that single people out; `within`: what figures have in common that are added up; `total`: which rows are sums;
    `when`, `unless`: values of fields, for which rows this holds.
    """

    value: str
    printed: str
    also: tuple[str, ...]
    below: int
    across: tuple[str, ...]
    within: tuple[str, ...]
    total: str
    when: Mapping[str, tuple[str, ...]]
    unless: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Domain:
    name: str
    title: Text
    description: Text
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    part: Part
    period_field: str | None
    rules: tuple[Rule, ...]
    deadlines: tuple[Deadline, ...]
    standard: str | None
    legal_basis: Text
    matter: Text
    example: Mapping[str, str]
    shapes: tuple[Shape, ...]
    ignored_columns: tuple[str, ...]
    version: str
    halves: Halves | None = None
    sections: str | None = None
    small_cells: SmallCells | None = None

    @cached_property
    def _by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}

    def field(self, name: str) -> Field:
        return self._by_name[name]

    @cached_property
    def field_names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    @cached_property
    def money_fields(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.type == "money")

    @cached_property
    def search_fields(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.search)

    @cached_property
    def filter_fields(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.filter)

    @cached_property
    def input_fields(self) -> tuple[Field, ...]:
        """What a person may fill in: all but the keys and copies that the pipeline makes."""
        return tuple(field for field in self.fields if field.input)

    @cached_property
    def code_lists(self) -> Mapping[str, CodeList]:
        return MappingProxyType({f.codes.name: f.codes for f in self.fields if f.codes})

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        return pa.schema([pa.field(field.name, field.arrow_type) for field in self.fields])

    def part_of(self, table: pa.Table) -> pa.Array | pa.ChunkedArray:
        """The name of the part to which each row belongs.

        :raises ValueError: a row has no value in a field that the part is made of (it should have been quarantined)
        """
        if self.part.kind == "whole":
            return pa.repeat(pa.scalar("whole"), table.num_rows)
        for name in self.part.fields:
            if table[name].null_count:
                raise ValueError(f"{self.name}: {table[name].null_count} rows have no {name}, so they have no part")
        if self.part.kind == "fields":
            return pc.binary_join_element_wise(*(table[name].cast(pa.string()) for name in self.part.fields), "-")
        column = table[self.part.fields[0]].cast(pa.date32())
        days = (column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column).dictionary_encode()
        form = "%Y-%m" if self.part.kind == "month" else "%Y"  # slow to spell out, and days are few
        return pc.strftime(days.dictionary.cast(pa.timestamp("s")), format=form).take(days.indices)

    def part_title(self, name: str) -> Text:
        """A part's name with its last code in words: `2025-budget` is 2025 预算."""
        codes = next((f.codes for f in self.fields if f.name in self.part.fields[-1:]), None)
        head, _, last = name.rpartition("-")
        code = codes.get(last) if codes else None
        return Text(f"{head} {code.title.zh}".strip(), f"{head} {code.title.en}".strip()) if code else Text(name, name)


_directory: Path | None = None


def configure(directory: str | Path | None) -> None:
    """Set the folder of a city's own domains and code lists (the setting `ckanext.gkopen.domains_dir`)."""
    global _directory  # noqa: PLW0603 one process serves one site
    _directory = Path(directory).resolve() if directory else None


def domains(directory: str | Path | None = None) -> Mapping[str, Domain]:
    """Name → domain, those of gkopen and those of the city's folder, read once.

    :raises SchemaError: a file is not well formed; the message names file, line, rule and fix
    """
    return _load(_folder(directory))


def _folder(directory: str | Path | None) -> Path | None:
    if not directory and _directory is not None:
        return _directory                                # without asking the file system each time
    found = directory or os.environ.get("GKOPEN_DOMAINS_DIR")
    return Path(found).resolve() if found else None


def get_domain(name: str) -> Domain:
    """:raises UnknownDomain: with the names that there are"""
    known = domains()
    try:
        return known[name]
    except KeyError:
        raise UnknownDomain(name, known) from None


@lru_cache(maxsize=8)
def _load(directory: Path | None) -> Mapping[str, Domain]:
    from ckanext.gkopen.derive.reader import read_domains  # the reader needs the classes of this module

    own = read_domains(city=directory)
    return MappingProxyType({**own, **(read_domains(directory, own, directory) if directory else {})})


def lint(directory: str | Path | None = None) -> list[Problem]:
    """Everything wrong with the files of gkopen and of the city's folder: form, references, the example record."""
    from ckanext.gkopen.derive.lint import lint_files

    return lint_files(_folder(directory))


def main(arguments: list[str]) -> int:
    """Check every domain file, and those of the folder given; print each problem; 1 when there is one."""
    problems = lint(*arguments[:1])
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{len(domains(*arguments[:1]))} domains: no problem / 没有问题")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
