"""The schema contract of a source, of its dropped files, of pushes: what the columns held when they were last accepted,
and what has become of them.

A profile says of each column how its cells look (numbers, dates, codes, texts), how long they are, and keeps digests
of some values. It is taken from the first rows of a listing, before anything is read or typed: a listing whose columns
were removed, renamed, retyped or exchanged stops here, with a proposal, and the public table stays as it was.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from hashlib import blake2b
from itertools import chain, combinations, islice
from pathlib import Path
from statistics import median
from typing import Any

from ckanext.gkopen import changesets, model, reports
from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.domains import Domain, Field
from ckanext.gkopen.labels import fold
from ckanext.gkopen.normalise.characters import may_be_broken, visible
from ckanext.gkopen.normalise.columns import match_columns, shape_labels
from ckanext.gkopen.normalise.rows import labelled_rows
from ckanext.gkopen.records import Finding, Options, Unreadable

SAMPLE = 5_000
"""Rows at the beginning of a listing that a profile looks at."""
SKETCH = 64
"""Digests of values that a profile keeps of a column."""
ALIKE, UNLIKE = 0.8, 0.2
"""A column is of a kind when so many of its cells are, and no longer is when only so few are."""
RENAMED = 0.5
"""The least confidence with which a new name is proposed for a column that is gone."""
CHANCE = 0.05
"""Above it, that a column is not there says nothing."""
FEW = 3
"""A column with fewer filled cells says nothing about its kind."""

_NUMBER = re.compile(r"[-+−]?[\d,，]*\d(?:\.\d+)?\s*(?:%|％|元|万元|亿元)?")
_DATE = re.compile(r"(?:19|20)\d\d[-/.年]\d{1,2}(?:[-/.月](?:\d{1,2}日?)?)?(?:[ T].*)?")


@dataclass(frozen=True, slots=True)
class Column:
    """`field`: what it brings, None for a column that is left out; `filled`: cells with a value, of `rows` looked at.

    `kinds`: kind → share of the filled cells; `length`: median number of characters; `values`: digests, the smallest.
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


@dataclass(frozen=True, slots=True)
class Drift:
    """What became of a column. `kind`: removed, emptied, unread (it is there, and the settings take it for no field any
    more), renamed, midway, retyped, exchanged, foreign. `to`: the proposed new name, or the column with which it was
    exchanged. `confidence`: per cent. `rows`: of another table (foreign), under the new name (midway), or without a
    value (emptied)."""

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


Profile = dict[str, Column]
"""Folded label → column."""


class Profiler:
    """Takes profiles of listings of one source: what a header means is worked out once for all that bring it."""

    def __init__(self, domain: Domain, mapping: Mapping[str, str]):
        self._domain = domain
        self._mapping = mapping
        self._headers: dict[tuple[str, ...], list[tuple[str, str, str | None, Callable[[str], str]]] | None] = {}

    def profile(self, rows: Sequence[Mapping[str, str]], salt: str) -> Profile:
        """The columns of the first rows of a listing. Empty where it has none, or two columns claim one field."""
        labels = tuple(dict.fromkeys(chain.from_iterable(rows)))
        if labels not in self._headers:
            self._headers[labels] = self._header(labels)
        found: Profile = {}
        salted = salt.encode()[:16]
        for label, folded, name, kind_of in self._headers[labels] or ():
            cells = [text for row in rows if (cell := row.get(label)) and (text := cell.strip())]
            if not cells:
                found[folded] = Column(label, name, len(rows), 0, {}, 0, ())
                continue
            distinct, kinds = Counter(cells), Counter[str]()
            for cell, count in distinct.items():
                kinds[kind_of(cell)] += count
            digests = sorted([blake2b(cell.encode(), digest_size=6, salt=salted).hexdigest() for cell in distinct])
            found[folded] = Column(label, name, len(rows), len(cells),
                                   {kind: count / len(cells) for kind, count in kinds.items()},
                                   median(map(len, cells)), tuple(digests[:SKETCH]))
        return found

    def _header(self, labels: tuple[str, ...]) -> list[tuple[str, str, str | None, Callable[[str], str]]] | None:
        """Label, folded label, field and kind of a cell, for each column; None where two claim one field."""
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


def _kinds(field: Field | None) -> Callable[[str], str]:
    """Cell → what it looks like. Codes are few: each is looked up once."""
    codes = field.codes if field is not None else None
    known: dict[str, bool] = {}

    def kind(cell: str) -> str:
        if codes is not None:
            if cell not in known:
                known[cell] = codes.find(cell) is not None
            if known[cell]:
                return "code"
        if _DATE.fullmatch(cell):
            return "date"
        return "number" if _NUMBER.fullmatch(cell) else "text"

    return kind


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
    both = [(before[key], column) for key, column in now.items()
            if key in before and before[key].field and before[key].filled >= FEW and column.filled >= FEW]
    exchanged = _exchanged(both, mapping)
    found += exchanged
    told = {label for drift in exchanged for label in (drift.label, drift.to)}
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


CODES = {"removed": "column-removed", "emptied": "column-emptied", "unread": "column-unread",
         "renamed": "column-renamed", "midway": "column-renamed-midway", "retyped": "column-kind-changed",
         "exchanged": "column-exchanged", "foreign": "rows-foreign"}
