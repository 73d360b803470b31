"""What became of the columns of a listing since they were last accepted, and what the officer reads of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from itertools import combinations
from typing import Any

from ckanext.gkopen.checks.catalogue import render, severity_of
from ckanext.gkopen.harvest.profiles import ALIKE, SKETCH, UNLIKE, Column, Profile
from ckanext.gkopen.labels import fold
from ckanext.gkopen.normalise.characters import visible
from ckanext.gkopen.records import Finding

RENAMED = 0.5
"""The least confidence with which a new name is proposed for a column that is gone."""
CHANCE = 0.05
"""Above it, that a column is not there says nothing."""
FEW = 3
"""A column with fewer filled cells says nothing about its kind."""
MANY = 10
"""A column that had so many values, and has one in so many rows, is masked or broken."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What became of a column. `kind`: removed, emptied, uniform (one value in all rows), unread (it is there, and the
    settings take it for no field any more), renamed, midway, retyped, exchanged, foreign. `to`: the proposed new name,
    or the column with which it was exchanged. `confidence`: per cent. `rows`: of another table (foreign), under the new
    name (midway), without a value (emptied), or with the one value (uniform)."""

    kind: str
    label: str
    field: str | None = None
    to: str | None = None
    to_field: str | None = None
    confidence: int | None = None
    was: str | None = None
    now: str | None = None
    rows: int | None = None
    of: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


def compare(before: Profile, now: Profile, mapping: Mapping[str, str], foreign: int = 0, *,
            whole: bool = False) -> list[Drift]:
    """What must not go on unseen. Columns that bring no field may come and go; a new one is the reviewer's business.

    `whole`: both are profiles of whole tables. The notices of one month, or those that changed, may well have none of
    what most others have.
    """
    if not now or not before:
        return []
    rows = max(column.rows for column in now.values())
    found: list[Drift] = []
    if foreign:
        found.append(Drift("foreign", "", rows=foreign, of=rows))
    gone = [column for key, column in before.items() if key not in now and column.field and column.filled]
    new = [column for key, column in now.items() if key not in before]
    renamed = _renamed(gone, new)
    for column in gone:
        other, confidence = renamed.get(column.label, (None, 0.0))
        if other is None and _by_chance(column, rows):
            continue
        if other is not None and mapping.get(other.label) == column.field:
            continue                                       # accepted on the source
        found.append(Drift("renamed" if other else "removed", column.label, column.field,
                           to=other.label if other else None, confidence=round(confidence * 100) if other else None))
    read = {column.field for column in now.values()}
    found += [Drift("unread", column.label, before[key].field) for key, column in now.items()
              if key in before and before[key].filled and not column.field and before[key].field not in (None, *read)]
    found += [Drift("emptied", column.label, column.field, rows=column.rows - column.filled, of=column.rows)
              for key, column in now.items() if whole and key in before and column.field not in (None, "~")
              and _emptied(before[key], column)]           # months to come of a wide table are empty
    uniform = [Drift("uniform", column.label, column.field, rows=column.filled, of=column.rows)
               for key, column in now.items() if whole and key in before and column.field not in (None, "~")
               and _uniform(before[key], column)]
    found += uniform
    both = [(before[key], column) for key, column in now.items()
            if key in before and before[key].field and before[key].filled >= FEW and column.filled >= FEW]
    exchanged = _exchanged(both, mapping)
    found += exchanged
    told = {label for drift in (*exchanged, *uniform) for label in (drift.label, drift.to)}
    found += [Drift("retyped", is_.label, was.field, was=was.kind, now=is_.kind or "text") for was, is_ in both
              if was.label not in told and was.kind and was.field == is_.field
              and is_.kinds.get(was.kind, 0) <= UNLIKE]
    return found


def _by_chance(column: Column, rows: int) -> bool:
    """Whether so few rows, or so few that ever had a value, may well have none: many platforms leave out of a row what
    is empty, so that the few rows that changed seldom bring every column."""
    return (1 - column.filled / column.rows) ** rows > CHANCE


def _emptied(was: Column, now: Column) -> bool:
    """Whether a column that nearly every row filled has hardly a value now: null, or left out of the rows, is how a
    broken view or a name that is spelt otherwise in one place looks."""
    return min(was.filled, now.rows) >= FEW and was.filled >= ALIKE * was.rows and now.filled <= UNLIKE * now.rows


def _uniform(was: Column, now: Column) -> bool:
    """Whether a column of many values has one alone: asterisks of a mask, a dash, a default, a join that went wrong. A
    day is the same in all rows after a table was written anew."""
    return len(was.values) >= MANY <= now.filled and len(now.values) == 1 and now.kind != "date"


def midway(shapes: Mapping[tuple[str, ...], int], before: Profile) -> list[Drift]:
    """Columns that some rows have under their accepted name and all others under a new one: the source renamed them
    while its pages were read, and the cells of one half would be lost. `shapes`: labels of a row → how many rows of the
    whole listing have them."""
    if len(shapes) < 2:
        return []
    rows: Counter[frozenset[str]] = Counter()
    printed: dict[str, str] = {}
    for labels, number in shapes.items():
        folded = {fold(visible(label)): visible(label) for label in labels}
        rows[frozenset(folded)] += number
        printed |= folded
    found: list[Drift] = []
    taken: set[str] = set()
    for key, column in before.items():
        have, lack = [each for each in rows if key in each], [each for each in rows if key not in each]
        if not column.field or not column.filled or not have or not lack:
            continue
        new = frozenset.intersection(*lack).difference(before, taken, *have)
        if new:
            to = max(sorted(new), key=lambda label: SequenceMatcher(None, key, label).ratio())
            taken.add(to)
            found.append(Drift("midway", column.label, column.field, to=printed[to],
                               rows=sum(rows[each] for each in lack), of=sum(rows.values())))
    return found


def _renamed(gone: Iterable[Column], new: Iterable[Column]) -> dict[str, tuple[Column, float]]:
    """Label of a column that is gone → the new one that is most like it; each new one is proposed once."""
    pairs = sorted(((_likeness(old, other), old.label, other) for old in gone for other in new),
                   key=lambda pair: (-pair[0], pair[1], pair[2].label))
    found: dict[str, tuple[Column, float]] = {}
    taken: set[str] = set()
    for likeness, label, other in pairs:
        if likeness >= RENAMED and label not in found and other.label not in taken:
            found[label] = (other, likeness)
            taken.add(other.label)
    return found


def _likeness(old: Column, new: Column) -> float:
    """0–1: by values that both have, else by how the cells look and what the labels share."""
    name = SequenceMatcher(None, fold(old.label), fold(new.label)).ratio()
    return max(_shared(old, new), 0.6 * _look(old, new) + 0.4 * name if name >= 0.4 else 0.4 * _look(old, new))


def _shared(one: Column, other: Column) -> float:
    """Share of values that two columns have in common, estimated from the smallest digests of both together."""
    smallest = sorted({*one.values, *other.values})[:SKETCH]
    return len(set(smallest) & set(one.values) & set(other.values)) / len(smallest) if smallest else 0.0


def _look(one: Column, other: Column) -> float:
    kinds = {*one.kinds, *other.kinds}
    apart = sum(abs(one.kinds.get(kind, 0) - other.kinds.get(kind, 0)) for kind in kinds) / 2
    longer = max(one.length, other.length)
    return (1 - apart) * (min(one.length, other.length) / longer if longer else 1)


def _exchanged(both: list[tuple[Column, Column]], mapping: Mapping[str, str]) -> list[Drift]:
    """Pairs of columns that hold each other's content: by values, else by kind where the two kinds differ."""
    found: list[Drift] = []
    taken: set[str] = set()
    strange = [(was, is_) for was, is_ in both if _shared(was, is_) < RENAMED]
    for (was, is_), (was_other, is_other) in combinations(strange, 2):
        if {is_.label, is_other.label} & taken:
            continue
        crossed = min(_shared(was_other, is_), _shared(was, is_other))
        kept = max(_shared(was, is_), _shared(was_other, is_other))
        kinds = _plain(was), _plain(was_other)
        by_kind = all(kinds) and kinds[0] != kinds[1] and all(
            column.kinds.get(kind, 0) >= ALIKE for column, kind in ((is_other, kinds[0]), (is_, kinds[1])))
        if not (crossed >= RENAMED and kept < crossed / 2) and not by_kind:
            continue
        taken |= {is_.label, is_other.label}
        if mapping.get(is_.label) == was_other.field and mapping.get(is_other.label) == was.field:
            continue                                       # accepted on the source
        found.append(Drift("exchanged", is_.label, was.field, to=is_other.label, to_field=was_other.field,
                           confidence=round(max(crossed, 0.5) * 100)))
    return found


