"""Keys over a whole file: a row that repeats another exactly is a duplicate, one that contradicts it is bad."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.normalise.cells import as_mask, text_bytes

LONGEST = 2_000
"""Bytes of a key, or of a field that is filtered by: PostgreSQL indexes no more than 2,704 in one entry."""
_PACKED = 32
"""Bytes of keys that are sorted as numbers; longer ones gain nothing by it."""


@dataclass(frozen=True, slots=True)
class Keys:
    """`duplicates`: mask of the rows that repeat an earlier one exactly. `order`: rows with a key, in key order file by
    file."""

    duplicates: np.ndarray
    order: np.ndarray


def check_keys(domain: Domain, values: dict[str, pa.Array], findings: Findings) -> Keys:
    """All rows of a key with several contents become bad. Rows that are bad already take no part."""
    for name in domain.key:
        findings.rows("key-missing", as_mask(pc.is_null(values[name])) & ~findings.bad_cells(name), field=name,
                      label=domain.field(name).title.zh)
    _too_long(domain, values, findings)
    duplicates = np.zeros(len(findings.lines), bool)
    rows = np.flatnonzero(~findings.bad)
    columns = [values[name] for name in domain.key]
    if findings.several:          # a key is one of its file
        columns = [pa.array(findings.file), *columns]
    keys = [column if len(rows) == len(duplicates) else column.take(pa.array(rows)) for column in columns]
    order = _order(keys)
    if order is None:
        return Keys(duplicates, rows)
    keys = [key.take(pa.array(order)) for key in keys]
    rows = rows[order]
    same = np.ones(max(len(rows) - 1, 0), bool)
    for key in keys:
        same &= as_mask(pc.equal(key.slice(0, max(len(rows) - 1, 0)), key.slice(1)))
    if same.any():
        _repeated(domain, values, rows, same, duplicates, findings)
    return Keys(duplicates, rows)


def _too_long(domain: Domain, values: dict[str, pa.Array], findings: Findings) -> None:
    """What rows are found by stands in an index of the DataStore, which takes no more."""
    for names in (domain.key, *((field.name,) for field in domain.filter_fields)):
        texts = [values[name] for name in names if values[name].type == pa.string()]
        size = sum((pc.fill_null(pc.binary_length(text), 0).to_numpy(zero_copy_only=False) for text in texts),
                   np.zeros(len(findings.lines), np.int64))
        if len(size) and size.max() > LONGEST:
            findings.rows("key-too-long", (size > LONGEST) & ~findings.bad, field=names[0],
                          label="、".join(domain.field(name).title.zh for name in names), params={"limit": LONGEST})


def _order(keys: list[pa.Array]) -> np.ndarray | None:
    """Positions in key order, stable; None where the rows stand in strictly ascending order already."""
    last = max(len(keys[0]) - 1, 0)
    undecided = np.ones(last, bool)
    for key in keys:
        before, after = key.slice(0, last), key.slice(1)
        if (as_mask(pc.greater(before, after)) & undecided).any():
            break
        undecided &= as_mask(pc.equal(before, after))
        if not undecided.any():
            return None
    if (packed := _packed(keys)) is not None:
        return np.lexsort(packed)
    table = pa.table([*keys, pa.array(np.arange(len(keys[0])))], names=[*map(str, range(len(keys))), "row"])
    return pc.sort_indices(table, [(name, "ascending") for name in table.column_names]).to_numpy()


def _packed(keys: list[pa.Array]) -> list[np.ndarray] | None:
    """Texts of one length as whole numbers that sort as their bytes do, the last ones first: `lexsort` takes a third of
    the time that Arrow takes to sort texts. None where the keys are no such texts, or long ones."""
    words: list[np.ndarray] = []
    for key in keys:
        if key.type != pa.string() or key.null_count:
            return None
        data, offsets = text_bytes(key)
        size = int(offsets[1]) if len(key) else 0
        if not size or 8 * len(words) + size > _PACKED or (np.diff(offsets) != size).any():
            return None
        padded = np.zeros((len(key), -(-size // 8) * 8), np.uint8)
        padded[:, :size] = data.reshape(len(key), size)
        words += list(padded.view(">u8").astype(np.uint64).T)
    return words[::-1]


def _repeated(domain: Domain, values: dict[str, pa.Array], rows: np.ndarray, same: np.ndarray,
              duplicates: np.ndarray, findings: Findings) -> None:
    """`rows` in key order; `same[i]`: rows i and i + 1 have one key."""
    start = np.concatenate([[True], ~same])
    group = np.cumsum(start) - 1
    several = np.bincount(group)[group] > 1
    rows, group, start = rows[several], group[several], start[several]
    pick = pa.array(rows)
    content = _joined([column.take(pick) for column in values.values()]).dictionary_encode().indices.to_numpy()
    first = content[np.maximum.accumulate(np.where(start, np.arange(len(rows)), 0))]
    differing = np.zeros(group.max() + 1, bool)
    differing[group[content != first]] = True
    conflict = differing[group]
    labels = [domain.field(name).title.zh for name in domain.key]
    shown = _joined([values[name] for name in domain.key], " | ")
    findings.rows("key-conflict", np.sort(rows[conflict]), field=domain.key[0], label="、".join(labels), values=shown,
                  params={"key": labels})
    duplicates[rows[~conflict & ~start]] = True
    findings.rows("row-duplicate", duplicates, params={"key": labels})


def _joined(columns: list[pa.Array], separator: str = "\x1f") -> pa.Array:
    """One text a row; null and empty differ."""
    texts = [column if column.type == pa.string() else column.cast(pa.string()) for column in columns]
    texts = [pc.fill_null(text, "\x00") if text.null_count else text for text in texts]
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, separator)
