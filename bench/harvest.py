"""a1: a harvest of many small datasets from the simulated exchange platform, over HTTP, until all are held."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from pathlib import Path

import yaml
from ckan import model as ckan_model

from bench.measure import Figure, must_equal
from bench.running import SECRET_ENV
from ckanext.gkopen import model
from ckanext.gkopen.embedded.screen import Screen
from ckanext.gkopen.harvest import ledger, run
from ckanext.gkopen.harvesters.source import load_source
from ckanext.gkopen.simulator import generate

ROWS_EACH = 20
SOURCE = f"""
name: bench-procurement
title: {{zh: 基准测试, en: Benchmark}}
domain: procurement
organization: bench-0
organization_column: 采购单位
organizations: all
transport: exchange
url: "{{platform}}/national/gateway"
signer: {{family: national, prefix: gjgxjhpt, requester: bench}}
secret_env: {SECRET_ENV}
service: bench-procurement
page_size: 1000
update_cycle: never
complete: true
"""


def a1(datasets: int, folder: Path, screen: Screen) -> list[Figure]:
    screen.now(f"a1: {datasets} bodies with {ROWS_EACH} generated records each")
    _write_platform(folder, datasets)
    _make_bodies(datasets)
    with subprocess.Popen([sys.executable, "-m", "ckanext.gkopen.simulator", "--port", "0", "--data", folder],
                          stdout=subprocess.PIPE, text=True) as platform:
        try:
            assert platform.stdout is not None
            source = load_source(SOURCE, "bench.yaml", platform=platform.stdout.readline().split()[0])
            ledger.save_source(source, "bench")
            run_id = ledger.enqueue(ledger.find_source(source.name), "manual", "bench")
            ckan_model.Session.commit()
            claim = ledger.claim(run_id)
            assert claim is not None
            started = time.perf_counter()
            report = run.carry_out(
                claim, lambda stage, done, total: screen.now(f"a1: {stage} {done}/{total or '?'}"))
            seconds = time.perf_counter() - started
            claim.release()
        finally:
            platform.terminate()
    held = model.value("select count(*) from gkopen.revision where state = 'held'")
    ended = model.one("select error, stages from gkopen.run where id = :id", id=run_id)
    assert ended is not None
    ckan_model.Session.commit()
    must_equal("the run's error", ended["error"], None)
    must_equal("rows in", report.rows_in, datasets * ROWS_EACH)
    must_equal("rows accounted for", report.rows_ok + report.rows_quarantined + report.rows_duplicate, report.rows_in)
    must_equal("revisions held", held, datasets)
    stages = ", ".join(f"{name} {value:.1f} s" for name, value in ended["stages"].items())
    return [Figure("a1", f"{datasets} datasets of {ROWS_EACH} rows, source → checked and held", [seconds],
                   target="≥ 30 × ckanext-harvest",
                   note=f"{datasets / seconds:.1f} datasets/s ({stages}), one process; ckanext-harvest was not run"
                        " beside and no figure of its gather + fetch is published; floor: bulk insert 2,976/s",
                   more={"datasets_per_second": datasets / seconds, "stages": ended["stages"]})]


def _write_platform(folder: Path, datasets: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    city = {
        "city": {"zh": "基准测试市", "en": "City of the benchmark"},
        "platform": {"secret_env": SECRET_ENV, "caller": "bench", "page_size": 1000, "calls_per_minute": 1_000_000},
        "bodies": [{"id": "bench-0", "title": {"zh": _title(0), "en": "Body 0"}, "uscc": "", "region": "999999"}],
        "services": [{"id": "bench-procurement", "family": "national", "body": "bench-0", "domain": "procurement",
                      "title": {"zh": "采购公告", "en": "Notices"}, "file": "notices.csv",
                      "catalogue": {"是否向社会开放": "是"}}],
    }
    (folder / "city.yaml").write_text(yaml.safe_dump(city, allow_unicode=True), "utf-8")
    with (folder / "notices.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = None
        for index, record in enumerate(generate.records("procurement", datasets * ROWS_EACH)):
            record["采购单位"] = _title(index % datasets)
            writer = writer or csv.DictWriter(stream, list(record))
            if not index:
                writer.writeheader()
            writer.writerow(record)


def _title(number: int) -> str:
    return f"基准测试第{number}单位"


def _make_bodies(datasets: int) -> None:
    """Straight into the table: bodies are there before a harvest begins, and are no part of what is measured."""
    for number in range(datasets):
        ckan_model.Session.add(ckan_model.Group(
            name=f"bench-{number}", title=_title(number), type="organization", is_organization=True))
    ckan_model.Session.commit()
