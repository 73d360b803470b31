"""First looks at the bytes of a column say the same as a look at every cell."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.labels import INVISIBLE, clean, narrow
from ckanext.gkopen.normalise import cells, second_look
from ckanext.gkopen.normalise.kept import once

SIGNS = st.sampled_from([*"ab,\"\n\r \t%#0（护照通行证计", "\u3000",
                         "\xa0", "\xad", "\u200b", "\ufeff", "\x7f", "、", "“", "\u2066"])
GONE = INVISIBLE + "\x7f\xad"
TEXTS = st.lists(st.one_of(st.none(), st.text(SIGNS, max_size=6)), max_size=8)


@pytest.fixture(params=[5, 1 << 18], ids=["pieces", "whole"])
def block(request, monkeypatch):
    """Columns that are cut into pieces of a few bytes, and such that are not cut."""
    monkeypatch.setattr(cells, "_BLOCK", request.param)


def cut(texts: list[str | None]) -> pa.Array:
    """A slice, as the columns of a part are: its bytes begin in the middle of a buffer."""
    return pa.array(["前", *texts, "后"], pa.string()).slice(1, len(texts))


@pytest.mark.usefixtures("block")
@given(TEXTS)
def test_a_sign_is_found_where_it_is(texts: list[str | None]):
    column = cut(texts)
    assert cells.any_byte(column, b'",\r\n') == any(sign in (text or "") for text in texts for sign in '",\r\n')
    assert cells.any_byte(column, b"%") == any("%" in (text or "") for text in texts)
    for wanted in ("护照", "%", "\ufffd", "计"):
        assert cells.has_text(column, wanted) == any(wanted in (text or "") for text in texts)
        assert cells.may_hold(column, wanted) >= cells.has_text(column, wanted)


@pytest.mark.usefixtures("block")
@given(TEXTS)
def test_a_column_that_is_left_alone_needs_no_cleaning(texts: list[str | None]):
    assert cells.tidy(cut(texts))[0].to_pylist() == [
        None if text is None else clean("".join(sign for sign in text if sign not in GONE)) for text in texts]


@pytest.mark.parametrize("sign", [*INVISIBLE, "\u3000", "\xa0", "\x7f", "\x1b"])
@pytest.mark.usefixtures("block")
def test_every_invisible_sign_is_seen_at_the_edge_of_a_piece(sign: str):
    for before in range(8):
        assert cells.tidy(pa.array(["甲" + "x" * before + sign + "乙"]))[0].to_pylist() != [
            "甲" + "x" * before + sign + "乙"]


@given(TEXTS)
def test_empty_and_null(texts: list[str | None]):
    column = cut(texts)
    assert cells.empty(column).tolist() == [text == "" for text in texts]
    assert cells.nulled(column).to_pylist() == [text or None for text in texts]


def test_columns_without_any_text():
    assert cells.empty(pa.nulls(3, pa.string())).tolist() == [False] * 3
    assert cells.empty(pa.array(["", ""])).tolist() == [True] * 2
    assert cells.nulled(pa.array([], pa.string())).to_pylist() == []


def test_many_rows_are_worked_on_in_order_by_several_threads(monkeypatch):
    seen: set[int] = set()
    both = threading.Barrier(2, timeout=30)

    def half(number: int) -> int:
        if number < 2:
            both.wait()  # passes only when two are at work at once
        seen.add(threading.get_ident())
        return number * number

    monkeypatch.setattr(cells.os, "cpu_count", lambda: 2)
    assert list(cells.side_by_side(half, range(9), cells.MANY)) == [n * n for n in range(9)]
    assert threading.get_ident() not in seen
    assert list(cells.side_by_side(lambda n: threading.get_ident(), range(3), 5)) == [threading.get_ident()] * 3


def test_once_for_each_domain_object():
    made = []

    @once
    def name(domain) -> str:
        made.append(domain)
        return domain.name

    budget, hotline = get_domain("budget"), get_domain("hotline")
    assert [name(budget), name(budget), name(hotline)] == ["budget", "budget", "hotline"]
    assert made == [budget, hotline]


@pytest.mark.parametrize(("text", "clean"), [
    (" 一 \r\n二\u3000\r 三\t\n\n四 ", "一\n二\n 三\n\n四"), ("一\u200b\x07二", "一二"), ("\u3000", ""),
    ("一" + " " * 2_000_000 + "二", "一" + " " * 2_000_000 + "二")])
def test_lines_that_are_kept_lose_their_last_blanks(text: str, clean: str):
    assert cells._clean_lines(text) == clean


def test_what_may_begin_with_a_sign_is_not_passed_over():
    """A first look at bytes finds every cell that says that nothing is stated, and few others."""
    silent = ["无", " 无", "　暂无", "****", "＊＊", "／", "-", "—", "–", "Ｎ／Ａ", "n/a", "NaN", "单位不需填列",
              "\u200b/", "\ufeff无", "\u00a0-", ".", "\\", "不详", "未公布", "待定", "null"]
    stated = ["南通市第一中学", "北京路小学", "2024-001", "A/B", "市政府", "", None, "采购"]
    column = pa.array(["前", *silent, *stated])[1:]
    assert all(second_look.NOT_STATED.match(narrow(text)) for text in silent)
    assert {*cells.may_begin(column, second_look.NOT_STATED_BEGINS)} == {*range(len(silent))}
    assert cells.may_begin(pa.array([], pa.string()), "无").size == 0
