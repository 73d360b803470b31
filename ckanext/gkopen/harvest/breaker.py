"""Circuit breakers in PostgreSQL, shared by all workers: a platform that fails is left alone for a while.

Two of them stand before each call. The host's opens after a number of failures in a row (no answer, 5xx, 429), or for
as long as a 429 asks; the source's opens when the platform keeps refusing this one source, and leaves the others of
the platform alone. When the rest is over one call is let through: it closes the breaker or opens it for longer.

Each answer is told in a transaction of its own, so that a run that is rolled back does not forget it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import model
from ckanext.gkopen.harvesters.errors import HarvestError, HostResting, RateLimited, SourceRefused, SourceUnreachable
from ckanext.gkopen.harvesters.exchange import LONGEST_REST

REST = timedelta(seconds=30)
LONGEST = timedelta(minutes=15)
LONGEST_NAMED = timedelta(seconds=LONGEST_REST)
PROBE = timedelta(seconds=90)
"""A probe that has not come back after this time (its worker died) is made by another one. Longer than one call."""


class Breaker:
    """The breakers of one source's calls (`harvesters.base.Breaker`)."""

    def __init__(self, source: str):
        self._source = source
        self._probing = False
        self._counted = True                               # as long as nobody has looked

    def before(self, host: str) -> None:
        """Raises HostResting while a breaker is open. When its rest is over, the first caller is the probe, with all
        calls that it needs to get an answer."""
        if self._probing:
            return
        with ckan_model.ensure_engine().begin() as connection:
            # The host's before the source's, in the one order in which both are locked.
            counted = connection.execute(sa.text(
                "select source, open_until, probe_until from gkopen.breaker where host = :host and source in ('',"
                " :source) and (failures > 0 or open_until is not null) order by source for update"),
                {"host": host, "source": self._source}).mappings().all()
            self._counted, rows = bool(counted), [row for row in counted if row["open_until"] is not None]
            now = datetime.now(UTC)
            for row in rows:
                free = max(row["open_until"], row["probe_until"] or row["open_until"])
                # What lies far beyond was set while a clock was wrong; those of two machines differ a little.
                if now < free <= now + 1.1 * LONGEST_NAMED:
                    raise HostResting(host, (free - now).total_seconds())
            if rows:
                connection.execute(sa.text("update gkopen.breaker set probe_until = :until where host = :host"
                                           " and source = any(:sources)"),
                                   {"until": now + PROBE, "host": host, "sources": [row["source"] for row in rows]})
        self._probing = bool(rows)

    def succeeded(self, host: str) -> None:
        """A good answer closes both breakers. Nothing is asked where none had counted anything before the call: what
        others counted since is closed by the next answer."""
        self._probing = False
        if not self._counted:
            return
        with ckan_model.ensure_engine().begin() as connection:
            connection.execute(sa.text(
                "update gkopen.breaker set failures = 0, open_until = null, probe_until = null, error = null,"
                " changed_at = now() where host = :host and source in ('', :source) and (failures > 0 or open_until"
                " is not null)"), {"host": host, "source": self._source})

    def failed(self, host: str, error: HarvestError) -> None:
        """Count a failure. What says nothing about the platform's health (a wrong answer) frees the probe only."""
        self._probing, self._counted = False, True
        refused = isinstance(error, SourceRefused)
        counts = refused or isinstance(error, SourceUnreachable | RateLimited)
        named = error.retry_after if isinstance(error, RateLimited) else None
        with ckan_model.ensure_engine().begin() as connection:
            if not counts:
                connection.execute(sa.text("update gkopen.breaker set probe_until = null where host = :host and source"
                                           " in ('', :source)"), {"host": host, "source": self._source})
                return
            if refused:                                    # whoever refuses is there
                connection.execute(sa.text("update gkopen.breaker set failures = 0, open_until = null, probe_until ="
                                           " null where host = :host and source = ''"), {"host": host})
            key = {"host": host, "source": self._source if refused else ""}
            failures = connection.execute(sa.text(
                "insert into gkopen.breaker as b (host, source, failures) values (:host, :source, 1) on conflict"
                " (host, source) do update set failures = b.failures + 1 returning failures"), key).scalar_one()
            rest = _rest(failures)
            if named is not None:
                rest = max(rest or timedelta(), min(timedelta(seconds=named), LONGEST_NAMED))
            connection.execute(sa.text(
                "update gkopen.breaker set open_until = :until, probe_until = null, error = cast(:error as jsonb),"
                " changed_at = now() where host = :host and source = :source"),
                {**key, "until": datetime.now(UTC) + rest if rest else None,
                 "error": json.dumps({"kind": type(error).__name__, "zh": error.zh, "en": error.en},
                                     ensure_ascii=False)})


def _rest(failures: int) -> timedelta | None:
    """None below the limit; then half a minute, doubled by each further failure, a quarter of an hour at most."""
    beyond = failures - toolkit.config["ckanext.gkopen.harvest.breaker_failures"]
    return None if beyond < 0 else min(REST * 2 ** min(beyond, 10), LONGEST)


def forget(source: str) -> None:
    """What a source was refused is forgotten: it was changed, or a person resumed it. The caller commits."""
    model.execute("delete from gkopen.breaker where source = :source", source=source)


def health(sources: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Source (name → host) → the breakers in front of it that have counted failures, in one query: source ('' is the
    whole host), failures, open_until, error."""
    found = model.every("select host, source, failures, open_until, error from gkopen.breaker where failures > 0"
                        " and host = any(:hosts) order by source", hosts=sorted(set(sources.values())))
    return {name: [{key: value for key, value in row.items() if key != "host"} for row in found
                   if row["host"] == host and row["source"] in ("", name)] for name, host in sources.items()}
