"""What the kinds of front-end databases have in common: where they are, their columns, and how their errors read.

A dialect opens one read-only REPEATABLE READ transaction and answers everything from it, so that count and pages are
one snapshot. Whatever the server does, an answer comes within the limit or the connection is cut.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal, Protocol

from ckanext.gkopen.harvesters.base import Limits
from ckanext.gkopen.harvesters.errors import SourceRefused, SourceUnreachable

CHINA = timezone(timedelta(hours=8))
GRACE = 5.0
"""Seconds that a server has to end a statement by itself before the connection is cut."""

Kind = Literal["date", "time", "text", "number", "printed", "other"]
Form = Literal["text", "bits", "money", "bytes"]


@dataclass(frozen=True)
class Address:
    """Where and as whom. `addresses` are the checked IP addresses of `host`; only these are connected to."""

    host: str
    port: int
    addresses: Sequence[str]
    user: str
    password: str
    database: str
    sslmode: str


@dataclass(frozen=True)
class Column:
    """A column of the table; `kind` says how it is compared (`printed`: as the text that it prints, since its own order
    is another), `form` what it is: a text, bits, money, or other bytes."""

    name: str
    kind: Kind
    form: Form = "text"


Mark = tuple[Column, datetime] | None
"""The watermark column and the moment from which rows are wanted. A row without a watermark is always wanted, as is one
whose watermark is no time of these days."""
NO_TIME = "1900-01-01"
"""Before it: an empty text, 0000-00-00, 0001-01-01, seconds as a text: nothing that says when a row changed."""
YEAR_FIRST = "^[0-9][0-9][0-9][0-9]"
"""Texts that begin otherwise (20/05/2026, 2-5-2026) do not stand in the order of their times."""


class Dialect(Protocol):
    """A snapshot of a database. All methods raise HarvestError."""

    port: int

    def __init__(self, address: Address, limits: Limits) -> None: ...

    def columns(self, table: str, *, all_of_them: bool) -> list[Column]:
        """Those that the account may read, in the table's order; refused where `all_of_them` are wanted and it may not.
        """
        ...

    def count(self, table: str, mark: Mark) -> int: ...

    def page(
        self, table: str, wanted: Sequence[Column], key: Sequence[Column], mark: Mark,
        after: Sequence[str] | None, limit: int,
    ) -> list[list[str | None]]:  # fmt: skip
        """Up to `limit` rows in key order, those after the key `after`; values as the server prints them."""
        ...

    def close(self) -> None: ...


def mark_text(kind: Kind, moment: datetime) -> str:
    """As front-end databases hold times: Beijing time without a zone. A day is compared with a day."""
    return moment.astimezone(CHINA).strftime("%Y-%m-%d" if kind == "date" else "%Y-%m-%d %H:%M:%S")


@contextmanager
def cut_after(seconds: float, file: Callable[[], int]) -> Iterator[None]:
    """Cut the connection when the time is over: neither driver bounds the whole of an answer."""

    def cut() -> None:
        with suppress(OSError), socket.socket(fileno=os.dup(file())) as copy:
            copy.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def unreachable(address: Address) -> SourceUnreachable:
    place = f"{address.host}:{address.port}"
    return SourceUnreachable(
        f"数据库 {place} 无法连接：没有应答、拒绝连接或正在启动。请检查网络和 url，稍后重试。",
        f"the database {place} cannot be reached: no answer, connection refused, or it is starting; "
        "check the network and url, and harvest again later",
    )


def broken_off(address: Address) -> SourceUnreachable:
    return SourceUnreachable(
        f"与数据库 {address.host}:{address.port} 的连接在读取途中断开。请稍后重试。",
        f"the connection to the database {address.host}:{address.port} broke off while it was read; "
        "harvest again later",
    )


def too_slow(address: Address, seconds: float) -> SourceUnreachable:
    return SourceUnreachable(
        f"数据库 {address.host} 在 {seconds:.0f} 秒内没有答完一次查询。请为 key 和 watermark 列建索引。",
        f"the database {address.host} did not answer a query within {seconds:.0f} s; "
        "put an index on the columns key and watermark",
    )


def locked(address: Address) -> SourceUnreachable:
    return SourceUnreachable(
        f"数据库 {address.host} 的表被其他会话锁住，没有等到（多为正在换数或改结构）。请稍后重试，或避开换数的时间；"
        "一直如此的，请库的管理员查看是谁锁住了表。",
        f"the table in the database {address.host} is locked by somebody else, mostly because it is being filled or "
        "altered, and was not free in time; harvest again later, or at another time of day; if it stays so, let the "
        "database's operator look who holds the lock",
    )


def emptied(address: Address) -> SourceUnreachable:
    return SourceUnreachable(
        f"数据库 {address.host} 的表在读取期间被清空重灌或改了结构，没有读到一致的内容。"
        "请稍后重试，或避开换数的时间。",
        f"the table in the database {address.host} was emptied or altered while it was read, so that there is no one "
        "content of it; harvest again later, or at another time of day than it is filled",
    )


def broken_text(address: Address, said: str) -> SourceRefused:
    return SourceRefused(
        f"数据库 {address.database} 中有文字不符合该库自己的编码，服务器不能转换为 UTF-8（{said[:200]}）。"
        "请库的管理员修正这些文字；SQL_ASCII 的库请建视图写明编码："
        "convert_from(convert(convert_to(列, 'SQL_ASCII'), 'GBK', 'UTF8'), 'SQL_ASCII')。",
        f"the database {address.database} holds text that is not in its own encoding and that the server cannot turn "
        f"into UTF-8 ({said[:200]}); let its operator mend the text, or, where the encoding is SQL_ASCII, make a view "
        "that names the real one: convert_from(convert(convert_to(column, 'SQL_ASCII'), 'GBK', 'UTF8'), 'SQL_ASCII')",
    )


def wrong_password(address: Address) -> SourceRefused:
    return SourceRefused(
        f"数据库 {address.host} 拒绝了账号 {address.user} 的登录：口令或账号有误。请核对 url 中的账号和 secret_env。",
        f"the database {address.host} refused the login of {address.user}: the password or the account is wrong; "
        "check the account in url, and secret_env",
    )


def no_tls(address: Address) -> SourceRefused:
    return SourceRefused(
        f"与数据库 {address.host} 未能加密连接（sslmode={address.sslmode}）。请核对证书，或修改 url 中的 sslmode。",
        f"no encrypted connection to the database {address.host} could be made (sslmode={address.sslmode}); "
        "check its certificate, or change sslmode in url",
    )


def no_table(address: Address, said: str) -> SourceRefused:
    return SourceRefused(
        f"数据库 {address.database} 中没有来源文件所写的表（{said[:200]}）。请核对 table。",
        f"the database {address.database} has no such table ({said[:200]}); check table in the source file",
    )


def no_permission(address: Address, said: str) -> SourceRefused:
    return SourceRefused(
        f"账号 {address.user} 没有读取该表或其中某列的权限（{said[:200]}）。请库的管理员授予 SELECT 权限；"
        "只授权部分列的，请用 columns 列出这些列。",
        f"the account {address.user} may not read the table, or a column of it ({said[:200]}); let the database's "
        "operator grant SELECT, or, where only some columns are granted, name these with columns",
    )


def refused(address: Address, said: str) -> SourceRefused:
    return SourceRefused(
        f"数据库 {address.host} 拒绝了请求（{said[:200]}）。请核对 url、table、key、watermark，或询问库的管理员。",
        f"the database {address.host} refused the request ({said[:200]}); "
        "check url, table, key and watermark, or ask the database's operator",
    )
