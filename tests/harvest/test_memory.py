"""A large catalogue goes through a real worker, whose memory the system tells."""

from __future__ import annotations

import json
import re
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import demo, model
from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvesters.source import load_source
from ckanext.gkopen.normalise.jsonrows import open_json
from ckanext.gkopen.simulator import generate
from ckanext.gkopen.simulator.server import running
from tests.harvest.city import SECRET
from tests.races import crew
from tests.races.nursery import nursery
from tests.torture.source import YAML

MOST = 500 << 20
SOURCE = YAML.replace("page_size: 100", "page_size: 500")


def peak(pid: int) -> int:
    """Bytes of memory that a process has used at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) << 10


def harvested(rows: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GKOPEN_SECRET_DEMO", SECRET)
    toolkit.get_action("get_site_user")({"ignore_auth": True}, {})
    demo.make_body("demo-0", {"zh": "生成数据单位", "en": "Demo body 0"})
    data = generate.write_city(folder / "city", rows, seed=14)
    with running(data, SECRET) as (url, _), nursery(folder / "worker.log") as workers:
        pid = workers.start()
        before = peak(pid)
        ledger.save_source(load_source(SOURCE, platform=url), "test", replace=True)
        run_id = ledger.enqueue(ledger.find_source("gen-procurement"), "manual", "test")
        ckan_model.Session.commit()
        crew.until(lambda: model.value("select finished_at from gkopen.run where id = :id", id=run_id), 600)
        most = peak(pid)
    run = model.one("select state, counts from gkopen.run where id = :id", id=run_id)
    assert run is not None
    counts = run["counts"]
    print(f"seed 14: {counts['rows_in']} rows = {counts['rows_ok']} good + {counts['rows_quarantined']} quarantined"
          f" + {counts['rows_duplicate']} duplicate; worker {before >> 20} MB before, {most >> 20} MB at most")
    assert counts["rows_fetched"] == counts["rows_in"] == rows
    assert rows == counts["rows_ok"] + counts["rows_quarantined"] + counts["rows_duplicate"]
    assert most < MOST


def test_a_listing_is_read_without_ever_being_held_as_objects_or_text(tmp_path: Path) -> None:
    """Beside the columns themselves, which are Arrow's: twice the rows take hardly more of Python's memory."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"项目名称": "项目"}\n{"项目名称": "项目"}\n', "utf-8")
    open_json(path).sheets[0].load(1, 1)                   # loads modules
    sizes = []
    for rows in (17_000, 35_000):
        path.write_text("".join(json.dumps({"项目名称": f"项目{n}", "采购单位": "市政" * 20}, ensure_ascii=False) + "\n"
                                for n in range(rows)), "utf-8")
        tracemalloc.start()
        body = open_json(path).sheets[0].load(1, 2)
        sizes.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(body.lines) == rows
    print(f"{sizes[0] >> 10} KB for 17,000 rows, {sizes[1] >> 10} KB for 35,000")
    assert sizes[1] < 1.2 * sizes[0]


@pytest.mark.torture
def test_a_catalogue_of_fifty_thousand(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harvested(50_000, tmp_path, monkeypatch)
