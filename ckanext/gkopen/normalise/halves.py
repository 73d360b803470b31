"""Tables of two halves: 收入项目 and its figures on the left, 支出项目 and its figures on the right of one line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ckanext.gkopen.domains import Domain
from ckanext.gkopen.labels import fold, narrow, split_label

_OF_THE_YEAR = re.compile(r"^(?:本年度?|当年|年度)")


@dataclass(frozen=True, slots=True)
class Half:
    """`code`: of the field that tells the halves apart ("" where none is named); `named`: field → column; `free`:
    columns of figures.

    `again`: the heading of a block that tells the same sums in other lines than one before it (支出按经济分类), or "".
    """

    code: str
    named: Mapping[str, int]
    free: tuple[int, ...]
    again: str = ""

    def columns(self) -> set[int]:
        return {*self.named.values(), *self.free}


def half_titles(domain: Domain) -> list[str]:
    """收入, 支出: the headings of the halves of a table."""
    if domain.halves is None:
        return []
    codes = domain.field(domain.halves.field).codes
    return [found.title.zh for code in domain.halves.codes for found in [codes and codes.get(code)] if found]


def find_halves(domain: Domain, levels: Sequence[Sequence[str]], known: Mapping[str, str]) -> list[Half]:
    """The blocks of a header that stand side by side, or none: 收入 and 支出, 支出 by function and by economic class.

    `known`: folded label → field. The halves stand in one piece each; a block has a column of names and one of figures.
    """
    if domain.halves is None:
        return []
    sides = _sides(domain, levels)
    order = [side for place, side in enumerate(sides) if side and side not in sides[:place]]
    shared = [place for place, side in enumerate(sides) if side is None]
    if len(order) < 2:
        return _blocks_alone(domain, levels, known, order)
    if len(order) > 2 or sides != [None] * len(shared) + sorted(filter(None, sides), key=order.index):
        return []
    halves = [half for side in order for places in [[place for place, own in enumerate(sides) if own == side]]
              for half in _blocks(domain, levels, known, side, places)]
    return [half for half in halves if half is not None] if None not in halves else []


def _blocks_alone(domain: Domain, levels: Sequence[Sequence[str]], known: Mapping[str, str],
                  order: Sequence[str]) -> list[Half]:
    """Blocks of a table that has no halves: only where each has the same columns of figures as the one before it."""
    side = order[0] if order else ""
    names = _naming(domain)
    first = next((place for place in range(len(levels))
                  if _field_of(domain, levels, known, side, place) in names), len(levels))
    halves = _blocks(domain, levels, known, side, range(first, len(levels)))
    if len(halves) < 2 or None in halves:
        return []
    found = [half for half in halves if half is not None]
    figures = [[fold(levels[place][-1]) for place in half.free] for half in found]
    return found if all(each == figures[0] for each in figures) else []


def _blocks(domain: Domain, levels: Sequence[Sequence[str]], known: Mapping[str, str], side: str,
            places: Sequence[int]) -> list[Half | None]:
    """A column of names behind one of figures begins another block."""
    assert domain.halves is not None
    names = _naming(domain)
    blocks: list[list[int]] = [[]]
    figures = False
    for place in places:
        naming = _field_of(domain, levels, known, side, place) in names
        if naming and figures:
            blocks.append([])
        figures = (figures and not naming) or (bool(levels[place]) and _is_figure(domain, levels, known, side, place))
        blocks[-1].append(place)
    return [_half(domain, levels, known, side, block, number > 0) for number, block in enumerate(blocks)]


def _naming(domain: Domain) -> set[str]:
    """Fields that name a line: its name and its codes."""
    assert domain.halves is not None
    return {domain.halves.name, *domain.halves.instead,
            *(field.name for field in domain.fields if field.pattern and field.type == "string")}


def _field_of(domain: Domain, levels: Sequence[Sequence[str]], known: Mapping[str, str], side: str,
              place: int) -> str | None:
    assert domain.halves is not None
    if not levels[place]:
        return None
    own = own_levels(domain, levels[place])
    if not own:
        return domain.halves.name
    title = half_titles(domain)[domain.halves.codes.index(side)] if side else ""
    label = split_label(" ".join(own)).name
    last = split_label(own[-1]).name
    bare = re.sub(r"\([^()]*\)$", "", narrow(last))  # 项目（按经济分类）
    return next((name for text in (fold(label), fold(label).removeprefix(title), fold(last), fold(bare))
                 for name in [known.get(text)] if name), None)


def _is_figure(domain: Domain, levels: Sequence[Sequence[str]], known: Mapping[str, str], side: str,
               place: int) -> bool:
    name = _field_of(domain, levels, known, side, place)
    return name is None or domain.field(name).type in ("money", "code")


def _sides(domain: Domain, levels: Sequence[Sequence[str]]) -> list[str | None]:
    """Of each column its half: what it says itself, else what the column to its left says."""
    sides: list[str | None] = []
    for each in levels:
        own = next((code for level in each for code in [side_of(domain, level)] if code), None)
        sides.append(own or (sides[-1] if sides else None))
    return sides


def side_of(domain: Domain, level: str) -> str | None:
    """The half that a heading names: 收入, 支出（按功能分类）, 收入项目; 本年收入合计 and 收入预算数 too."""
    assert domain.halves is not None
    flat = _OF_THE_YEAR.sub("", re.sub(r"\s", "", narrow(level)))
    return next((code for code, title in zip(domain.halves.codes, half_titles(domain), strict=True)
                 if flat.startswith(title)), None)


def own_levels(domain: Domain, levels: Sequence[str]) -> tuple[str, ...]:
    """The headings of a column without those that tell its half and nothing else."""
    return tuple(level for level in levels if not _names_a_half(domain, level))


def _names_a_half(domain: Domain, level: str) -> bool:
    """`收入`, `支出（按功能分类）`: a heading that tells the half and nothing else."""
    return _OF_THE_YEAR.sub("", re.sub(r"\s|\(.*\)$", "", narrow(level))) in half_titles(domain)


def _half(domain: Domain, levels: Sequence[Sequence[str]], known: Mapping[str, str], side: str,
          places: Sequence[int], again: bool) -> Half | None:
    assert domain.halves is not None
    named: dict[str, int] = {}
    free: list[int] = []
    for place in places:
        if not levels[place]:  # a gap between the halves
            continue
        name = _field_of(domain, levels, known, side, place)
        if name is None or _is_figure(domain, levels, known, side, place):
            free.append(place)
        elif name in named:
            return None
        else:
            named[name] = place
    if domain.halves.name not in named:
        other = next((name for name in domain.halves.instead if name in named), None)
        if other is None:
            return None
        named[domain.halves.name] = named.pop(other)
    heading = " ".join(levels[named[domain.halves.name]])
    return Half(side, named, tuple(free), heading if again else "") if free else None
