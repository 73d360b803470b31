"""The servers start from nothing, from what was left, and beside each other."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from ckanext.gkopen.embedded.keeping import HomeLock, free_port, secret
from ckanext.gkopen.embedded.places import StartError, gkopen_home, make_folder
from ckanext.gkopen.embedded.postgres import Postgres
from ckanext.gkopen.embedded.server import Server
from ckanext.gkopen.embedded.servers import ELSEWHERE, Servers
from ckanext.gkopen.embedded.valkey import Valkey

HEARS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""What runs in the background of a shell is started with Ctrl-C ignored."""
OWNER = """
import sys, time
from ckanext.gkopen.embedded.servers import Servers
servers = Servers(sys.argv[1], durable=False)
servers.start()
print(servers.solr_url, flush=True)
time.sleep(600)
"""
SECONDS = 60


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home with a long name and spaces in it, where PostgreSQL's account can reach it."""
    for variable in ELSEWHERE.values():
        monkeypatch.delenv(variable, raising=False)
    outer = Path(tempfile.mkdtemp(prefix="servers-", dir=make_folder(gkopen_home())))
    outer.chmod(0o755)
    yield make_folder(outer / ("a home with spaces, 中文 and a long name " * 3).strip())
    end = time.monotonic() + SECONDS
    while outer.exists():                                  # a server that is just ending takes files away itself
        assert time.monotonic() < end, sorted(outer.rglob("*"))
        shutil.rmtree(outer, ignore_errors=True)


def started(server: Server) -> Server:
    server.launch()
    server.wait()
    return server


def processes_of(home: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(home) in part for part in process.info["cmdline"] or ())
    ]


def test_killed_owner_leaves_no_process_and_the_next_start_keeps_the_data(home):
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(home)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    solr_url = next(line for line in owner.stdout if line.startswith("http")).strip()
    running = processes_of(home)
    joined = Servers(home)
    joined.start()
    assert joined.solr_url == solr_url
    with psycopg2.connect(joined.postgres_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 1 AS n")
    connection.close()
    joined.stop()
    assert processes_of(home) == running

    owner.kill()
    owner.wait()
    assert psutil.wait_procs(running, timeout=SECONDS)[1] == []

    with Servers(home, durable=False) as again:
        assert again.solr_url == solr_url
        assert not again.index_is_new
        connection = psycopg2.connect(again.postgres_url)
        with connection.cursor() as cursor:
            cursor.execute("SELECT n FROM kept")
            assert cursor.fetchone() == (1,)
        connection.close()
        left = processes_of(home)
    assert psutil.wait_procs(left, timeout=SECONDS)[1] == []


def test_another_port_when_the_remembered_one_is_taken(home):
    server = started(Valkey(home))
    remembered = server.port
    server.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", remembered))
        other.listen()
        server = started(Valkey(home))
        assert server.port != remembered
        assert server.healthy()
        server.stop()


def test_a_port_lost_between_choice_and_start_is_replaced(home, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        choices = iter([taken])
        monkeypatch.setattr(
            "ckanext.gkopen.embedded.server.free_port", lambda preferred=None: next(choices, None) or free_port()
        )
        for make in (Valkey, Postgres):
            choices = iter([taken])
            server = started(make(home))
            assert server.port != taken
            server.stop()


def test_unreadable_snapshot_is_put_aside(home):
    server = started(Valkey(home))
    server.stop()
    (server.folder / "dump.rdb").write_bytes(b"REDIS0009 cut off")
    server = started(Valkey(home))
    assert server.healthy()
    assert (server.folder / "dump.broken").exists()
    server.stop()


def test_postgres_repairs_a_half_made_folder_and_a_stale_lock(home):
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "junk").write_text("left by an initdb that was killed")
    server = started(Postgres(home, durable=False))
    server.stop()
    assert not (home / "postgres.new").exists()
    # A stranger's process id, as after a restart of a container.
    (server.folder / "postmaster.pid").write_text(f"{os.getpid()}\n{server.folder}\n")
    server = started(Postgres(home, durable=False))
    server.stop()


def test_postgres_that_lost_its_guard_is_replaced(home):
    first = started(Postgres(home, durable=False))
    assert first.running is not None
    [postmaster] = psutil.Process(first.running.process.pid).children()
    postmaster.suspend()
    first.running.process.kill()
    first.running.process.wait()
    postmaster.resume()
    second = started(Postgres(home, durable=False))
    assert second.healthy()
    assert psutil.wait_procs([postmaster], timeout=SECONDS)[1] == []
    second.stop()


@pytest.mark.parametrize(("content", "sentence"), [({}, "move it away"), ({"PG_VERSION": "15\n"}, "PostgreSQL 15")])
def test_a_folder_that_is_not_ours_is_explained(home, content, sentence):
    (home / "postgres").mkdir()
    for name, text in content.items():
        (home / "postgres" / name).write_text(text)
    with pytest.raises(StartError, match=sentence):
        Postgres(home).prepare()


def test_lost_password_is_explained(home):
    server = started(Postgres(home, durable=False))
    server.stop()
    (home / "secrets.json").unlink()
    server.launch()
    try:
        with pytest.raises(StartError, match=r"secrets\.json"):
            server.wait()
    finally:
        server.stop()


def test_damaged_memory_of_a_home_is_explained(home):
    (home / "servers.json").write_text("{")
    with pytest.raises(StartError, match="delete that file"):
        Servers(home)


def test_secrets_are_kept_and_private(home):
    assert secret(home, "a") == secret(home, "a") != secret(home, "b")
    assert (home / "secrets.json").stat().st_mode & 0o077 == 0
    assert set(json.loads((home / "secrets.json").read_text())) == {"a", "b"}


def test_lock_is_held_until_the_last_guard_has_ended(home):
    lock, other = HomeLock(home), HomeLock(home)
    assert lock.acquire()
    server = Valkey(home)
    assert lock.descriptor is not None
    server.launch([lock.descriptor])
    server.wait()
    lock.release()
    assert not other.acquire()
    server.stop()
    assert other.acquire()
    other.release()


def test_servers_elsewhere_are_used_as_they_are(home, monkeypatch):
    for name, variable in ELSEWHERE.items():
        monkeypatch.setenv(variable, f"there://{name}")
    with Servers(home) as servers:
        assert servers.postgres_url == "there://postgres"
        assert servers.redis_url == "there://valkey"
        assert servers.solr_url == "there://solr"
    assert processes_of(home) == []


def test_too_little_room_is_said(home, monkeypatch):
    monkeypatch.setattr("ckanext.gkopen.embedded.places.LEAST_FREE_BYTES", 1 << 60)
    with pytest.raises(StartError, match="make room"):
        Servers(home).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that PostgreSQL's account cannot enter")
def test_a_closed_parent_is_said_and_not_opened(home):
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    inside = make_folder(closed / "home")
    with pytest.raises(StartError, match="cannot enter"):
        Postgres(inside).prepare()
    assert closed.stat().st_mode & 0o777 == 0o700


def test_interrupted_start_leaves_nothing(home):
    owner = subprocess.Popen([sys.executable, "-c", HEARS_CTRL_C + OWNER, str(home)], stderr=subprocess.PIPE)
    running: list[psutil.Process] = []
    while not any("postgres" in " ".join(process.info["cmdline"]) for process in running):
        running = processes_of(home)
    owner.send_signal(signal.SIGINT)
    owner.wait(SECONDS)
    assert psutil.wait_procs(running, timeout=SECONDS)[1] == []
    assert processes_of(home) == []
