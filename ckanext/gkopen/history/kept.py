"""Differences of parts that readers page through: made once and kept in files without a name, up to a few.

A reader of a million changes asks a thousand times, and each answer lies somewhere in the difference of two contents.
The files are mapped, so that an answer reads its own rows of them; they go with the process, or when others need their
place. They hold rows of contents: who asks has looked first whether one was sealed.
"""

from __future__ import annotations

import logging
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import pyarrow as pa

from ckanext.gkopen.history.difference import Difference

log = logging.getLogger(__name__)

MOST_BYTES = 1 << 30
"""Of one process, on the disk that holds temporary files; what is larger alone is not kept."""

Name = tuple[str, str | None, str | None]
"""Version of the domain, sha256 of the old and of the new content."""

_kept: OrderedDict[Name, tuple[Difference, int]] = OrderedDict()
_lock = Lock()


def get(name: Name) -> Difference | None:
    with _lock:
        if name not in _kept:
            return None
        _kept.move_to_end(name)
        return _kept[name][0]


def put(name: Name, found: Difference) -> None:
    """Keep a difference in place of those that nobody has asked for longest."""
    tables = (found.removed, found.added, found.before, found.after)
    size = sum(table.nbytes for table in tables)
    if size > MOST_BYTES:
        return
    try:
        mapped = Difference(*_mapped(tables))
    except OSError as error:                              # a full disk costs the next page its time, not its answer
        log.warning("a difference was not kept: %s", error)
        return
    with _lock:
        _kept[name] = mapped, size
        _kept.move_to_end(name)
        while sum(kept for _, kept in _kept.values()) > MOST_BYTES:
            _kept.popitem(last=False)


def _mapped(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """The same tables in a file that has no name any more; it goes when the last of them does."""
    with tempfile.NamedTemporaryFile(prefix="gkopen-changes-") as file:
        for table in tables:
            with pa.ipc.new_stream(file, table.schema) as writer:
                writer.write_table(table)
        file.flush()
        with pa.memory_map(file.name) as held:
            return [pa.ipc.open_stream(held).read_all() for _ in tables]
