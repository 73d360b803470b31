"""What a visitor reads may be kept by caches, is asked for again cheaply, and is void with the next publication."""

from __future__ import annotations

from typing import Any

import pytest

from ckanext.gkopen.demo import act
from tests.people import call, make_cast
from tests.thread.test_thread import FIRST, approve, dataset_id, drain, submit

LIST = "/dataset/"
ROWS = "/api/3/action/datastore_search?resource_id=procurement"


@pytest.fixture
def published(site: Any) -> Any:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    drain()
    return cast


def asked(app: Any, address: str, tag: str, **headers: str) -> Any:
    return app.get(address, headers={"If-None-Match": tag, **headers})


@pytest.mark.parametrize("address", [LIST, ROWS, "/", "/catalog.ttl", "/oversight"])
def test_a_visitors_answer_may_be_kept_and_is_not_sent_twice(published: Any, app: Any, address: str) -> None:
    first = app.get(address)
    assert first.status_code == 200
    assert first.headers["Cache-Control"] == "public, max-age=60, must-revalidate"
    assert "Set-Cookie" not in first.headers
    again = asked(app, address, first.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]


def test_every_publication_makes_the_tag_void(published: Any, app: Any) -> None:
    tags = [app.get(LIST).headers["ETag"]]
    raised = FIRST[2].replace(",300,", ",301,")
    revision = submit(published, *FIRST[:2], raised)["revision_id"]
    assert asked(app, LIST, tags[0]).status_code == 304          # held: nothing public changed
    approve(published, revision)
    drain()
    assert asked(app, LIST, tags[0]).status_code == 200
    assert asked(app, ROWS, tags[0]).json["result"]["total"] == 3
    tags.append(app.get(LIST).headers["ETag"])
    call("gkopen_dataset_withdraw", published.reviewer, id=dataset_id(published), reason="误发")
    drain()
    after = asked(app, ROWS, tags[1])
    assert after.status_code != 304


def test_a_persons_answer_belongs_to_that_person(published: Any, app: Any) -> None:
    tag = app.get(LIST).headers["ETag"]
    token = act("api_token_create", user=published.officer, name="t")["token"]
    for headers in ({"Authorization": token}, {"Cookie": "ckan=1"}):
        answer = asked(app, LIST, tag, **headers)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "private"
        assert "ETag" not in answer.headers


def test_forms_and_errors_are_not_kept(published: Any, app: Any) -> None:
    for address in ("/user/login", "/dataset/no-such-thing", "/api/3/action/gkopen_revision_list", "/readyz"):
        headers = app.get(address).headers
        assert "max-age=60" not in headers.get("Cache-Control", ""), address
        assert "X-Accel-Expires" not in headers


def test_one_address_in_two_forms_has_two_tags(published: Any, app: Any) -> None:
    page = f"/dataset/{published.body}-procurement"
    tag = app.get(page, headers={"Accept": "text/html"}).headers["ETag"]
    assert asked(app, page, tag, Accept="text/turtle").status_code == 200
    assert asked(app, page, tag, Accept="text/html").status_code == 304
