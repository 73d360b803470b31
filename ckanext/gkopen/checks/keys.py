"""Keys over the whole file: a row that repeats another exactly is a duplicate, one that contradicts it is quarantined."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise.cells import as_mask


def check_keys(domain: Domain, values: dict[str, pa.Array], findings: Findings) -> np.ndarray:
    """Mask of the rows that repeat an earlier row exactly; all rows of a key with several contents become bad.

    Rows that are bad already take no part: their content is not known.
    """
    total = len(findings.lines)
    duplicates = np.zeros(total, bool)
    for name in domain.key:
        findings.rows("key-missing", as_mask(pc.is_null(values[name])) & ~findings.bad, field=name,
                      label=domain.field(name).title.zh)
    good = np.flatnonzero(~findings.bad)
    if not len(good):
        return duplicates
    keys = _joined([values[name] for name in domain.key], good, total)
    encoded = keys.dictionary_encode()
    if len(encoded.dictionary) == len(good):
        return duplicates
    group = encoded.indices.to_numpy()
    several = np.bincount(group)[group] > 1
    rows, group = good[several], group[several]
    content = _joined(list(values.values()), rows, total).dictionary_encode().indices.to_numpy()
    order = np.lexsort((rows, group))
    rows, group, content = rows[order], group[order], content[order]
    start = np.concatenate([[True], group[1:] != group[:-1]])
    first = content[np.maximum.accumulate(np.where(start, np.arange(len(rows)), 0))]
    differing = np.zeros(group.max() + 1, bool)
    differing[group[content != first]] = True
    conflict = differing[group]
    labels = [domain.field(name).title.zh for name in domain.key]
    findings.rows("key-conflict", np.sort(rows[conflict]), field=domain.key[0], values=_shown(domain, values),
                  params={"key": labels}, label="、".join(labels))
    duplicates[rows[~conflict & ~start]] = True
    findings.rows("row-duplicate", duplicates, params={"key": labels})
    return duplicates


def _joined(columns: list[pa.Array], rows: np.ndarray, total: int) -> pa.Array:
    """One text a row of several columns; null and empty differ."""
    pick = None if len(rows) == total else pa.array(rows)
    texts = []
    for column in columns:
        part = column if pick is None else column.take(pick)
        text = part if part.type == pa.string() else part.cast(pa.string())
        texts.append(pc.fill_null(text, "\x00") if text.null_count else text)
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, "\x1f")


def _shown(domain: Domain, values: dict[str, pa.Array]) -> pa.Array:
    texts = [pc.fill_null(values[name].cast(pa.string()), "") for name in domain.key]
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, " | ")
