"""From the commit of a withdrawal on no exit shows what was withdrawn, though none of them has followed yet."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.lib.redis import connect_to_redis
from ckan.plugins import toolkit
from ckan.tests.helpers import CKANTestApp
from sqlalchemy import event
from sqlalchemy.engine import Engine

from ckanext.gkopen import ids, model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish import behind, files, follow, outbox, table
from ckanext.gkopen.publish.table_sql import TableSQL, lock_key
from tests.people import Cast, call, make_cast
from tests.races import crew

REASON = "含有不应公开的内容"
SECRET = "设备采购1"


@pytest.fixture
def cast(site: Any, monkeypatch: pytest.MonkeyPatch) -> Cast:
    """Two bodies with rows; of the first one a row in May and one in June."""
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.bulk_interval", 0)
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.prefix.ocds", "ocds-abc123")
    made = make_cast()
    crew.approve(made.office, crew.submit(made.officer, made.body, [crew.row(1), crew.row(2, month="06")]))
    crew.approve(made.office, crew.submit(made.stranger, made.other, [crew.row(3)]))
    crew.drain()
    return made


@pytest.fixture
def browser(web: object) -> CKANTestApp:
    return CKANTestApp(web)


def withdraw(cast: Cast, monkeypatch: pytest.MonkeyPatch, part: str | None = None) -> None:
    """As if every exit were down: nobody follows."""
    with monkeypatch.context() as patch:
        patch.setattr(follow, "SINKS", ())
        call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", part=part, reason=REASON)
    assert {row["sink"] for row in model.every("select sink from gkopen.outbox where urgent and done_at is null")
            } == set(outbox.SINKS)


def reads(cast: Cast, browser: CKANTestApp) -> dict[str, tuple[int, str]]:
    """What anyone gets at the addresses of rows."""
    name, own = f"{cast.body}-procurement", ids.resource_id(crew.dataset_of(cast.body))
    action = "/api/3/action/"
    addresses = (
        f"{action}datastore_search?resource_id=procurement", f"{action}datastore_search?resource_id={own}",
        f"{action}datastore_search?resource_id=procurement&records_format=csv", f"{action}datastore_info?id={own}",
        f"{action}datastore_search?resource_id=procurement&q={SECRET}",
        "/datastore/dump/procurement", f"/datastore/dump/{own}", f"{action}gkopen_rows?domain=procurement",
        f"{action}gkopen_aggregate?domain=procurement&group_by=dataset_id&sum=award_amount",
        f"/open/procurement/{name}.csv", f"/open/procurement/{name}.xlsx", "/open/procurement.csv",
        "/open/procurement.jsonl", "/open/ocds/releases.json", "/open/ocds/ocds-abc123-NTCG-2024-001.json",
        f"/open/procurement/{name}@1.csv", "/open/changes.jsonl", "/open/index.json", f"/dataset/{name}",
        f"{action}package_show?id={name}", f"{action}package_search?q=*:*", "/catalog.ttl")
    return {address: (answer.status_code, answer.data.decode(errors="replace")) for address in addresses
            for answer in [browser.get(address)]}


def test_a_withdrawn_dataset_is_gone_with_the_commit(cast: Cast, browser: CKANTestApp,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    before = reads(cast, browser)
    assert sum(SECRET in text for _, text in before.values()) >= 12, {a: s for a, (s, _) in before.items()}
    withdraw(cast, monkeypatch)
    name, after = f"{cast.body}-procurement", reads(cast, browser)
    assert [address for address, (_, text) in after.items() if SECRET in text] == []
    for end in (".csv", ".xlsx", "@1.csv"):
        assert after[f"/open/procurement/{name}{end}"][0] == 410
        assert REASON in after[f"/open/procurement/{name}{end}"][1]
    assert after[f"/dataset/{name}"][0] == 410
    of_all = ("procurement.csv", "procurement.jsonl", "ocds/releases.json")
    assert {after[f"/open/{file}"][0] for file in of_all} == {503}
    dataset = crew.dataset_of(cast.body)
    for address in ("/open/index.json", "/api/3/action/package_search?q=*:*", "/catalog.ttl",
                    "/api/3/action/gkopen_aggregate?domain=procurement&group_by=dataset_id&sum=award_amount"):
        assert dataset not in after[address][1] and name not in after[address][1], address
    found = json.loads(after["/api/3/action/datastore_search?resource_id=procurement"][1])["result"]
    assert (found["total"], [row["release_id"] for row in found["records"]]) == (1, ["NT-2024-003"])
    crew.drain()
    assert [a for a, (status, text) in reads(cast, browser).items() if SECRET in text or status >= 500] == []
    crew.whole()


def test_of_a_withdrawn_part_nothing_is_read_before_the_exits_follow(cast: Cast, browser: CKANTestApp,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    withdraw(cast, monkeypatch, "2024-05")
    after = reads(cast, browser)
    assert [address for address, (_, text) in after.items() if SECRET in text] == []
    assert after[f"/open/procurement/{cast.body}-procurement.csv"][0] == 503
    crew.drain()
    after = reads(cast, browser)
    assert [address for address, (status, text) in after.items() if SECRET in text or status >= 500] == []
    assert "设备采购2" in after[f"/open/procurement/{cast.body}-procurement.csv"][1]


def test_which_files_are_behind_is_one_question_for_all_of_them(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = model.every("select address, dataset_id, domain from gkopen.file")
    assert len(rows) > 20 and behind.files(rows) == set()
    withdraw(cast, monkeypatch)
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        found = behind.files(rows)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert found == {row["address"] for row in rows if str(row["dataset_id"]) != crew.dataset_of(cast.other)}
    assert len(asked) == 1


def test_the_exits_follow_at_once_and_before_what_waits(cast: Cast) -> None:
    crew.approve(cast.office, crew.submit(cast.stranger, cast.other, [crew.row(4)]))
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", reason=REASON)
    assert {row["sink"] for row in model.every("select sink from gkopen.outbox where urgent and done_at is null")} == {
        "bulk", "standards"}
    assert [done.sink for done in (*outbox.work_batch(), *outbox.work_batch())] == ["bulk", "standards"]
    assert model.value("select count(*) from gkopen.outbox where done_at is null") > 0


@pytest.fixture
def folder(site: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a web server in front gives away without asking."""
    folder = Path(toolkit.config["ckan.files.storage.gkopen_public.path"]).parent / "served"
    shutil.rmtree(folder, ignore_errors=True)
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.published_folder", str(folder))
    return folder


