"""What can go wrong on the way, to be switched on by name."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace

from ckanext.gkopen.simulator.answers import Listing, Rows

# name -> (中文, English). `500_on_page_N` stands for any N.
FAULTS: dict[str, tuple[str, str]] = {
    "timeout": ("不应答", "never answers"),
    "slow": ("每秒一个字节", "one byte a second"),
    "reset": ("连接被重置", "resets the connection"),
    "half_body": ("应答只发一半即断开", "closes after half of the body"),
    "truncated_json": ("JSON 被截断而长度一致", "cut JSON with a matching length"),
    "html": ("返回登录网页", "a login page with HTTP 200"),
    "maintenance": ("返回维护公告网页（:N 为 HTTP 状态）", "a notice of maintenance with HTTP N, default 200"),
    "wrong_total": ("总条数多报（:N 为差值）", "a total that is off by N, default 3"),
    "empty": ("HTTP 200 但没有数据", "no rows with HTTP 200"),
    "short_page": ("第 2 页少一半（:N 指定页）", "page 2 (or N) has half its rows"),
    "repeat_page": ("第 2 页与第 1 页相同（:N 指定页）", "page 2 (or N) is page 1 again"),
    "endless_pages": ("翻页永不结束", "pages never end"),
    "500_on_page_N": ("第 N 页返回 HTTP 500", "HTTP 500 on page N"),
    "429": ("限流（:秒 为 Retry-After）", "HTTP 429 with Retry-After, default 1 s"),
    "redirect_loopback": ("重定向到 127.0.0.1 的另一端口", "redirects to another port of 127.0.0.1"),
    "wrong_sign": ("一律判签名错误", "refuses every signature"),
    "clock_off": ("平台时钟快 10 分钟（:秒 指定）", "the platform's clock is 600 s (or N) ahead"),
    "drift_add": ("多一列", "a column more"),
    "drift_remove": ("少最后一列", "the last column is gone"),
    "drift_rename": ("首列改名", "the first column has another name"),
    "drift_swap": ("前两列内容互换", "the first two columns have each other's values"),
    "drift_retype": ("数值列变成文字", "numbers become words"),
    "numbers_as_text": ("数值以文本给出", "numbers come as JSON texts"),
    "others_rows": ("混入另一服务的行", "rows of another service are mixed in"),
    "big_body": ("应答极大（:MB 指定，默认 100）", "an answer of 100 (or N) MB"),
    "zip_bomb": ("压缩炸弹（:MB 指定解压后大小）", "a small gzip of 100 (or N) MB"),
    "duplicate_keys": ("一个对象中同一键出现两次", "a key twice in one object"),
}
_WRITTEN = re.compile(r"(?P<name>[a-z0-9_]+)(:(?P<value>\d+))?(@(?P<service>[\w.-]+))?(\*(?P<times>\d+))?")
_PAGE = re.compile(r"500_on_page_(\d+)")


@dataclass(frozen=True)
class Fault:
    """`value` is the number after `:`; `service` limits it to one service, `times` to so many calls."""

    name: str
    value: int | None = None
    service: str | None = None
    times: int | None = None


def parse_fault(text: str) -> Fault:
    """`NAME[:N][@SERVICE][*TIMES]`. Raises ValueError that lists the names."""
    found = _WRITTEN.fullmatch(text)
    if found:
        name, value = found["name"], found["value"]
        if page := _PAGE.fullmatch(name):
            name, value = "500_on_page_N", page[1]
        if name in FAULTS:
            times = found["times"]
            return Fault(name, int(value) if value else None, found["service"], int(times) if times else None)
    raise ValueError(f"没有故障 {text!r} / there is no fault {text!r}; known: {', '.join(FAULTS)}")


class Faults:
    """The faults that are on. Safe for several threads."""

    def __init__(self, faults: list[Fault] | None = None):
        self._lock = threading.Lock()
        self._left: list[Fault] = list(faults or [])

    def replace(self, faults: list[Fault]) -> None:
        with self._lock:
            self._left = list(faults)

    def listed(self) -> list[Fault]:
        with self._lock:
            return list(self._left)

    def take(self, name: str, service: str, page: int | None = None) -> Fault | None:
        """The fault if it is on for this call; counts it. `page`: only for faults bound to a page."""
        with self._lock:
            for at, fault in enumerate(self._left):
                if fault.name != name or fault.service not in (None, service):
                    continue
                if page is not None and page != (fault.value or 2):
                    continue
                if fault.times is not None:
                    if fault.times <= 0:
                        continue
                    self._left[at] = replace(fault, times=fault.times - 1)
                return fault
        return None


def distort(listing: Listing, faults: Faults, service: str, first_page: Rows, foreign: Rows) -> Listing:
    """A page as the faults leave it. `first_page` and `foreign` are what repeat_page and others_rows put in."""
    rows, total = listing.rows, listing.total
    if faults.take("empty", service):
        return replace(listing, rows=[], total=0)
    if fault := faults.take("wrong_total", service):
        total += fault.value or 3
    if faults.take("short_page", service, listing.page):
        rows = rows[: len(rows) // 2]
    if faults.take("repeat_page", service, listing.page):
        rows = first_page
    if faults.take("endless_pages", service):
        # Every page is full and new, whatever the total says.
        rows = [{**row, "页": str(listing.page)} for row in first_page]
    if faults.take("drift_add", service):
        rows = [{**row, "备用字段": "1"} for row in rows]
    if faults.take("drift_remove", service):
        rows = [dict(list(row.items())[:-1]) for row in rows]
    if faults.take("drift_rename", service):
        rows = [{(f"{key}（新）" if at == 0 else key): row[key] for at, key in enumerate(row)} for row in rows]
    if faults.take("drift_swap", service):
        rows = [_swapped(row) for row in rows]
    if faults.take("drift_retype", service):
        rows = [{key: f"约{value}左右" if value[:1].isdigit() else value for key, value in row.items()} for row in rows]
    if faults.take("others_rows", service):
        rows = rows[: len(rows) // 2] + foreign[: len(rows) - len(rows) // 2]
    numbers = () if faults.take("numbers_as_text", service) else listing.numbers
    duplicate = faults.take("duplicate_keys", service) is not None
    return replace(listing, rows=rows, total=total, numbers=numbers, duplicate_key=duplicate)


def _swapped(row: dict[str, str]) -> dict[str, str]:
    keys = list(row)
    if len(keys) < 2:
        return row
    return {**row, keys[0]: row[keys[1]], keys[1]: row[keys[0]]}
