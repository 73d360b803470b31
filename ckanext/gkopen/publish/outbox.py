"""What every exit still has to be brought to: claimed, done, checked off, in one transaction.

A claim is the row lock of the transaction that writes the result: a worker that is killed leaves nothing to repair.
Each sink goes straight to the newest seq and checks off all older rows of its dataset.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import blobs, changesets, ids, logs, model
from ckanext.gkopen.dcat import kept
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish import index, publisher
from ckanext.gkopen.publish.standards import STANDARDS

log = logging.getLogger(__name__)

SINKS = ("datastore", "files", "solr", "bulk", "standards")
OF_ALL_BODIES = ("bulk", "standards")
"""Exits that hold all bodies of a domain together: made at most once an interval."""
TOGETHER = {"datastore": 100, "files": 100, "solr": 300}
"""Exit → datasets of one domain that are brought up in one transaction, at most. A withdrawal waits for no more."""
FEW_ROWS = {"datastore": 1_000, "files": 1_000}
"""Exit → rows of a table beyond which it is brought there alone: a million take a quarter of a minute."""
LONGEST_PAUSE, LONGEST_URGENT_PAUSE = 60, 10
"""Seconds between two tries of what fails, at most; urgent is what a withdrawal takes away."""
CHANNEL = "gkopen"
"""LISTEN/NOTIFY channel: the doorbell of the workers."""


@dataclass(frozen=True, slots=True)
class Done:
    """One piece of work that was brought to an exit."""

    dataset_id: str
    seq: int
    sink: str
    seconds: float


def enqueue(publications: Sequence[tuple[str, int]], domain: str, *, urgent: bool = False) -> None:
    """Put every exit of publications (dataset id, seq) of one domain on the list.

    What holds all bodies of a domain is made at most once an interval; where something is withdrawn (`urgent`), at
    once, and before everything else.
    """
    interval = 0 if urgent else toolkit.config["ckanext.gkopen.bulk_interval"]
    of_each, of_all = ([sink for sink in SINKS if (sink in OF_ALL_BODIES) is all_bodies
                        and (sink != "standards" or domain in STANDARDS)] for all_bodies in (False, True))
    model.execute(
        "with due as (select sink, greatest(now(), (select max(least(o.done_at, now()))"
        "  + make_interval(secs => :interval) from gkopen.outbox o join gkopen.dataset x on x.id = o.dataset_id"
        "  where x.domain = :domain and o.sink = s.sink)) as at from unnest(cast(:of_all as text[])) as s (sink)"
        "  union all select sink, now() from unnest(cast(:of_each as text[])) as s (sink))"
        " insert into gkopen.outbox (dataset_id, seq, sink, urgent, not_before)"
        " select p.id, p.seq, due.sink, :urgent, due.at from due cross join"
        " unnest(cast(:datasets as uuid[]), cast(:seqs as int[])) as p (id, seq)",
        urgent=urgent, interval=interval, domain=domain, of_all=of_all, of_each=of_each,
        datasets=[dataset_id for dataset_id, _ in publications], seqs=[seq for _, seq in publications])
    model.execute("select pg_notify(:channel, 'outbox')", channel=CHANNEL)


def renew(names: Sequence[str]) -> None:
    """Put every exit of what is public of these domains on the list again, as after a publication. The caller commits.
    """
    model.execute("update gkopen.outbox o set done_at = null, attempts = 0, not_before = now() from gkopen.dataset d"
                  " where d.id = o.dataset_id and d.seq = o.seq and d.state = 'published' and d.domain = any(:names)",
                  names=list(names))


def drain(dataset_id: str | None = None, *, until: float | None = None) -> Iterator[Done]:
    """Do due work (of one dataset, or all) until none is left; yields each piece. `until`: monotonic deadline."""
    while (until is None or time.monotonic() < until) and (done := work_batch(dataset_id)):
        yield from done


def work_batch(dataset_id: str | None = None, sinks: Sequence[str] = SINKS) -> list[Done]:
    """Claim due rows of one exit and domain, bring the exit to the newest seqs, commit. Empty when nothing is due.

    A failure is written to its row with the time of the next try, and logged; it is never raised, so that one broken
    exit does not stop the others. What fails together is done again one by one: a row waits only for its own failure.
    """
    rows = _claim(dataset_id, sinks)
    if len(rows) < 2:
        return [done for row in rows if (done := _alone(row))]
    try:
        return _bring_up(rows)
    except Exception:
        ckan_model.Session.rollback()
        log.info("exit %s of %d datasets failed; each is tried alone", rows[0]["sink"], len(rows), exc_info=True)
    return [done for row in rows if (done := _alone(_claim_again(row)))]


_ROWS = "(select coalesce(sum(p.rows), 0) from gkopen.public_part p where p.dataset_id = o.dataset_id)"
_CLAIM = ("select o.dataset_id, o.seq, o.sink, o.attempts, o.urgent, d.domain, d.seq as newest, d.state, d.name,"
          f" {_ROWS} as rows from gkopen.outbox o join gkopen.dataset d on d.id = o.dataset_id"
          " where o.done_at is null and ")


def _claim(dataset_id: str | None, sinks: Sequence[str]) -> list[dict[str, Any]]:
    """The row that is due first, and others of its exit and domain that never failed, each dataset once. A large
    table goes alone. Locked."""
    due = _CLAIM + ("o.not_before <= now() and o.sink = any(:sinks) and"
                    " (cast(:d as uuid) is null or o.dataset_id = cast(:d as uuid))")
    first = model.one(due + " and o.urgent order by array_position(cast(:sinks as text[]), o.sink), o.not_before"
                      " limit 1 for update of o skip locked", d=dataset_id, sinks=list(sinks)) or model.one(
        due + " order by o.not_before, o.dataset_id, o.seq limit 1 for update of o skip locked", d=dataset_id,
        sinks=list(sinks))
    if first is None:
        ckan_model.Session.rollback()
        return []
    few = FEW_ROWS.get(first["sink"])
    if first["sink"] not in TOGETHER or first["attempts"] or (few is not None and first["rows"] > few):
        return [first]
    others = model.every(
        _CLAIM + "o.not_before <= now() and o.sink = :sink and d.domain = :domain and o.attempts = 0"
        f" and (cast(:few as int) is null or {_ROWS} <= :few)"
        " and o.dataset_id <> :first and (cast(:d as uuid) is null or o.dataset_id = cast(:d as uuid))"
        " order by o.not_before, o.dataset_id, o.seq limit :most for update of o skip locked", d=dataset_id,
        sink=first["sink"], domain=first["domain"], first=first["dataset_id"], few=few,
        most=TOGETHER[first["sink"]] - 1)
    return list({row["dataset_id"]: row for row in (first, *others)}.values())


def _claim_again(row: dict[str, Any]) -> dict[str, Any] | None:
    """The same row, unless it is done meanwhile or another worker is at it."""
    return model.one(_CLAIM + "o.dataset_id = :d and o.seq = :seq and o.sink = :sink for update of o skip locked",
                     d=row["dataset_id"], seq=row["seq"], sink=row["sink"])


def _alone(row: dict[str, Any] | None) -> Done | None:
    if row is None:
        ckan_model.Session.rollback()
        return None
    started = time.monotonic()
    try:
        return _bring_up([row])[0]
    except Exception as error:
        ckan_model.Session.rollback()
        log.exception("exit %s of %s is behind; it will be tried again", row["sink"], row["name"])
        delay = min(2 ** min(row["attempts"], 8), LONGEST_URGENT_PAUSE if row["urgent"] else LONGEST_PAUSE)
        model.execute("update gkopen.outbox set attempts = attempts + 1, error = :error,"
                      " not_before = now() + make_interval(secs => :delay) where dataset_id = :d and seq = :seq"
                      " and sink = :sink and done_at is null", error=f"{type(error).__name__}: {error}"[:500],
                      delay=delay, d=row["dataset_id"], seq=row["seq"], sink=row["sink"])
        ckan_model.Session.commit()
    return Done(str(row["dataset_id"]), row["newest"], row["sink"], time.monotonic() - started)


def _bring_up(rows: list[dict[str, Any]]) -> list[Done]:
    """Check claimed rows of one exit and domain off, do their work, commit."""
    started, sink = time.monotonic(), rows[0]["sink"]
    take_turns(rows)
    # First, though in this transaction: of a withdrawal that comes meanwhile is told all the same (`behind`).
    _check_off(sink, _covered(rows))
    WORK[sink](rows)
    ckan_model.Session.commit()
    seconds = (time.monotonic() - started) / len(rows)
    for row in rows:
        logs.event("exit.done", sink=sink, dataset=row["name"], seq=row["newest"], seconds=round(seconds, 3))
    return [Done(str(row["dataset_id"]), row["newest"], sink, seconds) for row in rows]


def _check_off(sink: str, covered: list[dict[str, Any]]) -> None:
    """Of each dataset the newest row stays: it says when the exit was brought up last, and all others say no more."""
    named = {"sink": sink, "datasets": [str(row["dataset_id"]) for row in covered],
             "seqs": [row["seq"] for row in covered]}
    model.execute("update gkopen.outbox set done_at = now(), error = null where sink = :sink"
                  " and (dataset_id, seq) in (select dataset_id, seq from gkopen.outbox where sink = :sink"
                  " and done_at is null and (dataset_id, seq) in"
                  " (select * from unnest(cast(:datasets as uuid[]), cast(:seqs as int[])))"
                  " for update skip locked)", **named)
    model.execute("delete from gkopen.outbox o using unnest(cast(:datasets as uuid[]), cast(:seqs as int[])) as"
                  " newer (id, seq) where o.dataset_id = newer.id and o.seq < newer.seq and o.sink = :sink"
                  " and o.done_at is not null", **named)


def take_turns(rows: list[dict[str, Any]]) -> None:
    """One worker at a time brings one exit of a dataset (or of a domain) up to date, and then reads what is newest.

    Else one that read an older publication could write it after another one had written the newer: into the index,
    which knows no order, even rows that were withdrawn.
    """
    _lock(f"gkopen/{row['sink']}/{row['domain'] if row['sink'] in OF_ALL_BODIES else row['dataset_id']}"
          for row in rows)
    now = {row["id"]: row for row in model.every("select id, seq, state from gkopen.dataset where id = any(:ids)",
                                                 ids=[row["dataset_id"] for row in rows])}
    for row in rows:
        row["newest"], row["state"] = now[row["dataset_id"]]["seq"], now[row["dataset_id"]]["state"]
    ckan_model.Session.expire_all()


def _lock(turns: Iterable[str]) -> None:
    """Advisory locks until the commit, in one order everywhere: two workers with many of them wait in no circle."""
    model.execute("select pg_advisory_xact_lock(hashtextextended(turn, 0)) from unnest(cast(:turns as text[])) turn",
                  turns=sorted(turns))


def _covered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that this piece of work answers: what comes meanwhile is done again."""
    if rows[0]["sink"] in OF_ALL_BODIES:
        return model.every(
            "select o.dataset_id, o.seq from gkopen.outbox o join gkopen.dataset d on d.id = o.dataset_id"
            " where o.done_at is null and o.sink = :sink and d.domain = :domain", sink=rows[0]["sink"],
            domain=rows[0]["domain"])
    return model.every(
        "select o.dataset_id, o.seq from unnest(cast(:datasets as uuid[]), cast(:newest as int[])) as mine (id, seq)"
        " cross join lateral (select dataset_id, seq from gkopen.outbox where dataset_id = mine.id and seq <= mine.seq"
        "  and sink = :sink and done_at is null offset 0) as o", sink=rows[0]["sink"],
        datasets=[str(row["dataset_id"]) for row in rows], newest=[row["newest"] for row in rows])


