"""Sources and runs: PostgreSQL is the queue and the truth.

While a run is worked on, its worker holds a session advisory lock of the source, and every write checks the run's
`epoch`: a worker that comes back from the dead finds a newer epoch and stops. A worker that dies loses its connection,
and with it the lock: the run is claimable at once. One that is only silent keeps the lock, so that it has to give signs
of life (`life`).
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

import psycopg2
import sqlalchemy as sa
from ckan import model as ckan_model
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError

from ckanext.gkopen import blobs, ids, logs, model
from ckanext.gkopen.harvest import breaker, progress
from ckanext.gkopen.harvesters.base import Page
from ckanext.gkopen.harvesters.source import Source

log = logging.getLogger(__name__)

CYCLES = {"realtime": timedelta(minutes=5), "daily": timedelta(days=1), "weekly": timedelta(days=7),
          "monthly": timedelta(days=30), "quarterly": timedelta(days=91), "half_yearly": timedelta(days=182),
          "yearly": timedelta(days=365)}
"""Update cycle (更新周期) → time between two runs. A source with another cycle runs when it is asked to."""

WHEN_ASKED = timedelta(days=3650)
LOOK = CYCLES["daily"]
"""Between two looks into a folder, at most: a file comes when it comes, and a look costs next to nothing."""

BAD = ("incomplete", "failed")
"""States of a run after which the source is tried again soon, and later each time."""

GOOD = ("done", "partly", "held")
"""States of a run that read the whole source."""


LOST = (OperationalError, InterfaceError, PendingRollbackError, psycopg2.OperationalError, psycopg2.InterfaceError)
"""How the database says that it is away, or full, depending on who asks it first: SQLAlchemy, its session, or psycopg2.
"""

_PASSES = ("08", "40", "53100", "53300", "57P")
"""SQLSTATE: no connection, rolled back for another one's sake, disk full, no room for a connection, being shut down."""

APART = ("title", "update_cycle", "page_size", "overlap_hours", "signer", "secret_env", "catalogue")
"""Settings of a source by which no row becomes another one."""

LOGGED = ("pages", "rows_in", "rows_ok", "rows_quarantined", "rows_duplicate", "added", "changed", "removed")
"""Counts of a run that its line in the log tells."""


def lost(error: BaseException) -> bool:
    """Whether the database is away or full. A run is not ended by it: whoever claims it next goes on.

    A statement that the database breaks off for what it is (a limit of time, memory or size) would be broken off again
    and again, and no other run would have its turn: that is an error like any other.
    """
    if not isinstance(error, LOST):
        return False
    code = sqlstate(error)
    return code is None or code.startswith(_PASSES)


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's code of an error; None where no server said it."""
    return getattr(getattr(error, "orig", error), "pgcode", None)


class UnknownSource(Exception):
    """No source of this name."""


class Fenced(Exception):
    """Another worker took the run over: this one must write nothing more."""


class Cancelled(Exception):
    """A person told the run to stop."""

    def __init__(self, by: str):
        super().__init__(by)
        self.by = by


class OtherRunOpen(Exception):
    """A trial was asked for while a real run is open, or the other way round: one cannot stand for the other."""

    def __init__(self, run_id: str, dry_run: bool):
        kind = "a trial (dry run)" if dry_run else "a run that writes"
        super().__init__(f"{kind} of this source is open: wait for it, or cancel it (run {run_id})")
        self.run_id, self.dry_run = run_id, dry_run


class NotOpen(Exception):
    """The run has ended already: there is nothing to cancel."""

    def __init__(self, state: str):
        super().__init__(state)
        self.state = state


