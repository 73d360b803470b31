"""What the commands share: the group, errors as one sentence, actions called as a person."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import away, bodies, pipeline
from ckanext.gkopen.domains import UnknownDomain
from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvesters.lines import SourceError
from ckanext.gkopen.review import decide
from ckanext.gkopen.schemas import SchemaError

FAILED = 2


@click.group(short_help="公开: harvest, check, review and publish open data of a city")
def gkopen() -> None:
    """公开: harvest, check, review and publish open data of a city."""


@contextmanager
def spoken() -> Iterator[None]:
    """Expected problems end the command with one sentence and exit code 2."""
    try:
        yield
    except (SchemaError, UnknownDomain, bodies.UnknownBody, ledger.UnknownSource, SourceError, decide.Refused,
            pipeline.KeyReused) as error:
        if isinstance(error, decide.Stale):
            ckan_model.Session.commit()
        click.echo(f"gkopen: {error}", err=True)
        sys.exit(FAILED)
    except toolkit.ValidationError as error:
        told = {key: value if isinstance(value, list) else [value] for key, value in error.error_dict.items() if value}
        said = "; ".join(f"{key}: {', '.join(map(str, values))}" for key, values in told.items())
        click.echo(f"gkopen: {said}", err=True)
        sys.exit(FAILED)
    except (toolkit.NotAuthorized, toolkit.ObjectNotFound) as error:
        click.echo(f"gkopen: {error}", err=True)
        sys.exit(FAILED)
    except BrokenPipeError:
        raise  # the reader of a pipe has seen enough: click ends the command quietly
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except Exception as error:
        if away.is_away(error):
            click.echo(f"gkopen: a server cannot be reached ({type(error).__name__}): look at PostgreSQL, Solr and"
                       " Valkey, then try again.", err=True)
            sys.exit(FAILED)
        if not isinstance(error, OSError) or error.filename is None:
            # Not a file that the operator named. Python would end with 1, by which commands say that work waits.
            traceback.print_exc()
            sys.exit(FAILED)
        click.echo(f"gkopen: {error.filename}: {error.strerror}; give a path that can be read and written.", err=True)
        sys.exit(FAILED)


def command(group: click.Group, name: str | None = None) -> Callable[[Callable[..., None]], click.Command]:
    def register(function: Callable[..., None]) -> click.Command:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            with spoken():
                function(*args, **kwargs)

        command = click.command(name or function.__name__.rstrip("_"))(run)
        group.add_command(command)
        return command

    return register


def act(action: str, user: str | None = None, **data: Any) -> Any:
    """Call an action as a person, or as the operator who has a shell on the machine."""
    context: Any = {"user": user or toolkit.get_action("get_site_user")({"ignore_auth": True}, {})["name"],
                    "gkopen_door": "cli"}
    if user is None:
        context["ignore_auth"] = True
    return toolkit.get_action(action)(context, data)


def every(action: str, user: str | None = None, **data: Any) -> Iterator[Any]:
    """What all pages of an action that lists say together, as a person or the operator (`act`) is told it."""
    cursor = None
    while True:
        page = act(action, user, cursor=cursor, limit=1000, **data)
        yield from page["results"]
        cursor = page["cursor"]
        if not cursor:
            return


def person(name: str | None) -> str:
    user = ckan_model.User.get(name or "")
    if user is None or not user.is_active:
        raise decide.Refused("There is no active user {name}: give one with --as.", name=name or "")
    return user.name
