"""Substrings in the rows of a table: `q` becomes conditions on the two-character index of `publish.table_sql`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from ckan.plugins.toolkit import ValidationError

from ckanext.gkopen.domains import Domain
from ckanext.gkopen.publish.table_sql import TableSQL, quoted, search_expression
from ckanext.gkopen.search.text import plain

MAX_TERMS = 16
MAX_LETTERS = 200
MOST_PIECES = 6
COMMON = 0.3
"""A piece that stands in a larger share of the rows is not looked for where the word has a rarer one."""
CAP = 10_000
"""Hits of `q` are listed, and counted exactly, up to this number; a larger total is given as this one, as estimated."""
_WIDE = str.maketrans("():,;", "（）：，；")
_YEAR = re.compile(r"[(\[〔]((?:19|20)\d\d)[)\]〕]")
"""The year in the number of a document, which tables write in any brackets."""
BY_INDEX = "set local enable_seqscan = off; set local enable_indexscan = off; set local jit = off"
"""A word that every row has took 27 s where the planner chose to compute the pieces of each row again."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """`indexed` finds rows by the index and then checks them, `checked` only checks: quicker when most rows match.

    Both are SQL with the named parameters of `params`, and mean the same.
    """

    indexed: str
    checked: str
    params: dict[str, str]


def conditions(domain: Domain, q: str | Mapping[str, Any], connection: Any) -> Conditions | None:
    """Each word of `q` (or of one field's part of it), in one of its forms, is a substring of the row; None when there
    is no word.

    A row is found by a word in any of its searched fields, or in the one field that is named.
    """
    asked = q.items() if isinstance(q, Mapping) else [(None, q)]
    words = [(field, word) for field, text in asked for word in str(text).split()]
    if not words:
        return None
    known = {"_id", "dataset_id", "part", "publisher", *domain.field_names}
    if unknown := sorted({str(field) for field, _ in words if field is not None} - known):
        raise ValidationError({"q": [f"没有这些列 / no such columns: {', '.join(unknown)}"]})
    if len(words) > MAX_TERMS:
        raise ValidationError({"q": [f"检索词不得超过 {MAX_TERMS} 个 / at most {MAX_TERMS} words"]})
    if any(len(word) > MAX_LETTERS for _, word in words):
        raise ValidationError({"q": [f"检索词不得超过 {MAX_LETTERS} 字 / a word has at most {MAX_LETTERS} letters"]})
    forms = [_forms(word) for _, word in words]
    counted, folded = _folded(connection, [form for some in forms for form in some])
    searched = [field.name for field in domain.search_fields]
    everything = search_expression(searched or [f.name for f in domain.fields if f.pg_type == "text"])
    indexed, checked, params, place = [], [], {}, 0
    for number, ((field, _), some) in enumerate(zip(words, forms, strict=True)):
        text = everything if field is None else f"coalesce(cast({quoted(field)} as text), '')"
        by_index = searched and (field is None or field in searched)
        checks, queries = [], []
        for word in dict.fromkeys(folded[place:place + len(some)]):
            # A word of signs without case stands in a text as in the folded one, and folding costs as much again.
            folds = word.upper() != word or word.lower() != word
            name = f"gk_word_{number}_{len(checks)}"
            checks.append(f'strpos(lower({text} collate "pg_c_utf8"), :{name}) > 0' if folds
                          else f"strpos({text}, :{name}) > 0")
            params[name] = word
            if by_index:
                queries.append(_query(_pieces(word, connection, domain if counted else None)))
        place += len(some)
        check = f"({' or '.join(checks)})"
        checked.append(check)
        if by_index:
            indexed.append(f"public.gkopen_grams({everything}) @@ cast(:gk_grams_{number} as tsquery)")
            params[f"gk_grams_{number}"] = " | ".join(f"({query})" for query in queries)
        indexed.append(check)
    return Conditions(" and ".join(indexed), " and ".join(checked), params)


def _forms(word: str) -> list[str]:
    """A word as it was typed and as tables may write it: simplified, half-width or with Chinese signs, and the year of
    a document in any brackets."""
    narrow = plain(word)
    forms = [word, narrow, narrow.translate(_WIDE)]
    if _YEAR.search(narrow):
        forms += [_YEAR.sub(rf"{left}\1{right}", narrow) for left, right in ("〔〕", "()", "（）", "[]", "［］")]
    return list(dict.fromkeys(forms))


def hits(connection: Any, table: str, where: Sequence[str], params: Mapping[str, Any],
         found: Conditions) -> list[int] | None:
    """The `_id` of the rows that fit, in no order; None when there are more than CAP. `where`: further conditions."""
    fits = " and ".join(f"({condition})" for condition in (*where, found.indexed))
    listed = connection.execute(
        sa.text(f"{BY_INDEX}; set local max_parallel_workers_per_gather = 0;"
                f" select case when count(*) <= {CAP} then coalesce(array_agg(_id), '{{}}') end"
                f" from (select _id from {table} where {fits} limit {CAP + 1}) listed"),
        {**params, **found.params}).scalar()
    connection.execute(sa.text("set local enable_seqscan = on; set local enable_indexscan = on;"
                               " set local max_parallel_workers_per_gather to default"))
    return listed


def among(listed: Iterable[int]) -> tuple[str, dict[str, str]]:
    """The condition that a row is one of these. One string: a list would not survive the literal binds of
    records_format=csv."""
    return "_id = any(cast(:gk_ids as int[]))", {"gk_ids": "{" + ",".join(map(str, listed)) + "}"}


def many(connection: Any, found: Conditions, *, in_order: bool) -> tuple[str, dict[str, str]]:
    """The condition for more hits than are listed. Where an index gives the wished order (`in_order`), its rows are
    checked one after the other until the page is full; else all hits have to be found and sorted."""
    if in_order:
        return found.checked, {name: value for name, value in found.params.items() if name.startswith("gk_word_")}
    connection.execute(sa.text(BY_INDEX))
    return found.indexed, found.params


def _folded(connection: Any, words: list[str]) -> tuple[bool, list[str]]:
    """The words as the index folds them; and whether the shares of pieces can be asked for: not before the first
    publication by a version that has them."""
    rows = connection.execute(sa.text(
        "select to_regproc('gkopen_public.shares') is not null, lower(word collate \"pg_c_utf8\")"
        " from unnest(cast(:words as text[])) with ordinality asked(word, place) order by place"),
        {"words": words}).all()
    return rows[0][0], [row[1] for row in rows]


def _pieces(word: str, connection: Any, counted: Domain | None) -> list[str]:
    """The two-character pieces of a word by which its rows are found; a word of one character is its own.

    A piece that stands in most rows tells nothing, and of a long word some pieces find as good as only its rows, in
    half the time: the rarest as far as is known, from all over the word.
    """
    pieces = list(dict.fromkeys(word[start:start + 2] for start in range(len(word) - 1)))
    if len(pieces) < 2:
        return pieces or [word]
    shares = [0.0] * len(pieces)
    if counted is not None:
        shares = connection.execute(sa.text("select gkopen_public.shares(:index, :pieces)"), {
            "index": TableSQL(counted).search_index, "pieces": pieces}).scalar()
    most = max(min(shares), min(COMMON, sorted(shares)[:MOST_PIECES][-1]))
    rare = [piece for piece, share in zip(pieces, shares, strict=True) if share <= most]
    if len(rare) > MOST_PIECES:
        rare = [rare[round(n * (len(rare) - 1) / (MOST_PIECES - 1))] for n in range(MOST_PIECES)]
    return rare


def _query(pieces: list[str]) -> str:
    """The tsquery of pieces that must all be there; a single character is the beginning of a piece."""
    return " & ".join(_lexeme(piece) if len(piece) > 1 else f"{_lexeme(piece)}:*" for piece in pieces)


def _lexeme(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
