"""Rows by cursor and sums of groups: complete, exact, of one snapshot; what cannot be asked says what can."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from ckan.plugins import toolkit

from ckanext.gkopen import domains as domain_files
from ckanext.gkopen.datastore import chinese, live
from ckanext.gkopen.logic.action import query
from ckanext.gkopen.publish import table
from tests.people import call
from tests.publish.conftest import blobs  # noqa: F401 a fixture
from tests.publish.sample import Blobs, canonical, domain, key, row

SAMPLE = domain()
AREAS = ["崇川", "海门", None, "通州"]


@pytest.fixture
def rows(site: Any, blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str | None]]:  # noqa: F811
    """Rows of two bodies; keys, areas and amounts are empty here and there, amounts are often the same."""
    choose = random.Random(11)
    made = [row(f"{n:03}", lot_no=choose.choice([None, "A", "B"]), area=choose.choice(AREAS),
                project_name=choose.choice(["停车场, 二期", "学校食堂", None]), bidders=choose.choice(["3", "4", None]),
                award_amount=choose.choice([None, "100.00", "90071992547409.93", "0.10", "-5.00"]),
                published_on=choose.choice(["2024-05-06", "2024-06-01", None]), is_green="true",
                opened_at="2024-06-01 09:30:00") for n in range(60)]
    made += [row("007", lot_no=lot) for lot in ("X", "Y")] if made[7]["lot_no"] is None else []
    for dataset, body in (("d-1", "财政局"), ("d-2", "住建局")):
        table.bring_up(SAMPLE, dataset, body, 3, {"whole": blobs.put(canonical(made))}, blobs.read)
    known = {**domain_files.domains(), "sample": SAMPLE}
    for module in ("ckanext.gkopen.logic.action.asked", "ckanext.gkopen.datastore.target"):
        monkeypatch.setattr(f"{module}.domains", lambda: known)
    return made


def pages(limit: int, **asked: Any) -> list[dict[str, Any]]:
    found, cursor = [], None
    while True:
        page = call("gkopen_rows", "", domain="sample", limit=limit, cursor=cursor, **asked)
        assert len(page["results"]) <= limit and page["revisions"] in ({"d-1": 3}, {"d-2": 3}, {"d-1": 3, "d-2": 3})
        found += page["results"]
        cursor = page["cursor"]
        if cursor is None:
            return found


def place(one: dict[str, Any]) -> tuple[str, str, str | None]:
    return one["dataset_id"], one["notice_no"], one["lot_no"]


@pytest.mark.parametrize("sort", ["", "award_amount desc", "area, award_amount", "area desc,published_on", "bidders",
                                  "publisher desc, notice_no desc"])
def test_pages_hold_every_row_once_in_order(rows: list[dict[str, str | None]], sort: str) -> None:
    whole = pages(10_000, sort=sort)
    assert len(whole) == 2 * len(rows)
    for limit in (1, 7):
        assert pages(limit, sort=sort) == whole
    for clause in filter(None, sort.split(",")[:1]):
        name, _, down = clause.partition(" ")
        cells = [one[name] for one in whole]
        filled = [cell for cell in cells if cell is not None]
        assert cells == sorted(filled, reverse=bool(down)) + [None] * (len(cells) - len(filled))
    if not sort:
        assert [place(one)[1:] for one in whole[:len(rows)]] == [
            (one["notice_no"], one["lot_no"]) for one in sorted(rows, key=key)]


def test_pages_while_the_table_changes(rows: list[dict[str, str | None]], blobs: Blobs) -> None:  # noqa: F811
    """Rows that stay are there exactly once; rows that come, go or change are there at most once."""
    first = call("gkopen_rows", "", domain="sample", limit=20)
    changed = [one | {"award_amount": "77.00"} for one in rows[10:50]] + [row(f"{n:03}x") for n in range(0, 60, 3)]
    table.bring_up(SAMPLE, "d-1", "财政局", 4, {"whole": blobs.put(canonical(changed))}, blobs.read)
    found, cursor = list(first["results"]), first["cursor"]
    states = {first["state"]}
    while cursor:
        page = call("gkopen_rows", "", domain="sample", limit=20, cursor=cursor)
        states.add(page["state"])
        assert page["revisions"].get("d-1", 4) == 4
        found, cursor = found + page["results"], page["cursor"]
    places = [place(one) for one in found]
    assert len(set(places)) == len(places)
    stayed = {("d-1", one["notice_no"], one["lot_no"]) for one in rows[10:50]} | {
        ("d-2", one["notice_no"], one["lot_no"]) for one in rows}
    assert stayed <= set(places)
    assert len(states) == 2


def test_filters_ranges_and_words(rows: list[dict[str, str | None]]) -> None:
    def numbers(**asked: Any) -> list[str]:
        return [one["notice_no"] for one in pages(10, fields=["notice_no", "dataset_id", "lot_no"], **asked)]

    def wanted(test: Any) -> list[str]:
        return [one["notice_no"] or "" for one in sorted(rows, key=key) if test(one)] * 2

    assert numbers(filters={"area": "海门"}) == wanted(lambda one: one["area"] == "海门")
    assert numbers(filters='{"area": ["海门", "崇川"]}') == wanted(lambda one: one["area"] in ("海门", "崇川"))
    amounts = {"award_amount": {"gte": "0", "lt": 1000}}
    assert numbers(filters=amounts) == wanted(
        lambda one: one["award_amount"] is not None and 0 <= Decimal(one["award_amount"]) < 1000)
    assert numbers(filters={"published_on": {"gt": "2024-05-06"}}, q="车场") == wanted(
        lambda one: one["published_on"] == "2024-06-01" and "车场" in (one["project_name"] or ""))
    assert numbers(filters={"$or": [{"area": "通州"}, {"bidders": {"lte": 3}}]}) == wanted(
        lambda one: one["area"] == "通州" or one["bidders"] == "3")
    assert len(pages(10, filters={"dataset_id": "d-2"})) == len(rows)


@pytest.mark.parametrize("sort", ["", "award_amount desc", "area", "area desc"])
def test_words_of_most_rows(rows: list[dict[str, str | None]], monkeypatch: pytest.MonkeyPatch, sort: str) -> None:
    wanted = [place(one) for one in pages(10_000, sort=sort) if "停车" in (one["project_name"] or "")]
    assert len(wanted) > 20
    for cap in (10_000, 2):
        monkeypatch.setattr(chinese, "CAP", cap)
        assert [place(one) for one in pages(10, sort=sort, q="停车")] == wanted
    counted = call("gkopen_aggregate", "", domain="sample", q="停车")["results"]
    assert counted == [{"count": len(wanted)}]


def test_words_are_found_by_their_index(rows: list[dict[str, str | None]]) -> None:
    """The pieces of a text are dear: to compute those of each row again takes minutes in a large table."""
    with live.reading(SAMPLE) as connection:
        where = live.where_of(SAMPLE, None, "停车", connection)
        plan = connection.execute(sa.text(f"explain select count(*) from public.sample{where.sql()}"), where.params)
        assert "Bitmap Index Scan on gkopen_" in "\n".join(plan.scalars())


def test_sums_are_exact(rows: list[dict[str, str | None]]) -> None:
    told = call("gkopen_aggregate", "", domain="sample", group_by="area,publisher", sum="award_amount", avg=["bidders"])
    assert len(told["results"]) == 8 and not told["more"]
    for one in told["results"]:
        own = [r for r in rows if r["area"] == one["area"]]
        amounts = [Decimal(r["award_amount"] or "") for r in own if r["award_amount"]]
        assert (one["count"], one["sum_award_amount"], one["values_award_amount"]) == (
            len(own), sum(amounts) if amounts else None, len(amounts))
        bids = [int(r["bidders"] or "") for r in own if r["bidders"]]
        assert round(one["avg_bidders"], 10) == round(Decimal(sum(bids)) / len(bids), 10)
    whole = call("gkopen_aggregate", "", domain="sample", sum="award_amount", money="text",
                 filters={"dataset_id": "d-1"})["results"]
    assert whole == [{"count": len(rows), "values_award_amount": sum(r["award_amount"] is not None for r in rows),
                      "sum_award_amount": str(sum(Decimal(r["award_amount"] or 0) for r in rows))}]
    assert call("gkopen_aggregate", "", domain="sample", group_by="area", limit=2)["more"]
    assert call("gkopen_aggregate", "", domain="sample", group_by="area", filters={"area": "无"})["results"] == []


def test_values_are_those_of_the_files(rows: list[dict[str, str | None]]) -> None:
    [one] = pages(10, filters={"notice_no": "003", "dataset_id": "d-1"})
    assert one["opened_at"] == "2024-06-01T09:30:00+08:00" and one["is_green"] is True
    large = {"award_amount": "90071992547409.93", "dataset_id": "d-1"}
    assert {one["award_amount"] for one in pages(10, filters=large)} == {Decimal("90071992547409.93")}
    assert {one["award_amount"] for one in pages(10, filters=large, money="text")} == {"90071992547409.93"}


@pytest.mark.parametrize(("wrong", "said"), [
    ({"domain": "nothing"}, "procurement"), ({"limit": 10_001}, "10000"), ({"limit": "x"}, "10000"),
    ({"filters": "{"}, "JSON"), ({"filters": {"nothing": 1}}, "award_amount"),
    ({"filters": {"area": {"like": "a"}}}, "gte"),
    ({"filters": {"award_amount": "x"}}, "award"), ({"filters": {"published_on": "2024-13-01"}}, "2024-13-01"),
    ({"filters": [1]}, "operators"), ({"sort": "nothing"}, "award_amount"), ({"sort": "area sideways"}, "desc"),
    ({"sort": "area, area"}, "desc"), ({"cursor": "abc"}, "cursor"), ({"cursor": "W10="}, "cursor"),
    ({"fields": "nothing"}, "award_amount"), ({"money": "gold"}, "text"), ({"q": {"nothing": "a"}}, "project_name"),
    ({"q": 5}, "project_name"), ({"filters": {"area": {"eq": {"a": 1}}}}, "operators"),
    ({"filters": '{"$or": [' * 300 + "{}" + "]}" * 300}, "nested"), ({"q": "字" * 20_000}, "200")])
def test_what_cannot_be_asked(rows: list[dict[str, str | None]], wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(toolkit.ValidationError) as refused:
        call("gkopen_rows", "", **{"domain": "sample"} | wrong)
    assert said in json.dumps(refused.value.error_dict, ensure_ascii=False)


def test_a_cursor_belongs_to_its_question(rows: list[dict[str, str | None]]) -> None:
    cursor = call("gkopen_rows", "", domain="sample", limit=2)["cursor"]
    for other in ({"sort": "area"}, {"filters": {"area": "海门"}}, {"q": "停车"}):
        with pytest.raises(toolkit.ValidationError, match="cursor"):
            call("gkopen_rows", "", domain="sample", cursor=cursor, **other)
    for wrong in ({"group_by": "award_amount"}, {"sum": "area"}, {"avg": "notice_no"}, {"group_by": "area,area"}):
        with pytest.raises(toolkit.ValidationError):
            call("gkopen_aggregate", "", domain="sample", **wrong)
    assert call("gkopen_rows", "", domain="budget")["results"] == []
    assert query.MOST_ROWS == 10_000
