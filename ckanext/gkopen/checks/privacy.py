"""The privacy gate: every cell of a file as raw text is looked through for personal data. It fails closed.

Looked for: resident ID numbers (date and check digit; the region is not checked, genuine numbers fail that), mobile
numbers, bank cards (issuer prefix, length, Luhn), e-mail addresses, passports and other permits, names in columns
that are known to hold persons, and names of persons in columns of bodies (a penalty on a person). Plates of vehicles,
addresses of homes and names in free text are told only: they may be a body's, or may be published. A finding says
where, never what. Organisations' own data, order, project and credit codes are no personal data: a digit run counts
only where it stands alone, and column context decides for weak signs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.checks.fields import is_one_of
from ckanext.gkopen.checks.personal import (
    DASHES,
    HOME_SIGN,
    LATIN_BODY,
    LATIN_NAME,
    PARTY_NAME,
    PASSPORT_SAID,
    PERSON_LABEL,
    PERSON_NAME,
    PERSON_SAID,
    PLATE_SIGN,
    TOLD,
    context_of,
    judge,
    named,
)
from ckanext.gkopen.domains import Domain, Field
from ckanext.gkopen.labels import INVISIBLE, fold
from ckanext.gkopen.normalise.cells import as_mask, flat, has_text, side_by_side
from ckanext.gkopen.normalise.derived import Made
from ckanext.gkopen.normalise.opened import Opened
from ckanext.gkopen.normalise.raw import refuse
from ckanext.gkopen.normalise.rows import Rows

# Vectorised first look (RE2): whatever could be an ID, card or phone number, an @, or digits in disguise.
_GAP = r"[ \-·.]?"
_START, _END = r"(?:^|[^0-9A-Za-z.])", r"(?:$|[^0-9A-Za-z])"
_ODD = "\u00a0\u2000-\u200a\u202f\u205f\u3000－"  # spaces and a hyphen that a typesetter or an input method puts
_CANDIDATE = "|".join((
    rf"{_START}[1-8](?:{_GAP}[0-9]){{5}}{_GAP}(?:1{_GAP}[89]|20?{_GAP}0){_GAP}[0-9](?:{_GAP}[0-9]){{7,9}}{_GAP}[0-9Xx]{_END}",
    rf"{_START}[1-8][0-9]{{14}}{_END}",
    rf"{_START}(?:62[0-9]{{2}}|4[0-9]{{3}}|5[1-5][0-9]{{2}}|35[0-9]{{2}}|60[0-9]{{2}}|9[0-9]55){_GAP}(?:[0-9]{_GAP}){{11,14}}[0-9]{_END}",
    r"(?:^|[^0-9A-Za-z.\-])(?:\(?(?:\+|00)?86\)?[ \-]?)?1[3-9][0-9][ \-.]?[0-9]{4}[ \-.]?[0-9]{4}(?:$|[^0-9A-Za-z\-])",
    r"[@＠]", r"[0-9０-９][０-９]", rf"[0-9][{INVISIBLE}{DASHES}{_ODD}]+[0-9]",
    r"[零〇一二三四五六七八九]{11}", PLATE_SIGN, HOME_SIGN, PERSON_SAID,
))
_PERMIT_CANDIDATE = r"[EeGgPpSsDdHhMm][A-Za-z]?[0-9]{7}"
PATIENCE = 600.0
"""Seconds of processor time that a column may take. The largest file that may be submitted (200 MB), all of it one
column of digits in disguise, takes some 80."""
_FEW = 2_000
"""Up to so many rows the making of the pattern costs more than its use: all columns are looked at together."""
_READ_TYPES = frozenset(["money", "decimal", "integer", "percent", "date", "datetime", "year", "month", "period",
                         "boolean", "code"])


_PLACES = {
    "title": {"zh": "表格上方的文字", "en": "the lines above the table"},
    "footnote": {"zh": "表注", "en": "a footnote"},
    "hidden-sheet": {"zh": "隐藏的工作表", "en": "a hidden sheet"},
}


class TooLong(Exception):
    """The scan of a column was given up."""


def gate(domain: Domain, rows: Rows, made: Made, findings: Findings) -> None:
    """Scans every column of the source; a row with a hit is quarantined. A scan that crashes, or takes longer than
    PATIENCE, refuses the files.

    A cell that was read as a date, a figure or a code of a list is no text: it is left out.
    """
    with _closed():
        columns = list(_columns(domain, rows, made))
        looks = _first_look([column for _, _, column in columns]) if len(rows.lines) <= _FEW else repeat(None)
        found = side_by_side(_scanned, zip(columns, looks, strict=False), len(rows.lines))  # `repeat` has no end
        for (label, field, _), kinds in zip(columns, found, strict=True):
            name = field.name if field else None
            hits = {kind: mask[rows.take] for kind, mask in kinds.items()}
            if field is not None and field.person_by:
                hits = _of_parties(domain, field.person_by, made.strings(field.person_by), hits)
            for kind, hit in hits.items():
                findings.rows(f"personal-{kind}", hit, field=name, label=label)
                findings.secret |= hit
            if (field and field.privacy in ("person_name", "contact")) or (
                    field is None and PERSON_LABEL.search(fold(label))):
                findings.add_each("personal-column", field=name, label=label, severity="warning" if field else "info")
        for number, file in enumerate(rows.files):
            _outside(file, number, findings)


def scan_content(domain: Domain, table: pa.Table) -> dict[str, int]:
    """Title of each column of a stored content in which something is found by today's rules → number of its rows.

    Raises Unreadable where the scan fails or takes too long.
    """
    found: dict[str, int] = {}
    with _closed():
        for field in domain.fields:
            if field.type not in _READ_TYPES:
                column = flat(table[field.name]).cast(pa.string()).fill_null("")
                hits = _scanned(((field.title.zh, field, column), None))
                if field.person_by:
                    hits = _of_parties(domain, field.person_by, flat(table[field.person_by]), hits)
                hits = {kind: hit for kind, hit in hits.items() if kind not in TOLD}
                if hits and (number := np.count_nonzero(np.logical_or.reduce([*hits.values()]))):
                    found[field.title.zh] = int(number)
    return found


@contextmanager
def _closed() -> Iterator[None]:
    """A scan that does not come to its end refuses what is scanned."""
    try:
        yield
    except MemoryError:
        raise
    except TooLong as error:
        raise refuse("privacy-scan-too-long", minutes=round(PATIENCE / 60)) from error
    except Exception as error:
        raise refuse("privacy-scan-failed", reason=type(error).__name__) from error


def _of_parties(domain: Domain, kind: str, said: pa.Array, hits: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What is found in a column of parties, with the kind of each (`said`, of field `kind`), of which the code list
    tells in its column `person`: yes, no, or nothing where the name itself must tell. What is said to be a body and has
    the whole name of a person is told: the kind may be a form's default."""
    codes = domain.field(kind).codes
    persons, bodies = (is_one_of(said, [code.code for code in (codes.codes if codes else ())
                                        if code.extra.get("person") == told]) for told in ("yes", "no"))
    names, whole = (hits.get(kind, np.zeros(len(said), bool)) for kind in ("name", "named"))
    return {**hits, "name": names & ~bodies, "named": whole & bodies, "party": persons & ~names}