def waiting() -> dict[str, Any]:
    """How far the exits are behind: rows waiting, the oldest one's age in seconds, rows that failed at least once.

    What holds all bodies waits for its interval, which is no delay; where it fails it is told like the others.
    """
    of_each = "filter (where o.sink <> all(:whole))"
    row = model.one(f"select count(*) {of_each} as rows, coalesce(extract(epoch from now() - min(u.at) {of_each}), 0)"
                    " as oldest, count(*) filter (where o.attempts > 0) as failing from gkopen.outbox o"
                    " join gkopen.publication u using (dataset_id, seq) where o.done_at is null",
                    whole=list(OF_ALL_BODIES))
    assert row is not None
    return {"rows": row["rows"], "oldest": float(row["oldest"]), "failing": row["failing"]}


def _data_parts(rows: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Dataset → part → sha256 of what is public of its rows."""
    found: dict[str, dict[str, str]] = {str(row["dataset_id"]): {} for row in rows}
    for row in model.every("select dataset_id, part, sha256 from gkopen.public_part where part <> :metadata"
                           " and dataset_id = any(cast(:ids as uuid[])) order by part collate \"C\"",
                           metadata=changesets.METADATA, ids=list(found)):
        found[str(row["dataset_id"])][row["part"]] = row["sha256"]
    return found


def _datastore(rows: list[dict[str, Any]]) -> None:
    from ckanext.gkopen.publish import table

    table.bring_up_many(get_domain(rows[0]["domain"]), *wanted_rows(rows))


def wanted_rows(rows: list[dict[str, Any]]) -> tuple[list[Any], Callable[[str], bytes]]:
    """What the DataStore's rows of datasets shall be (`table.Wanted`), and who reads their contents."""
    from ckanext.gkopen.publish import table

    wanted = _data_parts(rows)
    titles = {str(row["id"]): row["title"] for row in model.every(
        "select d.id, coalesce(nullif(g.title, ''), g.name, '') as title from gkopen.dataset d"
        " left join public.\"group\" g on g.id = d.body_id where d.id = any(:ids)",
        ids=[row["dataset_id"] for row in rows])}
    return [table.Wanted(dataset, titles[dataset], row["newest"], wanted[dataset])
            for row in rows for dataset in (str(row["dataset_id"]),)], blobs.reader(_sha256s(wanted))


def _files(rows: list[dict[str, Any]]) -> None:
    from ckanext.gkopen.publish import files

    wanted = _data_parts(rows)
    files.bring_up_datasets(get_domain(rows[0]["domain"]), [
        files.Wanted(dataset, row["newest"], wanted[dataset])
        for row in rows for dataset in (str(row["dataset_id"]),)], blobs.reader(_sha256s(wanted)))


def _sha256s(wanted: dict[str, dict[str, str]]) -> list[str]:
    return [sha256 for parts in wanted.values() for sha256 in parts.values()]


def _bulk(rows: list[dict[str, Any]]) -> None:
    from ckanext.gkopen.publish import files

    domain = get_domain(rows[0]["domain"])
    files.bring_up_bulk(domain, rows[0]["newest"])
    with publisher.door():
        from ckanext.gkopen.publish import publication

        publication.write_bulk_package(domain)
    _index([ids.bulk_id(domain.name)])


def _standards(rows: list[dict[str, Any]]) -> None:
    from ckanext.gkopen.publish.standards import bring_up

    bring_up.bring_up(rows[0]["domain"])


def _solr(rows: list[dict[str, Any]]) -> None:
    bulk = ids.bulk_id(rows[0]["domain"])
    known = [bulk] if ckan_model.Package.get(bulk) is not None else []
    _index([*(str(row["dataset_id"]) for row in rows), *known])
    if withdrawn := [str(row["dataset_id"]) for row in rows if row["urgent"]]:
        kept.forget([*withdrawn, bulk])


def _index(package_ids: list[str]) -> None:
    """One writer of a document at a time."""
    ckan_model.Session.flush()
    _lock(f"gkopen/index/{package_id}" for package_id in package_ids)
    ckan_model.Session.expire_all()
    index.bring_up(package_ids)


WORK: dict[str, Callable[[list[dict[str, Any]]], None]] = {"datastore": _datastore, "files": _files, "solr": _solr,
                                                            "bulk": _bulk, "standards": _standards}
