"""The content of a dataset: cut into parts, each one canonical CSV, and two of them compared by key.

Canonical: UTF-8 without BOM, "\\n" after every line, a header of field names, quotes only where RFC 4180 needs them,
rows in key order. Money has two decimals or as many as it needs (at most eight), other decimals as few as they need,
none an exponent; days are 2024-05-13, times 2024-05-13 09:30:00 (Asia/Shanghai), booleans true and false, items of a
list stand between "；", null is nothing. The same rows give the same bytes, so a sha256 names a content.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from ckanext.gkopen.domains import Domain, Field
from ckanext.gkopen.normalise.cells import any_byte, by_distinct, flat, side_by_side, text_bytes

_STRIPPED = {"money": r"^(-?[0-9]+\.[0-9][0-9](?:[0-9]*[1-9])?)0*$", "other": r"^(-?[0-9]+(?:\.[0-9]*[1-9])?)\.?0*$"}


_BATCH = 20_000
_FEW_BYTES = 1 << 16
_SMALLEST = Decimal(1).scaleb(-8)


Counted = tuple[int, dict[str, Decimal | None]]
"""Rows of a part, and the sum of each money field (None where no amount is)."""


@dataclass(frozen=True, slots=True)
class Written:
    """The canonical bytes of a part, and what is in them."""

    data: bytes
    counted: Counted


class NotCanonical(ValueError):
    """Bytes that no `write_part` wrote: wrong header, or a value that is not of its field's type."""


def write_part(domain: Domain, table: pa.Table) -> bytes:
    """The canonical bytes of the rows of one part. Rows are put in key order; an empty text is written as null."""
    return write_parts(domain, {"": table})[""]


def write_parts(domain: Domain, tables: Mapping[str, pa.Table]) -> dict[str, bytes]:
    """Part → its canonical bytes. Many small parts are spelt out together: columns cost more than rows here."""
    header = _header(domain)
    written = dict.fromkeys(tables, header)
    left = {part: table.num_rows for part, table in tables.items()}
    pieces: list[bytes | memoryview] = [header]
    for group in side_by_side(lambda group: _spelt(domain, group), _groups(domain, tables), sum(left.values())):
        for part, rows, lines in group:
            pieces.append(lines)
            left[part] -= rows
            if not left[part]:  # each byte is copied once
                written[part] = b"".join(pieces)
                pieces = [header]
    return written


def write_split(domain: Domain, tables: Sequence[pa.Table]) -> list[dict[str, Written]]:
    """Of each table part → what is written for it, parts in order of name. Rows are in key order, as `examine` leaves
    them. Tables of a few rows are cut and spelt out together, however many parts they fall into."""
    written: list[dict[str, Written]] = [{} for _ in tables]
    few: list[int] = []
    room = _BATCH
    for place, table in enumerate(tables):
        if table.num_rows > _BATCH:
            cut = split_parts(domain, table)
            written[place] = {part: Written(data, _counted(domain, cut[part]))
                              for part, data in write_parts(domain, cut).items()}
        elif table.num_rows:
            if table.num_rows > room:
                _write_few(domain, tables, few, written)
                few, room = [], _BATCH
            few.append(place)
            room -= table.num_rows
    if few:
        _write_few(domain, tables, few, written)
    return written


def _write_few(domain: Domain, tables: Sequence[pa.Table], places: list[int],
               written: list[dict[str, Written]]) -> None:
    rows = pa.concat_tables([tables[place] for place in places]).combine_chunks()
    names = flat(domain.part_of(rows)).dictionary_encode()
    labels = names.dictionary.to_pylist()
    rank = np.argsort(np.argsort(np.array(labels, object)))
    piece = np.repeat(np.arange(len(places)), [tables[place].num_rows for place in places]) * len(labels) + rank[
        names.indices.to_numpy(zero_copy_only=False)]
    if (np.diff(piece) < 0).any():
        order = np.argsort(piece, kind="stable")
        piece, rows = piece[order], rows.take(pa.array(order))
    data, offsets = _lines(domain, rows)
    bounds = np.flatnonzero(np.concatenate([[True], piece[1:] != piece[:-1], [True]]))
    sums = _sums(domain, rows, piece)
    header, labels = _header(domain), sorted(labels)
    for number, (start, end) in enumerate(itertools.pairwise(bounds.tolist())):
        owner, part = divmod(int(piece[start]), len(labels))
        counted = end - start, {name: each[number] for name, each in sums.items()}
        written[places[owner]][labels[part]] = Written(
            header + data[offsets[start]:offsets[end]].tobytes(), counted)


