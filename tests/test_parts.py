"""Canonical CSV: the same rows give the same bytes, and come back as they were."""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckanext.gkopen import parts
from ckanext.gkopen.domains import Domain, get_domain
from ckanext.gkopen.normalise import cells
from ckanext.gkopen.parts import (
    NotCanonical,
    count_part,
    diff_parts,
    overlay,
    read_part,
    split_parts,
    write_part,
    write_parts,
)

PENALTY = get_domain("penalty")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1, max_size=12)
VALUES = {
    pa.string(): TEXT,
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.decimal128(28, 8): st.decimals(-(10**20) + 1, 10**20 - 1, places=8),
    pa.date32(): st.dates(date(1900, 1, 1), date(2199, 12, 31)),
    pa.timestamp("s"): st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)).map(
        lambda d: d.replace(microsecond=0)),
    pa.bool_(): st.booleans(),
}


@st.composite
def tables(draw: st.DrawFn, domain: Domain) -> pa.Table:
    keys = draw(st.lists(st.tuples(*[VALUES[domain.field(name).arrow_type] for name in domain.key]), unique=True,
                         max_size=6))
    rows = []
    for key in keys:
        row = {field.name: draw(st.none() | VALUES[field.arrow_type]) for field in domain.fields}
        rows.append(row | dict(zip(domain.key, key, strict=True)))
    return pa.Table.from_pylist(rows, schema=domain.arrow_schema)


def by_key(domain: Domain, table: pa.Table) -> dict:
    return {tuple(row[name] for name in domain.key): row for row in table.to_pylist()}


@given(tables(PENALTY))
@settings(max_examples=60)
def test_round_trip(table: pa.Table):
    back = read_part(PENALTY, write_part(PENALTY, table))
    assert back.schema == PENALTY.arrow_schema
    assert by_key(PENALTY, back) == by_key(PENALTY, table)


@given(tables(PENALTY), st.randoms())
@settings(max_examples=40)
def test_order_of_rows_does_not_change_bytes(table: pa.Table, random):
    order = list(range(table.num_rows))
    random.shuffle(order)
    shuffled = table.take(pa.array(order, pa.int64()))
    assert write_part(PENALTY, shuffled) == write_part(PENALTY, table)


@given(tables(PENALTY))
@settings(max_examples=40)
def test_pythons_csv_reader_sees_the_same_cells(table: pa.Table):
    rows = list(csv.DictReader(io.StringIO(write_part(PENALTY, table).decode(), newline=""), strict=True))
    assert len(rows) == table.num_rows
    for row in rows:
        assert None not in row
        if row["fine_amount"]:
            assert "E" not in row["fine_amount"]
            assert len(row["fine_amount"].partition(".")[2]) >= 2


def one_row(domain: Domain, **values) -> pa.Table:
    return pa.Table.from_pylist([{name: values.get(name) for name in domain.field_names}], schema=domain.arrow_schema)


def test_forms_of_values():
    table = one_row(PENALTY, decision_no="通城管罚〔2024〕1号", party_name='"甲",乙', decided_on=date(2024, 5, 13),
                    fine_amount=Decimal("258000"))
    row = next(csv.DictReader(io.StringIO(write_part(PENALTY, table).decode(), newline="")))
    assert row["fine_amount"] == "258000.00"
    assert row["party_name"] == '"甲",乙'
    assert row["decided_on"] == "2024-05-13"
    small = one_row(PENALTY, decision_no="1", party_name="x", fine_amount=Decimal("0.00000001"))
    assert b",0.00000001," in write_part(PENALTY, small)
    data = write_part(PENALTY, small)
    assert not data.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in data
    assert data.endswith(b"\n")


def test_same_content_same_digest():
    table = one_row(PENALTY, decision_no="1", party_name="x", fine_amount=Decimal("1.5"))
    other = one_row(PENALTY, decision_no="1", party_name="x", fine_amount=Decimal("1.50000"))
    digest = hashlib.sha256(write_part(PENALTY, table)).hexdigest()
    assert digest == hashlib.sha256(write_part(PENALTY, other)).hexdigest()


def test_foreign_bytes_are_refused():
    with pytest.raises(NotCanonical):
        read_part(PENALTY, b"a,b\n1,2\n")
    header = ",".join(PENALTY.field_names)
    broken = ",".join("x" if f.type == "money" else "" for f in PENALTY.fields)
    with pytest.raises(NotCanonical):
        read_part(PENALTY, f"{header}\n{broken}\n".encode())


