"""One run of one source: fetch every page, keep it raw, group the rows by body, and hand each table to the pipeline.

Nothing is submitted before the whole listing came and adds up: a listing that is cut, repeated or inconsistent changes
nothing (docs/decisions/blast-radius.md).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import bodies, ids, model, pipeline, reports, scratch
from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.harvest import again, breaker, drops, endings, ledger, moved, progress, tables, withheld
from ckanext.gkopen.harvest.report import REPEATED, Report
from ckanext.gkopen.harvest.spool import Spool
from ckanext.gkopen.harvesters import Limits, open_transport
from ckanext.gkopen.harvesters.base import CatalogueEntry
from ckanext.gkopen.harvesters.errors import HarvestError
from ckanext.gkopen.harvesters.lines import SourceError
from ckanext.gkopen.harvesters.source import Source
from ckanext.gkopen.records import Finding

log = logging.getLogger(__name__)

LIMITS = Limits()
EMPTIED = "source-emptied"
BROKEN = ("replacement-character", "character-broken", REPEATED)
"""Findings of rows that may have been broken on their way, or missed."""
BROKEN_DAYS = timedelta(days=7)
"""For so long they, and rows that were set aside, are asked for again where only changes are read: what is wrong at the
source stays so."""

Progress = Callable[[str, int, int | None], None]
"""(stage, done, total or None): called after each page, and when tables are done."""


def source_of(row: Mapping[str, Any]) -> Source:
    return Source(**row["config"])


def carry_out(claim: ledger.Claim, tell: Progress = lambda *_: None) -> Report:
    """Work a claimed run to its end. Problems of the source end the run as failed, with what to do; others are raised.

    A dry run examines and compares everything and rolls back.
    """
    run = claim.run
    row = model.one("select * from gkopen.source where id = :id", id=run["source_id"])
    assert row is not None
    report, stages = Report(), {}
    if run["deaths"] >= progress.DEATHS:
        log.error("run %s of %s is not begun again: %s workers died at the same place of it", run["id"], row["name"],
                  run["deaths"])
        return _failed(run, report, endings.workers_died(run))
    try:
        source = source_of(row)
    except TypeError as problem:                          # kept by a version that knew other keys
        log.exception("the source %s of run %s cannot be read", row["name"], run["id"])
        return _failed(run, report, endings.own_fault(problem))
    error: dict[str, Any] | None = None
    wait: float | None = None
    try:
        with ExitStack() as stack:
            folder = stack.enter_context(scratch.folder())
            if source.transport == "filedrop":
                with _timed(stages, "check"):
                    drops.take(run, source, folder, report, tell)
            else:
                spool = Spool(folder)
                stack.callback(spool.close)
                with _timed(stages, "fetch"):
                    entry, whole = _fetch(run, source, spool, report, tell)
                if whole:
                    with _timed(stages, "check"):
                        _submit(run, source, spool, entry, report, tell)
    except ledger.Cancelled as asked:
        ckan_model.Session.rollback()
        report.at_least("cancelled")
        error = endings.cancelled(asked, report)
    except (HarvestError, SourceError, bodies.UnknownBody) as problem:
        ckan_model.Session.rollback()
        report.at_least("incomplete" if report.pages else "failed")
        error = endings.described(problem, good_before=row["last_good_at"] is not None)
        wait = getattr(problem, "retry_after", None)
    except ledger.Fenced:
        raise
    except Exception as problem:
        if ledger.lost(problem):
            raise                                         # not this run's fault: whoever claims it next goes on
        ckan_model.Session.rollback()
        log.exception("run %s of %s ended by an error of the program", run["id"], source.name)
        report.at_least("failed")
        error = endings.own_fault(problem)
    ledger.finish(run, report.state, report.counts(), stages, error, wait,
                  drops.SOON if "drop-unsettled" in report.findings else None)
    return report


def _failed(run: dict[str, Any], report: Report, error: dict[str, str]) -> Report:
    """End a run that cannot even begin."""
    report.at_least("failed")
    ledger.finish(run, report.state, report.counts(), {}, error)
    return report


@contextmanager
def _timed(stages: dict[str, float], stage: str) -> Iterator[None]:
    """Notes the seconds that a stage took, where it came to its end."""
    started = time.monotonic()
    yield
    stages[stage] = round(time.monotonic() - started, 3)


def _fetch(run: dict[str, Any], source: Source, spool: Spool, report: Report,
           tell: Progress) -> tuple[CatalogueEntry | None, bool]:
    """All pages into the spool, by body; the entry of the source's catalogue, and whether there is something to submit:
    nothing is even asked for where the entry says that what is public is not open any more, and nothing has to come of
    a source that was asked for changes. Raises HarvestError where the listing is not whole."""
    transport = open_transport(source, source.secret(os.environ), breaker=breaker.Breaker(source.name),
                               allowed_hosts=toolkit.config["ckanext.gkopen.harvest.allowed_hosts"],
                               limits=LIMITS, sleep=lambda seconds: _rest(run, seconds))
    with ExitStack() as stack:
        stack.callback(transport.close)
        ledger.check_epoch(run)
        ckan_model.Session.commit()
        entry = transport.catalogue() if source.catalogue else None
        if entry is not None and entry.open is False:
            ledger.check_epoch(run)
            held = withheld.not_open(run, source, report)
            _end(run)()
            if held:
                return entry, False
        since = _since(run, source)
        for page in transport.pages(since):
            if run["dry_run"]:
                ledger.check_epoch(run)
            else:
                ledger.keep_page(run, page)
            report.pages += 1
            report.rows_fetched += len(page.rows)
            progress.note(run, report, "fetch", page.total)
            ckan_model.Session.commit()
            column = source.organization_column
            spool.write([row.get(column) or "" for row in page.rows] if column
                        else [source.organization] * len(page.rows), page.rows)
            tell("fetch", report.rows_fetched, page.total)
        report.repeated, emptied = transport.repeated, transport.emptied
    if not report.rows_fetched and (since is not None or source.complete == "periods"):
        ledger.check_epoch(run)
        _tell(run, report, EMPTIED, {"table": source.table or source.service} if emptied or since is None else {})
        _end(run)()
        return entry, False
    if source.organization_column is None:
        spool.add(source.organization)
    return entry, True


def _end(run: Mapping[str, Any]) -> Callable[[], object]:
    """How a transaction of this run ends: a trial writes nothing."""
    return ckan_model.Session.rollback if run["dry_run"] else ckan_model.Session.commit


def _rest(run: dict[str, Any], seconds: float) -> None:
    """Wait between two tries, and look each second whether the run is still wanted and ours."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(1.0, left))
        ledger.check_epoch(run)
        ckan_model.Session.commit()


