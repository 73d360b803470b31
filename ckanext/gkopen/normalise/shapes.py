"""Which columns of a wide table become rows: a column for each measure, phase or kind, under one heading or several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ckanext.gkopen.codes import fold as fold_code
from ckanext.gkopen.domains import Domain, Shape
from ckanext.gkopen.labels import fold, split_label
from ckanext.gkopen.normalise.columns import Columns
from ckanext.gkopen.normalise.halves import Half, side_of
from ckanext.gkopen.normalise.raw import refuse
from ckanext.gkopen.normalise.readings import OTHER_TIME, Reading, read_headings


@dataclass(frozen=True, slots=True)
class Turned:
    """One column that becomes rows. `codes`: field → code, of its headings; `year`: the year that they name.

    `whole`: its figures are what those of other columns add up to: compared, and a row only where no part is filled.
    `half`: of a table of two halves the one in which it stands.
    """

    codes: Mapping[str, str]
    year: str | None = None
    whole: bool = False
    half: Half | None = None


@dataclass(frozen=True, slots=True)
class RateColumn:
    """A column of percentages: each the quotient of one of the columns `of` and one of the columns `to`."""

    index: int
    of: tuple[int, ...]
    to: tuple[int, ...]
    change: bool


@dataclass(slots=True)
class Layout:
    """How the columns of a wide table become rows. `value`, `label`: the fields that receive the cell and the column's
    label; `turned`: column → what it is; `units`: column → the unit that its code has where its label states none.

    `other_year`: columns of another year than the table's, which are left out. `rates`: columns of percentages that can
    be compared.
    """

    value: str
    label: str | None
    constants: Mapping[str, str]
    turned: dict[int, Turned]
    units: dict[int, str] = field(default_factory=dict)
    other_year: list[int] = field(default_factory=list)
    rates: list[RateColumn] = field(default_factory=list)

    @property
    def rows(self) -> dict[int, Turned]:
        return {index: turned for index, turned in self.turned.items() if not turned.whole}


def find_layout(domain: Domain, columns: Columns, year: str | None = None) -> Layout | None:
    """The columns that become rows, or None for a table that is long already. `year`: the table's, where it is known;
    columns of another one are left out.

    Two such columns make a table wide; a single one does where no column holds the value itself.
    """
    best: Layout | None = None
    for shapes in _families(domain):
        found = (_halved if columns.halves else _layout)(domain, columns, shapes)
        if found is not None and (best is None or len(found.rows) > len(best.rows)):
            best = found
    if best is None:
        return None
    twice = [columns.labels[index] for index in best.rows if columns.labels[index] in columns.twice]
    if twice:  # two columns of one label: what tells them apart was not understood
        raise refuse("header-duplicate", label=twice[0], labels=twice)
    if year is not None or all(field.type != "year" for field in domain.fields):  # or no field can tell them apart
        best.other_year = [index for index, turned in best.turned.items() if turned.year not in (year, None)]
        best.turned = {index: turned for index, turned in best.turned.items() if index not in best.other_year}
        if not best.rows:
            raise refuse("column-other-year", label=columns.labels[best.other_year[0]])
    best.rates = list(_rates(domain, columns, best))
    return best


def _rates(domain: Domain, columns: Columns, layout: Layout) -> Iterator[RateColumn]:
    """The columns of percentages for which the table has both figures."""
    flat = [fold(" ".join(split_label(level).name for level in levels)) for levels in columns.levels]
    for shape in domain.shapes:
        if shape.value != layout.value:
            continue
        for rate in shape.rates:
            for index in (place for place, label in enumerate(flat) if label in rate.labels):
                half = next((half for half in columns.halves if index in half.free), None)
                mine = {place: turned.codes.get(shape.code) for place, turned in layout.rows.items()
                        if turned.half is half}
                top = next((code for code in rate.of if code in mine.values()), None)
                of = tuple(place for place, own in mine.items() if top is not None and own == top)
                to = tuple(place for code in rate.to for place, own in mine.items() if own == code)
                if rate.to_labels:
                    near = half.free if half else range(len(flat))
                    to = tuple(place for place in near if flat[place] in rate.to_labels or place in layout.other_year)
                if of and to and index not in layout.turned and columns.field_at[index] is None:
                    yield RateColumn(index, of, to, rate.change)


def _families(domain: Domain) -> list[list[Shape]]:
    """Shapes that may stand over and beside each other: those that make the same of a column."""
    families: dict[object, list[Shape]] = {}
    for shape in domain.shapes:
        families.setdefault((shape.value, shape.label, *sorted(shape.constants.items())), []).append(shape)
    return list(families.values())


def labels_beside(domain: Domain, layout: Layout) -> frozenset[str]:
    """Folded labels of the columns of the other families: one file is turned in one way."""
    turned = {name for each in layout.turned.values() for name in each.codes}
    return frozenset(fold_code(label) for family in _families(domain)
                     if not any(shape.code in turned for shape in family)
                     for shape in family for code in shape.codes.codes for label in code.labels)


def _layout(domain: Domain, columns: Columns, shapes: Sequence[Shape]) -> Layout | None:
    value = shapes[0].value
    taken = set(columns.field_at) - {None, value}
    shapes = [shape for shape in shapes if shape.code not in taken]
    free = [index for index, name in enumerate(columns.field_at)
            if name in (None, value) and index not in columns.pieces]
    turned, units = _read_columns(domain, columns, shapes, free, taken)
    rows = [index for index, each in turned.items() if not each.whole]
    if not (len(rows) > 1 or (rows and value not in columns.field_at)):
        return None
    return Layout(value, shapes[0].label, shapes[0].constants, _with_sides(domain, columns, turned, taken), units)


def _with_sides(domain: Domain, columns: Columns, turned: dict[int, Turned],
                taken: Iterable[str | None]) -> dict[int, Turned]:
    """收入预算数 beside 支出预算数: where the columns of one table name both sides, each is of its own."""
    if domain.halves is None or domain.halves.field in taken:
        return turned
    sides = {index: side for index in turned for level in columns.levels[index]
             for side in [side_of(domain, level)] if side}
    if len({*sides.values()}) < 2:
        return turned
    return {index: replace(each, codes={domain.halves.field: sides[index], **each.codes}) if index in sides else each
            for index, each in turned.items()}


def _halved(domain: Domain, columns: Columns, shapes: Sequence[Shape]) -> Layout | None:
    """Each half has its own columns of figures: one that says 金额 alone, or some that the shapes know."""
    assert domain.halves is not None
    value = shapes[0].value
    layout = Layout(value, shapes[0].label, shapes[0].constants, {})
    taken = set(columns.field_at) - {None, value}
    shapes = [shape for shape in shapes if shape.code not in taken]
    for half in columns.halves:
        turned, units = _read_columns(domain, columns, shapes, half.free, taken)
        if not turned:
            labels = {fold(label) for label in domain.field(value).labels}
            plain = [index for index in half.free for levels in [columns.levels[index]]
                     if levels and fold(split_label(levels[-1]).name) in labels
                     and not any(OTHER_TIME.search(level) for level in levels)]
            turned = {plain[0]: Turned({})} if len(plain) == 1 else {}
        if not any(not each.whole for each in turned.values()):
            return None
        for index, each in turned.items():
            codes = {**each.codes, domain.halves.field: half.code}
            layout.turned[index] = replace(each, codes=codes, half=half)
        layout.units |= units
    return layout


def _read_columns(domain: Domain, columns: Columns, shapes: Sequence[Shape], free: Iterable[int],
                  taken: Iterable[str | None]) -> tuple[dict[int, Turned], dict[int, str]]:
    """Column → what it is, and → its code's unit, for the largest set of `free` columns whose headings say the same
    kinds of things."""
    neutral = {fold(label) for shape in shapes for label in domain.field(shape.value).labels} | {
        fold(label) for shape in shapes for label in shape.whole}
    readings: dict[int, Reading] = {}
    for index in free:
        reading = read_headings(domain, shapes, columns.levels[index], frozenset(filter(None, taken)), neutral)
        if reading is not None:
            readings[index] = reading
    kinds = Counter(reading.keys() for reading in readings.values() if reading.codes)
    if not kinds:
        return {}, {}
    kind = max(kinds, key=lambda keys: (kinds[keys], len(keys)))
    chosen = {index: reading for index, reading in readings.items() if reading.keys() == kind}
    rests = {reading.rest for reading in chosen.values()}
    rest = next(iter(rests)) if len(rests) == 1 else ()
    chosen = {index: reading for index, reading in chosen.items() if reading.rest == rest}  # or it is told from them
    turned = {index: Turned({**reading.codes, **reading.beside}, reading.year) for index, reading in chosen.items()}
    inner = [shape for shape in shapes if shape.code in kind]
    for index, reading in readings.items():
        if index not in turned and reading.rest[:len(rest)] == rest:
            more = _completed(domain, reading, kind, inner, columns.levels[index], len(chosen))
            if more is not None:
                turned[index] = more
    units = {index: unit for index, each in turned.items() for shape in inner
             for code in [shape.codes.get(each.codes.get(shape.code, ""))] if code
             for unit in [code.extra.get("unit")] if unit}
    return dict(sorted(turned.items())), units


def _completed(domain: Domain, reading: Reading, kind: frozenset[str], shapes: Sequence[Shape],
               levels: Sequence[str], others: int) -> Turned | None:
    """A column that says what the `others` say but for one thing: 合计 is the whole, 购置费 a kind in such a table;
    收入合计 is the whole of several sources, though it would be a direction by itself."""
    label = split_label(levels[-1]).name if levels else ""
    last = fold_code(label)
    for shape in shapes:
        if last in shape.also and (kind == frozenset({shape.code}) or reading.keys() | {shape.code} == kind):
            codes = {**reading.codes, shape.code: shape.also[last], **reading.beside}
            return Turned(codes, reading.year)
        if last in shape.whole and reading.keys() == kind - {shape.code}:
            beside = {name: code for name, code in reading.beside.items() for codes in [domain.field(name).codes]
                      if others == 1 or codes is None or codes.find(label) is None}
            return Turned({**reading.codes, **beside}, reading.year, whole=True)
    return None
