"""Addresses below /open/: what is published, in every form, as HTTP wants it; what is withdrawn says so."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.lib import files as storages
from ckan.tests.helpers import CKANTestApp

from ckanext.gkopen import blobs, ids, model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish import files, store
from ckanext.gkopen.publish.forms.streams import SUFFIX
from ckanext.gkopen.views import open as open_view
from tests.people import Cast, call, make_cast
from tests.publish.sample import address
from tests.races import crew
from tests.thread.test_thread import FIRST, approve, dataset_id, drain, submit

PROCUREMENT = get_domain("procurement")


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


def test_unknown_addresses_say_what_there_is(cast: Cast, browser: CKANTestApp) -> None:
    for path, hint in (("/open/nothing.csv", "procurement"), ("/open/procurement.pdf", "excel.csv"),
                       ("/open/procurement/nobody.csv", "/open/"), ("/open/nothing/nobody.csv", "procurement")):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert hint in answer.get_data(as_text=True)


def test_withdrawn_files_answer_410_and_their_bytes_are_gone(cast: Cast, browser: CKANTestApp) -> None:
    before = model.every("select sha256 from gkopen.file where dataset_id is not null")
    model.execute("update gkopen.dataset set reason = '含有错误的金额' where id = :d", d=dataset_id(cast))
    assert files.bring_up_datasets(PROCUREMENT, [files.Wanted(dataset_id(cast), 2, {})], blobs.read) == []
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
        assert file["updated"].endswith("+08:00"), "told in the city's time, whatever zone the database has"
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
