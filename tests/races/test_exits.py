"""Exits that fail, that are slow, and that two workers serve at once."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import model
from ckanext.gkopen.publish import outbox
from tests.people import Cast, call
from tests.races import crew
from tests.races.gate import gate


def names() -> set[str]:
    return {package["name"] for package in call("package_search", "", q="*:*", rows=100)["results"]}


def test_publishing_while_solr_is_down(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/solr/ckan"
    with monkeypatch.context() as down:
        down.setitem(toolkit.config, "solr_url", nobody)
        assert crew.approve(cast.office, crew.submit(cast.officer, cast.body, [crew.row(1)]))["seq"] == 1
        crew.drain()
        rows = model.every("select * from gkopen.outbox where done_at is null and sink = 'solr'")
        assert [(row["attempts"] > 0, bool(row["error"])) for row in rows] == [(True, True)]
        assert not model.value("select 1 from gkopen.outbox where sink in ('files', 'datastore') and done_at is null")
        assert model.value("select not_before > now() from gkopen.outbox where done_at is null and sink = 'solr'")
    assert names() == set()
    crew.until(lambda: (crew.drain(), crew.nothing_waits())[1])
    assert f"{cast.body}-procurement" in names()
    crew.whole()


def test_a_slow_worker_does_not_bring_back_what_was_withdrawn(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has read the package and not yet told Solr when the withdrawal comes and another worker carries that out."""
    crew.approve(cast.office, crew.submit(cast.officer, cast.body, [crew.row(1)]))
    assert {done.sink for done in outbox.drain() if done.sink != "solr"} >= {"datastore", "files"}
    model.execute("update gkopen.outbox set done_at = null where sink = 'solr'")
    ckan_model.Session.commit()
    with gate(toolkit.config["solr_url"]) as slow:
        monkeypatch.setitem(toolkit.config, "solr_url", slow.url)
        slow.hold()
        first = threading.Thread(target=crew.in_session, args=(outbox.work_batch,))
        first.start()
        assert slow.held.wait(30)
        call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", reason="含有不应公开的内容")
        second = threading.Thread(target=crew.in_session, args=(crew.drain,))
        second.start()
        crew.until(lambda: not second.is_alive() or crew.backends_waiting_for_advisory_locks())
        slow.release()
        first.join()
        second.join()
        crew.until(lambda: (crew.drain(), crew.nothing_waits())[1])
        assert f"{cast.body}-procurement" not in names()
        crew.whole()


def test_a_failed_approval_leaves_nothing(cast: Cast) -> None:
    """The bytes of a part are gone: the approval fails, and what is committed next does not carry it along."""
    revision = crew.submit(cast.officer, cast.body, [crew.row(1)])
    metadata: Any = model.value("select new_sha256 from gkopen.revision_part where revision_id = :id"
                                " and part = '~metadata'", id=revision)
    kept = crew.take_away(metadata)
    with pytest.raises(Exception, match=metadata):
        crew.approve(cast.office, revision)
    ckan_model.Session.commit()
    ckan_model.Session.remove()
    assert model.value("select state from gkopen.revision where id = :id", id=revision) == "held"
    assert not model.value("select 1 from gkopen.publication")
    crew.bring_back(metadata, kept)
    assert crew.approve(cast.office, revision)["seq"] == 1
