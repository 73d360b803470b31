"""YAML files and code lists → domains. Shorthands are expanded here, and nowhere else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ckanext.gkopen.codes import Code, fold
from ckanext.gkopen.derive.references import reference_problems
from ckanext.gkopen.domains import (
    CodeList,
    Condition,
    Deadline,
    Domain,
    Field,
    Halves,
    Part,
    Rule,
    Shape,
    SmallCells,
    Text,
)
from ckanext.gkopen.labels import split_label
from ckanext.gkopen.schemas import ROOT, Problem, SchemaError, Source, read_codes, schema_problems
from ckanext.gkopen.shapes import PrintedRate

BUILT_IN = ROOT / "domains"


def read_domains(folder: Path = BUILT_IN, taken: Iterable[str] = (), city: Path | None = None) -> dict[str, Domain]:
    """The domains of a folder by name, in the order of their file names. `taken`: names that are in use; `city`: the
    folder of the city, whose code lists add to gkopen's.

    :raises SchemaError: with every problem of every file
    """
    read: dict[str, Domain] = {}
    problems: list[Problem] = []
    for path in domain_files(folder):
        try:
            domain = read_domain(path, city)
        except SchemaError as error:
            problems += error.problems
            continue
        if domain.name in read or domain.name in taken:
            problems.append(
                Problem(path, 1, "unique", f"there is a domain {domain.name} already", "give it a new name")
            )
        read[domain.name] = domain
    if problems:
        raise SchemaError(dict.fromkeys(problems))
    return read


def domain_files(folder: Path) -> list[Path]:
    """:raises SchemaError: there is no such folder"""
    if not folder.is_dir():
        fix = "correct ckanext.gkopen.domains_dir or GKOPEN_DOMAINS_DIR"
        raise SchemaError([Problem(folder, 1, "folder", "there is no such folder", fix)])
    return sorted(folder.glob("*.yaml"))


def read_domain(path: Path, city: Path | None = None) -> Domain:
    """One file. Its code lists are gkopen's, those in `codes/` of the city's folder, or gkopen's with what the city's
    list of the same name adds to it: further codes, further aliases, other titles.

    :raises SchemaError: with every problem of this file
    """
    source = Source(path)
    problems = schema_problems(source)
    if problems:
        raise SchemaError(problems)
    lists = _Lists(path, city)
    domain = _domain(source, lists)
    problems = [*lists.problems, *reference_problems(source, domain)]
    if problems:
        raise SchemaError(problems)
    return domain


class _Lists:
    """The code lists that a domain file names; remembers their bytes for the version, and what is missing."""

    def __init__(self, path: Path, city: Path | None):
        self.folders = [folder / "codes" for folder in (ROOT, city) if folder]
        self.read: dict[str, CodeList] = {}
        self.digest = hashlib.sha256(path.read_bytes())
        self.problems: list[Problem] = []

    def get(self, name: str, source: Source, where: Sequence[str | int]) -> CodeList:
        if name not in self.read:
            paths = [path for folder in self.folders if (path := folder / f"{name}.csv").is_file()]
            if not paths:
                self.problems.append(
                    source.problem(
                        where,
                        "codes",
                        f"there is no code list {name}.csv",
                        f"write it into {self.folders[-1]}",
                    )
                )
                return CodeList(name, ())
            for path in paths:
                self.digest.update(path.read_bytes())
            codes = _codes(*read_codes(paths[0]))
            if len(paths) > 1:
                codes = _added(codes, _codes(*read_codes(paths[1])), paths[1], self.problems)
            self.read[name] = CodeList(name, codes)
        return self.read[name]


def _codes(columns: list[str], rows: list[dict[str, str]]) -> tuple[Code, ...]:
    return tuple(
        Code(
            row["code"],
            Text(row["zh"], row["en"]),
            tuple(a for a in row["aliases"].split("|") if a),
            MappingProxyType({column: row[column] for column in columns[4:]}),
        )
        for row in rows
    )


def _added(own: tuple[Code, ...], citys: tuple[Code, ...], path: Path, problems: list[Problem]) -> tuple[Code, ...]:
    """gkopen's codes with those of the city: a code that both have gets the city's titles and the aliases of both."""
    codes = {code.code: code for code in own}
    columns = own[0].extra.keys()
    obligatory = [name for name in columns if all(code.extra[name] for code in own)]
    for line, code in enumerate(citys, 2):
        known = codes.get(code.code)
        if missing := [name for name in obligatory if known is None and not code.extra.get(name)]:
            problems.append(Problem(path, line, "columns", f"gkopen's list says more of a code: {', '.join(missing)}",
                                    "add these columns, and fill them as schemas/codes does"))
        if wrong := code.extra.keys() - columns:
            problems.append(Problem(path, line, "columns", f"gkopen's list has no column {', '.join(wrong)}",
                                    "remove it, or give the list another name"))
        for label in code.labels:
            meant = next((other for other in codes.values() if other.code != code.code
                          and fold(label) in map(fold, other.labels)), None)
            if meant is not None:
                problems.append(Problem(path, line, "unique", f"{label} already means {meant.code} {meant.title.zh}",
                                        "take it out, or add the row's words to that code"))
        aliases, extra = (known.aliases, known.extra) if known else ((), dict.fromkeys(columns, ""))
        codes[code.code] = Code(
            code.code, code.title, tuple(dict.fromkeys((*aliases, *code.aliases))),
            MappingProxyType({name: code.extra.get(name) or value for name, value in extra.items()}))
    return tuple(codes.values())


def _domain(source: Source, lists: _Lists) -> Domain:
    data = source.data
    fields = tuple(_field(name, spec, source, lists) for name, spec in data["fields"].items())
    shapes = tuple(_shape(name, spec, source, lists) for name, spec in data.get("shapes", {}).items())
    return Domain(
        name=data["name"],
        title=_text(data["title"]),
        description=_text(data["description"]),
        fields=fields,
        key=tuple(data["key"]),
        part=Part(data["part"]["kind"], tuple(data["part"].get("fields", ()))),
        period_field=data.get("period_field"),
        rules=tuple(_rule(name, spec) for name, spec in data.get("rules", {}).items()),
        deadlines=tuple(_deadline(name, spec) for name, spec in data.get("deadlines", {}).items()),
        standard=data.get("standard"),
        legal_basis=_text(data["legal_basis"]),
        matter=_text(data["matter"]),
        example=MappingProxyType({f.name: f.example for f in fields if f.example is not None}),
        shapes=shapes,
        halves=_halves(data.get("halves")),
        sections=data.get("sections"),
        small_cells=_small_cells(data.get("small_cells")),
        ignored_columns=tuple(data.get("ignored_columns", ())),
        version=lists.digest.hexdigest()[:12],
    )


def _text(spec: Mapping[str, str]) -> Text:
    return Text(spec["zh"], spec["en"])


def _field(name: str, spec: Mapping[str, Any], source: Source, lists: _Lists) -> Field:
    required, required_if = _demand(spec.get("required", False))
    expected, expected_if = _demand(spec.get("expected", False))
    derived = spec.get("derived")
    return Field(
        name=name,
        title=_text(spec["title"]),
        type=spec["type"],
        description=_text(spec["description"]) if "description" in spec else None,
        required=required,
        required_if=required_if,
        expected=expected,
        expected_if=expected_if,
        codes=lists.get(spec["codes"], source, ["fields", name, "codes"]) if "codes" in spec else None,
        unit="元" if spec["type"] == "money" else "%" if spec["type"] == "percent" else spec.get("unit"),
        unit_from=spec.get("unit_from"),
        person_by=spec.get("person_by"),
        above=spec.get("above"),
        pieces=tuple(spec.get("pieces", ())),
        elsewhere=(spec["elsewhere"]["field"], spec["elsewhere"]["pattern"]) if "elsewhere" in spec else None,
        aliases=tuple(spec.get("aliases", ())),
        instead=tuple(spec.get("instead", ())),
        pattern=spec.get("pattern"),
        minimum=_decimal(spec.get("minimum")),
        maximum=_decimal(spec.get("maximum")),
        default=spec.get("default"),
        derived=derived,
        input=spec.get("input", not re.match(r"(join|else_join|printed|ocid)\b", derived or "")),
        privacy=spec.get("privacy", "none"),
        search=spec.get("search", False),
        filter=spec.get("filter", False),
        path=MappingProxyType(dict(spec.get("path", {}))),
        example=spec.get("example"),
    )


def _demand(spec: bool | Mapping[str, Mapping[str, list[str]]]) -> tuple[bool, tuple[Condition, ...]]:
    """`true`, or `{if: {field: [values]}, unless: {field: [values]}}`, all of which must hold."""
    return (spec, ()) if isinstance(spec, bool) else (True, _conditions(spec))


def _conditions(spec: Mapping[str, Mapping[str, list[str]]]) -> tuple[Condition, ...]:
    return tuple(
        Condition(field, tuple(values), negate=word == "unless")
        for word in ("if", "unless")
        for field, values in spec.get(word, {}).items()
    )


def _decimal(value: str | int | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _rule(name: str, spec: Mapping[str, Any]) -> Rule:
    return Rule(
        name,
        spec["kind"],
        spec.get("severity", "warning"),
        _frozen(spec["params"]),
        _text(spec["title"]),
        _day(spec.get("valid_from")),
        _day(spec.get("valid_to")),
        spec.get("source"),
    )


def _deadline(name: str, spec: Mapping[str, Any]) -> Deadline:
    return Deadline(
        name,
        _text(spec["basis"]),
        spec["unit"],
        spec["limit"],
        spec.get("from"),
        spec["source"],
        _conditions(spec.get("when", {})),
    )


def _shape(name: str, spec: Mapping[str, Any], source: Source, lists: _Lists) -> Shape:
    into = spec["into"]
    return Shape(
        name,
        _text(spec["title"]),
        lists.get(spec["codes"], source, ["shapes", name, "codes"]),
        into["code"],
        into["value"],
        into.get("label"),
        MappingProxyType(dict(spec.get("constants", {}))),
        frozenset(map(fold, spec.get("whole", ()))),
        MappingProxyType({fold(label): code for label, code in spec.get("also", {}).items()}),
        tuple(map(_rate, spec.get("rates", ()))),
    )


def _rate(spec: Mapping[str, Any]) -> PrintedRate:
    return PrintedRate(_labels(spec["labels"]), tuple(spec["of"]), tuple(spec.get("to", ())),
                       _labels(spec.get("to_labels", ())), spec.get("change", False))


def _labels(labels: Iterable[str]) -> frozenset[str]:
    return frozenset(split_label(label).folded_name for label in labels)


def _halves(spec: Mapping[str, Any] | None) -> Halves | None:
    if spec is None:
        return None
    return Halves(spec["field"], tuple(spec["codes"]), spec["name"], tuple(spec.get("instead", ())))


def _small_cells(spec: Mapping[str, Any] | None) -> SmallCells | None:
    if spec is None:
        return None
    return SmallCells(spec["value"], spec["printed"], tuple(spec["also"]), spec["below"], tuple(spec["across"]),
                      tuple(spec["within"]), spec["total"], _frozen(spec["when"]), _frozen(spec["unless"]))


def _day(value: str | date | None) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