def _sums(domain: Domain, rows: pa.Table, piece: np.ndarray) -> dict[str, list[Decimal | None]]:
    """Money field → its sum in each piece (number of the piece of each row, ascending)."""
    names = [field.name for field in domain.money_fields]
    if not names:
        return {}
    grouped = rows.select(names).append_column("piece", pa.array(piece)).group_by("piece", use_threads=False)
    summed = grouped.aggregate([(name, "sum") for name in names])
    return {name: summed[f"{name}_sum"].to_pylist() for name in names}


def _counted(domain: Domain, table: pa.Table) -> Counted:
    return table.num_rows, {field.name: _total(table, field.name) for field in domain.money_fields}


def _header(domain: Domain) -> bytes:
    return ",".join(domain.field_names).encode() + b"\n"


def _lines(domain: Domain, rows: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of all rows as lines, and the offsets of the lines in them."""
    cells = [_cells(field, flat(rows[field.name])) for field in domain.fields]
    cells[-1] = pc.binary_join_element_wise(cells[-1], "\n", "")
    return text_bytes(pc.binary_join_element_wise(*cells, ","))  # the bytes of the joined lines are the file


def _spelt(domain: Domain, group: list[tuple[str, pa.Table]]) -> list[tuple[str, int, memoryview]]:
    """Part, number of rows and lines of each piece."""
    rows = group[0][1] if len(group) == 1 else pa.concat_tables([piece for _, piece in group])
    data, offsets = _lines(domain, rows)
    ends = np.cumsum([0, *(piece.num_rows for _, piece in group)])
    return [(part, piece.num_rows, data[offsets[start]:offsets[end]].data)
            for (part, piece), (start, end) in zip(group, itertools.pairwise(ends), strict=True)]


def _groups(domain: Domain, tables: Mapping[str, pa.Table]) -> Iterator[list[tuple[str, pa.Table]]]:
    """Rows of parts in key order, about `_BATCH` together: several parts, or a piece of a large one."""
    group: list[tuple[str, pa.Table]] = []
    room = _BATCH
    for part, table in tables.items():
        ordered = in_key_order(domain, table)
        for start in range(0, ordered.num_rows, _BATCH):
            piece = ordered.slice(start, _BATCH)
            if group and piece.num_rows > room:
                yield group
                group, room = [], _BATCH
            group.append((part, piece))
            room -= piece.num_rows
    if group:
        yield group


def _quoted(text: pa.Array) -> pa.Array:
    """RFC 4180: quotes around a cell with a comma, quote or line end, its own doubled. Arrow quotes every text."""
    if not any_byte(text, b'",\r\n'):
        return text
    special = pc.match_substring_regex(text, r'[",\r\n]')
    doubled = pc.replace_substring(text, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), text)


def _cells(field: Field, values: pa.Array) -> pa.Array | pa.Scalar:
    if values.null_count == len(values):
        return pa.scalar("")
    text = _text(field, values)
    return _quoted(pc.fill_null(text, "") if text.null_count else text)


def _text(field: Field, values: pa.Array) -> pa.Array:
    if values.type == pa.string():
        return values
    if not pa.types.is_decimal(values.type):
        return values.cast(pa.string())
    try:  # nearly all money has two decimals, nearly all other figures none
        return values.cast(pa.decimal128(22, 2) if field.type == "money" else pa.decimal128(20, 0)).cast(pa.string())
    except pa.ArrowInvalid:
        pass
    kind = "money" if field.type == "money" else "other"
    text = values.cast(pa.string())
    if pc.any(pc.match_substring(text, "E")).as_py():  # Arrow writes 0.00000001 as 1E-8
        text = by_distinct(text, lambda number: format(Decimal(number), ".8f"), pa.string())
    return pc.replace_substring_regex(text, _STRIPPED[kind], r"\1")


def count_part(domain: Domain, data: bytes) -> Counted:
    """What is in canonical bytes. Nothing but keys and amounts is read."""
    if len(data) < _FEW_BYTES:
        return _count_few(domain, data)
    names = tuple(dict.fromkeys([*domain.key, *(field.name for field in domain.money_fields)]))
    table = read_part(domain, data, names)
    return table.num_rows, {field.name: _total(table, field.name) for field in domain.money_fields}


def _count_few(domain: Domain, data: bytes) -> Counted:
    """The same of a few rows, where Arrow's reader takes twenty times as long to make ready as to read."""
    header, *rows = csv.reader(io.StringIO(data.decode("utf-8"), newline=""))
    sums: dict[str, Decimal | None] = {}
    for field in domain.money_fields:
        place = header.index(field.name) if field.name in header else None
        amounts = [Decimal(row[place]) for row in rows if row[place]] if place is not None else []
        with localcontext(prec=60):  # as exact as the type of the column
            sums[field.name] = sum(amounts, Decimal(0)).quantize(_SMALLEST) if amounts else None
    return len(rows), sums


def read_part(domain: Domain, data: bytes, only: tuple[str, ...] = ()) -> pa.Table:
    """The table of canonical bytes, typed by the domain's schema; `only`: of these fields alone.

    A field that the domain has got since the part was written is null; one that it has lost is left out.
    :raises NotCanonical: the bytes are no part of this domain
    """
    names = data[: data.find(b"\n")].decode("utf-8").split(",") if b"\n" in data else []
    if not set(names) & set(domain.field_names):
        raise NotCanonical(f"no header of {domain.name}")
    wanted = only or domain.field_names
    schema = pa.schema([domain.arrow_schema.field(name) for name in only]) if only else domain.arrow_schema
    kinds = {name: domain.field(name).arrow_type for name in names if name in wanted}
    body = data[data.find(b"\n") + 1:]
    if not body:
        return schema.empty_table()
    try:
        table = pacsv.read_csv(
            pa.BufferReader(body),
            read_options=pacsv.ReadOptions(column_names=names, block_size=8 << 20, use_threads=len(body) > 1 << 20),
            parse_options=pacsv.ParseOptions(newlines_in_values=b'"' in body, ignore_empty_lines=False),
            convert_options=pacsv.ConvertOptions(column_types=kinds, include_columns=list(kinds), null_values=[""],
                                                 strings_can_be_null=True, quoted_strings_can_be_null=True,
                                                 true_values=["true"], false_values=["false"]))
    except pa.ArrowInvalid as error:
        raise NotCanonical(f"{domain.name}: {error}") from error
    columns = [table[name] if name in kinds else pa.nulls(table.num_rows, domain.field(name).arrow_type)
               for name in wanted]
    return pa.table(columns, schema=schema)


def in_key_order(domain: Domain, table: pa.Table) -> pa.Table:
    """The rows sorted by the key's fields, byte by byte (the order of C, not of a language)."""
    if table.num_rows < 2:
        return table
    order = pc.sort_indices(table, [(name, "ascending") for name in domain.key])
    if (np.diff(order.to_numpy()) == 1).all():
        return table
    return table.take(order)


def split_parts(domain: Domain, table: pa.Table) -> dict[str, pa.Table]:
    """Part name → its rows, parts in order of name, rows in the order that they had."""
    if not table.num_rows:
        return {}
    names = flat(domain.part_of(table)).dictionary_encode()
    labels = names.dictionary.to_pylist()
    index = names.indices.to_numpy(zero_copy_only=False)
    if len(labels) == 1:
        return {labels[0]: table}
    if (np.diff(index) != 0).sum() >= len(labels):  # a part in several pieces: all rows are put in order at once
        order = np.argsort(index, kind="stable")
        index, table = index[order], table.take(pa.array(order))
    bounds = np.flatnonzero(np.concatenate([[True], index[1:] != index[:-1], [True]]))
    runs = itertools.pairwise(bounds.tolist())
    return dict(sorted((labels[index[start]], table.slice(start, end - start)) for start, end in runs))


@dataclass(frozen=True, slots=True)
class Difference:
    """What becomes of a part. `before` and `changed` are the changed rows, old and new, in the same order.

    `cells`: field → how many of its cells change. `totals`: money field → (sum before, sum after), None where no
    amount is.
    """

    added: pa.Table
    changed: pa.Table
    before: pa.Table
    removed: pa.Table
    cells: Mapping[str, int]
    totals: Mapping[str, tuple[Decimal | None, Decimal | None]]

    def changes(self, limit: int | None = None) -> Iterator[tuple[dict[str, object], str, object, object]]:
        """(new row, field, old value, new value) of each changed cell of the first `limit` changed rows."""
        size = self.changed.num_rows if limit is None else min(limit, self.changed.num_rows)
        old, new = self.before.slice(0, size).to_pylist(), self.changed.slice(0, size).to_pylist()
        for before, after in zip(old, new, strict=True):
            for name, value in after.items():
                if before[name] != value:
                    yield after, name, before[name], value


def diff_parts(domain: Domain, old: pa.Table | None, new: pa.Table | None) -> Difference:
    """Rows added, changed and removed by key between two contents of one part; None is no content."""
    none = domain.arrow_schema.empty_table()
    before = none if old is None else old
    after = none if new is None else new
    totals = {field.name: (_total(before, field.name), _total(after, field.name)) for field in domain.money_fields}
    if not before.num_rows or not after.num_rows:
        return Difference(after, none, none, before, {}, totals)
    old_keys, new_keys = row_keys(domain, before), row_keys(domain, after)
    match = pc.index_in(new_keys, value_set=old_keys)
    added = pc.is_null(match)
    kept_new = after.filter(pc.invert(added))
    kept_old = before.take(match.drop_null())
    removed = before.filter(pc.invert(pc.is_in(old_keys, value_set=new_keys)))
    differs = np.zeros(kept_new.num_rows, bool)
    cells: dict[str, int] = {}
    for name in domain.field_names:
        if kept_old[name].equals(kept_new[name]):  # nearly all columns of a small change, at a fortieth of the cost
            continue
        unlike = _unlike(flat(kept_old[name]), flat(kept_new[name]))
        if unlike.any():
            cells[name] = int(unlike.sum())
            differs |= unlike
    mask = pa.array(differs)
    return Difference(after.filter(added), kept_new.filter(mask), kept_old.filter(mask), removed, cells, totals)


def overlay(domain: Domain, base: pa.Table, changes: pa.Table) -> pa.Table:
    """`base` with the rows of `changes` put in the place of those with the same key, the others added; in key order."""
    kept = base.filter(pc.invert(pc.is_in(row_keys(domain, base), value_set=row_keys(domain, changes))))
    return in_key_order(domain, pa.concat_tables([kept, changes]).combine_chunks())


def row_keys(domain: Domain, table: pa.Table) -> pa.Array:
    """One text for each row's key."""
    return row_texts(table, domain.key)


def row_texts(table: pa.Table, names: Sequence[str]) -> pa.Array:
    """One text for each row's cells in some columns."""
    texts = [pc.fill_null(flat(table[name]).cast(pa.string()), "\x00") for name in names]
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, "\x1f")


def _unlike(old: pa.Array, new: pa.Array) -> np.ndarray:
    """Null equals null here, and differs from every value."""
    same = pc.equal(old, new)
    both_null = pc.and_(pc.is_null(old), pc.is_null(new))
    return ~pc.fill_null(pc.or_kleene(same, both_null), False).to_numpy(zero_copy_only=False)


def _total(table: pa.Table, name: str) -> Decimal | None:
    return pc.sum(table[name]).as_py()