def save_source(source: Source, created_by: str, *, replace: bool = False) -> str:
    """Keep a source; `replace` updates the one of the same name, else a second one of the name is refused."""
    source_id = str(uuid5(ids.NAMESPACE, f"source/{source.name}"))
    known = model.value("select 1 from gkopen.source where id = :id", id=source_id)
    if known and not replace:
        raise ValueError(f"there is a source {source.name!r} already: choose another name, or update it")
    model.execute(
        "insert into gkopen.source (id, name, domain, organization, config, created_by) values (:id, :name, :domain,"
        " :organization, cast(:config as jsonb), :by) on conflict (id) do update set config = excluded.config,"
        " domain = excluded.domain, organization = excluded.organization,"
        # Its next run was set by what it said before: once a year, say, or after many failures.
        " next_run_at = case when source.config = excluded.config then source.next_run_at"
        "  else least(source.next_run_at, now()) end,"
        # Where only changes are asked for, another table, body or mapping has all rows to send.
        " read_anew_since = case when source.config - cast(:apart as text[]) = excluded.config - cast(:apart as text[])"
        "  then source.read_anew_since else now() end",
        id=source_id, name=source.name, domain=source.domain, organization=source.organization,
        config=model.dump(source.as_dict()), by=created_by, apart=list(APART))
    breaker.forget(source.name)                           # a secret or an address may have been mended
    return source_id


def find_source(name: str) -> dict[str, Any]:
    row = model.one("select * from gkopen.source where name = :name or cast(id as text) = :name", name=name)
    if row is None:
        known = [r["name"] for r in model.every("select name from gkopen.source order by name limit 20")]
        raise UnknownSource(f"there is no source {name!r}; known: {', '.join(known) or 'none yet'}")
    return row


def set_state(name: str, state: str) -> None:
    source = find_source(name)
    model.execute("update gkopen.source set state = :state, next_run_at = least(next_run_at, now()) where id = :id",
                  state=state, id=source["id"])


def enqueue(source: dict[str, Any], trigger: str, requested_by: str, *, dry_run: bool = False) -> str:
    """Queue a run; while one of the source is queued or running, that one is the answer. Raises OtherRunOpen."""
    model.execute("select pg_notify('gkopen', 'run')")
    while True:                                           # the one that is open may end before it is asked for its id
        run_id = model.value(
            "insert into gkopen.run (id, source_id, epoch, trigger, requested_by, dry_run)"
            " values (:id, :source, 0, :trigger, :by, :dry)"
            " on conflict (source_id) where state in ('queued', 'running') do nothing returning id",
            id=str(uuid4()), source=source["id"], trigger=trigger, by=requested_by, dry=dry_run)
        if run_id is not None:
            return str(run_id)
        open_run = model.one("select id, dry_run from gkopen.run where source_id = :s"
                             " and state in ('queued', 'running')", s=source["id"])
        if open_run is None:
            continue
        if open_run["dry_run"] != dry_run:
            raise OtherRunOpen(str(open_run["id"]), open_run["dry_run"])
        if trigger == "manual":                           # else that of a source that was paused would wait on
            model.execute("update gkopen.run set trigger = 'manual', requested_by = :by where id = :id and trigger <>"
                          " 'manual'", by=requested_by, id=open_run["id"])
        return str(open_run["id"])


def lock_key(source_id: Any) -> int:
    """The advisory lock of a source: the low 63 bits of its id."""
    return UUID(str(source_id)).int & ((1 << 63) - 1)


@dataclass
class Claim:
    """A run that this process works on. `lock` is a connection of its own that holds the source's advisory lock: when
    the process dies, so does the connection, and the run is claimable at once."""

    run: dict[str, Any]
    lock: sa.Connection

    def release(self) -> None:
        unlock(self.lock)


def claim(run_id: str | None = None) -> Claim | None:
    """Take a run that is queued, or whose worker died. None when there is none."""
    candidates = model.every(
        "select r.id, r.source_id from gkopen.run r join gkopen.source s on s.id = r.source_id"
        " where r.state in ('queued', 'running') and (cast(:run as uuid) is null or r.id = cast(:run as uuid))"
        " and (s.state = 'active' or r.trigger = 'manual') order by r.queued_at limit 50", run=run_id)
    ckan_model.Session.commit()
    for candidate in candidates:
        lock = lock_source(candidate["source_id"])
        claim = take(candidate, lock, waits=False) if lock is not None else None
        if claim is not None:
            return claim
    return None


def lock_source(source_id: Any) -> sa.Connection | None:
    """A connection that holds the source's advisory lock, or None while somebody else works on the source."""
    lock = ckan_model.ensure_engine().connect().execution_options(isolation_level="AUTOCOMMIT")
    if lock.execute(sa.text("select pg_try_advisory_lock(:key)"), {"key": lock_key(source_id)}).scalar():
        return lock
    lock.close()
    return None


