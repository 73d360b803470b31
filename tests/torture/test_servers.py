"""Rows 3, 4 and 5: Valkey, PostgreSQL and Solr are emptied, stopped, crashed and full while the portal works."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import redis
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import model
from ckanext.gkopen.embedded.server import Server
from ckanext.gkopen.embedded.servers import Servers
from tests.fresh import FreshSite
from tests.races import crew
from tests.races.nursery import nursery
from tests.torture import source as at
from tests.torture.source import large

SEED = 20261122
LONG = 600.0
ROWS = pytest.mark.parametrize(("rows", "times"), [(400, 2), pytest.param(5_000, 8, marks=pytest.mark.torture)])


@pytest.fixture
def own(servers: Servers) -> Servers:
    if servers.lock is None:
        pytest.skip("these servers belong to another process: only their owner may stop them")
    return servers


def named(servers: Servers, name: str) -> Server:
    return next(server for server in servers.all if server.name == name)


def start_again(server: Server, lock: Any) -> None:
    server.launch([lock.descriptor])
    server.wait()


def until_pages(run_id: str, number: int) -> None:
    crew.until(lambda: at.finished(run_id)
               or model.value("select count(*) from gkopen.item where run_id = :id", id=run_id) >= number, LONG)


def into_the_run(run_id: str, dice: random.Random, rows: int) -> bool:
    """Wait for a random page of the run, or for its last one; whether it is still under way."""
    until_pages(run_id, dice.randint(1, rows // 100))
    return not at.finished(run_id)


@ROWS
def test_valkey_flushed_and_restarted(own: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                      bulk_at_once: None, rows: int, times: int) -> None:
    dice, cache, during = random.Random(SEED), redis.Redis.from_url(own.redis_url), 0
    with large(tmp_path, rows, SEED, monkeypatch) as source, nursery(tmp_path / "workers.log") as workers:
        workers.start()
        for turn in range(times):
            source.change(dice.sample(sorted(source.state), rows // 20), f"第{turn}轮")
            run_id = at.trigger()
            during += into_the_run(run_id, dice, rows)
            cache.flushall()
            valkey = named(own, "valkey")
            valkey.stop()
            start_again(valkey, own.lock)
            crew.until(lambda run_id=run_id: at.finished(run_id), LONG)
            assert at.approve_held() == 1
            cache.flushall()
            crew.until(crew.nothing_waits, LONG)
    found, lost, twice = at.exact(source)
    print(f"seed {SEED}: {rows} items, {times} runs, flushed {2 * times} times, restarted {times} times ({during}"
          f" in the middle of a run); shown {found}, lost {lost}, twice {twice}, runs that stand still"
          f" {model.value('select count(*) from gkopen.run where finished_at is null')}")
    assert during > 0
    assert model.every("select distinct state from gkopen.run") == [{"state": "partly"}]
    crew.whole()


@ROWS
def test_postgresql_restarted_and_crashed(own: Servers, fresh_site: FreshSite, tmp_path: Path,
                                          monkeypatch: pytest.MonkeyPatch, bulk_at_once: None, rows: int,
                                          times: int) -> None:
    """In turn a restart and a crash, in which all sessions die and the log is replayed."""
    dice, during, database = random.Random(SEED), 0, fresh_site.site.databases
    postgres = named(own, "postgres")
    with large(tmp_path, rows, SEED, monkeypatch) as source, safe_commits(fresh_site), \
            nursery(tmp_path / "workers.log") as workers:
        workers.start()
        workers.start()
        for turn in range(times):
            source.change(dice.sample(sorted(source.state), rows // 20), f"第{turn}轮")
            run_id = at.trigger()
            during += into_the_run(run_id, dice, rows)
            at.forget_connections()
            if turn % 2:
                crash(database.as_superuser("postgres"))
                postgres.wait()
            else:
                postgres.stop()
                start_again(postgres, own.lock)
            crew.until(lambda run_id=run_id: at.finished(run_id), LONG)
            assert at.approve_held() == 1
            crew.until(crew.nothing_waits, LONG)
        log = (tmp_path / "workers.log").read_text()
    found, lost, twice = at.exact(source)
    print(f"seed {SEED}: {rows} items, {times} runs, {(times + 1) // 2} restarts and {times // 2} crashes ({during} in"
          f" the middle of a run); shown {found}, lost {lost}, twice {twice}, half-written 0, manual steps 0")
    assert during > 0
    assert "the database does not answer; the worker goes on trying" in log
    assert model.every("select distinct state from gkopen.run") == [{"state": "partly"}]
    assert model.value("select seq from gkopen.dataset") == times
    crew.whole()


@contextmanager
def safe_commits(fresh_site: FreshSite) -> Iterator[None]:
    """The tests' cluster commits without waiting for its log; what a crash shall not lose must wait for it."""
    site = fresh_site.site
    names = (site.databases.name, site.databases.datastore)
    for name in names:
        fresh_site.ckan.cursor().execute(f'alter database "{name}" set synchronous_commit = on')
    at.forget_connections()
    try:
        yield
    finally:
        at.forget_connections()
        fresh_site.ckan = fresh_site._connect(site.databases.name)
        fresh_site.datastore = fresh_site._connect(site.databases.datastore)
        for name in names:
            fresh_site.ckan.cursor().execute(f'alter database "{name}" reset synchronous_commit')


