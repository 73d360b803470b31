"""An opened file → the rows that are data, under the fields of the domain, as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.checks.personal import judge, named
from ckanext.gkopen.derive.sheets import ASIDE
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.labels import fold
from ckanext.gkopen.normalise.amounts import Units
from ckanext.gkopen.normalise.cells import empty, flat, side_by_side
from ckanext.gkopen.normalise.columns import (
    Columns,
    contract,
    ignored_labels,
    known_labels,
    match_columns,
    require_columns,
    shape_labels,
)
from ckanext.gkopen.normalise.head import Head, find_head, trim_body
from ckanext.gkopen.normalise.jsonrows import open_json
from ckanext.gkopen.normalise.raw import Beside, Body, Sheet, Source, refuse
from ckanext.gkopen.normalise.shapes import Long, find_shape, turn
from ckanext.gkopen.normalise.text import open_text
from ckanext.gkopen.normalise.titles import from_title
from ckanext.gkopen.normalise.totals import take_totals
from ckanext.gkopen.normalise.workbook import OLE_MAGIC, ZIP_MAGIC, open_workbook
from ckanext.gkopen.records import Finding, Options, Unreadable


@dataclass(slots=True)
class Rows:
    """`texts`: the source's columns as printed; `lines`: of its rows. `take`: source row of each row to be typed.

    `text`: field → cells by row to be typed; `row_units`: field → unit by row.
    `units`: money field → what its label and the table say.
    `structure`: finding code → source rows that cannot be trusted as cut; `surplus`: source row → its further cells.
    """

    columns: Columns
    texts: list[pa.Array]
    lines: np.ndarray
    take: np.ndarray
    text: dict[str, pa.Array]
    units: dict[str, Units]
    row_units: dict[str, pa.Array] = field(default_factory=dict)
    structure: dict[str, np.ndarray] = field(default_factory=dict)
    surplus: dict[int, list[str]] = field(default_factory=dict)
    long: Long | None = None
    sheet: str | None = None
    encoding: str | None = None
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    beside: list[Beside] = field(default_factory=list)

    def labels(self) -> dict[str, str]:
        """Field → label of the column that brought it."""
        return {name: label for label, name in self.columns.header().items() if name is not None}


def open_file(path: Path, filename: str) -> Source:
    """Opened by what the bytes are; the file name only tells JSON and text apart."""
    if path.stat().st_size == 0:
        raise refuse("file-empty")
    with path.open("rb") as file:
        start = file.read(4096)
    if start[:8] == OLE_MAGIC or start[:4] == ZIP_MAGIC:
        return open_workbook(path)
    suffix = Path(filename).suffix.casefold()
    opening = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    markup = (b"<html", b"<table", b"<!doctype", b"<?xml")
    if opening[:1] == b"<" and any(tag in opening[:2048].lower() for tag in markup):
        raise refuse("markup-as-table", name=filename)
    if suffix in (".xlsx", ".xlsm", ".xls") and b"\0" in start:
        raise refuse("workbook-broken", reason="neither XLSX nor XLS inside")
    if suffix in (".json", ".jsonl", ".ndjson") or opening[:2] in (b'{"', b"[{", b"{}", b"[]") or opening[:1] == b"{":
        return open_json(path)
    return open_text(path)


def read_rows(domain: Domain, path: Path, filename: str, options: Options) -> Rows:
    """Raises Unreadable: what `open_file` refuses, no header, no such sheet, required columns missing."""
    source = open_file(path, filename)
    findings, notes = list(source.findings), list(source.notes)
    sheet, head = _choose(domain, source, options, findings)
    beside = [*source.beside, *head.above]
    _no_person(head)
    columns = match_columns(domain, head.labels, head.duplicates, options)
    body = sheet.load(head.skip, len(head.labels))
    sheet_name = sheet.name
    del sheet
    trimmed = trim_body(body, head.labels)
    keep, notes, beside = trimmed.keep, notes + trimmed.notes, beside + trimmed.footnotes
    if not len(keep):
        raise refuse("no-rows", sheet=sheet_name)
    whole = len(keep) == len(body.lines)
    source.sheets.clear()
    columns_left = dict(enumerate(body.columns))
    body.columns.clear()

    def joined(index: int) -> pa.Array:
        column = flat(columns_left.pop(index))  # the chunks are let go as soon as they are joined
        return column if whole else column.take(pa.array(keep))

    texts = list(side_by_side(joined, list(columns_left), len(keep)))
    lines = body.lines[keep]
    totals = take_totals(domain, columns, texts, lines, notes)
    if len(totals.drop):
        left = np.setdiff1d(np.arange(len(lines)), totals.drop)
        texts, lines, keep = [text.take(pa.array(left)) for text in texts], lines[left], keep[left]
    structure, surplus = _structure(body, keep, len(columns.labels))
    found = find_shape(domain, columns)
    if found is not None:
        for index in found[1]:
            columns.field_at[index] = found[0].value
    findings += [*body.findings, *columns.findings, *_unknown(domain, columns, texts), *totals.findings,
                 *contract(columns, domain, options)]
    rows = Rows(columns, texts, lines, np.arange(len(lines)), {}, {}, {}, structure, surplus, None, sheet_name,
                source.encoding, findings, notes, beside)
    if found is not None:
        whole_rows = np.unique(np.concatenate(list(structure.values()))) if structure else np.empty(0, np.int64)
        rows.long = turn(found[0], found[1], columns, texts, whole_rows)
        rows.take = rows.long.take
    _under_fields(domain, rows, options)
    if totals.marks is not None:
        rows.text["is_total"] = totals.marks if rows.long is None else totals.marks.take(pa.array(rows.take))
    from_title(domain, rows, options)
    unknown = [label for label, name in columns.header().items() if name is None]
    require_columns(domain, set(rows.text), unknown, options)
    _units(domain, rows, head, options)
    return rows


def _no_person(head: Head) -> None:
    """A label is shown and published: a row of data that was taken for the header must not bring a person's data."""
    kinds = sorted(set().union(*map(judge, head.labels)))
    if kinds:
        raise refuse("personal-in-header", line=head.line, kind=named(kinds))