def served_texts(folder: Path) -> list[str]:
    return [path.read_text("utf-8-sig") for path in (folder / "at").rglob("*.csv")]


def test_a_maker_that_began_before_a_withdrawal_puts_no_file_back(folder: Path, cast: Cast,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    assert any(SECRET in text for text in served_texts(folder))
    crew.approve(cast.office, crew.submit(cast.stranger, cast.other, [crew.row(4)]))
    make, shown = files.make, []

    def withdrawn_meanwhile(content: Any, *more: Any) -> Any:
        made = make(content, *more)
        if content.whole and not shown:
            shown.append(content)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(crew.in_session, lambda: withdraw(cast, monkeypatch)).result()
        return made

    monkeypatch.setattr(files, "make", withdrawn_meanwhile)
    while not shown:
        outbox.work_batch(None, ("bulk",))
    assert [text for text in served_texts(folder) if SECRET in text] == []
    files.sweep()
    ckan_model.Session.commit()
    assert [text for text in served_texts(folder) if SECRET in text] == []
    crew.drain()
    assert sum("设备采购4" in text for text in served_texts(folder)) >= 2, "what may be shown is there again"
    crew.whole()


def test_a_table_in_work_is_not_waited_for(cast: Cast) -> None:
    with table.transaction() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", (lock_key(TableSQL(get_domain("procurement")).id),))
        call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", reason=REASON)
        assert model.value("select attempts from gkopen.outbox where urgent and done_at is null"
                           " and sink = 'datastore'") == 0
        ckan_model.Session.rollback()
    crew.drain()
    crew.whole()


def test_nothing_of_it_is_kept_in_valkey(cast: Cast, browser: CKANTestApp) -> None:
    redis: Any = connect_to_redis()
    for address in ("/catalog.ttl", "/catalog.jsonld", f"/dataset/{cast.body}-procurement"):
        assert browser.get(address).status_code == 200
    dataset = crew.dataset_of(cast.body)

    def kept() -> list[str]:
        return [key.decode() for key in redis.scan_iter(match="gkopen/rdf/*")
                if dataset in key.decode() or dataset in redis.get(key).decode()]

    assert len(kept()) > 2
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", reason=REASON)
    assert kept() == []
    assert redis.keys("gkopen/rdf/*"), "what is kept of others stays"


def test_a_content_that_is_lost_is_withdrawn_all_the_same(cast: Cast, browser: CKANTestApp) -> None:
    for part in ("2024-05", "2024-06"):
        crew.take_away(model.value("select sha256 from gkopen.public_part where dataset_id = :d and part = :part",
                                   d=crew.dataset_of(cast.body), part=part))
        call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", part=part, reason=REASON)
        crew.drain()
        assert SECRET not in browser.get("/datastore/dump/procurement").text
    assert model.value("select sum(p.removed) from gkopen.revision_part p join gkopen.revision r"
                       " on r.id = p.revision_id where r.kind = 'withdraw'") == 2
    assert model.value("select state from gkopen.dataset where name = :n", n=f"{cast.body}-procurement") == "withdrawn"


def test_a_part_of_a_body_that_was_deleted_is_withdrawn(cast: Cast, browser: CKANTestApp) -> None:
    model.execute("update public.\"group\" set state = 'deleted' where name = :name", name=cast.body)
    ckan_model.Session.commit()
    call("gkopen_dataset_withdraw", cast.office, id=f"{cast.body}-procurement", part="2024-05", reason=REASON)
    crew.drain()
    assert SECRET not in browser.get("/datastore/dump/procurement").text
    crew.whole()


def test_of_rows_that_nobody_can_read_any_more_no_older_place_is_shown(cast: Cast, browser: CKANTestApp) -> None:
    """A row of May moved to July, and July is withdrawn while the storage cannot give it."""
    crew.approve(cast.office, crew.submit(cast.officer, cast.body, [crew.row(5), crew.row(1, month="07")]))
    crew.drain()
    first = f"/open/procurement/{cast.body}-procurement@1.csv"
    assert SECRET in browser.get(first).text
    july = model.value("select sha256 from gkopen.public_part where dataset_id = :d and part = '2024-07'",
                       d=crew.dataset_of(cast.body))
    data = crew.take_away(july)
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", part="2024-07", reason=REASON)
    crew.bring_back(july, data)
    assert browser.get(first).status_code == 410
