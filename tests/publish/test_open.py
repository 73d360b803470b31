"""Addresses below /open/: what is published, in every form, as HTTP wants it; what is withdrawn says so."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import threading
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.lib import files as storages
from ckan.tests.helpers import CKANTestApp

from ckanext.gkopen import blobs, ids, model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish import files, store
from ckanext.gkopen.publish.forms import content, spool
from ckanext.gkopen.publish.forms.spool import Spool
from ckanext.gkopen.publish.forms.streams import IDENTITY, SUFFIX
from ckanext.gkopen.publish.standards.bring_up import bring_up
from ckanext.gkopen.publish.table_sql import lock_key
from ckanext.gkopen.views import open as open_view
from tests.people import Cast, call, make_cast
from tests.races import crew
from tests.thread.test_thread import FIRST, approve, dataset_id, drain, submit

PROCUREMENT = get_domain("procurement")


@pytest.fixture
def cast(site: Any) -> Cast:
    made = make_cast()
    approve(made, submit(made, *FIRST)["revision_id"])
    drain()
    files.bring_up_bulk(PROCUREMENT, 1)
    ckan_model.Session.commit()
    return made


@pytest.fixture
def browser(web: object) -> CKANTestApp:
    return CKANTestApp(web)


def address(cast: Cast, form: str = "csv") -> str:
    return f"/open/procurement/{cast.body}-procurement.{form}"


def test_every_form_is_served_as_it_was_made(cast: Cast, browser: CKANTestApp) -> None:
    for form, media_type in files.FORMS.items():
        for path in (address(cast, form), f"/open/procurement.{form}"):
            answer = browser.get(path)
            row = model.one("select * from gkopen.file where address = :a", a=path.removeprefix("/open/"))
            assert row is not None
            assert answer.status_code == 200
            assert hashlib.sha256(answer.data).hexdigest() == row["sha256"]
            assert answer.headers["ETag"] == f'"{row["sha256"]}"'
            assert answer.headers["Content-Type"] == media_type
            assert answer.headers["Content-Length"] == str(row["size"])
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"].startswith("sandbox")
            assert answer.headers["Cache-Control"] == "public, max-age=60, must-revalidate"
            assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
            assert "Last-Modified" in answer.headers
            assert "Set-Cookie" not in answer.headers
    assert "filename*=UTF-8''%" in browser.get(address(cast)).headers["Content-Disposition"]


def test_a_single_part_keeps_the_sha256_that_was_approved(site: Any, browser: CKANTestApp) -> None:
    cast = make_cast()
    approve(cast, submit(cast, FIRST[2])["revision_id"])
    drain()
    parts = model.every("select sha256 from gkopen.public_part where part <> '~metadata'")
    assert len(parts) == 1
    assert browser.get(address(cast)).headers["ETag"] == f'"{parts[0]["sha256"]}"'


def test_conditions_ranges_and_head(cast: Cast, browser: CKANTestApp) -> None:
    whole = browser.get(address(cast))
    etag, changed = whole.headers["ETag"], whole.headers["Last-Modified"]
    assert browser.get(address(cast), headers={"If-None-Match": etag}).status_code == 304
    assert browser.get(address(cast), headers={"If-None-Match": '"other"'}).status_code == 200
    assert browser.get(address(cast), headers={"If-Modified-Since": changed}).status_code == 304
    some = browser.get(address(cast), headers={"Range": "bytes=5-14"})
    assert (some.status_code, some.data) == (206, whole.data[5:15])
    assert some.headers["Content-Range"] == f"bytes 5-14/{len(whole.data)}"
    last = browser.get(address(cast), headers={"Range": "bytes=-4", "If-Range": etag})
    assert (last.status_code, last.data) == (206, whole.data[-4:])
    outdated = browser.get(address(cast), headers={"Range": "bytes=-4", "If-Range": '"other"'})
    assert (outdated.status_code, outdated.data) == (200, whole.data)
    beyond = browser.get(address(cast), headers={"Range": "bytes=99999999-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(whole.data)}")
    head = browser.test_client().head(address(cast))
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(whole.data)))


CODINGS = {
    None: None, "": None, "gzip": "gzip", "zstd": "zstd", "gzip, deflate, br, zstd": "zstd",
    "gzip;q=1.0, zstd;q=0.5": "gzip", "zstd;q=0, gzip": "gzip", "*": "zstd", "*;q=0": None, "br": None,
    "gzip;q=0.2, identity;q=0.8": None, "identity;q=0, gzip;q=0.1": "gzip", "gzip;q=nonsense": None, ";;,==": None,
    "GZIP": "gzip", "identity": None}
"""Accept-Encoding → Content-Encoding."""


def test_the_coding_that_the_client_asks_for(cast: Cast, browser: CKANTestApp) -> None:
    plain = browser.get(address(cast)).data
    sha256 = hashlib.sha256(plain).hexdigest()
    unpack = {"gzip": gzip.decompress, "zstd": unzstd, None: bytes}
    for accepted, coding in CODINGS.items():
        answer = browser.get(address(cast), headers={} if accepted is None else {"Accept-Encoding": accepted})
        assert answer.headers.get("Content-Encoding") == coding, accepted
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["ETag"] == (f'"{sha256}-{coding}"' if coding else f'"{sha256}"')
        assert unpack[coding](answer.data) == plain
        assert answer.headers["Content-Length"] == str(len(answer.data))


def unzstd(data: bytes) -> bytes:
    return pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()


def test_conditions_and_ranges_belong_to_the_representation(cast: Cast, browser: CKANTestApp) -> None:
    asked = {"Accept-Encoding": "gzip"}
    packed = browser.get(address(cast), headers=asked)
    plain = browser.get(address(cast))
    again = browser.get(address(cast), headers={**asked, "If-None-Match": packed.headers["ETag"]})
    assert (again.status_code, again.headers["Vary"], again.data) == (304, "Accept-Encoding", b"")
    assert browser.get(address(cast), headers={"If-None-Match": packed.headers["ETag"]}).status_code == 200
    some = browser.get(address(cast), headers={**asked, "Range": "bytes=3-9", "If-Range": packed.headers["ETag"]})
    assert (some.status_code, some.data) == (206, packed.data[3:10])
    assert some.headers["Content-Range"] == f"bytes 3-9/{len(packed.data)}"
    other = browser.get(address(cast), headers={**asked, "Range": "bytes=3-9", "If-Range": plain.headers["ETag"]})
    assert (other.status_code, other.data) == (200, packed.data)
    for form in ("xlsx", "zip", "parquet"):
        whole = browser.get(address(cast, form), headers={"Accept-Encoding": "gzip, zstd"})
        assert "Content-Encoding" not in whole.headers
        assert "Vary" not in whole.headers


NONSENSE = (
    {"Range": "lines=1-2"}, {"Range": "bytes=9-3"}, {"Range": f"bytes={'1' * 5000}-1"}, {"Range": "bytes=0-1,5-6"},
    {"Range": "bytes=x"}, {"Range": "bytes="}, {"Range": "bytes=-"}, {"Range": "bytes"},
    {"If-Modified-Since": "yesterday"}, {"If-None-Match": "no quotes at all"}, {"If-None-Match": 'W/"'},
    {"If-Modified-Since": "\u00ff"}, {"Range": "bytes=0-3", "If-Range": "rubbish"})


def test_what_makes_no_sense_is_ignored_as_the_standard_says(cast: Cast, browser: CKANTestApp) -> None:
    whole = browser.get(address(cast)).data
    for headers in NONSENSE:
        answer = browser.get(address(cast), headers=headers)
        assert (answer.status_code, answer.data) == (200, whole), headers
        assert "Content-Range" not in answer.headers


def test_other_conditions_of_the_standard(cast: Cast, browser: CKANTestApp) -> None:
    plain = browser.get(address(cast))
    etag = plain.headers["ETag"]

    def status(**headers: str) -> int:
        return browser.get(address(cast), headers={n.replace("_", "-"): v for n, v in headers.items()}).status_code

    assert status(If_None_Match="*") == 304
    assert status(If_None_Match=f"W/{etag}") == 304, "weak comparison"
    assert status(If_None_Match=f'"a", {etag}, "b"') == 304
    assert status(If_None_Match='"a"', If_Modified_Since=plain.headers["Last-Modified"]) == 200, "the tag wins"
    assert status(Range="bytes=0-3", If_Range=f"W/{etag}") == 200, "strong comparison"
    assert status(Range="bytes=0-3", If_Range=plain.headers["Last-Modified"]) == 206
    assert status(Range="BYTES=0-3") == 206
    assert status(Range="bytes=0-99999999999") == 206
    head = browser.test_client().head(address(cast), headers={"Range": "bytes=0-3"})
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(plain.data)))


def test_unknown_addresses_say_what_there_is(cast: Cast, browser: CKANTestApp) -> None:
    for path, hint in (("/open/nothing.csv", "procurement"), ("/open/procurement.pdf", "excel.csv"),
                       ("/open/procurement/nobody.csv", "/open/"), ("/open/nothing/nobody.csv", "procurement")):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert hint in answer.get_data(as_text=True)


def test_withdrawn_files_answer_410_and_their_bytes_are_gone(cast: Cast, browser: CKANTestApp) -> None:
    before = model.every("select sha256 from gkopen.file where dataset_id is not null")
    model.execute("update gkopen.dataset set reason = '含有错误的金额' where id = :d", d=dataset_id(cast))
    assert files.bring_up_dataset(PROCUREMENT, dataset_id(cast), 2, {}, blobs.read) == []
    ckan_model.Session.commit()
    for form in files.FORMS:
        answer = browser.get(address(cast, form))
        assert answer.status_code == 410
        assert "含有错误的金额" in answer.get_data(as_text=True)
    storage = storages.get_storage(store.STORAGE)
    for row in before:
        for coding in SUFFIX:
            place = storage.prepare_location(store.location(row["sha256"], coding))
            assert not storage.exists(storages.FileData(place))
    assert f"{cast.body}-procurement" not in browser.get("/open/index.json").get_data(as_text=True)


def test_a_file_that_is_just_taken_away_is_no_error_of_the_portal(cast: Cast, browser: CKANTestApp) -> None:
    for row in model.every("select sha256 from gkopen.file where dataset_id is not null"):
        store.remove(store.places_of(row["sha256"]))      # as a withdrawal does before its commit
    answer = browser.get(address(cast))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "max-age=60" not in answer.headers.get("Cache-Control", "")
    ckan_model.Session.rollback()


def test_files_made_again_are_the_same_and_older_seqs_are_late(cast: Cast) -> None:
    parts = {row["part"]: row["sha256"] for row in model.every(
        "select part, sha256 from gkopen.public_part where part <> '~metadata'")}
    rows = "select address, sha256, updated_at from gkopen.file order by 1"
    before = model.every(rows)
    files.bring_up_dataset(PROCUREMENT, dataset_id(cast), 5, parts, blobs.read)
    files.bring_up_bulk(PROCUREMENT, 5)
    assert model.every(rows) == before
    fewer = dict(list(parts.items())[:1])
    files.bring_up_dataset(PROCUREMENT, dataset_id(cast), 4, fewer, blobs.read)
    assert model.every(rows) == before


def test_the_sweep_takes_only_what_no_address_names(cast: Cast, browser: CKANTestApp) -> None:
    storage = storages.get_storage(store.STORAGE)
    sha256 = hashlib.sha256(b"left over").hexdigest()
    blobs.write(store.STORAGE, sha256, b"left over", "text/plain")
    assert files.sweep() == [sha256]
    ckan_model.Session.commit()
    assert files.sweep() == []
    ckan_model.Session.commit()
    named = {row["sha256"] for row in model.every("select sha256 from gkopen.file")}
    assert {place.rsplit("/", 1)[-1].split(".")[0] for place in storage.scan()} == named


def test_large_files_are_published_as_small_ones_are(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """They grow on the disk, and are moved to their place."""
    monkeypatch.setattr(spool, "SMALL", 100)
    published = "select address, form, sha256, size, variants from gkopen.file order by address"
    before = model.every(published)
    for row in before:
        store.remove(store.location(row["sha256"], coding) for coding in (IDENTITY, *row["variants"]))
    model.execute("update gkopen.file set layout = null")                  # nothing is copied
    parts = {row["part"]: row["sha256"] for row in model.every(
        "select part, sha256 from gkopen.public_part where part <> '~metadata'")}
    files.bring_up_dataset(PROCUREMENT, dataset_id(cast), 5, parts, blobs.read)
    files.bring_up_bulk(PROCUREMENT, 5)
    bring_up("procurement")
    ckan_model.Session.commit()
    assert model.every(published) == before
    assert any(row["form"] == "ocds.json" for row in before)
    for row in before:
        data = store.open_file(row["sha256"], IDENTITY, row["size"]).read()
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        for coding, size in row["variants"].items():
            assert len(store.open_file(row["sha256"], coding, size).read()) == size


def test_half_a_file_is_replaced_and_a_whole_one_is_left_alone(site: Any) -> None:
    """A maker that was killed while it wrote leaves half a file where the whole one belongs."""
    data = b"the whole of it"
    sha256 = hashlib.sha256(data).hexdigest()
    folder = store.local_folder()
    assert folder is not None
    place = folder / store.location(sha256)
    for there, is_left in ((None, False), (b"", False), (data[:5], False), (data + b"!", False), (data, True)):
        with store.making() as making:
            made = Spool(making / "csv")
            made.write(data)
            made.close()
            place.unlink(missing_ok=True)
            if there is not None:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(there)
            before = place.stat().st_ino if there is not None else 0
            store.put(made, sha256, IDENTITY, "text/csv")
            assert place.read_bytes() == data
            assert (place.stat().st_ino == before) is is_left, there
    assert files.sweep() == [sha256]
    ckan_model.Session.commit()


def test_the_list_for_people_and_for_machines(cast: Cast, browser: CKANTestApp) -> None:
    listing = browser.get("/open/index.json")
    assert listing.headers["ETag"] == f'"{hashlib.sha256(listing.data).hexdigest()}"'
    tables = listing.get_json()["tables"]
    assert [entry["name"] for entry in tables] == ["procurement"]
    assert [file["form"] for file in tables[0]["files"]] == list(files.FORMS)
    assert tables[0]["rows"] == 3
    assert tables[0]["datasets"][0]["publisher"] == "南通市财政局"
    assert tables[0]["columns"][3]["title"] == PROCUREMENT.fields[0].title.zh
    for file in [*tables[0]["files"], *tables[0]["datasets"][0]["files"]]:
        assert hashlib.sha256(browser.get(file["url"]).data).hexdigest() == file["sha256"], file["url"]
    page = browser.get("/open/")
    assert page.status_code == 200
    assert address(cast, "xlsx") in page.text


def test_the_list_for_people_comes_in_pages(cast: Cast, browser: CKANTestApp, monkeypatch: pytest.MonkeyPatch) -> None:
    crew.approve(cast.office, crew.submit(cast.stranger, cast.other, [crew.row(1)]))
    drain()
    monkeypatch.setattr(open_view, "FIRST", 1)
    monkeypatch.setattr(open_view, "PER_PAGE", 1)
    first, second = (f"/open/procurement/{body}-procurement.xlsx" for body in sorted((cast.body, cast.other)))
    page = browser.get("/open/").text
    assert "/open/procurement.xlsx" in page and first in page and second not in page
    assert "/open/?domain=procurement" in page
    pages = [browser.get("/open/?domain=procurement").text]
    following = re.search(r'rel="next" href="([^"]+)"', pages[0])
    assert following
    pages.append(browser.get(following[1].replace("&amp;", "&")).text)
    assert [[address in text for address in (first, second)] for text in pages] == [[True, False], [False, True]]
    assert 'rel="next"' not in pages[1]
    assert len(browser.get("/open/index.json").get_json()["tables"][0]["datasets"]) == 2
    assert browser.get("/open/?domain=nothing").status_code == 404


def test_after_the_last_withdrawal_nothing_of_the_domain_is_left(cast: Cast, browser: CKANTestApp) -> None:
    """Bulk files, the bulk package and its rows go as well, and say why."""
    bulk = ids.bulk_id("procurement")
    assert ckan_model.Package.get(bulk) is not None
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", reason="含有错误的金额")
    drain()
    addresses = [f"/open/procurement.{form}" for form in files.FORMS]
    for path in (*addresses, "/dataset/all-procurement", f"/dataset/{bulk}"):
        answer = browser.get(path)
        assert answer.status_code == 410, path
        assert "含有错误的金额" in answer.get_data(as_text=True)
    ckan_model.Session.remove()
    assert ckan_model.Package.get(bulk) is None
    assert call("package_search", "", q="*:*")["count"] == 0
    assert browser.get("/open/index.json").get_json()["tables"] == []
    assert list(store.held_files()) == []
    assert model.value("select count(*) from gkopen.outbox where done_at is null or error is not null") == 0
    approve(cast, submit(cast, *FIRST)["revision_id"])
    drain()
    files.bring_up_bulk(PROCUREMENT, 3)  # a worker does it when the interval is over
    ckan_model.Session.commit()
    assert browser.get("/open/procurement.csv").status_code == 200
    assert browser.get("/dataset/all-procurement").status_code == 200


def test_a_withdrawal_leaves_bytes_that_another_dataset_is_about_to_name(cast: Cast) -> None:
    """The bytes of two datasets are the same; one is being made while the other one is withdrawn."""
    row = model.one("select address, sha256 from gkopen.file where dataset_id is not null and form = 'csv'")
    assert row is not None
    ckan_model.Session.commit()
    with ckan_model.ensure_engine().connect() as other, other.begin():
        other.execute(sa.text("select pg_advisory_xact_lock_shared(:key)"), {"key": lock_key(store.STORAGE)})
        withdrawal = threading.Thread(target=crew.in_session, args=(
            lambda: (files.bring_up_dataset(PROCUREMENT, dataset_id(cast), 2, {}, blobs.read),
                     ckan_model.Session.commit()),))
        withdrawal.start()
        crew.until(crew.backends_waiting_for_advisory_locks)
        other.execute(sa.text(
            "insert into gkopen.file (address, domain, form, sha256, size, media_type, rows, seq)"
            " select 'copy.csv', domain, form, sha256, size, media_type, rows, 1 from gkopen.file where address = :a"),
            {"a": row["address"]})
    withdrawal.join()
    assert model.value("select sha256 from gkopen.file where address = :a", a=row["address"]) is None
    assert row["sha256"] in store.held_files()


def test_few_rows_in_many_parts_are_the_same_rows_written_at_once(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {r["part"]: r["sha256"] for r in model.every(
        "select part, sha256 from gkopen.public_part where part <> '~metadata'")}
    assert len(parts) > 1

    def bring_up(seq: int) -> dict[str, bytes]:
        made = files.bring_up_dataset(PROCUREMENT, dataset_id(cast), seq, parts, blobs.read)
        return {file.form: store.open_file(file.sha256, IDENTITY, file.size).read() for file in made}

    at_once = bring_up(2)
    monkeypatch.setattr(content, "FEW_BYTES", 0)
    by_part = bring_up(3)
    assert {form for form in at_once if at_once[form] == by_part[form]} >= {"csv", "excel.csv", "jsonl"}
    sheets = [pd.read_excel(io.BytesIO(made["xlsx"]), dtype=str) for made in (at_once, by_part)]
    assert sheets[0].equals(sheets[1])                      # columns are as wide as the rows that came first
    assert pq.read_table(io.BytesIO(at_once["parquet"])).equals(pq.read_table(io.BytesIO(by_part["parquet"])))


def test_neighbours_stand_in_the_bulk_files_as_they_would_alone(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def bring_up() -> dict[str, bytes]:
        made = files.bring_up_bulk(PROCUREMENT, 2)
        return {file.form: store.open_file(file.sha256, IDENTITY, file.size).read() for file in made}

    together = bring_up()
    monkeypatch.setattr(content, "FEW_ROWS", -1)
    alone = bring_up()
    assert {form for form in together if together[form] == alone[form]} >= {"csv", "excel.csv", "jsonl"}
    assert pq.read_table(io.BytesIO(together["parquet"])).equals(pq.read_table(io.BytesIO(alone["parquet"])))
    layout = model.value("select count(*) from gkopen.file f, jsonb_object_keys(layout -> 'pieces')"
                         " where address = 'procurement.csv'")
    assert layout > 1


def test_a_changed_part_is_patched_into_files_that_are_byte_by_byte_those_made_anew(
        cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a published file that was changed on the disk is not copied from."""
    parts = {r["part"]: r["sha256"] for r in model.every(
        "select part, sha256 from gkopen.public_part where part <> '~metadata'")}
    monkeypatch.setattr(content, "FEW_BYTES", 0)           # as if they were large
    folder = store.local_folder()
    assert len(parts) > 1
    assert folder is not None

    def bring_up(seq: int) -> dict[Any, Any]:
        """Address and coding → bytes, and where each part lies in them."""
        files.bring_up_dataset(PROCUREMENT, dataset_id(cast), seq, parts, blobs.read)
        ckan_model.Session.commit()
        rows = model.every("select address, sha256, variants, layout from gkopen.file where dataset_id is not null")
        places = {(r["address"], coding): store.location(r["sha256"], coding) for r in rows
                  for coding in (IDENTITY, *r["variants"])}
        return {key: (folder / place).read_bytes() for key, place in places.items()} | {
            r["address"]: r["layout"] for r in rows}

    def forget() -> None:
        model.execute("update gkopen.file set layout = null where dataset_id is not null")
        for row in model.every("select sha256 from gkopen.file where dataset_id is not null"):
            store.remove(place for place in store.places_of(row["sha256"]) if (folder / place).exists())

    before = bring_up(2)
    parts["2024-05"] = blobs.put(blobs.read(parts["2024-05"]).replace(b"NT-2024", b"NT-2023"), "text/csv")
    patched = bring_up(3)
    assert {key for key in before if isinstance(key, tuple) and before[key] == patched[key]} == set()
    forget()
    assert bring_up(4) == patched
    csv = folder / store.location(model.value("select sha256 from gkopen.file where dataset_id is not null and"
                                              " form = 'csv'"))
    csv.write_bytes(csv.read_bytes().replace("学校".encode(), "学院".encode()))
    parts["2024-05"] = blobs.put(blobs.read(parts["2024-05"]).replace(b"NT-2023", b"NT-2022"), "text/csv")
    made = bring_up(5)
    assert "学校".encode() in made[address(cast).removeprefix("/open/"), IDENTITY]
    forget()
    assert bring_up(6) == made
