"""d1: a dataset's page at 1, 8 and 32 connections, ours and stock CKAN's, each behind the nginx of docker/nginx.

Needs `nginx` and `wrk` (Debian's packages of these names).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from bench import exits, stock
from bench.measure import Figure, Wrong
from bench.notices import write_source
from bench.running import bench_home, served_folder
from ckanext.gkopen.demo import make_body
from ckanext.gkopen.embedded.keeping import free_port
from ckanext.gkopen.embedded.places import PROJECT, runs_as_root
from ckanext.gkopen.embedded.screen import Screen

CONNECTIONS = (1, 8, 32)
SECONDS = 4
ROWS = 1000


def d1(ini: Path, rounds: int, screen: Screen) -> list[Figure]:
    """Requests a second are the quotient; `seconds` of a figure are those of one request."""
    make_body(exits.BODY, {"zh": "基准测试财政局", "en": "Finance Bureau of the benchmark"})
    exits.publish(exits.submit(write_source(ROWS, bench_home() / "sources"), "complete"))
    stock_ini = stock.site()
    stock.measure("dataset", stock_ini)
    with ExitStack() as stack:
        ours = stack.enter_context(site(ini, f"/dataset/{exits.BODY}-bench-notice"))
        theirs = stack.enter_context(site(stock_ini, "/dataset/stock", environment=stock.environment()))
        taken: dict[tuple[str, str], list[float]] = {}
        for number in range(rounds + 1):
            for connections in CONNECTIONS:
                for name, address in (("ours", ours[1]), ("stock", theirs[1])):
                    screen.now(f"d1 round {number}/{rounds}: {name}, {connections} connections")
                    rate, _ = _wrk(address, connections)
                    taken.setdefault((f"{connections} connections", name), []).append(1 / rate)
            for name, address in (("ours, drawn anew", ours[0]), ("stock, drawn anew", theirs[0])):
                taken.setdefault(("1 connection, no cache, p50", name), []).append(_wrk(address, 1)[1])
    figures = []
    for (what, name), seconds in taken.items():
        figure = Figure("d1", f"{what}: {name}", seconds[1:], note=f"{1 / min(seconds[1:]):,.0f} requests/s")
        if name.startswith("ours"):
            figure.floor = f"{what}: {name.replace('ours', 'stock')}"
            figure.target = "≤ 40 ms" if "p50" in what else "≥ 5,000/s"
        figures.append(figure)
    return figures


@contextmanager
def site(ini: Path, page: str, environment: dict[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """Two gunicorn workers and nginx in front; the page's address without and with nginx."""
    web, front = free_port(), free_port()
    folder = bench_home() / f"nginx-{front}"
    (folder / "cache").mkdir(parents=True)
    portal = (PROJECT / "docker" / "nginx" / "portal.conf").read_text("utf-8")
    for there, here in (("server web:5000", f"server 127.0.0.1:{web}"), ("listen 8080", f"listen 127.0.0.1:{front}"),
                        ("/var/cache/nginx/portal", str(folder / "cache")),
                        ("/var/lib/ckan/public/served", str(served_folder()))):
        if there not in portal:
            raise Wrong(f"docker/nginx/portal.conf no longer says {there!r}")
        portal = portal.replace(there, here)
    user = "user root; " if runs_as_root() else ""        # its workers read below our home
    conf = folder / "nginx.conf"
    conf.write_text(f"daemon off; {user}pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
                    f"events {{ worker_connections 1024; }}\n"
                    f"http {{ access_log off; sendfile on; tcp_nopush on;\n{portal}\n}}\n", "utf-8")
    with ExitStack() as stack:
        for command in ([sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", f"127.0.0.1:{web}",
                         "--timeout", "900", "--log-level", "error", "ckanext.gkopen.embedded.wsgi"],
                        ["nginx", "-c", str(conf)]):
            child = stack.enter_context(subprocess.Popen(command, env={
                **os.environ, "CKAN_INI": str(ini), **(environment or {})}, stderr=subprocess.DEVNULL))
            stack.callback(child.terminate)
        direct, cached = (f"http://127.0.0.1:{port}{page}" for port in (web, front))
        _wait(direct)
        _wait(cached)
        yield direct, cached
    shutil.rmtree(folder)


def _wait(address: str) -> None:
    until = time.monotonic() + 90
    while True:
        try:
            with urlopen(address, timeout=30) as answer:
                if answer.status == 200:
                    return
        except OSError as error:
            if time.monotonic() > until:
                raise Wrong(f"{address} does not answer: {error}") from error
        time.sleep(0.2)


def _wrk(address: str, connections: int) -> tuple[float, float]:
    """Requests a second, and the middle latency in seconds. Any answer but 200 is Wrong."""
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "--timeout", "30s", address],
                          check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in done or "Socket errors" in done:
        raise Wrong(f"{address}: {done}")
    rate, middle = re.search(r"Requests/sec:\s+([\d.]+)", done), re.search(r"50%\s+([\d.]+)(us|ms|s)", done)
    assert rate is not None and middle is not None, done
    scale: dict[str, Any] = {"us": 1e-6, "ms": 1e-3, "s": 1}
    return float(rate[1]), float(middle[1]) * scale[middle[2]]
