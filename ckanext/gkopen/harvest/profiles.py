"""What the columns of a listing hold: how the cells of each look (numbers, dates, codes, texts), how long they are, and
digests of some values. Taken from the first rows, before anything is read or typed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from statistics import median
from typing import Any

from ckanext.gkopen.dates import parse_datetime
from ckanext.gkopen.domains import Domain, Field
from ckanext.gkopen.labels import fold
from ckanext.gkopen.normalise.characters import may_be_broken, visible
from ckanext.gkopen.normalise.columns import match_columns, shape_labels
from ckanext.gkopen.normalise.rows import labelled_rows
from ckanext.gkopen.records import Options, Unreadable

SAMPLE = 5_000
"""Rows at the beginning of a listing that a profile looks at."""
SKETCH = 64
"""Digests of values that a profile keeps of a column."""
ALIKE, UNLIKE = 0.8, 0.2
"""A column is of a kind when so many of its cells are, and no longer is when only so few are."""

_NUMBER = re.compile(r"[-+−]?[\d,，]*\d(?:\.\d+)?\s*(?:%|％|元|万元|亿元)?")
_DATE = re.compile(r"(?:19|20)\d\d[-/.年]\d{1,2}(?:[-/.月](?:\d{1,2}日?)?)?(?:[ T].*)?")


@dataclass(frozen=True, slots=True)
class Column:
    """`field`: what it brings, None for a column that is left out; `filled`: cells with a value, of `rows` looked at.

    `kinds`: kind → share of the filled cells, one of which may be of two kinds; `length`: median number of characters;
    `values`: digests, the smallest.
    """

    label: str
    field: str | None
    rows: int
    filled: int
    kinds: dict[str, float]
    length: float
    values: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def kind(self) -> str | None:
        """What nearly all cells are, or None."""
        return next((kind for kind, share in self.kinds.items() if share >= ALIKE), None)


Profile = dict[str, Column]
"""Folded label → column."""
Kinds = Callable[[str], Sequence[str]]
"""Cell → its kinds."""


class Profiler:
    """Takes profiles of listings of one source: what a header means is worked out once for all that bring it."""

    def __init__(self, domain: Domain, mapping: Mapping[str, str]):
        self._domain = domain
        self._mapping = mapping
        self._headers: dict[tuple[str, ...], list[tuple[str, str, str | None, Kinds]] | None] = {}

    def profile(self, rows: Sequence[Mapping[str, str]], salt: str) -> Profile:
        """The columns of the first rows of a listing. Empty where it has none, or two columns claim one field."""
        labels = tuple(dict.fromkeys(chain.from_iterable(rows)))
        if labels not in self._headers:
            self._headers[labels] = self._header(labels)
        found: Profile = {}
        salted = salt.encode()[:16]
        for label, folded, name, kinds_of in self._headers[labels] or ():
            cells = [text for row in rows if (cell := row.get(label)) and (text := cell.strip())]
            if not cells:
                found[folded] = Column(label, name, len(rows), 0, {}, 0, ())
                continue
            distinct, kinds = Counter(cells), Counter[str]()
            for cell, count in distinct.items():
                for kind in kinds_of(cell):
                    kinds[kind] += count
            digests = sorted([blake2b(cell.encode(), digest_size=6, salt=salted).hexdigest() for cell in distinct])
            found[folded] = Column(label, name, len(rows), len(cells),
                                   {kind: count / len(cells) for kind, count in kinds.items()},
                                   median(map(len, cells)), tuple(digests[:SKETCH]))
        return found

    def _header(self, labels: tuple[str, ...]) -> list[tuple[str, str, str | None, Kinds]] | None:
        """Label, folded label, field and kinds of a cell, for each column; None where two claim one field."""
        try:
            columns = match_columns(self._domain, list(labels), [], Options(mapping=self._mapping)) if labels else None
        except Unreadable:
            return None
        turned = shape_labels(self._domain)
        return [(label, fold(label), name or ("~" if fold(label) in turned else None),
                 _kinds(self._domain.field(name) if name else None))
                for label, name in zip(labels, columns.field_at if columns else (), strict=True)]


def first_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a listing (JSON Lines of texts) that are looked at, with what no text can hold written out."""
    with path.open("rb") as lines:
        data = b"[" + b",".join(islice(lines, SAMPLE)) + b"]"
    rows = json.loads(data)
    if not may_be_broken(data):
        return rows
    return [{visible(label): cell and visible(cell) for label, cell in row.items()} for row in rows]


def rows_of_file(domain: Domain, path: Path, filename: str, options: Options) -> list[dict[str, str]]:
    """Those of a file as it was dropped or pushed; none where it cannot be read, which the pipeline tells."""
    try:
        return labelled_rows(domain, path, filename, options, SAMPLE)
    except Unreadable:
        return []


def _kinds(field: Field | None) -> Kinds:
    """Cell → what it looks like, and what it is to its field where that is something else: 20260305 is a date as well
    as a number. Codes are few: each is looked up once."""
    codes = field.codes if field is not None else None
    dated = field is not None and field.type in ("date", "datetime")
    known: dict[str, bool] = {}

    def kinds(cell: str) -> Sequence[str]:
        if codes is not None:
            if cell not in known:
                known[cell] = codes.find(cell) is not None
            if known[cell]:
                return ("code",)
        if _DATE.fullmatch(cell):
            return ("date",)
        look = "number" if _NUMBER.fullmatch(cell) else "text"
        return ("date", look) if dated and parse_datetime(cell) is not None else (look,)

    return kinds
