"""One run of one source: fetch every page, keep it raw, group the rows by body, and hand each table to the pipeline.

Nothing is submitted before the whole listing came and adds up: a listing that is cut, repeated or inconsistent changes
nothing (docs/decisions/blast-radius.md).
"""

from __future__ import annotations

import errno
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import bodies, ids, model, pipeline, reports
from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.harvest import again, breaker, drops, ledger, tables, withheld
from ckanext.gkopen.harvest.report import Report
from ckanext.gkopen.harvest.spool import Spool
from ckanext.gkopen.harvesters import Limits, open_transport
from ckanext.gkopen.harvesters.base import CatalogueEntry
from ckanext.gkopen.harvesters.errors import HarvestError
from ckanext.gkopen.harvesters.lines import SourceError
from ckanext.gkopen.harvesters.source import Source
from ckanext.gkopen.records import Finding

log = logging.getLogger(__name__)

LIMITS = Limits()
REPEATED = "listing-repeats"

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""How the system says that a file finds no room: on the disk, in a quota, below a limit."""

Progress = Callable[[str, int, int | None], None]
"""(stage, done, total or None): called after each page, and when tables are done."""


def source_of(row: Mapping[str, Any]) -> Source:
    return Source(**row["config"])


def carry_out(claim: ledger.Claim, progress: Progress = lambda *_: None) -> Report:
    """Work a claimed run to its end. Problems of the source end the run as failed, with what to do; others are raised.

    A dry run examines and compares everything and rolls back.
    """
    run = claim.run
    row = model.one("select * from gkopen.source where id = :id", id=run["source_id"])
    assert row is not None
    report, stages = Report(), {}
    try:
        source = source_of(row)
    except TypeError as problem:                          # kept by a version that knew other keys
        log.exception("the source %s of run %s cannot be read", row["name"], run["id"])
        report.at_least("failed")
        ledger.finish(run, report.state, report.counts(), stages, _own_fault(problem), None)
        return report
    error: dict[str, Any] | None = None
    wait: float | None = None
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gkopen-run-")))
            if source.transport == "filedrop":
                with _timed(stages, "check"):
                    drops.take(run, source, folder, report, progress)
            else:
                spool = Spool(folder)
                stack.callback(spool.close)
                with _timed(stages, "fetch"):
                    entry, whole = _fetch(run, source, spool, report, progress)
                if whole:
                    with _timed(stages, "check"):
                        _submit(run, source, spool, entry, report, progress)
    except ledger.Cancelled as asked:
        ckan_model.Session.rollback()
        report.at_least("cancelled")
        error = _cancelled(asked, report)
    except (HarvestError, SourceError, bodies.UnknownBody) as problem:
        ckan_model.Session.rollback()
        report.at_least("incomplete" if report.pages else "failed")
        error, wait = _describe(problem), getattr(problem, "retry_after", None)
    except (ledger.Fenced, *ledger.LOST):
        raise                                             # not this run's fault: whoever claims it next goes on
    except Exception as problem:
        ckan_model.Session.rollback()
        log.exception("run %s of %s ended by an error of the program", run["id"], source.name)
        report.at_least("failed")
        error = _own_fault(problem)
    ledger.finish(run, report.state, report.counts(), stages, error, wait)
    return report


@contextmanager
def _timed(stages: dict[str, float], stage: str) -> Iterator[None]:
    """Notes the seconds that a stage took, where it came to its end."""
    started = time.monotonic()
    yield
    stages[stage] = round(time.monotonic() - started, 3)


def _describe(problem: Exception) -> dict[str, str]:
    """Both languages and the kind of an error, for the report."""
    if isinstance(problem, SourceError):                  # of a source that is kept: its file and lines are not here
        zh, _, en = f"{problem.key}：{problem.message}".partition(" / ")
        return {"kind": "SourceError", "zh": zh, "en": f"{problem.key}: {en}"}
    zh, en = getattr(problem, "zh", None), getattr(problem, "en", None)
    return {"kind": type(problem).__name__, "zh": zh or str(problem), "en": en or str(problem)}


def _own_fault(problem: Exception) -> dict[str, str]:
    """What is not the source's fault. The table that was worked on is not touched; those before it are whole."""
    if isinstance(problem, OSError) and problem.errno in FULL:
        return {"kind": "DiskFull",
                "zh": "门户存储的磁盘已满，没有留下半成品；请管理员腾出空间，之后会自动重试。",
                "en": "the disk of the portal's storage is full; nothing is half written. The administrator makes room,"
                      " and the run is tried again by itself"}
    return {"kind": type(problem).__name__,
            "zh": "程序错误：已记入日志，数据未改动；请把运行编号告诉管理员",
            "en": "an error of the program: it is in the log and nothing was changed;"
                  " tell the administrator the run's id"}


