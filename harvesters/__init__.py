"""Ways to fetch a department's table: transports, source files, and the errors both can raise.

Import this package as `ckanext.gkopen.harvesters`. It knows no CKAN.
"""

import logging
import random
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from ckanext.gkopen.harvesters.base import (
    Breaker,
    CatalogueEntry,
    CatalogueItem,
    Limits,
    NoBreaker,
    Page,
    Row,
    Transport,
)
from ckanext.gkopen.harvesters.database import DatabaseTransport
from ckanext.gkopen.harvesters.errors import (
    AnswerTooLarge,
    BadAnswer,
    ClockSkew,
    ForbiddenAddress,
    HarvestError,
    HostResting,
    InconsistentListing,
    RateLimited,
    SourceRefused,
    SourceUnreachable,
    WebPage,
)
from ckanext.gkopen.harvesters.exchange import ExchangeTransport
from ckanext.gkopen.harvesters.source import Source, SourceError, load_source

__all__ = [
    "AnswerTooLarge",
    "BadAnswer",
    "Breaker",
    "CatalogueEntry",
    "CatalogueItem",
    "ClockSkew",
    "ForbiddenAddress",
    "HarvestError",
    "HostResting",
    "InconsistentListing",
    "Limits",
    "Page",
    "RateLimited",
    "Row",
    "Source",
    "SourceError",
    "SourceRefused",
    "SourceUnreachable",
    "Transport",
    "WebPage",
    "load_source",
    "open_transport",
]


def now_utc() -> datetime:
    return datetime.now(UTC)


def open_transport(
    source: Source,
    secret: str | None,
    *,
    allowed_hosts: Collection[str],
    clock: Callable[[], datetime] = now_utc,
    log: logging.Logger | None = None,
    limits: Limits | None = None,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
    breaker: Breaker | None = None,
) -> Transport:
    """The transport that the source file names: one that gives pages of rows. Dropped files come by `filedrop`.

    `secret` is what `source.secret(os.environ)` gives. `allowed_hosts` holds `host` or `host:port` entries
    that may have private addresses (`ckanext.gkopen.harvest.allowed_hosts`). `clock` gives aware datetimes;
    `sleep` waits between tries, `jitter` gives a share of the pause between 0 and 1. `breaker` stands before each
    call of the gateway.
    """
    kind = {"exchange": ExchangeTransport, "database": DatabaseTransport}[source.transport]
    more = {"breaker": breaker or NoBreaker()} if kind is ExchangeTransport else {}
    return kind(
        source,
        secret,
        allowed_hosts=allowed_hosts,
        clock=clock,
        log=log or logging.getLogger(__name__),
        limits=limits or Limits(),
        sleep=sleep,
        jitter=jitter,
        **more,
    )