def _since(run: dict[str, Any], source: Source) -> datetime | None:
    """From when on changes are asked for; None: everything. What is read twice changes nothing.

    At least a cycle before the last good run, so that each change is asked for twice: rows that move from page to page
    while a gateway lists them, in a list that is sorted by the time of the change say, may come on none, and nothing
    tells it; nor does the source know of a row that was broken on its way.
    """
    before = None if source.complete else _settled(run)
    overlap = max(timedelta(hours=source.overlap_hours), ledger.CYCLES.get(source.update_cycle, timedelta()))
    return before and before - overlap


def _settled(run: dict[str, Any]) -> datetime | None:
    """When the last good run of the source started before which nothing waits or was refused.

    What waits is not public, so that the next answer must bring it again; the same goes for what was returned, recalled
    (with an edit of its metadata) or discarded, until a later run has brought nothing of its dataset that is not
    public: most of its rows were good. What is stale was compared again, and counts as what came of it. A row with a
    broken character was perhaps broken on its way, and where rows came on two pages others came on none: the source has
    no reason to send them again, and for some days they are asked for. So are rows that were set aside, by a bad night
    of the platform or since nobody knows their body yet, but not of the first run: that would be the whole table each
    night. A run before the source's settings made other rows of it (`ledger.APART`) does not count, nor does one to
    which no row came (what the source changed may be on its way still, in a table that is filled anew, say), nor one
    whose start lies ahead: the clock was wrong, and what changes until then would never be asked for.
    """
    return model.value(
        "with good as (select * from gkopen.run r where r.source_id = :s and r.state in ('done', 'partly')"
        " and not r.dry_run and cast(r.counts ->> 'rows_in' as int) > 0 and r.started_at <= now()"
        " and r.started_at >= (select coalesce(s.read_anew_since, '-infinity') from gkopen.source s where s.id = :s))"
        " select max(r.started_at) from good r where not (r.started_at > now() - cast(:days as interval)"
        " and (jsonb_exists_any(r.counts -> 'findings', :broken) or cast(r.counts ->> 'rows_quarantined' as int) > 0"
        "  and r.started_at > (select min(started_at) from good)))"
        " and r.started_at < coalesce((select min(w.started_at) from gkopen.run w"
        "  join gkopen.submission b on b.run_id = w.id join gkopen.revision v on v.submission_id = b.id"
        "  where w.source_id = r.source_id and (v.state in ('held', 'frozen')"
        "  or v.state in ('returned', 'recalled', 'discarded') and not exists (select 1 from gkopen.run n"
        "   where n.source_id = w.source_id and n.state in ('done', 'partly') and not n.dry_run"
        "   and n.started_at > coalesce(v.decided_at, v.created_at) and not exists (select 1 from gkopen.submission m"
        "    join gkopen.revision p on p.submission_id = m.id and p.state not in ('published', 'stale')"
        "    where m.run_id = n.id and p.dataset_id = v.dataset_id)))), 'infinity')",
        s=run["source_id"], broken=list(BROKEN), days=BROKEN_DAYS)


