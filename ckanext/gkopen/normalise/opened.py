"""A file opened, its header found and matched, its rows loaded: all that is done for each file by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.checks.personal import judge, named
from ckanext.gkopen.derive.sheets import is_aside, is_rows
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.labels import clean, fold
from ckanext.gkopen.normalise.columns import Columns, ignored_labels, known_labels, match_columns, shape_labels
from ckanext.gkopen.normalise.halves import half_titles
from ckanext.gkopen.normalise.head import Head, find_head
from ckanext.gkopen.normalise.jsonrows import open_json
from ckanext.gkopen.normalise.raw import Beside, Body, Sheet, Source, refuse
from ckanext.gkopen.normalise.said import Around, speaks
from ckanext.gkopen.normalise.text import open_text
from ckanext.gkopen.normalise.workbook import NO_WORKBOOK, OLE_MAGIC, ZIP_MAGIC, open_workbook
from ckanext.gkopen.records import Finding, Options, Unreadable

_TITLES = 3
"""Lines at the top of a sheet that may be its title."""


@dataclass(slots=True)
class Opened:
    """`body`: the rows below the header; `findings`, `notes`, `beside`: what is said of the file so far; `around`: what
    the names of sheet and file and the titles of other sheets say."""

    options: Options
    head: Head
    columns: Columns
    body: Body
    sheet: str | None = None
    encoding: str | None = None
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    beside: list[Beside] = field(default_factory=list)
    around: tuple[Around, ...] = ()

    def alike(self) -> tuple[object, ...]:
        """What two files have in common whose rows may be read together: the same columns, meant in the same way."""
        said = self.options
        return (self.head.line > 0, tuple(self.head.labels), tuple(self.head.duplicates), self.head.unit, self.sheet,
                said.aside, self.around, tuple(item.text for item in self.head.above),
                *(tuple(sorted(each.items())) for each in (said.mapping, said.units, said.constants)))


Headers = dict[tuple[object, ...], tuple[Head, Columns]]
"""Headers that were matched before, for files that bring the same one."""


def open_rows(domain: Domain, path: Path, filename: str, options: Options, headers: Headers | None = None) -> Opened:
    """Raises Unreadable: what `open_file` refuses, no header, no such sheet, two columns that claim one field."""
    source = open_file(path, filename)
    findings = list(source.findings)
    sheet, head, columns = _header(domain, source, options, findings, headers)
    around = tuple(_around(domain, source, sheet, filename))
    body = sheet.load(head.skip, len(head.labels))
    findings += body.findings  # of this file, also where its rows are read together with those of others
    source.sheets.clear()  # what was loaded need not be kept twice
    return Opened(options, head, columns, body, sheet.name, source.encoding, findings, list(source.notes),
                  [*source.beside, *head.above], around)


def _around(domain: Domain, source: Source, chosen: Sheet, filename: str) -> Iterator[Around]:
    """Names and titles that name a year, or a code that titles have."""
    if chosen.name is None:
        texts = [("file", Path(filename).stem)]
    else:
        others = [clean(cell) for sheet in source.sheets if sheet is not chosen and not _aside(sheet)
                  for cell in (sheet.name or "", *(cell for _, cells in sheet.preview[:_TITLES] for cell in cells))]
        texts = [("sheet", chosen.name), *(("other-sheet", text) for text in dict.fromkeys(others)),
                 ("file", Path(filename).stem)]
    yield from (Around(place, text) for place, text in texts if speaks(domain, text))


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
        raise refuse("workbook-broken", reason=NO_WORKBOOK)
    if suffix in (".json", ".jsonl", ".ndjson") or opening[:2] in (b'{"', b"[{", b"{}", b"[]") or opening[:1] == b"{":
        return open_json(path)
    return open_text(path)


def _header(domain: Domain, source: Source, options: Options, findings: list[Finding],
            headers: Headers | None) -> tuple[Sheet, Head, Columns]:
    """Where the labels are given (JSON), nothing is to be found: files with the same labels are matched once."""
    key = None
    if headers is not None and len(source.sheets) == 1 and source.sheets[0].labelled and source.sheets[0].preview:
        key = (tuple(source.sheets[0].preview[0][1]), options.sheet, tuple(sorted(options.mapping.items())))
    if headers is not None and key in headers:
        head, columns = headers[key]
        return source.sheets[0], head, _copy(columns)
    sheet, head = _choose(domain, source, options, findings)
    _no_person(head)
    columns = match_columns(domain, head.labels, head.duplicates, options, head.levels)
    if headers is not None and key is not None:
        headers[key] = head, _copy(columns)
    return sheet, head, columns


def _copy(columns: Columns) -> Columns:
    """What is found out about one file's columns later is not said of another's."""
    return replace(columns, field_at=[*columns.field_at], levels=[*columns.levels], findings=[*columns.findings])


def _no_person(head: Head) -> None:
    """A label is shown and published: a row of data that was taken for the header must not bring a person's data."""
    kinds = sorted(set().union(*map(judge, head.labels)))
    if kinds:
        raise refuse("personal-in-header", line=head.line, kind=named(kinds))


def _aside(sheet: Sheet) -> bool:
    return is_aside(sheet.name, sheet.preview[0][1] if sheet.preview else ())


def _choose(domain: Domain, source: Source, options: Options, findings: list[Finding]) -> tuple[Sheet, Head]:
    """The sheet that was asked for, else the one whose header names the most columns; others are reported."""
    fields = set(known_labels(domain, options.mapping))
    known = fields | ignored_labels(domain) | shape_labels(domain)
    sheets = [sheet for sheet in source.sheets if sheet.name == options.sheet
              or (options.sheet is None and not _aside(sheet))]
    if not sheets:
        if any(is_rows(sheet.name, sheet.preview[0][1] if sheet.preview else ()) for sheet in source.sheets):
            raise refuse("corrections-generated")
        names = [sheet.name or "" for sheet in source.sheets]
        raise refuse("sheet-missing", name=options.sheet or "", sheets=names) if names else refuse("file-empty")
    candidates: list[tuple[int, Sheet, Head]] = []
    refused: list[Unreadable] = []
    for sheet in sheets:
        try:
            head = find_head(sheet, known, fields, {*map(fold, half_titles(domain))})
        except Unreadable as error:
            refused.append(error)
            continue
        candidates.append((sum(fold(label) in known for label in head.labels), sheet, head))
    if not candidates:
        raise refused[0]
    best = max(candidates, key=lambda item: item[0])
    for sheet in source.sheets:
        if sheet is not best[1] and not _aside(sheet):
            findings.append(Finding("sheet-left-out", severity_of("sheet-left-out"), sheet=sheet.name,
                                    params={"name": sheet.name or "", "used": best[1].name or ""}))
    return best[1], best[2]
