"""Stock CKAN beside ours: CKAN 2.12 with ckanext-harvest, on the same servers, in databases and a process of its own.

    python -m bench.stock harvest SOURCE.yaml PLATFORM CHANGED PACKAGE
                                    prints seconds by stage as JSON; when the file CHANGED is there, harvests again
    python -m bench.stock dataset INI                      makes the dataset `stock`

ckanext-harvest is put into a folder below `<GKOPEN_HOME>/bench` and is never part of the project's environment.
The peer is treated kindly: it reads the pages of the platform with our transport, its queue is left out (the stages
are called in one process, one after the other, as `harvester run-test` does), Solr is not asked to commit, and it makes
no file and no row in the DataStore: each record is a package with as many extras and resources as PACKAGE (JSON), one
that ours published. The second harvest compares each record with the one before, as good harvesters do, writes only
what changed, and leaves alone what is gone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from bench.processor import READER
from bench.running import bench_home, loaded
from ckanext.gkopen.embedded.databases import Databases
from ckanext.gkopen.embedded.places import make_folder
from ckanext.gkopen.embedded.servers import Servers
from ckanext.gkopen.embedded.site import ckan_program

PEER = "ckanext-harvest==1.6.3"
"""The newest release that works with CKAN 2.12."""


def measure(*arguments: str | Path) -> dict[str, Any]:
    """Run this module in a process that sees the peer; what it prints last is the answer."""
    done = subprocess.run([sys.executable, "-m", "bench.stock", *arguments], check=True, text=True,
                          stdout=subprocess.PIPE, env={**os.environ, **environment()})
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """This module in a process that sees the peer, while it works."""
    with subprocess.Popen([sys.executable, "-m", "bench.stock", *arguments], text=True, stdout=subprocess.PIPE,
                          env={**os.environ, **environment()}) as process:
        try:
            yield process
        finally:
            process.terminate()


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line of JSON that the process prints."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            return json.loads(line)
    raise RuntimeError("the peer ended without an answer: see what it printed")


def environment() -> dict[str, str]:
    """What lets a process see the peer."""
    return {"PYTHONPATH": os.pathsep.join((str(_peer()), os.environ.get("PYTHONPATH", "")))}


def _peer() -> Path:
    """The folder with the peer's packages, filled once."""
    folder = bench_home() / "peer"
    if not (folder / "ckanext" / "harvest").exists():
        subprocess.run([Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--no-deps",
                        "--python", sys.executable, "--target", folder, PEER], check=True)
    return folder


