"""Cells of a workbook whose numbers Excel shows in percent: 0.6372 in the file is 63.72% for the officer who looks.

Each cell has a style, and the style a format: a column of a long table may hold counts and rates below each other.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection

from .formula_errors import PLACE, attributes_of, column_number

Percents = dict[int, array]
"""Column, from 0 → rows, from 0, whose number is shown in percent, in the order of the file."""

_FORMAT = re.compile(rb"<(?:\w{1,20}:)?numFmt ([^<]{1,2000})")
_STYLES = re.compile(rb"<(?:\w{1,20}:)?cellXfs[ >](.*?)</(?:\w{1,20}:)?cellXfs>", re.S)
_STYLE = re.compile(rb"<(?:\w{1,20}:)?xf((?: [^<>]{0,2000})?)>")
_LITERAL = re.compile(r'"[^"]*"|[\\_*].')
"""What a format prints as it stands: 0.0"%" multiplies nothing."""
_CELL = rb"<(?:\w{1,20}:)?c (?=[^<>]{0,300}?\bs=\"(%s)\")([^<>]{1,400})>"
_BUILT_IN = {9, 10}
_MANY = 64
"""Styles of which an expression may still name each."""


def percent_styles(xml: bytes) -> frozenset[bytes]:
    """Numbers of the styles of cells (`s`) that show percent, from xl/styles.xml."""
    shown = set(_BUILT_IN)
    for tag in _FORMAT.findall(xml):
        said = attributes_of(tag)
        if said.get("numFmtId", "").isdigit():
            change = shown.add if "%" in _LITERAL.sub("", said.get("formatCode", "")) else shown.discard
            change(int(said["numFmtId"]))
    styles = _STYLES.search(xml)
    formats = [attributes_of(tag).get("numFmtId", "") for tag in (_STYLE.findall(styles[1]) if styles else ())]
    return frozenset(str(place).encode() for place, name in enumerate(formats) if name.isdigit() and int(name) in shown)


def find_percents(xml: bytes, styles: Collection[bytes], found: Percents) -> None:
    """Adds the cells of these styles in a piece of a sheet's XML."""
    if not styles:
        return
    named = rb"\d{1,6}" if len(styles) > _MANY else b"|".join(sorted(styles))
    for style, tag in re.findall(_CELL % named, xml):
        place = PLACE.search(tag) if style in styles else None
        if place is not None:
            found.setdefault(column_number(place[1]) - 1, array("L")).append(int(place[2]) - 1)


def shown_in_percent(found: Percents, rows: int) -> dict[int, bytearray]:
    """Column → for each of the first `rows` rows whether its number is shown in percent."""
    masks = {column: bytearray(rows) for column in found}
    for column, places in found.items():
        for row in places:
            if 0 <= row < rows:
                masks[column][row] = 1
    return masks
