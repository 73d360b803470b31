"""Seconds by the clock and of processor, in this process and in the servers that work for it.

Two programs share the benchmark's servers, one after the other: what a server did for one of them is the difference
between two readings, background work included.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.running import bench_home

_TICK = os.sysconf("SC_CLK_TCK")
_FRESH = 0.5
"""Seconds for which the list of the servers' processes is good."""


class Reader:
    """Reads the clocks. What the reading itself takes is left out, so that it may be done often."""

    def __init__(self) -> None:
        self._asking = 0.0, 0.0
        self._servers: list[Path] = []
        self._found = 0.0

    def now(self) -> tuple[float, float]:
        """Seconds by the clock, seconds of processor."""
        clock, own = time.perf_counter(), time.process_time()
        if clock - self._found > _FRESH:
            self._servers, self._found = list(_servers()), clock
        read = clock - self._asking[0], own - self._asking[1] + sum(map(_of, self._servers))
        self._asking = (self._asking[0] + time.perf_counter() - clock, self._asking[1] + time.process_time() - own)
        return read


READER = Reader()


def _servers() -> list[Path]:
    """Processes of PostgreSQL, Solr and Valkey below the benchmark's folder."""
    home, found = str(bench_home()), []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            command = (process / "cmdline").read_bytes().decode("utf-8", "replace")
            at = str((process / "cwd").readlink())
        except OSError:                                   # it ended
            continue
        if at.startswith(home) or (home in command and "solr_process" in command):
            found.append(process)
    return found


def _of(process: Path) -> float:
    """Of a process and of its children that ended."""
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICK
