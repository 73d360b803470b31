"""What no page can answer is refused in time, and guessing passwords is stopped."""

from __future__ import annotations

from typing import Any

import pytest
from ckan.plugins import toolkit

from ckanext.gkopen import lockout
from tests.people import call, make_cast


@pytest.mark.parametrize("address", [
    "/dataset/?q=%00", "/domain/parking?q=%00", "/dataset/a%00b", "/organization/a%00b",
    "/datastore/dump/procurement?q=%00", "/datastore/dump/a%00b"])
def test_a_nul_character_is_a_bad_request(app: Any, address: str) -> None:
    assert app.get(address, status=400).mimetype == "text/plain"


def test_a_nul_character_in_json_is_a_bad_request(app: Any) -> None:
    app.post("/api/3/action/datastore_search", json={"resource_id": "x", "q": "\x00"}, status=400)


def test_a_form_of_the_catalogue_that_there_is_not(app: Any) -> None:
    assert "jsonld" in app.get("/catalog.json", status=404).body


def test_an_account_rests_after_wrong_passwords(app: Any) -> None:
    cast = make_cast()

    def log_in(name: str, password: str) -> int:
        page = app.get("/user/login")
        token = page.body.split('name="_csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
        return app.post("/user/login", data={"login": name, "password": password, "_csrf_token": token},
                        follow_redirects=False).status_code

    assert [log_in(cast.officer, "wrong") for _ in range(lockout.WRONG)] == [200] * lockout.WRONG
    assert log_in(cast.officer, "correct-horse-9") == 429
    assert log_in(cast.reviewer, "correct-horse-9") == 302


@pytest.mark.parametrize("part", ["2026-13", "<b>not a month</b>", "", "2026-5"])
def test_a_nil_report_names_a_real_part(site: Any, part: str) -> None:
    cast = make_cast()
    with pytest.raises(toolkit.ValidationError):
        call("gkopen_nil_report", cast.officer, domain="procurement", organization=cast.body, part=part)


def test_a_nil_report_is_recorded_once(site: Any) -> None:
    cast = make_cast()
    data = {"domain": "procurement", "organization": cast.body, "part": "2026-05"}
    first = call("gkopen_nil_report", cast.officer, **data)
    assert call("gkopen_nil_report", cast.officer, **data) == first
    assert call("gkopen_nil_report", cast.officer, domain="budget", organization=cast.body, part="2026-budget")
