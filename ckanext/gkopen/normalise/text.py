"""CSV and TSV → rows of text with their line numbers.

A clean file goes through Arrow's parser; one with ragged lines, damaged quotes or blank lines inside quoted text
through Python's, which says where each row begins. Both give the same rows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from .encoding import to_utf8
from .raw import MAX_COLUMNS, MAX_TEXT_BYTES, PREVIEW_ROWS, Body, Collector, Sheet, Source, refuse

_DELIMITERS = (",", "\t", ";", "|", "，")
_LONGEST_RECORD = 1_000
"""Lines of one quoted cell beyond which its quote counts as never closed."""
_BLOCK = 1 << 18
"""Bytes that are looked at together: masks of so many stay in the processor's cache."""
csv.field_size_limit(16 << 20)


def open_text(path: Path) -> Source:
    """Raises Unreadable for a file that is too large, of no known encoding, or has more columns than a table has."""
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise refuse("file-too-large", size=path.stat().st_size, limit=MAX_TEXT_BYTES)
    buffer, encoding = to_utf8(path)
    view = np.frombuffer(buffer, np.uint8) if buffer.size else np.empty(0, np.uint8)
    head = buffer.slice(0, min(buffer.size, 1 << 20)).to_pybytes()
    if head.count(b"\r") - head.count(b"\r\n") > head.count(b"\n"):  # line ends of old Macs
        buffer = pa.py_buffer(buffer.to_pybytes().replace(b"\r", b"\n"))
        view = np.frombuffer(buffer, np.uint8)
        head = buffer.slice(0, min(buffer.size, 1 << 20)).to_pybytes()
    longest = max(head.split(b"\n"), key=len, default=b"")
    if len(longest) >= 1 << 20 or max(longest.count(sign) for sign in b",\t;|") > 4 * MAX_COLUMNS:
        raise refuse("too-many-columns", limit=MAX_COLUMNS)
    delimiter = _delimiter(head.decode("utf-8", "ignore"))
    preview = [(line, cells) for line, cells, ok in _head(head, delimiter) if ok]
    widest = max((len(cells) for _, cells in preview), default=0)
    if widest > MAX_COLUMNS:
        raise refuse("too-many-columns", columns=widest, limit=MAX_COLUMNS)

    def load(skip: int, width: int) -> Body:
        first_line = preview[skip][0] if skip < len(preview) else None
        if first_line is None:
            return Collector(width).finish()
        body = _fast(buffer, view, delimiter, first_line, width)
        return body if body is not None else _slow(buffer, delimiter, first_line, width)

    return Source([Sheet(preview, load)], encoding)


def _delimiter(text: str) -> str:
    """The sign that cuts most of the first lines into the same number of cells."""
    lines = [line for line in text.splitlines()[:PREVIEW_ROWS] if line.strip()]
    best, best_score = ",", (0, 0)
    for sign in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=sign)]
        except csv.Error:
            continue
        common = max(set(widths), key=lambda w: (widths.count(w) if w > 1 else 0, w), default=1)
        score = (widths.count(common), common) if common > 1 else (0, 0)
        if score > best_score:
            best, best_score = sign, score
    return best


def _head(head: bytes, delimiter: str) -> Iterator[tuple[int, list[str], bool]]:
    text = head.decode("utf-8", "ignore")
    for count, item in enumerate(_records(io.StringIO(text, newline=""), delimiter)):
        if count >= PREVIEW_ROWS:
            return
        yield item