def crash(superuser: str) -> None:
    """kill -9 of one server process: PostgreSQL ends all sessions and recovers."""
    connection = psycopg2.connect(superuser)
    pid = connection.info.backend_pid
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(psycopg2.OperationalError), connection.cursor() as cursor:
        cursor.execute("select 1")
    psutil.wait_procs([process for process in [_process(pid)] if process], timeout=30)


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


FULL = """create function gkopen.full() returns trigger language plpgsql as $$ begin
 raise exception using errcode = 'disk_full', message = 'could not extend file: No space left on device'; end $$"""


@contextmanager
def no_room_in(table: str) -> Iterator[None]:
    model.execute(FULL)
    model.execute(f"create trigger full_disk before insert on gkopen.{table} execute function gkopen.full()")
    ckan_model.Session.commit()
    try:
        yield
    finally:
        ckan_model.Session.remove()
        model.execute("drop function gkopen.full() cascade")
        ckan_model.Session.commit()


@pytest.mark.torture
def test_the_databases_disk_is_full(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                    bulk_at_once: None) -> None:
    """The server answers with its own error of a full disk (53100), in turn in each table that a run writes."""
    tables = ("item", "submission", "revision_part", "quarantine")
    with large(tmp_path, 300, SEED, monkeypatch) as source, nursery(tmp_path / "workers.log") as workers:
        workers.start()
        for table in tables:
            source.change(sorted(source.state)[:20], f"满{table}")
            before = model.value("select count(*) from gkopen.revision")
            with no_room_in(table):
                run_id = at.trigger()
                epoch = at.epoch()
                crew.until(lambda epoch=epoch: at.epoch() > epoch + 1, LONG)
                assert not at.finished(run_id), "it is tried again until there is room"
                assert model.value("select count(*) from gkopen.revision") == before, "nothing half-written"
            crew.until(lambda run_id=run_id: at.finished(run_id), LONG)
            assert at.approve_held() == 1
            crew.until(crew.nothing_waits, LONG)
        log = (tmp_path / "workers.log").read_text()
    found, lost, twice = at.exact(source)
    print(f"seed {SEED}: disk full in {len(tables)} tables in turn; shown {found}, lost {lost}, twice {twice},"
          " half-written 0, manual steps 0 once there is room")
    assert "the disk of the database is full" in log
    crew.whole()


def test_the_storages_disk_is_full(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                   bulk_at_once: None) -> None:
    """The system lets the worker write no file above 16 kB: the run ends in words, and the next one is whole."""
    with large(tmp_path, 300, SEED, monkeypatch) as source, nursery(tmp_path / "workers.log") as workers:
        pid = workers.start()
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (16 << 10, hard))
        run_id = at.trigger()
        crew.until(lambda: at.finished(run_id), LONG)
        run = at.run_counts(run_id)
        assert (run["state"], run["error"]["kind"]) == ("failed", "DiskFull")
        assert "磁盘" in run["error"]["zh"] and "disk" in run["error"]["en"]
        assert not model.value("select count(*) from gkopen.revision"), "nothing half-written"
        assert model.value("select failures from gkopen.source") == 1, "it is tried again soon, and later each time"
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        again = at.trigger()
        crew.until(lambda: at.finished(again), LONG)
        assert at.run_counts(again)["state"] == "partly", at.run_counts(again)
        assert at.approve_held() == 1
        crew.until(crew.nothing_waits, LONG)
    found, lost, twice = at.exact(source)
    print(f"seed {SEED}: storage full: run failed as DiskFull, the next one whole; shown {found}, lost {lost}, twice"
          f" {twice}")
    crew.whole()


