"""Characters and toneless syllables with the edges of words: the material of the fallbacks.

A unit at the beginning of a word carries ``^``, at its end ``$``; a character that the same word goes on behind
carries ``+``. The index has each with and without its marks (``written``): a phrase that must meet an edge does not
find 北京 in 湖北|京山, one that must stay in a word not 和平 in 降水量|和|平均, though they stand side by side.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import accumulate, islice, product
from typing import Any

from pypinyin import Style, lazy_pinyin, load_phrases_dict, pinyin
from pypinyin.constants import PINYIN_DICT

from .text import HAN, NEGATIONS, heads, parts, words
from .vocabulary import vocabulary

_LONGEST_SYLLABLE, _LONGEST_SPELT = 6, 60
#: Words that pypinyin reads otherwise than people type them
load_phrases_dict({"献血": [["xiàn"], ["xuè"]], "采血": [["cǎi"], ["xuè"]], "还款": [["huán"], ["kuǎn"]],
                   "还贷": [["huán"], ["dài"]], "朝阳": [["cháo"], ["yáng"]]})


def characters(run: str) -> list[str]:
    """A run of Chinese characters as marked units. A word that begins with a negation shows no end: 动产 is not
    to be found in 不动产."""
    units: list[str] = []
    for word in words(run):
        begins, ends = _edges(word)
        if word[0] in NEGATIONS:
            ends = {len(word) - 1} if len(word) == 1 else set()
        last = set(accumulate(map(len, parts(word))))
        units += [("^" if i in begins else "") + char + ("$" if i in ends else "") + ("" if i + 1 in last else "+")
                  for i, char in enumerate(word)]
    return units


def written(unit: str) -> str:
    """A unit with and without its marks, as the index takes it: all at one position (field type ``gk_words``)."""
    plain = unit.strip("^$+")
    first, last = unit[: unit.index(plain)], unit[unit.index(plain) + len(plain):]
    return "/".join(begin + plain + end for begin in dict.fromkeys(("", first)) for end in dict.fromkeys(("", *last)))


def syllables(run: str) -> list[str]:
    """The same as toneless syllables, one a character."""
    units: list[str] = []
    for word in words(run):
        begins, ends = _edges(word)
        units += [("^" if i in begins else "") + sound + ("$" if i in ends else "")
                  for i, sound in enumerate(sounds(word))]
    return units


@lru_cache(50_000)
def sounds(word: str) -> tuple[str, ...]:
    """空气 → kong qi. Characters without a known sound stand for themselves."""
    return tuple(lazy_pinyin(word, style=Style.NORMAL, errors=_each))


def readings(text: str, limit: int = 6) -> list[tuple[str, ...]]:
    """The ways to read a text of a query, the likely one first: a wrong character may have brought a wrong sound."""
    likely = tuple(sound for word in words(text) for sound in sounds(word))
    every = pinyin(text, style=Style.NORMAL, heteronym=True, errors=_each)
    if len(every) != len(likely):
        return [likely]
    return list(dict.fromkeys([likely, *islice(product(*every), limit)]))[:limit]


def same_sound(units: tuple[str, ...]) -> tuple[str, ...]:
    """The words of our lists that sound like these toneless syllables: gong zu fang → 公租房."""
    return _homophones().get(units, ())


def same_initials(letters: str) -> tuple[str, ...]:
    """The words of our lists, of three characters or more, whose syllables begin with these letters: gjj → 公积金."""
    return _initials().get(letters, ())


@lru_cache(1_000)
def spelt(letters: str, limit: int = 8) -> list[tuple[str, ...]]:
    """kongqizhiliang → (kong, qi, zhi, liang): every way to spell the letters as syllables, few syllables first."""
    if len(letters) > _LONGEST_SPELT:
        return []
    known = _syllables()
    ways: list[list[tuple[str, ...]]] = [[] for _ in letters] + [[()]]
    for start in range(len(letters) - 1, -1, -1):
        for end in range(min(len(letters), start + _LONGEST_SYLLABLE), start, -1):
            if letters[start:end] in known:
                ways[start] += [(letters[start:end], *rest) for rest in ways[end]]
        ways[start] = sorted(ways[start], key=len)[:limit]
    return ways[0]


def phrases(units: Sequence[str]) -> list[str]:
    """Quoted phrases that find the units where they meet edges of words: both edges when there are few units,
    at least one when there are four or more."""
    first, last = f"^{units[0]}", f"{units[-1]}$"
    if len(units) == 1:
        return [f'"{first}"']
    inner = list(units[1:-1])
    if len(units) < 4:
        return [f'"{" ".join([first, *inner, last])}"']
    return [f'"{" ".join([first, *units[1:]])}"', f'"{" ".join([*units[:-1], last])}"']


def half_phrases(units: Sequence[str]) -> list[str]:
    """The same with one edge at least, however few the units are."""
    if len(units) == 1:
        return [f'"{units[0]}"']
    return [f'"^{" ".join(units)}"', f'"{" ".join(units)}$"']


def inner_phrases(word: str) -> list[str]:
    """Quoted phrases for a word of the dictionary: inside another word, which begins with it (车道 in 车道数) or,
    if it has three characters, ends with it (小学生 in 中小学生). 动车 in 机动车 is another thing."""
    inside = "+ ".join(word)
    return [f'"^{inside}"', f'"{inside}$"'][: len(word) - 1]


def _each(unknown: str) -> Any:
    """Characters without a sound come from pypinyin in one piece: one unit each."""
    return list(unknown)


def _edges(word: str) -> tuple[set[int], set[int]]:
    begins, ends, at = {0}, {len(word) - 1}, 0
    for part in parts(word):
        begins.add(at)
        for head in heads(part):
            (ends if part.startswith(head) else begins).add(
                at + (len(head) - 1 if part.startswith(head) else len(part) - len(head)))
        at += len(part)
        ends.add(at - 1)
    return begins, ends


@cache
def _homophones() -> dict[tuple[str, ...], tuple[str, ...]]:
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for word in sorted(vocabulary().own):
        if re.fullmatch(f"[{HAN}]{{2,8}}", word):
            key = tuple(lazy_pinyin(word, style=Style.NORMAL, errors=_each))
            found[key] = (*found.get(key, ()), word)
    return found


@cache
def _initials() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for units, same in _homophones().items():
        if len(units) > 2:
            key = "".join(unit[0] for unit in units)
            found[key] = (*found.get(key, ()), *same)
    return found


@cache
def _syllables() -> frozenset[str]:
    """Every toneless syllable that a character of the basic block can have, ü as v."""
    found: set[str] = set()
    for code in range(0x4E00, 0x9FFF):
        if code in PINYIN_DICT:
            found.update(pinyin(chr(code), style=Style.NORMAL, heteronym=True)[0])
    return frozenset(sound for sound in found if sound.isascii() and sound.isalpha() and sound not in _INTERJECTIONS)


_INTERJECTIONS = frozenset({"n", "m", "ng", "hm", "hng", "fiao", "kei", "lve", "nve", "eng", "ei", "yo", "o", "den"})
