"""Harvesting workers that are killed, stopped and overtaken, and officers who edit what is being harvested."""

from __future__ import annotations

import csv
import io
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.plugins import toolkit
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import model
from ckanext.gkopen.harvest import ledger, run
from tests.harvest.city import BODY, SOURCE, City, harvest
from tests.people import call
from tests.races import crew
from tests.races.gate import gate
from tests.races.nursery import Nursery, nursery

SEED = 20261122
LARGE = ("candidates",)
"""Sources left out here: minutes of work, and nothing that the others do not show."""


def small_sources() -> list[dict[str, Any]]:
    return [source for source in ledger.active_sources() if not source["name"].endswith(LARGE)]


def approve_what_is_held() -> None:
    for row in model.every("select id from gkopen.revision where state = 'held'"):
        try:
            crew.approve("office", str(row["id"]))
        except toolkit.ValidationError as refused:
            # Decided, or replaced by the source's next answer, since it was listed.
            assert {"revision", "stale"} & set(refused.error_dict), refused.error_dict


def kill_now_and_then(workers: Nursery, kills: int, dice: random.Random) -> None:
    """Two workers; one of them dies at a random moment and another one comes, again and again."""
    pause = threading.Event()
    for _ in range(2):
        workers.start()
    for _ in range(kills):
        pause.wait(dice.uniform(0.02, 1.2))
        workers.kill(dice.choice(workers.alive))
        workers.start()


def many_kills(kills: int, log: Path) -> None:
    dice = random.Random(SEED)
    names = [source["name"] for source in small_sources()]
    model.execute("update gkopen.source set state = 'paused', next_run_at = now() + interval '1 day'")
    ckan_model.Session.commit()
    runs = 0
    with nursery(log) as workers:
        while runs == 0 or kills > 0:
            for name in names:
                ledger.enqueue(ledger.find_source(name), "manual", "test")
            ckan_model.Session.commit()
            runs += 1
            killer = threading.Thread(target=kill_now_and_then, args=(workers, min(kills, 10), dice))
            killer.start()
            while killer.is_alive():
                crew.in_session(approve_what_is_held)
            killer.join()
            kills -= 10
            crew.until(crew.nothing_waits, 120)
            approve_what_is_held()
            for pid in list(workers.alive):
                workers.kill(pid)
        workers.start()
        crew.until(crew.nothing_waits, 120)
    crew.whole()
    states = Counter(row["state"] for row in model.every("select state from gkopen.run"))
    print(f"seed {SEED}: {dict(states)}")
    assert set(states) <= {"done", "partly", "held"}
    assert sum(states.values()) == runs * len(names)
    assert not model.every("select name, seq from gkopen.dataset where seq > 1"), "the same rows were published twice"
    assert harvest(names[0])["counts"]["outcomes"][0]["state"] == "unchanged"


@pytest.mark.torture
def test_fifty_killed_workers_lose_nothing(city: City, tmp_path: Path) -> None:
    many_kills(50, tmp_path / "workers.log")


def test_a_stopped_worker_that_comes_back_is_fenced_off(city: City, tmp_path: Path) -> None:
    source = run.source_of(ledger.find_source(SOURCE))
    log = tmp_path / "workers.log"
    with gate(source.url) as platform, nursery(log) as workers:
        model.execute("update gkopen.source set state = 'paused'")
        ledger.save_source(replace(source, url=platform.url), "test", replace=True)
        platform.hold()
        run_id = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
        ckan_model.Session.commit()
        stopped = workers.start()
        assert platform.held.wait(60)
        os.kill(stopped, signal.SIGSTOP)
        assert ledger.claim(run_id) is None, "it is stopped, not dead: its lock holds"
        key = ledger.lock_key(ledger.find_source(SOURCE)["id"])
        assert model.value("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted"
                           " and classid = :high and objid = :low", high=key >> 32, low=key & 0xFFFFFFFF)
        ckan_model.Session.commit()
        second = crew.until(lambda: ledger.claim(run_id))
        run.carry_out(second)
        second.release()
        before = model.one("select * from gkopen.run where id = :id", id=run_id)
        platform.release()
        os.kill(stopped, signal.SIGCONT)
        crew.until(lambda: "was taken over by another worker" in log.read_text())
        crew.until(crew.nothing_waits)
        assert before is not None and model.one("select * from gkopen.run where id = :id", id=run_id) == before
        assert model.value("select count(*) from gkopen.revision") == 1
        # and it is as good as any other afterwards
        again = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
        ckan_model.Session.commit()
        crew.until(lambda: model.value("select finished_at from gkopen.run where id = :id", id=again))
        assert model.value("select epoch from gkopen.run where id = :id", id=again) == before["epoch"] + 1
    approve_what_is_held()
    crew.drain()
    crew.whole()


@contextmanager
def stopped_at(workers: Nursery, table: str) -> Iterator[int]:
    """A worker, stopped (SIGSTOP) in a transaction that has just written to this table; it goes on at the end."""
    with ckan_model.ensure_engine().connect() as other:
        other.execute(sa.text(f"lock table {table} in share mode"))
        stopped = workers.start()
        crew.until(lambda: model.value("select 1 from pg_locks where relation = cast(:table as regclass)"
                                       " and not granted", table=table))
        os.kill(stopped, signal.SIGSTOP)
    crew.until(lambda: model.value("select 1 from pg_locks l join pg_stat_activity a using (pid) where l.relation ="
                                   " cast(:table as regclass) and l.mode = 'RowExclusiveLock' and l.granted"
                                   " and a.state = 'idle in transaction'", table=table))
    try:
        yield stopped
    finally:
        os.kill(stopped, signal.SIGCONT)


