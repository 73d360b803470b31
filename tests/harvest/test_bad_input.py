"""Whatever a source answers: bounded in time and memory, named, and nothing public is harmed."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from ckan import model as ckan_model

from ckanext.gkopen import model
from ckanext.gkopen.clock import SHANGHAI
from ckanext.gkopen.embedded.servers import Servers
from ckanext.gkopen.harvest import ledger, run, worker
from ckanext.gkopen.harvesters import Limits, exchange
from ckanext.gkopen.review import decide
from ckanext.gkopen.simulator import answers
from tests.harvest.city import BODY, SOURCE, City, approve, carry_out, harvest, public_rows, revisions, run_of
from tests.people import call
from tests.races import crew

PATIENT = Limits(tries=2, pause=0.01, pause_most=0.02, pages=50)
"""For answers that the simulator needs time to make: what ends these is their size."""
SHORT = Limits(connect=1, silence=0.9, attempt=3, tries=2, pause=0.01, pause_most=0.02, retry_after_most=1, pages=50)
ANSWERS = {
    "html": ("failed", "WebPage"), "maintenance": ("failed", "WebPage"),
    "maintenance:503": ("failed", "SourceUnreachable"), "truncated_json": ("failed", "BadAnswer"),
    "duplicate_keys": ("failed", "BadAnswer"),
    "big_body:2048": ("failed", "AnswerTooLarge"), "zip_bomb:70": ("failed", "AnswerTooLarge"),
    "slow": ("failed", "SourceUnreachable"), "timeout": ("failed", "SourceUnreachable"),
    "half_body": ("failed", "SourceUnreachable"), "reset": ("failed", "SourceUnreachable"),
    "redirect_loopback": ("failed", "ForbiddenAddress"), "wrong_total:1": ("incomplete", "InconsistentListing"),
    "endless_pages": ("incomplete", "InconsistentListing"), "429:600": ("failed", "RateLimited"),
}


def test_no_answer_harms_what_is_public(public: City, monkeypatch: pytest.MonkeyPatch) -> None:
    before, known = public_rows(), revisions()
    for fault, (state, kind) in ANSWERS.items():
        model.execute("delete from gkopen.breaker")
        monkeypatch.setattr(run, "LIMITS", PATIENT if kind == "AnswerTooLarge" else SHORT)
        public.fault(fault)
        began, memory = time.monotonic(), worker.memory()
        row = harvest()
        seconds, grown = time.monotonic() - began, (worker.memory() - memory) >> 20
        print(f"{fault}: {row['state']} {row['error']['kind']}, {seconds:.1f} s, {grown} MB more")
        assert (row["state"], row["error"]["kind"]) == (state, kind), fault
        assert row["error"]["zh"] and row["error"]["en"]
        # Silence ends a call after 0.9 s, and 3 s end it in any case: their deadlines, not this one, hold the time.
        assert seconds < 120, fault
        # Of a large body 64 MB are read.
        assert grown < 200, fault
        assert (public_rows(), revisions()) == (before, known), fault
        assert not model.value("select count(*) from gkopen.tombstone")
    assert ledger.find_source(SOURCE)["failures"] == len(ANSWERS)


def test_a_platform_that_asks_for_an_hour_gets_it(town: City) -> None:
    town.fault("429:3600")
    assert harvest()["state"] == "failed"
    left = model.value("select extract(epoch from next_run_at - now()) from gkopen.source where name = :s", s=SOURCE)
    assert 3500 < left <= 3600


def test_keys_that_collide_once_they_are_read_alike(public: City) -> None:
    """A full-width space and an invisible mark make two names for a machine and one for a reader."""
    before = public_rows()
    lines = public.lines()
    twin = lines[1].replace("江滨区图书馆南停车场", "江滨区图书馆南停车场\u3000\u200b").replace(",370,", ",999,")
    public.write([*lines, twin])
    counts = harvest()["counts"]
    assert counts["rows_in"] == counts["rows_ok"] + counts["rows_quarantined"] + counts["rows_duplicate"]
    assert counts["findings"]["key-conflict"] == 2, "nobody knows which of them is right: both wait"
    assert counts["tombstones"][0]["rows"] == 1 and public_rows() == before, "and the public one stays meanwhile"


def test_what_no_text_can_hold_sets_its_row_aside_and_not_the_run(town: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a character and NUL, as JSON can say them: in a cell, in the name of a body, in a label."""
    words = answers.word_rows
    monkeypatch.setattr(answers, "word_rows", lambda *args: words(*args).replace("〇半〇", "\\ud83d").replace(
        "〇零〇", "\\u0000"))
    lines = town.lines()
    rows = [line.split(",") for line in lines[1:41]]
    rows[3][0], rows[5][1] = f"{rows[3][0]}〇半〇", f"{rows[5][1]}〇零〇"
    town.write([lines[0], *map(",".join, rows)])
    row = harvest()
    assert (row["state"], row["error"]) == ("partly", None)
    assert row["counts"]["findings"]["character-broken"] == 2
    assert row["counts"]["rows_in"] == row["counts"]["rows_ok"] + row["counts"]["rows_quarantined"] == 40
    apart = call("gkopen_run_quarantine", "office", id=str(row["id"]), code="character-broken")["results"]
    assert [("\\ud83d" in str(entry["row"]), "\\u0000" in str(entry["row"])) for entry in apart] == [
        (True, False), (False, True)]
    model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=SOURCE,
                  change='{"organization_column": "区"}')
    ckan_model.Session.commit()
    rows[3][2], rows[5][2] = "江海市〇半〇", "〇零〇"
    town.write([lines[0], *map(",".join, rows)])
    row = harvest()
    assert (row["state"], row["error"]) == ("partly", None)
    assert {"江海市\\ud83d", "\\u0000"} <= set(row["counts"]["unknown_bodies"])
    model.execute("update gkopen.source set config = config - 'organization_column' where name = :s", s=SOURCE)
    ckan_model.Session.commit()
    town.write([f"{lines[0]},备注〇半〇", *(f"{line},x" for line in lines[1:41])])
    row = harvest()
    assert (row["state"], row["error"], row["counts"]["findings"]) == ("partly", None, {"label-broken": 1})


