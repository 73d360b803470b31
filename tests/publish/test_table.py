"""The domain table is exactly the approved parts, whichever way it was brought there."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from ckan.plugins.toolkit import config
from hypothesis import given, settings
from hypothesis import strategies as st

from ckanext.gkopen import ids
from ckanext.gkopen.publish import table, table_load
from ckanext.gkopen.publish.table_sql import TableSQL, quoted

from .sample import FIELDS, Blobs, Row, canonical, domain, key, row

SAMPLE = domain()
ONE, TWO = str(UUID(int=1)), str(UUID(int=2))


def bring_up(blobs: Blobs, parts: Mapping[str, Sequence[Row]], seq: int = 1, dataset: str = ONE,
             publisher: str = "财政局", described: Any = SAMPLE) -> table.Applied:
    shas = {part: blobs.put(canonical(rows)) for part, rows in parts.items()}
    return table.bring_up(described, dataset, publisher, seq, shas, blobs.read)


def published(reader: Any, dataset: str | None = None) -> list[tuple[Any, ...]]:
    """(dataset, part, publisher, cells as text …) of each row in the order of the key."""
    names = ", ".join(f"{quoted(field.name)}::text" for field in FIELDS)
    where = "where dataset_id = %(dataset)s" if dataset else ""
    reader.execute(f"select dataset_id, part, publisher, {names} from public.sample {where}"
                   " order by dataset_id, notice_no, lot_no", {"dataset": dataset})
    return reader.fetchall()


def expected(
    parts: Mapping[str, Sequence[Row]], dataset: str = ONE, publisher: str = "财政局"
) -> list[tuple[Any, ...]]:
    rows = sorted(((key(one), part, one) for part, rows in parts.items() for one in rows), key=lambda item: item[0])
    return [(dataset, part, publisher, *(one[field.name] for field in FIELDS)) for _, part, one in rows]


def test_first_load_difference_and_withdrawal(reader: Any, blobs: Blobs) -> None:
    may = [row("1", lot_no="A", award_amount="100.00"), row("1", project_name="停车场, 二期"), row("2", area="海门")]
    june = [row("9", is_green="true", opened_at="2024-06-01 09:30:00", published_on="2024-06-02", bidders="3")]
    assert bring_up(blobs, {"2024-05": may, "2024-06": june}) == table.Applied(4, 0, 0, 4, True)
    assert published(reader) == expected({"2024-05": may, "2024-06": june})

    may = [row("1", lot_no="A", award_amount="100.0"), row("1", project_name="停车场, 二期"), row("3")]
    assert bring_up(blobs, {"2024-05": may, "2024-06": june}, 2) == table.Applied(1, 1, 1, 4, False)
    assert published(reader) == expected({"2024-05": may, "2024-06": june})

    assert table.drop_dataset(SAMPLE, ONE, 3) == table.Applied(0, 0, 4, 0, False)
    assert published(reader) == []
    assert bring_up(blobs, {"2024-05": may}, 2) == table.Applied(0, 0, 0, 0, False), "an older seq brings nothing back"
    assert published(reader) == []


def test_a_row_that_moves_to_another_part_stays_one_row(reader: Any, blobs: Blobs) -> None:
    bring_up(blobs, {"2024-05": [row("1"), row("2")], "2024-06": [row("3")]})
    applied = bring_up(blobs, {"2024-05": [row("1")], "2024-06": [row("2"), row("3")]}, 2)
    assert applied == table.Applied(0, 1, 0, 3, False)
    assert published(reader) == expected({"2024-05": [row("1")], "2024-06": [row("2"), row("3")]})


def test_the_same_again_writes_nothing(reader: Any, blobs: Blobs) -> None:
    bring_up(blobs, {"2024-05": [row("1")]})
    reader.execute("select xmin::text, ctid::text from " + TableSQL(SAMPLE).name)
    before = reader.fetchall()
    assert bring_up(blobs, {"2024-05": [row("1")]}, 2) == table.Applied(0, 0, 0, 1, False)
    reader.execute("select xmin::text, ctid::text from " + TableSQL(SAMPLE).name)
    assert reader.fetchall() == before


def test_a_new_publisher_and_a_new_version_of_the_domain(reader: Any, blobs: Blobs) -> None:
    parts = {"2024-05": [row("1", project_name="甲", area="崇川")]}
    bring_up(blobs, parts)
    bring_up(blobs, {"2024-05": [row("1")]}, dataset=TWO, publisher="住建局")
    assert bring_up(blobs, parts, 2, publisher="财政和国资局").changed == 1
    assert published(reader, ONE) == expected(parts, publisher="财政和国资局")

    newer = replace(SAMPLE, version="two", fields=tuple(f for f in FIELDS if f.name != "area"))
    assert bring_up(blobs, parts, 3, described=newer).swapped
    reader.execute("select * from public.sample limit 0")
    assert "area" not in [column.name for column in reader.description]
    reader.execute("select dataset_id, project_name from public.sample order by 1")
    assert reader.fetchall() == [(ONE, "甲"), (TWO, None)], "other bodies' rows are there too"


def test_a_withdrawal_reads_no_bytes_even_when_the_domain_has_changed(reader: Any, blobs: Blobs) -> None:
    bring_up(blobs, {"2024-05": [row("1")]})
    bring_up(blobs, {"2024-05": [row("1")]}, dataset=TWO)
    assert table.drop_dataset(replace(SAMPLE, version="two"), ONE, 2).removed == 1
    assert [found[0] for found in published(reader)] == [TWO]


def test_many_small_datasets_are_appended_in_place(reader: Any, blobs: Blobs) -> None:
    swaps = [bring_up(blobs, {"2024-05": [row(str(n)) for n in range(20)]}, dataset=str(UUID(int=number))).swapped
             for number in range(30)]
    assert swaps == [True] + [False] * 29
    reader.execute("select stats ->> 'rows' from public._table_stats where resource_id = %s", (ids.table_id("sample"),))
    assert reader.fetchall() == [("600",)]


def test_a_large_change_is_a_rebuild_and_a_small_one_in_a_large_part_is_not(reader: Any, blobs: Blobs) -> None:
    many = [row(f"{n:06}", bidders="1") for n in range(table_load.SMALL_ROWS * 2)]
    assert bring_up(blobs, {"whole": many}).swapped
    few = [row("000003", bidders="2"), *(one for one in many if one["notice_no"] not in ("000003", "000009"))]
    assert bring_up(blobs, {"whole": few}, 2) == table.Applied(0, 1, 1, len(many) - 1, False)
    assert published(reader) == expected({"whole": few})
    other = [row(f"{n:06}", bidders="7") for n in range(table_load.SMALL_ROWS * 2)]
    assert bring_up(blobs, {"whole": other}, 3).swapped
    assert published(reader) == expected({"whole": other})


CELLS = st.sampled_from([None, "甲", "乙,丙", 'a"b', "=1+1", "行一\n行二"])
ROWS = st.lists(
    st.builds(row, st.sampled_from("123456"), lot_no=st.sampled_from([None, "A", "B"]), project_name=CELLS,
              award_amount=st.sampled_from([None, "1", "1.0", "1.00", "-5", "90071992547409.93"])),
    max_size=8, unique_by=key)


@settings(max_examples=25)
@given(st.lists(st.dictionaries(st.sampled_from(["2024-05", "2024-06", "2024-07"]), ROWS), min_size=1, max_size=5))
def test_any_sequence_of_edits_gives_exactly_the_parts(
    reader: Any, writer: Any, blobs: Blobs, states: list[dict[str, list[Row]]]
) -> None:
    writer.execute(f"drop table if exists public.{quoted(ids.table_id('sample'))} cascade")
    writer.execute("drop schema if exists gkopen cascade")
    bring_up(blobs, {"2024-05": [row("1")]}, dataset=TWO)
    for seq, state in enumerate(states, 1):
        seen: set[Any] = set()
        # A key lives in one part only.
        parts: dict[str, Sequence[Row]] = {
            part: [one for one in rows if not (key(one) in seen or seen.add(key(one)))]
            for part, rows in state.items()}
        assert bring_up(blobs, parts, seq).rows == sum(map(len, parts.values()))
        assert published(reader, ONE) == expected(parts)
        assert len(published(reader, TWO)) == 1
    in_place = published(reader)
    assert bring_up(blobs, {"2024-05": [row("1")]}, 2, dataset=TWO, described=replace(SAMPLE, version="two")).swapped
    assert published(reader) == in_place, "a rebuild gives what the differences gave"


def test_readers_see_one_revision_while_the_table_is_swapped_and_changed(site: Any, blobs: Blobs) -> None:
    rows = {n: [row(f"{i:05}", award_amount=str(n)) for i in range(400)] for n in (1, 2, 3)}
    bring_up(blobs, {"whole": rows[1]})
    stop, wrong, reads = threading.Event(), [], [0]

    def read(statement: str) -> None:
        connection = psycopg2.connect(config["ckan.datastore.read_url"])
        while not stop.is_set():
            with connection, connection.cursor() as cursor:
                cursor.execute("select 1")  # the snapshot of a repeatable reader is older than the table it will see
                cursor.execute(statement)
                found = cursor.fetchall()
                if len(found) != 1 or found[0][0] != 400:
                    wrong.append(found)
                reads[0] += 1
        connection.close()

    name = TableSQL(SAMPLE).name
    threads = [threading.Thread(target=read, args=(f"select count(*), award_amount from {source} group by 2",))
               for source in (name, "public.sample", name)]
    for thread in threads:
        thread.start()
    swaps = 0
    try:
        for number in range(24):
            version = f"v{number // 2}"
            applied = bring_up(blobs, {"whole": rows[number % 3 + 1]}, number + 2,
                               described=replace(SAMPLE, version=version))
            swaps += applied.swapped
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert swaps >= 12
    assert reads[0] > 100


KILL = "select pg_terminate_backend(pg_backend_pid())"


@pytest.mark.parametrize("step", ["copy", 0, 3, -1])
def test_a_loader_that_dies_leaves_the_old_table_and_nothing_else(
    reader: Any, blobs: Blobs, monkeypatch: pytest.MonkeyPatch, step: str | int
) -> None:
    """The server ends the loader's session in the middle of the build, as it does after a kill -9."""
    bring_up(blobs, {"2024-05": [row("1")]})
    before = published(reader)
    newer = replace(SAMPLE, version="two")
    copy_in, finish_build = TableSQL.copy_in, TableSQL.finish_build
    if step == "copy":
        monkeypatch.setattr(TableSQL, "copy_in", lambda *args, **options: f"{KILL}; {copy_in(*args, **options)}")
    else:
        position = int(step) % (len(finish_build(TableSQL(newer))) + 1)
        monkeypatch.setattr(TableSQL, "finish_build", lambda self: [
            *finish_build(self)[:position], KILL, *finish_build(self)[position:]])
    with pytest.raises(psycopg2.Error):
        bring_up(blobs, {"2024-05": [row("1"), row("2")]}, 2, described=newer)
    monkeypatch.undo()
    assert published(reader) == before
    reader.execute("select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
                   " where n.nspname = 'gkopen_build'")
    assert reader.fetchone() == (0,)
    assert table.sweep() == []
    bring_up(blobs, {"2024-05": [row("1"), row("2")]}, 2, described=newer)
    assert published(reader) == expected({"2024-05": [row("1"), row("2")]})
