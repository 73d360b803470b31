"""`ckan gkopen review | withdraw | rollback`: decisions."""

from __future__ import annotations

import sys

import click

from ckanext.gkopen.cli.common import act, command, every, gkopen, person
from ckanext.gkopen.cli.sources import alarm_said, yuan
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.logic.action.revision import MOST_AT_ONCE
from ckanext.gkopen.publish import outbox


@gkopen.group("review")
def review_group() -> None:
    """Review of held revisions."""


@command(review_group, "list")
@click.option("--state", default="held", show_default=True)
def review_list(state: str) -> None:
    """Revisions in a state, the newest first."""
    for item in every("gkopen_revision_list", state=state):
        s = item["summary"]
        click.echo("\t".join((item["id"], item["dataset"]["name"], item["kind"], item["state"],
                              f"+{s['added']} ~{s['changed']} -{s['removed']}",
                              f"{item['rows_quarantined']} quarantined", item["submitted_by"])))


@command(review_group, "show")
@click.argument("revision", metavar="REV")
def review_show(revision: str) -> None:
    """What a revision would change, and its findings."""
    item = act("gkopen_revision_show", id=revision, limit=1)
    click.echo(f"{item['dataset']['title']} ({item['dataset']['name']})  {item['kind']}  {item['state']}")
    click.echo(f"digest {item['digest']}")
    click.echo(f"rows {item['rows_in']} = {item['rows_ok']} good + {item['rows_quarantined']} quarantined"
               f" + {item['rows_duplicate']} duplicate; submitted by {item['submitted_by']}")
    if item["summary"].get("alarms"):
        click.echo(f"harvest held: {', '.join(map(alarm_said, item['summary']['alarms']))}")
        if run := item["run"]:
            through = f" {run['decision']} by {run['by']} at {run['at']}" if run["decision"] else ""
            click.echo(f"  run {run['id']}{through}")
    for part in item["parts"]:
        click.echo(f"  {part['part']}: +{part['added']} ~{part['changed']} -{part['removed']}")
    for name, total in item["summary"]["totals"].items():
        click.echo(f"  total {name}: {yuan(total['before'])} → {yuan(total['after'])} yuan")
    for f in every("gkopen_finding_list", revision=revision):
        click.echo(f"  {f['severity']}\tline {f['line'] or '-'}\t{f['code']}\t{f['message']}")


@command(review_group, "approve")
@click.argument("revisions", metavar="[REV]...", nargs=-1)
@click.option("--all", "domain", metavar="DOMAIN", help="all that wait in this domain, as `review list` shows them")
@click.option("--as", "user", required=True, help="the reviewer who approves")
@click.option("--digest", help="refuse unless the one revision still has this digest")
@click.option("--reason", help="a public note")
def review_approve(revisions: tuple[str, ...], domain: str | None, user: str, digest: str | None,
                   reason: str | None) -> None:
    """Approve revisions and bring them to every exit. One that is refused stops none of the others. One that brings
    withdrawn rows back, or whose harvest was held, is named by itself."""
    if bool(revisions) == bool(domain) or (digest and len(revisions) != 1):
        raise click.UsageError("name revisions, or --all DOMAIN; --digest goes with one revision")
    reviewer = person(user)
    if domain:
        get_domain(domain)
    chosen = [
        {"id": item["id"], "digest": item["digest"]}
        for item in every("gkopen_revision_list", reviewer, state="held", domain=domain)
    ] if domain else [
        {"id": revision, "digest": digest or act("gkopen_revision_show", reviewer, id=revision)["digest"]}
        for revision in revisions]
    refused = 0
    for start in range(0, len(chosen), MOST_AT_ONCE):
        several = chosen[start:start + MOST_AT_ONCE]
        if len(revisions) == 1:                           # decided on alone
            results = [act("gkopen_revision_approve", reviewer, **several[0], reason=reason)]
        else:
            results = act("gkopen_revisions_approve", reviewer, revisions=several, reason=reason)["results"]
        for result in results:
            if "error" in result:
                refused += 1
                click.echo(f"{result['id']}: {result['error']}", err=True)
            else:
                click.echo(f"{result['dataset']}: published as number {result['seq']}")
    for done in outbox.drain():
        if sys.stderr.isatty():
            click.echo(f"  {done.sink} {done.seconds:.2f} s", err=True)
    if refused:
        raise SystemExit(1)


@command(review_group, "return")
@click.argument("revision", metavar="REV")
@click.option("--reason", required=True)
@click.option("--as", "user", help="the reviewer who returns it; without it the operator of this machine")
def review_return(revision: str, reason: str, user: str | None) -> None:
    """Send a revision back to its officer."""
    act("gkopen_revision_return", person(user) if user else None, id=revision, reason=reason)
    click.echo(f"{revision}: returned")


@command(gkopen)
@click.argument("dataset")
@click.option("--part")
@click.option("--reason", required=True, help="public: say why, in a citizen's words")
@click.option("--as", "user", help="the reviewer who withdraws; without it the operator of this machine")
def withdraw(dataset: str, part: str | None, reason: str, user: str | None) -> None:
    """Take a dataset, or one part of it, out of every exit."""
    result = act("gkopen_dataset_withdraw", person(user) if user else None, id=dataset, part=part, reason=reason)
    for _ in outbox.drain():
        pass
    click.echo(f"{result['dataset']}: withdrawn{f' ({part})' if part else ''}")


@command(gkopen)
@click.argument("dataset")
@click.option("--to", "seq", type=int, required=True, help="number of the publication")
@click.option("--reason", required=True)
@click.option("--as", "user", help="the officer who asks for it")
def rollback(dataset: str, seq: int, reason: str, user: str | None) -> None:
    """Hold a revision that brings a dataset back to an earlier publication; it is approved like any other."""
    result = act("gkopen_dataset_rollback", person(user) if user else None, id=dataset, seq=seq, reason=reason)
    click.echo(result["revision"])
