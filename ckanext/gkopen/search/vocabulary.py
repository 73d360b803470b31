"""The words that the search knows: a general dictionary and the field's own lists in ``data/``.

Everything is read once a process (about a second) and never changes afterwards. The formats of the lists stand in
the first lines of each file; all of them are UTF-8, ``#`` begins a comment. A city adds its own words in files of
the same names and formats, in the folder that ``ckanext.gkopen.search.words`` names.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ckan.common import config

DATA = Path(__file__).parent / "data"
#: Endings that a name of a place loses in speech (海门区 → 海门), longest first.
PLACE_ENDINGS = ("特别行政区", "自治区", "自治州", "自治县", "地区", "街道", "新区",
                 "省", "市", "区", "县", "州", "盟", "旗", "镇", "乡")


@dataclass(frozen=True)
class Synonym:
    """Words that a query's word also stands for, each with its weight (1 would be the word itself)."""

    words: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Vocabulary:
    """All lists, in simplified characters.

    costs: word → -log of its probability, the dictionary for cutting
    synonyms: word → what it also stands for
    departments: any name of a department → the full names that it may stand for
    places: names of places, with and without their ending
    stops: words of questions
    soft: general nouns, which raise a dataset but are not required
    wishes: word of a question → words of the kind that is wanted (今天 → 日报)
    english: lower-case English phrase → Chinese words
    lookalikes: character → those that it is taken for
    own: the words of our lists, without the general dictionary
    """

    costs: dict[str, float]
    synonyms: dict[str, Synonym]
    departments: dict[str, tuple[str, ...]]
    places: frozenset[str]
    stops: frozenset[str]
    soft: frozenset[str]
    wishes: dict[str, tuple[str, ...]]
    english: dict[str, tuple[str, ...]]
    lookalikes: dict[str, str]
    own: frozenset[str]


LONGEST = 12
SAME, RELATED = 0.7, 0.45


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary of this process."""
    stops, soft, wishes = _questions()
    synonyms = _synonyms()
    places = frozenset(_places())
    costs = _general_dictionary()
    terms = frozenset(_words("terms.txt"))
    departments = _departments(plain=costs.keys() | synonyms.keys() | terms)
    own: set[str] = {*terms, *places, *stops, *soft, *wishes, *synonyms, *departments}
    own.update(word for synonym in synonyms.values() for word, _ in synonym.words)
    for word in sorted((w for w in own if 1 < len(w) <= LONGEST), key=lambda w: (len(w), w)):
        # A word of ours wins over its own cutting; a long one also over neighbours (再生|水利|用量), a short one not.
        bonus = 0.5 if len(word) == 2 else 3.0
        costs[word] = min(costs.get(word, math.inf), cheapest_cut(word, costs, LONGEST)[0] - bonus)
    named = frozenset(word for word in own - stops - wishes.keys() if len(word) > 1)
    return Vocabulary(
        costs, synonyms, departments, places, stops, soft, wishes, _english(), _lookalikes(), named)


def cheapest_cut(
    text: str, costs: dict[str, float], longest: int, shortest: int = 1, whole: bool = True
) -> tuple[float, list[str]]:
    """The most probable cutting of a run of Chinese characters: (cost, words).

    :param shortest: no word may have fewer characters; the cost is infinite when that cannot be.
    :param whole: whether the text itself counts as a word.
    """
    unknown = 25.0 if shortest == 1 else math.inf
    best: list[tuple[float, int]] = [(0.0, 0)] * (len(text) + 1)
    for start in range(len(text) - 1, -1, -1):
        choice = (math.inf, start + 1)
        for end in range(start + shortest, min(len(text), start + longest) + 1):
            if not whole and end - start == len(text):
                continue
            cost = costs.get(text[start:end], unknown if end == start + 1 else math.inf) + best[end][0]
            choice = min(choice, (cost, end))
        best[start] = choice
    if not math.isfinite(best[0][0]):
        return math.inf, []
    words, start = [], 0
    while start < len(text):
        words.append(text[start:best[start][1]])
        start = best[start][1]
    return best[0][0], words


def place_base(name: str) -> str:
    """海门区 → 海门; a name that would keep fewer than two characters comes back empty."""
    for ending in PLACE_ENDINGS:
        if name.endswith(ending) and len(name) - len(ending) >= 2:
            return name[: -len(ending)]
    return ""


def _lines(name: str) -> Iterator[str]:
    folder = config.get("ckanext.gkopen.search.words")
    if folder and not Path(folder).is_dir():
        raise NotADirectoryError(f"ckanext.gkopen.search.words names {folder}, no folder: make it or unset it.")
    for path in (DATA / name, *([Path(folder) / name] if folder else [])):
        for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
            if line.strip() and not line.startswith("#"):
                yield line.rstrip()


def _words(name: str) -> Iterator[str]:
    for line in _lines(name):
        yield from line.split()


def _general_dictionary() -> dict[str, float]:
    """jieba's word list, read without jieba: its own loader keeps a cache in a folder that anyone can write."""
    spec = find_spec("jieba")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("jieba is not installed: the search needs its dict.txt")
    counts: dict[str, int] = {}
    for line in (Path(spec.origin).parent / "dict.txt").read_text("utf-8").splitlines():
        word, count, *_ = line.split(" ")
        if len(word) <= LONGEST and not word.isascii():
            counts[word] = int(count)
    total = math.log(sum(counts.values()))
    return {word: total - math.log(count or 1) for word, count in counts.items()}


