"""`ckan gkopen source | harvest | run`: sources, runs in the foreground and their reports."""

from __future__ import annotations

import csv
import logging
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from ckan import model as ckan_model

from ckanext.gkopen.checks.catalogue import render
from ckanext.gkopen.cli.common import FAILED, act, command, every, gkopen
from ckanext.gkopen.harvest import drifting, ledger, life
from ckanext.gkopen.harvest import run as harvest_run
from ckanext.gkopen.harvest.report import unknown_bodies
from ckanext.gkopen.harvesters.source import load_source
from ckanext.gkopen.logs import events
from ckanext.gkopen.records import Finding
from ckanext.gkopen.review import decide
from ckanext.gkopen.views.findings import safe


@gkopen.group()
def source() -> None:
    """Sources of harvests."""


@command(source, "list")
def source_list() -> None:
    """All sources with state, last run and next run."""
    for item in every("gkopen_source_list"):
        click.echo("\t".join((item["name"], item["domain"], item["organization"], item["state"],
                              f"last: {item['last_state'] or 'never'}", f"next: {item['next_run_at'] or '-'}")))


@command(source, "add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--platform", help="replaces {platform} in the source's url")
@click.option("--replace", is_flag=True, help="update the source of the same name")
def source_add(file: Path, platform: str | None, replace: bool) -> None:
    """Add a source from a YAML file (docs/sources.md)."""
    text = file.read_text("utf-8")
    load_source(text, str(file), platform=platform)
    action = "gkopen_source_update" if replace else "gkopen_source_create"
    item = act(action, source=text, filename=str(file), platform=platform)
    click.echo(f"{item['name']}: {item['domain']} of {item['organization']}")


@command(source)
@click.argument("name")
def pause(name: str) -> None:
    """Let the schedule leave a source alone."""
    click.echo(f"{act('gkopen_source_pause', id=name)['name']}: paused")


@command(source)
@click.argument("name")
def resume(name: str) -> None:
    """Take a source back into the schedule."""
    click.echo(f"{act('gkopen_source_resume', id=name)['name']}: active")


@command(gkopen)
@click.argument("source_name", metavar="SOURCE", required=False)
@click.option("--all", "everything", is_flag=True, help="every active source, one after the other")
@click.option("--dry-run", is_flag=True, help="show what would change, write nothing")
def harvest(source_name: str | None, everything: bool, dry_run: bool) -> None:
    """One run now, in the foreground. Exit 0 done, 1 held, stopped or partly quarantined, 2 failed or incomplete."""
    if bool(source_name) == everything:
        raise decide.Refused("Name one source, or give --all.")
    if sys.stderr.isatty():
        events.setLevel(logging.WARNING)    # the report says the same to a person
    names = [source_name] if source_name else [row["name"] for row in ledger.active_sources()]
    if not names:
        raise decide.Refused("There is no active source: add one with `ckan gkopen source add FILE.yaml`.")
    with life.signs():
        worst = max(_harvest_one(str(name), dry_run) for name in names)
    sys.exit(worst)


def _harvest_one(name: str, dry_run: bool) -> int:
    row = ledger.find_source(name)
    lock = ledger.lock_source(row["id"])    # first: no worker takes the run, with other secrets than this shell's
    try:
        run_id = ledger.enqueue(row, "manual", "cli", dry_run=dry_run)
        ckan_model.Session.commit()
    except BaseException as error:
        if lock is not None:
            ledger.unlock(lock)
        if isinstance(error, ledger.OtherRunOpen):
            raise decide.Refused(f"{name}: {error}") from error
        raise
    claim = ledger.take({"id": run_id, "source_id": row["id"]}, lock) if lock is not None else None
    if claim is None:                       # a worker is at this source already: the report is the same
        run = _awaited(run_id)
    else:
        try:
            harvest_run.carry_out(claim, _progress(name))
        finally:
            claim.release()
        run = act("gkopen_run_show", id=run_id)
    _print_report(run)
    if run["state"] in ledger.BAD:
        return FAILED
    waits = any(outcome["state"] == "held" for outcome in (run["counts"] or {}).get("outcomes", [])) and not dry_run
    return 1 if waits or run["state"] != "done" else 0


def _awaited(run_id: str) -> dict[str, Any]:
    """The run once the worker that has it has ended it. Ctrl-C leaves it to the worker."""
    while True:
        run = act("gkopen_run_show", id=run_id)
        ckan_model.Session.rollback()       # no transaction stays open while it waits
        if run["state"] not in ("queued", "running"):
            return run
        time.sleep(0.5)


def _progress(name: str) -> harvest_run.Progress:
    """One line that counts up on a terminal; nothing on a pipe."""
    if not sys.stderr.isatty():
        return lambda *_: None

    def show(stage: str, done: int, total: int | None) -> None:
        click.echo(f"\r{name}: {stage} {done}{f'/{total}' if total else ''}   ", nl=False, err=True)

    return show


