"""The key of a row as an address: its cells behind each other, `/` between them.

Addresses cannot hold every text: `~0` is `~`, `~1` is `/` (as in RFC 6901), `~2` is an empty cell, `~3` is the dot of
`.json` or of a cell that begins with one (a client would take `..` for the folder above).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ckanext.gkopen.domains import Domain

Key = tuple[str | None, ...]


class NotAKey(ValueError):
    """Not the cells of this domain's key."""


def to_path(key: Sequence[str | None]) -> str:
    """The address below `/row/DOMAIN/`, not yet percent-encoded."""
    return "/".join(map(_written, key))


def from_path(domain: Domain, path: str) -> Key:
    """Raises NotAKey."""
    return of_cells(domain, [_read(cell) for cell in path.split("/")])


def of_cells(domain: Domain, cells: Sequence[str | None]) -> Key:
    if len(cells) != len(domain.key) or all(cell is None for cell in cells):
        raise NotAKey
    return tuple(cells)


def from_request(domain: Domain, given: Any) -> Key:
    """A key of an API request: an object field → text, a list in the order of the key, or, of one field, its text.

    An object or a list may also be given as JSON text. Raises NotAKey.
    """
    if isinstance(given, str) and given[:1] in "[{":
        with suppress(ValueError, RecursionError):  # a key may begin with a bracket
            given = json.loads(given)
    if isinstance(given, Mapping):
        if set(given) != set(domain.key):
            raise NotAKey
        given = [given[name] for name in domain.key]
    cells = given if isinstance(given, list) else [given]
    if not all(cell is None or isinstance(cell, str) for cell in cells):
        raise NotAKey
    return of_cells(domain, [cell or None for cell in cells])


def _written(cell: str | None) -> str:
    if not cell:
        return "~2"
    text = cell.replace("~", "~0").replace("/", "~1").replace(".json", "~3json")
    return "~3" + text[1:] if text.startswith(".") else text


def _read(text: str) -> str | None:
    if text == "~2":
        return None
    for written, character in (("~3", "."), ("~1", "/"), ("~0", "~")):
        text = text.replace(written, character)
    return text or None