def test_a_broken_byte_and_what_is_no_number_set_their_rows_aside_and_not_the_page(
        town: City, monkeypatch: pytest.MonkeyPatch) -> None:
    words = answers.word_rows
    monkeypatch.setattr(answers, "word_rows", lambda *args: words(*args).replace('"〇非〇"', "NaN").encode().replace(
        "〇坏〇".encode(), b"\xe6\xb5"))
    lines = town.lines()
    rows = [line.split(",") for line in lines[1:41]]
    rows[3][3], rows[5][4] = f"{rows[3][3]}〇坏〇", "〇非〇"
    town.write([lines[0], *map(",".join, rows)])
    row = harvest()
    assert (row["state"], row["error"]) == ("partly", None)
    apart = {entry["line"]: entry["codes"] for entry in call("gkopen_run_quarantine", "office", id=str(row["id"]))[
        "results"]}
    assert (apart.pop(4), apart.pop(6)) == (["replacement-character"], ["type-wrong"])
    assert len(apart) == 1, "the demo's own: a number in words"
    assert (row["counts"]["rows_in"], row["counts"]["rows_ok"]) == (40, 37)


def test_a_row_of_tomorrow_moves_no_watermark(town: City) -> None:
    """What was asked for since is told by our own clock and runs, never by a date in the data."""
    model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=SOURCE,
                  change='{"complete": false, "request": {"since": "updateTime"}}')
    head, *rows = town.lines()[:12]                        # all of them are good
    town.write([f"{head},更新时间", *(f"{row},2199-01-01 00:00:00" for row in rows)])
    first = harvest()
    mine: dict[str, Any] = {"source_id": first["source_id"], "id": first["id"]}
    assert run._settled(mine) is None, "what waits for a decision is not public: it has to come again"
    call("gkopen_submission_create", "officer", domain="parking", organization=BODY, metadata={"notes": "停车场"})
    assert run._settled(mine) is None, "an edit of its metadata took the rows along"
    for state in ("recalled", "returned"):
        model.execute("update gkopen.revision set state = :state, decided_by = 'x', decided_at = now()"
                      " where state in ('held', 'recalled')", state=state)
        assert run._settled(mine) is None, "one row of it was bad, and the others would never come again"
    ckan_model.Session.commit()
    second = harvest()
    assert revisions() == 3 and run._settled(mine) is None
    waiting = model.one("select id, digest from gkopen.revision where state = 'held'")
    assert waiting is not None
    model.execute("update gkopen.revision_part set base_sha256 = repeat('0', 64) where revision_id = :id"
                  " and part = '~metadata'", id=waiting["id"])
    with pytest.raises(decide.Stale) as stale:
        decide.approve(str(waiting["id"]), waiting["digest"], "office")
    assert run._settled(mine) is None, "it was compared again and waits"
    model.execute("update gkopen.revision set state = 'published' where id = :id", id=stale.value.revision_id)
    assert run._settled(mine) == second["started_at"]


