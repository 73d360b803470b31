"""Bytes by content: many are looked up together, and few of them are in memory."""

from __future__ import annotations

from typing import Any

import pytest

from ckanext.gkopen import blobs, model


def test_a_reader_looks_up_and_holds_some_at_a_time(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [f"content {number}".encode() for number in range(7)]
    names = blobs.put_many((data, "text/plain") for data in contents)
    asked: list[int] = []
    every = model.every
    monkeypatch.setattr(model, "every", lambda sql, **named: asked.append(len(named["names"])) or every(sql, **named))
    monkeypatch.setattr(blobs, "_TOGETHER", 3)
    read = blobs.reader(iter([*names, names[0]]))
    assert [read(name) for name in names] == contents and asked == [3, 3, 1]
    assert [read(name) for name in names[1:3]] == contents[1:3] and asked == [3, 3, 1], "out of turn: by itself"
    model.execute("update gkopen.blob set sealed_at = now() where sha256 = :name", name=names[4])
    with pytest.raises(blobs.Sealed):
        read(names[4])
    with pytest.raises(blobs.Missing):
        blobs.reader(["0" * 64])("0" * 64)
    [other] = blobs.put_many([(b"other", "text/plain")])
    assert read(other) == b"other"
