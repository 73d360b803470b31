"""Tables of two halves: 收入项目 and its figures on the left, 支出项目 and its figures on the right of one line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ckanext.gkopen.domains import Domain
from ckanext.gkopen.labels import fold, narrow, split_label


@dataclass(frozen=True, slots=True)
class Half:
    """`code`: of the field that tells the halves apart; `named`: field → column; `free`: columns of figures."""

    code: str
    named: Mapping[str, int]
    free: tuple[int, ...]

    def columns(self) -> set[int]:
        return {*self.named.values(), *self.free}


def half_titles(domain: Domain) -> list[str]:
    """收入, 支出: the headings of the halves of a table."""
    if domain.halves is None:
        return []
    codes = domain.field(domain.halves.field).codes
    return [found.title.zh for code in domain.halves.codes for found in [codes and codes.get(code)] if found]


def find_halves(domain: Domain, levels: Sequence[Sequence[str]], known: Mapping[str, str]) -> list[Half]:
    """The two halves of a header, or none. `known`: folded label → field.

    Each half says in its headings which it is, stands in one piece, and has a column of names and one of figures.
    """
    if domain.halves is None:
        return []
    sides = _sides(domain, levels)
    order = [side for place, side in enumerate(sides) if side and side not in sides[:place]]
    shared = [place for place, side in enumerate(sides) if side is None]
    if len(order) != 2 or sides != [None] * len(shared) + sorted(filter(None, sides), key=order.index):
        return []
    halves = [_half(domain, levels, known, side, [place for place, each in enumerate(sides) if each == side])
              for side in order]
    return [half for half in halves if half is not None] if None not in halves else []


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
    flat = re.sub(r"\s", "", narrow(level))
    return next((code for code, title in zip(domain.halves.codes, half_titles(domain), strict=True)
                 if flat.startswith(title)), None)


def own_levels(domain: Domain, levels: Sequence[str]) -> tuple[str, ...]:
    """The headings of a column without those that tell its half and nothing else."""
    return tuple(level for level in levels if not _names_a_half(domain, level))


def _names_a_half(domain: Domain, level: str) -> bool:
    """`收入`, `支出（按功能分类）`: a heading that tells the half and nothing else."""
    return re.sub(r"\s|\(.*\)$", "", narrow(level)) in half_titles(domain)


def _half(domain: Domain, levels: Sequence[Sequence[str]], known: Mapping[str, str], side: str,
          places: list[int]) -> Half | None:
    assert domain.halves is not None
    title = half_titles(domain)[domain.halves.codes.index(side)]
    named: dict[str, int] = {}
    free: list[int] = []
    for place in places:
        if not levels[place]:  # a gap between the halves
            continue
        own = own_levels(domain, levels[place])
        label = split_label(" ".join(own)).name
        bare = fold(label).removeprefix(title)
        name = known.get(fold(label)) or known.get(bare) if own else domain.halves.name
        if name is None or domain.field(name).type in ("money", "code"):
            free.append(place)
        elif name in named:
            return None  # a half of two halves: 支出按功能分类 beside 支出按经济分类
        else:
            named[name] = place
    if domain.halves.name not in named:
        other = next((name for name in domain.halves.instead if name in named), None)
        if other is None:
            return None
        named[domain.halves.name] = named.pop(other)
    return Half(side, named, tuple(free)) if free else None
