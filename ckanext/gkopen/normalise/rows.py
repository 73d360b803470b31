"""Opened files → the rows that are data, under the fields of the domain, as text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.codes import fold as fold_code
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.labels import fold, narrow, split_label
from ckanext.gkopen.normalise.amounts import Units
from ckanext.gkopen.normalise.cells import empty, flat, side_by_side
from ckanext.gkopen.normalise.columns import (
    Columns,
    contract,
    ignored_labels,
    one_heading_a_row,
    one_rank_a_row,
    one_time_a_row,
    require_columns,
)
from ckanext.gkopen.normalise.halves_totals import mark_halves
from ckanext.gkopen.normalise.head import Head
from ckanext.gkopen.normalise.one_table import one_table
from ckanext.gkopen.normalise.opened import Opened, open_rows
from ckanext.gkopen.normalise.places import cut_codes, move_codes, unit_column, whole_codes
from ckanext.gkopen.normalise.raw import Apart, Body, in_columns, refuse
from ckanext.gkopen.normalise.second_look import NOT_STATED
from ckanext.gkopen.normalise.shapes import Layout, find_layout, labels_beside
from ckanext.gkopen.normalise.titles import from_title
from ckanext.gkopen.normalise.totals import take_totals
from ckanext.gkopen.normalise.trim import lines_across, trim_body
from ckanext.gkopen.normalise.turning import Long, silent, turn
from ckanext.gkopen.normalise.years import year_field, year_of_table
from ckanext.gkopen.records import Finding, Options

_NAMED = 5
_LOOK = 12
_MARKS_DELETED = re.compile(
    r"(?:逻辑)?删除(?:标[志识记]|状态)?|是否(?:已)?(?:逻辑)?(?:删除|有效|作废|注销)|(?:有效|作废|注销)(?:标[志识记]|状态)"
    r"|操作(?:标[志识记]|类型)|(?:cd_?)?oper(?:ation|ate)?(?:_?(?:type|flag))?|(?:is_?)?del(?:eted?)?(?:_?(?:flag|mark|status))?"
    r"|is_?valid|valid_?flag|sfyx|sfsc|sfzx|yxbz|scbz|zxbz|czbz")
"""Folded labels of columns in which tables of exchange platforms say that a row is deleted, void, or gone since."""
_A_FIGURE = "[0-9０-９零〇一二三四五六七八九十壹贰叁肆伍陆柒捌玖拾佰仟]"


@dataclass(slots=True)
class Rows:
    """`texts`: the source's columns as printed; `lines`: of its rows. `take`: source row of each row to be typed.

    `text`: field → cells by row to be typed; `row_units`: field → unit by row.
    `units`: money field → what its label and the table say.
    `structure`: finding code → source rows that cannot be trusted as cut; `surplus`: source row → its further cells.
    `files`: whose rows they are, one below the other; `bounds`: first row to be typed of each, and their number.
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
    files: list[Opened] = field(default_factory=list)
    bounds: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))

    def labels(self) -> dict[str, str]:
        """Field → label of the column that brought it."""
        return {name: label for label, name in self.columns.header().items() if name is not None}


def read_rows(domain: Domain, path: Path, filename: str, options: Options) -> Rows:
    """Raises Unreadable: what `open_rows` refuses, no rows, required columns missing."""
    return rows_of(domain, [open_rows(domain, path, filename, options)])


