"""Two contents of a part compared as they are printed, and rows as JSON: no digit passes through a number."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from ckanext.gkopen.domains import Domain
from ckanext.gkopen.publish.forms.content import columns
from ckanext.gkopen.publish.forms.jsonl import json_pieces


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows as text. `before` and `after`: the changed rows, old and new, in the same order."""

    removed: pa.Table
    added: pa.Table
    before: pa.Table
    after: pa.Table


def text_rows_of(domain: Domain, contents: Iterable[bytes]) -> pa.Table:
    """`text_rows` of several contents, one below the other; those with the same columns are read in one go."""
    return pa.concat_tables(
        text_rows(domain, b"\n".join([header, b"".join(data[len(header) + 1:] for data in several)]))
        for header, several in groupby(contents, lambda data: data.partition(b"\n")[0]))


def text_rows(domain: Domain, data: bytes | None) -> pa.Table:
    """The rows of canonical bytes as text, with the columns that the domain has now; None has no rows."""
    table = _read_text(data) if data else pa.table({})
    empty = pa.nulls(table.num_rows, pa.string())
    return pa.table({name: table[name].combine_chunks() if name in table.column_names else empty
                     for name in domain.field_names})


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
    before, after = text_rows(domain, old), text_rows(domain, new)
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
    texts = [pc.fill_null(table[name], "\x00").combine_chunks() for name in domain.key]
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
