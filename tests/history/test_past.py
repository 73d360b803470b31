"""Earlier revisions, a row through time, and what becomes of both when something is withdrawn."""

from __future__ import annotations

import html
import json
import re
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.plugins import toolkit
from ckan.tests.helpers import CKANTestApp

from ckanext.gkopen import model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.history import feed, keys, rows
from tests.history.whole import hold_whole
from tests.people import Cast, call, make_cast
from tests.races import crew
from tests.thread.test_thread import FIRST, approve, drain, submit

REASON = "金额有误，已撤回"
CORRECTED = FIRST[1].replace("1190000.5", "1189000.50")
NEXT_MONTH = FIRST[0].replace("2024-05-06", "2024-07-06")


@pytest.fixture
def cast(site: Any) -> Cast:
    """Three rows in two months; then one amount changes; then a row of May is of July."""
    made = make_cast()
    for texts in (FIRST, (FIRST[0], CORRECTED, FIRST[2])):
        approve(made, submit(made, *texts)["revision_id"])
    drain()
    return made


@pytest.fixture
def browser(web: object) -> CKANTestApp:
    return CKANTestApp(web)


def key_of(number: str = "001") -> str:
    found = call("datastore_search", "", resource_id="procurement", filters={"release_id": f"NT-2024-{number}"})
    return found["records"][0]["record_id"]


def history(key: str) -> dict[str, Any]:
    return call("gkopen_row_history", "", domain="procurement", key=key)["results"][0]


