"""Files → typed rows, findings, and the rows set apart. Read this to see what happens to a table.

    open, find the header and the end, columns to fields, wide to long      normalise.rows
    → types, derived fields                                                 normalise.table
    → cells, privacy, keys, rules                                           checks
    → good rows in key order | quarantine | duplicates

No database, no CKAN. Problems of data are findings; a file that cannot be read as a whole raises Unreadable.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from ckanext.gkopen.checks import privacy, rules, small_cells
from ckanext.gkopen.checks.catalogue import render
from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.checks.contents import check_contents
from ckanext.gkopen.checks.fields import check_fields
from ckanext.gkopen.checks.keys import Keys, check_keys
from ckanext.gkopen.checks.wide import check_wide
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise.cells import MANY, side_by_side
from ckanext.gkopen.normalise.opened import Headers, Opened, open_rows
from ckanext.gkopen.normalise.raw import Apart
from ckanext.gkopen.normalise.rows import Rows, rows_of
from ckanext.gkopen.normalise.table import make
from ckanext.gkopen.records import Examined, Options, Unreadable

ROW_SCHEMA = pa.schema([pa.field("line", pa.int32()), pa.field("row", pa.string())])
_BATCH = 20_000
_FEW = 2_000
"""Files of up to so many rows are examined together: their number of columns costs more than their rows."""

if "jemalloc" in pa.supported_memory_backends() and "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
    # A million rows: 3.7 s of processor and 900 MB, where Arrow's own choice takes 4.9 s and 950 to 1,100 MB.
    pa.set_memory_pool(pa.jemalloc_memory_pool())

__all__ = ["File", "examine", "examine_all", "render"]


@dataclass(frozen=True, slots=True)
class File:
    """A file that is to be examined. `filename`: as the officer knows it."""

    path: Path
    filename: str
    options: Options


def examine(domain: Domain, path: Path, *, filename: str, options: Options) -> Examined:
    """Reads, types and checks one file. rows_in == rows_ok + rows_quarantined + rows_duplicate.

    A row of a wide table counts once for each figure that it holds. Raises Unreadable.
    """
    return _together(domain, [open_rows(domain, path, filename, options)])[0]


def examine_all(domain: Domain, files: Sequence[File]) -> list[Examined | Unreadable]:
    """`examine` for several files, in their order. Small ones that bring the same columns go together.

    For each file the result is what it is alone: what is looked at between rows is looked at within a file.
    """
    found: dict[int, Examined | Unreadable] = {}
    alike: dict[object, list[tuple[int, Opened]]] = {}
    headers: Headers = {}
    for number, file in enumerate(files):
        try:
            opened = open_rows(domain, file.path, file.filename, file.options, headers)
        except Unreadable as error:
            found[number] = error
            continue
        if len(files) > 1 and len(opened.body.lines) <= _FEW:
            alike.setdefault(opened.alike(), []).append((number, opened))
        else:
            found[number] = _alone(domain, opened)
    for group in alike.values():
        found |= _group(domain, files, group)
    return [found[number] for number in range(len(files))]


def _alone(domain: Domain, opened: Opened) -> Examined | Unreadable:
    try:
        return _together(domain, [opened])[0]
    except Unreadable as error:
        return error


def _group(domain: Domain, files: Sequence[File],
           group: list[tuple[int, Opened]]) -> dict[int, Examined | Unreadable]:
    """Number of a file → its result. Files that cannot go with the others are opened anew, and examined alone."""
    if len(group) == 1:
        return {group[0][0]: _alone(domain, group[0][1])}
    try:
        return dict(zip((number for number, _ in group), _together(domain, [opened for _, opened in group]),
                        strict=True))
    except Apart as apart:
        alone = {group[place][0] for place in apart.files}
    except Unreadable:
        alone = {number for number, _ in group}
    again = [(number, open_rows(domain, file.path, file.filename, file.options))
             for number, _ in group for file in (files[number],)]
    found = {number: _alone(domain, opened) for number, opened in again if number in alone}
    rest = [(number, opened) for number, opened in again if number not in alone]
    return found | _group(domain, files, rest) if rest else found


def _together(domain: Domain, files: list[Opened]) -> list[Examined]:
    """Files that are alike. Raises Unreadable; of several files Apart."""
    rows = rows_of(domain, files)
    turned = None if rows.long is None else (rows.long.layout.value, rows.long.cells)
    findings = Findings(rows.lines[rows.take], rows.sheet, rows.bounds, turned)
    for number, file in enumerate(files):
        findings.extend(file.findings, number)
    for code, damaged in rows.structure.items():
        findings.rows(code, np.isin(rows.take, damaged), params={"columns": len(rows.columns.labels)})
    findings.uncut = findings.bad.copy()
    readable = ~findings.bad
    labels = rows.labels()
    made = make(domain, rows.text, rows.units, rows.row_units, findings, labels)
    check_wide(domain, rows, made, findings)
    check_contents(domain, made, findings, labels)
    check_fields(domain, made, findings, labels)
    rules.apply_within(domain, made, findings, readable, labels)
    privacy.gate(domain, rows, made, findings)
    keys = check_keys(domain, made.values, findings)
    rules.apply_between(domain, made, findings, ~findings.bad & ~keys.duplicates, labels)
    small_cells.withhold(domain, made, findings, ~findings.bad & ~keys.duplicates, labels)
    return _results(domain, made.values, rows, findings, keys)


def rules_version(domain: Domain) -> str:
    """Names everything that an examination hangs on beside its file and options: the domain, and this program."""
    return f"{domain.version}-{_program()}"


@cache
def _program() -> str:
    here = Path(__file__).parent
    read = [*here.glob("*.py"), *(here / "normalise").glob("*"), *(here / "checks").glob("*")]
    digest = hashlib.sha256()
    for path in sorted(path for path in read if path.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _results(domain: Domain, values: dict[str, pa.Array], rows: Rows, findings: Findings, keys: Keys) -> list[Examined]:
    duplicates = keys.duplicates & ~findings.bad
    good = ~findings.bad & ~duplicates
    bad = np.flatnonzero(findings.bad)
    quarantine = _as_printed(rows, bad)
    bad_keys = pa.table([values[name].take(pa.array(bad)) for name in domain.key], list(domain.key))
    repeated = _as_printed(rows, np.flatnonzero(duplicates))
    rows.texts, rows.text = [], {}
    table = _in_key_order(domain, values, good, keys.order)
    if len(good) > MANY:
        pa.default_memory_pool().release_unused()  # what is written next needs it, perhaps in another library
    cut = [_cut(whole, findings.of_files(mask)) for whole, mask in ((table, good), (quarantine, findings.bad),
                                                                    (repeated, duplicates), (bad_keys, findings.bad))]
    each = zip(rows.files, *cut, np.diff(findings.bounds).tolist(), strict=True)
    return [Examined(mine, findings.of(number), apart, twice, count, rows.columns.header(), file.encoding, file.notes,
                     keys) for number, (file, mine, apart, twice, keys, count) in enumerate(each)]


def _cut(table: pa.Table, rows: np.ndarray) -> list[pa.Table]:
    """Each file's own rows; `rows`: how many it has."""
    if len(rows) == 1:
        return [table]
    ends = np.cumsum(rows)
    return [table.slice(int(end - count), int(count)) for end, count in zip(ends, rows, strict=True)]


