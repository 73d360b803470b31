"""One large source on a simulated platform, whose rows are known one by one, and the person who approves them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from ckan import model as ckan_model
from ckan.plugins import toolkit
from ckanext.datastore.backend.postgres import get_read_engine, get_write_engine
from sqlalchemy import text

from ckanext.gkopen import demo, ids, model
from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvesters.source import load_source
from ckanext.gkopen.simulator import generate
from ckanext.gkopen.simulator.faults import parse_fault
from ckanext.gkopen.simulator.platform import Platform
from ckanext.gkopen.simulator.server import running
from tests.harvest.city import SECRET
from tests.races import crew

NAME = "gen-procurement"
BODY = "demo-0"
DOMAIN = "procurement"
BAD = 0.01
"""Share of rows that cannot be published."""
YAML = """
name: gen-procurement
title: 生成数据
domain: procurement
organization: demo-0
transport: exchange
url: "{platform}/national/gateway"
signer: {family: national, requester: gkopen-demo}
secret_env: GKOPEN_SECRET_DEMO
service: gen-procurement
page_size: 100
update_cycle: never
"""


@dataclass
class Large:
    """`state[notice number]` is the text that the row of this number has now in one column."""

    folder: Path
    platform: Platform
    url: str
    count: int
    seed: int
    state: dict[str, str]
    good: frozenset[str]

    def write(self) -> None:
        rows = [{**row, "资金来源": self.state[row["公告编号"]]}
                for row in generate.records(DOMAIN, self.count, seed=self.seed, bad=BAD)]
        path = self.folder / "table.csv"
        with path.with_suffix(".new").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        path.with_suffix(".new").replace(path)

    def change(self, numbers: list[str], value: str) -> None:
        """What the department edits: these rows have this text now."""
        self.state |= dict.fromkeys(numbers, value)
        self.write()

    def fault(self, *names: str) -> None:
        self.platform.faults.replace([parse_fault(name) for name in names])

    def wanted(self) -> dict[str, str]:
        return {number: value for number, value in self.state.items() if number in self.good}


def run_counts(run_id: str) -> dict[str, Any]:
    row = model.one("select state, counts, error from gkopen.run where id = :id", id=run_id)
    assert row is not None
    return row


@contextmanager
def large(folder: Path, rows: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Large]:
    """A platform that lists `rows` rows of one body; nothing was harvested yet."""
    monkeypatch.setenv("GKOPEN_SECRET_DEMO", SECRET)
    toolkit.get_action("get_site_user")({"ignore_auth": True}, {})
    demo.make_body(demo.OFFICE, {"zh": "政务公开办公室", "en": "Disclosure Office"}, disclosure_office=True)
    demo.make_body(BODY, {"zh": "生成数据单位", "en": "Demo body 0"})
    for name, body, capacity in (("office", demo.OFFICE, "admin"), ("officer", BODY, "editor")):
        user = ckan_model.User.get(name) or ckan_model.User(name=name, email=f"{name}@example.com")
        ckan_model.Session.add(user)
        ckan_model.Session.flush()
        organization = ckan_model.Group.get(body)
        assert organization is not None
        ckan_model.Session.add(ckan_model.Member(table_name="user", table_id=user.id, group=organization,
                                                 capacity=capacity))
    ckan_model.Session.commit()
    data = generate.write_city(folder / "large", 1, seed=seed)
    city = yaml.safe_load((data / "city.yaml").read_text("utf-8"))
    for service in city["services"]:
        if service["id"] == NAME:
            del service["generate"]
            service["file"] = "table.csv"
    (data / "city.yaml").write_text(yaml.safe_dump(city, allow_unicode=True), "utf-8")
    numbers = [row["公告编号"] for row in generate.records(DOMAIN, rows, seed=seed, bad=BAD)]
    good = frozenset(number for at, number in enumerate(numbers) if not generate.is_bad(seed, at, BAD))
    with running(data, SECRET) as (url, platform):
        source = Large(data, platform, url, rows, seed, dict.fromkeys(numbers, "财政资金"), good)
        source.write()
        keep_source(url)
        yield source


def keep_source(url: str) -> None:
    """The source at this address; it is never due, so that only the test starts its runs."""
    ledger.save_source(load_source(YAML, platform=url), "test", replace=True)
    model.execute("update gkopen.source set next_run_at = now() + interval '1 year' where name = :name", name=NAME)
    ckan_model.Session.commit()


def trigger(*, dry_run: bool = False) -> str:
    run_id = ledger.enqueue(ledger.find_source(NAME), "manual", "test", dry_run=dry_run)
    ckan_model.Session.commit()
    return run_id


def finished(run_id: str) -> bool:
    return bool(model.value("select finished_at from gkopen.run where id = :id", id=run_id))


def epoch() -> int:
    ckan_model.Session.remove()
    return model.value("select epoch from gkopen.source where name = :name", name=NAME)


def approve_held() -> int:
    """How many revisions were approved."""
    held = model.every("select id from gkopen.revision where state = 'held'")
    for row in held:
        crew.approve("office", str(row["id"]))
    return len(held)


def shown() -> list[tuple[str, str]]:
    """(notice number, text of the changing column) of each row that the DataStore shows; none while there is no table.
    """
    table = ids.table_id(DOMAIN)
    with get_read_engine().connect() as connection:
        if not connection.execute(text("select to_regclass(:name)"), {"name": f'public."{table}"'}).scalar():
            return []
        return [(row[0], row[1]) for row in connection.execute(
            text(f'select release_id, fund_source from public."{table}"'))]


def exact(source: Large) -> tuple[int, int, int]:
    """(shown, lost, twice); every row that is shown says what the source says now."""
    found = shown()
    numbers = [number for number, _ in found]
    wanted = source.wanted()
    lost, twice = len(wanted.keys() - set(numbers)), len(numbers) - len(set(numbers))
    assert not set(numbers) - wanted.keys(), "a row is shown that was not to be published"
    assert (lost, twice) == (0, 0), (lost, twice)
    assert dict(found) == wanted, "a row says what the source no longer says"
    return len(found), lost, twice


def holder() -> int | None:
    """The process id of the worker that holds the source's lock now."""
    key = ledger.lock_key(model.value("select id from gkopen.source where name = :name", name=NAME))
    port = model.value("select a.client_port from pg_locks l join pg_stat_activity a on a.pid = l.pid"
                       " where l.locktype = 'advisory' and l.granted and l.classid = :high and l.objid = :low",
                       high=key >> 32, low=key & 0xFFFFFFFF)
    ckan_model.Session.commit()
    return process_at(port) if port else None


def process_at(port: int) -> int | None:
    """The process that this end of a connection belongs to."""
    return next((found.pid for found in psutil.net_connections("tcp")
                 if found.laddr and found.laddr.port == port and found.pid), None)


def forget_connections() -> None:
    """After a restart of PostgreSQL: the connections of this process are dead."""
    ckan_model.Session.remove()
    for engine in (ckan_model.ensure_engine(), get_write_engine(), get_read_engine()):
        engine.dispose()
