"""What every way of fetching a table gives: pages of rows as text, and the catalogue's entry.

A transport knows no CKAN. Whoever harvests asks for one by `open_transport` and reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ckanext.gkopen.harvesters.errors import HarvestError

Row = dict[str, str | None]


@dataclass(frozen=True)
class Page:
    """One page of a listing.

    `number` counts from 1. `raw` is the answer's body after decompression, to be kept as evidence. In `rows`
    every value is the text that the answer prints (numbers too, digit for digit; true and false as such),
    null is None, an object or list is its JSON text. `total` is the number of rows that the source claims.
    """

    number: int
    raw: bytes
    rows: list[Row]
    total: int | None
    fetched_at: datetime


@dataclass(frozen=True)
class CatalogueItem:
    """An information item (信息项): `type` is the guide's letter or word (C字符, N数值 …) as printed."""

    name: str
    type: str = ""
    length: str = ""


@dataclass(frozen=True)
class CatalogueEntry:
    """An entry of the resource catalogue (政务信息资源目录编制指南, 发改高技术〔2017〕1272号).

    All texts are as printed. `open` (是否向社会开放) is None when the entry says neither yes nor no, and is never
    inferred from the share type; `open_type` is what it says in place of them (有条件开放). `raw` is the answer's body.
    """

    res_code: str
    title: str
    provider: str = ""
    provider_uscc: str = ""
    notes: str = ""
    format: str = ""
    items: tuple[CatalogueItem, ...] = ()
    share_type: str = ""
    share_condition: str = ""
    share_method: str = ""
    open: bool | None = None
    open_type: str = ""
    open_condition: str = ""
    update_cycle: str = ""
    published: str = ""
    related_codes: tuple[str, ...] = ()
    raw: bytes = b""


@dataclass(frozen=True)
class Limits:
    """How long and how much. Seconds and bytes.

    `attempt` bounds one request from connecting to its last byte, whatever trickles in; `silence` the wait
    for a next byte. A call is tried `tries` times with exponential pauses from `pause` to `pause_most`;
    a Retry-After up to `retry_after_most` is obeyed, a longer one ends the run. `answer_bytes` holds for the
    body as sent and for the decompressed one. `pages` and `listing` (seconds) end a listing that never ends by itself.
    """

    connect: float = 5.0
    silence: float = 20.0
    attempt: float = 60.0
    tries: int = 4
    pause: float = 0.5
    pause_most: float = 20.0
    retry_after_most: float = 120.0
    answer_bytes: int = 64 * 1024 * 1024
    pages: int = 100_000
    listing: float = 6 * 3600.0


class Breaker(Protocol):
    """Asked before each call to a host, and told how it went; `host` is host:port as in the address."""

    def before(self, host: str) -> None:
        """Raises HostResting: the host failed too often, nothing is sent before its rest is over."""
        ...

    def succeeded(self, host: str) -> None: ...

    def failed(self, host: str, error: HarvestError) -> None: ...


class NoBreaker:
    """Lets every call through."""

    def before(self, host: str) -> None: ...

    def succeeded(self, host: str) -> None: ...

    def failed(self, host: str, error: HarvestError) -> None: ...


class Transport(Protocol):
    @property
    def repeated(self) -> int:
        """Known after the last page: rows that came on more than one page. Others may be missing for them."""
        ...

    @property
    def emptied(self) -> bool:
        """Known after the last page: nothing has changed, and there is no row at all of which anything could."""
        ...

    def catalogue(self) -> CatalogueEntry | None:
        """The catalogue's entry, or None when the source file names none. Raises HarvestError."""
        ...

    def pages(self, since: datetime | None = None) -> Iterator[Page]:
        """All pages in order, only rows changed at or after `since` when given.

        At least one page is yielded, even when it is empty. Raises HarvestError; InconsistentListing when
        the pages do not add up, at the latest after the last page: an iteration that ends without an
        exception is a whole listing.
        """
        ...

    def close(self) -> None: ...