def _synonyms() -> dict[str, Synonym]:
    found: dict[str, dict[str, float]] = {}
    for line in _lines("synonyms.tsv"):
        asked, sign, also = line.partition(" > ") if " > " in line else line.partition(" = ")
        if not sign:
            raise ValueError(f"synonyms.tsv: neither ' = ' nor ' > ' in the line: {line}")
        left, right = asked.split(), also.split()
        if ">" in sign:
            for word in left:
                found.setdefault(word, {}).update(
                    {w: max(RELATED, found.get(word, {}).get(w, 0)) for w in right if w != word})
        else:
            for word in left + right:
                found.setdefault(word, {}).update({w: SAME for w in left + right if w != word})
    return {word: Synonym(tuple(also.items())) for word, also in found.items()}


def _departments(plain: Set[str]) -> dict[str, tuple[str, ...]]:
    """A short name also without its ending, unless that is a plain word (人社 for 人社局, not 教育 for 教育局), and
    with the endings that such bodies have elsewhere (旅游委 for 旅游局)."""
    found: dict[str, tuple[str, ...]] = {}
    for line in _lines("departments.tsv"):
        full, _, others = line.partition("\t")
        names = [full, *others.split()]
        bases = [name[:-1] for name in names if len(name) in (3, 5) and name[-1] in "局办"]
        elsewhere = [base + ending for base in bases if base + "局" in names for ending in "委厅"]
        for name in (*names, *(base for base in bases if base not in plain), *elsewhere):
            if full not in found.get(name, ()):
                found[name] = (*found.get(name, ()), full)
    return found


def _places() -> Iterator[str]:
    yield from _words("places_local.txt")
    for line in _lines("places.tsv"):
        yield line.split("\t")[1]


def _questions() -> tuple[frozenset[str], frozenset[str], dict[str, tuple[str, ...]]]:
    stops: set[str] = set()
    soft: set[str] = set()
    wishes: dict[str, tuple[str, ...]] = {}
    for line in _lines("stopwords.txt"):
        if line.startswith("~"):
            soft.update(line[1:].split())
        elif " > " in line:
            asked, _, kinds = line.partition(" > ")
            wishes.update({word: tuple(kinds.split()) for word in asked.split()})
        else:
            stops.update(line.split())
    return frozenset(stops - wishes.keys()), frozenset(soft), wishes


def _english() -> dict[str, tuple[str, ...]]:
    return {en: tuple(zh.split()) for en, _, zh in (line.partition("\t") for line in _lines("english.tsv"))}


def _lookalikes() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _lines("lookalikes.txt"):
        group = line.split()
        for char in group:
            found[char] = found.get(char, "") + "".join(other for other in group if other != char)
    return found
