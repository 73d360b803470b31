"""Generated records: the same from the same seed, in any slice, with the wished share of bad ones."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from stdnum.cn import uscc

from ckanext.gkopen.simulator import generate
from ckanext.gkopen.simulator.folder import Folder
from ckanext.gkopen.simulator.invent import MAKERS, NOTICES

DOMAINS = sorted(MAKERS)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_record_depends_on_seed_and_number_only(domain):
    whole = list(generate.records(domain, 300, seed=7, bad=0.1))
    assert list(generate.records(domain, 50, seed=7, bad=0.1, start=200)) == whole[200:250]
    assert list(generate.records(domain, 300, seed=8, bad=0.1)) != whole
    assert {tuple(record) for record in whole} == {tuple(whole[0])}


@pytest.mark.parametrize("domain", DOMAINS)
def test_good_records_are_distinct_and_bad_ones_differ_in_one_cell(domain):
    good = list(generate.records(domain, 2000))
    assert len({tuple(record.values()) for record in good}) == 2000
    spoilt = list(generate.records(domain, 2000, bad=0.05))
    differing = [at for at in range(2000) if good[at] != spoilt[at]]
    assert differing == [at for at in range(2000) if generate.is_bad(1, at, 0.05)]
    assert 60 <= len(differing) <= 140
    for at in differing:
        assert sum(good[at][column] != spoilt[at][column] for column in good[at]) == 1


def test_all_kinds_of_notices_come_and_codes_are_valid():
    records = list(generate.records("procurement", 1300))
    assert Counter(record["公告类型"] for record in records) == dict.fromkeys(NOTICES, 100)
    assert len(NOTICES) == 13
    assert all(uscc.is_valid(record["采购单位统一社会信用代码"]) for record in records)
    awards = [record for record in records if record["中标金额（元）"]]
    assert awards
    assert all(Decimal(record["中标金额（元）"]) <= Decimal(record["预算金额（元）"]) for record in awards)


def test_budgets_add_up_from_level_to_level():
    by_group: dict[tuple, dict[str, Decimal]] = {}
    for record in generate.records("budget", 18 * 40):
        group = (record["单位"], record["年度"], record["阶段"])
        by_group.setdefault(group, {})[record["功能科目编码"]] = Decimal(record["金额（元）"])
    assert len(by_group) == 40
    for amounts in by_group.values():
        for code, amount in amounts.items():
            below = [value for child, value in amounts.items() if len(child) == len(code) + 2 and child[:-2] == code]
            assert not below or sum(below) == amount


def test_every_event_belongs_to_a_project():
    codes = {record["项目代码"] for record in generate.records("project", 100)}
    events = list(generate.records("project_event", 900))
    assert {event["项目代码"] for event in events} == codes


def test_hotline_shares_are_those_of_their_total():
    month = list(generate.records("hotline", 7))
    total = sum(Decimal(record["数值"]) for record in month)
    for record in month:
        assert abs(Decimal(record["占比"].rstrip("%")) - Decimal(record["数值"]) * 100 / total) <= Decimal("0.005")


def test_a_generated_city_is_served_without_holding_its_rows(tmp_path):
    folder = Folder(generate.write_city(tmp_path / "city", 5_000_000, seed=3))
    service = folder.city().services["gen-procurement"]
    table = folder.table(service)
    assert table.count == 5_000_000
    assert table.rows is None
    (last,) = table.slice(4_999_999, 5_000_010)
    assert last["公告编号"].endswith("4999999")