def test_rows_that_come_later_than_their_stamp_are_read(town: City) -> None:
    """A business system stamps what it writes, and its batch brings it to the platform hours later."""
    model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=SOURCE,
                  change='{"complete": false, "update_cycle": "daily", "overlap_hours": 30,'
                         ' "request": {"since": "updateTime"}}')
    town.service(watermark="更新时间")
    head, *rows = town.lines()
    old = [f"{row},2020-01-01 00:00:00" for row in rows]
    town.write([f"{head},更新时间", *old[:-2]])
    first = harvest()
    approve()
    before = public_rows()
    late, too_late = ((first["started_at"] - timedelta(hours=hours)).astimezone(SHANGHAI) for hours in (29, 31))
    town.write([f"{head},更新时间", *old[:-2], f"{rows[-2]},{late:%Y-%m-%d %H:%M:%S}",
                f"{rows[-1]},{too_late:%Y-%m-%d %H:%M:%S}"])
    assert harvest()["counts"]["rows_in"] == 1
    approve()
    assert public_rows() == before + 1


def test_a_night_without_changes_is_a_good_one_and_does_not_move_the_time_from_which_they_are_asked_for(
        town: City) -> None:
    """A platform that lists nothing may be filling its table anew: what changed before comes after it, with its time
    of then."""
    model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=SOURCE,
                  change='{"complete": false, "request": {"since": "updateTime"}}')
    town.service(watermark="更新时间")
    head, *rows = town.lines()
    town.write([f"{head},更新时间", *(f"{row},2020-01-01 00:00:00" for row in rows[:-1])])
    first = harvest()
    approve()
    before = public_rows()
    quiet = harvest()
    assert (quiet["state"], quiet["counts"]["rows_in"], quiet["counts"]["findings"], quiet["error"]) == (
        "done", 0, {}, None)
    assert run._settled(quiet) == first["started_at"]
    model.execute("update gkopen.run set started_at = started_at - interval '3 days' where id = :id", id=first["id"])
    ckan_model.Session.commit()
    late = (datetime.now(SHANGHAI) - timedelta(days=2)).strftime("%Y-%m-%d %H:%M:%S")
    town.write([f"{head},更新时间", f"{rows[-1]},{late}"])
    assert harvest()["counts"]["rows_in"] == 1
    approve()
    assert public_rows() == before + 1


