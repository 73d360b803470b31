"""JSON → rows of text: a list of objects, one in an envelope ({"data": […]}), or JSON Lines. Numbers stay digits."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from .characters import is_broken, may_be_broken, visible
from .encoding import to_utf8
from .raw import MAX_COLUMNS, MAX_JSON_BYTES, Body, Collector, Sheet, Source, refuse

_FEW_BYTES = 1 << 18
"""Up to so many bytes all objects at once are no matter."""


class _Nested(str):
    """Stands for an object inside a cell; its text is kept for the quarantine."""


class _Twice(dict):
    """An object that names one key twice."""


def open_json(path: Path) -> Source:
    """Line numbers are lines for JSON Lines and record numbers (from 1) for a list; a note says so."""
    if path.stat().st_size > MAX_JSON_BYTES:
        raise refuse("file-too-large", size=path.stat().st_size, limit=MAX_JSON_BYTES)
    buffer, encoding = to_utf8(path)
    suspect = may_be_broken(memoryview(buffer))
    notes: list[str] = []
    records: Callable[[], Iterable[tuple[int, Any]]]
    if _is_lines(buffer):
        records = partial(_json_lines, buffer)  # parsed twice: all objects at once take ten times the text's memory
        if buffer.size <= _FEW_BYTES:
            records = partial(iter, list(records()))
    else:
        whole = list(enumerate(_rows_of(_parse(buffer.to_pybytes().decode("utf-8"), None)), 1))
        records = partial(iter, whole)
        notes.append("JSON: line numbers are record numbers, from 1")
    labels: dict[str, object] = {}
    for line, record in records():
        if not isinstance(record, dict):
            raise refuse("json-shape", line=line)
        labels.update(record)
        if len(labels) > MAX_COLUMNS:
            raise refuse("too-many-columns", limit=MAX_COLUMNS)
    header = list(labels)
    if suspect and (wrong := next(filter(is_broken, header), None)) is not None:
        raise refuse("label-broken", label=visible(wrong))

    def load(skip: int, width: int) -> Body:
        collector = Collector(width)
        for line, record in records():
            row = collector.count
            cells = list(map(record.get, header))
            if isinstance(record, _Twice):
                collector.body.twice.add(row)
            for place, cell in enumerate(cells):
                if type(cell) is not str:
                    cells[place] = _text(cell)
                    if isinstance(cells[place], _Nested):
                        collector.body.nested[row] = header[place]
            if suspect and any(map(is_broken, cells)):
                collector.body.characters.add(row)
                cells = list(map(visible, cells))
            collector.add(line, cells)
        return collector.finish()

    return Source([Sheet([(0, header)] if header else [], load, labelled=True)], encoding, notes=notes)


def _lines(buffer: pa.Buffer) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank, one at a time. Only \\n ends a line."""
    if buffer.size <= _FEW_BYTES:
        for number, text in enumerate(buffer.to_pybytes().decode("utf-8").split("\n"), 1):
            if text.strip():
                yield number, text
        return
    with io.BufferedReader(pa.BufferReader(buffer)) as file:
        for number, line in enumerate(file, 1):
            text = line.decode("utf-8").removesuffix("\n")
            if text.strip():
                yield number, text


def _is_lines(buffer: pa.Buffer) -> bool:
    """JSON Lines: the first line that is not blank is a whole object, and it is not the only value in the file."""
    first, *others = [text.strip() for _, text in islice(_lines(buffer), 2)] or [""]
    if not (first.startswith("{") and first.endswith("}")):
        return False
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return bool(others) or not any(isinstance(value, list | dict) for value in record.values())


def _json_lines(buffer: pa.Buffer) -> Iterator[tuple[int, Any]]:
    for number, line in _lines(buffer):
        yield number, _parse(line, number)


def _reason(said: str) -> dict[str, str]:
    """Why a text is no JSON: the parser says it in English only."""
    return {"zh": "语法不对", "en": said}


def _parse(text: str, line: int | None) -> Any:
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise refuse("json-broken", line=line, reason={"zh": "嵌套过深", "en": "nested too deeply"}) from None
    except json.JSONDecodeError as error:
        raise refuse("json-broken", line=line or error.lineno, reason=_reason(error.msg)) from None
    except ValueError as error:
        raise refuse("json-broken", line=line, reason=_reason(str(error)[:200])) from None


def _no_constant(name: str) -> str:
    raise ValueError(f"{name} is not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    return record if len(record) == len(pairs) else _Twice(record)


_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_no_constant, object_pairs_hook=_object)


def _rows_of(value: Any) -> list[Any]:
    """The one list of objects in a document: itself, or below one or two levels of envelope."""
    if isinstance(value, list):
        return value
    found: list[list[Any]] = []
    if isinstance(value, dict):
        if any(isinstance(level, _Twice) for level in (value, *value.values())):
            reason = {"zh": "最外层有一个键出现两次，只能读到其中一个", "en": "a key stands twice in the envelope"}
            raise refuse("json-broken", line=1, reason=reason)
        for inner in value.values():
            levels = inner.values() if isinstance(inner, dict) else [inner]
            found += [v for v in levels if isinstance(v, list) and all(isinstance(item, dict) for item in v)]
    if len(found) != 1:
        raise refuse("json-shape", line=1)
    return found[0]


def _text(value: Any) -> str:
    """A value that is no text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(item, str | None) for item in value):
        return ";".join(item or "" for item in value)
    try:
        return _Nested(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return _Nested("…")
