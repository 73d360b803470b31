"""Rows stand in the order of their keys' bytes, whatever way they are sorted in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ckanext.gkopen.checks.collect import Findings
from ckanext.gkopen.checks.keys import check_keys
from ckanext.gkopen.domains import get_domain

PENALTY = get_domain("penalty")
SIGNS = st.sampled_from("aZ09-é中𠮷~")


def _texts(size: st.SearchStrategy[int]) -> st.SearchStrategy[list[str]]:
    return size.flatmap(lambda n: st.lists(st.text(SIGNS, min_size=n, max_size=n), min_size=2, max_size=30))


@given(_texts(st.sampled_from([1, 2, 5, 9, 40])), st.sampled_from([None, 1, 4]))
def test_order_is_that_of_the_bytes_and_equal_keys_keep_theirs(keys: list[str], cut: int | None) -> None:
    if cut is not None:  # as many bytes each
        keys = [key.encode()[:cut].decode("utf-8", "ignore").ljust(cut, "#") for key in keys]
    values = {name: pa.nulls(len(keys), kind) for name, kind in
              zip(PENALTY.field_names, PENALTY.arrow_schema.types, strict=True)}
    for name in PENALTY.key:
        values[name] = pa.array(keys)
    findings = Findings(np.arange(len(keys)), None, np.array([0, len(keys)]), None)
    order = check_keys(PENALTY, values, findings).order.tolist()
    assert order == sorted(range(len(keys)), key=lambda row: keys[row].encode())
