"""What every exit still has to be brought to: claimed, done, checked off, in one transaction each.

A claim is the row lock of the transaction that writes the result: a worker that is killed leaves nothing to repair.
Each sink goes straight to the newest seq and checks off all older rows of its dataset.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ckan import logic
from ckan import model as ckan_model
from ckan.lib import search
from ckan.plugins import toolkit

from ckanext.gkopen import blobs, bodies, changesets, ids, logs, model
from ckanext.gkopen.dcat import kept
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish import publisher
from ckanext.gkopen.publish.standards import STANDARDS

log = logging.getLogger(__name__)

SINKS = ("datastore", "files", "solr", "bulk", "standards")
OF_ALL_BODIES = ("bulk", "standards")
"""Exits that hold all bodies of a domain together: made at most once an interval."""
CHANNEL = "gkopen"
"""LISTEN/NOTIFY channel: the doorbell of the workers."""


@dataclass(frozen=True, slots=True)
class Done:
    """One piece of work that was brought to an exit."""

    dataset_id: str
    seq: int
    sink: str
    seconds: float


def enqueue(dataset_id: str, seq: int, domain: str, *, urgent: bool = False) -> None:
    """Put every exit of a publication on the list.

    What holds all bodies of a domain is made at most once an interval; where something is withdrawn (`urgent`), at
    once.
    """
    interval = 0 if urgent else toolkit.config["ckanext.gkopen.bulk_interval"]
    model.execute("insert into gkopen.outbox (dataset_id, seq, sink) select :d, :seq, unnest(cast(:sinks as text[]))",
                  d=dataset_id, seq=seq, sinks=[s for s in SINKS if s not in OF_ALL_BODIES])
    model.execute(
        "insert into gkopen.outbox (dataset_id, seq, sink, not_before) select :d, :seq, s.sink, greatest(now(), ("
        " select max(o.done_at) + make_interval(secs => :interval) from gkopen.outbox o"
        " join gkopen.dataset x on x.id = o.dataset_id where x.domain = :domain and o.sink = s.sink))"
        " from unnest(cast(:sinks as text[])) as s (sink)",
        d=dataset_id, seq=seq, interval=interval, domain=domain,
        sinks=[s for s in OF_ALL_BODIES if s != "standards" or domain in STANDARDS])
    model.execute("select pg_notify(:channel, 'outbox')", channel=CHANNEL)


def drain(dataset_id: str | None = None, *, until: float | None = None) -> Iterator[Done]:
    """Do due work (of one dataset, or all) until none is left; yields each piece. `until`: monotonic deadline."""
    while (until is None or time.monotonic() < until) and (done := work_one(dataset_id)):
        yield done


def work_one(dataset_id: str | None = None) -> Done | None:
    """Claim one due row, bring its exit to the newest seq, commit. None when nothing is due.

    A failure is written to the row with the time of the next try, and logged; it is never raised, so that one broken
    exit does not stop the others.
    """
    row = model.one(
        "select o.dataset_id, o.seq, o.sink, o.attempts, d.domain, d.seq as newest, d.state, d.name"
        " from gkopen.outbox o join gkopen.dataset d on d.id = o.dataset_id"
        " where o.done_at is null and o.not_before <= now()"
        " and (cast(:d as uuid) is null or o.dataset_id = cast(:d as uuid))"
        " order by o.not_before, o.dataset_id, o.seq limit 1 for update of o skip locked", d=dataset_id)
    if row is None:
        ckan_model.Session.rollback()
        return None
    started = time.monotonic()
    try:
        _take_turns(row)
        covered = _covered(row)
        _WORK[row["sink"]](row)
        model.execute("update gkopen.outbox set done_at = now(), error = null where sink = :sink"
                      " and (dataset_id, seq) in (select dataset_id, seq from gkopen.outbox where sink = :sink"
                      " and done_at is null and (dataset_id, seq) in"
                      " (select * from unnest(cast(:datasets as uuid[]), cast(:seqs as int[])))"
                      " for update skip locked)", sink=row["sink"], datasets=[str(c["dataset_id"]) for c in covered],
                      seqs=[c["seq"] for c in covered])
        ckan_model.Session.commit()
        logs.event("exit.done", sink=row["sink"], dataset=row["name"], seq=row["newest"],
                   seconds=round(time.monotonic() - started, 3))
    except Exception as error:
        ckan_model.Session.rollback()
        log.exception("exit %s of %s is behind; it will be tried again", row["sink"], row["name"])
        delay = min(2 ** min(row["attempts"], 8), 300)
        model.execute("update gkopen.outbox set attempts = attempts + 1, error = :error,"
                      " not_before = now() + make_interval(secs => :delay) where dataset_id = :d and seq = :seq"
                      " and sink = :sink and done_at is null", error=f"{type(error).__name__}: {error}"[:500],
                      delay=delay, d=row["dataset_id"], seq=row["seq"], sink=row["sink"])
        ckan_model.Session.commit()
    return Done(str(row["dataset_id"]), row["newest"], row["sink"], time.monotonic() - started)


def _take_turns(row: dict[str, Any]) -> None:
    """One worker at a time brings one exit of a dataset (or of a domain) up to date, and then reads what is newest.

    Else one that read an older publication could write it after another one had written the newer: into the index,
    which knows no order, even rows that were withdrawn.
    """
    target = row["domain"] if row["sink"] in OF_ALL_BODIES else row["dataset_id"]
    model.execute("select pg_advisory_xact_lock(hashtextextended(:turn, 0))", turn=f"gkopen/{row['sink']}/{target}")
    row["newest"] = model.value("select seq from gkopen.dataset where id = :d", d=row["dataset_id"])
    ckan_model.Session.expire_all()


def _covered(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that this piece of work answers: read before it starts, so that what comes meanwhile is done again."""
    return model.every(
        "select o.dataset_id, o.seq from gkopen.outbox o join gkopen.dataset d on d.id = o.dataset_id"
        " where o.done_at is null and o.sink = :sink and case when :whole then d.domain = :domain"
        " else o.dataset_id = :d and o.seq <= :newest end",
        sink=row["sink"], whole=row["sink"] in OF_ALL_BODIES, domain=row["domain"], d=row["dataset_id"],
        newest=row["newest"])


