"""Columns of figures → decimal128(28, 8), exactly: the plain ones by Arrow, the odd ones each by `money.parse`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen import money
from ckanext.gkopen.labels import money_power, narrow, tidy_unit
from ckanext.gkopen.normalise.cells import as_mask, empty

DECIMAL = pa.decimal128(28, money.SCALE)
_PLAIN = r"^-?[0-9]{1,15}(\.[0-9]{1,8})?$"
_COMMON = (r"^(?P<sign>[¥￥]?)(?P<number>-?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]{1,8})?|-?[0-9]{1,15}(?:\.[0-9]{1,8})?) ?"
           r"[(（]?(?P<unit>元|万元|亿元|亿|万)?[)）]?$")
_MANY = 20_000
_NO_UNIT = frozenset({"", "混合", "none", "无金额", "无", "-", "/"})


@dataclass(frozen=True, slots=True)
class Units:
    """Unit that a column's label states, and the one that the table's head or the source's description states."""

    label: str | None = None
    fallback: str | None = None


YUAN = Units("元")


@dataclass(slots=True)
class Amounts:
    """`yuan`, `value` (figure as printed), `unit` (as printed, else as stated): arrays of one length, null where none.

    `forms`: form of `money.FORMS` → mask of the rows whose text is of that form ("missing" too).
    """

    yuan: pa.Array
    value: pa.Array
    unit: pa.Array
    forms: dict[str, np.ndarray] = field(default_factory=dict)


def amounts(text: pa.Array, units: Units, row_units: pa.Array | None = None) -> Amounts:
    """The unit is the cell's own, else the label's, the unit column's (`row_units`), the table's or the source's.

    Two of the first three that contradict each other make the form "unit_conflict".
    """
    if row_units is None:
        return _one_unit(text, units.label or units.fallback)
    encoded = row_units.dictionary_encode()
    index = encoded.indices.to_numpy(zero_copy_only=False)
    order: list[np.ndarray] = []
    pieces: list[Amounts] = []
    for position, unit in enumerate(encoded.dictionary.to_pylist()):
        rows = np.flatnonzero(index == position)
        cells = text.take(pa.array(rows))
        order.append(rows)
        beside = money_power(unit)
        if units.label and beside is not None and beside != money_power(units.label):
            nothing = pa.nulls(len(rows), pa.string())
            pieces.append(Amounts(pa.nulls(len(rows), DECIMAL), nothing, nothing, {"unit_conflict": ~empty(cells)}))
        else:
            pieces.append(_rates(_one_unit(cells, _row_unit(unit, units)), unit))
    return _merged(order, pieces, len(text)) if pieces else _one_unit(text, units.label or units.fallback)


def _rates(found: Amounts, unit: str | None) -> Amounts:
    """A figure beside the unit % is a rate, and no amount whose unit is missing."""
    if narrow(unit or "").strip("()") in ("%", "‰") and "unit_missing" in found.forms:
        missing = found.forms.pop("unit_missing")
        found.forms["rate"] = found.forms.get("rate", np.zeros(len(missing), bool)) | missing
    return found


def by_own_unit(found: Amounts, text: pa.Array) -> tuple[Amounts, np.ndarray]:
    """Amounts whose cell states a unit of its own, where a column that serves several amounts states another.

    Also the mask of those rows. `unit_conflict` keeps the rows that this does not settle.
    """
    conflict = found.forms.get("unit_conflict", np.zeros(len(text), bool))
    rows = np.flatnonzero(conflict)
    if not len(rows):
        return found, conflict
    own = _one_unit(text.take(pa.array(rows)), None)
    settled = conflict.copy()
    settled[rows] = as_mask(pc.is_valid(own.yuan))
    place = np.full(len(text), -1, np.int64)
    place[rows] = np.arange(len(rows))
    pick = pa.array(place, mask=place < 0)
    yuan, value, unit = (pc.coalesce(getattr(found, name), getattr(own, name).take(pick))
                         for name in ("yuan", "value", "unit"))
    return Amounts(yuan, value, unit, found.forms | {"unit_conflict": conflict & ~settled}), settled


def _row_unit(unit: str | None, units: Units) -> str | None:
    """The label's unit, the unit column's word, the one stated elsewhere. Beside 件 or % a bare figure is no money."""
    if units.label or money_power(unit) is not None:
        return units.label or unit
    return units.fallback if narrow(unit or "").strip("()").casefold() in _NO_UNIT else None


