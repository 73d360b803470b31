"""Cells of a workbook whose formula has no result: python-calamine shows them as empty, an officer must hear of them.

An error is a result that Excel stored; a program that writes workbooks without reckoning stores none at all.

They are read from the sheets' XML while it is inspected: `<c r="B3" t="e"><f>…</f><v>#REF!</v></c>`.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import TypeVar
from xml.sax.saxutils import unescape

Errors = dict[tuple[int, int], str]
"""(row, column), both from 0 → the error as Excel shows it."""

T = TypeVar("T")
_CELL = re.compile(rb'<c ([^>]*\bt="e"[^>]*)>\s*(?:<f[^>]*/>|<f[^>]*>[^<]*</f>)?\s*<v>([^<]*)</v>')
_BARE = re.compile(rb'<c ([^>]*)>\s*(?:<f[^>]*/>|<f[^>]*>[^<]*</f>)\s*(?:<v\s*/>|<v></v>)?\s*</c>')
_PLACE = re.compile(rb'\br="([A-Z]{1,4})(\d+)"')
_SHEET = re.compile(r"<(?:\w+:)?sheet ([^>]*)>")
_RELATION = re.compile(r"<(?:\w+:)?Relationship ([^>]*)>")
_ATTRIBUTE = re.compile(r'([\w:]+)="([^"]*)"')
NO_RESULT = "#未计算"
_ERROR = re.compile(r"^#(?:REF!|N/A|DIV/0!|VALUE!|NAME\?|NUM!|NULL!|SPILL!|CALC!)$")


def formula_errors(xml: bytes) -> Errors:
    """The cells with errors, or without any result, in a stretch of a sheet's XML."""
    found: Errors = {}
    if b"<f" in xml:
        for attributes in _BARE.findall(xml):
            place = _PLACE.search(attributes)
            if place is not None and b't="str"' not in attributes:  # an empty text is a result
                found[int(place[2]) - 1, column_number(place[1]) - 1] = NO_RESULT
    if b't="e"' not in xml:
        return found
    for attributes, value in _CELL.findall(xml):
        place = _PLACE.search(attributes)
        if place is not None:
            found[int(place[2]) - 1, column_number(place[1]) - 1] = value.decode("utf-8", "replace")
    return found


def column_number(letters: bytes) -> int:
    """A is 1, AA is 27."""
    number = 0
    for letter in letters[:4]:
        number = number * 26 + letter - 64
    return number


def by_sheet(path: Path, parts: dict[str, T]) -> dict[str, T]:
    """Name of a sheet → what was found in it; `parts`: name of the XML part → the same, where there is any."""
    if not parts:
        return {}
    with zipfile.ZipFile(path) as archive:
        book = archive.read("xl/workbook.xml").decode("utf-8", "replace")
        links = archive.read("xl/_rels/workbook.xml.rels").decode("utf-8", "replace")
    targets = {}
    for attributes in map(_attributes, _RELATION.findall(links)):
        target = attributes.get("Target", "")
        targets[attributes.get("Id", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    sheets = map(_attributes, _SHEET.findall(book))
    return {unescape(sheet["name"], {"&quot;": '"'}): parts[part] for sheet in sheets if "name" in sheet
            for part in [targets.get(sheet.get("r:id", ""), "")] if part in parts}


def _attributes(text: str) -> dict[str, str]:
    return dict(_ATTRIBUTE.findall(text))


def is_error(text: str) -> bool:
    """A formula's error as a cell's value: #REF!, #DIV/0! …"""
    return _ERROR.match(text) is not None