def waiting() -> dict[str, Any]:
    """How far the exits are behind: rows waiting, the oldest one's age in seconds, rows that failed at least once."""
    row = model.one("select count(*) as rows, coalesce(extract(epoch from now() - min(u.at)), 0) as oldest,"
                    " count(*) filter (where o.attempts > 0) as failing from gkopen.outbox o"
                    " join gkopen.publication u using (dataset_id, seq) where o.done_at is null"
                    " and o.sink <> all(:whole)",
                    whole=list(OF_ALL_BODIES))
    assert row is not None
    return {"rows": row["rows"], "oldest": float(row["oldest"]), "failing": row["failing"]}


def _data_parts(dataset_id: Any) -> dict[str, str]:
    return {part: sha for part, sha in changesets.public_parts(str(dataset_id)).items() if part != changesets.METADATA}


def _datastore(row: dict[str, Any]) -> None:
    from ckanext.gkopen.publish import table

    body_id = model.value("select body_id from gkopen.dataset where id = :d", d=row["dataset_id"])
    table.bring_up(get_domain(row["domain"]), str(row["dataset_id"]), bodies.titles().get(body_id, ""), row["newest"],
                   _data_parts(row["dataset_id"]), blobs.read)


def _files(row: dict[str, Any]) -> None:
    from ckanext.gkopen.publish import files

    files.bring_up_dataset(get_domain(row["domain"]), str(row["dataset_id"]), row["newest"],
                           _data_parts(row["dataset_id"]), blobs.read)


def _bulk(row: dict[str, Any]) -> None:
    from ckanext.gkopen.publish import files

    domain = get_domain(row["domain"])
    files.bring_up_bulk(domain, row["newest"])
    with publisher.door():
        from ckanext.gkopen.publish import publication

        publication.write_bulk_package(domain)
    _index(ids.bulk_id(domain.name))
    kept.prepare(domain.name)


def _standards(row: dict[str, Any]) -> None:
    from ckanext.gkopen.publish.standards import bring_up

    bring_up.bring_up(row["domain"])


def _solr(row: dict[str, Any]) -> None:
    _index(str(row["dataset_id"]))
    bulk = ids.bulk_id(row["domain"])
    if ckan_model.Package.get(bulk) is not None:
        _index(bulk)


def _index(package_id: str) -> None:
    """The index says what the database says: the package as it is, or nothing. One writer of a document at a time."""
    ckan_model.Session.flush()
    model.execute("select pg_advisory_xact_lock(hashtextextended(:turn, 0))", turn=f"gkopen/index/{package_id}")
    ckan_model.Session.expire_all()
    package = ckan_model.Package.get(package_id)
    if package is None or package.state != "active":
        search.index_for("package").remove_dict({"id": package_id})
        search.commit()
    else:
        logic.index_update_package({"ignore_auth": True}, package_id)


_WORK: dict[str, Callable[[dict[str, Any]], None]] = {"datastore": _datastore, "files": _files, "solr": _solr,
                                                      "bulk": _bulk, "standards": _standards}