def take(run: dict[str, Any], lock: sa.Connection, *, waits: bool = True) -> Claim | None:
    """Claim this run, whose source `lock` has locked. None, and the lock is given back, when it was closed meanwhile;
    also, unless it `waits`, where somebody holds the source's row.
    """
    try:
        taken = _take_over(run, waits)
    except BaseException:
        unlock(lock)                                      # else the pool would keep the lock of a run nobody works on
        raise
    if taken is None:
        unlock(lock)
        return None
    return Claim(taken, lock)


def unlock(lock: sa.Connection) -> None:
    """Give a source's lock back. A connection that died has given it back already."""
    try:
        lock.execute(sa.text("select pg_advisory_unlock_all()"))
    except DBAPIError:
        lock.invalidate()                                 # never back into the pool with a lock on it
    finally:
        lock.close()


def _take_over(candidate: dict[str, Any], waits: bool) -> dict[str, Any] | None:
    """Raise the epoch and mark the run as running, in one commit; None when the run was closed meanwhile.

    The source's row first, as every writer of a run locks it (`check_epoch`): a worker that is just being overtaken
    and the one that overtakes it wait for each other in one order only. Somebody's open transaction, a person's at the
    database say, keeps its own source waiting and no other one.
    """
    if not waits and not model.value("select 1 from gkopen.source where id = :id for no key update skip locked",
                                     id=candidate["source_id"]):
        ckan_model.Session.rollback()
        return None
    epoch = model.value("update gkopen.source set epoch = epoch + 1 where id = :id returning epoch",
                        id=candidate["source_id"])
    run = progress.taken_over(candidate["id"], epoch)
    if run is None:
        ckan_model.Session.rollback()
        return None
    ckan_model.Session.commit()
    logs.event("run.started", run=run["id"], source_id=run["source_id"], epoch=epoch, trigger=run["trigger"])
    return run


def check_epoch(run: dict[str, Any]) -> None:
    """Called in every transaction that writes for a run, before the write. Raises Fenced, Cancelled."""
    by = _fence(run)
    if by is not None:
        raise Cancelled(by)


def _fence(run: dict[str, Any]) -> str | None:
    """Who asked to cancel the run, if somebody did. Raises Fenced."""
    row = model.one("select s.epoch, (select cancel_by from gkopen.run where id = :run) as cancel_by"
                    " from gkopen.source s where s.id = :source for share of s", source=run["source_id"], run=run["id"])
    if row is None or row["epoch"] != run["epoch"]:
        raise Fenced(str(run["id"]))
    return row["cancel_by"]


def cancel(run_id: str, by: str) -> bool:
    """Stop a run: at once where no worker is at it, else at its next page or table. True when it has stopped.

    Raises NotOpen. The caller commits.
    """
    source_id = model.value("select source_id from gkopen.run where id = :id", id=run_id)
    source = model.one("select * from gkopen.source where id = :id for update", id=source_id)
    run = model.one("select * from gkopen.run where id = :id for update", id=run_id)
    assert source is not None and run is not None
    if run["state"] not in ("queued", "running"):
        raise NotOpen(run["state"])
    model.execute("update gkopen.run set cancel_by = :by where id = :id", by=by, id=run_id)
    alone = run["state"] == "queued" or model.value("select pg_try_advisory_xact_lock(:key)",
                                                    key=lock_key(source["id"]))
    if not alone:
        return False
    error = {"kind": "Cancelled", "zh": f"{by} 取消了本次运行，没有改动任何数据。",
             "en": f"{by} cancelled the run; nothing was changed"}
    # The epoch goes up: a worker that was thought dead must find that the run is no longer its own.
    model.execute("update gkopen.source set epoch = epoch + 1, next_run_at = :next where id = :id", id=source["id"],
                  next=next_run(source["config"], 0, run_id))
    model.execute("update gkopen.run set state = 'cancelled', finished_at = now(), error = cast(:error as jsonb)"
                  " where id = :id", id=run_id, error=model.dump(error))
    return True


def keep_page(run: dict[str, Any], page: Page) -> None:
    """Store one page of the source, raw: a run that is resumed can show what it saw. The caller commits."""
    check_epoch(run)
    sha256 = blobs.put(page.raw, "application/json")
    model.execute("insert into gkopen.item (run_id, number, raw_sha256, rows, fetched_at) values (:run, :number, :sha,"
                  " :rows, :at) on conflict (run_id, number) do update set raw_sha256 = :sha, rows = :rows,"
                  " fetched_at = :at", run=run["id"], number=page.number, sha=sha256, rows=len(page.rows),
                  at=page.fetched_at)


