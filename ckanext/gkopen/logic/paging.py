"""Lists with a cursor: the place after the last row that was given, so that pages neither repeat nor skip rows."""

from __future__ import annotations

import base64
import json
from typing import Any

from ckan.plugins import toolkit

MOST = 1000


def limit(data_dict: dict[str, Any], default: int = 50) -> int:
    """The wished page size, 1 to 1000. Raises ValidationError."""
    try:
        wished = int(data_dict.get("limit", default))
    except (TypeError, ValueError):
        wished = 0
    if not 1 <= wished <= MOST:
        said = toolkit._("limit is a whole number from 1 to {most}.").format(most=MOST)
        raise toolkit.ValidationError({"limit": [said]})
    return wished


def after(data_dict: dict[str, Any], length: int) -> list[Any] | None:
    """The values of the cursor, or None at the start. Raises ValidationError for one that we did not give."""
    text = data_dict.get("cursor")
    if not text:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(str(text).encode()))
        if isinstance(values, list) and len(values) == length:
            return values
    except ValueError:
        pass
    raise toolkit.ValidationError({"cursor": [toolkit._("Unknown cursor: take the one that the last answer gave.")]})


def answer(rows: list[dict[str, Any]], wanted: int, key: tuple[str, ...], **more: Any) -> dict[str, Any]:
    """`rows` holds one row more than wanted when there is a next page; `key` names the columns of the cursor."""
    page = rows[:wanted]
    cursor = None
    if len(rows) > wanted:
        values = json.dumps([str(page[-1][name]) for name in key]).encode()
        cursor = base64.urlsafe_b64encode(values).decode()
    return {"results": page, "cursor": cursor, **more}
