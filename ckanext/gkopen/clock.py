"""Times are told in Asia/Shanghai, whatever zone the database or the machine has."""

from __future__ import annotations

from datetime import date, datetime
from typing import overload
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


@overload
def told(at: datetime) -> str: ...
@overload
def told(at: None) -> None: ...
def told(at: datetime | None) -> str | None:
    """ISO 8601 with the offset of Shanghai, to the second."""
    return at.astimezone(SHANGHAI).isoformat(timespec="seconds") if at is not None else None


def today() -> date:
    return datetime.now(SHANGHAI).date()