def site() -> Path:
    """An empty stock site on the servers that the benchmark runs; its settings file."""
    home = make_folder(bench_home() / "stock")
    with Servers(bench_home(), tell=lambda _: None) as servers:
        databases = Databases(servers.postgres_url, "stock", "stock", "stock")
        databases.drop()
        databases.create()
        settings = {
            "use": "egg:ckan", "debug": "false", "ckan.plugins": "activity harvest", "ckan.site_id": "stock",
            "ckan.site_url": "http://127.0.0.1:5999", "SECRET_KEY": "stock", "WTF_CSRF_SECRET_KEY": "stock",
            "sqlalchemy.url": databases.ckan_url, "solr_url": servers.solr_url, "ckan.redis.url": servers.redis_url,
            "ckan.storage_path": str(make_folder(home / "storage")), "ckan.auth.create_unowned_dataset": "true",
            "ckan.search.solr_commit": "false", "ckan.views.default_views": "",
        }
        ini = home / "stock.ini"
        ini.write_text("[app:main]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()), "utf-8")
        for arguments in (("db", "upgrade"), ("db", "upgrade", "-p", "activity"),
                          ("db", "upgrade", "-p", "harvest")):
            subprocess.run([ckan_program(), "-c", ini, *arguments], check=True, capture_output=True,
                           env={**os.environ, **environment()})
    return ini


def harvest(source_file: Path, platform: str, changed: Path, like: Path) -> Iterator[dict[str, Any]]:
    """Seconds by the clock and (`_cpu`) of processor: gather and fetch, import; then of a second harvest (`again`).

    `datasets`, `extras`, `resources` are what the database holds at the end, `written` how many packages the second
    harvest wrote.
    """
    with loaded(site()):
        yield from _stages(source_file, platform, changed, json.loads(like.read_text("utf-8")))


def dataset(ini: Path) -> dict[str, Any]:
    """A dataset as a stock portal shows it: some extras, tags and resources."""
    with loaded(ini):
        from ckan.plugins import toolkit

        made = toolkit.get_action("package_create")({"ignore_auth": True, "user": "stock"}, {
            "name": "stock", "title": "基准测试财政局 采购公告", "notes": "采购公告", "tags": [{"name": "政府采购"}],
            "extras": [{"key": f"字段{number}", "value": f"内容{number}"} for number in range(12)],
            "resources": [{"name": form, "url": f"http://127.0.0.1/{form}", "format": form}
                          for form in ("CSV", "XLSX", "JSONL", "ZIP")]})
        return {"id": made["id"]}


def _stages(source_file: Path, platform: str, changed: Path, like: dict[str, Any]) -> Iterator[dict[str, Any]]:
    from ckan import model
    from ckanext.harvest import queue  # pyright: ignore[reportMissingImports]
    from ckanext.harvest.harvesters import HarvesterBase  # pyright: ignore[reportMissingImports]
    from ckanext.harvest.model import HarvestJob, HarvestObject, HarvestSource  # pyright: ignore[reportMissingImports]

    class Peer(HarvesterBase):
        """One record a body: its rows as JSON, and a package like ours."""

        def info(self) -> dict[str, str]:
            return {"name": "peer", "title": "peer", "description": "peer"}

        def gather_stage(self, harvest_job: Any) -> list[str]:
            bodies = defaultdict(list)
            for row in _rows(source_file, platform):
                bodies[row["采购单位"]].append(row)
            found = []
            for body, rows in bodies.items():
                item = HarvestObject(guid=body, job=harvest_job, content=json.dumps(rows, ensure_ascii=False))
                item.save()
                found.append(item.id)
            return found

        def fetch_stage(self, harvest_object: Any) -> bool:
            return True

        def import_stage(self, harvest_object: Any) -> Any:
            imported.start()
            if known.get(harvest_object.guid) == harvest_object.content:
                return "unchanged"
            known[harvest_object.guid] = harvest_object.content
            written.append(harvest_object.guid)
            rows = json.loads(harvest_object.content)
            package = {
                "id": str(uuid5(NAMESPACE_URL, harvest_object.guid)), "title": harvest_object.guid,
                "name": f"stock-{harvest_object.id}", "notes": rows[0]["项目名称"], "tags": like["tags"],
                "extras": [dict(extra) for extra in like["extras"]],
                "resources": [{**resource, "url": f"{platform}/{harvest_object.id}.{resource['format']}"}
                              for resource in like["resources"]],
            }
            return self._create_or_update_package(package, harvest_object, "package_show")

    def once() -> Seconds:
        imported.taken, whole = (0.0, 0.0), Seconds()
        job = HarvestJob(source=source)
        job.save()
        whole.start()
        for number in queue.gather_stage(peer, job):
            queue.fetch_and_import_stages(peer, model.Session.get(HarvestObject, number))
            imported.stop()                             # counted from the begin of the import stage
        whole.stop()
        return whole

    source = HarvestSource(url=platform, type="peer", title="peer")
    source.save()
    peer, imported = Peer(), Seconds()
    known: dict[str, str] = {}
    written: list[str] = []
    whole = once()
    packages = model.Session.query(model.Package).filter_by(state="active", type="dataset").all()
    resources = model.Session.query(model.Resource).filter_by(state="active").count()
    fetched = whole.taken[0] - imported.taken[0], whole.taken[1] - imported.taken[1]
    yield {"gather_fetch": fetched[0], "gather_fetch_cpu": fetched[1], "import": imported.taken[0],
           "import_cpu": imported.taken[1], "datasets": len(packages), "resources": resources,
           "extras": sum(len(package.extras or {}) for package in packages)}
    model.Session.remove()
    while not changed.exists():
        time.sleep(0.1)
    written.clear()
    whole = once()
    yield {"again": whole.taken[0], "again_cpu": whole.taken[1], "written": len(written)}


class Seconds:
    """By the clock, and of processor in this process and the servers, between `start` and `stop`, added up."""

    def __init__(self) -> None:
        self.taken = 0.0, 0.0
        self._from = 0.0, 0.0

    def start(self) -> None:
        self._from = READER.now()

    def stop(self) -> None:
        now = READER.now()
        self.taken = (self.taken[0] + now[0] - self._from[0], self.taken[1] + now[1] - self._from[1])


def _rows(source_file: Path, platform: str) -> Any:
    from ckanext.gkopen.harvesters import open_transport
    from ckanext.gkopen.harvesters.source import load_source

    source = load_source(source_file.read_text("utf-8"), source_file.name, platform=platform)
    transport = open_transport(source, source.secret(os.environ), allowed_hosts=["127.0.0.1"])
    try:
        for page in transport.pages(None):
            yield from page.rows
    finally:
        transport.close()


if __name__ == "__main__":
    if sys.argv[1] == "harvest":
        for said in harvest(Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5])):
            print(json.dumps(said), flush=True)
    else:
        print(json.dumps(dataset(Path(sys.argv[2]))))