def _in_key_order(domain: Domain, values: dict[str, pa.Array], good: np.ndarray, order: np.ndarray) -> pa.Table:
    """The good rows in key order. Each column is let go as soon as its sorted copy exists."""
    order = order[good[order]]
    if len(order) == len(good) and (np.diff(order) == 1).all():
        return pa.table([values[name] for name in domain.field_names], schema=domain.arrow_schema)
    pick = pa.array(order)
    columns = side_by_side(lambda name: values.pop(name).take(pick), domain.field_names, len(order))
    return pa.table(list(columns), schema=domain.arrow_schema)


def _as_printed(rows: Rows, which: np.ndarray) -> pa.Table:
    """Rows as JSON objects of label → text, as the source prints them; of a wide row only its own cell."""
    labels = rows.columns.labels
    turned = set(rows.long.turned) if rows.long is not None else set()
    cells = rows.long.cells if rows.long is not None else None
    aside = rows.long.aside if rows.long is not None else {}
    lines: list[int] = []
    texts: list[str] = []
    for start in range(0, len(which), _BATCH):
        batch = which[start:start + _BATCH]
        source = rows.take[batch]
        columns = [column.take(pa.array(source)).to_pylist() for column in rows.texts]
        own = cells.take(pa.array(batch)).to_pylist() if cells is not None else []
        for index, row in enumerate(source):
            printed = {label: columns[place][index] for place, label in enumerate(labels)
                       if not own or ((label not in turned or own[index] in ("", label))
                                      and label not in aside.get(own[index], ()))}
            for place, cell in enumerate(rows.surplus.get(int(row), []), 1):
                printed[f"+{place}"] = cell
            lines.append(int(rows.lines[row]))
            texts.append(json.dumps(printed, ensure_ascii=False))
    return pa.table([pa.array(lines, pa.int32()), pa.array(texts, pa.string())], schema=ROW_SCHEMA)
