"""A sheet holds one table: where another one begins below it, its rows are not read under the first one's header."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.domains import Domain
from ckanext.gkopen.labels import clean, fold
from ckanext.gkopen.normalise import said
from ckanext.gkopen.normalise.columns import ignored_labels, known_labels, shape_labels
from ckanext.gkopen.normalise.head import Head
from ckanext.gkopen.normalise.kept import once
from ckanext.gkopen.normalise.raw import Body, refuse

_FIGURE = r"^\s*[-+]?[0-9][0-9.,]*\s*[%％]?\s*$"
_LOOK_IN = 2
"""Columns in one of which a header has a label that a domain knows."""
_ABOVE = 4
"""Lines above a header that stands again: its title, unit and body."""


def one_table(domain: Domain, body: Body, head: Head, repeated: list[int], keep: np.ndarray) -> None:
    """Raises Unreadable `second-table` for a header of other columns in the midst of the rows, and for one that stands
    again below a title of another year or period. `repeated`: rows that are left out as the header; `keep`: data."""
    for index in sorted({*_headers(domain, body, keep), *_titles(body, head, repeated, keep)})[:1]:
        raise refuse("second-table", line=int(body.lines[index]))


def _headers(domain: Domain, body: Body, keep: np.ndarray) -> list[int]:
    """Rows of nothing but labels, two at least."""
    spelt, known = _labels(domain)
    labelled = np.zeros(len(body.lines), bool)
    for column in body.columns[:_LOOK_IN]:
        labelled |= pc.is_in(column, value_set=spelt).to_numpy()
    data = np.zeros(len(labelled), bool)
    data[keep] = True
    rows = np.flatnonzero(labelled & data)
    for column in body.columns:  # a long table may have labels in every row, and has a figure beside them
        if len(rows):
            cells = column.take(pa.array(rows))
            rows = rows[~pc.match_substring_regex(cells, _FIGURE).to_numpy()]
    texts = ((row, {text for text in _texts(body, row) if text}) for row in map(int, rows))
    return [row for row, own in texts if len(own) > 1 and all(fold(text) in known for text in own)]


def _titles(body: Body, head: Head, repeated: list[int], keep: np.ndarray) -> list[int]:
    """Lines above a header that stands again which name a year or months that the lines above the first do not."""
    first = [item.text for item in head.above]
    years, spans = said.years_in(first), said.spans_in(first)
    data = np.zeros(len(body.lines), bool)
    data[keep] = True
    found = []
    for row in repeated:
        for index in range(row - 1, max(row - 1 - _ABOVE, -1), -1):
            texts = [*dict.fromkeys(text for text in _texts(body, index) if text)]
            if data[index] and len(texts) != 1:
                break
            if said.years_in(texts) - years or said.spans_in(texts) - spans:
                found.append(index)
    return found


def _texts(body: Body, index: int) -> list[str]:
    return [clean(column[index].as_py()) for column in body.columns]


@once
def _labels(domain: Domain) -> tuple[pa.Array, frozenset[str]]:
    """Labels as they are spelt, and folded."""
    spelt = [label for field in domain.fields for label in (*field.labels, *field.instead)]
    spelt += [label for shape in domain.shapes for label in (*shape.when_columns, *shape.also)]
    known = frozenset(known_labels(domain)) | ignored_labels(domain) | shape_labels(domain)
    return pa.array(dict.fromkeys([*spelt, *domain.ignored_columns]), pa.string()), known