def test_field_added_later_is_null():
    names = [name for name in PENALTY.field_names if name != "fine_amount"]
    data = ",".join(names) + "\n" + ",".join("1" if name in PENALTY.key else "" for name in names) + "\n"
    table = read_part(PENALTY, data.encode())
    assert table.schema == PENALTY.arrow_schema
    assert table["fine_amount"].null_count == 1


def test_split_parts():
    table = pa.concat_tables([
        one_row(PENALTY, decision_no=str(i), party_name="x", decided_on=date(2024, 5 + i % 2, 1)) for i in range(5)])
    parts = split_parts(PENALTY, table)
    assert {name: part["decision_no"].to_pylist() for name, part in parts.items()} == {
        "2024-05": ["0", "2", "4"], "2024-06": ["1", "3"]}
    assert split_parts(PENALTY, table.slice(0, 0)) == {}


def test_difference():
    def row(number: str, amount: str | None, name: str = "x") -> pa.Table:
        return one_row(PENALTY, decision_no=number, party_name=name,
                       fine_amount=None if amount is None else Decimal(amount))

    old = pa.concat_tables([row("1", "10"), row("2", "20"), row("3", None), row("5", "1")])
    new = pa.concat_tables([row("1", "10"), row("2", "25"), row("3", None), row("4", "5")])
    found = diff_parts(PENALTY, old, new)
    assert found.added["decision_no"].to_pylist() == ["4"]
    assert found.removed["decision_no"].to_pylist() == ["5"]
    assert found.changed["decision_no"].to_pylist() == ["2"]
    assert found.cells == {"fine_amount": 1}
    assert found.totals["fine_amount"] == (Decimal(31), Decimal(40))
    assert [change[1:] for change in found.changes()] == [("fine_amount", Decimal(20), Decimal(25))]
    nothing = diff_parts(PENALTY, None, None)
    assert (nothing.added.num_rows, nothing.totals["fine_amount"]) == (0, (None, None))


@given(tables(PENALTY), tables(PENALTY))
@settings(max_examples=40)
def test_difference_explains_every_row(old: pa.Table, new: pa.Table):
    found = diff_parts(PENALTY, old, new)
    before, after = by_key(PENALTY, old), by_key(PENALTY, new)
    assert set(by_key(PENALTY, found.added)) == set(after) - set(before)
    assert set(by_key(PENALTY, found.removed)) == set(before) - set(after)
    assert set(by_key(PENALTY, found.changed)) == {k for k in set(before) & set(after) if before[k] != after[k]}
    patched = overlay(PENALTY, old, new)
    assert by_key(PENALTY, patched) == before | after


@given(st.lists(tables(PENALTY), min_size=1, max_size=4))
@settings(max_examples=30)
def test_parts_that_are_written_together_are_written_as_alone(rows: list[pa.Table]):
    together = {str(place): table for place, table in enumerate(rows)}
    assert write_parts(PENALTY, together) == {part: write_part(PENALTY, table) for part, table in together.items()}


def test_large_parts_are_cut_and_written_side_by_side(monkeypatch):
    table = pa.concat_tables([one_row(PENALTY, decision_no=f"{n:03}", party_name=f'第{n}号,"甲"') for n in range(40)])
    wanted = {"a": table, "none": table.slice(0, 0), "b": table.slice(5, 9), "c": table.slice(0, 21)}
    alone = {part: write_part(PENALTY, rows) for part, rows in wanted.items()}
    monkeypatch.setattr(parts, "_BATCH", 7)
    monkeypatch.setattr(cells, "MANY", 10)
    assert write_parts(PENALTY, wanted) == alone
    assert list(write_parts(PENALTY, wanted)) == list(wanted)


@given(tables(PENALTY))
@settings(max_examples=60)
def test_few_rows_are_counted_as_many_are(table: pa.Table):
    data = write_part(PENALTY, table)
    read = read_part(PENALTY, data)
    sums = {field.name: pc.sum(read[field.name]).as_py() for field in PENALTY.money_fields}
    with pytest.MonkeyPatch.context() as patch:
        assert count_part(PENALTY, data) == (table.num_rows, sums)
        few = {name: str(value) for name, value in count_part(PENALTY, data)[1].items()}
        patch.setattr(parts, "_FEW_BYTES", 0)
        assert count_part(PENALTY, data) == (table.num_rows, sums)
        assert few == {name: str(value) for name, value in count_part(PENALTY, data)[1].items()}
