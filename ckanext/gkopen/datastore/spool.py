"""A COPY at the database's speed, read at the client's: a slow download never holds a lock on a table.

Each holds a file without a name as large as its answer: as many at a time as the web server has threads.
"""

from __future__ import annotations

import io
import logging
import os
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from ckanext.datastore.backend.postgres import get_read_engine

log = logging.getLogger(__name__)

CHUNK = 1 << 18
IN_MEMORY = 16
"""Chunks that wait in memory for their reader."""


class _Spool(io.RawIOBase):
    """What one thread writes and another reads behind it: in memory while the reader keeps up, else in a temporary
    file, which takes a good part of the time of a download."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 closed by the reader
        self.more = threading.Condition()
        self.waiting: deque[bytes] = deque()
        self.taken = self.written = 0                      # places in the file, whose content comes after `waiting`
        self.ended = False
        self.abandoned = False
        self.error: Exception | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        with self.more:
            if self.ended:
                return len(data)                          # what a buffer still held for a reader who has gone
            if self.abandoned:
                raise BrokenPipeError("the reader has gone")
            if self.taken == self.written and len(self.waiting) < IN_MEMORY:
                self.waiting.append(bytes(data))
                written = len(data)
            else:
                written = os.pwrite(self.file.fileno(), data, self.written)
                self.written += written
            self.more.notify()
            return written

    def end(self, error: Exception | None) -> None:
        with self.more:
            self.ended, self.error = True, error
            self.more.notify()

    def chunks(self) -> Iterator[bytes]:
        try:
            while data := self._next():
                yield data
        finally:
            with self.more:
                self.abandoned = True
                self.waiting.clear()
                self.file.close()

    def _next(self) -> bytes:
        with self.more:
            self.more.wait_for(lambda: self.ended or self.waiting or self.taken < self.written)
            if self.error:
                raise self.error
            if self.waiting:
                return self.waiting.popleft()
            data = os.pread(self.file.fileno(), min(CHUNK, self.written - self.taken), self.taken)
            self.taken += len(data)
            return data


def _copy(connection: Any, select: str, params: dict[str, Any], options: str, settings: str, spool: _Spool) -> None:
    out = io.BufferedWriter(spool, CHUNK)                 # the driver hands over a row at a time
    try:
        with connection.cursor() as cursor:
            # The rows of a large answer lie nearly in the order of their key: read in it, they need no sorting.
            cursor.execute("set local random_page_cost = 1.1; set local work_mem = '64MB'; " + settings)
            query = cursor.mogrify(select, params).decode()
            cursor.copy_expert(f"copy ({query}) to stdout with ({options})", out)
        out.flush()
    except BrokenPipeError:                               # the reader has gone: so goes the connection
        connection.invalidate()
        spool.end(None)
        out.close()                                       # else it fails when it is collected, and Python says so


def stream_copy(select: str, params: dict[str, Any], options: str, settings: str = "") -> Iterator[bytes]:
    """Yields what `copy (select) to stdout` gives, all of one snapshot.

    `params` fill the `%(name)s` of `select`; `settings` are `set local` statements for it. An error in the database
    ends the stream with that error, so that the server cuts the connection instead of passing half a table off as a
    whole one.
    """
    spool = _Spool()

    def copy() -> None:
        error: Exception | None = None
        try:                                              # also around the connection: else the reader waits for ever
            with closing(get_read_engine().raw_connection()) as connection:
                _copy(connection, select, params, options, settings, spool)
        except Exception as failed:
            log.exception("dump")
            error = failed
        finally:
            spool.end(error)

    threading.Thread(target=copy, name="gkopen-dump", daemon=True).start()
    yield from spool.chunks()
