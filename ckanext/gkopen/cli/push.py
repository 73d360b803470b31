"""`ckan gkopen push-token`: tokens of business systems (docs/push.md)."""

from __future__ import annotations

import click

from ckanext.gkopen.cli.common import act, command, every, gkopen, person


@gkopen.group("push-token")
def push_token() -> None:
    """Tokens with which a business system pushes one domain of one body."""


@command(push_token)
@click.argument("name")
@click.option("--domain", required=True)
@click.option("--org", "organization", required=True, help="the responsible body")
@click.option("--days", type=int, default=365, show_default=True, help="how long it is good")
@click.option("--as", "user", help="the officer who makes it; without it the operator of this machine")
def create(name: str, domain: str, organization: str, days: int, user: str | None) -> None:
    """Make a token and print it, alone on standard output: it is shown this once."""
    made = act("gkopen_push_token_create", person(user) if user else None, name=name, domain=domain,
               organization=organization, days=days)
    click.echo(f"{made['name']}: pushes {made['domain']} of {made['organization']['name']} until {made['expires_at']}",
               err=True)
    click.echo(made["token"])


@command(push_token, "list")
def list_() -> None:
    """All tokens with their body, domain, end and last use."""
    for item in every("gkopen_push_token_list"):
        state = f"revoked {item['revoked_at']}" if item["revoked_at"] else f"until {item['expires_at']}"
        if not item["supported"]:
            state += f" (refused: {item['created_by']} is no officer of the body any more)"
        body = (item["organization"] or {}).get("name", "-")
        click.echo("\t".join((item["name"], item["domain"], body, state, f"by {item['created_by']}",
                              f"last used {item['last_used_at'] or 'never'}")))


@command(push_token)
@click.argument("name")
@click.option("--as", "user", help="the officer who revokes it; without it the operator of this machine")
def revoke(name: str, user: str | None) -> None:
    """Refuse a token from now on."""
    click.echo(f"{act('gkopen_push_token_revoke', person(user) if user else None, name=name)['name']}: revoked")
