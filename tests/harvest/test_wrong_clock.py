"""A machine whose clock was ahead for a while (by a year: what it left in the books) goes on by itself once it is right
again: nothing waits until that time has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit
from sqlalchemy import event

from ckanext.gkopen import model
from ckanext.gkopen.harvest import breaker, ledger, run, worker
from ckanext.gkopen.harvesters.errors import RateLimited, SourceRefused
from ckanext.gkopen.oversight import health, watch
from ckanext.gkopen.publish import outbox
from tests.harvest.city import SOURCE, City, approve, harvest

HOST = "exchange.example:443"


def ahead(table: str, *columns: str) -> None:
    told = ", ".join(f"{column} = {column} + interval '1 year'" for column in columns)
    assert model.execute(f"update gkopen.{table} set {told}").rowcount > 0
    ckan_model.Session.commit()


def test_a_source_whose_next_run_was_set_then_is_due(town: City) -> None:
    harvest()
    assert worker.start_due_sources() == 1, "the other source of the town"
    ahead("source", "next_run_at", "last_good_at")
    assert worker.start_due_sources() == 1


@pytest.mark.parametrize("transport", ["exchange", "filedrop"])
@pytest.mark.parametrize("cycle", [*ledger.CYCLES, "irregular"])
def test_no_next_run_that_was_set_by_a_right_clock_is_taken_for_one(town: City, cycle: str, transport: str) -> None:
    config = {"update_cycle": cycle, "transport": transport}
    model.execute("update gkopen.source set config = config || cast(:config as jsonb)", config=model.dump(config))

    def is_due(at: datetime) -> bool:
        model.execute("update gkopen.source set next_run_at = :at", at=at)
        return len(ledger.due()) == 2

    now = datetime.now(UTC)
    for failures in (0, 1, 40):
        set_by = [ledger.next_run(config, failures, str(seed), now) for seed in range(50)]
        assert not is_due(min(set_by)) and not is_due(max(set_by)), failures
    assert not is_due(now + breaker.LONGEST_NAMED), "a platform that asks to be left alone"
    assert is_due(now - timedelta(seconds=1)) and is_due(now + timedelta(days=5000))


def test_of_thousands_of_sources_that_are_not_due_nothing_is_read(town: City) -> None:
    """A worker asks each second, and after each run."""
    model.execute("insert into gkopen.source (id, name, domain, organization, config, next_run_at)"
                  " select gen_random_uuid(), name || n, domain, organization, config || jsonb_build_object("
                  "  'update_cycle', (array['daily', 'monthly', 'yearly', 'irregular'])[1 + n % 4]),"
                  "  now() + interval '20 hours' from gkopen.source, generate_series(1, 2000) n")
    model.execute("analyze gkopen.source")
    rows: list[int] = []

    def count(_connection: Any, cursor: Any, *_: Any) -> None:
        rows.append(cursor.rowcount)

    event.listen(ckan_model.ensure_engine(), "after_cursor_execute", count)
    try:
        assert worker.start_due_sources() == 2, "those of the town"
    finally:
        event.remove(ckan_model.ensure_engine(), "after_cursor_execute", count)
    assert sum(rows) < 50


def test_where_only_changes_are_read_nothing_is_left_out_until_then(town: City) -> None:
    town.write(town.lines()[:12])                          # all of them are good
    first = harvest()
    approve()
    second = harvest()
    assert run._settled(second) == second["started_at"]
    model.execute("update gkopen.run set started_at = started_at + interval '1 year' where id = :id", id=second["id"])
    assert run._settled(second) == first["started_at"]


def test_the_newest_run_is_the_one_that_came_last(town: City) -> None:
    harvest()
    ahead("run", "started_at", "finished_at")
    last = harvest()
    assert [row["last_run"] for row in health.sources() if row["name"] == SOURCE] == [last["id"]]


def test_changes_of_state_are_looked_for(town: City) -> None:
    watch.look()
    assert not watch.due()
    ahead("watched", "since")
    assert watch.due()


@pytest.mark.parametrize("error", [SourceRefused("签名已过期", "the signature is too old"), RateLimited(86_400.0)])
def test_a_platform_that_refused_the_wrong_time_is_asked_again(site: Any, error: Exception) -> None:
    for _ in range(9):
        breaker.Breaker("a").failed(HOST, error)          # type: ignore[arg-type]
    with pytest.raises(breaker.HostResting):
        breaker.Breaker("a").before(HOST)
    model.execute("update gkopen.breaker set open_until = open_until + interval '1 minute'")
    ckan_model.Session.commit()
    with pytest.raises(breaker.HostResting):              # another machine's clock is a minute ahead
        breaker.Breaker("a").before(HOST)
    ahead("breaker", "open_until")
    breaker.Breaker("a").before(HOST)


def test_files_of_all_bodies_are_made_after_their_interval(public: City) -> None:
    assert all(outbox.drain())
    ahead("outbox", "done_at")
    public.edit(",370,41,每次10元", ",371,41,每次10元")
    harvest()
    approve()
    longest = timedelta(seconds=toolkit.config["ckanext.gkopen.bulk_interval"])
    left = model.value("select max(not_before) - now() from gkopen.outbox where done_at is null and sink = 'bulk'")
    assert timedelta() < left <= longest
