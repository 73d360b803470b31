"""CSV that opens in Excel and WPS with the right characters, and in which no cell comes alive or changes its value.

Excel takes =, +, -, @ at the start of a cell for a formula, drops leading zeros, rounds long numbers and turns
`2024-05` and `3-4` into dates. Such a cell gets an apostrophe in front. Numbers of number columns stay numbers, the
negative ones too, as long as Excel can hold all their digits. Whoever needs the exact bytes takes the canonical CSV.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.normalise.cells import any_byte, text_bytes
from ckanext.gkopen.publish.forms.content import Column
from ckanext.gkopen.publish.forms.lines import between, joined, text_of

BOM = "\ufeff".encode()
NEGATIVE_NUMBER = r"^-(0|[1-9][0-9]*)(\.[0-9]+)?$"
COMES_ALIVE = r"^[\s\x{3000}\x{feff}]*[=+\-@\t\r\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]|^[\t\r\n]"
CHANGES = "|".join([
    r"^0[0-9]+(\.[0-9]+)?$",                                    # leading zeros
    r"^[0-9]{12,}$",                                            # shown as 4.40103E+17
    r"^[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]+$",                      # 12E3 is a code, not 12000
    r"^[0-9]{1,4}[-/][0-9]{1,2}([-/][0-9]{1,4})?$",             # months, days, fractions
    r"^[0-9]+\.[0-9]*0$",                                       # 1.50 is a number of a document, not 1.5
    r"^\([0-9.,]+\)$",                                          # (123) would be -123
])

_SUSPECT = np.zeros(256, bool)
_SUSPECT[[*range(0x21), *b"=+-@(0123456789", 0xE3, 0xEF]] = True
"""First bytes of what `COMES_ALIVE` and `CHANGES` find: U+3000 is E3 80 80, U+FEFF and the full-width signs EF ..."""


def head(columns: list[Column]) -> bytes:
    return BOM + text_of(_lines([pa.array([column.heading]) for column in columns]))


def rows(columns: list[Column], batch: pa.RecordBatch) -> pa.Array:
    return _lines([guard(batch.column(position), column) for position, column in enumerate(columns)])


def _lines(columns: list[pa.Array]) -> pa.Array:
    """Every cell is quoted: where the system's list separator is a semicolon, none inside a cell may split it."""
    pieces: list[pa.Array | str] = []
    for cells in columns:
        doubled = pc.replace_substring(cells, '"', '""') if any_byte(cells, b'"') else cells
        pieces += [*between('"', doubled, '"', ""), ","]
    return joined([*pieces[:-1], "\n"])


def guard(cells: pa.Array, column: Column) -> pa.Array:
    """The cells with an apostrophe in front of each that Excel would run, or read as something else."""
    if column.pg_type in ("date", "timestamp", "bool"):
        return cells
    if column.pg_type in ("int8", "numeric"):
        unsafe = too_long_a_number(cells)
    else:
        first_look = _may_be_unsafe(cells)
        if not first_look.any():
            return cells
        some = cells.filter(pa.array(first_look))
        guarded = _guarded_texts(some)
        return cells if guarded is some else pc.replace_with_mask(cells, pa.array(first_look), guarded)
    return _marked(cells, unsafe)


def _may_be_unsafe(cells: pa.Array) -> np.ndarray:
    """Texts that begin with a sign with which an unsafe one can begin: in Chinese tables hardly any."""
    data, offsets = text_bytes(cells)
    rows = np.zeros(len(cells), bool)
    filled = np.flatnonzero(offsets[1:] > offsets[:-1])
    rows[filled] = _SUSPECT[data[offsets[filled]]]
    return rows


def _guarded_texts(cells: pa.Array) -> pa.Array:
    negative = pc.match_substring_regex(cells, NEGATIVE_NUMBER)
    alive = pc.and_not(pc.match_substring_regex(cells, COMES_ALIVE), negative)
    changes = pc.match_substring_regex(cells, CHANGES)
    long = pc.and_(pc.match_substring_regex(cells, r"^-?[0-9]+(\.[0-9]+)?$"), too_long_a_number(cells))
    return _marked(cells, pc.or_(pc.or_(alive, changes), long))


def _marked(cells: pa.Array, unsafe: pa.Array) -> pa.Array:
    if not pc.any(unsafe).as_py():
        return cells
    return pc.if_else(unsafe, pc.binary_join_element_wise("'", cells, ""), cells)


def too_long_a_number(cells: pa.Array) -> pa.Array:
    """More than 15 significant digits: Excel keeps no more. Zeros before the first digit do not count."""
    if (pc.max(pc.binary_length(cells)).as_py() or 0) <= 15:
        return pa.array(np.zeros(len(cells), bool))
    digits = pc.replace_substring_regex(cells, r"^-?0*\.?0*|[^0-9]", "")
    return pc.greater(pc.utf8_length(digits), 15)
