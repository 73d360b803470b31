"""A business system that pushes, for the tests of its door."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ckanext.gkopen import model
from ckanext.gkopen.push import queue
from tests.leaks.world import HEADER, row
from tests.people import Cast

ROW = dict(zip(HEADER.split(","), row(1, "停车场收费系统采购").split(","), strict=True))
DOOR = "/api/gkopen/push/procurement"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def rows(number: int, **changes: str) -> list[dict[str, str]]:
    return [{**ROW, "公告编号": f"NT-2024-{place:03d}", "项目编号": f"NTCG-2024-{place:03d}", **changes}
            for place in range(1, number + 1)]


@dataclass
class System:
    """A business system with its token."""

    web: Any
    cast: Cast
    token: str

    def push(self, body: Any, key: str = "k-1", *, address: str = DOOR, media: str = "application/json",
             token: str | None = None, **headers: str) -> Any:  # fmt: skip
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return self.web.test_client(use_cookies=False).post(address, data=data, headers=self.headers(
            key, media, token, **headers))

    def headers(self, key: str = "k-1", media: str = "application/json", token: str | None = None,
                **more: str) -> dict[str, str]:  # fmt: skip
        return {"Authorization": f"Bearer {token or self.token}", "Content-Type": media, "Idempotency-Key": key,
                **{name.replace("_", "-"): value for name, value in more.items()}}

    def ask(self, address: str, token: str | None = None) -> Any:
        return self.web.test_client(use_cookies=False).get(address, headers=self.headers(token=token))


def submissions() -> int:
    return model.value("select count(*) from gkopen.submission")


def work() -> None:
    while queue.work_one():
        pass
