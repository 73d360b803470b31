"""Two contents of a part compared as they are printed, and rows as JSON: no digit passes through a number."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, repeat
from operator import itemgetter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from ckanext.gkopen.domains import Domain
from ckanext.gkopen.publish.forms.content import columns
from ckanext.gkopen.publish.forms.jsonl import json_pieces

PAIR = "~pair"
"""Column of `differences`; no column of a domain has such a name."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows as text. `before` and `after`: the changed rows, old and new, in the same order."""

    removed: pa.Table
    added: pa.Table
    before: pa.Table
    after: pa.Table


def text_rows(domain: Domain, data: bytes | None) -> pa.Table:
    """The rows of canonical bytes as text, with the columns that the domain has now; None has no rows."""
    table = _read_text(data).combine_chunks() if data else pa.table({})
    empty, there = pa.nulls(table.num_rows, pa.string()), set(table.column_names)
    return pa.table({name: table[name] if name in there else empty for name in domain.field_names})


def _read_text(data: bytes) -> pa.Table:
    names = data[: data.index(b"\n")].decode().split(",")
    return pacsv.read_csv(
        io.BytesIO(data), read_options=pacsv.ReadOptions(block_size=8 << 20),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True,
            quoted_strings_can_be_null=False))


def difference(domain: Domain, old: bytes | None, new: bytes | None) -> Difference:
    """What becomes of the rows of one part, by key; None is no content. Rows stay in the order of their content."""
    return _compared(domain, text_rows(domain, old), text_rows(domain, new))


def differences(domain: Domain, pairs: Iterable[tuple[bytes | None, bytes | None]]) -> Difference:
    """`difference` of several pairs of contents, old and new, one below the other: drawn at once, since a pair costs
    more than a row. The column PAIR says whose a row is, counted from 0."""
    sides: tuple[list[_Records], list[_Records]] = [], []
    for number, pair in enumerate(pairs):
        (old_head, old), (new_head, new) = map(records, pair)
        if old_head == new_head:                          # a record that both have is no difference
            shared = set(old) & set(new)
            old, new = ([record for record in each if record not in shared] for each in (old, new))
        for side, head, found in zip(sides, (old_head, new_head), (old, new), strict=True):
            if found:
                side.append((number, head, found))
    return _compared(domain, *(_stacked(domain, side) for side in sides))


_Records = tuple[int, bytes, list[bytes]]
"""Number of a pair, the header of one of its contents, and records of it."""


def records(data: bytes | None) -> tuple[bytes, list[bytes]]:
    """The header and the records of canonical bytes, each as it is spelt, with its line end."""
    head, *lines = (data or b"\n").split(b"\n")[:-1]
    if data is None or b'"' not in data:
        return head, [line + b"\n" for line in lines]
    found, begun = [], b""
    for line in lines:
        begun += line + b"\n"
        if begun.count(b'"') % 2 == 0:                    # otherwise a quoted cell goes on behind the line end
            found.append(begun)
            begun = b""
    return head, found


def _stacked(domain: Domain, sides: Sequence[_Records]) -> pa.Table:
    """`text_rows` of all records, with PAIR; those with the same header are read in one go."""
    tables = [text_rows(domain, None).append_column(PAIR, pa.array([], pa.string()))]
    for head, several in groupby(sides, itemgetter(1)):
        found = list(several)
        table = text_rows(domain, b"".join([head, b"\n", *chain.from_iterable(each for _, _, each in found)]))
        pairs = chain.from_iterable(repeat(str(number), len(each)) for number, _, each in found)
        tables.append(table.append_column(PAIR, pa.array(pairs, pa.string())))
    return pa.concat_tables(tables).combine_chunks()


def _compared(domain: Domain, before: pa.Table, after: pa.Table) -> Difference:
    if not before.num_rows or not after.num_rows:
        return Difference(before, after, before.slice(0, 0), before.slice(0, 0))
    old_keys, new_keys = _keys(domain, before), _keys(domain, after)
    match = pc.index_in(new_keys, value_set=old_keys)
    is_new = pc.is_null(match)
    removed = before.filter(pc.invert(pc.is_in(old_keys, value_set=new_keys)))
    kept_new, kept_old = after.filter(pc.invert(is_new)), before.take(match.drop_null())
    differs = pa.repeat(pa.scalar(False), kept_new.num_rows)
    for name in domain.field_names:
        left, right = (pc.fill_null(table[name], "") for table in (kept_old, kept_new))
        differs = pc.or_(differs, pc.not_equal(left, right))
    return Difference(removed, after.filter(is_new), kept_old.filter(differs), kept_new.filter(differs))


def _keys(domain: Domain, table: pa.Table) -> pa.Array:
    names = [*domain.key, PAIR] if PAIR in table.column_names else domain.key
    texts = [pc.fill_null(table[name], "\x00").combine_chunks() for name in names]
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, "\x1f")


def objects(domain: Domain, table: pa.Table, names: tuple[str, ...] | None = None, *,
            money_as_text: bool = False) -> list[str]:
    """Each row as a JSON object, spelt as in the .jsonl files; `names`: of these fields alone."""
    pieces: list[pa.Array | str] = []
    for column in columns(domain, whole=False):
        if names is not None and column.name not in names:
            continue
        as_text = money_as_text and domain.field(column.name).type == "money"
        cells = table[column.name]
        cells = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
        pieces.append(f"{',' if pieces else '{'}{json.dumps(column.name)}:")
        pieces += json_pieces(cells, replace(column, pg_type="text") if as_text else column)
    if not table.num_rows:
        return []
    anchor = pa.repeat(pa.scalar("}"), table.num_rows)  # all columns may be empty, and then no piece is an array
    return pc.binary_join_element_wise(*pieces, anchor, "").to_pylist()
