"""Many small datasets in one transaction: the table, the record and the counts are those of one after the other."""

from __future__ import annotations

import csv
import io
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckanext.gkopen.domains import Domain, Field, Text
from ckanext.gkopen.publish import table
from ckanext.gkopen.publish.table_rows import records

from .sample import Blobs, Row, canonical, domain, row
from .test_table import published

SAMPLE = domain()
DATASETS = [str(UUID(int=number)) for number in range(1, 8)]


def content(number: int) -> dict[str, list[Row]]:
    return {"2024-05": [row("1", project_name=f'道路"改造", 一期\n二标 {number}', award_amount=f"{number}.10"),
                        row("2", area="")],
            "2024-06": [row(str(3 + each), lot_no="A") for each in range(number)]}


def wanted(blobs: Blobs, number: int, seq: int = 1) -> table.Wanted:
    return table.Wanted(DATASETS[number], f'第{number}"局"', seq,
                        {part: blobs.put(canonical(rows)) for part, rows in content(number).items()})


def on_record() -> list[Any]:
    answers = []
    with table.transaction() as cursor:
        for statement in ("select dataset_id, seq, publisher, rows from gkopen.applied_dataset order by 1",
                          "select dataset_id, part, sha256, seq, rows from gkopen.applied order by 1, 2",
                          "select resource_id, stats ->> 'rows' from public._table_stats order by 1"):
            cursor.execute(statement)
            answers.append(cursor.fetchall())
    return answers


def test_together_as_one_after_the_other(reader: Any, blobs: Blobs) -> None:
    together = table.bring_up_many(SAMPLE, [wanted(blobs, number) for number in range(1, 7)], blobs.read)
    assert [one.rows for one in together] == [number + 2 for number in range(1, 7)]
    assert [one.swapped for one in together] == [True] + [False] * 5
    rows, record = published(reader), on_record()
    for dataset in DATASETS[1:]:
        table.drop_dataset(SAMPLE, dataset, 1)
    assert published(reader) == []
    for number in range(1, 7):
        table.bring_up(SAMPLE, *_single(wanted(blobs, number)), blobs.read)
    assert (published(reader), on_record()) == (rows, record)


def _single(one: table.Wanted) -> tuple[str, str, int, Any]:
    return one.dataset_id, one.publisher, one.seq, one.parts


def test_new_and_known_ones_in_one_transaction(reader: Any, blobs: Blobs) -> None:
    table.bring_up_many(SAMPLE, [wanted(blobs, 1), wanted(blobs, 2)], blobs.read)
    other = blobs.put(canonical([row("1"), row("7")]))
    applied = table.bring_up_many(SAMPLE, [
        table.Wanted(DATASETS[1], "局", 2, {"2024-05": other}), wanted(blobs, 3),
        table.Wanted(DATASETS[2], "局", 2, {"2024-05": other}), wanted(blobs, 2), wanted(blobs, 4)], blobs.read)
    assert [one.rows for one in applied] == [2, 5, 2, 2, 6], "an older publication changes nothing"
    assert len(published(reader)) == 15
    reader.execute("select stats ->> 'rows' from public._table_stats order by 1")
    assert "15" in {rows for (rows,) in reader.fetchall()}


@pytest.mark.parametrize("described", [SAMPLE, domain(version="two", fields=(
    *SAMPLE.fields, Field("remark", Text("备注", "Remark"), "string")))], ids=["as-they-are", "with-a-new-column"])
def test_a_table_of_many_small_parts_is_made_anew_with_few_locks(reader: Any, blobs: Blobs, described: Domain) -> None:
    """PostgreSQL has room for some thousand locks: a table of more parts than that could never be made anew."""
    parts = {f"{1900 + number // 12}-{number % 12 + 1:02}": blobs.put(canonical([row(str(number), area="甲,乙")]))
             for number in range(300)}
    table.bring_up(SAMPLE, DATASETS[0], "局", 1, parts, blobs.read)
    before, most = published(reader), 0

    def read(sha256: str) -> bytes:
        nonlocal most
        reader.execute("select count(*) from pg_locks l join pg_stat_activity a using (pid)"
                       " where a.datname = current_database()")
        most = max(most, reader.fetchone()[0])
        return blobs.read(sha256)

    table.bring_anew(described, lambda: ([table.Wanted(DATASETS[0], "局", 1, parts)], read))
    assert most < 100
    assert [found[:len(before[0])] for found in published(reader)] == before
    assert len(before) == len(parts)


def test_what_fails_takes_all_back(reader: Any, blobs: Blobs) -> None:
    table.bring_up(SAMPLE, *_single(wanted(blobs, 1)), blobs.read)
    before = published(reader), on_record()
    lost = table.Wanted(DATASETS[3], "局", 1, {"2024-05": "0" * 64})
    with pytest.raises(KeyError):
        table.bring_up_many(SAMPLE, [wanted(blobs, 2), lost], blobs.read)
    assert (published(reader), on_record()) == before


@given(st.lists(st.lists(st.text(st.sampled_from('a,"\n东'), max_size=5), min_size=2, max_size=2)))
def test_records_are_those_of_the_csv(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    assert records(out.getvalue().encode()) == [_line(each) for each in rows]


def _line(cells: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue().encode()[:-1]
