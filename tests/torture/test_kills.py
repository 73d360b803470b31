"""Rows 1 and 2: workers killed at random points of a large run, and between the claim and the first write."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ckan import model as ckan_model

from ckanext.gkopen import model
from tests.races import crew
from tests.races.gate import gate
from tests.races.nursery import Nursery, nursery
from tests.torture import source as at
from tests.torture.source import large

SEED = 20261122
LONG = 600.0
"""Seconds that a wait may take before the test gives up; nothing is judged by time."""


def kill_while(workers: Nursery, kills: int, dice: random.Random, longest: float, victim: Any, done: Any) -> int:
    """Kill -9 `victim()` at random moments until `done()`, at most `kills` times; another worker comes for each.

    Returns how many died.
    """
    pause, killed = threading.Event(), 0
    while killed < kills:
        pause.wait(dice.uniform(0.0, longest))
        ckan_model.Session.remove()
        if done():
            break
        pid = victim()
        if pid not in workers.alive:                      # nobody holds it at this instant
            continue
        with suppress(ProcessLookupError):
            workers.kill(pid)
            killed += 1
            workers.start()
    return killed


def kills_of_a_run(folder: Path, rows: int, kills: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dice, killed, rounds = random.Random(SEED), Counter[str](), 0
    with large(folder, rows, SEED, monkeypatch) as source, nursery(folder / "workers.log") as workers:
        workers.start()
        workers.start()
        trial = at.trigger(dry_run=True)                  # how long a run takes that nobody disturbs
        crew.until(lambda: model.value("select 1 from gkopen.run where id = :id and state = 'running'", id=trial), LONG)
        began = time.monotonic()
        crew.until(lambda: at.finished(trial), LONG)
        longest = {"harvesting": time.monotonic() - began, "publishing": 0.5}
        wanted = {"harvesting": kills - kills // 3, "publishing": kills // 3}
        while killed.total() < kills:
            rounds += 1
            assert rounds <= 6 * kills + 10, killed
            if rounds > 1:
                source.change(dice.sample(sorted(source.state), rows // 20), f"第{rounds}轮")
            run_id = at.trigger()
            for stage, victim, done in (
                    ("harvesting", at.holder, lambda run_id=run_id: at.finished(run_id)),
                    ("publishing", lambda: dice.choice(workers.alive), crew.nothing_waits)):
                if stage == "publishing":
                    assert at.approve_held() == 1, "one change-set waits, however many workers died over it"
                turns = min(wanted[stage] - killed[stage], 6)
                died = kill_while(workers, turns, dice, longest[stage], victim, done)
                killed[stage] += died
                if turns and not died:                    # it ended before the kill: the next one comes sooner
                    longest[stage] /= 2
                crew.until(done, LONG)
        runs = model.every("select id, state, counts from gkopen.run where not dry_run")
    found, lost, twice = at.exact(source)
    counts = [run["counts"] for run in runs]
    print(f"seed {SEED}: {rows} items, {killed.total()} kill -9 ({killed['harvesting']} while harvesting,"
          f" {killed['publishing']} while publishing) in {rounds} runs; shown {found}, set aside"
          f" {rows - found}, lost {lost}, twice {twice}, manual steps 0")
    assert len(runs) == rounds and {run["state"] for run in runs} == {"partly"}
    for count in counts:
        assert count["rows_in"] == rows == count["rows_ok"] + count["rows_quarantined"] + count["rows_duplicate"]
        assert count["rows_ok"] == len(source.good)
    assert model.every("select seq from gkopen.dataset") == [{"seq": rounds}], "each run was published once"
    crew.whole()


def test_killed_at_random_points_of_a_run(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                          bulk_at_once: None) -> None:
    kills_of_a_run(tmp_path, 600, 4, monkeypatch)


@pytest.mark.torture
def test_killed_at_fifty_random_points_of_a_run_of_five_thousand(
        site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bulk_at_once: None) -> None:
    kills_of_a_run(tmp_path, 5_000, 50, monkeypatch)


def deaths_after_the_claim(folder: Path, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform holds its first answer back: the worker has claimed the run and written nothing yet."""
    waits = []
    with large(folder, 100, SEED, monkeypatch) as source, gate(source.url) as platform, \
            nursery(folder / "workers.log") as workers:
        at.keep_source(platform.url)
        workers.start()
        for turn in range(times):
            source.change(sorted(source.state)[:20], f"第{turn}次")
            platform.hold()
            run_id = at.trigger()
            assert platform.held.wait(LONG)
            before, pid = at.epoch(), crew.until(at.holder)
            if turn % 2:
                cut_connections_of(pid)
                workers.start()                           # its connections are cut, and it goes on trying
                other = None
            else:
                workers.start()
                workers.kill(pid)
                other = time.monotonic()
            crew.until(lambda before=before: at.epoch() > before)
            if other:
                waits.append(time.monotonic() - other)
            platform.release()
            crew.until(lambda run_id=run_id: at.finished(run_id))
            assert at.run_counts(run_id)["state"] in ("partly", "done")
            assert at.approve_held() == 1
            for extra in workers.alive[1:]:
                workers.kill(extra)
        crew.until(crew.nothing_waits)
    found, lost, twice = at.exact(source)
    print(f"seed {SEED}: {(times + 1) // 2} killed, {times // 2} cut off between claim and write; taken over after"
          f" {1000 * min(waits):.0f} to {1000 * max(waits):.0f} ms; shown {found}, lost {lost}, twice {twice}")
    assert model.value("select count(*) from gkopen.run") == times
    crew.whole()


def cut_connections_of(pid: int) -> None:
    """PostgreSQL ends every session of this process."""
    for row in model.every("select pid, client_port from pg_stat_activity where datname = current_database()"
                           " and pid <> pg_backend_pid()"):
        if at.process_at(row["client_port"]) == pid:
            model.execute("select pg_terminate_backend(:pid)", pid=row["pid"])
    ckan_model.Session.commit()


def test_killed_or_cut_off_between_claim_and_write(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                   bulk_at_once: None) -> None:
    deaths_after_the_claim(tmp_path, 2, monkeypatch)


@pytest.mark.torture
def test_killed_or_cut_off_between_claim_and_write_thirty_times(
        site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bulk_at_once: None) -> None:
    deaths_after_the_claim(tmp_path, 30, monkeypatch)
