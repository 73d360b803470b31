"""A run says how far it has come; one that kills its workers ends by name, one whose workers are killed never does."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ckan import model as ckan_model
from sqlalchemy.exc import OperationalError

from ckanext.gkopen import model
from ckanext.gkopen.harvest import ledger, progress, tables, worker
from tests.harvest.city import SOURCE, City, carry_out, public_rows, revisions, run_of

PAGES = 6


class Killed(BaseException):
    """As nobody catches a kill -9."""


@pytest.fixture
def pages(public: City) -> City:
    """The source in pages of fifteen rows; one of them is not what is public."""
    public.write([*public.lines(), public.lines()[1].replace("江滨区图书馆南", "新建", 1)])
    model.execute("update gkopen.source set config = jsonb_set(config, '{page_size}', '15') where name = :s", s=SOURCE)
    ckan_model.Session.commit()
    return public


def queued() -> str:
    run_id = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
    ckan_model.Session.commit()
    return run_id


def worked(run_id: str, stage: str, after: int) -> dict[str, Any]:
    """A worker takes the run and is killed in this stage after so many pages, where it comes so far."""
    seen = 0

    def tell(now: str, _done: int, _total: int | None) -> None:
        nonlocal seen
        seen += now == stage
        if now == stage and seen == after:
            raise Killed

    try:
        return carry_out(run_id, tell)
    except Killed:
        ckan_model.Session.rollback()
        return run_of(run_id)


@pytest.mark.parametrize(("stage", "after", "place"), [("fetch", 3, "3 页"), ("check", 1, "1 张表")])
def test_a_run_that_kills_every_worker_at_one_place_ends(pages: City, stage: str, after: int, place: str) -> None:
    before, run_id = public_rows(), queued()
    states = [worked(run_id, stage, after)["state"] for _ in range(progress.DEATHS)]
    assert states == ["running"] * progress.DEATHS
    known = revisions()
    row = worked(run_id, stage, after)
    assert (row["state"], row["error"]["kind"]) == ("failed", "WorkersDied")
    assert place in row["error"]["zh"] and "page_size" in row["error"]["en"]
    source = ledger.find_source(SOURCE)
    assert source["failures"] == 1
    assert source["next_run_at"] < datetime.now(UTC) + timedelta(minutes=3), "it is tried again, later each time"
    assert (public_rows(), revisions()) == (before, known)
    assert worked(queued(), "fetch", 99)["state"] == "partly", "the next run begins anew"


def test_workers_that_are_killed_anywhere_end_no_run(pages: City) -> None:
    run_id = queued()
    for number in range(3 * progress.DEATHS):
        assert worked(run_id, "fetch", number % (PAGES - 1) + 1)["state"] == "running"
    for _ in range(progress.DEATHS - 1):
        assert worked(run_id, "check", 1)["state"] == "running"
    assert worked(run_id, "fetch", 1)["deaths"] == progress.DEATHS - 1
    row = worked(run_id, "fetch", 99)
    assert (row["state"], row["error"], row["deaths"]) == ("partly", None, 1)
    assert row["counts"]["outcomes"][0]["state"] == "repeated" and row["counts"]["pages"] == PAGES


def test_a_worker_that_lives_was_not_killed(pages: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk of the database is full for hours: the run goes on when there is room."""
    model.execute("update gkopen.source set state = 'paused' where name <> :name", name=SOURCE)
    run_id = queued()

    def full(*_: Any) -> None:
        raise OperationalError("insert", {}, Exception("no space left on device"))

    with monkeypatch.context() as patch:
        patch.setattr(tables, "carry_out", full)
        for _ in range(2 * progress.DEATHS):
            assert worker._round(threading.Event()) is None
    assert worker._round(threading.Event()) is True
    assert run_of(run_id)["state"] == "partly"


def test_a_statement_that_the_database_breaks_off_ends_its_run_and_no_other(town: City) -> None:
    """A limit of the database (57014: statement_timeout) would break it off for ever: the run fails in words, and the
    sources after it have their turn."""
    model.execute("create function gkopen.breaks_off() returns trigger language plpgsql as $$ begin"
                  " raise exception using errcode = 'query_canceled', message = 'due to statement timeout'; end $$")
    model.execute("create trigger breaks_off before insert on gkopen.submission for each row"
                  f" when (new.source = 'source:{SOURCE}') execute function gkopen.breaks_off()")
    ckan_model.Session.commit()
    try:
        first, other = queued(), ledger.enqueue(ledger.find_source("jianghai-czj-budget"), "manual", "test")
        ckan_model.Session.commit()
        assert [worker._round(threading.Event()) for _ in range(2)] == [True, True]
    finally:
        ckan_model.Session.remove()
        model.execute("drop function gkopen.breaks_off() cascade")
        ckan_model.Session.commit()
    row = run_of(first)
    assert (row["state"], row["error"]["kind"]) == ("failed", "DatabaseBrokeOff")
    assert "57014" in row["error"]["zh"] and "57014" in row["error"]["en"]
    assert ledger.find_source(SOURCE)["failures"] == 1, "it is told as failing, and tried again later each time"
    assert run_of(other)["state"] == "partly"
