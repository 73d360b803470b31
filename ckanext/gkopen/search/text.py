"""Folding and cutting: any text → pieces that index and query treat alike.

A piece is a run of Chinese characters, a Latin or mixed word, a number, the number of an official document, the
number of a standard, or a stop. Folding is NFKC, rare variants, traditional → simplified.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from opencc import OpenCC

from .vocabulary import DATA, LONGEST, cheapest_cut, place_base, vocabulary

#: All blocks of Chinese characters, the rare ones beyond the basic plane included, and 〇.
HAN = "〇\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_OPEN, _CLOSE = "〔［\\[(【{〖", "〕］\\])】}〗"
_PIECE = re.compile(
    # 通政发〔2019〕12号, also with other brackets, or with none when 号 ends it
    rf"""(?P<body>[{HAN}]{{1,14}})\s*
         (?:[{_OPEN}]\s*(?P<year>(?:19|20)\d\d)\s*[{_CLOSE}]\s*第?\s*(?P<no>\d{{1,5}})\s*号?
          | \s*(?P<year2>(?:19|20)\d\d)\s*[年\-\s]?\s*第?\s*(?P<no2>\d{{1,5}})\s*号(?!线|楼|院|馆|门))
     # 〔2019〕12号, whoever issued it
     | [{_OPEN}]\s*(?P<year3>(?:19|20)\d\d)\s*[{_CLOSE}]\s*第?\s*(?P<no3>\d{{1,5}})\s*号
     # GB 3838-2002, GB/T 33357, HJ 633
     | (?<![A-Za-z0-9])(?P<code>GBZ?|DB\d\d|HJ|CJJ?|JGJ|YY|WS|NY|SL|JTG|JT|GA|MZ|SB|LY|TD|QB|HG|QX|RB|LD)
         \s?(?P<kind>/\s?[TZ])?\s?[-—]?\s?(?P<std>\d{{2,6}}(?:\.\d+)?)(?:\s?[-—–]\s?(?P<edition>(?:19|20)\d\d))?(?!\d)
     | (?P<calendar>(?:19|20)\d\d)年度?
     | (?P<unit>\d+号线|\d+号|[A-Za-z0-9]{{1,3}}级)
     | (?P<latin>[A-Za-z0-9]+(?:[.\-/_+&][A-Za-z0-9]+)*)
     | (?P<han>[{HAN}]+)
     | (?P<stop>[,，、。;；!！?？:\n\r|…])""",
    re.VERBOSE | re.IGNORECASE)
_YEAR = re.compile("[〇零一二三四五六七八九]{4}(?=年)")
_LINE = re.compile("[一二三四五六七八九](?=号线)")
#: Control characters and halves of surrogate pairs, which neither OpenCC nor Solr takes
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_SPACED = re.compile(rf"(?<![{HAN}])([{HAN}])[ \t]+(?=[{HAN}](?![{HAN}]))")
#: 12345rexian: a number to which pinyin or English was stuck
_GLUED = re.compile("([0-9]{3,})([A-Za-z]{4,})")
#: 1 号线, A 级, 2024 年, PM 2.5, 5 G: the space that typography puts between characters and digits
_SET_APART = re.compile(
    r"(?<=[0-9A-Za-z])[ \t]+(?=(?:号|级|年)(?:[^0-9A-Za-z]|$))|(?<=\bPM)[ \t]+(?=2\.5|10\b)|(?<=\b[45])[ \t]+(?=G\b)",
    re.IGNORECASE)
#: Latin words with marks: pinyin with its tones (kōngqì)
_MARKED = re.compile("[A-Za-z]*[À-ɏḀ-ỿ][A-Za-zÀ-ɏḀ-ỿ]*")
_QUOTES = re.compile("[“”‘’\"'《》「」『』〈〉·•]")
#: What the third character of a word may be for its first two to count as a word too (停车场 → 停车).
_TAILS = frozenset("场站点厂局处部楼室卡馆院线费率量证表册网法户性数员者人所台师业队金")
_HEADS = frozenset("总新副大小高月年日")
NEGATIONS = frozenset("不未非无")
_CONJUNCTION = re.compile("(.{2,})([和与及])(.{2,})")
_BODY_ENDINGS = frozenset("局委办厅处院会站所")

Kind = Literal["han", "latin", "number", "document", "standard", "stop"]


@dataclass(frozen=True)
class Piece:
    """``text`` is folded, as it stands; ``tokens`` are what it is searched by: for documents and standards the
    narrowest first (通政发〔2019〕12 before 政发〔2019〕12), for Latin words and numbers the one token first."""

    kind: Kind
    text: str
    tokens: tuple[str, ...] = ()


def fold(text: str) -> str:
    """One form for all ways to write the same: NFKC, variants, simplified characters, years in digits, no quotes."""
    text = _MARKED.sub(_unmarked, unicodedata.normalize("NFKC", _UNPRINTABLE.sub(" ", text)))
    text = _simplifier().convert(text.translate(_variants()))
    text = _QUOTES.sub("", text)
    text = _YEAR.sub(lambda m: "".join(str("〇一二三四五六七八九".find(c.replace("零", "〇"))) for c in m[0]), text)
    text = _LINE.sub(lambda m: str("〇一二三四五六七八九".index(m[0])), text)
    return _SET_APART.sub("", _SPACED.sub(r"\1", text))


def plain(text: str) -> str:
    """Half-width and simplified, nothing else."""
    return text if text.isascii() else _simplifier().convert(unicodedata.normalize("NFKC", text))


def pieces(folded: str) -> Iterator[Piece]:
    """The pieces of a folded text, in order."""
    for match in _PIECE.finditer(folded):
        if match["body"]:
            year, number = match["year"] or match["year2"], match["no"] or match["no2"]
            yield Piece("han", match["body"])
            yield Piece("document", match[0], tuple(
                f"{match['body'][start:]}〔{year}〕{int(number)}" for start in range(len(match["body"]) + 1)))
        elif match["year3"]:
            yield Piece("document", match[0], (f"〔{match['year3']}〕{int(match['no3'])}",))
        elif match["std"]:
            plain = f"{match['code']}{match['std']}".lower()
            kind = f"{match['code']}{(match['kind'] or '/')[-1].strip('/')}{match['std']}".lower()
            edition = match["edition"]
            names = [f"{plain}-{edition}"] if edition else []
            yield Piece("standard", match[0], tuple(dict.fromkeys([*names, kind, plain, match["std"]])))
        elif match["calendar"]:
            yield Piece("number", match["calendar"], (match["calendar"],))
        elif match["unit"]:
            unit = match["unit"].lower()
            level = re.sub(r"^\d(?=[a-z]级)", "", unit)
            yield Piece("number", match[0], tuple(dict.fromkeys([unit, level])))
        elif match["latin"]:
            glued = _GLUED.fullmatch(match["latin"])
            yield from map(_latin, glued.groups() if glued else [match["latin"]])
        elif match["han"]:
            yield Piece("han", match["han"])
        else:
            yield Piece("stop", match[0])


def stem(word: str) -> str:
    """An English word without its plural, in lower case. Words in capitals are names and stay whole (AED, GIS)."""
    low = word.lower()
    if word.isupper() or len(low) < 4 or not low.isalpha():
        return low
    if low.endswith("ies"):
        return low[:-3] + "y"
    if low.endswith(("ses", "xes", "ches", "shes")):
        return low[:-2]
    if low.endswith("s") and not low.endswith(("ss", "us", "is")):
        return low[:-1]
    return low


@lru_cache(20_000)
def words(run: str) -> tuple[str, ...]:
    """A run of Chinese characters → its words."""
    known = vocabulary()
    return tuple(cheapest_cut(run, known.costs, LONGEST)[1])


@lru_cache(50_000)
def parts(word: str) -> tuple[str, ...]:
    """A long word → the words it is put together from, edge to edge, each of two characters or more.

    空气质量 → 空气 质量, never 气质; 未成年人 has no such parts and stays whole. A name may also hold an "and" or end
    with the kind of body: 市政和园林局 → 市政 和 园林局, 农业农村局 → 农业 农村 局.
    """
    if len(word) < 4:
        return (word,)
    cut = cheapest_cut(word, vocabulary().costs, LONGEST, shortest=2, whole=False)[1]
    if not cut and (joined := _CONJUNCTION.fullmatch(word)):
        cut = [*joined.groups()]
    elif not cut and word[-1] in _BODY_ENDINGS:
        cut = [word[:-1], word[-1]]
    if not all(half in vocabulary().costs or parts(half) != (half,) for half in cut):
        return (word,)
    return tuple(part for half in cut for part in parts(half)) or (word,)


@lru_cache(50_000)
def heads(word: str) -> tuple[str, ...]:
    """Shorter words that a part also stands for: 停车场 → 停车, 海门区 → 海门, 总工会 → 工会."""
    known = vocabulary()
    found = []
    if word in known.places and place_base(word):
        found.append(place_base(word))
    if len(word) == 3 and word[2] in _TAILS and word[:2] in known.costs:
        found.append(word[:2])
    if len(word) == 3 and word[0] in _HEADS and word[1:] in known.costs:
        found.append(word[1:])
    if len(word) > 3:
        found += [word[:end] for end in range(len(word) - 1, 1, -1) if word[:end] in known.places][:1]
    return tuple(dict.fromkeys(found))


def _unmarked(word: re.Match[str]) -> str:
    """Without its marks; ü of pinyin as it is typed, v."""
    letters = unicodedata.normalize("NFD", word[0])
    return re.sub("[\u0300-\u036f]", "", re.sub("(?<=[ln])u\u0308", "v", letters, flags=re.IGNORECASE))


def _latin(raw: str) -> Piece:
    if raw[0].isdigit() and not any(c.isalpha() for c in raw):
        long = [part for part in re.split(r"[-/_]", raw) if len(part) >= 4]
        return Piece("number", raw, tuple(dict.fromkeys([raw.replace("/", "-"), *long])))
    inner = re.split(r"[.\-/_+&]", raw)
    joined = "".join(inner)
    if len(inner) == 1:
        return Piece("latin", raw, (stem(raw),))
    spoken = [stem(part) for part in inner if len(part) > 1 and part.isalpha()]
    return Piece("latin", raw, tuple(dict.fromkeys([joined.lower(), *spoken])))


@cache
def _simplifier() -> OpenCC:
    return OpenCC("t2s")


@cache
def _variants() -> dict[int, str]:
    lines = (DATA / "variants.tsv").read_text("utf-8").splitlines()
    return {ord(line[0]): line.split("\t")[1] for line in lines if line and not line.startswith("#")}