def _plain(column: Column) -> str:
    """A code is a text under any other label."""
    return "text" if column.kind == "code" else column.kind or ""


def foreign_rows(rows: Iterable[Mapping[str, str]], before: Profile) -> int:
    """Rows of another table among the first ones: they have less than half of the columns that were always filled."""
    always = [column.label for column in before.values() if column.field and column.filled == column.rows]
    known = set(before)
    if len(always) < FEW:
        return 0
    return sum(1 for row in rows if sum(label in row for label in always) * 2 < len(always)
               and any(fold(label) not in known for label in row))


def findings(drifts: Iterable[Drift]) -> list[Finding]:
    """What the officer reads of it."""
    found = []
    for drift in drifts:
        params: dict[str, Any] = {"nearest": [], "to": drift.to, "confidence": drift.confidence, "count": drift.rows,
                                  "of": drift.of}
        if drift.kind == "retyped":
            params = {"was": KINDS.get(drift.was or "", drift.was), "now": KINDS.get(drift.now or "", drift.now)}
        code = CODES[drift.kind]
        found.append(Finding(code, severity_of(code), label=drift.label or None, field=drift.field,
                             params={name: value for name, value in params.items() if value is not None}))
    return found


def sentences(drifts: Iterable[Mapping[str, Any]], lang: str) -> list[str]:
    """What is kept of what stopped a table (`Drift.as_dict`), a sentence each, with what is proposed."""
    return [render(finding, lang)["message"] for finding in findings(Drift(**one) for one in drifts)]


CODES = {"removed": "column-removed", "emptied": "column-emptied", "uniform": "column-uniform",
         "unread": "column-unread", "renamed": "column-renamed", "midway": "column-renamed-midway",
         "retyped": "column-kind-changed", "exchanged": "column-exchanged", "foreign": "rows-foreign"}
"""Kind of a drift → code of its finding."""

KINDS = {"number": {"zh": "数值", "en": "numbers"}, "date": {"zh": "日期", "en": "dates"},
         "code": {"zh": "代码", "en": "codes"}, "text": {"zh": "文字", "en": "texts"}}
