"""Wide tables → long ones: a column for each measure or phase becomes a row for each, before anything is typed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ckanext.gkopen.domains import Domain, Shape
from ckanext.gkopen.labels import split_label
from ckanext.gkopen.normalise.cells import empty
from ckanext.gkopen.normalise.columns import Columns


@dataclass(slots=True)
class Long:
    """`take`: source row of each long row; `columns`: field → text; `unit_of_row`: unit that the turned column states.

    `cells`: label of the turned column, for each long row (its cell stands under that label in the quarantine).
    """

    take: np.ndarray
    columns: dict[str, pa.Array]
    unit_of_row: pa.Array
    cells: pa.Array
    turned: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True, slots=True)
class Turned:
    """One column that becomes rows: its code, and what a second heading says beside it (省级: field → code)."""

    code: str
    beside: tuple[str, str] | None = None


def find_shape(domain: Domain, columns: Columns) -> tuple[Shape, dict[int, Turned]] | None:
    """The shape whose columns the table has, and their positions.

    Two such columns make a table wide; a single one does where no column holds the value itself.
    """
    best: tuple[Shape, dict[int, Turned]] | None = None
    for shape in domain.shapes:
        taken = set(columns.field_at) - {shape.value}
        found: dict[int, Turned] = {}
        for index, label in enumerate(columns.labels):
            if columns.field_at[index] in taken - {None} and columns.field_at[index] != shape.value:
                continue
            code = shape.find(label) or shape.find(split_label(label).name)
            turned = Turned(code.code) if code is not None else _qualified(domain, shape, label, taken)
            if turned is not None:
                found[index] = turned
        wide = len(found) > 1 or (len(found) == 1 and shape.value not in columns.field_at)
        if wide and shape.code not in columns.field_at and (best is None or len(found) > len(best[1])):
            best = (shape, found)
    return best


def _qualified(domain: Domain, shape: Shape, label: str, taken: set[str | None]) -> Turned | None:
    """`累计完成数 省级`, a heading over another: the upper one is of the shape, the lower a code of one other field."""
    upper, _, lower = split_label(label).name.rpartition(" ")
    code = shape.find(upper) if upper else None
    if code is None:
        return None
    beside = [(field.name, found.code) for field in domain.fields
              if field.codes and field.input and field.name not in {*taken, shape.code, shape.value}
              for found in [field.codes.find(lower)] if found]
    return Turned(code.code, beside[0]) if len(beside) == 1 else None


def turn(shape: Shape, found: dict[int, Turned], columns: Columns, texts: list[pa.Array],
         kept: np.ndarray) -> Long:
    """Each filled cell of the turned columns is a row; order: source row, then column.

    `kept`: source rows that are a row even where no cell is filled (they are damaged, and must not get lost).
    """
    rows, codes, labels, values, units = [], [], [], [], []
    beside = {turned.beside[0]: [] for turned in found.values() if turned.beside}
    for index, turned in found.items():
        code = turned.code
        filled = np.flatnonzero(~empty(texts[index]))
        rows.append(filled)
        label = columns.labels[index]
        stated = split_label(label).unit or next(
            (c.extra.get("unit") for c in shape.codes.codes if c.code == code), None)
        codes.append(np.full(len(filled), code, object))
        labels.append(np.full(len(filled), label, object))
        units.append(np.full(len(filled), stated or "", object))
        values.append(texts[index].take(pa.array(filled)))
        for name, cells in beside.items():
            said = turned.beside[1] if turned.beside and turned.beside[0] == name else ""
            cells.append(np.full(len(filled), said, object))
    lost = np.setdiff1d(kept, np.concatenate(rows))
    if len(lost):
        rows.append(lost)
        for cells in (codes, labels, units, *beside.values()):
            cells.append(np.full(len(lost), "", object))
        values.append(pa.array([""] * len(lost), pa.string()))
    take = np.concatenate(rows)
    order = np.argsort(take, kind="stable")
    pick = pa.array(order)
    long = {
        shape.code: pa.array(np.concatenate(codes), pa.string()).take(pick),
        shape.value: pa.concat_arrays(values).take(pick),
    }
    cells = pa.array(np.concatenate(labels), pa.string()).take(pick)
    if shape.label is not None:
        long[shape.label] = cells
    for name, pieces in beside.items():
        long[name] = pa.array(np.concatenate(pieces), pa.string()).take(pick)
    for name, constant in shape.constants.items():
        long[name] = pa.repeat(pa.scalar(constant, pa.string()), len(take))
    names = tuple(columns.labels[index] for index in found)
    return Long(take[order], long, pa.array(np.concatenate(units), pa.string()).take(pick), cells, names, shape)