def _cancelled(asked: ledger.Cancelled, report: Report) -> dict[str, str]:
    """How far a run came that was told to stop. Each table is taken in whole or not at all."""
    done, rows = len(report.outcomes), report.rows_fetched
    return {"kind": "Cancelled",
            "zh": f"{asked.by} 取消了本次运行：已取 {report.pages} 页 {rows} 行，已处理 {done} 张表；"
                  "其余未动，没有留下半成品。",
            "en": f"{asked.by} cancelled the run: {report.pages} pages with {rows} rows had come, {done} tables were"
                  " done; the others were not touched, and nothing is half written"}


def _fetch(run: dict[str, Any], source: Source, spool: Spool, report: Report,
           progress: Progress) -> tuple[CatalogueEntry | None, bool]:
    """All pages into the spool, by body; the entry of the source's catalogue, and whether there is something to submit:
    nothing is even asked for where the entry says that what is public is not open any more. Raises HarvestError where
    the listing is not whole."""
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
        for page in transport.pages(None if source.complete else _since(run)):
            if run["dry_run"]:
                ledger.check_epoch(run)
                ckan_model.Session.commit()
            else:
                ledger.keep_page(run, page)
            column = source.organization_column
            for row in page.rows:
                spool.write((row.get(column) or "") if column else source.organization, [row])
            report.pages += 1
            report.rows_fetched += len(page.rows)
            progress("fetch", report.rows_fetched, page.total)
        report.repeated = transport.repeated
    if not spool.rows and source.organization_column is None:
        spool.write(source.organization, [])
    spool.flush()
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


def _since(run: dict[str, Any]) -> Any:
    """The watermark: when the last good run of the source started before which nothing waits or was refused.

    What waits is not public, so that the next answer must bring it again; the same goes for what was returned or
    discarded, until a later run has brought nothing of its dataset that is not public: most of its rows were good.
    """
    return model.value(
        "select max(r.started_at) from gkopen.run r where r.source_id = :s and r.state in ('done', 'partly')"
        " and not r.dry_run and r.started_at < coalesce((select min(w.started_at) from gkopen.run w"
        "  join gkopen.submission b on b.run_id = w.id join gkopen.revision v on v.submission_id = b.id"
        "  where w.source_id = r.source_id and (v.state in ('held', 'frozen', 'stale')"
        "  or v.state in ('returned', 'discarded') and not exists (select 1 from gkopen.run n"
        "   where n.source_id = w.source_id and n.state in ('done', 'partly') and not n.dry_run"
        "   and n.started_at > coalesce(v.decided_at, v.created_at) and not exists (select 1 from gkopen.submission m"
        "    join gkopen.revision p on p.submission_id = m.id and p.state <> 'published'"
        "    where m.run_id = n.id and p.dataset_id = v.dataset_id)))), 'infinity')",
        s=run["source_id"])


def _submit(run: dict[str, Any], source: Source, spool: Spool, entry: CatalogueEntry | None, report: Report,
            progress: Progress) -> None:
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
    together: list[tables.Table] = []
    for number, table in enumerate(listed, 1):
        if table.dataset_id in known:
            report.add(known[table.dataset_id], table.body["name"], table.rows)
        else:
            together.append(table)
        if tables.enough(together) or number == len(listed):
            tables.carry_out(run, source, domain, together, catalogue, report, end)
            together = []
        progress("check", number - len(together), len(listed))
    ledger.check_epoch(run)
    if source.complete and source.organization_column:
        withheld.bodies_not_named(source, domain, {body["id"] for body, _ in named}, report)
    report.set_aside(reports.set_aside(run["id"], apart))
    _tell_repeated(run, report)
    end()


def _tell_repeated(run: dict[str, Any], report: Report) -> None:
    """Rows that came on two pages, in the run's own findings: for each of them another may have come on none."""
    model.execute("delete from gkopen.finding where run_id = :run and code = :code", run=run["id"], code=REPEATED)
    if report.repeated:
        reports.store_findings([Finding(REPEATED, severity_of(REPEATED), params={"rows": report.repeated})], None, None,
                               str(run["id"]))
        report.findings[REPEATED] = 1
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
