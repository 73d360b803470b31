"""JSON Lines: one object a row. Numbers keep every digit of the canonical CSV (100.00 stays 100.00).

A reader that parses numbers as binary floating point loses what it cannot hold; `parse_float=decimal.Decimal` in
Python and pandas' `dtype=str` keep it. Times carry the offset of Asia/Shanghai. Empty cells are null.
"""

from __future__ import annotations

import json
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.publish.forms.content import Column, Content
from ckanext.gkopen.publish.forms.lines import joined

ESCAPES = [("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"), ("\b", "\\b"), ("\f", "\\f")]
OTHER_CONTROLS = [chr(code) for code in range(32) if chr(code) not in "\n\r\t\b\f"]


def write(content: Content, out: BinaryIO) -> None:
    names = [json.dumps(column.name) for column in content.columns]
    for batch in content.batches():
        pieces: list[pa.Array | str] = []
        for position, column in enumerate(content.columns):
            pieces.append(f"{'{' if position == 0 else ','}{names[position]}:")
            pieces.append(pc.fill_null(json_values(batch.column(position), column), "null"))
        pieces.append("}\n")
        out.write(joined(pieces))


def json_values(cells: pa.Array, column: Column) -> pa.Array:
    if column.pg_type in ("int8", "numeric", "bool"):
        return cells
    if column.pg_type == "timestamp":
        cells = pc.binary_join_element_wise(pc.replace_substring(cells, " ", "T"), "+08:00", "")
    else:
        for character, escape in ESCAPES:
            cells = pc.replace_substring(cells, character, escape)
        if pc.any(pc.match_substring_regex(cells, r"[\x00-\x1f]")).as_py():
            for character in OTHER_CONTROLS:
                cells = pc.replace_substring(cells, character, f"\\u{ord(character):04x}")
    return pc.binary_join_element_wise('"', cells, '"', "")
