"""Threads and worker processes that get in each other's way, on the servers of the tests."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.tests import helpers
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import blobs, ids, model, verify
from ckanext.gkopen.publish import outbox
from tests.people import call

HEADER = ("公告编号,公告类型,发布时间,项目编号,项目名称,采购单位,采购方式,采购类别,预算金额(万元),"
          "中标供应商,中标金额(元),计价方式,标段")


def row(number: int, amount: str = "1000.00", month: str = "05") -> str:
    return (f"NT-2024-{number:03},中标（成交）结果公告,2024-{month}-06 09:00,NTCG-2024-{number:03},设备采购{number},"
            f"南通市城市管理局,公开招标,货物,84.6,南通某某科技有限公司,{amount},金额,1")


def submit(user: str, body: str, rows: Sequence[str]) -> str:
    """A held revision of these rows; its id."""
    data = ("\r\n".join((HEADER, *rows)) + "\r\n").encode("gb18030")
    outcome = call("gkopen_submission_create", user, domain="procurement", organization=body,
                   upload=FileStorage(io.BytesIO(data), filename="采购公告.csv"))
    assert outcome["state"] == "held", outcome
    return outcome["revision_id"]


def approve(user: str, revision: str) -> dict[str, Any]:
    digest = model.value("select digest from gkopen.revision where id = :id", id=revision)
    return call("gkopen_revision_approve", user, id=revision, digest=digest)


def dataset_of(body: str, domain: str = "procurement") -> str:
    organization = ckan_model.Group.get(body)
    assert organization is not None
    return ids.dataset_id(domain, organization.id)


def at_once(number: int, task: Callable[[int], Any]) -> list[Any]:
    """`task(0)` … `task(number - 1)`, started together, each in a thread with a session of its own; their answers."""
    gate = threading.Barrier(number)

    def one(index: int) -> Any:
        gate.wait()
        return in_session(lambda: task(index))

    ckan_model.Session.remove()
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


@cache
def flask_app() -> Any:
    """The application, made once and not in two threads at a time: the fixtures ask for it first."""
    return helpers._get_test_app().flask_app


def in_session(task: Callable[[], Any]) -> Any:
    """A task as a request has it: in a session that is closed afterwards."""
    with flask_app().test_request_context():
        try:
            return task()
        finally:
            ckan_model.Session.remove()


def drain() -> list[outbox.Done]:
    """What is due, done in this process."""
    return list(outbox.drain())


def take_away(sha256: str) -> bytes:
    """The storage has lost a small content."""
    data = blobs.read(sha256)
    model.execute("update gkopen.blob set content = null where sha256 = :sha256", sha256=sha256)
    ckan_model.Session.commit()
    return data


def bring_back(sha256: str, data: bytes) -> None:
    blobs.write(blobs.STORAGE, sha256, data, "text/csv")          # as contents of every size were kept once


def until(wanted: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true answer, asked for each 50 ms in a new transaction; fails after `seconds`."""
    pause, end = threading.Event(), time.monotonic() + seconds
    while True:
        ckan_model.Session.remove()
        if answer := wanted():
            return answer
        assert time.monotonic() < end, f"still waiting after {seconds} s: {waiting()}"
        pause.wait(0.05)


def waiting() -> list[dict[str, Any]]:
    return model.every("select dataset_id, seq, sink, attempts, error from gkopen.outbox where done_at is null")


def nothing_waits() -> bool:
    return not waiting() and not model.value("select 1 from gkopen.run where state in ('queued', 'running') limit 1")


def whole(problems: Callable[[], Iterator[str]] = verify.problems) -> None:
    """Every dataset's sequence has no gap, its public parts are those of its publications, and `verify` is content."""
    for dataset in model.every("select id, seq from gkopen.dataset"):
        seqs = [r["seq"] for r in model.every("select seq from gkopen.publication where dataset_id = :d order by seq",
                                              d=dataset["id"])]
        assert seqs == list(range(1, dataset["seq"] + 1))
        shown: dict[str, str] = {}
        for change in model.every(
                "select p.part, p.base_sha256, p.new_sha256 from gkopen.publication u join gkopen.revision_part p"
                " using (revision_id) where u.dataset_id = :d order by u.seq", d=dataset["id"]):
            assert shown.get(change["part"]) == change["base_sha256"], "published on another base than it was compared"
            shown[change["part"]] = change["new_sha256"]
        public = {r["part"]: r["sha256"] for r in model.every(
            "select part, sha256 from gkopen.public_part where dataset_id = :d", d=dataset["id"])}
        assert public == {part: sha for part, sha in shown.items() if sha is not None}
    assert not model.every("select 1 from gkopen.revision where state = 'approved'")
    assert not model.every("select raw_sha256, dataset_id from gkopen.submission where run_id is not null"
                           " and kind = 'data' group by run_id, dataset_id, raw_sha256 having count(*) > 1")
    assert list(problems()) == []


def backends_waiting_for_advisory_locks() -> int:
    with ckan_model.ensure_engine().connect() as connection:
        return connection.execute(sa.text("select count(*) from pg_locks where locktype = 'advisory'"
                                          " and not granted")).scalar() or 0