"""Kind of a drift → code of its finding."""

KINDS = {"number": {"zh": "数值", "en": "numbers"}, "date": {"zh": "日期", "en": "dates"},
         "code": {"zh": "代码", "en": "codes"}, "text": {"zh": "文字", "en": "texts"}}


def accepted(datasets: Sequence[str], source_id: str | None) -> dict[str, Profile]:
    """Dataset → the profile that holds: of the last listing that was published, or that an officer accepted. Empty for
    none. Without a source: of what was pushed."""
    found: dict[str, Profile] = {dataset: {} for dataset in datasets}
    # The newest that holds is looked for from the newest back: a source that is years old has a thousand of them.
    for row in model.every(
            "select d.id as dataset_id, p.columns from unnest(cast(:datasets as uuid[])) as d (id) cross join lateral ("
            "select p.columns from gkopen.profile p where p.dataset_id = d.id and p.source_id"
            f" {'is null' if source_id is None else '= cast(:s as uuid)'} and (p.accepted_by is not null or exists ("
            "select 1 from gkopen.revision own where own.submission_id = p.submission_id and own.dataset_id = d.id"
            " and (exists (select 1 from gkopen.publication u where u.revision_id = own.id)"
            # Or one that took its rows along: an officer's edit of metadata does.
            " or exists (select 1 from gkopen.revision later join gkopen.publication u on u.revision_id = later.id"
            " join gkopen.revision_part b on b.revision_id = later.id join gkopen.revision_part a"
            " on a.revision_id = own.id and a.part = b.part and a.new_sha256 = b.new_sha256"
            " where later.dataset_id = d.id and later.created_at >= own.created_at and a.part <> :metadata))))"
            " order by p.id desc limit 1) p",
            datasets=list(datasets), s=source_id, metadata=changesets.METADATA):
        columns = (Column(**{**column, "values": tuple(column["values"])}) for column in row["columns"]["columns"])
        found[str(row["dataset_id"])] = {fold(column.label): column for column in columns}
    return found


@dataclass(frozen=True, slots=True)
class Seen:
    """A listing's profile; it holds from the publication of its submission on, or when an officer accepts it."""

    dataset_id: str
    profile: Profile
    submission_id: str | None
    drifts: Sequence[Drift] = ()


def keep(run: Mapping[str, Any], seen: Sequence[Seen]) -> None:
    """Store profiles."""
    model.insert_many(
        "profile", ("dataset_id", "source_id", "run_id", "submission_id", "columns", "drift"),
        [(each.dataset_id, run["source_id"], run["id"], each.submission_id,
          model.dump({"labels": [column.label for column in each.profile.values()],
                      "columns": [column.as_dict() for column in each.profile.values()]}),
          model.dump([drift.as_dict() for drift in each.drifts])) for each in seen])


def forget(run: Mapping[str, Any], datasets: Sequence[str]) -> None:
    """A run that is resumed stops at its tables anew: what it kept of them before goes, once, before the first of them.
    """
    model.execute("delete from gkopen.profile where run_id = :run and dataset_id = any(cast(:datasets as uuid[]))"
                  " and submission_id is null", run=run["id"], datasets=list(datasets))
    model.execute("delete from gkopen.finding where run_id = :run and dataset_id = any(cast(:datasets as uuid[]))"
                  " and revision_id is null and code = any(:codes)", run=run["id"], datasets=list(datasets),
                  codes=list(CODES.values()))


def stop(dataset_id: str, domain: Domain, body: Mapping[str, Any], run: Mapping[str, Any], now: Profile,
         drifts: Sequence[Drift], found: list[Finding]) -> None:
    """Keep what stopped a table: its columns, the proposals and the findings."""
    changesets.open_dataset(domain, body)
    keep(run, [Seen(dataset_id, now, None, drifts)])
    reports.store_findings(found, dataset_id, None, str(run["id"]))


def accept(run_id: str, by: str) -> dict[str, dict[str, str]]:
    """Take the columns of a stopped run as the new contract. Returns dataset → what is to be added to the mapping."""
    mapped: dict[str, dict[str, str]] = {}
    read: list[dict[str, Any]] = []
    for row in model.every("update gkopen.profile set accepted_by = :by, accepted_at = now() where run_id = :run"
                           " and submission_id is null and accepted_by is null returning id, dataset_id, columns,"
                           " drift", by=by, run=run_id):
        wanted = mapped.setdefault(str(row["dataset_id"]), {})
        for drift in row["drift"]:
            if drift["kind"] == "renamed":
                wanted[drift["to"]] = drift["field"]
            elif drift["kind"] == "exchanged":
                wanted |= {drift["label"]: drift["to_field"], drift["to"]: drift["field"]}
        # From now on they bring these fields; what their cells are as such the next listing says.
        columns = [column | {"field": wanted[column["label"]], "kinds": {}} if column["label"] in wanted else column
                   for column in row["columns"]["columns"]]
        if wanted:
            read.append({"id": row["id"], "columns": row["columns"] | {"columns": columns}})
    if read:
        model.execute("update gkopen.profile p set columns = n.columns from jsonb_to_recordset(cast(:read as jsonb))"
                      " n (id bigint, columns jsonb) where p.id = n.id", read=model.dump(read))
    return mapped
