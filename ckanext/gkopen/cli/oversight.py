"""`ckan gkopen duty | review standing`: what bodies owe, and approvals in advance."""

from __future__ import annotations

from typing import Any

import click

from ckanext.gkopen.cli.common import act, command, every, gkopen, person
from ckanext.gkopen.cli.review import review_group
from ckanext.gkopen.oversight.ledger import STATES


@gkopen.group("duty")
def duty_group() -> None:
    """What bodies owe (责任), and the ledger (台账) of what they sent."""


@command(duty_group, "list")
@click.option("--domain")
@click.option("--org", "organization", help="name of the body")
def duty_list(domain: str | None, organization: str | None) -> None:
    """Who owes what, how often."""
    for duty in every("gkopen_duty_list", domain=domain, organization=organization):
        until = f" to {duty['until']}" if duty["until"] else ""
        click.echo("\t".join((duty["id"], duty["organization"]["name"], duty["domain"], duty["part"] or "-",
                              duty["cycle"], f"from {duty['since']}{until}", duty["rule"]["zh"])))


@command(duty_group, "set")
@click.argument("domain")
@click.option("--org", "organization", required=True, help="name of the body")
@click.option("--cycle", type=click.Choice(["monthly", "quarterly", "yearly"]), required=True)
@click.option("--since", required=True, metavar="DAY", help="a day of the first period, such as 2026-01-01")
@click.option("--until", metavar="DAY", help="last day, where the duty ends")
@click.option("--part", help="where one of several parts is owed, such as '{period}-budget'")
@click.option("--rule", help="a deadline of the domain or of limits.yaml; without it the domain's own")
@click.option("--starts", metavar="[+]MM-DD",
              help="yearly: the limit runs from this day of the year, with + of the year after (final accounts)")
@click.option("--as", "user", help="who sets it; without it the operator of this machine")
def duty_set(user: str | None, **values: Any) -> None:
    """Say what a body owes; the same domain, body and part again changes it."""
    duty = act("gkopen_duty_set", person(user) if user else None, **values)
    click.echo(f"{duty['id']}: {duty['organization']['name']} owes {duty['domain']} {duty['cycle']}")


@command(duty_group, "remove")
@click.argument("duty", metavar="ID")
@click.option("--as", "user", help="who removes it; without it the operator of this machine")
def duty_remove(duty: str, user: str | None) -> None:
    """Take away a duty that was set by mistake; one that ends is set again with --until."""
    act("gkopen_duty_remove", person(user) if user else None, id=duty)
    click.echo(f"{duty}: removed")


@command(duty_group, "extend")
@click.argument("duty", metavar="ID")
@click.argument("period")
@click.option("--to", "to_on", required=True, metavar="DAY", help="the new last day, or the last day of a pause")
@click.option("--from", "from_on", metavar="DAY", help="makes it a pause: days from this one do not count")
@click.option("--reason", required=True, help="public: say why, in a citizen's words")
@click.option("--as", "user", help="who grants it; without it the operator of this machine")
def duty_extend(duty: str, period: str, to_on: str, from_on: str | None, reason: str, user: str | None) -> None:
    """Extend one period of a duty, or pause it."""
    result = act("gkopen_respite_grant", person(user) if user else None, id=duty, period=period, reason=reason,
                 **{"to": to_on, "from": from_on})
    click.echo(f"{period}: due on {result['due_on'] or 'a day that is unknown: enter the calendar of the year'}")


@command(duty_group, "ledger")
@click.option("--state", type=click.Choice(STATES), help="only these, such as overdue")
@click.option("--domain")
@click.option("--org", "organization", help="name of the body")
def duty_ledger(**filters: str | None) -> None:
    """Each period that is owed, with its last day and what became of it."""
    for entry in every("gkopen_oversight_list", **filters):
        late = f"{entry['days_late']} days" if entry["days_late"] else "-"
        click.echo("\t".join((entry["period"], entry["domain"], entry["organization"]["name"], entry["state"],
                              f"due {entry['due_on'] or '?'}", entry["on"] or "-", late)))


@review_group.group("standing")
def standing_group() -> None:
    """Standing approvals (常设批准): routine data of a dataset is published by itself until a day."""


@command(standing_group, "grant")
@click.argument("dataset")
@click.option("--until", required=True, metavar="DAY", help="last day, within a year")
@click.option("--reason", required=True, help="why this data is routine")
@click.option("--as", "user", required=True, help="the reviewer who approves in advance")
def standing_grant(dataset: str, until: str, reason: str, user: str) -> None:
    """Approve routine data of a dataset in advance."""
    made = act("gkopen_standing_grant", person(user), dataset=dataset, until=until, reason=reason)
    click.echo(f"{made['id']}: {made['dataset']} until {made['until']}")


@command(standing_group, "list")
@click.option("--dataset")
def standing_list(dataset: str | None) -> None:
    """Standing approvals, with what was published under each and why the last revision was not."""
    for item in every("gkopen_standing_list", dataset=dataset):
        state = "active" if item["active"] else "revoked" if item["revoked_at"] else "ended"
        why = "; ".join(item["declined"]["reasons"]) if item["declined"] else "-"
        click.echo("\t".join((item["id"], item["dataset"], state, f"until {item['until']}", item["granted_by"],
                              f"{item['published']} published", why)))


@command(standing_group, "revoke")
@click.argument("standing", metavar="ID")
@click.option("--as", "user", help="the reviewer who revokes it; without it the operator of this machine")
def standing_revoke(standing: str, user: str | None) -> None:
    """End a standing approval now."""
    click.echo(f"{act('gkopen_standing_revoke', person(user) if user else None, id=standing)['dataset']}: revoked")
