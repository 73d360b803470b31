"""A COPY at the database's speed, read at the client's: a slow download never holds a lock on a table."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from ckanext.datastore.backend.postgres import get_read_engine

log = logging.getLogger(__name__)

CHUNK = 1 << 18


class _Spool:
    """A temporary file that one thread writes and another reads behind it."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 closed by the reader
        self.more = threading.Condition()
        self.written = 0
        self.read = 0
        self.ended = False
        self.abandoned = False
        self.error: Exception | None = None

    def write(self, data: bytes) -> None:
        with self.more:
            if self.abandoned:
                raise BrokenPipeError("the reader has gone")
            self.file.seek(self.written)
            self.file.write(data)
            self.written += len(data)
            self.more.notify()

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
                self.file.close()

    def _next(self) -> bytes:
        with self.more:
            self.more.wait_for(lambda: self.ended or self.written > self.read)
            if self.error:
                raise self.error
            self.file.seek(self.read)
            data = self.file.read(CHUNK)
            self.read += len(data)
            return data


def _copy(connection: Any, select: str, params: dict[str, Any], options: str, spool: _Spool) -> None:
    try:
        with connection.cursor() as cursor:
            query = cursor.mogrify(select, params).decode()
            cursor.copy_expert(f"copy ({query}) to stdout with ({options})", spool, size=CHUNK)
    except BrokenPipeError:                               # the reader has gone: so goes the connection
        connection.invalidate()


def stream_copy(select: str, params: dict[str, Any], options: str) -> Iterator[bytes]:
    """Yields what `copy (select) to stdout` gives, all of one snapshot.

    `params` fill the `%(name)s` of `select`. An error in the database ends the stream with that error, so that the
    server cuts the connection instead of passing half a table off as a whole one.
    """
    spool = _Spool()

    def copy() -> None:
        error: Exception | None = None
        try:                                              # also around the connection: else the reader waits for ever
            with closing(get_read_engine().raw_connection()) as connection:
                _copy(connection, select, params, options, spool)
        except Exception as failed:
            log.exception("dump")
            error = failed
        finally:
            spool.end(error)

    threading.Thread(target=copy, name="gkopen-dump", daemon=True).start()
    yield from spool.chunks()