def rows_of(domain: Domain, files: list[Opened]) -> Rows:
    """The rows of files that are `alike`, one file below the other. Raises Unreadable; of several files Apart."""
    body, bounds = joined(files)
    first = files[0]
    columns, head, options = first.columns, first.head, first.options
    trimmed = trim_body(body, head, bounds)
    keep = trimmed.keep
    one_table(domain, body, head, trimmed.repeated, keep)
    for number, file in enumerate(files):
        file.findings[:] = [each for each in file.findings if not _of_numbers(domain, columns, each)]
        file.notes += trimmed.notes[number]
        file.beside += trimmed.footnotes[number]
        if number in trimmed.doubtful:
            line, count = trimmed.doubtful[number]
            file.findings.append(Finding("row-of-numbers", severity_of("row-of-numbers"), line=line, sheet=file.sheet,
                                         params={"count": count}))
    if (empty_ones := np.flatnonzero(_counted(keep, bounds) == 0)).size:
        if len(files) > 1:
            raise Apart(map(int, empty_ones))
        raise refuse("no-rows", sheet=first.sheet)
    whole = len(keep) == len(body.lines)
    columns_left = dict(enumerate(body.columns))
    body.columns.clear()

    def joined_column(index: int) -> pa.Array:
        column = flat(columns_left.pop(index))  # the chunks are let go as soon as they are joined
        return column if whole else column.take(pa.array(keep))

    texts = list(side_by_side(joined_column, list(columns_left), len(keep)))
    lines = body.lines[keep]
    bounds = np.concatenate([[0], np.cumsum(_counted(keep, bounds))])
    cut = cut_codes(domain, columns)
    if cut and len(files) > 1:  # a piece that is left out is that of the line above, and of the same file
        raise Apart(range(len(files)))
    codes = {name: whole_codes([texts[place] for place in places]) for name, places in cut.items()}
    totals = take_totals(domain, columns, texts, lines, first.notes, bounds, codes)
    if len(totals.drop):
        left = np.setdiff1d(np.arange(len(lines)), totals.drop)
        codes = {name: code.take(pa.array(left)) for name, code in codes.items()}
        texts, lines, keep = [text.take(pa.array(left)) for text in texts], lines[left], keep[left]
        bounds = np.array([0, len(lines)])
    structure, surplus = _structure(body, keep, len(columns.labels))
    if domain.sections is None and (across := lines_across(texts)).size:
        structure["row-across"] = across
    unit_column(domain, columns, texts)
    year = year_of_table(domain, first, texts)
    columns.pieces = frozenset(place for each in cut.values() for place in each)
    layout = find_layout(domain, columns, year)
    if layout is not None:
        if len(files) > 1:
            raise Apart(range(len(files)))
        own = {name for index, name in enumerate(columns.field_at) if index not in layout.turned}
        if domain.halves is None and layout.label in own:
            _told_by_column(domain, columns, layout)
        columns.field_at = [None if name == layout.value and index not in layout.turned else name
                            for index, name in enumerate(columns.field_at)]  # its figures are no measure: said
        for index in layout.rows:
            columns.field_at[index] = layout.value
        if domain.halves is not None and layout.label is not None and domain.halves.name not in columns.field_at:
            columns.field_at = [domain.halves.name if name == layout.label else name for name in columns.field_at]
    elif columns.halves:
        labels = [columns.labels[index] for half in columns.halves for index in half.columns()]
        raise refuse("header-duplicate", label=labels[0], labels=labels)
    unknown_columns = _unknown(domain, columns, texts, bounds, layout, first.options)
    for number, file in enumerate(files):
        file.findings += [*columns.findings, *unknown_columns[number], *(totals.findings if not number else ()),
                          *contract(columns, domain, file.options, labelled=not file.head.line)]
    rows = Rows(columns, texts, lines, np.arange(len(lines)), {}, {}, {}, structure, surplus, None, first.sheet,
                files, bounds)
    if layout is not None:
        whole_rows = np.unique(np.concatenate(list(structure.values()))) if structure else np.empty(0, np.int64)
        _figures_in_columns(columns, texts, layout)
        rows.long = turn(layout, columns, texts, whole_rows, None if year else year_field(domain))
        first.findings += _dashes(layout, columns, texts, lines)
        rows.take = rows.long.take
        rows.bounds = np.array([0, len(rows.take)])
    _under_fields(domain, rows, options)
    for name, code in codes.items():
        rows.text[name] = code if rows.long is None else code.take(pa.array(rows.take))
    for name, cells in totals.names.items():
        rows.text[name] = cells if rows.long is None else cells.take(pa.array(rows.take))
    move_codes(domain, rows.text)
    if rows.long is not None and columns.halves and "is_total" in domain.field_names:
        first.findings += mark_halves(domain, rows.long, lines, columns.labels, rows.text)
    if totals.marks is not None:
        rows.text["is_total"] = totals.marks if rows.long is None else totals.marks.take(pa.array(rows.take))
    from_title(domain, rows, options)
    unknown = [label for label, name in columns.header().items() if name is None]
    if layout is None:
        one_time_a_row(domain, columns, unknown, first.sheet)
        one_rank_a_row(unknown, first.sheet)
        one_heading_a_row(domain, columns, first.sheet)
    require_columns(domain, set(rows.text), unknown, options, texts[0].slice(0, _LOOK).to_pylist() if texts else [])
    _units(domain, rows, head, options)
    return rows


