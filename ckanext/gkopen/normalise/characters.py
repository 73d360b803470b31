"""What JSON can say and no text can hold: half of a character beyond U+FFFF, and NUL, which no database keeps."""

from __future__ import annotations

import re

_BROKEN = re.compile(r"[\x00\ud800-\udfff]")
_ESCAPED = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
"""How JSON writes one of them, or the half of a whole character."""


def may_be_broken(raw: bytes | memoryview) -> bool:
    """Whether JSON text may hold such characters: a look that costs nothing where it does not."""
    return _ESCAPED.search(raw) is not None


def is_broken(text: str) -> bool:
    return _BROKEN.search(text) is not None


def visible(text: str) -> str:
    """The text with these characters written out as their escapes (\\ud83d), so that it can be stored and shown."""
    return _BROKEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text) if is_broken(text) else text