def _print_report(run: dict[str, Any]) -> None:
    counts = run["counts"]
    if sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)
    trial = run["dry_run"]
    mark = " (dry run: nothing was written)" if trial else ""
    click.echo(f"{run['source']}: {run['state']}{mark}  run {run['id']}")
    if run["decision"]:
        click.echo(f"  {run['decision']} by {run['decided_by']} at {run['decided_at']}")
    elif run["overtaken"]:
        click.echo("  a later run took its place: there is nothing to decide")
    elif run["state"] in ("held", "stopped") and not trial:
        nothing = all(entry["revision"] is None for entry in counts.get("held", []))
        ways = f"accept {run['id']}" if run["state"] == "stopped" else f"discard {run['id']}" if nothing else (
            f"release {run['id']} (or: discard)")
        click.echo(f"  waits for a person: ckan gkopen run {ways}, or its page in the portal")
    if run["error"]:
        click.echo(f"  {run['error']['zh']}\n  {run['error']['en']}")
    if counts:
        click.echo(f"  rows {counts['rows_in']} = {counts['rows_ok']} good + {counts['rows_quarantined']} quarantined"
                   f" + {counts['rows_duplicate']} duplicate; pages {counts['pages']}")
        if counts.get("rows_unread"):
            click.echo(f"  {counts['rows_unread']} more rows came and were not read: the run broke off, or their table"
                       " was stopped or returned")
        click.echo(f"  against what is public: +{counts['added']} ~{counts['changed']} -{counts['removed']}")
        for outcome in counts["outcomes"]:
            revision = f", revision {outcome['revision']}" if outcome["revision"] and not trial else ""
            click.echo(f"  {outcome['body']}: {'would be ' if trial else ''}{outcome['state']}{revision}")
        for code, number in sorted(counts["findings"].items()):
            click.echo(f"  {number:6d} × {code}")
        for entry in counts.get("held", []):
            click.echo(f"  {entry['body']}: held, {', '.join(map(alarm_said, entry['alarms']))}")
        for entry in counts.get("stopped", []):
            file = f" {entry['file']}" if entry.get("file") else ""
            click.echo(f"  {entry['body']}{file}: stopped, {entry['rows']} rows left alone, columns changed:")
            for sentence in drifting.sentences(entry["drift"], "en"):
                click.echo(f"    {sentence}")
        for entry in counts.get("tombstones", []):
            click.echo(f"  {entry['body']}: {entry['rows']} public rows are not among the good rows of the source (gone"
                       f" there, or set aside with errors); public until {entry['due']}")
        named, others, rows = unknown_bodies(counts)
        for body, number in named:
            click.echo(f"  {number} rows of an unknown body {body!r} are quarantined: add it, or have the source mend"
                       " its name, then harvest again")
        if others:
            click.echo(f"  {rows} rows of {others} more unknown bodies are quarantined: is organization_column in the"
                       " source file the right column?")
        for body, number in counts.get("foreign_bodies", {}).items():
            click.echo(f"  {number} rows of {body!r}, for which the source may not speak, are quarantined: check the"
                       " source, or add the body to its organizations")


def alarm_said(alarm: dict[str, Any]) -> str:
    """Why the blast-radius guard held a table."""
    match alarm["kind"]:
        case "empty":
            return f"the source lists no rows, {alarm['public']} are public"
        case "not_open":
            return f"the catalogue says that it is not open any more, {alarm['public']} are public"
        case "gone":
            apart = f" (up to {alarm['apart']} of them came and were set aside)" if alarm.get("apart") else ""
            spelt = f"; {alarm['respelt']} of them came under a key spelt otherwise" if alarm.get("respelt") else ""
            absent = (f"; {alarm['periods']} periods are not in the listing at all: where the source holds the current"
                      " one alone, write complete: periods in its source file") if alarm.get("periods") else ""
            return f"{alarm['rows']} of {alarm['public']} public rows are gone{apart}{spelt}{absent}"
        case _:
            return (f"the total of {alarm['field']} would go from {yuan(alarm['before'])} to"
                    f" {yuan(alarm['after'])} yuan")


def yuan(amount: str | None) -> str:
    """An amount for people: grouped, without the zeros at its end."""
    return f"{Decimal(amount or 0).normalize():,f}"


@gkopen.group("run")
def run_group() -> None:
    """Reports of runs."""


@command(run_group, "list")
@click.option("--source", "source_name", help="only runs of this source")
@click.option("--limit", default=20, show_default=True)
def run_list(source_name: str | None, limit: int) -> None:
    """The newest runs."""
    if source_name:
        ledger.find_source(source_name)
    for item in act("gkopen_run_list", source=source_name, limit=limit)["results"]:
        counts = item["counts"]
        state = "overtaken" if item["overtaken"] else item["decision"] or item["state"]
        click.echo("\t".join((item["id"], item["source"], state, item["started_at"] or "-",
                              f"{counts.get('rows_in', 0)} rows", f"{counts.get('rows_quarantined', 0)} quarantined")))


@command(run_group, "show")
@click.argument("run_id", metavar="ID")
@click.option("--findings", "target", type=click.Path(dir_okay=False, path_type=Path), help="write all findings as CSV")
def run_show(run_id: str, target: Path | None) -> None:
    """The report of one run."""
    item = act("gkopen_run_show", id=run_id)
    _print_report(item)
    if target is not None:
        number = _write_findings(item["id"], target)
        click.echo(f"  {target}: {number} findings")


def _write_findings(run_id: str, target: Path) -> int:
    """All findings of a run as a CSV that Excel opens; returns their number."""
    number = 0
    with target.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("body", "file", "revision", "line", "column", "severity", "code", "value", "message_zh",
                         "fix_zh", "message_en", "fix_en"))
        for item in every("gkopen_finding_list", run=run_id):
            finding = Finding(*(item[name] for name in ("code", "severity", "line", "field", "label", "value",
                                                        "params", "sheet")))
            zh, en = render(finding, "zh"), render(finding, "en")
            writer.writerow([safe(cell) for cell in (
                item["body"], item["file"], item["revision"], finding.line, finding.label or finding.field,
                finding.severity, finding.code, finding.value, zh["message"], zh["fix"], en["message"], en["fix"])])
            number += 1
    return number