def _of_numbers(domain: Domain, columns: Columns, finding: Finding) -> bool:
    """Is it about merged figures of a column that is left out without a word? 序号 is merged with its lines."""
    place = finding.params.get("column")
    return finding.code == "merged-number" and isinstance(place, int) and place <= len(columns.labels) and (
        fold(columns.labels[place - 1]) in ignored_labels(domain))


def labelled_rows(domain: Domain, path: Path, filename: str, options: Options, most: int) -> list[dict[str, str]]:
    """The first rows of a file, label → text. Raises Unreadable: what `open_rows` refuses."""
    file = open_rows(domain, path, filename, options)
    body, bounds = joined([file])
    keep = pa.array(trim_body(body, file.head, bounds).keep[:most])
    cells = [flat(column).take(keep).to_pylist() for column in body.columns]
    return [dict(zip(file.head.labels, row, strict=True)) for row in zip(*cells, strict=True)]


def joined(files: list[Opened]) -> tuple[Body, np.ndarray]:
    """The bodies of files of the same columns as one, and the first row of each (and the number of all rows)."""
    bodies = [file.body for file in files]
    bounds = np.cumsum([0, *(len(body.lines) for body in bodies)])
    columns = in_columns(bodies, len(files[0].head.labels))
    if len(bodies) == 1:
        return replace(bodies[0], columns=columns), bounds
    shift = list(zip(bounds.tolist(), bodies, strict=False))
    return Body(columns, np.concatenate([body.lines for body in bodies]),
                {start + row: cells for start, body in shift for row, cells in body.surplus.items()},
                {start + row: cells for start, body in shift for row, cells in body.short.items()},
                {start + row for start, body in shift for row in body.broken},
                {start + row: label for start, body in shift for row, label in body.nested.items()},
                {start + row for start, body in shift for row in body.characters},
                {start + row for start, body in shift for row in body.twice}), bounds


