"""Rows on their way to the tables of their bodies: on disk or in memory, and always all of them, in order."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from ckanext.gkopen.harvest import spool
from ckanext.gkopen.harvest.spool import Spool
from ckanext.gkopen.harvesters.base import Row


@pytest.mark.parametrize("held", [1, 500, 1 << 20], ids=["all-on-disk", "some", "all-in-memory"])
def test_rows_come_back_by_name_in_their_order_wherever_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                 held: int):
    monkeypatch.setattr(spool, "HELD", held)
    kept, written = Spool(tmp_path), {name: [] for name in "甲乙丙"}
    for page in range(10):
        rows: list[Row] = [{"编号": f"{page}-{number}", "名称": "含\n换行与“引号”\""} for number in range(7)]
        names = ["甲乙丙"[(page + number) % 3] for number in range(7)]
        kept.write(names, rows)
        for name, row in zip(names, rows, strict=True):
            written[name].append(row)
    kept.add("丁")
    assert {name: [json.loads(line) for line in kept.lines(name)] for name in kept.rows} == {**written, "丁": []}
    assert b"".join(kept.data("丙甲")) == b"".join(kept.data("丙")) + b"".join(kept.data("甲"))
    assert kept.rows == {**{name: len(rows) for name, rows in written.items()}, "丁": 0}
    kept.close()


def test_the_labels_of_rows_are_counted_by_name_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spool, "KINDS", 2)
    kept = Spool(tmp_path)
    kept.write(["甲", "甲", "乙", "甲", "甲"], [{"a": "1"}, {"b": "1"}, {"c": "1"}, {"c": "1"}, {"a": "2"}])
    assert kept.shapes(["甲"]) == Counter({("a",): 2, ("b",): 1})
    assert kept.shapes(["甲", "乙"]) == Counter({("a",): 2, ("b",): 1, ("c",): 1})
    kept.close()