@pytest.mark.parametrize("table", ["gkopen.profile", "gkopen.file"], ids=["in-a-harvest", "at-an-exit"])
def test_what_a_stopped_worker_holds_in_a_transaction_is_soon_another_ones(city: City, tmp_path: Path,
                                                                           table: str) -> None:
    """Its locks on rows and its turn at an exit would stay as long as it does."""
    log = tmp_path / "workers.log"
    model.execute("update gkopen.source set state = 'paused'")
    if table == "gkopen.file":
        harvest(SOURCE)
        approve_what_is_held()
    else:
        ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
        ckan_model.Session.commit()
    with nursery(log, silent=3) as workers, stopped_at(workers, table) as stopped:
        workers.start()
        crew.until(crew.nothing_waits)
        assert "no sign of life" in log.read_text()
        for pid in [pid for pid in workers.alive if pid != stopped]:
            workers.kill(pid)
        os.kill(stopped, signal.SIGCONT)
        # It writes nothing of what it was at, and is as good as any other afterwards.
        approve_what_is_held()
        crew.until(crew.nothing_waits)
        again = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
        ckan_model.Session.commit()
        crew.until(lambda: model.value("select finished_at from gkopen.run where id = :id", id=again))
    assert [row["state"] for row in model.every("select state from gkopen.revision")] == ["published"]
    crew.drain()
    crew.whole()


def test_a_run_that_is_resumed_takes_what_the_source_says_now(city: City) -> None:
    run_id = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
    ckan_model.Session.commit()
    first = ledger.claim(run_id)
    assert first is not None
    row = model.one("select * from gkopen.run where id = :id", id=run_id)
    run.carry_out(first)
    first.release()
    # As if the worker had died after its last table and before it closed the run.
    model.execute("update gkopen.run set state = 'running', finished_at = null where id = :id", id=run_id)
    ckan_model.Session.commit()
    name = next(csv.DictReader(io.StringIO(city.table().read_text("utf-8-sig"))))
    first_value = name["停车场名称"]
    city.edit(f"{first_value},", f"{first_value}（改）,")
    second = ledger.claim(run_id)
    assert second is not None and row is not None
    report = run.carry_out(second)
    second.release()
    assert report.state in {"done", "partly"}
    assert Counter(r["state"] for r in model.every("select state from gkopen.revision")) == {"superseded": 1, "held": 1}


def test_a_failed_claim_leaves_no_lock_behind(city: City) -> None:
    """The claim dies with its connection: the advisory lock must not wait in the pool."""
    run_id = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
    ckan_model.Session.commit()
    model.execute("alter table gkopen.run add constraint nobody_runs check (state <> 'running') not valid")
    ckan_model.Session.commit()
    try:
        with pytest.raises(Exception, match="nobody_runs"):
            ledger.claim(run_id)
        ckan_model.Session.rollback()
    finally:
        model.execute("alter table gkopen.run drop constraint nobody_runs")
        ckan_model.Session.commit()
    claim = ledger.claim(run_id)
    assert claim is not None
    claim.release()


def test_a_worker_outlives_its_connections(city: City, tmp_path: Path) -> None:
    model.execute("update gkopen.source set state = 'paused'")
    ckan_model.Session.commit()
    log = tmp_path / "workers.log"
    with nursery(log) as workers:
        workers.start()
        for _ in range(3):
            crew.until(lambda: model.value("select 1 from pg_stat_activity where datname = current_database() limit 1"
                                           " offset 1"))
            model.every("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                        " and pid <> pg_backend_pid() and usename = current_user")
            ckan_model.Session.commit()
            run_id = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
            ckan_model.Session.commit()
            crew.until(lambda run_id=run_id: model.value("select finished_at from gkopen.run where id = :id",
                                                         id=run_id))


def test_an_officer_edits_what_is_being_harvested(city: City) -> None:
    harvest()
    approve_what_is_held()
    table = city.table().read_text("utf-8-sig").splitlines()

    def officer(turn: int) -> None:
        text = "\n".join(line.replace("停车管理中心", f"停车管理中心{turn}") for line in table)
        call("gkopen_submission_create", "officer", domain="parking", organization=BODY,
             upload=FileStorage(io.BytesIO(text.encode()), filename="停车场.csv"))

    def decide(_: int) -> None:
        while model.value("select 1 from gkopen.revision where state = 'held' limit 1"):
            approve_what_is_held()

    for turn in range(5):
        crew.at_once(2, lambda index, turn=turn: officer(turn) if index else harvest())
        crew.at_once(2, decide)
    while crew.drain():
        pass
    crew.whole()
    states = Counter(row["state"] for row in model.every("select state from gkopen.revision"))
    print(dict(states))
    assert set(states) <= {"published", "stale", "superseded"}
    assert states["published"] > 1
    for stale in model.every("select dataset_id, created_at from gkopen.revision where state = 'stale'"):
        assert model.value("select 1 from gkopen.revision where dataset_id = :d and created_at > :at limit 1",
                           d=stale["dataset_id"], at=stale["created_at"])
