"""Tables of a body as its officer sends them, for the tests of oversight."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import clock
from ckanext.gkopen.publish import outbox
from tests.people import Cast, call

HEADER = ("公告编号,公告类型,发布时间,项目编号,项目名称,采购单位,采购方式,采购类别,预算金额(万元),"
          "中标供应商,中标金额(元),计价方式,标段")


def row(number: int, *, month: int = 5, name: str = "停车场收费系统采购", day: str = "06") -> str:
    return (f"NT-2026-{number:03d},中标（成交）结果公告,2026-{month:02d}-{day} 09:00,NTCG-2026-{number:03d},"
            f"{name}{number},南通市城市管理局,公开招标,货物,84.6,南通某某科技有限公司,838000.00,金额,1")


def submit(cast: Cast, *rows: str, header: str = HEADER, user: str | None = None, filename: str = "采购公告.csv",
           **more: Any) -> dict[str, Any]:
    data = "\r\n".join((header, *rows, "")).encode()
    return call("gkopen_submission_create", user or cast.officer, domain="procurement", organization=cast.body,
                upload=FileStorage(io.BytesIO(data), filename=filename), **more)


def approve(cast: Cast, revision: str) -> None:
    digest = call("gkopen_revision_show", cast.reviewer, id=revision)["digest"]
    call("gkopen_revision_approve", cast.reviewer, id=revision, digest=digest)


def drain() -> None:
    for done in outbox.drain():
        assert done.seconds >= 0


def publish(cast: Cast, *rows: str) -> str:
    revision = submit(cast, *rows)["revision_id"]
    approve(cast, revision)
    return revision


def on_day(monkeypatch: pytest.MonkeyPatch, day: str) -> None:
    """The day that the ledger counts from."""
    monkeypatch.setattr(clock, "today", lambda: date.fromisoformat(day))


def states(found: Sequence[dict[str, Any]]) -> dict[str, str]:
    return {entry["period"]: entry["state"] for entry in found}
