"""`ckan gkopen worker | verify | rebuild | demo-city`: for the operator."""

from __future__ import annotations

import os
import sys
import time
from importlib.resources import files
from pathlib import Path

import click

from ckanext.gkopen import verify as checks
from ckanext.gkopen.cli.common import command, gkopen
from ckanext.gkopen.demo import make_city
from ckanext.gkopen.domains import domains, get_domain
from ckanext.gkopen.embedded.accounts import Accounts
from ckanext.gkopen.harvest import life, worker
from ckanext.gkopen.publish import anew

CITY = Path(str(files("ckanext.gkopen") / "simulator" / "city"))


@command(gkopen, "worker")
@click.option("--once", is_flag=True, help="end when nothing is due")
def worker_command(once: bool) -> None:
    """Do due work (harvests, exits) until told to stop. Any number of workers may run."""
    worker.settle()
    with life.signs():
        again = worker.work(once=once)
    if again:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


@command(gkopen, "verify")
def verify_command() -> None:
    """Hashes, revisions, packages, files, index and the audit chain. Exit 0 when all is well, else 1.

    A line a problem.
    """
    number = 0
    for problem in checks.problems():
        click.echo(problem)
        number += 1
    click.echo(f"{number} problem(s): gkopen rebuild makes packages, tables, files and index anew; stored contents come"
               " back from a back-up alone" if number else "all is well")
    sys.exit(1 if number else 0)


@command(gkopen, "rebuild")
@click.argument("names", nargs=-1, metavar="[DOMAIN]...")
@click.option("--all", "every", is_flag=True, help="every domain")
def rebuild_command(names: tuple[str, ...], every: bool) -> None:
    """Make packages, tables, files, index and standards of a domain anew from what was approved.

    After `verify` named damage in them, a restore of two databases from two moments, or another ckan.site_url. Nothing
    that is approved changes, readers go on reading, and what is published meanwhile waits for its turn.
    """
    if bool(names) == every:
        raise click.UsageError("name domains, or --all")
    with life.signs():
        for domain in [get_domain(name) for name in names] or domains().values():
            started = time.monotonic()
            for sink, number in anew.rebuild(domain):
                click.echo(f"{domain.name}\t{sink}\t{number}\t{time.monotonic() - started:.1f} s")
                started = time.monotonic()


@command(gkopen, "demo-city")
@click.option("--platform", required=True, help="address of the simulated exchange platform")
@click.option("--accounts", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="file of the passwords")
@click.option("--data", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=CITY,
              help="the simulator's data folder; without it the demo city that gkopen brings")
def demo_city(folder: Path, platform: str, accounts: Path) -> None:
    """Bodies, people and sources of the demo city; what is there is kept."""
    make_city(folder, platform, Accounts(accounts))
    click.echo(f"{folder}: bodies, accounts and sources are there")
