"""Rows of one group as plain Python values, for rules between rows. Groups are few rows; finding them is vectorised."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.ruleset import Context


@dataclass(slots=True)
class Group:
    """`rows`: positions in the table, in the file's order; `columns`: name → values in the same order; `file`: of which
    file they are; `name`: what the rows have in common, in Chinese and English.
    """

    rows: np.ndarray
    columns: dict[str, list]
    name: dict[str, str]
    file: int = 0

    def __len__(self) -> int:
        return len(self.rows)


def groups(context: Context, by: list[str], names: list[str], where: np.ndarray,
           at_least_one: np.ndarray | None = None, optional: bool = False) -> Iterator[Group]:
    """The groups of the rows `where` by the fields `by`, each of one file; only those that hold a row of
    `at_least_one`. They come in the order of their first rows.

    A row without any value in `by` belongs to no group (`optional`: it does).
    """
    rows = np.flatnonzero(where)
    if not len(rows):
        return
    pick = pa.array(rows)
    texts = [pc.fill_null(context.made.strings(name).take(pick), "") for name in by]
    keys = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, "\x1f")
    encoded = keys.dictionary_encode()
    index = encoded.indices.to_numpy(zero_copy_only=False)
    labels = encoded.dictionary.to_pylist()
    if context.findings.several:
        index, labels = _of_each_file(index, labels, context.findings.file[rows])
    wanted = np.ones(len(labels), bool)
    if at_least_one is not None:
        wanted[:] = False
        wanted[index[at_least_one[rows]]] = True
    if not optional:
        wanted &= np.array([bool(label.strip("\x1f")) for label in labels], bool)
    chosen = wanted[index]
    rows, index = rows[chosen], index[chosen]
    order = np.argsort(index, kind="stable")
    rows, index = rows[order], index[order]
    columns = {name: context.made.values[name].take(pa.array(rows)).to_pylist() for name in dict.fromkeys(names)}
    bounds = np.flatnonzero(np.concatenate([[True], index[1:] != index[:-1], [True]])) if len(index) else []
    for start, end in itertools.pairwise(bounds):
        shown = _shown(context, by, labels[index[start]].split("\x1f"))
        file = int(context.findings.file[rows[start]]) if context.findings.several else 0
        yield Group(rows[start:end], {name: values[start:end] for name, values in columns.items()}, shown, file)


def _of_each_file(index: np.ndarray, labels: list[str], files: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Groups over several files (number of each row's group; label of each group) → those of each file for itself."""
    _, first, inverse = np.unique(files * len(labels) + index, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    return number[inverse], [labels[place] for place in index[first[order]]]


def _shown(context: Context, by: list[str], values: list[str]) -> dict[str, str]:
    """The values in words: codes by their titles."""
    words: dict[str, list[str]] = {"zh": [], "en": []}
    for name, value in zip(by, values, strict=True):
        codes = context.domain.field(name).codes
        code = codes.get(value) if value and codes is not None else None
        words["zh"].append(code.title.zh if code else value)
        words["en"].append(code.title.en if code else value)
    return {language: " ".join(filter(None, parts)) for language, parts in words.items()}


def digits_printed(text: str | None) -> int:
    """Digits after the point of a printed figure: how precisely a rate is stated."""
    if not text:
        return 2
    figure = "".join(char for char in text if char.isdigit() or char == ".")
    return len(figure.partition(".")[2])


def half_up(value: Decimal, digits: int) -> Decimal:
    """Rounded half away from zero, as printed shares are."""
    return value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
