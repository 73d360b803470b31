"""Rows 6 and 8: many triggers at once are one run, and a run that finds nothing new writes nothing."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from ckan import model as ckan_model
from ckanext.datastore.backend.postgres import get_read_engine, get_write_engine

from ckanext.gkopen import model
from ckanext.gkopen.embedded.site import Site
from ckanext.gkopen.harvest import ledger
from tests.harvest.city import SOURCE, City, approve_all, harvest
from tests.harvest.conftest import town as town
from tests.races import crew
from tests.races.gate import gate
from tests.races.nursery import nursery
from tests.torture import source as at
from tests.torture.source import large

SEED = 20261122
BOOKS = {"run", "item", "source", "submission", "finding", "quarantine"}
"""What a run writes about itself: that it was, what it fetched, when the next one is due, what it set aside."""


@pytest.mark.parametrize("rounds", [1, pytest.param(25, marks=pytest.mark.torture)])
def test_twenty_triggers_before_two_workers(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                            bulk_at_once: None, rounds: int) -> None:
    with large(tmp_path, 100, SEED, monkeypatch) as source, gate(source.url) as platform, \
            nursery(tmp_path / "workers.log") as workers:
        at.keep_source(platform.url)
        workers.start()
        workers.start()
        for turn in range(rounds):
            source.change(sorted(source.state)[:10], f"第{turn}轮")
            platform.hold()                               # the run cannot end before all have triggered it
            answers = crew.at_once(20, lambda _: at.trigger())
            assert len(set(answers)) == 1, answers
            assert platform.held.wait(600)
            platform.release()
            crew.until(lambda run_id=answers[0]: at.finished(run_id), 600)
            assert at.approve_held() == 1
        crew.until(crew.nothing_waits, 600)
    found, lost, twice = at.exact(source)
    runs, seq = model.value("select count(*) from gkopen.run"), model.value("select seq from gkopen.dataset")
    print(f"seed {SEED}: {rounds} times 20 triggers, two workers: {runs} runs, {seq} publications; shown {found},"
          f" lost {lost}, twice {twice}")
    assert runs == seq == rounds
    crew.whole()


def test_a_trigger_always_names_a_run(town: City) -> None:
    """Runs end while they are asked for: the answer is the one that is open, or a new one."""
    source, stop = ledger.find_source(SOURCE), threading.Event()
    crew.flask_app()

    def end_runs() -> int:
        ended = 0
        while not stop.is_set():
            ended += model.execute("update gkopen.run set state = 'done' where state in ('queued', 'running')").rowcount
            ckan_model.Session.commit()
        return ended

    def ask() -> set[str]:
        try:
            asked = set()
            for _ in range(300):
                asked.add(ledger.enqueue(source, "manual", "test"))
                ckan_model.Session.commit()
            return asked
        finally:
            stop.set()

    ended, *asked = crew.at_once(4, lambda index: ask() if index else end_runs())
    runs = {str(row["id"]) for row in model.every("select id from gkopen.run")}
    print(f"900 triggers while {ended} runs ended: {len(runs)} runs, each answer names one of them")
    assert set().union(*asked) == runs


def written(site: Site) -> dict[str, int]:
    """Rows that were ever inserted, updated or deleted, by database and table. A session that has ended has told what
    it did: all are ended first."""
    names = (site.databases.name, site.databases.datastore)
    ckan_model.Session.remove()
    for engine in (ckan_model.ensure_engine(), get_write_engine(), get_read_engine()):
        engine.dispose()
    crew.until(lambda: not asked(site, "select pg_terminate_backend(pid) from pg_stat_activity where usename <>"
                                       " current_user and datname = any(%s)", list(names)))
    return {f"{name}.{table}": number for name in names for table, number in asked(
        site, "select relname, n_tup_ins + n_tup_upd + n_tup_del from pg_stat_user_tables", name=name)}


def asked(site: Site, query: str, *values: Any, name: str = "") -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(site.databases.as_superuser(name or site.databases.name))) as connection, \
            connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def test_harvested_twice_unchanged(town: City, site: Site, bulk_at_once: None) -> None:
    """PostgreSQL's own counters: nothing but the run's own books is written, in either database."""
    harvest()
    approve_all()
    crew.until(lambda: (crew.drain(), crew.nothing_waits())[1])
    before = written(site)
    runs = 3
    for _ in range(runs):
        assert harvest()["counts"]["outcomes"][0]["state"] == "unchanged"
    after = written(site)
    touched = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    books = {name: number for name, number in touched.items() if name.rsplit(".", 1)[1] in BOOKS}
    activities = model.value("select to_regclass('public.activity')") and model.value("select count(*) from activity")
    print(f"{runs} unchanged runs: rows written outside the run's books {touched.keys() - books.keys() or 0},"
          f" activities {activities or 0}; the books: {books}")
    assert touched == books
    assert books[f"{site.databases.name}.run"] > 0, "the counters count"
    assert not activities
