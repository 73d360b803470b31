"""XLSX and XLS → rows of text. Numbers as Excel shows them (15 digits), dates as ISO, merged cells resolved.

The file is judged before it is opened: a workbook is a zip of XML and can hold bombs, entities and empty oceans.
"""

from __future__ import annotations

import itertools
import re
import zipfile
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from ckanext.gkopen.checks.personal import judge
from ckanext.gkopen.labels import is_unit, narrow
from ckanext.gkopen.records import Finding

from .formula_errors import Errors, by_sheet, column_number, formula_errors
from .hidden import Hidden, find_hidden, say_hidden
from .percents import Percents, find_percents, percent_styles, shown_in_percent
from .raw import MAX_COLUMNS, MAX_WORKBOOK_BYTES, PREVIEW_ROWS, Beside, Body, Collector, Sheet, Source, refuse

OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP_MAGIC = b"PK\x03\x04"
_UNPACKED_LIMIT = 1 << 30
_RATIO_LIMIT = 250
_CELL_LIMIT = 40_000_000
_WIDE = re.compile(rb'r="([A-Z]{2,})\d')
_ROW = re.compile(rb'<(?:\w{1,20}:)?row [^<>]{0,400}?\br="(\d{1,9})"')
_FIGURE = re.compile(r"^[(¥]?[-+−(]?[¥]?\d[\d,]*(?:\.\d+)?\s*\(?(?P<unit>[^\d\s()]{0,6})\)*$")
_STYLES = "xl/styles.xml"
_BEYOND = Decimal(10) ** 15
"""From here on a cell does not hold all digits of its number any more."""
_MOST_STYLES = 64 << 20
"""Bytes of all styles of a workbook."""

NO_WORKBOOK = {"zh": "里面既不是 XLSX，也不是 XLS", "en": "neither XLSX nor XLS inside"}


@dataclass(slots=True)
class Inside:
    """What the XML of a sheet says and python-calamine does not."""

    errors: Errors = field(default_factory=dict)
    hidden: Hidden = field(default_factory=Hidden)
    percents: Percents = field(default_factory=dict)


def _reason(error: Exception) -> dict[str, str]:
    """Why a workbook cannot be opened: libraries say it in English only."""
    return {"zh": "文件结构不完整或者已损坏", "en": str(error)[:200]}


def open_workbook(path: Path) -> Source:
    """Raises Unreadable: password, broken, bomb, entities, too large, HTML under a workbook's name."""
    if path.stat().st_size > MAX_WORKBOOK_BYTES:
        raise refuse("file-too-large", size=path.stat().st_size, limit=MAX_WORKBOOK_BYTES)
    with path.open("rb") as file:
        start = file.read(8)
        inside: dict[str, Inside] = {}
        if start == OLE_MAGIC:
            everything = start + file.read()
            if "EncryptedPackage".encode("utf-16-le") in everything:
                raise refuse("workbook-password")
        elif start[:4] == ZIP_MAGIC:
            inside = _inspect_zip(path)
        else:
            raise refuse("workbook-broken", reason=NO_WORKBOOK)
    try:
        book = CalamineWorkbook.from_path(str(path))
    except (CalamineError, OSError, ValueError) as error:
        if "password" in str(error).lower():
            raise refuse("workbook-password") from None
        raise refuse("workbook-broken", reason=_reason(error)) from None
    named = by_sheet(path, inside)
    source = Source([])
    for meta in book.sheets_metadata:
        if meta.typ != SheetTypeEnum.WorkSheet:
            continue
        if meta.visible != SheetVisibleEnum.Visible:
            source.findings.append(Finding("sheet-hidden", "warning", sheet=meta.name, params={"name": meta.name}))
            source.beside += _hidden(book, meta.name)
            continue
        try:
            sheet = book.get_sheet_by_name(meta.name)
        except (CalamineError, OSError, ValueError) as error:
            raise refuse("workbook-broken", reason=_reason(error), sheet=meta.name) from None
        if sheet.height and sheet.width:
            source.sheets.append(_sheet(sheet, named.get(meta.name, Inside())))
    return source


def _hidden(book: CalamineWorkbook, name: str) -> list[Beside]:
    """The cells of a sheet that is not read: personal data can lie there too."""
    try:
        rows = book.get_sheet_by_name(name).iter_rows()
        return [Beside("hidden-sheet", _text(value), line, sheet=name)
                for line, cells in enumerate(rows, 1) for value in cells if value not in ("", None)]
    except (CalamineError, OSError, ValueError) as error:
        raise refuse("workbook-broken", reason=_reason(error), sheet=name) from None


def _inspect_zip(path: Path) -> dict[str, Inside]:
    """Name of a part that is a sheet → what its XML says."""
    found: dict[str, Inside] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries if not entry.is_dir()]
            if not any(name.startswith(("xl/", "[Content_Types]")) or name == "content.xml" for name in names):
                spelt = (_spelt(entry)[:100] for entry in entries if not entry.is_dir())
                raise refuse("archive-as-table", count=len(names),
                             names=list(itertools.islice((name for name in spelt if not judge(name)), 5)))
            unpacked = sum(entry.file_size for entry in entries)
            for entry in entries:
                ratio = entry.file_size / max(entry.compress_size, 1)
                if entry.flag_bits & 1:
                    raise refuse("workbook-password")
                if entry.file_size > 16 << 20 and ratio > _RATIO_LIMIT:
                    raise refuse("zip-bomb", name=entry.filename, ratio=round(ratio))
            if unpacked > _UNPACKED_LIMIT or len(entries) > 10_000:
                raise refuse("zip-bomb", name=path.name, ratio=round(unpacked / max(path.stat().st_size, 1)))
            styles = _percent_styles(archive) if _STYLES in names else frozenset()
            for entry in entries:
                if entry.filename.endswith((".xml", ".rels", ".vml")):
                    inside = _inspect_entry(archive, entry, styles)
                    if "worksheets/" in entry.filename:
                        found[entry.filename] = inside
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError) as error:
        raise refuse("workbook-broken", reason=_reason(error)) from None
    return found


