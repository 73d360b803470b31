"""The code lists of the disclosure metadata: schemas/codes/meta_*.csv.

Columns: code, zh, en, aliases (separated by |), then what else a list carries (article, theme, frequency ...).
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

LISTS = files("ckanext.gkopen.schemas") / "codes"


@dataclass(frozen=True, slots=True)
class MetaCode:
    """One code with its labels; `extra` holds the further columns of its list."""

    code: str
    zh: str
    en: str
    aliases: tuple[str, ...]
    extra: Mapping[str, str]

    @property
    def label(self) -> dict[str, str]:
        """The label as ckanext-scheming reads it: CKAN's locale → text."""
        return {"en": self.en, "zh_Hans_CN": self.zh}


@dataclass(frozen=True, slots=True)
class MetaCodeList:
    """The codes of one list in the order of its file."""

    name: str
    codes: Mapping[str, MetaCode]
    by_label: Mapping[str, MetaCode]

    def __iter__(self) -> Iterator[MetaCode]:
        return iter(self.codes.values())

    def get(self, code: str | None) -> MetaCode | None:
        return self.codes.get(code or "")

    def find(self, label: object) -> MetaCode | None:
        """The code that a label means: a code, a Chinese or English name, an alias; width and case do not matter."""
        return self.by_label.get(_fold(str(label))) if label else None


def _fold(label: str) -> str:
    return "".join(unicodedata.normalize("NFKC", label).casefold().split())


@cache
def meta_codes(name: str) -> MetaCodeList:
    """The list in schemas/codes/<name>.csv; a label that means two codes is an error of the file."""
    codes: dict[str, MetaCode] = {}
    by_label: dict[str, MetaCode] = {}
    with (LISTS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            fixed = {key: row.pop(key) for key in ("code", "zh", "en")}
            aliases = tuple(filter(None, (row.pop("aliases", "") or "").split("|")))
            entry = MetaCode(**fixed, aliases=aliases, extra=row)
            codes[entry.code] = entry
            for label in {_fold(text) for text in (entry.code, entry.zh, entry.en, *aliases)}:
                if label in by_label:
                    raise ValueError(f"{name}.csv: {label!r} means both {by_label[label].code} and {entry.code}")
                by_label[label] = entry
    return MetaCodeList(name, codes, by_label)
