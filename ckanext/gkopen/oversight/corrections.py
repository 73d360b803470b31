"""A workbook of corrections (待改正表): the officer's own workbook with its bad cells marked, or one that is generated.

The officer's own XLSX comes back as it was sent, but without what could do harm: formulas are replaced by the values
that they showed, macros, links to other files, names, images and external data are left out. A large one is copied row
by row, so that memory stays bounded. A CSV or XLS comes back as a workbook of all its rows: mended, it can be submitted
as it is. Large ones, JSON and harvested tables get a workbook with the rows that were set aside, which says where they
are mended and cannot be submitted.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, cast

from openpyxl import load_workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.cell.cell import ERROR_CODES
from openpyxl.utils import get_column_letter
from openpyxl.workbook import Workbook
from openpyxl.worksheet.datavalidation import DataValidationList

from ckanext.gkopen import blobs, model, reports
from ckanext.gkopen.checks.personal import context_of, judge
from ckanext.gkopen.derive.sheets import ROWS, ROWS_COLUMNS, is_aside, is_findings
from ckanext.gkopen.labels import fold
from ckanext.gkopen.normalise.opened import open_file
from ckanext.gkopen.normalise.raw import Sheet
from ckanext.gkopen.oversight import book as look
from ckanext.gkopen.records import Unreadable

WHOLE_BYTES = 12 << 20
"""Unpacked bytes of sheets up to which a workbook is loaded as a whole and keeps its look (about 150,000 cells); bytes
of a CSV or XLS up to which it becomes one."""
MOST_BYTES = 400 << 20
HEAD_ROWS = 40
SAMPLE = 20
"""Rows whose labels tell which row of a sheet is its header."""
REFUSED = {"zip-bomb", "xml-entities", "workbook-broken", "workbook-password", "file-too-large", "sheet-too-large",
           "too-many-columns", "markup-as-table"}
"""A file that the reader would not open is not opened here either."""
_NOT_IN_NAMES = re.compile(r"[\\*?:/\[\]\x00-\x1f]")
"""What the name of a sheet cannot have."""

Found = Callable[[], Iterable[Mapping[str, Any]]]
"""All findings, in order; asked for more than once, so that they are never held in memory together."""


Rows = Callable[[], Iterable[Mapping[str, Any]]]
"""Rows that were set aside: each with body, line, kind and row (label → text)."""


def write(target: Path, findings: Found, rows: Rows, raw: bytes | None = None, filename: str = "") -> str:
    """Write the workbook; returns `own`, `own-large`, `own-rows` or `generated`: which of the four it became."""
    codes = {finding["code"] for finding in findings()}
    header = list(dict.fromkeys(label for labels in (
        *(each["row"] for each in islice(rows(), SAMPLE)), [finding["label"] for finding in findings()])
        for label in labels if label))
    size = _sheet_bytes(raw) if raw is not None and not codes & REFUSED else None
    marks = look.marks_of(findings())
    if raw is not None and size is not None and size <= MOST_BYTES:
        try:
            if size <= WHOLE_BYTES:
                _own(target, raw, findings, marks, header)
                return "own"
            _own_large(target, raw, findings, marks, header)
            return "own-large"
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OSError, zipfile.BadZipFile):
            pass                                          # openpyxl knows less of workbooks than their reader does
    if raw is not None and size is None and not codes & REFUSED and len(raw) <= WHOLE_BYTES and _own_rows(
            target, raw, filename, findings, marks, header):
        return "own-rows"
    _generated(target, findings, marks, rows)
    return "generated"


def raw_of(revision_id: str) -> tuple[bytes, str] | None:
    """The file as it was sent, and its name; None where a part that it speaks of was withdrawn: its content is shown to
    nobody."""
    row = model.one(
        "select s.raw_sha256, s.filename from gkopen.revision r join gkopen.submission s on s.id = r.submission_id"
        " where r.id = :id and s.raw_sha256 is not null and not exists"
        " (select 1 from gkopen.revision_part p join gkopen.revision_part other on other.part = p.part"
        "  join gkopen.revision o on o.id = other.revision_id and o.dataset_id = r.dataset_id"
        "  where p.revision_id = r.id and gkopen.is_sealed(r.dataset_id, other.new_sha256))"
        " and not exists (select 1 from gkopen.dataset d where d.id = r.dataset_id and d.state = 'withdrawn')",
        id=revision_id)
    try:
        return (blobs.read(row["raw_sha256"]), row["filename"] or "") if row else None
    except (blobs.Sealed, blobs.Missing):
        return None


def _sheet_bytes(raw: bytes) -> int | None:
    """Unpacked size of a workbook's XML; None for what is no XLSX."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            names = archive.namelist()
            if "xl/workbook.xml" not in names:
                return None
            return sum(entry.file_size for entry in archive.infolist() if entry.filename.endswith(".xml"))
    except zipfile.BadZipFile:
        return None