def _choose(domain: Domain, source: Source, options: Options, findings: list[Finding]) -> tuple[Sheet, Head]:
    """The sheet that was asked for, else the one whose header names the most columns; others are reported."""
    known = set(known_labels(domain, options.mapping)) | ignored_labels(domain) | shape_labels(domain)
    sheets = [sheet for sheet in source.sheets if sheet.name == options.sheet
              or (options.sheet is None and sheet.name not in ASIDE)]
    if not sheets:
        names = [sheet.name or "" for sheet in source.sheets]
        raise refuse("sheet-missing", name=options.sheet or "", sheets=names) if names else refuse("file-empty")
    candidates: list[tuple[int, Sheet, Head]] = []
    refused: list[Unreadable] = []
    for sheet in sheets:
        try:
            head = find_head(sheet, known)
        except Unreadable as error:
            refused.append(error)
            continue
        candidates.append((sum(fold(label) in known for label in head.labels), sheet, head))
    if not candidates:
        raise refused[0]
    best = max(candidates, key=lambda item: item[0])
    for sheet in source.sheets:
        if sheet is not best[1] and sheet.name not in ASIDE:
            findings.append(Finding("sheet-left-out", severity_of("sheet-left-out"), sheet=sheet.name,
                                    params={"name": sheet.name or "", "used": best[1].name or ""}))
    return best[1], best[2]


def _structure(body: Body, keep: np.ndarray, width: int) -> tuple[dict[str, np.ndarray], dict[int, list[str]]]:
    place = {int(row): index for index, row in enumerate(keep)} if (
        body.short or body.surplus or body.broken or body.nested) else {}
    found = {
        "row-ragged": [place[row] for row in sorted({*body.short, *body.surplus} - body.broken) if row in place],
        "quote-broken": [place[row] for row in sorted(body.broken) if row in place],
        "cell-nested": [place[row] for row in sorted(body.nested) if row in place],
    }
    surplus = {place[row]: cells for row, cells in body.surplus.items() if row in place}
    return {code: np.array(rows, np.int64) for code, rows in found.items() if rows}, surplus


def _unknown(domain: Domain, columns: Columns, texts: list[pa.Array]) -> list[Finding]:
    """Columns that no field claims are kept out and said; a nameless empty one is a trailing comma."""
    ignored = ignored_labels(domain)
    findings = []
    for index, (label, name) in enumerate(zip(columns.labels, columns.field_at, strict=True)):
        if name is not None or fold(label) in ignored:
            continue
        if empty(texts[index]).all():
            continue
        code = "header-empty" if label == f"第{index + 1}列" else "column-unknown"
        findings.append(Finding(code, severity_of(code), label=label))
    return findings


def _under_fields(domain: Domain, rows: Rows, options: Options) -> None:
    pick = pa.array(rows.take) if rows.long is not None else None
    turned = set(rows.long.turned) if rows.long is not None else set()
    for index, name in enumerate(rows.columns.field_at):
        if name is not None and rows.columns.labels[index] not in turned:
            rows.text[name] = rows.texts[index] if pick is None else rows.texts[index].take(pick)
    if rows.long is not None:
        rows.text |= rows.long.columns
    for name, value in options.constants.items():
        if name not in rows.text and name in domain.field_names:
            rows.text[name] = pa.repeat(pa.scalar(value, pa.string()), len(rows.take))
    for every in domain.fields:
        if every.default is not None and every.name not in rows.text:
            rows.text[every.name] = pa.repeat(pa.scalar(every.default, pa.string()), len(rows.take))


def _units(domain: Domain, rows: Rows, head: Head, options: Options) -> None:
    """What is said about the unit of each money field outside its cells and the unit column."""
    for every in domain.money_fields:
        if every.name in rows.text:
            label = rows.columns.label_of(every.name)
            said = options.units.get(every.name) or (options.units.get(label) if label else None)
            rows.units[every.name] = Units(rows.columns.units.get(every.name), head.unit or said)
    if rows.long is None:
        return
    value = rows.long.shape.value
    if domain.field(value).type == "money":
        rows.row_units[value] = rows.long.unit_of_row
        rows.units[value] = Units(None, rows.units[value].fallback)
    elif "unit" in domain.field_names and "unit" not in rows.text:
        rows.text["unit"] = rows.long.unit_of_row
