"""What platforms wrap rows in, and how an answer is decoded without losing a digit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import BadAnswer, RateLimited, SourceRefused

# Keys of `envelope: {paths: …}`; paths are dotted (data.list). Those in LIST_KEYS take one code or several.
PATH_KEYS = ("rows", "total", "code", "ok", "message", "refused", "limited")
LIST_KEYS = ("ok", "refused", "limited")


@dataclass(frozen=True)
class Envelope:
    """`ok`, `refused` (secret, signature, service) and `limited` (rate) are values of the code."""

    rows: str
    total: str | None = None
    code: str | None = None
    ok: tuple[str, ...] = ()
    message: str | None = None
    refused: tuple[str, ...] = ()
    limited: tuple[str, ...] = ()


PRESETS: dict[str, Envelope] = {
    "national": Envelope("data.list", "data.total", "code", ("0", "200"), "message", ("401", "403", "404"), ("429",)),
    "zhejiang": Envelope("datas", "totalDataCount", "code", ("00",), "msg", ("01", "02", "03", "04", "05"), ("06",)),
    "header": Envelope("data.rows", "data.total", "code", ("0",), "message", ("401", "403", "404"), ("429",)),
    "bearer": Envelope("data", "totalrecords", "errcode", ("0",), "result", ("401", "403", "404"), ("429",)),
}


def make_envelope(value: str | Mapping[str, Any]) -> Envelope:
    """The envelope that `envelope:` of a source file describes; the value is checked there."""
    return PRESETS[value] if isinstance(value, str) else Envelope(**value["paths"])
