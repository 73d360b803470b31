"""Texts in two languages and lists of codes, as a domain's file names them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Text:
    """A text in Chinese and English."""

    zh: str
    en: str

    def __str__(self) -> str:
        return self.zh

    def get(self, lang: str | None) -> str:
        return self.en if (lang or "").lower().startswith("en") else self.zh


_NOISE = re.compile(r"[\s_·“”\"'‘’「」\u200b-\u200f\u2060\ufeff]+")
_ORDINAL = re.compile(r"^(其中:?)?(\(?[一二三四五六七八九十]+[、.)]|\(?\d{1,2}([、)]|\.(?!\d)))?")
_DASH = re.compile(r"[‐-―−－~～]+")


def fold(label: str) -> str:
    """A label without what sources vary: width, case, spaces, invisible characters, quotes, the kind of dash."""
    return _DASH.sub("-", _NOISE.sub("", unicodedata.normalize("NFKC", label).casefold()))


@dataclass(frozen=True, slots=True)
class Code:
    """One value of a code list. `extra`: the further columns of its CSV, for example ocds_tag."""

    code: str
    title: Text
    aliases: tuple[str, ...]
    extra: Mapping[str, str]

    @property
    def labels(self) -> tuple[str, ...]:
        return (self.code, self.title.zh, self.title.en, *self.aliases)


@dataclass(frozen=True)
class CodeList:
    name: str
    codes: tuple[Code, ...]

    @cached_property
    def _by_code(self) -> dict[str, Code]:
        return {code.code: code for code in self.codes}

    @cached_property
    def by_label(self) -> Mapping[str, Code]:
        """Folded label → code. A code comes before a title, a title before an alias."""
        found: dict[str, Code] = {}
        for rank in (lambda c: [c.code], lambda c: [c.title.zh, c.title.en], lambda c: c.aliases):
            for code in self.codes:
                for label in rank(code):
                    found.setdefault(fold(label), code)
        return MappingProxyType(found)

    def get(self, code: str) -> Code | None:
        return self._by_code.get(code)

    def find(self, label: str) -> Code | None:
        """The code that a source means by a label, or None: an unknown label is never guessed.

        "一、", "（二）", "1." and "其中:" before a label say where it stands in a table, not what it means.
        """
        folded = fold(label)
        return self.by_label.get(folded) or self.by_label.get(_ORDINAL.sub("", folded))
