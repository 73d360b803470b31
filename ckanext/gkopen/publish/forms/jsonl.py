"""JSON Lines: one object a row. Numbers keep every digit of the canonical CSV (100.00 stays 100.00).

A reader that parses numbers as binary floating point loses what it cannot hold; `parse_float=decimal.Decimal` in
Python and pandas' `dtype=str` keep it. Times carry the offset of Asia/Shanghai. Empty cells are null.
"""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.normalise.cells import any_byte
from ckanext.gkopen.publish.forms.content import Column
from ckanext.gkopen.publish.forms.lines import between, joined

ESCAPES = [("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"), ("\b", "\\b"), ("\f", "\\f")]
_ESCAPED = bytes([*range(32), *b'"\\'])
OTHER_CONTROLS = [chr(code) for code in range(32) if chr(code) not in "\n\r\t\b\f"]


def head(columns: list[Column]) -> bytes:
    return b""


def rows(columns: list[Column], batch: pa.RecordBatch) -> pa.Array:
    pieces: list[pa.Array | str] = []
    for position, column in enumerate(columns):
        pieces.append(f"{'{' if position == 0 else ','}{json.dumps(column.name)}:")
        pieces += json_pieces(batch.column(position), column)
    return joined([*pieces, "}\n"])


def json_pieces(cells: pa.Array, column: Column) -> list[pa.Array | str]:
    if column.pg_type in ("int8", "numeric", "bool"):
        return between("", cells, "", "null")
    if column.pg_type == "timestamp":
        return between('"', pc.replace_substring(cells, " ", "T"), '+08:00"', "null")
    if any_byte(cells, _ESCAPED):
        for character, escape in ESCAPES:
            cells = pc.replace_substring(cells, character, escape)
        if pc.any(pc.match_substring_regex(cells, r"[\x00-\x1f]")).as_py():
            for character in OTHER_CONTROLS:
                cells = pc.replace_substring(cells, character, f"\\u{ord(character):04x}")
    return between('"', cells, '"', "null")