@pytest.mark.torture
def test_a_real_disk_is_full(site: Any, fresh_site: FreshSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                             bulk_at_once: None) -> None:
    """The DataStore's tables lie on a disk of 12 MB that a large file has filled."""
    disk = Path("/var/lib/gkopen-tiny")
    with tiny_disk(disk, fresh_site), large(tmp_path, 5_000, SEED, monkeypatch) as source, \
            nursery(tmp_path / "workers.log") as workers:
        filler = disk / "filler"
        fill(filler)
        workers.start()
        run_id = at.trigger()
        crew.until(lambda: at.finished(run_id), LONG)
        at.approve_held()
        failed = crew.until(lambda: model.one("select error, attempts from gkopen.outbox where sink = 'datastore'"
                                              " and done_at is null and attempts > 1"), LONG)
        assert "DiskFull" in failed["error"] and "No space left" in failed["error"]
        assert at.shown() == [], "nothing half-written"
        filler.unlink()
        crew.until(crew.nothing_waits, LONG)
        found, lost, twice = at.exact(source)             # before the disk goes, and the tables with it
        crew.whole()
    print(f"seed {SEED}: DataStore on a full disk: {failed['attempts']} attempts refused; with room, by itself: shown"
          f" {found}, lost {lost}, twice {twice}")


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 65536):
                pass
        except OSError:
            return


@contextmanager
def tiny_disk(folder: Path, fresh_site: FreshSite) -> Iterator[None]:
    """A file system in memory, on which new tables of the DataStore's writer are made."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=777", "none", str(folder)],
                             check=False, capture_output=True)
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"only root can mount a small disk: {mounted.stderr.decode().strip()}")
    role, cursor = fresh_site.site.databases.name, fresh_site.datastore.cursor()
    place = folder / "tables"
    try:
        owner = cursor_value(cursor, "show data_directory")
        place.mkdir()
        stat = Path(owner).stat()
        os.chown(place, stat.st_uid, stat.st_gid)
        cursor.execute(f"create tablespace tiny location '{place}'")
        cursor.execute(f'grant create on tablespace tiny to "{role}"')
        cursor.execute(f'alter role "{role}" set default_tablespace = tiny')
        at.forget_connections()
        yield
    finally:
        at.forget_connections()
        cursor.execute(f'alter role "{role}" reset default_tablespace')
        fresh_site.reset()
        cursor.execute("drop tablespace if exists tiny")
        subprocess.run(["umount", str(folder)], check=False)
        folder.rmdir()


def cursor_value(cursor: Any, statement: str) -> Any:
    cursor.execute(statement)
    return cursor.fetchone()[0]


@pytest.mark.parametrize("seconds", [2, pytest.param(int(os.environ.get("GKOPEN_SOLR_SECONDS", "120")),
                                                     marks=pytest.mark.torture)])
def test_solr_stopped_while_publishing(own: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                       bulk_at_once: None, seconds: int) -> None:
    """Publications while Solr is away; the index follows by itself once it is back. GKOPEN_SOLR_SECONDS sets how long
    the long form leaves it away (600: the row's ten minutes)."""
    solr = named(own, "solr")
    with large(tmp_path, 200, SEED, monkeypatch) as source, nursery(tmp_path / "workers.log") as workers:
        workers.start()
        solr.stop()
        for turn in range(3):
            source.change(sorted(source.state)[:10], f"第{turn}轮")
            run_id = at.trigger()
            crew.until(lambda run_id=run_id: at.finished(run_id), LONG)
            assert at.approve_held() == 1
            crew.until(lambda: not model.value("select 1 from gkopen.outbox where done_at is null and sink in"
                                               " ('datastore', 'files') limit 1"), LONG)
        found, lost, twice = at.exact(source)
        crew.until(lambda: model.value("select attempts > 0 from gkopen.outbox where done_at is null and sink = 'solr'"
                                       " order by attempts desc limit 1"), LONG)
        threading.Event().wait(seconds)
        attempts = model.value("select max(attempts) from gkopen.outbox where sink = 'solr'")
        start_again(solr, own.lock)
        crew.until(crew.nothing_waits, LONG)
    hits = toolkit.get_action("package_search")({"ignore_auth": True}, {"q": "*:*"})["count"]
    print(f"seed {SEED}: 3 publications while Solr was away for {seconds} s and more, {attempts} attempts; index {hits}"
          f" = database {model.value('select count(*) from package')}; shown {found}, lost {lost}, twice {twice}")
    crew.whole()
