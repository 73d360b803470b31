"""Values of JSON documents from canonical text: money with its own digits, days and times with their zone.

Nothing passes through a float: an amount is a Decimal, and `dumps` writes its digits as they stand.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

Row = Mapping[str, "str | None"]
"""Field name → canonical text; None where the cell is empty."""
Object = dict[str, Any]

ZONE = "+08:00"
_URL = re.compile(r"^https?://[^\s/]+", re.IGNORECASE)


class Exact(Decimal):
    """A Decimal that is never written with an exponent."""

    def __str__(self) -> str:
        return format(self, "f")


def money(text: str | None) -> Object | None:
    """An amount of yuan as OCDS and OC4IDS write it, or None."""
    return {"amount": Exact(text), "currency": "CNY"} if text else None


def moment(text: str | None) -> str | None:
    """`2024-05-13 09:30:00` or `2024-05-13` → RFC 3339 with Shanghai's zone."""
    if not text:
        return None
    day, _, clock = text.replace("T", " ").partition(" ")
    return f"{day}T{clock or '00:00:00'}{ZONE}"


def address(text: str | None) -> str | None:
    """A web address as a URI: what is not ASCII is percent-encoded. None where the text is no web address."""
    return quote(text, safe="%/:=&?~#+!$,;'@()*[]") if text and _URL.match(text) else None


def digest(*texts: str | None, length: int = 16) -> str:
    return hashlib.sha256("\x1f".join(text or "" for text in texts).encode()).hexdigest()[:length]


def filled(**fields: Any) -> Object:
    """An object of the fields that hold something."""
    return {name: value for name, value in fields.items() if value is not None and value != [] and value != {}}


def _digits(value: Any) -> msgspec.Raw:
    if isinstance(value, Exact):
        return msgspec.Raw(str(value).encode())
    raise TypeError(f"{type(value).__name__} is no value of a document")


_encode = msgspec.json.Encoder(enc_hook=_digits, decimal_format="number").encode


def dumps(data: Any) -> str:
    return _encode(data).decode()
