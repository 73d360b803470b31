"""Do the pages of a listing add up? What this lets through may count as complete."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np

from ckanext.gkopen.harvesters.base import Page
from ckanext.gkopen.harvesters.errors import InconsistentListing


class Listing:
    """Fed page by page, in order. `ended` says that no page is left.

    A platform may cap the page size, so the first page's length is the size that counts, not the one that
    was asked for. Without a total only an empty page proves the end: a short one may be a cap or a cut.
    A table may grow while it is read, by the total that comes with each page: what is new may be missed, and where it
    pushes others from page to page, they repeat. In one that shrinks others move up, and are missed between two pages.
    """

    def __init__(self, most_pages: int):
        self.ended = False
        self._most = most_pages
        self._total: int | None = None
        self._seen = 0
        self._size = 0
        self._last = 0
        self._pages: dict[int, int] = {}
        self._first = 0
        self._rows = array("q")

    def add(self, page: Page) -> None:
        """Take the next page. Raises InconsistentListing."""
        self._last = len(page.rows)
        self._seen += self._last
        if page.number == 1:
            self._total, self._size, self._first = page.total, self._last, hash(_hashes(page))
        elif page.total is not None and self._total is not None and page.total > self._total:
            self._total = page.total
        elif page.total != self._total:
            raise InconsistentListing(
                f"总条数从 {self._total} 变为 {page.total}",
                f"the total changed from {self._total} to {page.total}",
                page.number,
            )
        rows = _hashes(page)
        first = self._pages.setdefault(_whatever_order(rows), page.number)
        if first != page.number and page.rows:
            raise InconsistentListing(f"与第 {first} 页内容相同", f"it is the same as page {first}", page.number)
        self._rows.extend(set(rows))
        if self._total is None:
            self.ended = self._last == 0
        else:
            self._compare(self._total, page.number)
        if not self.ended and page.number >= self._most:
            raise InconsistentListing(
                f"超过 {self._most} 页仍未结束",
                f"the listing has not ended after {self._most} pages",
                page.number,
            )

    @property
    def needs_look_further(self) -> bool:
        """A full last page that reaches the total proves nothing: the total itself may be too small."""
        return self._total is not None and self._last > 0 and self._last == self._size

    def look_further(self, page: Page) -> None:
        """Judge the page after the end: empty, or (platforms that clamp the number) one seen before."""
        if page.rows and _whatever_order(_hashes(page)) not in self._pages:
            raise InconsistentListing(
                f"声明共 {self._total} 条，其后仍有数据",
                f"the source claims {self._total} rows, and there are more after them",
                page.number,
            )

    def repeated(self) -> int:
        """The number of rows that came on more than one page, once too often each. The table may hold them twice; or
        the platform's pages follow no firm order, and other rows came on none."""
        if len(self._pages) < 2:
            return 0
        rows = np.frombuffer(self._rows, np.int64)
        rows.sort()                                        # in its place: there may be millions of them
        return int(np.count_nonzero(rows[1:] == rows[:-1]))

    def look_again(self, page: Page) -> None:
        """Judge the first page, asked for again after the last one because rows came on several pages."""
        if hash(_hashes(page)) != self._first:
            raise InconsistentListing(
                f"读取期间第 1 页变了，有 {self.repeated()} 行在两页中出现，可能漏掉同样多的行；请平台按唯一的列排序",
                f"the first page changed while the others were read, and {self.repeated()} rows came on two pages: as "
                "many may be missing; let the platform sort by a unique column",
                page.number,
            )

    def _compare(self, total: int, number: int) -> None:
        self.ended = self._seen == total
        if self._seen > total:
            raise InconsistentListing(
                f"声明共 {total} 条，已收到 {self._seen} 条（若总是如此，请核对 envelope 的 total 是否为总条数）",
                f"the source claims {total} rows, {self._seen} have come (if that is always so, check whether total in "
                "the source file's envelope is the number of all rows)",
                number,
            )
        if not self.ended and (self._last == 0 or self._last != self._size):
            zh, en = "", ""
            if total - self._seen == self._size:
                zh = "；正好少一页，若平台页码从 0 开始，请在来源文件中写 request.first_page: 0"
                en = "; just one page is missing: if the platform counts its pages from 0, write request.first_page: 0"
            raise InconsistentListing(
                f"声明共 {total} 条，本页 {self._last} 条（首页 {self._size} 条），累计 {self._seen} 条{zh}",
                f"the source claims {total} rows; this page has {self._last}, the first {self._size}, "
                f"{self._seen} have come{en}",
                number,
            )


def _whatever_order(rows: tuple[int, ...]) -> int:
    """The same for the same rows: a platform that sorts by nothing sends a page again in another order."""
    return hash(tuple(sorted(rows)))


def _hashes(page: Page) -> tuple[int, ...]:
    """One of each row, whatever the order of its keys: 64 bits that hold within this process."""
    readers: dict[tuple[str, ...], tuple[int, Callable[[Any], Any]]] = {}
    found = []
    for row in page.rows:
        keys = tuple(row)
        reader = readers.get(keys)
        if reader is None:
            ordered = tuple(sorted(keys))
            reader = readers[keys] = hash(ordered), itemgetter(*ordered) if ordered else lambda row: None
        labels, values = reader
        found.append(hash((labels, values(row))))
    return tuple(found)
