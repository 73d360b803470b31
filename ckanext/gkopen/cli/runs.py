"""`ckan gkopen run cancel | release | discard | accept`: what the operator decides on runs."""

from __future__ import annotations

import click

from ckanext.gkopen.cli.common import act, command
from ckanext.gkopen.cli.sources import run_group


@command(run_group, "cancel")
@click.argument("run_id", metavar="ID")
def cancel(run_id: str) -> None:
    """Stop a run: a queued one at once, a running one at its next page or table."""
    done = act("gkopen_run_cancel", id=run_id)
    click.echo(f"{run_id}: {'cancelled' if done['cancelled'] else 'stops at its next page or table'}")


@command(run_group, "release")
@click.argument("run_id", metavar="ID")
def release(run_id: str) -> None:
    """Let what a held run would change through to review, removals included."""
    for revision in act("gkopen_run_release", id=run_id)["revisions"]:
        click.echo(f"{revision}: waits for review")


@command(run_group, "discard")
@click.argument("run_id", metavar="ID")
def discard(run_id: str) -> None:
    """Drop what a held run would change; what is public stays."""
    act("gkopen_run_discard", id=run_id)
    click.echo(f"{run_id}: discarded")


@command(run_group, "accept")
@click.argument("run_id", metavar="ID")
def accept(run_id: str) -> None:
    """Take the columns at which a run stopped as the source's new ones, names mapped as proposed."""
    mapping = act("gkopen_run_accept", id=run_id)["mapping"]
    for label, field in mapping.items():
        click.echo(f"{label} -> {field}")
    click.echo("the columns are accepted: harvest again")
