"""No child outlives its owner, whoever is killed and however."""

import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import closing

import psutil
import pytest

from ckanext.gkopen.embedded.guarded import Guarded
from ckanext.gkopen.embedded.keeping import free_port, listener_from

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
OWNER = """
import sys, pathlib
from ckanext.gkopen.embedded.guarded import Guarded
child = Guarded([sys.executable, "-c", "import time; time.sleep(600)"], pathlib.Path(sys.argv[1]))
print(child.process.pid, flush=True)
import time; time.sleep(600)
"""
SECONDS = 20


def below(pid: int, number: int) -> list[psutil.Process]:
    """The process and its descendants, once there are `number` of them."""
    for _ in range(2000):
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        if len(family) == number:
            return family
        psutil.wait_procs(family, timeout=0.01)
    raise AssertionError(f"expected {number} processes, found {family}")


def test_stop_ends_the_command(tmp_path):
    child = Guarded(SLEEPER, tmp_path / "log")
    family = below(child.process.pid, 2)
    child.stop()
    assert psutil.wait_procs(family, timeout=SECONDS)[1] == []


def test_a_command_that_ignores_the_signal_is_killed(tmp_path):
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    child = Guarded([sys.executable, "-c", deaf], tmp_path / "log", grace=0.5)
    family = below(child.process.pid, 2)
    child.stop()
    assert psutil.wait_procs(family, timeout=SECONDS)[1] == []


@pytest.mark.parametrize("victim", ["owner", "guard"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killing_one_of_them_ends_all_below(tmp_path, victim, number):
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    guard = psutil.Process(int(owner.stdout.readline()))
    family = below(guard.pid, 2)
    try:
        (owner if victim == "owner" else guard).send_signal(number)
        assert psutil.wait_procs(family[1:], timeout=SECONDS)[1] == []
    finally:
        owner.kill()
        owner.wait()
    assert psutil.wait_procs(family, timeout=SECONDS)[1] == []


def test_what_the_command_left_in_its_group_ends_too(tmp_path):
    forks = "import os, time; os.fork(); time.sleep(600) if os.getppid() != 1 else None"
    child = Guarded([sys.executable, "-c", forks], tmp_path / "log", grace=5)
    family = below(child.process.pid, 3)
    family[1].kill()
    assert psutil.wait_procs(family, timeout=SECONDS)[1] == []
    assert not child.alive()


def test_log_keeps_this_run_and_the_one_before(tmp_path):
    log = tmp_path / "log"
    for text in ("one", "two"):
        child = Guarded([sys.executable, "-c", f"print('{text}')"], log)
        assert child.process.wait(SECONDS) == 0
    assert (child.tail(), log.with_name("log.1").read_text()) == ("two", "one\n")


def test_exit_code_is_the_commands(tmp_path):
    assert Guarded([sys.executable, "-c", "raise SystemExit(7)"], tmp_path / "log").process.wait(SECONDS) == 7


def test_a_port_is_kept_for_the_server_that_comes_later(tmp_path):
    """The demo's address goes into what it publishes, minutes before it is served."""
    port = free_port()
    with listener_from(port) as kept, listener_from(port) as beside:
        assert kept.getsockname()[1] == port < beside.getsockname()[1]
        waiting = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        serve = ("import sys, http.server, socket; s = http.server.HTTPServer(('127.0.0.1', 0), "
                 "http.server.SimpleHTTPRequestHandler, bind_and_activate=False); "
                 "s.socket = socket.socket(fileno=int(sys.argv[1])); s.serve_forever()")
        child = Guarded([sys.executable, "-c", serve, str(kept.fileno())], tmp_path / "log", inherits=kept.fileno())
        try:
            with closing(waiting):
                waiting.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert waiting.recv(12) == b"HTTP/1.0 200"
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=SECONDS).status == 200
        finally:
            child.stop()