def _own(target: Path, raw: bytes, findings: Found, marks: look.Marks, header: list[str]) -> None:
    book = load_workbook(io.BytesIO(raw), data_only=True, keep_vba=False, keep_links=False)
    for name in list(book.defined_names):
        del book.defined_names[name]
    for sheet in book.worksheets:
        if _is_list(sheet):                               # of an earlier round: this one gets its own
            book.remove(sheet)
        else:
            _harmless(sheet)
    for sheet in book.worksheets:
        places = _places(sheet.iter_rows(max_row=HEAD_ROWS, values_only=True), header)
        cells: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
        for line, findings_here in _of_sheet(marks, sheet.title, book.worksheets[0].title).items():
            for column, found in _by_column(findings_here, places).items():
                cells.setdefault(_origin(sheet, line, column + 1), []).extend(found)
        for place, found in cells.items():                # of a merged cell the findings of all its lines
            look.mark(cast(Cell, sheet.cell(*place)), found)
    look.add_list(book, findings())
    book.save(target)


def _harmless(sheet: Any) -> None:
    """Text stays text, and what computes, fetches or is drawn goes."""
    for row in sheet.iter_rows():
        for cell in row:
            if getattr(cell, "data_type", "n") == "f":
                look.put_text(cell, cell.value)
            if isinstance(cell, Cell):                    # of a merged range only the first one
                look.unmark(cell)
            if getattr(cell, "hyperlink", None) is not None:
                cell.hyperlink = None
    for name in list(sheet.defined_names):
        del sheet.defined_names[name]
    sheet.data_validations = DataValidationList()
    sheet.conditional_formatting = type(sheet.conditional_formatting)()
    sheet.legacy_drawing = None
    sheet._images, sheet._charts, sheet._pivots = [], [], []


def _is_list(sheet: Any) -> bool:
    return is_findings(sheet.title, next(sheet.iter_rows(max_row=1, values_only=True), ()))


def _origin(sheet: Any, line: int, column: int) -> tuple[int, int]:
    """The cell of a merged range that holds its value."""
    for area in sheet.merged_cells.ranges:
        if area.min_row <= line <= area.max_row and area.min_col <= column <= area.max_col:
            return area.min_row, area.min_col
    return line, column


def _own_large(target: Path, raw: bytes, findings: Found, marks: look.Marks, header: list[str]) -> None:
    source = load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
    made = Workbook(write_only=True)
    sheets = [sheet for sheet in source.worksheets if not _is_list(sheet)]
    for sheet in sheets:
        places = _places(sheet.iter_rows(max_row=HEAD_ROWS, values_only=True), header)
        marked = _of_sheet(marks, sheet.title, sheets[0].title)
        copy = made.create_sheet(sheet.title)
        for number, row in enumerate(sheet.iter_rows(), 1):
            copy.append(list(_copied(copy, row, _by_column(marked.get(number, ()), places))))
    source.close()
    look.add_list(made, findings())
    made.save(target)


def _own_rows(target: Path, raw: bytes, filename: str, findings: Found, marks: look.Marks, header: list[str]) -> bool:
    """All rows of a CSV or XLS, as texts. False, and nothing is written, for what is none, and for a cell that is
    longer than those of a workbook: it would come back cut."""
    path = target.with_name("raw")
    path.write_bytes(raw)
    try:
        sheets = [sheet for sheet in open_file(path, filename).sheets
                  if not is_aside(sheet.name, sheet.preview[0][1] if sheet.preview else ())]
    except Unreadable:
        return False
    places = [_places((cells for _, cells in sheet.preview), header) for sheet in sheets]
    if not any(places) or any(sheet.labelled for sheet in sheets):
        return False
    made = Workbook(write_only=True)
    for sheet, of_labels in zip(sheets, places, strict=True):
        # What the file's name says of the table (a year, say) the sheet's name says now.
        copy = made.create_sheet(sheet.name or _NOT_IN_NAMES.sub(" ", Path(filename).stem)[:31].strip("' ") or "数据")
        marked = _of_sheet(marks, sheet.name or "", sheets[0].name or "")
        for line, cells in _lines(sheet):
            if any(len(cell) > look.CELL_LENGTH for cell in cells):
                return False
            found = _by_column(marked.get(line, ()), of_labels)
            row = [look.text_cell(copy, cell) for cell in [*cells, *[""] * (max(found, default=-1) + 1 - len(cells))]]
            for index, each in found.items():
                look.mark(row[index], each)
            copy.append(row)
    look.add_list(made, findings())
    made.save(target)
    return True


def _lines(sheet: Sheet) -> Iterator[tuple[int, list[str]]]:
    """All rows of a sheet, with the line of each."""
    body = sheet.load(0, max((len(cells) for _, cells in sheet.preview), default=0))
    rows = body.cells or zip(*(column.to_pylist() for column in body.columns), strict=True)
    for place, (line, cells) in enumerate(zip(body.lines.tolist(), rows, strict=True)):
        yield line, [*cells, *body.surplus.get(place, ())]


