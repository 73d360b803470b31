"""The one door out: only code that runs inside `door()` may write CKAN packages, resources or the DataStore.

The permission is a context variable, not a key of the action's context: core copies some contexts and rebuilds others
(`fresh_context`), and no HTTP request can set it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_open: ContextVar[bool] = ContextVar("gkopen_publisher", default=False)


@contextmanager
def door() -> Iterator[None]:
    """Let the publisher through for the length of a block, and nobody else."""
    token = _open.set(True)
    try:
        yield
    finally:
        _open.reset(token)


def is_open() -> bool:
    return _open.get()
