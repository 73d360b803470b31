"""The demo city: every table can be harvested by its source file, and every fact names where it is from."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from stdnum.cn import uscc

from ckanext.gkopen.harvesters import load_source, open_transport
from ckanext.gkopen.simulator.cli import CITY
from ckanext.gkopen.simulator.folder import Folder
from ckanext.gkopen.simulator.server import running

REAL = Path(__file__).parents[3] / "shared" / "real"
SOURCES = sorted((CITY / "sources").glob("*.yaml"))
SERVICES = Folder(CITY).city().services


@pytest.fixture(scope="module")
def address():
    with running(CITY, "only-for-tests") as (url, _):
        yield url


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_source_brings_its_whole_table_and_entry(path, address):
    source = load_source(path.read_text(encoding="utf-8"), str(path), platform=address)
    service = SERVICES[source.service]
    assert (source.domain, source.organization) == (service.domain, service.body)
    transport = open_transport(source, "only-for-tests", allowed_hosts=["127.0.0.1"])
    rows = [row for page in transport.pages() for row in page.rows]
    entry = transport.catalogue()
    transport.close()
    with (CITY / str(service.file)).open(encoding="utf-8", newline="") as handle:
        assert rows == list(csv.DictReader(handle))
    assert entry is not None
    assert entry.open is True
    assert entry.update_cycle
    assert [item.name for item in entry.items] == list(rows[0])


def test_every_service_has_one_source_and_its_own_place_among_datasets():
    assert {path.stem for path in SOURCES} == set(SERVICES)
    places = [(service.domain, service.body) for service in SERVICES.values()]
    assert len(places) == len(set(places))


def test_the_city_is_large_enough_and_says_that_it_is_a_demonstration():
    city = Folder(CITY).city()
    assert len(city.bodies) >= 10
    domains = [service.domain for service in SERVICES.values()]
    least = {"budget": 4, "procurement": 4, "project": 3, "project_event": 2, "hotline": 3, "penalty": 1, "parking": 2}
    assert all(domains.count(domain) >= number for domain, number in least.items())
    assert {service.family for service in SERVICES.values()} == {"national", "zhejiang", "header", "bearer"}
    assert "演示" in city.title["zh"]
    assert all(uscc.is_valid(body.uscc) for body in city.bodies.values())


def test_every_row_names_its_source():
    for service in SERVICES.values():
        rows = Folder(CITY).table(service).slice(0, 10_000)
        assert rows
        assert all(row["来源标题"].strip() for row in rows), service.id


@pytest.mark.skipif(not REAL.is_dir(), reason="the collection of real records is not part of the project")
def test_no_address_of_a_copy_and_no_invented_amount():
    """Mirrors' and newspapers' addresses stay out; every printed amount of the city is one of the records."""
    banned: set[str] = set()
    printed: set[str] = set()
    for name in ("budget", "procurement", "procurement_yichang", "projects", "hotline"):
        with (REAL / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
            for row in csv.DictReader(handle):
                if row["source_kind"] in ("mirror", "media"):
                    banned.add(row["source_url"])
                printed |= set(row.values())
    amounts = (
        "金额",
        "预算数",
        "执行数",
        "决算数",
        "预算金额",
        "成交金额",
        "中标价",
        "投标报价",
        "总投资",
        "累计完成投资",
        "数值",
    )
    for service in SERVICES.values():
        for row in Folder(CITY).table(service).slice(0, 10_000):
            assert not row.get("来源网址") or row["来源网址"] not in banned
            if not row["来源标题"].startswith("演示数据"):
                assert all(row[column] in printed for column in amounts if row.get(column)), (service.id, row)
