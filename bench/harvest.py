"""a1, a2, f: a harvest of many small datasets beside ckanext-harvest, from the same simulated platform over HTTP.

Each round: ours from the source to held (a1), approved and in every exit (a2), harvested again with 1 % of the bodies
changed and 1 % gone (f); then the peer gathers, fetches, imports and harvests again the same listings.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from ckan import model as ckan_model
from ckan.lib.search.common import make_connection
from ckan.plugins import toolkit

from bench import stock
from bench.measure import Figure, must_equal
from bench.processor import READER
from bench.running import SECRET_ENV
from ckanext.gkopen import ids, model
from ckanext.gkopen.embedded.screen import Screen
from ckanext.gkopen.harvest import ledger, run, worker
from ckanext.gkopen.harvesters.source import load_source
from ckanext.gkopen.logic.action.revision import MOST_AT_ONCE
from ckanext.gkopen.publish import index, outbox
from ckanext.gkopen.review import decide
from ckanext.gkopen.simulator import generate

ROWS_EACH = 20
WARM_UP = 20
"""Bodies of a round that is not counted: modules are loaded, the table is there."""
WARM_SOLR = 300
"""Times that their documents are indexed before a round counts: a portal's Solr has run for weeks, and takes up to six
times as long for the first thousands of documents. Both sides use it."""
SOURCE = f"""
name: bench-procurement-{{number}}
title: {{{{zh: 基准测试, en: Benchmark}}}}
domain: procurement
organization: bench-{{number}}-0
organization_column: 采购单位
organizations: all
transport: exchange
url: "{{{{platform}}}}/national/gateway"
signer: {{{{family: national, prefix: gjgxjhpt, requester: bench}}}}
secret_env: {SECRET_ENV}
service: bench-procurement
page_size: 1000
update_cycle: never
complete: true
"""
WHAT = {"a1": ("source → checked and held", "gather and fetch", "gather_fetch", "≥ 30 ×"),
        "a2": ("approved → public in every exit", "import", "import", "≥ 2.5 ×"),
        "f": ("again, 1 % changed, 1 % gone", "again, content compared in its import stage", "again", "≥ 8 ×")}

Taken = dict[str, tuple[float, float]]
"""What was done → seconds by the clock, seconds of processor of the process that did it and of the servers."""


def many(datasets: int, rounds: int, folder: Path, screen: Screen) -> list[Figure]:
    ours: list[Taken] = []
    peer: list[Taken] = []
    worker.settle()                                       # as `ckan gkopen worker` does
    for number in range(rounds + 1):
        bodies = datasets if number else min(WARM_UP, datasets)
        with _platform(folder, number, bodies) as (address, change):
            source = folder / "source.yaml"
            source.write_text(SOURCE.format(number=number), "utf-8")
            screen.now(f"a round {number}/{rounds}: ours, {bodies} datasets")
            taken, like = _ours(source, address, bodies, change)
            if not number:
                screen.now("a: Solr compiles what indexing takes")
                _warm_solr()
                continue
            ours.append(taken)
            screen.now(f"a round {number}/{rounds}: ckanext-harvest, {bodies} datasets")
            change(False)
            peer.append(_peer(source, address, bodies, folder, change, like))
    return [figure for bench in WHAT for figure in _figures(bench, datasets, ours, peer)]


def _warm_solr() -> None:
    packages = {package.id: package for package in ckan_model.Session.query(ckan_model.Package).filter_by(
        state="active")}
    documents, solr = index.documents(packages), make_connection()
    for _ in range(WARM_SOLR):
        solr.add(documents)
        solr.commit()
    ckan_model.Session.commit()


def _figures(bench: str, datasets: int, ours: list[Taken], peer: list[Taken]) -> Iterator[Figure]:
    what, of_peer, _, target = WHAT[bench]
    for name, side, floor in ((f"ckanext-harvest: {of_peer}", peer, None),
                              (f"{datasets} datasets of {ROWS_EACH} rows: {what}", ours,
                               f"ckanext-harvest: {of_peer}")):
        each = ", ".join(f"{taken[bench][1] / datasets * 1000:.1f}" for taken in side)
        more = {stage: [round(taken[stage][1], 3) for taken in side] for stage in side[0] if stage.startswith(bench)}
        yield Figure(bench, name, [taken[bench][0] for taken in side], floor=floor,
                     target=f"{target} ckanext-harvest" if floor else "",
                     note=f"{each} ms of processor (process and servers) a dataset, by round", more={"processor": more})


def _ours(source_file: Path, address: str, datasets: int,
          change: Callable[[bool], None]) -> tuple[Taken, dict[str, Any]]:
    """With one of the packages that were published."""
    clock = _Clock()
    source = load_source(source_file.read_text("utf-8"), source_file.name, platform=address)
    ledger.save_source(source, "bench")
    clock.start()
    report = _harvest(source.name)
    clock.stop("a1")
    must_equal("rows in", report.rows_in, datasets * ROWS_EACH)
    must_equal("rows accounted for", report.rows_ok + report.rows_quarantined + report.rows_duplicate, report.rows_in)
    held = model.every("select id, digest from gkopen.revision where state = 'held' order by id")
    must_equal("revisions held", len(held), datasets)
    ckan_model.Session.commit()
    clock.start()
    for start in range(0, len(held), MOST_AT_ONCE):
        outcomes = decide.approve_all([(str(revision["id"]), revision["digest"])
                                       for revision in held[start:start + MOST_AT_ONCE]], "bench-reviewer")
        must_equal("revisions that were not published", [one for one in outcomes if not isinstance(one, int)], [])
        ckan_model.Session.commit()
    clock.stop("a2 approve")
    for done in _drained(clock):
        clock.stop(f"a2 {done.sink}")
    clock.join("a2")
    _check_exits(report)
    like = _package(report.outcomes[0]["dataset"])
    change(True)
    clock.start()
    again = _harvest(source.name)
    clock.stop("f")
    few = max(datasets // 100, 1)
    must_equal("rows in, again", again.rows_in, (datasets - few) * ROWS_EACH)
    must_equal("unchanged", sum(outcome["state"] == "unchanged" for outcome in again.outcomes), datasets - 2 * few)
    must_equal("held anew", sum(outcome["state"] == "held" for outcome in again.outcomes), few)
    must_equal("gone", len(again.held), few)
    for revision in model.every("select id from gkopen.revision where state = 'held'"):
        decide.send_back(str(revision["id"]), "bench-reviewer", "bench")
    ckan_model.Session.commit()
    return clock.taken, like


def _package(dataset: str) -> dict[str, Any]:
    """Extras, resources and tags of a package, as package_create takes them."""
    package = ckan_model.Package.get(dataset)
    assert package is not None and package.extras
    resources = [{"name": resource.name, "format": resource.format, "mimetype": resource.mimetype,
                  "size": resource.size, "hash": resource.hash, "description": resource.description,
                  **(resource.extras or {})} for resource in package.resources]
    like = {"extras": [{"key": key, "value": value} for key, value in package.extras.items()], "resources": resources,
            "tags": [{"name": tag.name} for tag in package.get_tags()]}
    ckan_model.Session.commit()
    return like


def _harvest(source: str) -> Any:
    run_id = ledger.enqueue(ledger.find_source(source), "manual", "bench")
    ckan_model.Session.commit()
    claim = ledger.claim(run_id)
    assert claim is not None
    report = run.carry_out(claim)
    claim.release()
    ended = model.one("select error from gkopen.run where id = :id", id=run_id)
    must_equal("the run's error", ended and ended["error"], None)
    ckan_model.Session.commit()
    return report


def _drained(clock: _Clock) -> Iterator[outbox.Done]:
    model.execute("update gkopen.outbox set not_before = now() where done_at is null")    # bulk: no 15 minutes' wait
    ckan_model.Session.commit()
    clock.start()
    for done in outbox.drain():
        yield done
        clock.start()


def _check_exits(report: Any) -> None:
    """Every dataset of the run: in the search, its rows in the DataStore, its files at their addresses."""
    must_equal("exits that are behind", model.value("select count(*) from gkopen.outbox where done_at is null"), 0)
    made = [outcome["dataset"] for outcome in report.outcomes]
    total = model.value("select coalesce(sum(rows), 0) from gkopen.public_part")
    ckan_model.Session.commit()
    found: set[str] = set()
    while page := toolkit.get_action("package_search")({"ignore_auth": True}, {
            "rows": 1000, "start": len(found), "fl": "id", "sort": "id asc"})["results"]:
        found |= {package["id"] for package in page}
    must_equal("datasets that no search finds", len(set(made) - found), 0)
    rows = toolkit.get_action("datastore_search")({"ignore_auth": True}, {
        "resource_id": ids.table_id("procurement"), "limit": 0})
    must_equal("rows in the DataStore", rows["total"], total)
    must_equal("rows in the files", model.value("select sum(rows) from gkopen.file where form = 'csv' and dataset_id"
                                                " is not null"), total)
    must_equal("rows in the bulk file", model.value("select rows from gkopen.file where address = 'procurement.csv'"),
               total)


def _peer(source: Path, address: str, datasets: int, folder: Path, change: Callable[[bool], None],
          like: dict[str, Any]) -> Taken:
    """The peer's process asks for the second listing when a file says that it is there."""
    wait, package = folder / "changed", folder / "package.json"
    wait.unlink(missing_ok=True)
    package.write_text(json.dumps(like, ensure_ascii=False), "utf-8")
    with stock.started("harvest", source, address, wait, package) as process:
        assert process.stdout is not None
        first = stock.answer(process)
        change(True)
        wait.touch()
        again = stock.answer(process)
    few = max(datasets // 100, 1)
    stored = {"datasets": datasets, "extras": datasets * len(like["extras"]),
              "resources": datasets * len(like["resources"])}
    must_equal("what the peer stored", {name: first[name] for name in stored}, stored)
    must_equal("datasets that the peer wrote again", again["written"], few)
    return {bench: (said[key], said[f"{key}_cpu"]) for bench, (_, _, key, _) in WHAT.items()
            for said in (again if bench == "f" else first,)}


class _Clock:
    """Adds up what `start` and `stop` enclose."""

    def __init__(self) -> None:
        self.taken: Taken = {}
        self._started = 0.0, 0.0

    def start(self) -> None:
        self._started = READER.now()

    def stop(self, name: str) -> None:
        before, now = self.taken.get(name, (0.0, 0.0)), READER.now()
        self.taken[name] = (before[0] + now[0] - self._started[0], before[1] + now[1] - self._started[1])

    def join(self, name: str) -> None:
        parts = [taken for part, taken in self.taken.items() if part.startswith(f"{name} ")]
        self.taken[name] = sum(one[0] for one in parts), sum(one[1] for one in parts)


@contextmanager
def _platform(folder: Path, number: int, datasets: int) -> Iterator[tuple[str, Callable[[bool], None]]]:
    """The simulated platform with bodies of this round; its address, and what changes 1 % of them and drops 1 %."""
    folder.mkdir(parents=True, exist_ok=True)
    titles = [f"基准测试第{number}轮第{body}单位" for body in range(datasets)]
    for body, title in enumerate(titles):       # straight into the table: not part of what is measured
        ckan_model.Session.add(ckan_model.Group(name=f"bench-{number}-{body}", title=title, type="organization",
                                                is_organization=True))
    ckan_model.Session.commit()
    city = {
        "city": {"zh": "基准测试市", "en": "City of the benchmark"},
        "platform": {"secret_env": SECRET_ENV, "caller": "bench", "page_size": 1000, "calls_per_minute": 1_000_000},
        "bodies": [{"id": f"bench-{number}-0", "title": {"zh": titles[0], "en": "Body 0"}, "uscc": "",
                    "region": "999999"}],
        "services": [{"id": "bench-procurement", "family": "national", "body": f"bench-{number}-0",
                      "domain": "procurement", "title": {"zh": "采购公告", "en": "Notices"}, "file": "notices.csv",
                      "catalogue": {"是否向社会开放": "是"}}],
    }
    (folder / "city.yaml").write_text(yaml.safe_dump(city, allow_unicode=True), "utf-8")
    few = max(datasets // 100, 1)

    def change(changed: bool) -> None:
        with (folder / "notices.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = None
            for index, record in enumerate(generate.records("procurement", datasets * ROWS_EACH)):
                body = index % datasets
                if changed and body < few:
                    continue
                if changed and body < 2 * few and index < datasets:
                    record["项目名称"] += "（更正）"
                record["采购单位"] = titles[body]
                if writer is None:
                    writer = csv.DictWriter(stream, list(record))
                    writer.writeheader()
                writer.writerow(record)

    change(False)
    with subprocess.Popen([sys.executable, "-m", "ckanext.gkopen.simulator", "--port", "0", "--data", folder],
                          stdout=subprocess.PIPE, text=True) as platform:
        try:
            assert platform.stdout is not None
            yield platform.stdout.readline().split()[0], change
        finally:
            platform.terminate()
