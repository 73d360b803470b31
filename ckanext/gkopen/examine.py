"""One file → typed rows, findings, and the rows set apart. Read this to see what happens to a table.

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
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from ckanext.gkopen.checks import privacy, rules
from ckanext.gkopen.checks.catalogue import render
from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.checks.contents import check_contents
from ckanext.gkopen.checks.fields import check_fields
from ckanext.gkopen.checks.keys import Keys, check_keys
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise.cells import MANY, side_by_side
from ckanext.gkopen.normalise.rows import Rows, read_rows
from ckanext.gkopen.normalise.table import make
from ckanext.gkopen.records import Examined, Options

ROW_SCHEMA = pa.schema([pa.field("line", pa.int32()), pa.field("row", pa.string())])
_BATCH = 20_000

if "jemalloc" in pa.supported_memory_backends() and "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
    # A million rows: 3.7 s of processor and 900 MB, where Arrow's own choice takes 4.9 s and 950 to 1,100 MB.
    pa.set_memory_pool(pa.jemalloc_memory_pool())

__all__ = ["examine", "render"]


def examine(domain: Domain, path: Path, *, filename: str, options: Options) -> Examined:
    """Reads, types and checks one file. rows_in == rows_ok + rows_quarantined + rows_duplicate.

    A row of a wide table counts once for each figure that it holds. Raises Unreadable.
    """
    rows = read_rows(domain, path, filename, options)
    findings = Findings(rows.lines[rows.take], rows.sheet)
    findings.extend(rows.findings)
    for code, damaged in rows.structure.items():
        findings.rows(code, np.isin(rows.take, damaged), params={"columns": len(rows.columns.labels)})
    findings.uncut = findings.bad.copy()
    readable = ~findings.bad
    labels = rows.labels()
    made = make(domain, rows.text, rows.units, rows.row_units, findings, labels)
    check_contents(domain, made, findings, labels, options)
    check_fields(domain, made, findings, labels)
    rules.apply_within(domain, made, findings, readable, labels)
    privacy.gate(domain, rows, made, findings)
    keys = check_keys(domain, made.values, findings)
    rules.apply_between(domain, made, findings, ~findings.bad & ~keys.duplicates, labels)
    return _result(domain, made.values, rows, findings, keys)


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


def _result(domain: Domain, values: dict[str, pa.Array], rows: Rows, findings: Findings, keys: Keys) -> Examined:
    duplicates = keys.duplicates & ~findings.bad
    good = ~findings.bad & ~duplicates
    quarantine = _as_printed(rows, np.flatnonzero(findings.bad))
    repeated = _as_printed(rows, np.flatnonzero(duplicates))
    header, encoding, notes = rows.columns.header(), rows.encoding, rows.notes
    rows.texts, rows.text = [], {}
    table = _in_key_order(domain, values, good, keys.order)
    if len(good) > MANY:
        pa.default_memory_pool().release_unused()  # what is written next needs it, perhaps in another library
    return Examined(table, findings.list(), quarantine, repeated, len(good), header, encoding, notes)


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
    lines: list[int] = []
    texts: list[str] = []
    for start in range(0, len(which), _BATCH):
        batch = which[start:start + _BATCH]
        source = rows.take[batch]
        columns = [column.take(pa.array(source)).to_pylist() for column in rows.texts]
        own = cells.take(pa.array(batch)).to_pylist() if cells is not None else []
        for index, row in enumerate(source):
            printed = {label: columns[place][index] for place, label in enumerate(labels)
                       if label not in turned or not own or own[index] in ("", label)}
            for place, cell in enumerate(rows.surplus.get(int(row), []), 1):
                printed[f"+{place}"] = cell
            lines.append(int(rows.lines[row]))
            texts.append(json.dumps(printed, ensure_ascii=False))
    return pa.table([pa.array(lines, pa.int32()), pa.array(texts, pa.string())], schema=ROW_SCHEMA)
