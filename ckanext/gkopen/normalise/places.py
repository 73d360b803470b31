"""Cells in another place than their own column: codes cut into 类, 款, 项 or in the column of others, units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.domains import Domain
from ckanext.gkopen.labels import fold, is_unit, money_power, narrow
from ckanext.gkopen.normalise.cells import as_mask, by_distinct
from ckanext.gkopen.normalise.columns import Columns


def cut_codes(domain: Domain, columns: Columns) -> dict[str, list[int]]:
    """Field → the columns side by side that hold its pieces (类, 款, 项), where no column holds it whole."""
    found: dict[str, list[int]] = {}
    last = [fold(levels[-1]) if levels else "" for levels in columns.levels]
    for field in domain.fields:
        if field.pieces and field.name not in columns.field_at:
            pieces = [fold(piece) for piece in field.pieces]
            for start in range(len(last)):
                width = next((size for size in range(len(pieces), 1, -1)
                              if last[start:start + size] == pieces[:size]), 0)
                if width and not any(columns.field_at[start:start + width]):
                    found[field.name] = list(range(start, start + width))
                    break
    return found


def whole_codes(texts: list[pa.Array]) -> pa.Array:
    """The code of each row from its pieces; a piece that is left out is that of the line above it.

    201 | 06 | 01 is 2010601; so are 201 | 20106 | 2010601 and, of figures without their zero, 201 | 6 | 1.
    """
    cells = [by_distinct(text, _digits, pa.string()).to_numpy(zero_copy_only=False) for text in texts]
    rows = np.arange(len(cells[0]))
    since = np.zeros(len(rows), np.int64)
    parts: list[np.ndarray] = []
    for place, own in enumerate(cells):
        stated = own != ""
        at = np.maximum.accumulate(np.where(stated, rows, -1))
        deeper = np.logical_or.reduce([later != "" for later in cells[place + 1:]] or [np.zeros(len(rows), bool)])
        above = (at >= since) & (at >= 0) & deeper
        parts.append(np.where(stated, own, np.where(above, own[np.maximum(at, 0)], "")))
        since = np.maximum(since, np.maximum(at, 0))
    joined = pa.array(["|".join(row) for row in zip(*parts, strict=True)], pa.string())
    return by_distinct(joined, _joined, pa.string())


def _digits(cell: str) -> str:
    flat = narrow(cell)
    return flat if flat.isdigit() else ""


def _joined(pieces: str) -> str:
    code = ""
    for piece in pieces.split("|"):
        code = piece if code and piece.startswith(code) else code + (piece.zfill(2) if code and piece else piece)
    return code


def move_codes(domain: Domain, text: dict[str, pa.Array]) -> None:
    """Codes of one list in the column of another: 30101 under 科目编码 is an economic class, and no functional one;
    流标 in place of a supplier is what became of the lot. What the code's own column says stays; a code beside it stays
    where it is, for the check of codes, and a word is no name."""
    for field in domain.fields:
        if field.elsewhere is None or field.name not in text:
            continue
        name, pattern = field.elsewhere
        own = text[field.name]
        other = as_mask(pc.match_substring_regex(own, rf"^\s*(?:{pattern})\s*$"))
        if other.any():
            mask = pa.array(other)
            said = text.get(name, pa.repeat(pa.scalar("", pa.string()), len(own)))
            moved = pc.and_(mask, pc.equal(pc.utf8_trim_whitespace(said), ""))
            text[name] = pc.if_else(moved, own, said)
            text[field.name] = pc.if_else(moved if field.pattern else mask, "", own)


def unit_column(domain: Domain, columns: Columns, texts: Sequence[pa.Array]) -> None:
    """`单位` over 万个, %, 元 is the unit of the figures beside it, and no body; over 台, 套 it is none of money."""
    name = next((field.unit_from for field in domain.fields if field.unit_from), None)
    if name is None or name in columns.field_at:
        return
    money = all(field.type == "money" for field in domain.fields if field.unit_from == name)
    for index, label in enumerate(columns.labels):
        cells = [cell for cell in texts[index].unique().to_pylist() if cell.strip()] if fold(label) == "单位" else []
        if cells and all(money_power(cell) is not None if money else is_unit(cell) for cell in cells):
            columns.field_at[index] = name
            return
