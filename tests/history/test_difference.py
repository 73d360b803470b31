"""Pairs of contents compared together give what each pair gives by itself."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ckanext.gkopen.history.difference import PAIR, difference, differences
from ckanext.gkopen.parts import write_part
from tests.test_parts import PENALTY, tables

SIDES = ("removed", "added", "before", "after")


@st.composite
def pairs(draw: st.DrawFn) -> tuple[bytes | None, bytes | None]:
    """Contents that share rows, of the domain's columns or of fewer; the rows of some cells have several lines."""
    old, other = draw(tables(PENALTY)), draw(tables(PENALTY))
    kept = old.filter(pa.array(draw(st.lists(st.booleans(), min_size=old.num_rows, max_size=old.num_rows)), pa.bool_()))
    if draw(st.booleans()):
        name = draw(st.sampled_from([name for name in PENALTY.field_names if name not in PENALTY.key]))
        at = PENALTY.field_names.index(name)
        kept = kept.set_column(at, PENALTY.arrow_schema.field(name), pa.nulls(kept.num_rows, old.schema.field(at).type))
    known = {tuple(row[name] for name in PENALTY.key) for row in kept.to_pylist()}
    fresh = [row for row in other.to_pylist() if tuple(row[name] for name in PENALTY.key) not in known]
    new = pa.concat_tables([kept, pa.Table.from_pylist(fresh, schema=PENALTY.arrow_schema)])
    contents = [write_part(PENALTY, table) if table.num_rows else None for table in (old, new)]
    if contents[0] and draw(st.booleans()):               # written before the domain had its last column
        contents[0] = write_part(PENALTY, old).replace(PENALTY.field_names[-1].encode(), b"former", 1)
    return contents[0], contents[1]


@given(st.lists(pairs(), min_size=1, max_size=4))
@settings(max_examples=25)
def test_pairs_compared_together_are_as_each_by_itself(several: list[tuple[bytes | None, bytes | None]]) -> None:
    together = differences(PENALTY, several)
    for number, (old, new) in enumerate(several):
        alone = difference(PENALTY, old, new)
        for side in SIDES:
            rows = [row for row in getattr(together, side).to_pylist() if row.pop(PAIR) == str(number)]
            assert rows == getattr(alone, side).to_pylist()