def test_a_source_that_is_given_to_another_body_sends_it_all_rows(town: City) -> None:
    """Where only changes are asked for, the new body's table would hold the few of the last days."""
    model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=SOURCE,
                  change='{"complete": false, "request": {"since": "updateTime"}}')
    town.service(watermark="更新时间")
    head, *rows = town.lines()
    town.write([f"{head},更新时间", *(f"{row},2020-01-01 00:00:00" for row in rows)])
    whole = harvest()["counts"]["rows_in"]
    approve()
    kept = run.source_of(ledger.find_source(SOURCE))
    assert whole == len(rows) and harvest()["counts"]["rows_in"] == 0
    ledger.save_source(replace(kept, update_cycle="daily"), "admin", replace=True)
    assert harvest()["counts"]["rows_in"] == 0, "its rows are the same"
    ledger.save_source(replace(kept, organization="jianghai-czj"), "admin", replace=True)
    moved = harvest()
    assert (moved["counts"]["rows_in"], moved["counts"]["outcomes"][0]["body"]) == (whole, "jianghai-czj")


def test_a_row_that_was_broken_on_its_way_is_asked_for_again(town: City) -> None:
    """The source has sent its change, and knows nothing of the byte that was lost: nobody else would ask for it."""
    model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=SOURCE,
                  change='{"complete": false, "request": {"since": "updateTime"}}')
    town.service(watermark="更新时间")
    head, *rows = town.lines()
    old = [f"{row},2020-01-01 00:00:00" for row in rows if ",配建停车场," in row]
    town.write([f"{head},更新时间", *old[:-2]])
    first = harvest()
    approve()
    before, day = public_rows(), timedelta(days=1)
    changed = first["started_at"] - 3.5 * day
    other, whole = (f"{row.rpartition(',')[0]},{changed.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}" for row in old[-2:])
    started(first, first["started_at"] - 4 * day)
    town.write([f"{head},更新时间", *old[:-2], other, whole.replace("停车", "停\ufffd", 1)])
    broken = harvest()
    approve()
    assert (broken["state"], broken["counts"]["findings"]["replacement-character"]) == ("partly", 1)
    started(broken, first["started_at"] - 2 * day)
    town.write([f"{head},更新时间", *old[:-2], other, whole])
    mended = harvest()
    assert (mended["counts"]["rows_in"], mended["counts"]["added"]) == (2, 1)
    approve()
    assert public_rows() == before + 2
    assert run._settled(mended) == mended["started_at"]


def test_a_row_that_a_bad_night_had_set_aside_is_asked_for_again(town: City) -> None:
    """For one night the platform printed null for a figure. The row has not changed since, and has its time of then."""
    model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=SOURCE,
                  change='{"complete": false, "update_cycle": "daily", "request": {"since": "updateTime"}}')
    town.service(watermark="更新时间")
    head, *rows = town.lines()
    old = [f"{row},2020-01-01 00:00:00" for row in rows]
    first = harvest_as(town, [f"{head},更新时间", *old])
    approve()
    assert first["counts"]["rows_quarantined"] and run._settled(first) == first["started_at"], "not all again"
    now, day = first["started_at"], timedelta(days=1)
    name, kind, district, address, _, *rest = rows[0].replace("演示数据", "新的演示数据").split(",")
    other = rows[1].replace("演示数据", "新的演示数据")
    stamp = f"{(now - 3.5 * day).astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"
    started(first, now - 4 * day)
    bad = ",".join([name, kind, district, address, "null", *rest])
    second = harvest_as(town, [f"{head},更新时间", *old[2:], f"{bad},{stamp}", f"{other},{stamp}"])
    approve()
    assert (second["state"], second["counts"]["changed"]) == ("partly", 1)
    started(second, now - 2 * day)
    good = rows[0].replace("演示数据", "新的演示数据")
    third = harvest_as(town, [f"{head},更新时间", *old[2:], f"{good},{stamp}", f"{other},{stamp}"])
    assert (third["counts"]["rows_in"], third["counts"]["changed"]) == (2, 1)


