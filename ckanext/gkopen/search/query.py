"""A person's query → a query of Solr that finds words, and only where these find nothing, characters and sounds.

What each part of the query finds is asked of Solr beforehand, all in one request without rows (``Count``). Most
queries need one; those in which something is misspelt or unknown two or three.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from .terms import LONGEST_QUERY, LONGEST_SLIP, Question, Term, ask, latin_sounds, quoted, respelt, split
from .units import half_phrases, phrases, readings

#: How many datasets each of some Solr clauses finds, within the filters of the search.
Count = Callable[[Sequence[str]], list[int]]

FIELDS = "gk_title^6 gk_tags^3 gk_columns^2 gk_body^2 gk_notes^1.5"
TIE = "0.2"
NOTHING = "-*:*"
EVERY_DATASET = "entity_type:package^0"
#: A query in Solr's own syntax names a field of CKAN's, or one of a dataset schema (these have an underscore).
_SYNTAX = re.compile(
    r"(?:^|[\s(+\-!])(?:\*|id|name|title|notes|tags|groups|organization|author|maintainer|url|version|state|type|text"
    r"|license|private|capacity|[a-z][a-z0-9]*_[a-z0-9_]*):(?=\S)")
_MOST_COMBINED, _MOST_EITHER = 7, 3
_WRONG_CHARACTER_FROM = 4


class QueryRejectedError(Exception):
    """Solr does not understand a clause."""


@dataclass(frozen=True)
class Found:
    """A part of the query and the clause by which it is found."""

    term: Term
    clause: str


def search_query(params: dict[str, Any], count: Count) -> tuple[dict[str, Any], bool]:
    """The parameters of a ``package_search`` with a query that suits Chinese; whether it finds what comes near only,
    since no dataset has all that was asked for.

    Left as it is: an empty query, one in Solr's syntax that Solr understands, one whose caller set the query parser
    or its fields. Never raises for what people type.
    """
    query = str(params.get("q") or "").strip()
    if query in ("", "*:*", '""', "''") or any(params.get(key) for key in ("qf", "mm", "defType")):
        return params, False
    if query == "*":
        return {**params, "q": "*:*"}, False
    if _SYNTAX.search(query) and len(query) <= 20 * LONGEST_QUERY and _understood(query, count):
        return params, False
    question = ask(query)
    if not question.terms:
        return {**params, "q": NOTHING}, False
    try:
        clauses, near = _plan(question, _Counts(count))
    except QueryRejectedError:
        return params, False       # a filter that Solr refuses, or no Solr: CKAN's own request says so
    return {**params, "q": " ".join(clauses), "defType": "edismax", "qf": FIELDS, "mm": "0", "tie": TIE}, near


def _understood(query: str, count: Count) -> bool:
    if "{!" in query or re.search(r"_\W*(query|val)\W*_", query):
        return False
    try:
        count([query])
    except QueryRejectedError:
        return False
    return True


class _Counts:
    """Remembers what was asked, so that each clause travels once."""

    def __init__(self, count: Count) -> None:
        self._count, self._known = count, {"": 0}

    def ask(self, clauses: Iterable[str]) -> None:
        new = list(dict.fromkeys(clause for clause in clauses if clause not in self._known))
        if new:
            self._known.update(zip(new, self._count(new), strict=True))

    def __getitem__(self, clause: str) -> int:
        self.ask([clause])
        return self._known[clause]


def _plan(question: Question, counts: _Counts) -> tuple[list[str], bool]:
    """The clauses of the final query: required ones with a plus sign, then those that only raise. And whether something
    of what was asked for is left out, or read as another word."""
    hard = question.hard
    everything = _all_of([_in_words(term) for term in hard])
    runs = _latin_runs(hard)
    counts.ask([clause for term in hard for clause in _ways(term)] + [everything]
               + [_in_sounds(latin_sounds(run)) for run in runs])
    if counts[everything] and not any(term.narrower for term in hard):
        return _clauses([Found(term, _words_clause(term)) for term in hard], question), False
    found, missing = _resolve(hard, runs, counts)
    together = not missing and counts[_all_of([_counted(part) for part in found])]
    near = not together or not all(map(_is_literal, found))
    if not together:
        found = _replace_misspelt(found, missing, hard, counts)
        weight = sum(term.weight for term in hard)
        best = _most_that_is_found(found, weight, counts)
        best = best or _one_wrong_character(hard, counts) or _most_that_is_found(found, weight, counts, share=3)
        found, near = best or [Found(term, _words_clause(term)) for term in hard], bool(best)
    return _clauses(found, question), near


def _clauses(found: Sequence[Found], question: Question) -> list[str]:
    required = [f"+{part.clause}" for part in found]
    # A year is not required (a table of ten years has no year in its title), but wanted more than a general noun.
    raising = [f"{quoted(term.tokens)}^{2 if term.text.isdigit() else 0.3}" for term in question.soft if term.tokens]
    raising += [f"{quoted([wish])}^0.5" for wish in dict.fromkeys(question.wishes)]
    # 教体局 stands for 教育局 too, but a body that has its characters in this order is meant first
    raising += [f"{_in_bodies(part.term.bodies)}^10" for part in found if part.term.bodies]
    tokens = [token for part in found for token in part.term.tokens]
    if len(found) > 1 and tokens:
        raising += [f"{quoted(tokens)}~2^3", f"{quoted(tokens)}^3"]
    every = [token for term in question.terms for token in term.tokens]
    if len(every) > max(1, len(tokens)):
        raising.append(f"{quoted(every)}^3")
    # CKAN's default operator is AND: what only raises is one required clause that every dataset fulfils.
    return [*required, f"+({' OR '.join([*raising, EVERY_DATASET])})"] if raising else required


def _words_clause(term: Term) -> str:
    """A clause for the query fields of edismax."""
    return f"({' OR '.join(f'{clause}^{weight:g}' for clause, weight in term.words)})"


def _in_words(term: Term) -> str:
    """The same for counting, over the one field that holds all words."""
    return f"gk_words:({' OR '.join(clause for clause, _ in term.words)})"


def _in(title: str, rest: str, clauses: Sequence[str]) -> str:
    either = " OR ".join(clauses)
    return f"({title}:({either})^4 OR {rest}:({either}))" if clauses else ""


def _in_characters(clauses: Sequence[str]) -> str:
    return _in("gk_char_title", "gk_char", clauses)


def _in_bodies(clauses: Sequence[str]) -> str:
    return f"gk_char_body:({' OR '.join(clauses)})" if clauses else ""


def _in_sounds(clauses: Sequence[str]) -> str:
    return _in("gk_pinyin_title", "gk_pinyin", clauses)


def _ways(term: Term) -> list[str]:
    """Every clause by which a term could be found."""
    ways = [_in_words(term), _in_characters(term.characters), _in_bodies(term.bodies), _in_sounds(term.sounds)]
    ways += [f"gk_words:{quoted([number])}" for number in term.narrower]
    return [way for way in ways + [way for half in term.halves for way in _ways(half)] if way]


def _all_of(clauses: Sequence[str]) -> str:
    return " ".join(f"+{clause}" for clause in clauses)


def _latin_runs(terms: Sequence[Term]) -> list[list[Term]]:
    """Latin words that stand side by side."""
    runs: dict[int, list[Term]] = {}
    for term in terms:
        if term.latin:
            runs.setdefault(term.run, []).append(term)
    return list(runs.values())


def _resolve(hard: Sequence[Term], runs: Sequence[Sequence[Term]], counts: _Counts) -> tuple[list[Found], list[Term]]:
    """How each term is found, and the terms that are not."""
    spoken: dict[int, str] = {}
    for run in runs:
        if not all(counts[_in_words(term)] for term in run):
            whole = replace(run[0], text=" ".join(term.text for term in run),
                            sounds=latin_sounds(run), characters=())
            meant = _as_meant(whole, counts)
            if meant:
                spoken[run[0].run] = meant
    found: list[Found] = []
    missing: list[Term] = []
    for term in hard:
        if term.latin and term.run in spoken:
            clause = spoken[term.run]
            if clause not in [part.clause for part in found]:
                found.append(Found(Term(term.text, (), latin=True), clause))
            continue
        ways = _find(term, counts)
        found += ways
        if not ways:
            missing.append(term)
    return found, missing


def _is_literal(part: Found) -> bool:
    """Whether it is what was typed, its sounds in Latin letters included, and not a word that was probably meant."""
    return part.term.latin or part.clause in (_words_clause(part.term), _in_characters(part.term.characters),
                                              _in_bodies(part.term.bodies))


def _find(term: Term, counts: _Counts) -> list[Found]:
    if term.narrower:
        number = next((number for number in term.narrower if counts[f"gk_words:{quoted([number])}"]), None)
        return [Found(Term(term.text, ((quoted([number]), 1.0),), tokens=(number,)), f"({quoted([number])}^1)")] \
            if number else []
    if counts[_in_words(term)]:
        return [Found(term, _words_clause(term))]
    for clause in (_in_characters(term.characters), _in_bodies(term.bodies), _in_sounds(term.sounds)):
        if counts[clause] and not term.latin:
            return [Found(term, clause)]
    meant = _as_meant(term, counts)
    if meant:
        return [Found(term, meant)]
    if term.halves and len(term.text) >= _WRONG_CHARACTER_FROM and counts[_one_wrong(term.text)]:
        return [Found(term, _one_wrong(term.text))]
    content = [half for half in term.halves or split(term) if not half.stop]
    halves = [half for half in content if len(half.text) > 1 and not half.soft] \
        or [half for half in content if len(half.text) > 1]
    return [part for half in halves for part in _find(half, counts)]


def _as_meant(term: Term, counts: _Counts) -> str:
    """A clause for the words that were probably meant, empty if none of them is found. Pinyin means its sounds, too."""
    meant = list(respelt(term))
    counts.ask(_in_words(other) for other in meant)
    clauses = [_words_clause(other) for other in meant if counts[_in_words(other)]]
    if term.latin and counts[_in_sounds(term.sounds)]:
        clauses.append(_in_sounds(term.sounds))
    return f"({' OR '.join(clauses)})" if clauses else ""


def _replace_misspelt(
    found: list[Found], missing: Sequence[Term], hard: Sequence[Term], counts: _Counts
) -> list[Found]:
    """Neighbours that are found together by their characters or sounds, though not as words: 不动产|等级."""
    windows: list[tuple[Sequence[Term], list[str]]] = []
    for start, end in combinations(range(len(hard) + 1), 2):
        terms = hard[start:end]
        if len(terms) < 2 or any(t.latin or t.place or t.narrower or t.run != terms[0].run for t in terms):
            continue
        text = "".join(term.text for term in terms)
        if len(text) > LONGEST_SLIP:
            continue
        sounds = [phrase for way in readings(text) for phrase in phrases(way)] if len(text) > 3 else []
        windows.append((terms, [_in_characters(half_phrases(text)), _in_sounds(sounds)]))
    counts.ask([clause for _, clauses in windows for clause in clauses])
    for terms, clauses in sorted(windows, key=lambda window: -sum(term.weight for term in window[0])):
        clause = next((clause for clause in clauses if counts[clause]), None)
        if clause:
            texts = {term.text for term in terms} | {half.text for term in terms for half in term.halves}
            kept = [part for part in found if part.term.text not in texts]
            return [*kept, Found(Term("".join(term.text for term in terms), ()), clause)]
    return found


def _most_that_is_found(found: Sequence[Found], weight: int, counts: _Counts, share: int = 2) -> list[Found]:
    """The parts that are found together, leaving out as few characters as can be; half of them (or a third …) remain.
    Where two choices leave out nearly the same, either will do: 新冠疫苗 finds what is about the one or the other."""
    choices = [
        kept for size in range(len(found), 0, -1) for kept in combinations(found[:_MOST_COMBINED], size)
        if share * sum(part.term.weight for part in kept) >= weight
    ]
    choices.sort(key=lambda kept: -sum(part.term.weight for part in kept))
    counts.ask([_all_of([_counted(part) for part in kept]) for kept in choices])
    best: list[Sequence[Found]] = []
    for kept in choices:
        near = not best or sum(part.term.weight for part in kept) >= sum(part.term.weight for part in best[0]) - 1
        if near and counts[_all_of([_counted(part) for part in kept])] and not any(set(kept) <= set(b) for b in best):
            best.append(kept)
        if len(best) == _MOST_EITHER:
            break
    if len(best) < 2:
        return list(*best)
    either = " OR ".join(f"({_all_of([part.clause for part in kept])})" for kept in best)
    return [Found(Term("".join(dict.fromkeys(part.term.text for kept in best for part in kept)), ()), f"({either})")]


def _counted(part: Found) -> str:
    return _in_words(part.term) if part.term.words and part.clause == _words_clause(part.term) else part.clause


def _one_wrong_character(hard: Sequence[Term], counts: _Counts) -> list[Found]:
    """The last resort: a run of four characters or more of which any one may be another."""
    runs: dict[int, str] = {}
    for term in hard:
        if not term.latin and not term.place and not term.narrower:
            runs[term.run] = runs.get(term.run, "") + term.text
    for text in runs.values():
        if _WRONG_CHARACTER_FROM <= len(text) <= LONGEST_SLIP and counts[_one_wrong(text)]:
            return [Found(Term(text, ()), _one_wrong(text))]
    return []


def _one_wrong(text: str) -> str:
    """The characters in their order with a gap at any one place."""
    units = [f"^{text[0]}", *text[1:-1], f"{text[-1]}$"]
    return _in_characters([f"{quoted(units[:at] + units[at + 1:])}~1" for at in range(len(units))])
