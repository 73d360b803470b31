"""Cell by cell: required and expected values, patterns, limits, check digits. What the schema says, and no more."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.domains import NUMERIC, Condition, Domain, Field
from ckanext.gkopen.normalise.cells import as_mask, matches, text_bytes
from ckanext.gkopen.normalise.derived import Made

_USCC_WEIGHTS = np.array([1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28], np.int32)
_BATCH = 100_000
_BOUNDS = {"minimum": {"zh": "最小", "en": "minimum"}, "maximum": {"zh": "最大", "en": "maximum"}}
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def check_fields(domain: Domain, made: Made, findings: Findings, labels: dict[str, str]) -> None:
    """`labels`: field → label of its column in the source, for the texts of findings."""
    for field in domain.fields:
        values = made.values[field.name]
        label = labels.get(field.name) or field.title.zh
        missing = as_mask(pc.is_null(values)) if values.null_count else np.zeros(len(values), bool)
        if values.null_count:
            _missing(field, missing, made, findings, label, in_source=field.name in labels)
        if values.null_count == len(values):
            continue
        if field.pattern:
            wrong = ~matches(values, field.pattern) & ~missing
            findings.rows("pattern-differs", wrong, field=field.name, label=label, values=values,
                          params={"pattern": field.pattern, "example": field.example or field.pattern})
        if field.type in NUMERIC:
            _limits(field, values, findings, label, made)
        if field.type == "uscc":
            findings.rows("uscc-check-digit", ~missing & ~_uscc_valid(values), field=field.name, label=label,
                          values=values)
        if field.type == "url":
            wrong = ~as_mask(pc.match_substring_regex(values, r"^https?://[^\s]+$")) & ~missing
            findings.rows("url-wrong", wrong, field=field.name, label=label, values=values)


def _missing(field: Field, missing: np.ndarray, made: Made, findings: Findings, label: str, in_source: bool) -> None:
    if field.required or field.required_if:
        wanted = missing & holds_all(field.required_if, made)
        if field.derived and not in_source:
            wanted &= ~findings.bad  # what it is derived from is what has to be mended
        findings.rows("value-missing", wanted & ~findings.bad_cells(field.name), field=field.name, label=label)
    if field.expected or field.expected_if:
        wanted = missing & holds_all(field.expected_if, made) & ~findings.bad_cells(field.name)
        if field.derived and not in_source:
            wanted &= ~findings.bad
        if not in_source:
            title = {"zh": field.title.zh, "en": field.title.en}
            number = findings.of_files(wanted)
            for file in np.flatnonzero(number):
                findings.add("column-expected", int(file), field=field.name, label=field.title.zh,
                             params={"count": int(number[file]), "title": title})
        else:
            findings.of_column("value-expected", wanted, field=field.name, label=label, params={})


def holds_all(conditions: tuple[Condition, ...], made: Made) -> np.ndarray:
    """Rows for which every condition holds; all rows where there is none."""
    result = np.ones(made.rows, bool)
    for condition in conditions:
        hit = is_one_of(made.strings(condition.field), condition.values)
        result &= ~hit if condition.negate else hit
    return result


def is_one_of(values: pa.Array, wanted: tuple[str, ...] | list[str]) -> np.ndarray:
    """`""` stands for an empty cell."""
    return as_mask(pc.is_in(pc.fill_null(values, ""), value_set=pa.array(list(wanted), pa.string())))


def _limits(field: Field, values: pa.Array, findings: Findings, label: str, made: Made) -> None:
    for limit, compare, name in ((field.minimum, pc.less, "minimum"), (field.maximum, pc.greater, "maximum")):
        if limit is not None:
            beyond = as_mask(compare(values, pa.scalar(limit).cast(values.type)))
            findings.rows("out-of-range", beyond, field=field.name, label=label, values=made.printed(field.name),
                          params={"bound": _BOUNDS[name], "limit": str(limit)})


def _uscc_valid(values: pa.Array) -> np.ndarray:
    """GB 32100 check digit of each distinct code, many at once; null is valid."""
    encoded = values.dictionary_encode()
    words = encoded.dictionary
    valid = [_check_digits(words.slice(start, _BATCH)) for start in range(0, len(words), _BATCH)]
    every = np.concatenate([*valid, [True]])
    return every[encoded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)]


def _check_digits(codes: pa.Array) -> np.ndarray:
    """`codes`: of 18 signs each, as `typed.usccs` leaves them."""
    lookup = np.full(256, -1, np.int32)
    for index, sign in enumerate(_USCC_ALPHABET):
        lookup[ord(sign)] = index
    signs = lookup[text_bytes(codes)[0]].reshape(-1, 18)
    check = (31 - signs[:, :17] @ _USCC_WEIGHTS % 31) % 31
    return (signs >= 0).all(axis=1) & (check == signs[:, 17])
