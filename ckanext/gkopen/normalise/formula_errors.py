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
_F, _V, _BLANK = rb"<(?:\w{1,20}:)?f", rb"<(?:\w{1,20}:)?v", rb"\s{0,20}"
_FORMULA = rb"(?:" + _F + rb"[^<>]*/>|" + _F + rb"[^<>]*>[^<]*</[\w:]{1,22}>)"
_CELL = re.compile(rb'<(?:\w{1,20}:)?c ([^<>]{0,200}\bt="e"[^<>]{0,200})>' + _BLANK + _FORMULA + rb"?" + _BLANK + _V +
                   rb">([^<]*)</[\w:]{1,22}>")
_BARE = re.compile(rb"<(?:\w{1,20}:)?c ([^<>]{0,400})>" + _BLANK + _FORMULA + _BLANK + rb"(?:" + _V + _BLANK + rb"/>|" +
                   _V + rb"></[\w:]{1,22}>)?" + _BLANK + rb"</(?:\w{1,20}:)?c>")
"""No tag goes on beyond the next <, and no blanks without end: a file that is made to take long takes no longer."""
PLACE = re.compile(rb'\br="([A-Z]{1,4})(\d{1,7})"')
_BOOK = re.compile(r"xl/workbook\d*\.xml")
_SHEET = re.compile(rb"<(?:\w{1,20}:)?sheet ([^<]{1,2000})>")
_RELATION = re.compile(rb"<(?:\w{1,20}:)?Relationship ([^<]{1,2000})>")
_ATTRIBUTE = re.compile(r'([\w:]+)="([^"]*)"')
NO_RESULT = "#未计算"
_ERROR = re.compile(r"^#(?:REF!|N/A|DIV/0!|VALUE!|NAME\?|NUM!|NULL!|SPILL!|CALC!)$")


def formula_errors(xml: bytes) -> Errors:
    """The cells with errors, or without any result, in a stretch of a sheet's XML."""
    found: Errors = {}
    if b"<f" in xml or b":f" in xml:
        for attributes in _BARE.findall(xml):
            place = PLACE.search(attributes)
            if place is not None and b't="str"' not in attributes:  # an empty text is a result
                found[int(place[2]) - 1, column_number(place[1]) - 1] = NO_RESULT
    if b't="e"' not in xml:
        return found
    for attributes, value in _CELL.findall(xml):
        place = PLACE.search(attributes)
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
        book = next((name for name in archive.namelist() if _BOOK.fullmatch(name)), None)
        links = book and re.sub(r"(workbook\d*\.xml)$", r"_rels/\1.rels", book)
        if book is None or links not in archive.namelist():
            return {}
        sheets, relations = archive.read(book), archive.read(links)
    targets = {}
    for attributes in map(attributes_of, _RELATION.findall(relations)):
        target = attributes.get("Target", "")
        targets[attributes.get("Id", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    found = {}
    for sheet in map(attributes_of, _SHEET.findall(sheets)):
        link = next((value for name, value in sheet.items() if name.endswith(":id")), "")
        if "name" in sheet and targets.get(link) in parts:
            found[sheet["name"]] = parts[targets[link]]
    return found


def attributes_of(tag: bytes) -> dict[str, str]:
    """Name → value, of what stands between the brackets of a tag."""
    found = _ATTRIBUTE.findall(tag.decode("utf-8", "replace"))
    return {name: unescape(value, {"&quot;": '"'}) for name, value in found}


def is_error(text: str) -> bool:
    """A formula's error as a cell's value: #REF!, #DIV/0! …"""
    return _ERROR.match(text) is not None