def _copied(sheet: Any, row: Iterable[Any], marked: Mapping[int, list[Mapping[str, Any]]]) -> Iterator[Cell]:
    cells = list(row)
    for index in range(max(len(cells), max(marked, default=-1) + 1)):
        old = cells[index] if index < len(cells) else None
        value = old.value if old is not None else None
        cell = WriteOnlyCell(sheet)
        if isinstance(value, str) and value not in ERROR_CODES:
            look.put_text(cell, value)
        else:
            cell.value = value
            if old is not None and value is not None and old.number_format != "General":
                cell.number_format = old.number_format
        if index in marked:
            look.mark(cell, marked[index])
        yield cell


def _of_sheet(marks: look.Marks, name: str, first: str) -> look.Marks:
    """The marks of one sheet; a finding that names none is about the first."""
    found = {line: [finding for finding in each if (finding["sheet"] or first) == name]
             for line, each in marks.items()}
    return {line: each for line, each in found.items() if each}


def _by_column(findings: Iterable[Mapping[str, Any]], places: Mapping[str, int]) -> dict[int, list[Mapping[str, Any]]]:
    """Index of a column → findings of a line; what names no column that is found stands at the first."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for label, each in look.by_label(findings).items():
        found.setdefault(places.get(label, 0), []).extend(each)
    return found


def _places(rows: Iterable[Iterable[Any]], header: list[str]) -> dict[str, int]:
    """Folded label → index of its column, from the row that holds the most labels; two rows of headings are joined."""
    wanted = {fold(label) for label in header}
    best: dict[str, int] = {}
    above: list[str] = []
    for row in rows:
        texts = [fold(str(value)) if value is not None else "" for value in row]
        found: dict[str, int] = {}
        for index, text in enumerate(texts):
            up = next((above[i] for i in range(min(index, len(above) - 1), -1, -1) if above[i]), "") if above else ""
            for name in (text, up + text):
                if name in wanted:
                    found.setdefault(name, index)
        if len(found) > len(best):
            best = found
        above = texts
    return best


def _generated(target: Path, findings: Found, marks: look.Marks, rows: Rows) -> None:
    """The rows that were set aside, as their source printed them; cells with personal data are left out. Handed in as a
    table it is refused (`corrections-generated`)."""
    made = Workbook(write_only=True)
    sheet = made.create_sheet(ROWS)
    labels = list({fold(label): label for label in dict.fromkeys(
        label for each in rows() for label in each["row"])}.values())
    folded = {fold(label): index for index, label in enumerate(labels)}
    sheet.freeze_panes = "C2"
    for index in range(len(labels) + 2):
        sheet.column_dimensions[get_column_letter(index + 1)].width = 26 if index == 0 else 10 if index == 1 else 20
    sheet.append([look.text_cell(sheet, title, bold=True) for title in (*ROWS_COLUMNS, *labels)])
    for each in rows():
        if each["kind"] == "bad":
            sheet.append(_set_aside(sheet, each, folded, marks))
    look.add_list(made, findings())
    made.save(target)


def _set_aside(sheet: Any, each: Mapping[str, Any], folded: Mapping[str, int], marks: look.Marks) -> list[Any]:
    body, file = each.get("body"), each.get("file")       # in a run, lines of several tables bear the same number
    here = [finding for finding in marks.get(each["line"], ())
            if (not body or finding.get("body") in (body, None)) and finding.get("file") in (file, None)]
    cells = [look.text_cell(sheet, " ".join(filter(None, (body, file)))), WriteOnlyCell(sheet, each["line"])]
    cells += [WriteOnlyCell(sheet) for _ in folded]
    for label, value in shown_row(each["row"], here).items():
        look.put_text(cells[folded[fold(label)] + 2], value)
    for column, found in _by_column(here, {label: index + 2 for label, index in folded.items()}).items():
        look.mark(cells[column or 1], found)
    return cells


def in_order(row: Mapping[str, Any], header: Iterable[str] | None) -> dict[str, Any]:
    """A row with its columns as the source has them; PostgreSQL keeps no order of its own."""
    return {label: row[label] for label in [*(label for label in header or () if label in row), *row]}


def shown_row(row: Mapping[str, Any], findings: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """A row that was set aside without its personal data: the cells that the privacy gate named are hidden, and those
    that it never saw (of a row that belongs to no dataset, or beyond the last column) are looked through here."""
    here = list(findings)
    hidden = {fold(finding["label"]) for finding in here
              if finding["code"].startswith(look.PERSONAL) and finding["label"]}
    unseen = any(finding["code"] in (reports.BODY_UNKNOWN, reports.BODY_FOREIGN) for finding in here)

    def shown(label: str, value: Any) -> str:
        if value in (None, ""):
            return ""
        secret = fold(label) in hidden or ((unseen or label.startswith("+")) and judge(
            str(value), context_of(label, "none")))
        return look.HIDDEN if secret else str(value)

    return {label: shown(label, value) for label, value in row.items()}