def _percent_styles(archive: zipfile.ZipFile) -> frozenset[bytes]:
    size = archive.getinfo(_STYLES).file_size
    if size > _MOST_STYLES:
        raise refuse("zip-bomb", name=_STYLES, ratio=round(size / max(archive.getinfo(_STYLES).compress_size, 1)))
    return percent_styles(archive.read(_STYLES))


def _spelt(entry: zipfile.ZipInfo) -> str:
    """A file's name in an archive; archives made on Chinese Windows write GB18030 without saying so."""
    if entry.flag_bits & 0x800:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("gb18030")
    except UnicodeError:
        return entry.filename


def _inspect_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, styles: frozenset[bytes]) -> Inside:
    """Streamed: entities, more bytes than declared (zipfile checks the sum), and a grid that is mostly nothing."""
    is_sheet = "worksheets/" in entry.filename
    last_row, widest, tail = 0, 26, b""
    inside = Inside()
    with archive.open(entry) as stream:
        while block := stream.read(4 << 20):
            text = tail + block
            if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
                raise refuse("xml-entities", name=entry.filename)
            if is_sheet:
                rows = [int(match) for match in _ROW.findall(text)]
                last_row = max([last_row, *rows])
                widest = max([widest, *(column_number(match) for match in set(_WIDE.findall(text)))])
                inside.errors |= formula_errors(text)
                find_hidden(text, inside.hidden)
                find_percents(text, styles, inside.percents)
            tail = text[-2048:]
    if widest > MAX_COLUMNS:
        raise refuse("too-many-columns", columns=widest, limit=MAX_COLUMNS)
    if last_row * widest > _CELL_LIMIT:
        raise refuse("sheet-too-large", rows=last_row, columns=widest, limit=_CELL_LIMIT)
    return inside


def _sheet(sheet: CalamineSheet, inside: Inside) -> Sheet:
    if sheet.width > MAX_COLUMNS:
        raise refuse("too-many-columns", columns=sheet.width, limit=MAX_COLUMNS, sheet=sheet.name)
    merged = _merged(sheet)
    height, width = (last + 1 for last in sheet.end or (-1, -1))  # sheet.height leaves out blank rows above
    findings = list(say_hidden(inside.hidden, sheet.name, width, height))
    percents, errors = shown_in_percent(inside.percents, height), inside.errors

    def rows(first: int, last: int | None = None):
        fill: dict[tuple[int, int], str] = {}
        for index, values in enumerate(sheet.iter_rows()):
            if last is not None and index >= last:
                return
            cells = [_text(value) for value in values]
            for column, shown in percents.items():
                if column < len(cells) and shown[index]:
                    cells[column] = _text(values[column], True)
            for column in range(len(cells)):
                cells[column] = errors.get((index, column), cells[column])
                origin = merged.get((index, column))
                if origin is None:
                    continue
                if origin == (index, column):
                    fill[origin] = cells[column]
                elif _numeric(fill.get(origin, "")) and index >= first:
                    if last is None:
                        findings.append(Finding("merged-number", "warning", line=index + 1, sheet=sheet.name,
                                                params={"column": column + 1}))
                elif origin[0] >= first or last is not None:
                    cells[column] = fill.get(origin, "")
            if index >= first:
                yield index + 1, cells

    def load(skip: int, width: int) -> Body:
        collector = Collector(width)
        first = preview[skip][0] - 1 if skip < len(preview) else height
        for line, cells in rows(first):
            if any(cells):
                collector.add(line, cells)
        body = collector.finish()
        body.findings = findings
        return body

    preview = [(line, cells) for line, cells in rows(0, PREVIEW_ROWS * 2) if any(cells)][:PREVIEW_ROWS]
    return Sheet(preview, load, sheet.name)


def _merged(sheet: CalamineSheet) -> dict[tuple[int, int], tuple[int, int]]:
    """Each cell of a merged range → the range's first cell, which holds the value."""
    origins: dict[tuple[int, int], tuple[int, int]] = {}
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or []:
        if (bottom - top + 1) * (right - left + 1) > 100_000:
            continue
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                origins[row, column] = (top, left)
    return origins


def _numeric(text: str) -> bool:
    """A figure, also one that is typed as a text: 1,234.50, 12万元, 63.72%, 120个. 2024年 is none."""
    match = _FIGURE.match(narrow(text)) if text else None
    return match is not None and (not match["unit"] or (is_unit(match["unit"]) and match["unit"] != "日"))


def _text(value: Any, percent: bool = False) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        number = Decimal(format(value, ".15g"))
        if abs(number) >= _BEYOND:
            return format(number.normalize(), "E")        # as Excel shows it: what its last digits were nobody knows
        if percent:
            number *= 100
        text = format(number, "f")
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return text + "%" if percent else text
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return "" if value is None else str(value)
