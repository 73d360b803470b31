"""Substrings of Chinese text: the index finds what a comparison of every row finds, no more and no less."""

from __future__ import annotations

import random
from typing import Any

import pytest
import sqlalchemy as sa
from ckan.plugins.toolkit import ValidationError
from ckanext.datastore.backend.postgres import get_read_engine

from ckanext.gkopen.datastore.chinese import MAX_LETTERS, MAX_TERMS, Conditions, conditions
from ckanext.gkopen.publish import table
from tests.publish.conftest import blobs  # noqa: F401 a fixture
from tests.publish.sample import Blobs, canonical, domain, row

SAMPLE = domain()
CHARACTERS = "南通市海门区停车场政府采购ABab12一二𠮷㐂%_\\'&|!:*()<> é İ Σ"


@pytest.fixture
def texts(site: Any, blobs: Blobs) -> dict[str, tuple[str, str]]:  # noqa: F811
    choose = random.Random(20241).choices
    made = {f"{n:04}": ("".join(choose(CHARACTERS, k=n % 17 + 1)).strip() or "空",
                        "".join(choose(CHARACTERS, k=n % 5 + 1)).strip() or "无") for n in range(1500)}
    rows = [row(number, project_name=name, buyer_name=buyer) for number, (name, buyer) in made.items()]
    table.bring_up(SAMPLE, "d-1", "财政局", 1, {"whole": blobs.put(canonical(rows))}, blobs.read)
    return made


def fold(text: str) -> str:
    """Letter by letter, as PostgreSQL folds: one letter never becomes two."""
    return "".join(letter.lower() if len(letter.lower()) == 1 else {"İ": "i"}[letter] for letter in text)


def matches(connection: Any, found: Conditions) -> set[str]:
    statement = sa.text(f"select notice_no from public.sample where {found.indexed}")
    return set(connection.execute(statement, found.params).scalars())


def test_two_hundred_random_substrings_equal_brute_force(texts: dict[str, tuple[str, str]]) -> None:
    choose = random.Random(7)
    numbers = list(texts)
    with get_read_engine().connect() as connection:
        connection.execute(sa.text("set enable_seqscan = off"))
        for round_number in range(200):
            name = texts[choose.choice(numbers)][round_number % 2]
            start = choose.randrange(len(name))
            q = name[start : start + choose.choice([1, 1, 2, 3, 5])]
            words = fold(q).split()
            found = conditions(SAMPLE, q, connection)
            if found is None:
                assert not words
                continue
            wanted = {number for number, cells in texts.items()
                      if all(any(word in fold(cell) for cell in cells) for word in words)}
            for where in (found.indexed, found.checked):
                rows = connection.execute(sa.text(f"select notice_no from public.sample where {where}"), found.params)
                assert set(rows.scalars()) == wanted, q


def test_a_field_of_its_own(texts: dict[str, tuple[str, str]]) -> None:
    with get_read_engine().connect() as connection:
        for field, position in (("project_name", 0), ("buyer_name", 1)):
            found = conditions(SAMPLE, {field: "海门"}, connection)
            assert found
            wanted = {number for number, cells in texts.items() if "海门" in cells[position]}
            assert matches(connection, found) == wanted
        found = conditions(SAMPLE, {"notice_no": "149"}, connection)
        assert found
        assert matches(connection, found) == {"0149", *(f"149{n}" for n in range(10)), "1149"}


def test_the_index_is_used(texts: dict[str, tuple[str, str]]) -> None:
    with get_read_engine().connect() as connection:
        found = conditions(SAMPLE, "海门区", connection)
        assert found
        connection.execute(sa.text("set local enable_seqscan = off"))
        plan = connection.execute(sa.text(f"explain select _id from public.sample where {found.indexed}"), found.params)
        assert "Bitmap Index Scan on gkopen_" in "\n".join(plan.scalars())


def test_nothing_asked_and_too_much_asked(site: Any) -> None:
    with get_read_engine().connect() as connection:
        assert conditions(SAMPLE, " \u3000 ", connection) is None
        for much in ("字 " * (MAX_TERMS + 1), "字" * (MAX_LETTERS + 1)):
            with pytest.raises(ValidationError):
                conditions(SAMPLE, much, connection)


def test_a_piece_of_every_row_is_not_looked_for(site: Any, blobs: Blobs) -> None:  # noqa: F811
    rows = [row(f"{n:04}", project_name="南通市财政局" if n else "南通市海门区", buyer_name="甲") for n in range(300)]
    table.bring_up(SAMPLE, "d-1", "财政局", 1, {"whole": blobs.put(canonical(rows))}, blobs.read)
    with get_read_engine().connect() as connection:
        rare, common = (conditions(SAMPLE, q, connection) for q in ("南通市海门区", "南通市"))
        assert rare and common
        assert "南通" not in rare.params["gk_grams_0"] and "海门" in rare.params["gk_grams_0"]
        assert matches(connection, rare) == {"0000"} and len(matches(connection, common)) == 300


@pytest.mark.parametrize("q, found", [
    ("停車場", "停车场"), ("停车场", "停车场"), ("臺灣", "臺灣"), ("ＰＰＰ", "ppp项目"), ("２０２４", "2024年度"),
    ("a（一期）", "A(一期)"), ("改造(一期)", "改造（一期）"), ("苏财购[2024]12号", "苏财购〔2024〕12号"),
    ("苏财购（2024）7号", "苏财购(2024)7号"),
    ("〔2024〕9号", "通政发［2024］9号"),
])
def test_a_word_is_found_as_tables_may_write_it(site: Any, blobs: Blobs, q: str, found: str) -> None:  # noqa: F811
    names = ["停车场", "臺灣", "PPP项目", "2024年度", "A(一期)", "改造（一期）", "苏财购〔2024〕12号",
             "苏财购(2024)7号", "通政发［2024］9号"]
    rows = [row(f"{n:04}", project_name=name, buyer_name="甲") for n, name in enumerate(names)]
    table.bring_up(SAMPLE, "d-1", "财政局", 1, {"whole": blobs.put(canonical(rows))}, blobs.read)
    wanted = {f"{n:04}" for n, name in enumerate(names) if name.lower() == found.lower()}
    if q == "２０２４":
        wanted |= {"0006", "0007", "0008"}
    with get_read_engine().connect() as connection:
        made = conditions(SAMPLE, q, connection)
        assert made
        for where in (made.indexed, made.checked):
            rows_found = connection.execute(sa.text(f"select notice_no from public.sample where {where}"), made.params)
            assert set(rows_found.scalars()) == wanted
