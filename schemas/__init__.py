"""The files that describe the data: YAML read with its line numbers, and problems that name file, line, rule and fix.

`domains/*.yaml` (one a domain), `codes/*.csv` (code lists) and `domain.schema.json` (what a domain file may say) are
read by :mod:`ckanext.gkopen.domains`; nothing here knows CKAN.
"""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

ROOT = Path(__file__).parent
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a description file: where it is, which rule it breaks, what to do."""

    file: Path
    line: int
    rule: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.message} → {self.fix}"


class SchemaError(Exception):
    """A description file cannot be used; `problems` holds every mistake found in it, in the order of its lines."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = sorted(problems, key=lambda p: (str(p.file), p.line))
        super().__init__("\n".join(map(str, self.problems)))


class Source:
    """One YAML file: its data, and the line on which a path of keys stands."""

    def __init__(self, path: Path):
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        try:
            self.data: Any = yaml.load(self.text, Loader)  # the safe loader in its C form
            repeated = list(_repeated_keys(self._tree()))
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise SchemaError(
                [
                    Problem(
                        path,
                        line,
                        "yaml",
                        str(error.problem),
                        "correct the YAML syntax (indentation, quotes, colons)",
                    )
                ]
            ) from None
        except yaml.YAMLError as error:
            raise SchemaError([Problem(path, 1, "yaml", str(error), "save the file as UTF-8 text")]) from None
        if repeated:
            raise SchemaError(
                [
                    Problem(path, line, "unique", f"{key!r} is there twice", "remove one of the two")
                    for key, line in repeated
                ]
            )

    def _tree(self) -> yaml.Node | None:
        return yaml.compose(self.text, Loader)

    def line(self, path: Sequence[str | int]) -> int:
        """The 1-based line of the key (or list item) at `path`, or of the last part of it that exists."""
        node, line = self._tree(), 1
        for step in path:
            found = None
            if isinstance(node, yaml.MappingNode):
                found = next(((key, value) for key, value in node.value if key.value == str(step)), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                found = (node.value[step], node.value[step])
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line

    def problem(self, path: Sequence[str | int], rule: str, message: str, fix: str) -> Problem:
        return Problem(self.path, self.line(path), rule, message, fix)


def _repeated_keys(node: yaml.Node | None) -> Iterator[tuple[str, int]]:
    """YAML silently keeps the last of two equal keys; a field described twice is a mistake."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.value, key.start_mark.line + 1
            seen.add(key.value)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads((ROOT / "domain.schema.json").read_text(encoding="utf-8")))


def schema_problems(source: Source) -> list[Problem]:
    """What `domain.schema.json` says against a domain file; empty when it is well formed."""
    return [_explain(source, leaf) for error in _validator().iter_errors(source.data) for leaf in _leaves(error)]


def _leaves(error: ValidationError) -> list[ValidationError]:
    """Of alternatives that all failed, the one that came closest says what is wrong."""
    if not error.context:
        return [error]
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    closest = max(branches.values(), key=lambda errors: max(len(e.absolute_path) for e in errors))
    if max(len(e.absolute_path) for e in closest) <= len(error.absolute_path):
        return [error]
    return [leaf for inner in closest for leaf in _leaves(inner)]


def _explain(source: Source, error: ValidationError) -> Problem:
    where = list(error.absolute_path)
    rule, message = str(error.validator), error.message
    schema: Any = error.schema
    fix = str(schema.get("description", "see docs/domains.md")) if isinstance(schema, dict) else "see docs/domains.md"
    if rule in ("additionalProperties", "unevaluatedProperties") and isinstance(error.instance, dict):
        known = sorted(schema.get("properties", ()))
        extra = next((k for k in error.instance if k not in known), "")
        close = difflib.get_close_matches(str(extra), known, 1)
        message = f"{extra!r} is not a key here"
        fix = f"did you mean {close[0]!r}?" if close else f"use one of: {', '.join(known)}" if known else fix
        where.append(str(extra))
    elif rule == "required":
        message = f"{'.'.join(map(str, where)) or 'the file'}: {error.message.replace('property', 'key')}"
    elif "propertyNames" in error.schema_path:
        where.append(str(error.instance))
    elif rule == "not":
        message = f"{where[-1]!r} does not belong here"
    elif rule == "enum":
        message = f"{error.instance!r} is not one of the values"
        fix = f"use one of: {', '.join(map(str, schema['enum']))}"
    return source.problem(where, rule, message, fix)


def read_codes(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """A code list: its columns, of which code, zh, en and aliases (separated by |) are obligatory, and its rows."""
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        columns = list(reader.fieldnames or ())
        if columns[:4] != ["code", "zh", "en", "aliases"]:
            raise SchemaError(
                [
                    Problem(
                        path,
                        1,
                        "columns",
                        f"the header is {','.join(columns)}",
                        "begin it with code,zh,en,aliases",
                    )
                ]
            )
        rows = []
        for row in reader:
            if None in row or None in row.values() or not row["code"] or not row["zh"] or not row["en"]:
                raise SchemaError(
                    [
                        Problem(
                            path,
                            reader.line_num,
                            "columns",
                            "the line has too many or too few cells, or no code or title",
                            f"give {len(columns)} cells: {','.join(columns)}",
                        )
                    ]
                )
            if any(row["code"] == other["code"] for other in rows):
                raise SchemaError(
                    [
                        Problem(
                            path,
                            reader.line_num,
                            "unique",
                            f"the code {row['code']} is there twice",
                            "remove one of the two",
                        )
                    ]
                )
            rows.append(row)
    return columns, rows
