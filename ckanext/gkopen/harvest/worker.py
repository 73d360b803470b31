"""`ckan gkopen worker`: does due work until told to stop. Any number of them, on any number of machines.

It starts due sources (one process at a time, under an advisory lock), works queued runs and the outbox, and sleeps on
PostgreSQL's LISTEN until the doorbell rings or a second has passed.
"""

from __future__ import annotations

import logging
import resource
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import sqlalchemy as sa
from ckan import model as ckan_model
from sqlalchemy.exc import InterfaceError, OperationalError, PendingRollbackError

from ckanext.gkopen import model
from ckanext.gkopen.harvest import ledger, run
from ckanext.gkopen.publish import files, outbox, table

log = logging.getLogger(__name__)

LOST = (OperationalError, InterfaceError, PendingRollbackError, psycopg2.OperationalError, psycopg2.InterfaceError)
"""How a connection says that it is gone, depending on who asks it first: SQLAlchemy, its session, or psycopg2."""

TICK_LOCK = 0x676B6F70_7469636B       # "gkoptick"
MEMORY_LIMIT = 1 << 30
SWEEP_SECONDS = 3600
"""Between two looks for bytes and tables that nothing names any more."""


def work(*, once: bool = False) -> None:
    """Work until SIGTERM or SIGINT, or above 1 GB of memory (the supervisor starts a fresh one). `once`: until idle."""
    stop = threading.Event()
    if threading.current_thread() is threading.main_thread() and not once:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: stop.set())
    swept = time.monotonic()
    with _doorbell() as wait:
        while not stop.is_set():
            busy = _round(stop)
            if time.monotonic() - swept > SWEEP_SECONDS:
                sweep()
                swept = time.monotonic()
            if once and not busy:
                return
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > MEMORY_LIMIT:
                log.info("worker uses more than 1 GB: it ends so that a fresh one takes its place")
                return
            if not busy:
                wait(1.0)


def _round(stop: threading.Event) -> bool:
    """One look at everything that may be due. True when there was something to do."""
    busy = False
    try:
        start_due_sources()
        while not stop.is_set() and outbox.work_one():
            busy = True
        claim = ledger.claim()
        if claim is not None:
            busy = True
            try:
                run.carry_out(claim)
            finally:
                claim.release()
    except ledger.Fenced as fenced:
        ckan_model.Session.rollback()
        log.warning("run %s was taken over by another worker", fenced)
    except LOST:
        log.exception("the database does not answer; the worker goes on trying")
        stop.wait(2.0)
    finally:
        ckan_model.Session.remove()
    return busy


def sweep() -> None:
    """Remove what nothing names any more: bytes of files that were replaced, tables of a load that was killed."""
    try:
        for gone in (*files.sweep(), *table.sweep()):
            log.info("swept %s", gone)
        ckan_model.Session.commit()
    except Exception:
        ckan_model.Session.rollback()
        log.exception("sweeping failed; it is tried again within the hour")
    finally:
        ckan_model.Session.remove()


def start_due_sources() -> int:
    """Queue a run for every active source that is due. Only one worker at a time looks."""
    if not model.value("select pg_try_advisory_xact_lock(:key)", key=TICK_LOCK):
        ckan_model.Session.rollback()
        return 0
    due = model.every("select * from gkopen.source s where state = 'active' and next_run_at <= now() and not exists"
                      " (select 1 from gkopen.run r where r.source_id = s.id and r.state in ('queued', 'running'))")
    for source in due:
        ledger.enqueue(source, "schedule", "worker")
    ckan_model.Session.commit()
    return len(due)


@contextmanager
def _doorbell() -> Iterator[Callable[[float], None]]:
    """A function that waits up to so many seconds for a NOTIFY; a lost connection only makes it a plain wait."""
    connection = ckan_model.ensure_engine().connect().execution_options(isolation_level="AUTOCOMMIT")
    raw: Any = connection.connection.driver_connection   # psycopg2's own, which knows poll and notifies
    try:
        connection.execute(sa.text(f"listen {outbox.CHANNEL}"))

        def wait(seconds: float) -> None:
            try:
                select.select([raw], [], [], seconds)
                raw.poll()
                raw.notifies.clear()
            except (OSError, ValueError, psycopg2.Error):
                threading.Event().wait(seconds)

        yield wait
    finally:
        connection.close()

