"""Rows whose key a source spells otherwise than before: `7` → `007`, full-width or traditional characters, brackets.

To everything else they are other rows. Here a public row and a new one are told to be the same where every other cell
is equal and the keys differ in nothing but their spelling. Many keys are made of other cells (a notice's number, its
lot, its supplier): these are compared as the key is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen import parts
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise import derived
from ckanext.gkopen.search import text

CODE = "key-respelt"
REPLACED = "rows-replaced"
"""Rows are missing and as new ones came, under other keys altogether."""

ENOUGH = 5
"""Rows with fewer cells beside their key are alike by chance."""

_PIECES = re.compile(r"\d+|[^\W\d_]+")


class Pairs(NamedTuple):
    """`old`: which rows of the public table came under another spelling; `was`, `now`: the keys of the first of them.
    """

    old: pa.Array
    was: str
    now: str


def pairs(domain: Domain, public: pa.Table, new: pa.Table) -> Pairs | None:
    """Rows of `public` that `new` has under a key of another spelling; None where there are none.

    Neither table has a key of the other. Rows that may be one of several are none.
    """
    of_key = _of_key(domain)
    others = [name for name in domain.field_names if name not in of_key]
    if not (others and public.num_rows and new.num_rows):
        return None
    cells, wanted = parts.row_texts(public, others), parts.row_texts(new, others)
    here = pc.indices_nonzero(pc.is_in(cells, value_set=wanted))      # few: only their keys are looked at
    there = pc.indices_nonzero(pc.is_in(wanted, value_set=cells))
    old, came = (_spelt(table, of_key, rest, rows)
                 for table, rest, rows in ((public, cells, here), (new, wanted, there)))
    found = [(row, other) for spelling, row in old.items() if row >= 0 and (other := came.get(spelling, -1)) >= 0]
    if not found:
        return None
    row, other = min(found)
    rows = pa.array([row for row, _ in found], pa.int64())
    return Pairs(pc.is_in(pa.array(range(public.num_rows), pa.int64()), value_set=rows),
                 _shown(domain, public, row), _shown(domain, new, other))


def alike(domain: Domain, public: pa.Table, new: pa.Table) -> int:
    """How many rows of `public` `new` has under any other key: every cell that the key is not made of is equal, and
    there are enough of them to tell. Rows that may be one of several are none."""
    of_key = _of_key(domain)
    others = [name for name in domain.field_names if name not in of_key]
    if not (others and public.num_rows and new.num_rows):
        return 0
    sides = []
    for table in (public, new):
        filled = sum(pc.cast(pc.is_valid(table[name]), pa.int32()).to_numpy() for name in others)
        texts = pc.value_counts(parts.row_texts(table, others).filter(pa.array(filled >= ENOUGH)))
        sides.append(texts.field("values").filter(pc.equal(texts.field("counts"), 1)))
    return pc.sum(pc.is_in(sides[0], value_set=sides[1])).as_py() or 0


def _of_key(domain: Domain) -> tuple[str, ...]:
    """The key's fields, and those that they are made of."""
    made = (derived.sources(field) for name in domain.key if (field := domain.field(name)).derived)
    return tuple(dict.fromkeys([*domain.key, *(name for names in made for name in names)]))


def _spelt(table: pa.Table, of_key: Sequence[str], cells: pa.Array,
           rows: pa.Array) -> dict[tuple[str, ...], int]:
    """Other cells and the folded key of some rows → the row; -1 where several have them."""
    found: dict[tuple[str, ...], int] = {}
    keys = zip(*(table[name].cast(pa.string()).take(rows).to_pylist() for name in of_key), strict=True)
    for row, rest, key in zip(rows.to_pylist(), cells.take(rows).to_pylist(), keys, strict=True):
        spelling = (rest, *(_fold(cell or "") for cell in key))
        found[spelling] = -1 if spelling in found else row
    return found


def _fold(cell: str) -> str:
    """Without case, signs, and the zeros before a number; what stands between two numbers keeps them apart."""
    folded = text.fold(cell).casefold()
    return " ".join(piece.lstrip("0") for piece in _PIECES.findall(folded)) or folded


def _shown(domain: Domain, table: pa.Table, row: int) -> str:
    cells: Sequence[str | None] = [table[name].cast(pa.string())[row].as_py() for name in domain.key]
    return " / ".join(cell for cell in cells if cell is not None)
