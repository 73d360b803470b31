"""Cursors: places in a list as a text that an answer gives and the next request brings back. Anyone may send anything
as one, so that reading is strict: what is no JSON, too deep, or holds what a database's texts cannot, is refused."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def write(values: Any) -> str:
    """`values`: lists, texts and numbers."""
    return base64.urlsafe_b64encode(json.dumps(values, ensure_ascii=False).encode()).decode()


def read(text: str) -> Any:
    """What `write` was given. Raises ValueError."""
    try:
        plain = base64.urlsafe_b64decode(text.encode()).decode()
        values = json.loads(plain)
        json.dumps(values, ensure_ascii=False).encode()    # half of a surrogate pair is no character
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if NUL.search(plain):
        raise ValueError("NUL")
    return values
