"""`ckan gkopen domain …`: the domains and their Excel templates."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ckanext.gkopen.cli.common import command, gkopen
from ckanext.gkopen.derive.template import workbook
from ckanext.gkopen.domains import domains, get_domain, lint


@gkopen.group()
def domain() -> None:
    """The domains: what is disclosed, field by field."""


@command(domain, "list")
def domain_list() -> None:
    """All domains, with the number of their fields."""
    for name, item in domains().items():
        click.echo(f"{name}\t{item.title.zh}\t{item.title.en}\t{len(item.fields)} fields")


@command(domain, "show")
@click.argument("name")
def domain_show(name: str) -> None:
    """The fields of one domain."""
    item = get_domain(name)
    click.echo(f"{item.name}\t{item.title.zh} / {item.title.en}\tkey: {', '.join(item.key)}\tpart: {item.part.kind}")
    for field in item.fields:
        need = "required" if field.required else "required if" if field.required_if else ""
        click.echo(f"{field.name}\t{field.title.zh}\t{field.type}\t{field.unit or ''}\t{need}")


@command(domain, "template")
@click.argument("name")
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="the .xlsx to write")
def domain_template(name: str, output: Path) -> None:
    """The Excel template of a domain, with drop-downs."""
    output.write_bytes(workbook(get_domain(name)))
    click.echo(f"{output}: template of {name}")


@command(domain, "lint")
def domain_lint() -> None:
    """Check all domain files; every mistake with file, line, rule and fix."""
    mistakes = list(lint())
    for mistake in mistakes:
        click.echo(str(mistake))
    click.echo(f"{len(domains()) if not mistakes else 'not all'} domains are valid; {len(mistakes)} mistake(s)")
    sys.exit(1 if mistakes else 0)
