"""Atom (RFC 4287) for the feeds: elements with texts of people in them, which XML may not be able to hold."""

from __future__ import annotations

import re
from xml.etree import ElementTree

ATOM = "http://www.w3.org/2005/Atom"
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What is no character of XML 1.0: one of them in a reason would make the whole feed unreadable for everybody."""

ElementTree.register_namespace("", ATOM)


def feed() -> ElementTree.Element:
    return ElementTree.Element(f"{{{ATOM}}}feed")


def add(parent: ElementTree.Element, name: str, text: str = "", **attributes: str) -> ElementTree.Element:
    """Appends an element. Returns it."""
    made = ElementTree.SubElement(parent, f"{{{ATOM}}}{name}", {key: _held(value) for key, value in attributes.items()})
    made.text = _held(text) or None
    return made


def written(feed: ElementTree.Element) -> str:
    return ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True).decode()


def _held(text: str) -> str:
    return NO_XML.sub("\ufffd", text)
