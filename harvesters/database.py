"""A front-end database that the exchange platform fills (前置库, 库表交换): one table or view, read only.

Every page comes from one snapshot, in the order of the key, each after the last key of the page before it: an OFFSET
would read the table again for every page. Values are asked for as text, so that no number is ever parsed. What differs
between PostgreSQL and MySQL is in modules of their names, not here.
"""

from __future__ import annotations

import difflib
import json
import logging
import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from urllib.parse import parse_qs, unquote, urlsplit

from ckanext.gkopen.harvesters.base import CatalogueEntry, Limits, Page
from ckanext.gkopen.harvesters.dialect import Address, Column, Dialect
from ckanext.gkopen.harvesters.errors import (
    AnswerTooLarge,
    HarvestError,
    InconsistentListing,
    SourceRefused,
    SourceUnreachable,
)
from ckanext.gkopen.harvesters.mysql import MySQL
from ckanext.gkopen.harvesters.net import Deadline, Guard, forbidden, is_public
from ckanext.gkopen.harvesters.postgresql import PostgreSQL
from ckanext.gkopen.harvesters.source import Source

DIALECTS: dict[str, type[Dialect]] = {"postgresql": PostgreSQL, "mysql": MySQL}


class DatabaseTransport:
    """A `Transport` over one table of a database. It has no catalogue's entry."""

    emptied = False
    repeated = 0                                          # all pages come from one snapshot, in the order of the key

    def __init__(
        self,
        source: Source,
        secret: str | None,
        *,
        allowed_hosts: Collection[str],
        clock: Callable[[], datetime],
        log: logging.Logger,
        limits: Limits,
        sleep: Callable[[float], None],
        jitter: Callable[[], float],
    ):
        self._source = source
        self._clock = clock
        self._log = log
        self._limits = limits
        self._sleep = sleep
        self._jitter = jitter
        self._allowed_hosts = allowed_hosts
        parts = urlsplit(source.url)
        kind = DIALECTS[parts.scheme]
        self._host, self._port = parts.hostname or "", parts.port or kind.port
        self._login = (unquote(parts.username or ""), secret or "", unquote(parts.path[1:]))
        self._sslmode = parse_qs(parts.query).get("sslmode", ["prefer"])[0]
        self._kind = kind
        self._open: Dialect | None = None

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def catalogue(self) -> CatalogueEntry | None:
        return None

    def pages(self, since: datetime | None = None) -> Iterator[Page]:
        database = self._open = self._connect()
        source = self._source
        columns = database.columns(source.table, all_of_them=not source.columns)
        wanted, by = self._wanted(columns), self._of(columns, source.key)
        mark = self._mark(columns, since)
        total = database.count(source.table, mark)
        seen, number, after = 0, 0, None
        while True:
            number += 1
            rows = database.page(source.table, wanted, by, mark, after, source.page_size)
            seen += len(rows)
            if rows or number == 1:
                yield self._page(number, wanted, rows, total)
            if len(rows) < source.page_size:
                break
            if number >= self._limits.pages:
                raise InconsistentListing(
                    f"超过 {self._limits.pages} 页仍未结束", f"no end after {self._limits.pages} pages", number
                )
            names = [column.name for column in wanted]
            last = [rows[-1][names.index(key)] for key in source.key]
            if None in last:
                break
            after = [text or "" for text in last]
        if seen != total:
            key = "、".join(source.key)
            raise InconsistentListing(
                f"表中有 {total} 行，按 key（{key}）只能读到 {seen} 行：key 有重复值或空值，请改用唯一且非空的列",
                f"the table has {total} rows, {seen} can be read by key ({', '.join(source.key)}): it has equal or "
                "empty values; name columns that are unique and never empty",
                number,
            )
        # One row by key, not their number: that of a large table takes minutes, each quiet night.
        self.emptied = mark is not None and not total and not database.page(source.table, by, by, None, None, 1)

    def _page(self, number: int, columns: Sequence[Column], rows: list[list[str | None]], total: int) -> Page:
        names = [column.name for column in columns]
        raw = json.dumps({"table": self._source.table, "columns": names, "rows": rows}, ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )
        if len(raw) > self._limits.answer_bytes:
            raise AnswerTooLarge(self._limits.answer_bytes)
        return Page(number, raw, [dict(zip(names, row, strict=True)) for row in rows], total, self._clock())

    def _wanted(self, columns: Sequence[Column]) -> list[Column]:
        """The columns to read, after a look whether all that the source file names are there."""
        source = self._source
        named = (*source.key, *source.columns, *filter(None, (source.watermark, source.organization_column)))
        self._of(columns, named)
        wanted = [column for column in columns if not source.columns or column.name in {*source.columns, *named}]
        for column in wanted:
            if column.form == "bytes":
                raise SourceRefused(
                    f"表 {source.table} 的列 {column.name} 是二进制内容，不能作为文本读取。"
                    "请用 columns 列出要读的列，不含该列。",
                    f"the column {column.name} of {source.table} holds bytes, not text; name the columns to read "
                    "with columns, without this one",
                )
        return wanted

    def _of(self, columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
        known = {column.name: column for column in columns}
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                there = near or list(known)[:30]
                raise SourceRefused(
                    f"表 {self._source.table} 中没有列 {name}，或账号无权读取该列；"
                    f"{'相近的列' if near else '现有的列'}：{'、'.join(there)}。请核对来源文件和授权。",
                    f"the table {self._source.table} has no column {name} that the account may read; "
                    f"{'near it' if near else 'it has'}: {', '.join(there)}; check the source file and what is granted",
                )
        return [known[name] for name in names]

    def _mark(self, columns: Sequence[Column], since: datetime | None) -> tuple[Column, datetime] | None:
        if since is None or self._source.watermark is None:
            return None
        (column,) = self._of(columns, [self._source.watermark])
        if column.kind not in ("date", "time", "text"):
            raise SourceRefused(
                f"watermark 列 {column.name} 既不是时间也不是文本，不能与上次采集时间比较。请改用记录更新时间的列。",
                f"the watermark column {column.name} is neither a time nor a text and cannot be compared with the "
                "time of the last harvest; name the column that holds when a row changed",
            )
        return column, since

    def _connect(self) -> Dialect:
        attempt = 0
        while True:
            attempt += 1
            try:
                user, password, name = self._login
                address = Address(self._host, self._port, self._addresses(), user, password, name, self._sslmode)
                return self._kind(address, self._limits)
            except HarvestError as exc:
                if not exc.retryable or attempt >= self._limits.tries:
                    raise
                longest = min(self._limits.pause * 2 ** (attempt - 1), self._limits.pause_most)
                wait = longest * (0.5 + 0.5 * self._jitter())
                self._log.warning("%s: connecting: try %d failed (%s), next in %.1f s",
                                  self._source.name, attempt, type(exc).__name__, wait)  # fmt: skip
                self._sleep(wait)

    def _addresses(self) -> list[str]:
        """Where the host may be reached: exactly these are connected to, so that a second answer of DNS is no way in.

        Raises ForbiddenAddress when one of them is private and the host is not allowed.
        """
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            raise SourceUnreachable(
                f"数据库 {self._host} 的域名无法解析。请核对 url 和网络。",
                f"the name of the database {self._host} cannot be resolved; check url and the network",
            ) from None
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        if not Guard(self._allowed_hosts, Deadline()).allows(self._host, self._port) and not all(
            map(is_public, addresses)
        ):
            raise forbidden(self._host, self._port)
        return addresses
