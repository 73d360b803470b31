"""Columns and rows of a sheet that Excel does not show: they are read as the others are, and the officer is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.normalise.raw import MAX_COLUMNS
from ckanext.gkopen.records import Finding

_COLUMN, _ROW = (re.compile(rb"<(?:\w{1,20}:)?%s ([^<>]{1,400})>" % tag) for tag in (b"col", b"row"))
_HIDDEN = re.compile(rb'\bhidden="(?:1|true)"')
_MIN, _MAX, _R = (re.compile(rb'\b%s="(\d{1,7})"' % name) for name in (b"min", b"max", b"r"))
_NAMED = 5


@dataclass(slots=True)
class Hidden:
    """Numbers from 1 of columns and rows."""

    columns: set[int] = field(default_factory=set)
    rows: set[int] = field(default_factory=set)


def find_hidden(xml: bytes, found: Hidden) -> None:
    """Adds what a piece of a sheet's XML hides."""
    if b"hidden=" not in xml:
        return
    for tag in filter(_HIDDEN.search, _COLUMN.findall(xml)):
        first, last = _MIN.search(tag), _MAX.search(tag)
        if first and last:  # none beyond is read; a file may name all columns in each of a million tags
            found.columns.update(range(int(first[1]), min(int(last[1]), MAX_COLUMNS) + 1))
    for tag in filter(_HIDDEN.search, _ROW.findall(xml)):
        if row := _R.search(tag):
            found.rows.add(int(row[1]))


def say_hidden(hidden: Hidden, sheet: str, width: int, height: int) -> Iterator[Finding]:
    """Of what lies within the cells that are filled."""
    columns = sorted(column for column in hidden.columns if column <= width)
    rows = sorted(row for row in hidden.rows if row <= height)
    if columns:
        yield Finding("column-hidden", severity_of("column-hidden"), sheet=sheet,
                      params={"columns": [_letters(column) for column in columns[:_NAMED]], "count": len(columns)})
    if rows:
        yield Finding("row-hidden", severity_of("row-hidden"), sheet=sheet,
                      params={"lines": rows[:_NAMED], "count": len(rows)})


def _letters(column: int) -> str:
    """1 is A, 27 is AA."""
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
