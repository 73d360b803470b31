"""`ckan gkopen worker`: does due work until told to stop. Any number of them, on any number of machines.

It starts due sources (one process at a time, under an advisory lock), works queued runs and the outbox, and sleeps on
PostgreSQL's LISTEN until the doorbell rings or a second has passed.
"""

from __future__ import annotations

import gc
import logging
import random
import resource
import select
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psycopg2
import sqlalchemy as sa
from ckan import model as ckan_model

from ckanext.gkopen import checked, model, scratch
from ckanext.gkopen.harvest import ledger, progress, run
from ckanext.gkopen.oversight import rounds
from ckanext.gkopen.publish import files, outbox, table
from ckanext.gkopen.push import queue

log = logging.getLogger(__name__)

TICK_LOCK = 0x676B6F70_7469636B       # "gkoptick"
MEMORY_LIMIT = 1 << 30
LONGEST_PAUSE = 60.0
STATM = Path("/proc/self/statm")
SWEEP_SECONDS = 3600
"""Between two looks for bytes and tables that nothing names any more."""


def work(*, once: bool = False) -> bool:
    """Work until SIGTERM or SIGINT, or above 1 GB of memory: True then, and a fresh one has to take its place.

    While the database does not answer it asks again after 1, 2, 4 … seconds, at most a minute. `once`: until idle.
    """
    stop = threading.Event()
    if threading.current_thread() is threading.main_thread() and not once:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: stop.set())
    swept, lost, bell, renewed = time.monotonic(), 0, _Doorbell(), False
    try:
        while not stop.is_set():
            renewed = renewed or renew()
            busy = _round(stop)
            if busy is None:
                lost += 1
                bell.hang_up()
                stop.wait(pause(lost, random.random()))
                continue
            lost = 0
            if time.monotonic() - swept > SWEEP_SECONDS:
                sweep()
                swept = time.monotonic()
            if once and not busy:
                return False
            if memory() > MEMORY_LIMIT:
                log.warning("worker uses more than 1 GB: a fresh one takes its place")
                return True
            if not busy:
                bell.wait(1.0)
    finally:
        bell.hang_up()
    return False


def settle() -> None:
    """For a process that works on and on, before it begins: what is loaded by now stays, and Python's collector leaves
    it out. CKAN and the libraries are half a million objects; a full look takes 0.3 s of processor, as much as two
    hundred tables that come as they were, and comes several times in a run of thousands of tables."""
    gc.collect()
    gc.freeze()


def pause(failures: int, share: float) -> float:
    """Seconds to wait after so many failures in a row; `share` (0–1) keeps workers from coming back all at once."""
    return min(2.0 ** (failures - 1), LONGEST_PAUSE) * (0.5 + 0.5 * share)


def memory() -> int:
    """Bytes of memory that this process uses now (where /proc does not tell: has used at most)."""
    try:
        return int(STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _round(stop: threading.Event) -> bool | None:
    """One look at everything that may be due. True when there was something to do, None when the database is away."""
    busy = False
    try:
        start_due_sources()
        while not stop.is_set() and outbox.work_batch():
            busy = True
        busy = rounds.work() or busy
        while not stop.is_set() and queue.work_one():
            busy = True
        claim = ledger.claim()
        if claim is not None:
            busy = True
            try:
                run.carry_out(claim)
            except ledger.LOST:
                progress.survived(claim.run)              # where the database is away, this says so too
                raise
            finally:
                claim.release()
    except ledger.Fenced as fenced:
        ckan_model.Session.rollback()
        log.warning("run %s was taken over by another worker", fenced)
    except ledger.LOST as error:
        log.exception("%s; the worker goes on trying", _said(error))
        return None
    finally:
        ckan_model.Session.remove()
    return busy


def _said(error: Exception) -> str:
    """What is wrong with the database, for the log. Its own words may hold values of a row."""
    code = ledger.sqlstate(error)
    if code == "53100":
        return "the disk of the database is full: make room; nothing is half written"
    return "the database does not answer" if ledger.lost(error) else (
        f"the database broke a statement off (SQLSTATE {code}): look at its log and its limits")


def renew() -> bool:
    """After an upgrade, or an edit of a domain's file: tables and files get the columns that their domain has by now,
    as after a publication. Else readers would ask for columns that there are not. Whether that was looked into."""
    try:
        if names := [domain.name for domain in table.outdated()]:
            log.info("%s: the domain's file has changed; its tables and files are made anew", ", ".join(names))
            outbox.renew(names)
            ckan_model.Session.commit()
        return True
    except Exception:
        ckan_model.Session.rollback()
        log.exception("whether tables are as their domains say could not be looked into; it is tried again")
        return False
    finally:
        ckan_model.Session.remove()


def sweep() -> None:
    """Remove what nothing names any more: bytes of files that were replaced, tables of a load that was killed, files
    that were only checked, folders of work that was killed."""
    try:
        for gone in (*files.sweep(), *table.sweep(), *checked.sweep(), *scratch.sweep()):
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
    due = ledger.due()
    for source in due:
        ledger.enqueue(source, "schedule", "worker")
    ckan_model.Session.commit()
    return len(due)


class _Doorbell:
    """PostgreSQL's LISTEN on a connection of its own, made when it is first waited for. One that is lost is made anew;
    in between, waiting is only waiting."""

    def __init__(self) -> None:
        self._connection: sa.Connection | None = None

    def wait(self, seconds: float) -> None:
        """Until somebody rings, or so many seconds have passed."""
        try:
            raw = self._listen()
            select.select([raw], [], [], seconds)
            raw.poll()
            raw.notifies.clear()
        except (*ledger.LOST, OSError, ValueError, psycopg2.Error):
            self.hang_up()
            threading.Event().wait(seconds)

    def hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()                       # it listens: never back into the pool
            connection.close()

    def _listen(self) -> Any:
        """psycopg2's own connection, which knows poll and notifies."""
        if self._connection is None:
            self._connection = ckan_model.ensure_engine().connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection.execute(sa.text(f"listen {outbox.CHANNEL}"))
        return self._connection.connection.driver_connection