def _counted(keep: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """How many of the rows that are kept each file has."""
    return np.diff(np.searchsorted(keep, bounds))


def _dashes(layout: Layout, columns: Columns, texts: list[pa.Array], lines: np.ndarray) -> list[Finding]:
    found: list[Finding] = []
    for index in layout.turned:
        where = lines[silent(texts[index])]
        if len(where):
            more = {"zh": " 等", "en": " and more"} if len(where) > _NAMED else {"zh": "", "en": ""}
            found.append(Finding("not-stated", severity_of("not-stated"), field=layout.value, params={
                "count": len(where), "lines": where[:_NAMED].tolist(), "more": more}, label=columns.labels[index]))
    return found


def _structure(body: Body, keep: np.ndarray, width: int) -> tuple[dict[str, np.ndarray], dict[int, list[str]]]:
    place = {int(row): index for index, row in enumerate(keep)} if (
        body.short or body.surplus or body.broken or body.nested or body.characters or body.twice) else {}
    found = {
        "row-ragged": [place[row] for row in sorted({*body.short, *body.surplus} - body.broken) if row in place],
        "quote-broken": [place[row] for row in sorted(body.broken) if row in place],
        "cell-nested": [place[row] for row in sorted(body.nested) if row in place],
        "character-broken": [place[row] for row in sorted(body.characters) if row in place],
        "key-twice": [place[row] for row in sorted(body.twice) if row in place],
    }
    surplus = {place[row]: cells for row, cells in body.surplus.items() if row in place}
    return {code: np.array(rows, np.int64) for code, rows in found.items() if rows}, surplus


def _unknown(domain: Domain, columns: Columns, texts: list[pa.Array], bounds: np.ndarray,
             layout: Layout | None, options: Options) -> list[list[Finding]]:
    """Columns that no field claims are kept out and said, file by file; a nameless empty one is a trailing comma."""
    ignored = ignored_labels(domain) | set(map(fold, options.aside))
    others = labels_beside(domain, layout) if layout is not None else frozenset()
    findings: list[list[Finding]] = [[] for _ in bounds[1:]]
    for index, (label, name) in enumerate(zip(columns.labels, columns.field_at, strict=True)):
        if name is not None or index in columns.pieces:
            continue
        if ignored & {fold(label), *map(fold, columns.levels[index][-1:])}:
            continue
        if layout is not None and (index in layout.turned or index in {rate.index for rate in layout.rates}):
            continue
        code = "header-empty" if label == f"第{index + 1}列" else "column-unknown"
        if _MARKS_DELETED.fullmatch(fold(label)):
            code = "column-marks-deleted"
        if layout is not None and index in layout.other_year:
            code = "column-other-year"
        params: dict[str, str] = {}
        if index in columns.second:
            code, params = "column-second", {"used": columns.second[index]}
        if layout is not None and fold_code(split_label(label).name) in others:
            code, params = "column-other-shape", {"taken": columns.labels[min(layout.rows)]}
        if index in columns.scales:
            code, params = "column-other-unit", {"found": columns.scales[index][0], "unit": columns.scales[index][1]}
        for file in np.flatnonzero(_counted(np.flatnonzero(~empty(texts[index])), bounds)):
            findings[file].append(Finding(code, severity_of(code), label=label, params=params))
    return findings


def _told_by_column(domain: Domain, columns: Columns, layout: Layout) -> None:
    """诉求类别 beside 受理量, 办结量: the column says what each row is of, and not the figures' labels; its own label
    says what kind of things they are."""
    label = split_label(columns.label_of(layout.label or "") or "").name
    for every in domain.fields:
        code = every.codes.find(label) if every.codes and (every.derived or "").startswith("label_of:") else None
        if code is not None and every.name in layout.constants:
            layout.constants = {**layout.constants, every.name: code.code}
    layout.label = None


def _figures_in_columns(columns: Columns, texts: list[pa.Array], layout: Layout) -> None:
    """Raises Unreadable for columns of figures that hold words only: 满意 under 满意度 is a request, no statistics."""
    taken = [texts[index] for index in layout.rows]
    if any(pc.any(pc.match_substring_regex(column, _A_FIGURE)).as_py() for column in taken):
        return
    words = {word for column in taken for word in pc.unique(column).to_pylist()}
    if any(re.search("[一-鿿]", word) and not NOT_STATED.match(narrow(word)) for word in words):
        raise refuse("columns-of-words", labels=[columns.labels[index] for index in layout.rows][:6])


def _under_fields(domain: Domain, rows: Rows, options: Options) -> None:
    pick = pa.array(rows.take) if rows.long is not None else None
    turned = set(rows.long.turned) if rows.long is not None else set()
    for index, name in enumerate(rows.columns.field_at):
        if name is not None and rows.columns.labels[index] not in turned:
            rows.text[name] = rows.texts[index] if pick is None else rows.texts[index].take(pick)
    if rows.long is not None:
        for name, cells in rows.long.columns.items():
            stated = options.constants.get(name)
            rows.text[name] = pc.if_else(pc.equal(cells, ""), stated, cells) if stated else cells
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
        _units_of_figures(domain, rows, head)
        return
    value = rows.long.layout.value
    if domain.field(value).type == "money":
        rows.row_units[value] = rows.long.unit_of_row
        rows.units[value] = Units(None, rows.units[value].fallback)
    elif "unit" in domain.field_names and "unit" not in rows.text:
        rows.text["unit"] = rows.long.unit_of_row


def _units_of_figures(domain: Domain, rows: Rows, head: Head) -> None:
    """The unit of figures that are no money, of `件数（件）` or of a line `单位：件` above the table."""
    for every in domain.fields:
        if not every.unit_from or every.type == "money" or every.name not in rows.text or every.unit_from in rows.text:
            continue
        if unit := rows.columns.units.get(every.name) or head.unit:
            rate = pc.match_substring_regex(rows.text[every.name], r"[%％]\s*$")  # says its own unit
            rows.text[every.unit_from] = pc.if_else(pc.fill_null(rate, False), "", unit)
