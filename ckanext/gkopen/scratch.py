"""Folders for the time of a piece of work. They hold rows that nobody has reviewed, so none outlives its work for long.

A lock on the folder says that somebody is at work in it; it ends with the process, so that what a killed one left is
known and swept.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "gkopen-work-"
FRESH = 60.0
"""Seconds after which a folder that nobody has locked was left: its maker locks it at once."""


@contextmanager
def folder(prefix: str = PREFIX, within: Path | None = None) -> Iterator[Path]:
    """An empty folder that is gone afterwards, in the folder for temporary files (TMPDIR) unless `within` another."""
    with tempfile.TemporaryDirectory(prefix=prefix, dir=within) as name:
        lock = os.open(name, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(lock)


def in_use(place: Path) -> bool:
    """Whether the one who works in this folder lives, or has just taken it away."""
    try:
        lock = os.open(place, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def sweep() -> list[str]:
    """Remove the folders that killed processes left on this machine; returns their paths."""
    gone = []
    for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # Of the folder for temporary files others may have a part too.
        mine = not place.is_symlink() and place.is_dir() and place.stat().st_uid == os.getuid()
        if mine and time.time() - place.stat().st_mtime > FRESH and not in_use(place):
            shutil.rmtree(place)
            gone.append(str(place))
    return gone