def test_earlier_revisions_keep_their_bytes(cast: Cast, browser: CKANTestApp) -> None:
    address = f"/open/procurement/{cast.body}-procurement"
    current, second, first = (browser.get(f"{address}{end}") for end in (".csv", "@2.csv", "@1.csv"))
    assert second.data == current.data != first.data
    assert "1190000.50" in first.text and "1189000.50" not in first.text
    assert "Set-Cookie" not in first.headers and first.headers["Cache-Control"].startswith("public, max-age=60")
    assert browser.get(f"{address}@1.csv", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    shas = [row["sha256"] for row in model.every("select new_sha256 as sha256 from gkopen.publication u"
                                                 " join gkopen.revision_part p using (revision_id) where u.seq = 1")]
    kept = {sha: crew.take_away(sha) for sha in set(shas)}
    assert browser.get(f"{address}@1.csv", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    head = browser.client.open(f"{address}@1.csv", method="HEAD")
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", first.headers["ETag"])
    assert "Content-Length" not in head.headers, "nothing was made to answer it"
    for sha, data in kept.items():
        crew.bring_back(sha, data)
    some = browser.get(f"{address}@1.csv", headers={"Range": "bytes=0-8"})
    assert (some.status_code, some.data) == (206, first.data[:9])
    assert browser.get(f"{address}@1.csv", headers={"Range": "bytes=9-3"}).status_code == 200
    beyond = browser.get(f"{address}@1.csv", headers={"Range": "bytes=999999-"})
    assert beyond.status_code == 416
    lines = [json.loads(line, parse_float=Decimal) for line in browser.get(f"{address}@1.jsonl").text.splitlines()]
    assert [str(line["award_amount"]) for line in lines] == ["838000.00", "1190000.50", "None"]
    for end, status, hint in (("@3.csv", 404, "1 到 2"), ("@0.csv", 404, "1 到 2"), ("@1.xlsx", 404, "jsonl"),
                              ("x@1.csv", 404, "/open/")):
        answer = browser.get(f"{address}{end}")
        assert (answer.status_code, hint in answer.text) == (status, True), end


def test_the_list_of_revisions_says_what_and_why(cast: Cast, browser: CKANTestApp) -> None:
    name = f"{cast.body}-procurement"
    told = call("gkopen_publication_list", "", id=name)
    assert [(r["seq"], r["kind"], r["added"], r["changed"], r["rows"], r["current"]) for r in told["results"]] == [
        (2, "update", 0, 1, 3, True), (1, "first", 3, 0, 3, False)]
    page = call("gkopen_publication_list", "", id=name, limit=1)
    assert [r["seq"] for r in page["results"]] == [2]
    assert [r["seq"] for r in call("gkopen_publication_list", "", id=name, cursor=page["cursor"])["results"]] == [1]
    shown = browser.get(f"/dataset/{name}").text
    assert f"/open/procurement/{name}@1.csv" in shown and "首次发布" in shown
    with pytest.raises(toolkit.ObjectNotFound):
        call("gkopen_publication_list", "", id="nobody")
    call("gkopen_dataset_withdraw", cast.reviewer, id=name, part="2024-05", reason=REASON)
    told = call("gkopen_publication_list", "", id=name)["results"]
    assert [(r["kind"], r["withdrawn"], r["url"] is None, r["added"]) for r in told] == [
        ("withdrawal", None, False, None), ("update", REASON, True, None), ("first", REASON, True, None)]
    assert browser.get(f"/open/procurement/{name}@1.csv").status_code == 410
    assert REASON in browser.get(f"/open/procurement/{name}@1.csv").text
    assert browser.get(f"/open/procurement/{name}@3.csv").status_code == 200


def test_a_rows_page_leads_to_itself_in_the_other_languages(cast: Cast, browser: CKANTestApp) -> None:
    key = key_of()
    assert not key.isascii()
    page = browser.get(f"/row/procurement/{quote(key)}?dataset={cast.body}-procurement").text
    links = [html.unescape(link) for link in re.findall(r'<link rel="alternate" hreflang="[^"]+" href="([^"]+)"', page)]
    assert len(links) == 3 and all(quote(key) in link for link in links)
    assert all("?dataset=" in link and browser.get(link).status_code == 200 for link in links)


def test_a_row_through_time(cast: Cast, browser: CKANTestApp) -> None:
    key = key_of("002")
    told = history(key)
    assert (told["state"], told["dataset"]) == ("published", f"{cast.body}-procurement")
    assert [(v["op"], v["seq"], "award_amount" in v["fields"]) for v in told["versions"]] == [
        ("added", 1, False), ("changed", 2, True)]
    assert [str(v["row"]["award_amount"]) for v in told["versions"]] == ["1190000.50", "1189000.50"]
    address = f"/row/procurement/{keys.to_path([key])}"
    over_http = json.loads(browser.get(f"{address}.json").text, parse_float=Decimal)
    assert str(over_http["results"][0]["current"]["award_amount"]) == "1189000.50"
    as_text = json.loads(browser.get(f"{address}.json?money=text").text)["results"][0]["current"]
    assert as_text["award_amount"] == "1189000.50"
    page = browser.get(address)
    assert page.status_code == 200 and "1,190,000.50" in page.text and "1,189,000.50" in page.text
    for wrong, status in (("/row/nothing/x.json", 404), ("/row/procurement/x/y.json", 404),
                          ("/row/procurement/nobody.json", 404), ("/row/procurement/nobody", 404),
                          (f"{address}.json?money=gold", 400)):
        assert browser.get(wrong).status_code == status, wrong


def test_a_withdrawn_row_is_gone_from_the_parts_that_it_came_from(cast: Cast, browser: CKANTestApp) -> None:
    key = key_of("001")
    held = hold_whole(cast.officer, cast.body, [NEXT_MONTH, CORRECTED, FIRST[2]])
    assert held is not None
    crew.approve(cast.office, held)
    told = history(key)
    assert [(v["op"], v["seq"], v["part"]) for v in told["versions"]] == [
        ("added", 1, "2024-05"), ("changed", 3, "2024-07")]
    assert told["current"]["published_at"] == "2024-07-06T09:00:00+08:00"
    drain()
    first = model.value("select revision_id from gkopen.publication where seq = 1")
    assert call("gkopen_revision_diff", cast.officer, id=str(first), part="2024-05")["added"]
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", part="2024-07", reason=REASON)
    drain()
    told = history(key)
    assert (told["state"], [v["row"] for v in told["versions"]]) == ("withdrawn", [None, None, None])
    assert {v["withdrawn"] for v in told["versions"]} == {REASON}
    assert browser.get(f"/row/procurement/{keys.to_path([key])}.json").status_code == 410
    address = f"/open/procurement/{cast.body}-procurement"
    for seq in (1, 2, 3):
        for form in ("csv", "jsonl"):
            gone = browser.get(f"{address}@{seq}.{form}")
            assert (gone.status_code, REASON in gone.text) == (410, True)
    for shown in (f"{address}@4.csv", f"{address}.csv", "/open/changes.jsonl", "/open/changes.atom"):
        answer = browser.get(shown)
        assert (answer.status_code, "停车场" in answer.get_data(as_text=True)) == (200, False), shown
    with pytest.raises(toolkit.ObjectNotFound):
        call("gkopen_revision_diff", cast.officer, id=str(first), part="2024-05")
    with pytest.raises(toolkit.ValidationError, match="sealed"):
        call("gkopen_dataset_rollback", cast.officer, id=f"{cast.body}-procurement", seq=1, reason="恢复")
    # What stood beside it and is public is read as before; of its past what only sealed contents hold is gone.
    beside = history(key_of("002"))
    assert (beside["state"], str(beside["current"]["award_amount"])) == ("published", "1189000.50")
    assert [v["withdrawn"] for v in beside["versions"]] == [REASON, None]
    assert [line["op"] for line in map(json.loads, browser.get("/open/changes.jsonl").text.splitlines())] == [
        "withdrawn", "added", "withdrawn", "withdrawn", "withdrawn", "added", "withdrawn"]


def test_of_a_withdrawn_dataset_no_earlier_part_stays(cast: Cast, browser: CKANTestApp) -> None:
    """June was public once and is none of the parts that the withdrawal takes away."""
    held = hold_whole(cast.officer, cast.body, [FIRST[0], CORRECTED])
    assert held is not None
    crew.approve(cast.office, held)
    address = f"/open/procurement/{cast.body}-procurement"
    assert "学校食堂" in browser.get(f"{address}@1.csv").text
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", reason=REASON)
    drain()
    assert [browser.get(f"{address}@{seq}.csv").status_code for seq in (1, 2, 3, 4)] == [410] * 4
    assert "学校食堂" not in browser.get("/open/changes.jsonl").text
    assert not model.value("select count(*) from gkopen.blob b where sealed_at is null and exists"
                           " (select from gkopen.revision_part p where p.new_sha256 = b.sha256)")


def test_bytes_that_another_dataset_shows_are_gone_at_the_addresses_of_the_one_that_withdrew_them(
        cast: Cast, browser: CKANTestApp) -> None:
    crew.approve(cast.office, crew.submit(cast.stranger, cast.other, [*FIRST[:1], CORRECTED, *FIRST[2:]]))
    drain()
    own, other = (f"/open/procurement/{body}-procurement" for body in (cast.body, cast.other))
    assert browser.get(f"{own}@2.csv").data == browser.get(f"{other}@1.csv").data
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", reason=REASON)
    drain()
    answers = [(browser.get(f"{address}@{seq}.csv").status_code) for address, seq in ((own, 1), (own, 2), (other, 1))]
    assert answers == [410, 410, 200]
    lines = [json.loads(line) for line in browser.get("/open/changes.jsonl").text.splitlines()]
    assert {(line["dataset"], line["op"]) for line in lines} == {
        (f"{cast.body}-procurement", "withdrawn"), (f"{cast.other}-procurement", "added")}
    with pytest.raises(toolkit.ValidationError, match="sealed"):
        call("gkopen_dataset_rollback", cast.officer, id=f"{cast.body}-procurement", seq=2, reason="恢复")
    first = model.value("select revision_id from gkopen.publication where seq = 2 and dataset_id = :d",
                        d=crew.dataset_of(cast.body))
    with pytest.raises(toolkit.ObjectNotFound):
        call("gkopen_revision_diff", cast.officer, id=str(first), part="2024-05")


def test_a_withdrawn_row_is_gone_and_says_why(cast: Cast, browser: CKANTestApp) -> None:
    key, kept = key_of("002"), key_of("003")
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", part="2024-05", reason=REASON)
    drain()
    told = history(key)
    assert (told["state"], told["reason"], told["current"]) == ("withdrawn", REASON, None)
    assert [v["row"] for v in told["versions"]] == [None, None, None]
    assert all(v["withdrawn"] == REASON for v in told["versions"])
    for end in (".json", ""):
        answer = browser.get(f"/row/procurement/{keys.to_path([key])}{end}")
        assert (answer.status_code, REASON in answer.text) == (410, True)
        assert "118900" not in answer.text and "119000" not in answer.text
    assert history(kept)["state"] == "published"
    text = browser.get("/open/changes.jsonl").text
    assert "空气质量监测设备" not in text and "停车场" not in text and "学校食堂" in text
    assert [json.loads(line)["op"] for line in text.splitlines()] == ["withdrawn", "added", "withdrawn", "withdrawn"]
    assert all(json.loads(line)["reason"] == REASON for line in text.splitlines() if '"withdrawn"' in line)
    atom = browser.get("/open/changes.atom").get_data(as_text=True)
    assert REASON in atom and "停车场" not in atom
    whole = ElementTree.fromstring(atom.encode())
    assert len(whole.findall("{http://www.w3.org/2005/Atom}entry")) == 3


def test_a_reason_that_xml_cannot_hold_leaves_the_feed_readable(cast: Cast, browser: CKANTestApp) -> None:
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", part="2024-05", reason="误\x0b发<")
    told = ElementTree.fromstring(browser.get("/open/changes.atom").data)
    assert "误\ufffd发<" in "".join(told.itertext())


def test_rows_with_line_ends_and_quotes_are_found(site: Any) -> None:
    domain = get_domain("parking")
    cells = dict.fromkeys(domain.field_names, "")
    lines = [",".join(domain.field_names)]
    awkward = ('城东"一号"停车场', "城西,\n停车场", "一号", "城西")
    for name in awkward:
        row = cells | {"name": name, "district": "崇川区"}
        lines.append(",".join(f'"{v.replace(chr(34), chr(34) * 2)}"' if set(v) & set('",\n') else v
                              for v in row.values()))
    data = ("\n".join(lines) + "\n").encode()
    for name in awkward:
        for known in (None, len(awkward)):
            found = rows.find_row(domain, data, (name, "崇川区"), known)
            assert found is not None and found["name"] == name
    assert rows.find_row(domain, data, ("停车场", "崇川区"), 4) is None


def test_the_past_of_a_row_is_read_in_pages(cast: Cast, browser: CKANTestApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a row and its neighbours changed: one answer reads little, and the pages together say all."""
    key = key_of("002")
    for amount in ("1189001.00", "1189002.00", "1189003.00"):
        crew.approve(cast.office, crew.submit(cast.officer, cast.body, [
            FIRST[0], FIRST[1].replace("1190000.5", amount), FIRST[2]]))
    held = hold_whole(cast.officer, cast.body, [FIRST[0].replace("2024-05-06", "2024-06-06"), FIRST[2]])
    assert held is not None
    crew.approve(cast.office, held)                      # the row is gone
    drain()
    whole = history(key)
    assert [(v["op"], v["seq"]) for v in whole["versions"]] == [
        ("added", 1), ("changed", 2), ("changed", 3), ("changed", 4), ("changed", 5), ("removed", 6)]
    read: list[str] = []
    find = rows.find_row
    monkeypatch.setattr(rows, "find_row", lambda domain, data, *more: read.append(key) or find(domain, data, *more))
    monkeypatch.setattr(rows, "MOST_CONTENTS", 2)
    pages, cursor = [], None
    while cursor or not pages:
        read.clear()
        told = call("gkopen_row_history", "", domain="procurement", key=key, **({"cursor": cursor} if cursor else {}))
        assert 0 < len(read) <= 4, "the publication that was begun is read to its end"
        pages.append(told["results"])
        cursor = told["cursor"]
    assert len(pages) > 2
    assert [version for page in reversed(pages) for entry in page for version in entry["versions"]] == whole["versions"]
    assert [entry["state"] for page in pages for entry in page][:1] == ["removed"]
    for wrong in ("x", "WzFd", "W251bGwsIHt9XQ=="):
        assert browser.get(f"/row/procurement/{keys.to_path([key])}.json?cursor={wrong}").status_code == 400
    address = f"/row/procurement/{keys.to_path([key])}"
    page = browser.get(address)
    assert page.status_code == 200 and "cursor=" in page.text
    # Of a row that never was, no more is read, and the answer says that older publications were not looked at.
    monkeypatch.setattr(rows, "MOST_CONTENTS", 1)
    never = call("gkopen_row_history", "", domain="procurement", key="nobody")
    assert never["results"] == [] and never["cursor"]
    assert browser.get("/row/procurement/nobody").status_code == 200


def test_of_a_key_that_many_bodies_have_one_row_is_asked_for(
        cast: Cast, browser: CKANTestApp, monkeypatch: pytest.MonkeyPatch) -> None:
    crew.approve(cast.office, crew.submit(cast.admin, cast.other, FIRST))
    drain()
    key = key_of()
    both = call("gkopen_row_history", "", domain="procurement", key=key)["results"]
    assert {entry["dataset"] for entry in both} == {f"{cast.body}-procurement", f"{cast.other}-procurement"}
    monkeypatch.setattr(rows, "MOST_DATASETS", 1)
    monkeypatch.setattr(rows, "find_row", lambda *_: pytest.fail("no content is read"))
    address = f"/row/procurement/{keys.to_path([key])}"
    for path, says in ((f"{address}.json", "name one with dataset"), (address, "?dataset=")):
        answer = browser.get(path)
        assert answer.status_code == 400 and says in answer.text
    monkeypatch.undo()
    monkeypatch.setattr(rows, "MOST_DATASETS", 1)
    page = browser.get(f"{address}?dataset={cast.other}-procurement")
    assert page.status_code == 200 and f".json?dataset={cast.other}-procurement" in page.text


def test_addresses_of_keys_come_back() -> None:
    domain = get_domain("parking")
    for key in (("a/b", "c~d"), ("..", ".json"), ("x.json", "文号〔2019〕12号"), ("~1", None), ("~3json", "~2")):
        assert keys.from_path(domain, keys.to_path(key)) == key
        assert not keys.to_path(key).endswith(".json") and "//" not in keys.to_path(key)


def test_bad_requests_say_what_is_allowed(cast: Cast, browser: CKANTestApp) -> None:
    for query, hint in (("since=yesterday", "2026-01-31"), ("domain=nothing", "procurement"), ("cursor=abc", "cursor"),
                        ("cursor=W10=", "cursor"), ("cursor=Wzk5LDEsMiwzLDRd", "cursor"), ("limit=0", "1000000"),
                        ("limit=-1", "1000000"), ("limit=1e3", "1000000"), ("money=gold", "text"),
                        ("since=9999-12-31T23:59:59-23:59", "2026-01-31"),
                        ("domain=procurement&domain=budget", "domain once"), ("limit=1&limit=2", "limit once")):
        for form in ("jsonl", "atom"):
            answer = browser.get(f"/open/changes.{form}?{query}")
            assert answer.status_code == 400, (query, form)
            assert hint in answer.text or "200" in answer.text, (query, answer.text)
    twice = browser.get(f"/row/procurement/{quote(key_of())}.json?money=text&money=number")
    assert twice.status_code == 400 and "money once" in twice.text
    for data in ({"since": "x"}, {"cursor": "x"}, {"domain": "x"}, {"domain": ["procurement"]}, {"limit": 1001}):
        with pytest.raises(toolkit.ValidationError):
            call("gkopen_change_list", "", **data)


def test_since_and_pages(cast: Cast, browser: CKANTestApp) -> None:
    lines = [json.loads(line) for line in browser.get("/open/changes.jsonl").text.splitlines()]
    assert [line["op"] for line in lines] == ["added", "added", "added", "changed"]
    later = browser.get("/open/changes.jsonl", query_string={"since": lines[0]["at"]}).text.splitlines()
    assert [json.loads(line)["op"] for line in later] == ["changed"]
    first = call("gkopen_change_list", "", limit=3)
    assert (len(first["results"]), first["more"], first["cursor"]) == (3, True, lines[2]["cursor"])
    rest = call("gkopen_change_list", "", cursor=first["cursor"])
    assert ([r["op"] for r in rest["results"]], rest["more"]) == (["changed"], False)
    assert str(rest["results"][0]["after"]["award_amount"]) == "1189000.50"
    assert call("gkopen_change_list", "", cursor=rest["cursor"])["results"] == []
    text = call("gkopen_change_list", "", cursor=first["cursor"], money="text")["results"][0]
    assert text["before"]["award_amount"] == "1190000.50"
    assert call("gkopen_change_list", "", domain="budget")["results"] == []


def test_positions_are_given_in_the_order_of_commits(cast: Cast) -> None:
    """Two publications that overlap: whichever becomes visible later stands later, so that no reader misses it."""
    revisions = [(cast.other, crew.submit(cast.stranger, cast.other, [crew.row(1)]), 1),
                 (cast.body, crew.submit(cast.officer, cast.body, [crew.row(2)]), 3)]
    ckan_model.Session.commit()
    insert = sa.text("insert into gkopen.publication (dataset_id, seq, revision_id) values (:d, :seq, :r)")
    engine = ckan_model.ensure_engine()
    with engine.connect() as slow, engine.connect() as quick:
        for connection, (body, revision, seq) in zip((slow, quick), revisions, strict=True):
            connection.execute(insert, {"d": crew.dataset_of(body), "seq": seq, "r": revision})
        quick.commit()
        ckan_model.Session.rollback()
        between = feed.end()
        slow.commit()
    ckan_model.Session.rollback()
    order = model.every("select f.position, d.body_id, f.seq, f.at from gkopen.feed f join gkopen.dataset d"
                        " on d.id = f.dataset_id order by f.position")
    assert [row["position"] for row in order] == [1, 2, 3, 4]
    assert [row["seq"] for row in order] == [1, 2, 3, 1]
    assert sorted(row["at"] for row in order) == [row["at"] for row in order]
    missed = [json.loads(line)["dataset"] for batch in feed.lines(between) for line in batch]
    assert missed == [f"{cast.other}-procurement"]


def test_a_content_sealed_for_another_dataset_does_not_break_the_feed(cast: Cast) -> None:
    """The same bytes were public twice: where they were only the base of a change, the reader begins the part anew."""
    crew.approve(cast.office, crew.submit(cast.stranger, cast.other, [crew.row(7)]))
    crew.approve(cast.office, crew.submit(cast.stranger, cast.other, [crew.row(7, "2.00"), crew.row(8)]))
    sha: Any = model.value("select new_sha256 from gkopen.publication u join gkopen.revision_part p using (revision_id)"
                           " where u.dataset_id = :d and u.seq = 1 and part <> '~metadata'",
                           d=crew.dataset_of(cast.other))
    model.execute("update gkopen.blob set sealed_at = now() where sha256 = :sha", sha=sha)
    ckan_model.Session.commit()
    told = [json.loads(line) for batch in feed.lines(feed.Place(0)) for line in batch]
    own = [line for line in told if line["dataset"] == f"{cast.other}-procurement"]
    assert [(line["seq"], line["op"]) for line in own] == [
        (1, "withdrawn"), (2, "withdrawn"), (2, "added"), (2, "added")]


def test_what_is_held_is_in_no_history(cast: Cast, browser: CKANTestApp) -> None:
    before = browser.get("/open/changes.jsonl").data
    submit(cast, FIRST[0].replace("838,000.00", "1.00"), *FIRST[1:])
    assert browser.get("/open/changes.jsonl").data == before
