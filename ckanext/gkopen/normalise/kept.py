"""What follows from a domain alone is worked out once, however many files are read under it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ckanext.gkopen.domains import Domain

T = TypeVar("T")


def once(make: Callable[[Domain], T]) -> Callable[[Domain], T]:
    """`make`, kept with each Domain object, as a cached property of it would be (a Domain never changes)."""
    name = f"{make.__module__}.{make.__qualname__}"

    def kept(domain: Domain) -> T:
        known = vars(domain)
        if name not in known:
            known[name] = make(domain)
        return known[name]

    return kept
