"""Signs of life of the processes that work: workers, `gkopen harvest`, `gkopen rebuild`.

A process that dies loses its connections, and every lock with them. One that is only silent (stopped, its machine
frozen or without network) keeps them for hours: its run, its turn at an exit, rows, a table that readers want. So each
names its connections, one of which does nothing but give signs of life, and looks whether others have given none for
long: all connections of those are ended. One that comes back finds them closed, as after a restart of the database.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg2
import sqlalchemy as sa
from ckan import model as ckan_model
from ckanext.datastore.backend.postgres import get_write_engine
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

BEAT = 15.0
"""Seconds between two signs of life."""
SILENT = timedelta(minutes=3)
"""Without one for so long, a process has nothing any more."""
PREFIX, SIGNS = "gkopen ", " signs"
"""Before the name of a process, and behind it in the name of the connection that gives its signs."""


@contextmanager
def signs() -> Iterator[None]:
    """Give signs of life from now on, under a name that no other process has, and end those who give none."""
    # PostgreSQL keeps 63 bytes of a name.
    name = f"{PREFIX}{socket.gethostname()[:24]} {os.getpid()} {uuid4().hex[:12]}"
    naming, engines = partial(_name, name=name), _engines()
    for engine in engines:
        event.listen(engine, "connect", naming)
        engine.dispose()                                  # what waits in the pool has no name yet
    over = threading.Event()
    thread = threading.Thread(target=_give, args=(name, over), name="gkopen-signs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for engine in engines:
            event.remove(engine, "connect", naming)
            engine.dispose()


def _engines() -> list[sa.Engine]:
    """Of the databases in which locks are held."""
    return [ckan_model.ensure_engine(), get_write_engine()]


def _name(connection: Any, _record: Any, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select set_config('application_name', %s, false)", [name])
    connection.commit()


def _give(name: str, over: threading.Event) -> None:
    connection: sa.Connection | None = None
    while True:
        try:
            connection = connection or _own(name)
            connection.execute(sa.text("select 1"))       # PostgreSQL notes when
            end_silent(connection)
        except (SQLAlchemyError, psycopg2.Error) as error:
            log.info("no sign of life (%s); a new connection is tried", type(error).__name__)
            connection = _let_go(connection)
        if over.wait(BEAT):
            _let_go(connection)
            return


def _own(name: str) -> sa.Connection:
    connection = ckan_model.ensure_engine().connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.execute(sa.text("select set_config('application_name', :name, false)"), {"name": name + SIGNS})
    return connection


def _let_go(connection: sa.Connection | None) -> None:
    """Never back into the pool, where another one would use it under this name."""
    if connection is not None:
        connection.invalidate()
        connection.close()


def end_silent(connection: sa.Connection) -> None:
    """End the connections of processes that have given no sign of life for long, and that of their signs at last: one
    that ends in the middle of this leaves it to the next."""
    names = [name.removesuffix(SIGNS) for name in connection.execute(sa.text(
        "select application_name from pg_stat_activity where starts_with(application_name, :prefix)"
        " and right(application_name, length(:signs)) = :signs and datname = current_database()"
        " and usename = current_user and state = 'idle' and state_change < now() - cast(:silent as interval)"),
        {"prefix": PREFIX, "signs": SIGNS, "silent": SILENT}).scalars()]
    if not names:
        return
    log.warning("no sign of life for %s: the connections of %s are ended", SILENT, ", ".join(names))
    with get_write_engine().connect() as datastore:
        _end(datastore, names)
    _end(connection, names)
    _end(connection, [name + SIGNS for name in names])


def _end(connection: sa.Connection, names: list[str]) -> None:
    connection.execute(sa.text("select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name"
                               " = any(:names) and usename = current_user and pid <> pg_backend_pid()"),
                       {"names": names})