def finish(run: dict[str, Any], state: str, counts: dict[str, Any], stages: dict[str, float],
           error: dict[str, Any] | None = None, wait: float | None = None, soon: float | None = None) -> None:
    """Close a run, set the next one by the source's cycle (with back-off after a failure), and commit.

    `wait`: seconds before which the platform does not want to be asked again; `soon`: after which there is more to
    read, whatever the cycle. A dry run leaves the schedule alone.
    """
    _fence(run)
    model.execute("update gkopen.run set state = :state, finished_at = now(), counts = cast(:counts as jsonb),"
                  " stages = cast(:stages as jsonb), error = cast(:error as jsonb) where id = :id", id=run["id"],
                  state=state, counts=model.dump(counts), stages=model.dump(stages),
                  error=model.dump(error) if error else None)
    source = model.one("select * from gkopen.source where id = :id", id=run["source_id"])
    assert source is not None
    if not run["dry_run"]:
        failures = source["failures"] + 1 if state in BAD else source["failures"] if state == "cancelled" else 0
        due = next_run(source["config"], failures if state in BAD else 0, str(run["id"]))
        if wait is not None:
            due = max(due, datetime.now(UTC) + timedelta(seconds=wait))
        if soon is not None:
            due = min(due, datetime.now(UTC) + timedelta(seconds=soon))
        model.execute("update gkopen.source set failures = :failures, next_run_at = :next,"
                      " last_good_at = case when :good then now() else last_good_at end where id = :id",
                      id=source["id"], failures=failures, next=due, good=state in GOOD)
    ckan_model.Session.commit()
    logs.event("run.finished", run=run["id"], source=source["name"], state=state, kind=(error or {}).get("kind"),
               **{name: counts.get(name) for name in LOGGED}, **{f"{name}_s": took for name, took in stages.items()})


def next_run(config: dict[str, Any] | str, failures: int, seed: str, now: datetime | None = None) -> datetime:
    """When a source is due again: its cycle, less up to 5 % of it, so that one that runs as it should is never behind
    its cycle; after failures 1, 2, 4 … minutes and up to 5 % more, at most the cycle. A folder of dropped files is
    looked into each day at least."""
    cycle = _cycle(config)
    share = (uuid5(ids.NAMESPACE, seed).int % 1000) / 20000
    wait = min(timedelta(minutes=2 ** min(failures - 1, 20)), cycle) * (1 + share) if failures else cycle * (1 - share)
    return (now or datetime.now(UTC)) + wait


def due() -> list[dict[str, Any]]:
    """The active sources without an open run whose next one has come, less those whose row somebody holds. A next run
    that lies further ahead than any is ever put off was set while a clock was wrong: it would be waited for for months.

    Asked for each second, with thousands of sources: nothing is read of those that are not due.
    """
    return model.every(
        "select s.* from gkopen.source s left join unnest(cast(:names as text[]), cast(:cycles as interval[]))"
        "  as c (name, cycle) on c.name = s.config ->> 'update_cycle'"
        " where s.state = 'active' and not (s.next_run_at > now() and s.next_run_at <= now() + 1.1 * greatest(:named,"
        "  case when s.config ->> 'transport' = 'filedrop' then :look else coalesce(c.cycle, :asked) end))"
        " and not exists (select 1 from gkopen.run r where r.source_id = s.id and r.state in ('queued', 'running'))"
        " for no key update of s skip locked", names=list(CYCLES), cycles=list(CYCLES.values()), asked=WHEN_ASKED,
        look=LOOK, named=breaker.LONGEST_NAMED)


def _cycle(config: dict[str, Any] | str) -> timedelta:
    settings = json.loads(config) if isinstance(config, str) else config
    cycle = CYCLES.get(settings.get("update_cycle") or "", WHEN_ASKED)
    return min(cycle, LOOK) if settings.get("transport") == "filedrop" else cycle


def active_sources() -> list[dict[str, Any]]:
    return model.every("select * from gkopen.source where state = 'active' order by name")
