"""Columns in which many rows of different values come with one and the same, or with none: a mask, a default, pages
without the column. Where it is all rows of a source its contract stops the table (`harvest/drifting.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen.changesets import METADATA, Change
from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.history.difference import difference
from ckanext.gkopen.records import Finding

CODE = "column-overwritten"
MANY = 10
"""So many rows with so many values between them; fewer are corrected by hand."""
NONE = {"zh": "（空）", "en": "(empty)"}
_SHOWN = 40
"""Characters of a value that are told."""
_DAYS = ("date", "datetime")
"""A day is the same in all rows that were written anew together."""


def findings(domain: Domain, changes: Sequence[Change], contents: Mapping[str, bytes | None],
             read: Callable[[str], bytes]) -> Iterator[Finding]:
    """One for each such column of a change-set. `contents`: part → new bytes; `read`: bytes of a sha256."""
    touched = [change for change in changes if change.part != METADATA and change.base and change.changed]
    if sum(change.changed for change in touched) < MANY:
        return
    found = [difference(domain, read(change.base or ""), contents[change.part]) for change in touched]
    before, after = (pa.concat_tables([getattr(each, side) for each in found]) for side in ("before", "after"))
    for field in domain.fields:
        if field.type in _DAYS or field.derived:
            continue
        was, now = (pc.fill_null(table[field.name], "") for table in (before, after))
        other = pc.not_equal(was, now)
        was, now = was.filter(other), now.filter(other)
        if len(now) < MANY:
            continue
        counted = pc.value_counts(now)
        rows = pc.max(counted.field("counts"))
        value = counted[pc.index(counted.field("counts"), rows).as_py()]["values"]
        kinds = pc.count_distinct(was.filter(pc.equal(now, value))).as_py()
        if rows.as_py() >= MANY <= kinds:
            text = value.as_py()
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
            yield Finding(CODE, severity_of(CODE), field=field.name, label=field.title.zh, params={
                "rows": rows.as_py(), "was": kinds, "now": shown or NONE})
