"""Row 22: the loader is killed before each of its statements, the maker of files before each of its files."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit
from ckanext.datastore.backend.postgres import get_write_engine

from ckanext.gkopen import model
from ckanext.gkopen.publish import files, outbox, store, table
from tests.people import Cast, make_cast
from tests.publish.conftest import blobs as blobs
from tests.publish.conftest import reader as reader
from tests.publish.sample import Blobs, Row, row
from tests.publish.test_table import SAMPLE, bring_up, expected, published
from tests.races import crew

SEED = 20261122


class Cursor:
    """A cursor that calls `step` before each statement."""

    def __init__(self, cursor: Any, step: Callable[[], None]) -> None:
        self._cursor, self._step = cursor, step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, *arguments: Any) -> Any:
        self._step()
        return self._cursor.execute(*arguments)

    def copy_expert(self, *arguments: Any, **options: Any) -> Any:
        self._step()
        return self._cursor.copy_expert(*arguments, **options)


def dies_at(number: int) -> Callable[[], None]:
    """A step that is the process's last one when it is the `number`-th."""
    seen = [0]

    def step() -> None:
        if seen[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        seen[0] += 1

    return step


def in_a_fork(task: Callable[[], None]) -> int:
    """How a process of its own ended that did this: 0, or minus the signal."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            # No two processes on one connection; and those of the parent stay open.
            for engine in (ckan_model.ensure_engine(), get_write_engine()):
                engine.dispose(close=False)
            task()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch, step: Callable[[], None]) -> Iterator[None]:
    transaction = table.transaction

    @contextmanager
    def counted() -> Iterator[Any]:
        with transaction() as cursor:
            yield Cursor(cursor, step)
            step()                                        # all is written and nothing committed

    with monkeypatch.context() as changed:
        changed.setattr(table, "transaction", counted)
        yield


def tables(reader: Any) -> int:
    """Tables that are served or being built."""
    reader.execute("select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
                   " where n.nspname in ('public', 'gkopen_build') and c.relkind = 'r'")
    return reader.fetchone()[0]


@pytest.mark.parametrize("way", ["difference", "rebuild", "first load"])
def test_killed_before_each_statement(reader: Any, blobs: Blobs, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    old: list[Row] = [row(f"{number:03}") for number in range(50)]
    new: list[Row] = [*old[5:], *(row(f"9{number:02}") for number in range(5))]
    described = replace(SAMPLE, version="two") if way == "rebuild" else SAMPLE
    if way != "first load":
        bring_up(blobs, {"2024-05": old})
    before = published(reader) if way != "first load" else []
    known, steps = tables(reader), 0
    while True:
        with watched(monkeypatch, dies_at(steps)):
            ended = in_a_fork(lambda: bring_up(blobs, {"2024-05": new}, 2, described=described) and None)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL, "it died of something else"
        steps += 1
        if way == "first load":
            with pytest.raises(psycopg2.errors.UndefinedTable):
                published(reader)
        else:
            assert published(reader) == before, "the old table is served"
        assert tables(reader) == known
    assert published(reader) == expected({"2024-05": new}), "the one that lived brought it up"
    assert table.sweep() == []
    print(f"{way}: killed before each of {steps} steps, old table served {steps} times, orphans 0")
    assert steps > 10


@pytest.fixture
def cast(site: Any) -> Iterator[Cast]:
    yield make_cast()
    ckan_model.Session.remove()


def files_on_disk() -> set[Path]:
    folder = Path(toolkit.config["ckan.files.storage.gkopen_public.path"])
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.torture)])
def test_a_maker_of_files_killed_before_each_file(cast: Cast, bulk_at_once: None, monkeypatch: pytest.MonkeyPatch,
                                                  every: int) -> None:
    """What is public stays whole; what a killed maker left goes with the next sweep."""
    crew.approve(cast.office, crew.submit(cast.officer, cast.body, [crew.row(1)]))
    crew.until(lambda: (crew.drain(), crew.nothing_waits())[1])
    crew.approve(cast.office, crew.submit(cast.officer, cast.body, [crew.row(1, "2000.00"), crew.row(2)]))
    named = model.every("select address, sha256 from gkopen.file order by address")
    ckan_model.Session.remove()
    put, steps, left = store.put, random.Random(SEED).randrange(every), 0
    killed = 0
    while True:
        step = dies_at(steps)

        def counted(*arguments: Any, step: Callable[[], None] = step) -> None:
            step()
            put(*arguments)
            step()

        def work() -> None:
            with monkeypatch.context() as changed:
                changed.setattr(store, "put", counted)
                crew.in_session(lambda: [*outbox.drain()])

        model.execute("update gkopen.outbox set not_before = now() where done_at is null")
        ckan_model.Session.commit()
        ckan_model.Session.remove()
        if in_a_fork(work) == 0:
            break
        killed += 1
        steps += every
        ckan_model.Session.remove()
        held = files_on_disk()
        files.sweep()
        ckan_model.Session.commit()
        left += len(held - files_on_disk())
        for file in model.every("select address, sha256 from gkopen.file where sha256 is not null"):
            assert any(path.name == file["sha256"] for path in files_on_disk()), f"{file['address']} is gone"
    crew.until(lambda: (crew.drain(), crew.nothing_waits())[1])
    files.sweep()
    ckan_model.Session.commit()
    known = {row["sha256"] for row in model.every("select sha256 from gkopen.file where sha256 is not null")}
    orphans = [path for path in files_on_disk() if path.name.split(".")[0] not in known]
    print(f"seed {SEED}: maker of files killed {killed} times, {left} files swept that they left, orphans"
          f" {len(orphans)} after the last sweep")
    assert orphans == [], orphans[:6]
    assert killed > 1
    assert model.every("select address, sha256 from gkopen.file order by address") != named
    crew.whole()


def test_the_sweep_leaves_alone_what_is_being_made(cast: Cast) -> None:
    with store.making() as folder:
        (folder / "csv").write_bytes(b"half of it")
        assert files.sweep() == []
        assert (folder / "csv").exists()
    assert not folder.exists()