def test_a_row_that_was_missed_between_two_pages_is_asked_for_by_the_next_run(
        town: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform sorts by the time of the change. One row changes once more while the pages are read and moves to the
    end, the others move up, and one comes on no page. The total is right."""
    model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=SOURCE,
                  change='{"complete": false, "update_cycle": "weekly", "page_size": 10,'
                         ' "request": {"since": "updateTime"}}')
    monkeypatch.setattr(exchange, "AHEAD_BYTES", 0)       # each page is asked for when the one before was taken in
    town.service(watermark="更新时间")
    head, *rows = town.lines()
    rows = [row for row in rows if ",配建停车场," in row][:25]
    first = harvest_as(town, [f"{head},更新时间", *(f"{row},2020-01-01 00:00:00" for row in rows)])
    approve()
    started(first, first["started_at"] - timedelta(days=7))
    changed = [row.replace("演示数据", "新的演示数据") for row in rows]
    stamps = [(datetime.now(SHANGHAI) - timedelta(hours=120 - at)).strftime("%Y-%m-%d %H:%M:%S") for at in range(26)]
    listed = [f"{head},更新时间", *(f"{row},{stamp}" for row, stamp in zip(changed, stamps, strict=False))]

    def tell(stage: str, done: int, total: int | None) -> None:
        if (stage, done) == ("fetch", 10):
            town.write([*listed[:3], *listed[4:], f"{changed[2].replace('新的', '更新的')},{stamps[25]}"])

    second = harvest_as(town, listed, tell)
    assert second["counts"]["rows_fetched"] == 25 and second["error"] is None
    approve()
    for row, days in ((first, 14), (second, 7)):
        started(row, row["started_at"] - timedelta(days=days))
    whole = [line.replace(stamp, (datetime.fromisoformat(stamp) - timedelta(days=7)).strftime("%Y-%m-%d %H:%M:%S"))
             for line, stamp in zip(listed[1:], stamps, strict=False)]
    third = harvest_as(town, [listed[0], *whole])
    assert third["counts"]["changed"] == 2, "the one that was missed, and the one that came in two forms"


def harvest_as(town: City, lines: list[str], tell: run.Progress = lambda *_: None) -> dict[str, Any]:
    town.write(lines)
    run_id = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
    ckan_model.Session.commit()
    return carry_out(run_id, tell)


@pytest.mark.parametrize("code", ["character-broken", "listing-repeats"])
def test_what_may_be_broken_or_missing_is_asked_for_again_and_not_for_ever(town: City, code: str) -> None:
    runs = [harvest(), harvest()]
    approve()
    model.execute("update gkopen.run set counts = jsonb_set(counts, array['findings', :code], '1') where id = :id",
                  id=runs[1]["id"], code=code)
    assert run._settled(runs[0]) == runs[0]["started_at"]
    started(runs[1], runs[1]["started_at"] - timedelta(days=8))
    started(runs[0], runs[0]["started_at"] - timedelta(days=9))
    assert run._settled(runs[0]) == runs[1]["started_at"] - timedelta(days=8)


def started(row: dict[str, Any], at: datetime) -> None:
    """As if a run had been at another time."""
    model.execute("update gkopen.run set started_at = :at where id = :id", at=at, id=row["id"])
    ckan_model.Session.commit()


def test_twenty_triggers_and_two_workers_are_one_run(town: City) -> None:
    source = ledger.find_source(SOURCE)
    crew.flask_app()

    def trigger(_: int) -> str:
        run_id = ledger.enqueue(source, "manual", "test")
        ckan_model.Session.commit()
        return run_id

    assert len(set(crew.at_once(20, trigger))) == 1

    def take(_: int) -> int:
        claim = ledger.claim()
        if claim is None:
            return 0
        try:
            run.carry_out(claim)
        finally:
            claim.release()
        return 1

    assert sum(crew.at_once(2, take)) == 1
    assert model.value("select count(*) from gkopen.run") == 1
    assert revisions() == 1


def test_the_cache_may_be_emptied_at_any_time(town: City, servers: Servers) -> None:
    cache = redis.Redis.from_url(servers.redis_url)
    run_id = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
    ckan_model.Session.commit()
    claim = ledger.claim(run_id)
    assert claim is not None

    def flushed(*_: Any) -> None:
        cache.flushall()

    run.carry_out(claim, flushed)
    claim.release()
    assert run_of(run_id)["state"] in ("done", "partly") and revisions() == 1
