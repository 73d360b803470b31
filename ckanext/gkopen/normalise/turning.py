"""Wide tables → long ones: a column for each measure or phase becomes a row for each, before anything is typed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.labels import split_label
from ckanext.gkopen.normalise.cells import as_mask, empty
from ckanext.gkopen.normalise.columns import Columns
from ckanext.gkopen.normalise.halves import Half
from ckanext.gkopen.normalise.shapes import Layout, Turned


@dataclass(slots=True)
class Long:
    """`take`: source row of each long row; `column`: its column; `columns`: field → text; `unit_of_row`: unit that the
    turned column states.

    `cells`: label of the turned column, for each long row (its cell stands under that label in the quarantine);
    `aside`: label of a turned column → those of the other half of its line.
    """

    take: np.ndarray
    column: np.ndarray
    columns: dict[str, pa.Array]
    unit_of_row: pa.Array
    cells: pa.Array
    turned: tuple[str, ...]
    layout: Layout
    aside: dict[str, frozenset[str]] = field(default_factory=dict)


def turn(layout: Layout, columns: Columns, texts: list[pa.Array], kept: np.ndarray, year_field: str | None) -> Long:
    """Each filled cell of the turned columns is a row, and a dash fills none; order: source row, then column. A whole
    is a row where none of its parts is filled.

    `kept`: source rows that are a row even where no cell is filled (they are damaged, and must not get lost).
    """
    filled = {index: ~empty(texts[index]) & ~silent(texts[index]) for index in layout.turned}
    for index, turned in layout.turned.items():
        if turned.whole:
            for part in parts_of(layout, turned):
                filled[index] = filled[index] & ~filled[part]
    rows = {index: np.flatnonzero(mask) for index, mask in filled.items()}
    take = np.concatenate(list(rows.values()))
    column = np.concatenate([np.full(len(found), index) for index, found in rows.items()])
    values = pa.concat_arrays([texts[index].take(pa.array(found)) for index, found in rows.items()])
    lost = np.setdiff1d(kept, take)
    if len(lost):
        take, column = np.concatenate([take, lost]), np.concatenate([column, np.full(len(lost), -1)])
        values = pa.concat_arrays([values, pa.array([""] * len(lost), pa.string())])
    order = np.argsort(take, kind="stable")
    take, column = take[order], column[order]

    def said(of_column: dict[int, str]) -> pa.Array:
        """A text of each row's column."""
        width = len(columns.labels)
        texts_of = pa.array([of_column.get(index, "") for index in range(width)] + [""], pa.string())
        return texts_of.take(pa.array(np.where(column < 0, width, column)))

    names = {name for turned in layout.turned.values() for name in turned.codes}
    long = {name: said({index: turned.codes.get(name, "") for index, turned in layout.turned.items()})
            for name in sorted(names)}
    long[layout.value] = values.take(pa.array(order))
    if year_field is not None and any(turned.year for turned in layout.turned.values()):
        long[year_field] = said({index: turned.year or "" for index, turned in layout.turned.items()})
    labels = said({index: columns.labels[index] for index in layout.turned})
    if layout.label is not None:
        long[layout.label] = said({index: " ".join(columns.levels[index]) if turned.half else columns.labels[index]
                                   for index, turned in layout.turned.items()})
    halves = list({id(half): half for turned in layout.turned.values() for half in [turned.half] if half}.values())
    for name in {name for half in halves for name in half.named}:
        long[name] = _of_halves(name, halves, texts, take, column)
    for name, constant in layout.constants.items():
        long[name] = pa.repeat(pa.scalar(constant, pa.string()), len(take))
    units = said({index: split_label(columns.labels[index]).unit or layout.units.get(index, "")
                  for index in layout.turned})
    aside = {columns.labels[index]: frozenset(columns.labels[other] for half in halves if half is not turned.half
                                              for other in half.columns())
             for index, turned in layout.turned.items() if turned.half}
    return Long(take, column, long, units, labels, tuple(columns.labels[index] for index in layout.rows), layout, aside)


def silent(text: pa.Array) -> np.ndarray:
    """— and the like in a cell for a figure: there is none, which is not zero."""
    return as_mask(pc.match_substring_regex(text, r"^\s*(?:[-－–—]+|[/／])\s*$"))


def _of_halves(name: str, halves: list[Half], texts: list[pa.Array], take: np.ndarray, column: np.ndarray) -> pa.Array:
    """What each row's own half of the line says of a field."""
    cells = pa.array([""] * len(take), pa.string())
    for half in halves:
        if name in half.named:
            mine = pa.array(np.isin(column, half.free))
            cells = pc.if_else(mine, texts[half.named[name]].take(pa.array(take)), cells)
    return cells


def parts_of(layout: Layout, whole: Turned) -> list[int]:
    """The columns of which a column is the whole: those that say all that it says, and more."""
    said = set(whole.codes.items())
    return [index for index, turned in layout.rows.items() if said <= set(turned.codes.items())
            and turned.year == whole.year]
