"""A dump is one revision, holds no lock for a slow client, and never ends early without saying so."""

from __future__ import annotations

import gc
import io
import random
import threading
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from ckan.plugins.toolkit import config
from sqlalchemy.exc import TimeoutError

from ckanext.gkopen.datastore import spool
from ckanext.gkopen.datastore.spool import stream_copy
from ckanext.gkopen.publish import table, table_load
from ckanext.gkopen.publish.table_sql import TableSQL
from tests.publish.sample import Blobs, canonical, domain, row

SAMPLE = domain()
SELECT = f"select {', '.join(SAMPLE.field_names)} from {TableSQL(SAMPLE).name} order by notice_no"
OPTIONS = "format csv, header"


@pytest.fixture
def revisions(site: Any) -> tuple[Blobs, list[str]]:
    blobs = Blobs()
    shas = [blobs.put(canonical([row(f"{n:05}", project_name="停车场" * 20, award_amount=f"{amount}.00")
                                 for n in range(3000)])) for amount in (1, 2)]
    table.bring_up(SAMPLE, "d-1", "财政局", 1, {"whole": shas[0]}, blobs.read)
    return blobs, shas


def test_every_dump_is_one_revision(revisions: tuple[Blobs, list[str]]) -> None:
    blobs, shas = revisions
    stop, seen = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            seen.append(b"".join(stream_copy(SELECT, {}, OPTIONS)))

    thread = threading.Thread(target=read)
    thread.start()
    swapped = [table.bring_up(replace(SAMPLE, version=str(n // 3)), "d-1", "财政局", n + 2, {"whole": shas[n % 2]},
                              blobs.read).swapped for n in range(20)]
    stop.set()
    thread.join()
    assert {True, False} == set(swapped)
    assert len(seen) > 3
    assert set(seen) <= {blobs[sha] for sha in shas}


def test_a_slow_client_holds_up_no_swap(revisions: tuple[Blobs, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    blobs, shas = revisions
    monkeypatch.setattr(spool, "CHUNK", 1000)
    monkeypatch.setattr(table_load, "SWAP_SECONDS", 5)
    slow = stream_copy(SELECT, {}, OPTIONS)
    begun = next(slow)
    applied = table.bring_up(replace(SAMPLE, version="new"), "d-1", "财政局", 2, {"whole": shas[1]}, blobs.read)
    assert applied.swapped
    assert begun + b"".join(slow) == blobs[shas[0]]


@pytest.mark.parametrize("in_memory", [0, 1, 3])
def test_a_reader_now_quick_now_slow_reads_it_in_order(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(spool, "CHUNK", 7)
    monkeypatch.setattr(spool, "IN_MEMORY", in_memory)
    choose, between = random.Random(3), spool._Spool()
    wanted, read, reader = b"", b"", between.chunks()
    for number in range(500):
        piece = b"%d," % number
        wanted += piece
        assert between.write(piece) == len(piece)
        while len(read) < len(wanted) and choose.random() < 0.6:
            read += next(reader)
    between.end(None)
    assert read + b"".join(reader) == wanted
    assert between.file.closed


def test_a_reader_who_has_gone_is_written_to_no_more() -> None:
    between = spool._Spool()
    reader: Any = between.chunks()
    between.write(b"row")
    assert next(reader) == b"row"
    reader.close()
    with pytest.raises(BrokenPipeError):
        between.write(b"row")


def test_a_client_that_leaves_ends_the_copy(
    revisions: tuple[Blobs, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[Exception] = []

    class Buffer(io.BufferedWriter):
        def close(self) -> None:
            try:
                super().close()
            except Exception as error:
                failed.append(error)

    monkeypatch.setattr(spool.io, "BufferedWriter", Buffer)
    monkeypatch.setattr(spool, "CHUNK", 1000)
    leaving: Any = stream_copy(SELECT, {}, OPTIONS)
    next(leaving)
    leaving.close()
    for thread in threading.enumerate():
        if thread.name == "gkopen-dump":
            thread.join(10)
            assert not thread.is_alive()
    gc.collect()
    assert failed == []


def test_an_error_of_the_database_is_not_the_end_of_a_file(revisions: tuple[Blobs, list[str]]) -> None:
    with pytest.raises(psycopg2.Error):
        b"".join(stream_copy("select 1 / (500 - n) from generate_series(1, 1000) n", {}, OPTIONS))


def test_where_no_connection_is_free_the_reader_is_told(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader for whom nobody copies would wait for ever, and a thread of the web server with it."""
    engine = sa.create_engine(config["ckan.datastore.read_url"], pool_size=1, max_overflow=0, pool_timeout=0.1)
    monkeypatch.setattr(spool, "get_read_engine", lambda: engine)
    told: list[Exception] = []

    def read() -> None:
        try:
            list(stream_copy("select 1", {}, OPTIONS))
        except TimeoutError as error:
            told.append(error)

    with engine.connect():
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        reader.join(30)
    engine.dispose()
    assert told and not reader.is_alive()