def _submit(run: dict[str, Any], source: Source, spool: Spool, entry: CatalogueEntry | None, report: Report,
            tell: Progress) -> None:
    domain = get_domain(source.domain)
    catalogue = {name: value for name, value in asdict(entry).items() if name != "raw"} if entry else None
    end = _end(run)
    named, apart = _bodies(source, spool)
    listed = [tables.Table(ids.dataset_id(domain.name, body["id"]), body, tuple(names), spool) for body, names in named]
    ledger.check_epoch(run)
    read_by = pipeline.read_by(domain, tables.options(source), tables.scope(source))
    known = again.unchanged(run, f"source:{source.name}", read_by,
                            {table.dataset_id: table.fingerprint for table in listed})
    end()
    progress.note(run, report, "check", len(listed))
    ckan_model.Session.commit()
    together: list[tables.Table] = []
    for number, table in enumerate(listed, 1):
        if table.dataset_id in known:
            report.add(known[table.dataset_id], table.body["name"], table.rows)
        else:
            together.append(table)
        if tables.enough(together) or number == len(listed):
            tables.carry_out(run, source, domain, together, catalogue, report, end)
            together = []
            progress.note(run, report, "check", len(listed))
            ckan_model.Session.commit()
        tell("check", number - len(together), len(listed))
    ledger.check_epoch(run)
    if source.complete is True and source.organization_column:
        withheld.bodies_not_named(source, domain, {body["id"] for body, _ in named}, report)
        moved.tell(run, source, domain, report)
    report.set_aside(reports.set_aside(run["id"], apart))
    # For each row that came on two pages another may have come on none.
    _tell(run, report, REPEATED, {"rows": report.repeated} if report.repeated else {})
    end()


def _tell(run: dict[str, Any], report: Report, code: str, params: dict[str, Any]) -> None:
    """A finding of the run itself, where there are params to tell."""
    model.execute("delete from gkopen.finding where run_id = :run and code = :code", run=run["id"], code=code)
    if params:
        reports.store_findings([Finding(code, severity_of(code), params=params)], None, None, str(run["id"]))
        report.findings[code] = 1
        report.at_least("partly")


def _bodies(source: Source,
            spool: Spool) -> tuple[list[tuple[dict[str, Any], list[str]]], dict[str, dict[str, Iterable[str]]]]:
    """Each body with the names that rows give it (a title here, a code there are one table), and what is set aside.

    That is finding code → name → rows: of names that nobody has, and of bodies for which the source may not speak.
    """
    found: dict[str, tuple[dict[str, Any], list[str]]] = {}
    apart: dict[str, dict[str, Iterable[str]]] = {reports.BODY_UNKNOWN: {}, reports.BODY_FOREIGN: {}}
    find = bodies.finder()
    free = source.organization_column is None or source.organizations == ["all"]
    allowed = set() if free else {find(name)["id"] for name in (source.organization, *source.organizations)}
    for name in spool.rows:
        try:
            body = find(name)
        except bodies.UnknownBody:
            if source.organization_column is None:
                raise
            apart[reports.BODY_UNKNOWN][name] = spool.lines(name)
            continue
        if free or body["id"] in allowed:
            found.setdefault(body["id"], (body, []))[1].append(name)
        else:
            apart[reports.BODY_FOREIGN][name] = spool.lines(name)
    return list(found.values()), apart