def _one_unit(text: pa.Array, stated: str | None) -> Amounts:
    power = money_power(stated)
    plain = as_mask(pc.match_substring_regex(text, _PLAIN)) if power is not None else np.zeros(len(text), bool)
    simple = shifted(text.filter(pa.array(plain)), power or 0)
    if simple is None:  # some have more digits than the type holds: then each by itself
        plain[:] = False
        simple = pa.nulls(0, DECIMAL)
    shown = pa.repeat(pa.scalar(tidy_unit(stated) if stated else None, pa.string()), len(simple))
    if plain.all():
        return Amounts(simple, text, shown)
    rest = ~plain & ~empty(text)
    encoded = text.filter(pa.array(rest)).dictionary_encode()
    odd = _words(encoded.dictionary, stated)
    place = np.full(len(text), -1, np.int64)
    place[plain] = np.arange(len(simple))
    place[rest] = len(simple) + encoded.indices.to_numpy(zero_copy_only=False)
    indices = pa.array(place, mask=place < 0)
    forms: dict[str, np.ndarray] = {}
    for form, mask in odd.forms.items():
        forms[form] = np.zeros(len(text), bool)
        forms[form][rest] = mask[encoded.indices.to_numpy(zero_copy_only=False)]
    return Amounts(pa.concat_arrays([simple, odd.yuan]).take(indices),
                   pa.concat_arrays([text.filter(pa.array(plain)), odd.value]).take(indices),
                   pa.concat_arrays([shown, odd.unit]).take(indices), forms)


def shifted(digits: pa.Array, power: int) -> pa.Array | None:
    """Plain digits × 10^power without arithmetic: read at a larger scale, the same integers seen at scale 8."""
    try:
        wide = digits.cast(pa.decimal128(38, money.SCALE + power))
        same = pa.Array.from_buffers(pa.decimal128(38, money.SCALE), len(wide), wide.buffers(), offset=wide.offset)
        return same.cast(DECIMAL)
    except pa.ArrowInvalid:
        return None


def _words(words: pa.Array, stated: str | None) -> Amounts:
    """Distinct odd texts. Very many of the commonest shapes (1,234.50元) still go through Arrow."""
    if len(words) <= _MANY:
        return _each(words, stated)
    found = pc.extract_regex(words, _COMMON)
    valid = pc.is_valid(found)
    kind = pc.if_else(valid, pc.binary_join_element_wise(found.field("unit"), found.field("sign"), "|"), None)
    groups = kind.dictionary_encode()
    group = groups.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    pieces, order = [], []
    taken = np.zeros(len(words), bool)
    for index, pair in enumerate(groups.dictionary.to_pylist()):
        rows = group == index
        unit, sign = pair.split("|")
        own = unit or ("元" if sign and money_power(stated) is None else None)
        power, other = money_power(own or stated), money_power(stated)
        if power is None or (own and other is not None and power != other):
            continue
        value = found.field("number").filter(pa.array(rows))
        yuan = shifted(pc.replace_substring(value, ",", ""), power)
        if yuan is None:
            continue
        taken |= rows
        order.append(np.flatnonzero(rows))
        said = pa.repeat(pa.scalar(tidy_unit(own or stated or ""), pa.string()), len(yuan))
        pieces.append(Amounts(yuan, value, said))
    rest = np.flatnonzero(~taken)
    pieces.append(_each(words.take(pa.array(rest)), stated))
    return _merged([*order, rest], pieces, len(words))


def _merged(order: list[np.ndarray], pieces: list[Amounts], total: int) -> Amounts:
    """Pieces that were computed by groups of rows, back in the order of the rows."""
    back = pa.array(np.argsort(np.concatenate(order), kind="stable"))
    result = Amounts(*(pa.concat_arrays([getattr(piece, name) for piece in pieces]).take(back)
                       for name in ("yuan", "value", "unit")))
    for rows, piece in zip(order, pieces, strict=True):
        for form, mask in piece.forms.items():
            result.forms.setdefault(form, np.zeros(total, bool))[rows[mask]] = True
    return result


def _each(words: pa.Array, stated: str | None) -> Amounts:
    parsed = [money.parse(word, stated) for word in words.to_pylist()]
    good = [item if isinstance(item, money.Amount) else None for item in parsed]
    forms = {form: np.array([isinstance(item, money.Other) and item.form == form for item in parsed], bool)
             for form in {item.form for item in parsed if isinstance(item, money.Other)}}
    return Amounts(pa.array([item.yuan if item else None for item in good], DECIMAL),
                   pa.array([item.value if item else None for item in good], pa.string()),
                   pa.array([item.unit if item else None for item in good], pa.string()), forms)
