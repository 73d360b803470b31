"""A person's query → its terms: what each asks for in words, and where to look when words do not find it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from .document import BREAK, DEPARTMENT
from .text import HAN, Piece, fold, heads, parts, pieces, words
from .units import half_phrases, inner_phrases, phrases, readings, same_initials, same_sound, spelt
from .vocabulary import vocabulary

#: Longer queries are cut off: no question needs more, and each word costs.
LONGEST_QUERY, MOST_TERMS = 200, 14
#: A longer stretch is no slip of the pen: it is not tried as one word.
LONGEST_SLIP = 12
_ENDINGS = ("局", "委", "办", "厅", "处", "院", "会", "中心", "支队", "站", "所", "部", "政府")
#: They end what stands before them and are no slip of the pen.
_PARTICLES = frozenset("的了吗呢吧啊呀")
_QUOTED = re.compile("[\"“”]([^\"“”]+)[\"“”]")
#: A syllable with the number of its tone: ting2 che1
_TONED = re.compile(r"([a-z]{2,6})[1-5](?![0-9])")
#: The words of the boolean language that people type although nothing here needs them.
_OPERATORS = frozenset({"AND", "OR", "NOT"})


@dataclass(frozen=True)
class Term:
    """One thing that is asked for.

    words: clauses over the fields of words, each with its weight; the first is the term itself
    characters, bodies, sounds: clauses (bare phrases) for the fallbacks, narrow ones
    weight: how many characters would be lost without it; a place counts little, the subject is what was asked for
    soft: raises what has it, hides nothing
    place: the name of a place
    halves: the terms it was put together from, if its words might not belong together
    narrower: numbers from narrow to wide, of which the first that is found counts
    """

    text: str
    words: tuple[tuple[str, float], ...]
    characters: tuple[str, ...] = ()
    bodies: tuple[str, ...] = ()
    sounds: tuple[str, ...] = ()
    soft: bool = False
    place: bool = False
    stop: bool = False
    tokens: tuple[str, ...] = ()
    halves: tuple[Term, ...] = ()
    narrower: tuple[str, ...] = ()
    run: int = 0
    latin: bool = False

    @property
    def weight(self) -> int:
        if self.place:
            return 1
        if self.halves:
            return sum(half.weight for half in self.halves if not half.stop)
        return len(self.text) if not self.latin else max(min(3, len(self.text)), len(self.text) // 2)


@dataclass
class Question:
    """All terms of a query, words of questions left out, and what the wish for a kind adds (今天 → 日报)."""

    terms: list[Term] = field(default_factory=list)
    wishes: list[str] = field(default_factory=list)

    @property
    def hard(self) -> list[Term]:
        return [term for term in self.terms if not term.soft]

    @property
    def soft(self) -> list[Term]:
        return [term for term in self.terms if term.soft]


def quoted(tokens: Sequence[str]) -> str:
    """Tokens as a phrase of Solr. They hold no quotes or backslashes: text.py lets none through."""
    return f'"{" ".join(tokens)}"'


def ask(query: str) -> Question:
    """Take a query apart. Empty terms: there was nothing in it that could be searched."""
    query = query[:LONGEST_QUERY]
    question = Question()
    run = 0
    for number, stretch in enumerate(_QUOTED.split(query)):
        if number % 2:
            question.terms += _exact(stretch)
            continue
        latin: list[Piece] = []
        for piece in [*pieces(fold(stretch)), Piece("stop", "")]:
            if piece.kind == "latin" and piece.text not in _OPERATORS:
                latin.append(piece)
                continue
            if latin:
                question.terms += [replace(term, run=-run - 1) for term in _latin_terms(latin)]
                latin, run = [], run + 1
            if piece.kind == "han":
                question.terms += [replace(term, run=run) for term in _han_terms(piece.text, question.wishes)]
                run += 1
            elif piece.kind == "document":
                _take_back(question, piece)
            elif piece.kind in ("number", "standard"):
                question.terms.append(_number_term(piece))
    content = [term for term in question.terms if not term.stop]
    if not any(not term.soft for term in content):
        content = [replace(term, soft=False) for term in content or question.terms]
    question.terms = content[:MOST_TERMS]
    return question


def _exact(text: str) -> Iterator[Term]:
    """What stood in quotes: these characters, in this order, nothing else."""
    folded = fold(text)
    run = "".join(re.findall(f"[{HAN}]+", folded))
    if run and run == re.sub(r"\s", "", folded):
        tokens = [part for word in words(run) for part in parts(word)]
        yield Term(run, ((quoted(tokens), 1.0),), tuple(half_phrases(run)), tokens=tuple(tokens))
        return
    tokens: list[str] = []
    for piece in pieces(folded):
        if piece.kind == "stop":
            tokens += BREAK.split() if tokens else []
        else:
            tokens += [part for word in words(piece.text) for part in parts(word)] if piece.kind == "han" \
                else piece.tokens[:1]
    if tokens:
        yield Term(text.strip(), ((quoted(tokens), 1.0),), tokens=tuple(tokens))


def _take_back(question: Question, piece: Piece) -> None:
    """The number of a document follows the run of characters that holds its issuer: 关于通政发|〔2019〕12号."""
    while question.terms and piece.text.startswith(question.terms[-1].text) and question.terms[-1].tokens:
        question.terms.pop()
    body = piece.tokens[0].split("〔")[0]
    while question.terms and not question.terms[-1].latin and body.endswith(question.terms[-1].text):
        body = body[: -len(question.terms[-1].text)]
        question.terms.pop()
    question.terms.append(Term(piece.text, ((quoted(piece.tokens[:1]), 1.0),), narrower=piece.tokens))


def _number_term(piece: Piece) -> Term:
    years = bool(re.fullmatch(r"(19|20)\d\d", piece.text))
    return Term(piece.text, tuple((quoted([token]), 1.0 / (n + 1)) for n, token in enumerate(piece.tokens)),
                narrower=piece.tokens if piece.kind == "standard" else (), soft=years, tokens=piece.tokens[:1])


def _latin_terms(run: Sequence[Piece]) -> list[Term]:
    """Latin words: known English phrases with their Chinese words; letters that may be pinyin as syllables."""
    known = vocabulary()
    terms: list[Term] = []
    at = 0
    while at < len(run):
        for end in range(min(len(run), at + 4), at, -1):
            tokens = [piece.tokens[0] for piece in run[at:end]]
            chinese = known.english.get(" ".join(tokens), ())
            if end == at + 1 or chinese:
                break
        text = " ".join(piece.text for piece in run[at:end])
        low = " ".join(piece.text.lower() for piece in run[at:end])
        soft = all(piece.text.lower() in known.soft for piece in run[at:end])
        stop = all(piece.text.lower() in known.stops for piece in run[at:end])
        clauses = [(quoted(tokens), 1.0), *((quoted(_tokens(word)), 0.4) for word in chinese)]
        if end == at + 1 and len(run[at].tokens) > 2:       # air-quality stands for air quality too
            clauses.append((quoted(run[at].tokens[1:]), 0.8))
        for name in dict.fromkeys((text, text.upper())):
            also = known.synonyms[name].words if name in known.synonyms else ()
            clauses += [(quoted(_tokens(fold(word))), weight) for word, weight in also]
        if re.fullmatch("[1-5]a", low):
            clauses += [(quoted([f"{low}级"]), 1.0), (quoted(["a级"]), 0.8)]
        low = _TONED.sub(r"\1", low)
        ways = spelt(low.replace(" ", "")) if low.replace(" ", "").isalpha() else []
        terms.append(Term(text, tuple(clauses), sounds=tuple(p for way in ways for p in phrases(way)),
                          soft=soft, stop=stop, tokens=tuple(tokens), latin=True))
        at = end
    return terms


def latin_sounds(terms: Sequence[Term]) -> tuple[str, ...]:
    """Latin terms side by side, read as one stretch of pinyin (sangong jingfei)."""
    ways: list[tuple[str, ...]] = [()]
    for letters in "".join(f"{term.text} " for term in terms).lower().split():
        ways = [(*way, *spelling) for way in ways for spelling in spelt(_TONED.sub(r"\1", letters))][:8]
    return tuple(phrase for way in ways if way for phrase in phrases(way))


def han_term(text: str, soft: bool = False, stop: bool = False) -> Term:
    """A word of Chinese with its synonyms, departments and fallbacks."""
    known = vocabulary()
    tokens = _tokens(text)
    clauses: dict[str, float] = {quoted(tokens): 1.0}
    if len(tokens) > 1:
        clauses[f"{quoted(tokens)}~2"] = 0.25
    for word, weight in known.synonyms[text].words if text in known.synonyms else ():
        clauses.setdefault(quoted(_tokens(fold(word))), weight)
    for full in known.departments.get(text, ()):
        clauses[quoted([DEPARTMENT + full])] = 2.0
        clauses.setdefault(quoted(_tokens(full)), 0.7)
    if text in known.places:
        for short in heads(text):
            clauses.setdefault(quoted([short]), 0.6)
    sounds: list[str] = []
    if len(text) > 2 or (len(text) == 2 and text not in known.costs):
        sounds = [phrase for way in readings(text) for phrase in phrases(way)]
    known_word = len(text) in (2, 3) and text in known.costs
    abbreviated = len(text) > 2 and text.endswith(_ENDINGS)
    return Term(
        text, tuple(clauses.items()), tuple(inner_phrases(text) if known_word else half_phrases(text)),
        bodies=(f'"{" ".join(text)}"~8',) if abbreviated else (),
        sounds=tuple(dict.fromkeys(sounds)), tokens=tuple(tokens), place=text in known.places,
        soft=soft, stop=stop)


def split(term: Term) -> list[Term]:
    """The words that a longer one is put together from, as terms of their own: 公立医院 → 公立, 医院; 救济金 → 救济."""
    known = vocabulary()
    if term.latin or term.place or term.text in known.departments:
        return []
    tokens = term.tokens if len(term.tokens) > 1 else [term.text[:2]] if len(term.text) == 3 and not term.bodies else []
    return [han_term(token, soft=token in known.soft, stop=token in known.stops)
            for token in tokens if token in known.costs]


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    for piece in pieces(text):
        if piece.kind == "han":
            tokens += [part for word in words(piece.text) for part in parts(word)]
        else:
            tokens += piece.tokens[:1]
    return tokens or [text]


def _han_terms(run: str, wishes: list[str]) -> list[Term]:
    known = vocabulary()
    terms: list[Term] = []
    for text in _longest_known(run):
        if text in known.wishes:
            wishes += known.wishes[text]
        stop = text in known.stops or text in known.wishes
        terms.append(han_term(text, soft=text in known.soft, stop=stop))
    return _join_single(terms)


def _longest_known(run: str) -> Iterator[str]:
    """The words of a run, neighbours joined where the lists know them together (住房|公积金).

    A joined one may end inside a long word, at an edge of its parts.
    """
    known = vocabulary()
    lists = (known.synonyms, known.departments, known.wishes)
    words_end = list(accumulate(len(word) for word in words(run)))
    parts_end = list(accumulate(len(part) for word in words(run) for part in parts(word)))
    start = 0
    while start < len(run):
        listed = [end for end in parts_end if end > start and any(run[start:end] in some for some in lists)]
        end = max([*listed, next(end for end in words_end if end > start)])
        yield run[start:end]
        start = end


def _join_single(terms: list[Term]) -> list[Term]:
    """A single character that is no word of its own here belongs to its neighbours: 停车|厂 is asked as 停车厂 first.

    Places and longer words of questions stand apart; a single character of a question (气|向) may be a slip.
    """
    joined: list[Term] = []
    pending: list[Term] = []

    def flush() -> None:
        text = "".join(term.text for term in pending)
        if 1 < len(pending) <= len(text) <= LONGEST_SLIP and any(map(_is_single, pending)):
            tokens = tuple(token for term in pending for token in term.tokens)
            joined.append(replace(
                han_term(text), words=((quoted(tokens), 1.0),), tokens=tokens, halves=tuple(pending)))
        else:
            joined.extend(pending)
        pending.clear()

    for number, term in enumerate(terms):
        beside = [terms[n] for n in (number - 1, number + 1) if 0 <= n < len(terms)]
        apart = term.place or (term.stop and len(term.text) > 1) or term.text in _PARTICLES
        if _is_single(term) or (not apart and any(map(_is_single, beside))):
            pending.append(term)
        else:
            flush()
            joined.append(term)
    flush()
    return joined


def _is_single(term: Term) -> bool:
    return len(term.text) == 1 and not term.stop and not term.soft


def respelt(term: Term) -> Iterator[Term]:
    """Terms that may have been meant: words of our lists that sound the same, then those that look the same."""
    known = vocabulary()
    if term.latin:
        ways = spelt(_TONED.sub(r"\1", term.text.lower()).replace(" ", ""))
    elif len(term.text) > 2 or term.text not in known.costs:
        ways = readings(term.text)
    else:
        ways = []
    sounding = [word for way in ways for word in same_sound(tuple(way)) if word != term.text]
    if term.latin and not ways and term.text.islower():     # names in Latin letters are written large: GIS, ETC
        sounding += same_initials(term.text)
    looking = [] if term.latin or len(term.text) < 3 else [
        term.text[:at] + other + term.text[at + 1:]
        for at, char in enumerate(term.text) for other in known.lookalikes.get(char, "")]
    for word in dict.fromkeys([*sounding, *(word for word in looking if word in known.costs)]):
        yield han_term(word)