def _columns(domain: Domain, rows: Rows, made: Made) -> Iterator[tuple[str, Field | None, pa.Array]]:
    """Label, field and text of each column of the source; what was read as something else than text is empty."""
    for index, label in enumerate(rows.columns.labels):
        name = rows.columns.field_at[index]
        field = domain.field(name) if name else None
        column = rows.texts[index]
        if field is not None and field.type in _READ_TYPES and rows.long is None:
            unread = as_mask(pc.is_null(made.values[field.name]))
            if not unread.any():
                continue
            column = pc.if_else(pa.array(unread), column, "")
        yield label, field, column


def _scanned(item: tuple[tuple[str, Field | None, pa.Array], np.ndarray | None]) -> dict[str, np.ndarray]:
    (label, field, column), look = item
    found = scan(column, label, field.privacy if field else "none", look)
    if field is not None and field.privacy == "organisation":
        names = as_mask(pc.match_substring_regex(column, PARTY_NAME if field.person_by else PERSON_NAME))
        if field.person_by:
            latin = as_mask(pc.match_substring_regex(column, LATIN_NAME))
            names |= latin & ~as_mask(pc.match_substring_regex(column, LATIN_BODY))
            found["named"] = as_mask(pc.match_substring_regex(column, PERSON_NAME))
        if names.any():
            found["name"] = names
    return found


def _first_look(columns: list[pa.Array]) -> list[np.ndarray]:
    """Which cells need a second look, for all columns of a small table at once."""
    if not columns:
        return []
    hits = as_mask(pc.match_substring_regex(pa.concat_arrays(columns), _CANDIDATE))
    return np.split(hits, np.cumsum([len(column) for column in columns])[:-1])


def _outside(file: Opened, number: int, findings: Findings) -> None:
    """Title lines, footnotes, hidden sheets: what is found is said without its text, and the text goes into no note."""
    said: set[tuple[object, ...]] = set()
    for item in file.beside:
        kinds = sorted(judge(item.text))
        if item.place == "footnote" and not kinds and PERSON_LABEL.search(fold(item.text)):
            kinds = ["contact"]
        if not kinds:
            if item.note:
                file.notes.append(item.note)
            continue
        place = (item.place, item.sheet, *kinds)
        if place not in said:  # a hidden list of a thousand numbers is one finding
            said.add(place)
            findings.add("personal-outside", number, sheet=item.sheet,
                         params={"place": _PLACES[item.place], "kind": named(kinds), "at": item.line})


def scan(column: pa.Array, label: str = "", privacy: str = "none",
         look: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Kind → mask of the rows whose text holds such a thing. `label`, `privacy`: of the column, to tell codes apart.

    `look`: the rows that a first look found, where one was taken already. Raises TooLong.
    """
    found: dict[str, np.ndarray] = {}
    end = time.thread_time() + PATIENCE                   # a machine that is busy or asleep is no fault of the file
    context = context_of(label, privacy)
    encoded = column.dictionary_encode() if look is None and _repeats(column) else None
    words = encoded.dictionary if encoded is not None else column
    suspicious = as_mask(pc.match_substring_regex(words, _CANDIDATE)) if look is None else look.copy()
    if context.person or any(has_text(words, said) for said in PASSPORT_SAID):
        suspicious |= as_mask(pc.match_substring_regex(words, _PERMIT_CANDIDATE))
    places = np.flatnonzero(suspicious)
    if not len(places):
        return found
    texts = words.take(pa.array(places)).to_pylist()
    known: dict[str, set[str]] = {}
    for text in set(texts):
        if time.thread_time() > end:
            raise TooLong
        known[text] = judge(text, context)
    kinds = [known[text] for text in texts]
    for kind in sorted(set().union(*kinds)):
        hit = np.zeros(len(words), bool)
        hit[places] = [kind in each for each in kinds]
        found[kind] = hit if encoded is None else hit[encoded.indices.to_numpy(zero_copy_only=False)]
    return found


def _repeats(column: pa.Array) -> bool:
    """Few distinct texts? Judged by the first rows."""
    head = column.slice(0, 50_000)
    return len(column) > len(head) and len(head.unique()) * 2 < len(head)
