"""Labels of a source → fields of a domain, and the contract with the last accepted file."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.codes import fold as fold_code
from ckanext.gkopen.domains import Domain, Field
from ckanext.gkopen.labels import fold, narrow, nearest, split_label
from ckanext.gkopen.normalise.halves import Half, find_halves, half_titles, own_levels
from ckanext.gkopen.normalise.headings import by_lowest_heading
from ckanext.gkopen.normalise.kept import once
from ckanext.gkopen.normalise.raw import refuse
from ckanext.gkopen.records import Finding, Options, Unreadable

_TIME = re.compile(r"(?:\d{4}年?)?(?:\d{1,2}月份?|第?[1-4一二三四]季度|[上下]半年|[qQ][1-4])|\d{4}年?度?|"
                   r"\d{4}[-/.]\d{1,2}")
"""The heading of a column that is a month, a quarter, half a year or a year."""
_RANK = re.compile(r"第\s*([一二三四五1-5])\s*(?:名|位)?\s*(?:预?中标|成交|中选|推荐)?\s*"
                   r"(?:候选|单位|供应商|投标人|名|$)")
"""The heading of a column of one of several candidates."""
_SIDEWAYS = 3
"""Labels in the first column of a table that lies on its side, at least."""
_OTHER_SCALES = {"平方米": frozenset({"亩", "公顷", "万平方米", "平方公里"}), "个": frozenset({"万个"})}
"""Unit of a field that is no money → units of which its figures would have to be multiplied."""


@dataclass(slots=True)
class Columns:
    """`field_at[i]`: field of column i or None; `levels[i]`: its headings, without one that only names its half;
    `units`: field → unit that its label states; `halves`: of a table of two halves;
    `twice`: labels that stand twice, and outside of halves, as they were made distinct; `second`: column → label of the
    column that says the same field better; `pieces`: columns that hold parts of a code;
    `scales`: columns that are in another unit than their field, and both units.
    """

    labels: list[str]
    field_at: list[str | None]
    levels: list[tuple[str, ...]]
    units: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    halves: list[Half] = field(default_factory=list)
    twice: frozenset[str] = frozenset()
    second: dict[int, str] = field(default_factory=dict)
    pieces: frozenset[int] = frozenset()
    scales: dict[int, tuple[str, str]] = field(default_factory=dict)

    def header(self) -> dict[str, str | None]:
        return dict(zip(self.labels, self.field_at, strict=True))

    def label_of(self, name: str) -> str | None:
        return self.labels[self.field_at.index(name)] if name in self.field_at else None


def known_labels(domain: Domain, mapping: Mapping[str, str] | None = None) -> dict[str, str]:
    """Folded label → field name: own name, titles, aliases; a source's mapping wins.

    A spelling that two fields claim belongs to the one whose name or title it is.
    """
    known = _own_labels(domain) | {fold(label): name for label, name in (mapping or {}).items()}
    known.pop("", None)
    return known


@once
def _own_labels(domain: Domain) -> dict[str, str]:
    known: dict[str, str] = {}
    for every in domain.fields:
        for alias in (*every.aliases, *every.instead):
            known.setdefault(fold(alias), every.name)
    for every in domain.fields:
        for own in (every.title.en, every.title.zh, every.name):
            known[fold(own)] = every.name
    return known


@once
def ignored_labels(domain: Domain) -> frozenset[str]:
    """Folded labels of columns that are left out without a word."""
    return frozenset(map(fold, domain.ignored_columns))


@once
def shape_labels(domain: Domain) -> frozenset[str]:
    """Folded labels of the columns of wide tables, and of the halves of a table."""
    labels = [label for shape in domain.shapes for label in (*shape.when_columns, *shape.also)]
    return frozenset(map(fold, [*labels, *half_titles(domain)]))


def match_columns(domain: Domain, labels: list[str], duplicates: list[str], options: Options,
                  levels: list[tuple[str, ...]] | None = None) -> Columns:
    """Which column is which field. Raises Unreadable for two columns that claim one field.

    Whether a required column is missing is known only after wide tables were turned: see `require_columns`.
    """
    named = (*options.mapping.values(), *options.constants)
    bad = [name for name in named if name not in domain.field_names]
    if bad:
        raise Unreadable(*(_finding("mapping-unknown-field", label=name, domain=domain.name) for name in bad))
    known = known_labels(domain, options.mapping)
    columns = Columns(labels, [None] * len(labels), [*(levels or [(_as_printed(label),) for label in labels])])
    for index, text in enumerate(labels):
        label = split_label(_as_printed(text) if text not in options.mapping else text)
        columns.field_at[index] = known.get(label.folded) or known.get(label.folded_name) or _nearly(
            domain, known, label.folded_name)
    by_lowest_heading(domain, columns.field_at, columns.levels, known)
    columns.halves = find_halves(domain, columns.levels, known)
    for half in columns.halves:
        for index in half.columns():
            columns.field_at[index] = None
            columns.levels[index] = own_levels(domain, columns.levels[index])
        for name, index in half.named.items():
            columns.field_at[index] = name
    halved = {index for half in columns.halves for index in half.columns()}
    _one_column_a_field(domain, columns, options.mapping, halved)
    for index, (text, name) in enumerate(zip(labels, [*columns.field_at], strict=True)):
        unit = split_label(text).unit
        if name is not None and unit:
            own = domain.field(name).unit
            if own and unit in _OTHER_SCALES.get(own, ()):
                columns.field_at[index] = None
                columns.scales[index] = unit, own
            else:
                columns.units[name] = unit
    columns.twice = frozenset(label for index, label in enumerate(labels) if index not in halved
                              and _as_printed(label) in duplicates)
    for text in duplicates:
        if columns.field_at[labels.index(text)] is None and labels.index(text) not in halved:
            same = [text, f"{text} (2)"]
            columns.findings.append(_finding("header-duplicate", severity="warning", label=text, labels=same))
    return columns


def _nearly(domain: Domain, known: Mapping[str, str], label: str) -> str | None:
    """作出处罚决定的机关名称 is 作出处罚决定机关: a label without 的, and of a body without 名称."""
    bare = label.replace("的", "")
    name = known.get(bare)
    body = known.get(re.sub("(?:名称|全称)$", "", bare))
    return name or (body if body and domain.field(body).privacy == "organisation" else None)


def _one_column_a_field(domain: Domain, columns: Columns, mapped: Mapping[str, str], halved: Collection[int]) -> None:
    """A column under a field's own name or title wins over one under an alias, that over one which says it only where
    no other does, of which the one wins that the domain names first; two equals are refused, not guessed.

    `halved`: columns of two halves, each of which brings its own.
    """
    claims: dict[str, list[int]] = {}
    for index, name in enumerate(columns.field_at):
        if name is not None and index not in halved:
            claims.setdefault(name, []).append(index)
    problems: list[Finding] = []
    for name, found in claims.items():
        if len(found) == 1:
            continue
        every = domain.field(name)
        own = {fold(every.name), fold(every.title.zh), fold(every.title.en)}
        instead = [fold(label) for label in every.instead]
        spelt = {i: {label.folded, label.folded_name} for i in found
                 for label in [split_label(_as_printed(columns.labels[i]))]}
        best = [i for i in found if columns.labels[i] in mapped] or [i for i in found if spelt[i] & own] or [
            i for i in found if not spelt[i] & {*instead}]
        first = next((label for label in instead if any(label in spelt[i] for i in found)), "")
        best = best or [i for i in found if first in spelt[i]]
        if len(best) != 1:
            labels = [columns.labels[i] for i in found]
            problems.append(_finding("header-duplicate", field=name, label=labels[0], labels=labels))
            continue
        for index in set(found) - set(best):
            columns.field_at[index] = None
            columns.second[index] = columns.labels[best[0]]
    if problems:
        raise Unreadable(*problems)


def _as_printed(label: str) -> str:
    """A label without the number that made it distinct from one before it."""
    return re.sub(r" \(\d+\)$", "", label)


def is_expected(domain: Domain, every: Field, present: Collection[str]) -> bool:
    """Must the source bring this column? Not where it has a default, or is derived from others that may be there."""
    if not every.required or every.required_if or every.default is not None:
        return False
    return every.derived is None or not _may_be_derived(domain, every, present)


def _may_be_derived(domain: Domain, every: Field, present: Collection[str]) -> bool:
    """Where nothing is there of which it could be made, the table as a whole lacks it: that is said once."""
    way, _, operands = (every.derived or "").partition(":")
    if way not in ("id_of", "column_of"):
        return way not in ("label_of", "named_in")
    return any(all(name in present or domain.field(name).required for name in names.split("+"))
               for names in operands.split(","))


def require_columns(domain: Domain, present: set[str], unknown: list[str], options: Options,
                    first: Sequence[str] = ()) -> None:
    """Raises Unreadable with one finding for each required column that is not there, the nearest labels proposed.

    `first`: the first cells of the first column: where labels stand there, the table lies on its side.
    """
    present = present | set(options.constants)
    missing = [every for every in domain.fields if is_expected(domain, every, present) and every.name not in present]
    if missing:
        known = known_labels(domain, options.mapping)
        sideways = [cell for cell in first if fold(cell) in known or fold(split_label(cell).name) in known]
        if len(sideways) >= _SIDEWAYS and len(sideways) * 2 > len(first):
            raise refuse("table-sideways", labels=sideways[:6])
        raise Unreadable(*(_missing(domain, every, present, unknown) for every in missing))


def _missing(domain: Domain, every: Field, present: Collection[str], unknown: list[str]) -> Finding:
    title = {"zh": every.title.zh, "en": every.title.en}
    nearest = _proposals(every, unknown)
    way, _, operands = (every.derived or "").partition(":")
    if way != "id_of":
        return _finding("column-missing", field=every.name, label=every.title.zh, nearest=nearest, title=title)
    absent = [[domain.field(name).title for name in names.split("+")
               if name not in present and not domain.field(name).required] for names in operands.split(",")]
    return _finding("column-missing-made", field=every.name, label=every.title.zh, nearest=nearest, title=title,
                    ways={"zh": "、".join("和".join(f"“{each.zh}”" for each in each_way) for each_way in absent),
                          "en": ", ".join(" and ".join(f"“{each.en}”" for each in each_way) for each_way in absent)})


def one_time_a_row(domain: Domain, columns: Columns, unknown: list[str], sheet: str | None) -> None:
    """Raises Unreadable for a table whose figures stand under months, quarters or years and under nothing else."""
    times = [label for label in unknown if _TIME.fullmatch(narrow(label))]
    period = next((every for every in domain.fields if every.type in ("period", "month", "year")), None)
    figures = [every for every in domain.fields if every.type in ("money", "decimal")]
    if len(times) > 1 and period and not any(every.name in columns.field_at for every in figures):
        named = {every.name: {"zh": every.title.zh, "en": every.title.en} for every in (period, *figures[:1])}
        raise refuse("times-as-columns", sheet=sheet, labels=times[:6], period=named[period.name],
                     figure=named[figures[0].name])


def one_heading_a_row(domain: Domain, columns: Columns, sheet: str | None) -> None:
    """Raises Unreadable for measures that stand again below each of several headings (受理量 below 电话 and 网络): what
    the headings name is a column of its own."""
    measures = {fold_code(label) for shape in domain.shapes for code in shape.codes.codes for label in code.labels}
    below: dict[str, list[str]] = {}
    for name, levels in zip(columns.field_at, columns.levels, strict=True):
        if name is None and len(levels) > 1 and fold_code(split_label(levels[-1]).name) in measures:
            below.setdefault(levels[-1], []).append(" ".join(levels[:-1]))
    tops = [top for tops in below.values() if len(tops) > 1 for top in tops]
    if tops and not domain.halves:
        raise refuse("headings-over-measures", sheet=sheet, labels=[*dict.fromkeys(tops)][:6], measures=[*below][:6])


def one_rank_a_row(unknown: list[str], sheet: str | None) -> None:
    """Raises Unreadable for a table of 第一中标候选人, 第二中标候选人 … side by side: each is a row of its own."""
    ranked = {label: match[1] for label in unknown for match in [_RANK.match(narrow(label))] if match}
    if len({*ranked.values()}) > 1:
        raise refuse("ranks-as-columns", sheet=sheet, labels=[*ranked][:6])


def _proposals(every: Field, unknown: list[str]) -> list[str]:
    names = [every.title.zh, every.title.en, every.name, *every.aliases]
    return list(dict.fromkeys(label for name in names for label in nearest(name, unknown)))[:3]


def contract(columns: Columns, domain: Domain, options: Options, labelled: bool) -> list[Finding]:
    """Differences to the header of the last accepted file: added, removed (renamed to?), swapped places are fine.

    `labelled`: each cell came with its label (JSON), so that columns have no places that could change. A column that
    has another label which the domain knows for the same field is there: the reviewer is only told.
    """
    if options.expected_header is None:
        return []
    expected = {fold(label): label for label in options.expected_header}
    current = {fold(label): label for label in columns.labels}
    added = [label for key, label in current.items() if key not in expected]
    removed = [label for key, label in expected.items() if key not in current]
    mapped = known_labels(domain, options.mapping) if removed else {}
    same_field = {label: [new for new in added
                          if mapped.get(fold(new)) is not None and mapped.get(fold(new)) == mapped.get(fold(label))]
                  for label in removed}
    known = {new for found in same_field.values() for new in found}
    findings = [_finding("column-added", label=label) for label in added if label not in known]
    for label in removed:
        findings.append(_finding("column-removed", "warning" if same_field[label] else None, label=label,
                                 nearest=same_field[label] or nearest(label, added)))
    if labelled:
        return findings
    then = [key for key in expected if key in current]
    now = [key for key in current if key in expected]
    findings += [_finding("column-swapped", label=current[new])
                 for old, new in zip(then, now, strict=True) if old != new]
    return findings


def _finding(code: str, severity: str | None = None, label: str | None = None, field: str | None = None,
             **params: object) -> Finding:
    return Finding(code, severity or severity_of(code), label=label, field=field, params=params)  # type: ignore[arg-type]
