"""Lists with a cursor: the place after the last row that was given, so that pages neither repeat nor skip rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from ckan.plugins import toolkit

from ckanext.gkopen import cursors, model

MOST = 1000


def listed(data_dict: dict[str, Any], sql: str, place: Mapping[str, Callable[[str], Any]],
           show: Callable[[dict[str, Any]], dict[str, Any]], *, default: int = 50, **params: Any) -> dict[str, Any]:
    """One page of what `sql` asks for: `{results, cursor}`, each row as `show` makes it.

    `place`: the columns by which the rows are in order → how a value is read back from a cursor. `sql` takes
    `:limit` and, a column each, `:after_<column>`, which are null on the first page. Raises ValidationError.
    """
    wanted, start = limit(data_dict, default), _after(data_dict, place)
    rows = model.every(sql, limit=wanted + 1, **start, **params)
    cursor = None
    if len(rows) > wanted:
        cursor = cursors.write([str(rows[wanted - 1][name]) for name in place])
    return {"results": [show(row) for row in rows[:wanted]], "cursor": cursor}


def limit(data_dict: dict[str, Any], default: int) -> int:
    """The wished number of rows, 1 to 1000. Raises ValidationError."""
    try:
        wished = int(data_dict.get("limit", default))
    except (TypeError, ValueError, OverflowError):
        wished = 0
    if not 1 <= wished <= MOST:
        said = toolkit._("limit is a whole number from 1 to {most}.").format(most=MOST)
        raise toolkit.ValidationError({"limit": [said]})
    return wished


def moment(text: str) -> datetime:
    """A time of a cursor: ISO 8601 with its offset."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found


def uuid(text: str) -> str:
    """An id of a cursor."""
    return str(UUID(text))


def number(text: str) -> int:
    """A number of a cursor, as large as PostgreSQL has them."""
    found = int(text)
    if not 0 <= found < 1 << 63:
        raise ValueError(text)
    return found


def _after(data_dict: dict[str, Any], place: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
    """The parameters `after_<column>`. Raises ValidationError for a cursor that we did not give."""
    text = data_dict.get("cursor")
    if not text:
        return {f"after_{name}": None for name in place}
    try:
        values = [str(value) for value in cursors.read(str(text))]
        return {f"after_{name}": read(value) for (name, read), value in zip(place.items(), values, strict=True)}
    except (ValueError, TypeError) as error:
        raise toolkit.ValidationError({"cursor": [
            toolkit._("Unknown cursor: take the one that the last answer gave.")]}) from error