def _records(lines: Iterator[str] | io.TextIOBase, delimiter: str) -> Iterator[tuple[int, list[str], bool]]:
    """(line, cells, quoting intact). A record with damaged quotes is its first line alone; the next line follows."""
    pending: list[str] = []
    record: list[str] = []

    def feed() -> Iterator[str]:
        while True:
            if pending:
                line = pending.pop(0)
            else:
                line = next(iter(lines), "")
                if not line:
                    return
            record.append(line)
            if len(record) > _LONGEST_RECORD:
                raise csv.Error("quote never closed")
            yield line

    number = 1
    while True:
        reader = csv.reader(feed(), delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                used, record[:] = len(record), []
                if cells:
                    yield number, cells, True
                number += used
            if not record:
                return
        except csv.Error:
            broken, rest = record[0], record[1:]
            record.clear()
            pending[:0] = rest
            yield number, [broken.rstrip("\r\n")], False
            number += 1


def _slow(buffer: pa.Buffer, delimiter: str, first_line: int, width: int) -> Body:
    stream = io.TextIOWrapper(io.BufferedReader(_raw(buffer)), "utf-8", newline="")
    collector = Collector(width)
    for line, cells, intact in _records(stream, delimiter):
        if line < first_line or not any(cell.strip() for cell in cells):
            continue
        if not intact:
            collector.body.broken.add(collector.count)
        collector.add(line, cells)
    return collector.finish()


def _raw(buffer: pa.Buffer) -> io.RawIOBase:
    return pa.BufferReader(buffer)


def _fast(buffer: pa.Buffer, view: np.ndarray, delimiter: str, first_line: int, width: int) -> Body | None:
    """Arrow's parser, or None where a row could be cut otherwise than Python's strict reader would."""
    if len(delimiter.encode()) > 1:
        return None
    ends = _positions(view, ord("\n"))
    start = int(ends[first_line - 2]) + 1 if first_line > 1 else 0
    quoted = _quoted(view[start:], ord(delimiter))  # a header in quotes makes no quoted table
    if quoted is None:
        return None
    table = _parsed(buffer.slice(start), delimiter, width, False)
    if quoted and (table is None or table.num_rows != len(ends) + (view[-1] != ord("\n")) - first_line + 1):
        table = _parsed(buffer.slice(start), delimiter, width, True)  # rows of several lines: slower
    if table is None:
        return None
    lines = _line_numbers(table, view, ends, first_line, quoted)
    return None if lines is None else Body(table.columns, lines)


def _parsed(text: pa.Buffer, delimiter: str, width: int, several_lines: bool) -> pa.Table | None:
    """Arrow's table of text columns; None for rows of another width. `several_lines`: a cell may hold a line end."""
    names = [f"c{index}" for index in range(width)]
    try:
        return pacsv.read_csv(
            pa.BufferReader(text),
            read_options=pacsv.ReadOptions(column_names=names, block_size=4 << 20),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=several_lines),
            convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()),
                                                 strings_can_be_null=False, check_utf8=False),  # it was, as a whole
        )
    except pa.ArrowInvalid:
        return None


def _positions(view: np.ndarray, byte: int) -> np.ndarray:
    """Where a byte stands."""
    found = [np.flatnonzero(view[s:s + _BLOCK] == byte) + s for s in range(0, view.size, _BLOCK)]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _quoted(view: np.ndarray, delimiter: int) -> bool | None:
    """Has the text quotes? None where one neither opens a cell, nor closes one, nor is doubled: parsers may differ."""
    count = 0
    for start in range(0, view.size, _BLOCK):
        cells = view[max(start - 1, 0):start + _BLOCK + 1]  # with the neighbours of the first and the last byte
        quotes = cells == ord('"')
        if not quotes.any():
            continue
        edge = quotes | (cells == delimiter) | (cells == ord("\n"))
        if b"\r" in cells.tobytes():
            edge |= cells == ord("\r")
        if (quotes[1:-1] > (edge[:-2] | edge[2:])).any():
            return None
        inner = quotes[min(start, 1):]
        count += int(np.count_nonzero(inner[:_BLOCK]))
    return None if count % 2 else count > 0


def _line_numbers(table: pa.Table, view: np.ndarray, ends: np.ndarray, first_line: int,
                  quoted: bool) -> np.ndarray | None:
    total = len(ends) + (1 if view.size and view[-1] != ord("\n") else 0)
    rows = table.num_rows
    if total - first_line + 1 == rows:
        return np.arange(first_line, first_line + rows, dtype=np.int32)
    if quoted:
        inside = np.zeros(rows, np.int32)
        for column in table.columns:
            inside += pc.count_substring(column, "\n").to_numpy().astype(np.int32)
        if total - first_line + 1 != rows + int(inside.sum()):
            return None
        return (first_line + np.arange(rows) + np.concatenate([[0], np.cumsum(inside)[:-1]])).astype(np.int32)
    bounds = np.concatenate([[-1], ends, [view.size]] if total > len(ends) else [[-1], ends])
    length = np.diff(bounds) - 1
    blank = (length == 0) | ((length == 1) & (view[np.minimum(bounds[:-1] + 1, view.size - 1)] == ord("\r")))
    lines = np.flatnonzero(~blank) + 1
    lines = lines[lines >= first_line].astype(np.int32)
    return lines if len(lines) == rows else None
