"""`ckan gkopen …`: the commands of interface.md. Each works on a pipe, and errors are one sentence with what to do."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import bodies, pipeline
from ckanext.gkopen import verify as checks
from ckanext.gkopen.checks.catalogue import render
from ckanext.gkopen.demo import make_city
from ckanext.gkopen.derive.template import workbook
from ckanext.gkopen.domains import UnknownDomain, domains, get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.harvest import ledger, worker
from ckanext.gkopen.harvest import run as harvest_run
from ckanext.gkopen.harvesters.lines import SourceError
from ckanext.gkopen.harvesters.source import load_source
from ckanext.gkopen.publish import outbox
from ckanext.gkopen.records import Options, Unreadable
from ckanext.gkopen.review import decide
from ckanext.gkopen.simulator.cli import simulate

FAILED = 2


@click.group(short_help="公开: harvest, check, review and publish open data of a city")
def gkopen() -> None:
    """公开: harvest, check, review and publish open data of a city."""


gkopen.add_command(simulate)


@contextmanager
def _spoken() -> Iterator[None]:
    """Expected problems end the command with one sentence and exit code 2."""
    try:
        yield
    except (UnknownDomain, bodies.UnknownBody, ledger.UnknownSource, SourceError, decide.Refused,
            pipeline.KeyReused) as error:
        if isinstance(error, decide.Stale):
            ckan_model.Session.commit()
        click.echo(f"gkopen: {error}", err=True)
        sys.exit(FAILED)
    except toolkit.ValidationError as error:
        said = "; ".join(f"{key}: {', '.join(map(str, value))}" for key, value in error.error_dict.items() if value)
        click.echo(f"gkopen: {said}", err=True)
        sys.exit(FAILED)
    except (toolkit.NotAuthorized, toolkit.ObjectNotFound) as error:
        click.echo(f"gkopen: {error}", err=True)
        sys.exit(FAILED)


def _command(group: click.Group, name: str | None = None) -> Callable[[Callable[..., None]], click.Command]:
    def register(function: Callable[..., None]) -> click.Command:
        @wraps(function)
        def spoken(*args: Any, **kwargs: Any) -> None:
            with _spoken():
                function(*args, **kwargs)

        command = click.command(name or function.__name__.rstrip("_"))(spoken)
        group.add_command(command)
        return command

    return register


def _act(action: str, user: str | None = None, **data: Any) -> Any:
    """Call an action as a person, or as the operator who has a shell on the machine."""
    context: Any = {"user": user or toolkit.get_action("get_site_user")({"ignore_auth": True}, {})["name"]}
    if user is None:
        context["ignore_auth"] = True
    return toolkit.get_action(action)(context, data)


def _person(name: str | None) -> str:
    user = ckan_model.User.get(name or "")
    if user is None or not user.is_active:
        raise decide.Refused("There is no active user {name}: give one with --as.", name=name or "")
    return user.name


# --- domains ---------------------------------------------------------------------------------------------------------

@gkopen.group()
def domain() -> None:
    """The domains: what is disclosed, field by field."""


@_command(domain, "list")
def domain_list() -> None:
    """All domains, with the number of their fields."""
    for name, item in domains().items():
        click.echo(f"{name}\t{item.title.zh}\t{item.title.en}\t{len(item.fields)} fields")


@_command(domain, "show")
@click.argument("name")
def domain_show(name: str) -> None:
    """The fields of one domain."""
    item = get_domain(name)
    click.echo(f"{item.name}\t{item.title.zh} / {item.title.en}\tkey: {', '.join(item.key)}\tpart: {item.part.kind}")
    for field in item.fields:
        need = "required" if field.required else "required if" if field.required_if else ""
        click.echo(f"{field.name}\t{field.title.zh}\t{field.type}\t{field.unit or ''}\t{need}")


@_command(domain, "template")
@click.argument("name")
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="the .xlsx to write")
def domain_template(name: str, output: Path) -> None:
    """The Excel template of a domain, with drop-downs."""
    output.write_bytes(workbook(get_domain(name)))
    click.echo(f"{output}: template of {name}")


@_command(domain, "lint")
def domain_lint() -> None:
    """Check all domain files; every mistake with file, line, rule and fix."""
    from ckanext.gkopen.domains import lint

    mistakes = list(lint())
    for mistake in mistakes:
        click.echo(str(mistake))
    click.echo(f"{len(domains()) if not mistakes else 'not all'} domains are valid; {len(mistakes)} mistake(s)")
    sys.exit(1 if mistakes else 0)


# --- sources and harvests --------------------------------------------------------------------------------------------

@gkopen.group()
def source() -> None:
    """Sources of harvests."""


@_command(source, "list")
def source_list() -> None:
    """All sources with state, last run and next run."""
    cursor = None
    while True:
        page = _act("gkopen_source_list", cursor=cursor)
        for item in page["results"]:
            click.echo("\t".join((item["name"], item["domain"], item["organization"], item["state"],
                                  f"last: {item['last_state'] or 'never'}", f"next: {item['next_run_at'] or '-'}")))
        cursor = page["cursor"]
        if not cursor:
            return


@_command(source, "add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--platform", help="replaces {platform} in the source's url")
@click.option("--replace", is_flag=True, help="update the source of the same name")
def source_add(file: Path, platform: str | None, replace: bool) -> None:
    """Add a source from a YAML file (docs/sources.md)."""
    text = file.read_text("utf-8")
    load_source(text, str(file), platform=platform)
    action = "gkopen_source_update" if replace else "gkopen_source_create"
    item = _act(action, _administrator(), source=text, filename=str(file), platform=platform)
    click.echo(f"{item['name']}: {item['domain']} of {item['organization']}")


def _administrator() -> str:
    return toolkit.get_action("get_site_user")({"ignore_auth": True}, {})["name"]


@_command(source)
@click.argument("name")
def pause(name: str) -> None:
    """Let the schedule leave a source alone."""
    click.echo(f"{_act('gkopen_source_pause', id=name)['name']}: paused")


@_command(source)
@click.argument("name")
def resume(name: str) -> None:
    """Take a source back into the schedule."""
    click.echo(f"{_act('gkopen_source_resume', id=name)['name']}: active")


@_command(gkopen)
@click.argument("source_name", metavar="SOURCE", required=False)
@click.option("--all", "everything", is_flag=True, help="every active source, one after the other")
@click.option("--dry-run", is_flag=True, help="show what would change, write nothing")
def harvest(source_name: str | None, everything: bool, dry_run: bool) -> None:
    """One run now, in the foreground. Exit 0 done, 1 held or partly quarantined, 2 failed."""
    if bool(source_name) == everything:
        raise decide.Refused("Name one source, or give --all.")
    names = [source_name] if source_name else [row["name"] for row in ledger.active_sources()]
    if not names:
        raise decide.Refused("There is no active source: add one with `ckan gkopen source add FILE.yaml`.")
    worst = 0
    for name in names:
        worst = max(worst, _harvest_one(str(name), dry_run))
    sys.exit(worst)


def _harvest_one(name: str, dry_run: bool) -> int:
    row = ledger.find_source(name)
    run_id = ledger.enqueue(row, "manual", "cli", dry_run=dry_run)
    ckan_model.Session.commit()
    claim = ledger.claim(run_id)
    if claim is None:
        click.echo(f"{name}: another worker is at it (run {run_id}); see `ckan gkopen run show {run_id}`")
        return 0
    try:
        report = harvest_run.carry_out(claim, _progress(name))
    finally:
        claim.release()
    _print_report(_act("gkopen_run_show", id=run_id))
    return {"done": 0, "held": 1, "partly": 1}.get(report.state, FAILED)


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
    mark = " (dry run: nothing was written)" if run["dry_run"] else ""
    click.echo(f"{run['source']}: {run['state']}{mark}  run {run['id']}")
    if run["error"]:
        click.echo(f"  {run['error']['zh']}\n  {run['error']['en']}")
    if counts:
        click.echo(f"  rows {counts['rows_in']} = {counts['rows_ok']} good + {counts['rows_quarantined']} quarantined"
                   f" + {counts['rows_duplicate']} duplicate; pages {counts['pages']}")
        click.echo(f"  against what is public: +{counts['added']} ~{counts['changed']} -{counts['removed']}")
        for outcome in counts["outcomes"]:
            click.echo(f"  {outcome['body']}: {outcome['state']}"
                       + (f", revision {outcome['revision']}" if outcome["revision"] else ""))
        for code, number in sorted(counts["findings"].items()):
            click.echo(f"  {number:6d} × {code}")
        for body, number in counts["unknown_bodies"].items():
            click.echo(f"  {number} rows of a body that the portal does not know: {body!r}; create it, then harvest again")


@gkopen.group("run")
def run_group() -> None:
    """Reports of runs."""


@_command(run_group, "list")
@click.option("--source", "source_name", help="only runs of this source")
@click.option("--limit", default=20, show_default=True)
def run_list(source_name: str | None, limit: int) -> None:
    """The newest runs."""
    for item in _act("gkopen_run_list", source=source_name, limit=limit)["results"]:
        counts = item["counts"]
        click.echo("\t".join((item["id"], item["source"], item["state"], item["started_at"] or "-",
                              f"{counts.get('rows_in', 0)} rows", f"{counts.get('rows_quarantined', 0)} quarantined")))


@_command(run_group, "show")
@click.argument("run_id", metavar="ID")
@click.option("--findings", "target", type=click.Path(dir_okay=False, path_type=Path), help="write all findings as CSV")
def run_show(run_id: str, target: Path | None) -> None:
    """The report of one run."""
    item = _act("gkopen_run_show", id=run_id)
    _print_report(item)
    if target is not None:
        revisions = [o["revision"] for o in item["counts"].get("outcomes", []) if o["revision"]]
        number = _write_findings(revisions, target)
        click.echo(f"  {target}: {number} findings")


def _write_findings(revisions: list[str], target: Path) -> int:
    number = 0
    with target.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("revision", "line", "column", "severity", "code", "value", "message_zh", "fix_zh", "message_en",
                         "fix_en"))
        for revision in revisions:
            cursor = None
            while True:
                page = _act("gkopen_finding_list", revision=revision, cursor=cursor, limit=1000)
                for f in page["results"]:
                    zh, en = (render(pipeline.Finding(f["code"], f["severity"], f["line"], f["field"], f["label"],
                                                      f["value"], f["params"], f["sheet"]), lang) for lang in ("zh", "en"))
                    writer.writerow((revision, f["line"], f["label"] or f["field"], f["severity"], f["code"], f["value"],
                                     zh["message"], zh["fix"], en["message"], en["fix"]))
                    number += 1
                cursor = page["cursor"]
                if not cursor:
                    break
    return number


# --- files -----------------------------------------------------------------------------------------------------------

@_command(gkopen)
@click.argument("domain_name", metavar="DOMAIN")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
def check(domain_name: str, file: Path, form: str) -> None:
    """Findings for one file; writes nothing. Exit 0 clean, 1 findings, 2 cannot be read."""
    item = get_domain(domain_name)
    try:
        examined = examine(item, file, filename=file.name, options=Options())
        findings, code = examined.findings, 1 if examined.findings else 0
        counts = {"rows_in": examined.rows_in, "rows_ok": examined.rows_ok,
                  "rows_quarantined": examined.rows_quarantined, "rows_duplicate": examined.rows_duplicate}
    except Unreadable as error:
        findings, code, counts = error.findings, FAILED, None
    if form == "json":
        click.echo(json.dumps({"file": str(file), "domain": item.name, "readable": code != FAILED, "counts": counts,
                               "findings": [f.as_dict() | {"zh": render(f, "zh"), "en": render(f, "en")}
                                            for f in findings]}, ensure_ascii=False, default=str))
        sys.exit(code)
    for f in findings:
        where = ":".join(str(part) for part in (file.name, f.sheet, f.line) if part is not None)
        said = render(f, "zh")
        click.echo(f"{where}\t{f.severity}\t{f.code}\t{f.label or f.field or ''}\t{said['message']}\t{said['fix']}")
    if counts:
        click.echo(f"{counts['rows_in']} rows = {counts['rows_ok']} good + {counts['rows_quarantined']} quarantined"
                   f" + {counts['rows_duplicate']} duplicate; {len(findings)} findings")
    sys.exit(code)


@_command(gkopen)
@click.argument("domain_name", metavar="DOMAIN")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--org", required=True, help="the responsible body: name, title or credit code")
@click.option("--as", "user", help="the officer who submits; without it the operator of this machine")
def submit(domain_name: str, file: Path, org: str, user: str | None) -> None:
    """A file into the pipeline; prints the revision that waits for review."""
    outcome = _act("gkopen_submission_create", _person(user) if user else None, domain=domain_name, organization=org,
                   upload=file, filename=file.name)
    click.echo(f"{outcome['state']}: rows {outcome['rows_in']} = {outcome['rows_ok']} good"
               f" + {outcome['rows_quarantined']} quarantined + {outcome['rows_duplicate']} duplicate;"
               f" +{outcome['added']} ~{outcome['changed']} -{outcome['removed']}")
    for code, number in sorted(outcome["findings"].items()):
        click.echo(f"  {number:6d} × {code}")
    if outcome["revision_id"]:
        click.echo(outcome["revision_id"])
    sys.exit(1 if outcome["state"] == "returned" or outcome["rows_quarantined"] else 0)


@_command(gkopen)
@click.argument("domain_name", metavar="DOMAIN")
@click.option("--org", required=True, help="the responsible body")
@click.option("--part", required=True, help="such as 2026-05")
@click.option("--as", "user", help="the officer who reports")
def nil(domain_name: str, org: str, part: str, user: str | None) -> None:
    """A nil report (零报告): nothing to disclose for a part."""
    _act("gkopen_nil_report", _person(user) if user else None, domain=domain_name, organization=org, part=part)
    click.echo(f"{org} {domain_name} {part}: nil report recorded")


# --- review ----------------------------------------------------------------------------------------------------------

@gkopen.group("review")
def review_group() -> None:
    """Review of held revisions."""


@_command(review_group, "list")
@click.option("--state", default="held", show_default=True)
def review_list(state: str) -> None:
    """Revisions in a state, the newest first."""
    cursor = None
    while True:
        page = _act("gkopen_revision_list", state=state, cursor=cursor, limit=200)
        for item in page["results"]:
            s = item["summary"]
            click.echo("\t".join((item["id"], item["dataset"]["name"], item["kind"], item["state"],
                                  f"+{s['added']} ~{s['changed']} -{s['removed']}",
                                  f"{item['rows_quarantined']} quarantined", item["submitted_by"])))
        cursor = page["cursor"]
        if not cursor:
            return


@_command(review_group, "show")
@click.argument("revision", metavar="REV")
def review_show(revision: str) -> None:
    """What a revision would change, and its findings."""
    item = _act("gkopen_revision_show", id=revision, limit=1000)
    click.echo(f"{item['dataset']['title']} ({item['dataset']['name']})  {item['kind']}  {item['state']}")
    click.echo(f"digest {item['digest']}")
    click.echo(f"rows {item['rows_in']} = {item['rows_ok']} good + {item['rows_quarantined']} quarantined"
               f" + {item['rows_duplicate']} duplicate; submitted by {item['submitted_by']}")
    for part in item["parts"]:
        click.echo(f"  {part['part']}: +{part['added']} ~{part['changed']} -{part['removed']}")
    for name, total in item["summary"]["totals"].items():
        click.echo(f"  total {name}: {total['before']} → {total['after']}")
    for f in item["finding_list"]:
        click.echo(f"  {f['severity']}\tline {f['line'] or '-'}\t{f['code']}\t{f['message']}")


@_command(review_group, "approve")
@click.argument("revision", metavar="REV")
@click.option("--as", "user", required=True, help="the reviewer who approves")
@click.option("--digest", help="refuse unless the revision still has this digest")
def review_approve(revision: str, user: str, digest: str | None) -> None:
    """Approve a revision and bring it to every exit."""
    person = _person(user)
    shown = _act("gkopen_revision_show", person, id=revision)
    result = _act("gkopen_revision_approve", person, id=revision, digest=digest or shown["digest"])
    dataset = shown["dataset"]["id"]
    for done in outbox.drain(dataset):
        if sys.stderr.isatty():
            click.echo(f"  {done.sink} {done.seconds:.2f} s", err=True)
    click.echo(f"{result['dataset']}: published as number {result['seq']}")


@_command(review_group, "return")
@click.argument("revision", metavar="REV")
@click.option("--reason", required=True)
@click.option("--as", "user", required=True, help="the reviewer who returns it")
def review_return(revision: str, reason: str, user: str) -> None:
    """Send a revision back to its officer."""
    _act("gkopen_revision_return", _person(user), id=revision, reason=reason)
    click.echo(f"{revision}: returned")


@_command(gkopen)
@click.argument("dataset")
@click.option("--part")
@click.option("--reason", required=True, help="public: say why, in a citizen's words")
@click.option("--as", "user", help="the reviewer who withdraws; without it the operator of this machine")
def withdraw(dataset: str, part: str | None, reason: str, user: str | None) -> None:
    """Take a dataset, or one part of it, out of every exit."""
    result = _act("gkopen_dataset_withdraw", _person(user) if user else None, id=dataset, part=part, reason=reason)
    for _ in outbox.drain():
        pass
    click.echo(f"{result['dataset']}: withdrawn{f' ({part})' if part else ''}")


@_command(gkopen)
@click.argument("dataset")
@click.option("--to", "seq", type=int, required=True, help="number of the publication")
@click.option("--reason", required=True)
@click.option("--as", "user", help="the officer who asks for it")
def rollback(dataset: str, seq: int, reason: str, user: str | None) -> None:
    """Hold a revision that brings a dataset back to an earlier publication; it is approved like any other."""
    result = _act("gkopen_dataset_rollback", _person(user) if user else None, id=dataset, seq=seq, reason=reason)
    click.echo(result["revision"])


# --- running ---------------------------------------------------------------------------------------------------------

@_command(gkopen, "worker")
@click.option("--once", is_flag=True, help="end when nothing is due")
def worker_command(once: bool) -> None:
    """Do due work (harvests, exits) until told to stop. Any number of workers may run."""
    worker.work(once=once)


@_command(gkopen, "verify")
def verify_command() -> None:
    """Hashes, revisions, files, index and the audit chain. Exit 0 when all is well, else 1 and a line a problem."""
    number = 0
    for problem in checks.problems():
        click.echo(problem)
        number += 1
    click.echo("all is well" if not number else f"{number} problem(s)")
    sys.exit(1 if number else 0)


@_command(gkopen, "demo-city")
@click.option("--data", "folder", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="the simulator's data folder, with city.yaml and sources/")
@click.option("--platform", required=True, help="address of the simulated exchange platform")
def demo_city(folder: Path, platform: str) -> None:
    """Bodies, people and sources of the demo city; prints the accounts that it made (name, tab, password)."""
    for name, password in make_city(folder, platform).items():
        click.echo(f"{name}\t{password}")
