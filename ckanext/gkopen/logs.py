"""What the portal writes into its logs: events as one JSON line each (a setting), and never a secret or personal data.

Every record of gkopen's loggers is cleaned when it is made, whatever handler writes it: secrets from the environment
and the settings, ID, card and phone numbers and e-mail addresses are blotted out, and of an exception only its kind
and the places in the program remain, since its text may hold the values of a row. What CKAN and gunicorn say of a
request that failed keeps its text, blotted, without the query of the address, in which keys of feeds stand.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

OURS = "ckanext.gkopen"
OF_REQUESTS = ("ckan", "gunicorn")
"""Loggers of others, and those below them, that tell of requests."""
BLOT = "***"
SHORTEST_SECRET = 6
ENDS = 20
"""Places in the program that an error's log has of its beginning, and of its end."""
_SECRET_NAME = re.compile(r"secret|password|passwd|token|beaker|\bkey\b|_url$", re.IGNORECASE)
_PERSONAL = re.compile(
    r"(?<![0-9A-Za-z-])(?:[1-8]\d{14}|[1-8]\d{16}[\dXx]|\d{16,19})(?![0-9A-Za-z])"      # ID and card numbers
    r"|(?<![0-9A-Za-z-])(?:\+?86)?1[3-9]\d{9}(?![0-9A-Za-z])"                           # mobile numbers
    r"|[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+")
_QUERY = re.compile(r"(?<=[ '\"])(/[^\s?'\"]*)\?[^\s'\"]+")
_URL_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]+(?=@)")

events = logging.getLogger(f"{OURS}.events")


def event(name: str, **fields: Any) -> None:
    """One thing that happened: `run.finished`, `source.failing`; ids, names, numbers and durations, never data."""
    said = " ".join(f"{key}={value}" for key, value in fields.items() if value is not None)
    events.info("%s %s", name, said, extra={"event": name, "fields": fields})


def clean(text: str) -> str:
    """A text without secrets and personal data."""
    for secret in _secrets():
        text = text.replace(secret, BLOT)
    return _PERSONAL.sub(BLOT, _URL_PASSWORD.sub(rf"\1{BLOT}", text))


_settings: Mapping[str, Any] = {}


@cache
def _secrets() -> tuple[str, ...]:
    """Longest first, so that one that is part of another leaves nothing behind. Addresses are not secret themselves."""
    found = {str(value) for source in (os.environ, _settings) for name, value in source.items()
             if _SECRET_NAME.search(str(name)) and not str(name).lower().endswith("_url")}
    return tuple(sorted((each for each in found if len(each) >= SHORTEST_SECRET), key=len, reverse=True))


class JsonLines(logging.Formatter):
    """`{"at", "level", "event" or "message", …fields}` on one line, Chinese as it is."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
                                "level": record.levelname.lower(), "logger": record.name}
        name = getattr(record, "event", None)
        if name:
            line |= {"event": name, **{key: value for key, value in getattr(record, "fields", {}).items()
                                       if value is not None}}
        else:
            line["message"] = record.getMessage()
        if record.exc_text:
            line["exception"] = record.exc_text
        return clean(json.dumps(line, ensure_ascii=False, default=str))


def configure(settings: Mapping[str, Any], *, as_json: bool) -> None:
    """Once a process: clean all records of ours, and write them as JSON lines to standard error if it is wished."""
    global _settings  # noqa: PLW0603 one process serves one site
    _settings = dict(settings)
    _secrets.cache_clear()
    factory = logging.getLogRecordFactory()
    if not hasattr(factory, "cleans"):
        logging.setLogRecordFactory(_cleaning(factory))
    logger = logging.getLogger(OURS)
    for handler in [each for each in logger.handlers if isinstance(each.formatter, JsonLines)]:
        logger.removeHandler(handler)
    if as_json:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    logger.propagate = not as_json


def _cleaning(factory: Any) -> Any:
    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = factory(*args, **kwargs)
        ours = record.name == OURS or record.name.startswith(f"{OURS}.")
        if ours or record.name.partition(".")[0] in OF_REQUESTS:
            try:
                record.msg, record.args = clean(record.getMessage()), ()
            except (TypeError, ValueError):               # a message that does not fit its arguments is a message too
                record.msg, record.args = clean(str(record.msg)), ()
            if not ours:
                record.msg = _QUERY.sub(r"\1?…", record.msg)
            if record.exc_info and record.exc_info[0] is not None:
                record.exc_text = _places(record.exc_info[1]) if ours else clean(
                    "".join(traceback.format_exception(*record.exc_info)).rstrip())
        return record

    make.cleans = True
    return make


def _places(error: BaseException | None) -> str:
    """Kinds of an exception and its causes, with the lines of the program; their texts are left out."""
    lines = []
    while error is not None:
        lines.append(f"{type(error).__module__}.{type(error).__name__}")
        places = [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(
            error.__traceback__)]
        middle = places[ENDS:-ENDS]                        # what calls itself without end names one a thousand times
        lines += [*places[:ENDS], f"  … {len(middle)} more places", *places[-ENDS:]] if middle else places
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(lines)
