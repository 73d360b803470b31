"""Addresses as people type them."""

import re
from typing import Any

from gunicorn.http import message


def take_typed_addresses() -> None:
    """Let this process's gunicorn take Chinese in an address that is not percent-encoded.

    `curl "…&q=公路"` and many scripts send the characters as they are. nginx passes them on and WSGI has a place
    for them, but gunicorn 27 answers 400 to every byte above 0x7F, with no setting for it. Blanks and controls stay
    refused.
    """
    parser: Any = message
    parser.RFC9112_TARGET_INVALID = re.compile(r"[^\x21-\x7e\x80-\xff]")
