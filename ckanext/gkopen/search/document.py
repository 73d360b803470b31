"""A dataset → the gk_* fields of its Solr document: its words, characters and sounds, ready cut.

The fields are declared in ``ckanext/gkopen/solr/conf/fields.xml``. Field types there only split at spaces: whatever
is folded, cut or joined is done here, with the very functions that the query side uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from .text import fold, heads, parts, pieces, words
from .units import characters, syllables, written
from .vocabulary import vocabulary

#: Where a dataset names the body that answers for it, beside its organisation.
BODY_FIELDS = ("responsible_body", "author")
TITLE_FIELDS = ("title", "title_en")
#: ``matter`` is the item of the disclosure catalogue; ``name`` lets a dataset be found by its address.
NOTES_FIELDS = ("notes", "notes_en", "matter", "name")
#: Stands between sentences and sources: three positions, so that no phrase reaches across, a loose one neither.
BREAK = "¦ ¦ ¦"
#: The sign before the full name of a department that stands in the field gk_body.
DEPARTMENT = "@"
#: Texts whose tokens are kept: names of columns and forms, tags and laws stand in many datasets.
_TEXTS = 1_000


def index_document(pkg_dict: dict[str, Any], body_titles: Sequence[str]) -> dict[str, Any]:
    """The dictionary that CKAN sends to Solr, with the gk_* fields added.

    :param pkg_dict: as CKAN hands it to ``before_dataset_index`` (flat: title, notes, tags, res_name …).
    :param body_titles: titles of the organisation, those of its parents and former titles too.
    """
    titles = _fields(pkg_dict, TITLE_FIELDS)
    bodies = list(dict.fromkeys([*body_titles, *_fields(pkg_dict, BODY_FIELDS)]))
    tags = _texts(pkg_dict.get("tags"))
    columns = [text for key in ("res_name", "res_description") for text in _texts(pkg_dict.get(key))
               if text not in titles]
    notes = _fields(pkg_dict, NOTES_FIELDS)
    other = [*tags, *columns, *notes]
    fields = {
        "gk_title": word_tokens(titles),
        "gk_tags": word_tokens(tags),
        "gk_body": [*word_tokens(bodies), BREAK, *department_tokens(bodies)],
        "gk_columns": word_tokens(columns),
        "gk_notes": word_tokens(notes),
        "gk_char_title": unit_tokens(titles, characters),
        "gk_char": unit_tokens(other, characters),
        "gk_char_body": unit_tokens(bodies, characters),
        "gk_pinyin_title": unit_tokens(titles, syllables),
        "gk_pinyin": unit_tokens([*other, *bodies], syllables),
    }
    return {**pkg_dict, **{name: " ".join(tokens) for name, tokens in fields.items()}}


def word_tokens(texts: Iterable[str]) -> list[str]:
    """The words of the texts in order, so that phrases work, then the wider forms of numbers.

    A word that also stands for a shorter one is written as both (价格表/价格): Solr puts them at one position.
    """
    found = [_words_of(text) for text in texts]
    return [*(token for line, _ in found for token in line), *(token for _, also in found for token in also)]


@lru_cache(_TEXTS)
def _words_of(text: str) -> tuple[list[str], list[str]]:
    line: list[str] = []
    also: list[str] = []
    for piece in pieces(fold(text)):
        if piece.kind == "han":
            for word in words(piece.text):
                line += ["/".join([part, *heads(part)]) for part in parts(word)]
        elif piece.kind == "document":
            also += [*piece.tokens, f"{piece.tokens[-1].split('〕')[1]}号"]
        elif piece.kind == "stop":
            line.append(BREAK)
        else:
            line.append(piece.tokens[0])
            also += piece.tokens[1:]
    return [*line, BREAK], also


def department_tokens(bodies: Iterable[str]) -> list[str]:
    """@full name of every department that the titles name, by whichever of its names, the longest names first."""
    return list(dict.fromkeys(token for body in bodies for token in _departments_of(body)))


@lru_cache(_TEXTS)
def _departments_of(body: str) -> list[str]:
    departments = vocabulary().departments
    body, found, at = fold(body), [], 0
    while at < len(body):
        name = next((body[at:end] for end in range(len(body), at + 1, -1) if body[at:end] in departments), None)
        found += [DEPARTMENT + full for full in departments.get(name or "", ())]
        at += len(name or " ")
    return found


def unit_tokens(texts: Iterable[str], cut: Callable[[str], list[str]]) -> list[str]:
    """Marked units of the texts; ``cut`` makes them of a run of Chinese characters."""
    return [token for text in texts for token in _units_of(text, cut)]


@lru_cache(3 * _TEXTS)
def _units_of(text: str, cut: Callable[[str], list[str]]) -> list[str]:
    line: list[str] = []
    for piece in pieces(fold(text)):
        if piece.kind == "han":
            line += map(written, cut(piece.text))
        elif piece.kind in ("latin", "number"):
            line.append(written(f"^{piece.tokens[0]}$"))
        else:
            line.append(BREAK)
    return [*line, BREAK]


def _fields(pkg_dict: dict[str, Any], keys: Sequence[str]) -> list[str]:
    """The texts of some fields; a dataset without a schema of its own has them as extras."""
    values = [pkg_dict.get(key) or pkg_dict.get(f"extras_{key}") for key in keys]
    return [value for value in values if isinstance(value, str) and value]


def _texts(value: Any) -> list[str]:
    """The texts of a field that may hold one or many."""
    if isinstance(value, str):
        return [value]
    return [text for text in value or () if isinstance(text, str) and text]
