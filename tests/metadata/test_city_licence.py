"""The city's own licence, from its settings to the API, the form and the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ckan import model
from ckan.plugins import toolkit
from ckan.tests.helpers import CKANTestApp

from ckanext.gkopen.metadata import licences
from tests.metadata.test_form import token
from tests.people import call, make_cast
from tests.thread.test_thread import FIRST, approve, drain, submit

ADDRESS = "https://data.example.gov.cn/licence"
TITLE = "南通市公共数据开放许可"


@pytest.fixture
def with_licence(site: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The register as a process reads it that was started with the settings."""
    for name, value in (("ckanext.gkopen.city_license_title", TITLE), ("ckanext.gkopen.city_license_url", ADDRESS),
                        ("licenses_group_url", ""), ("ckan.storage_path", str(tmp_path))):
        monkeypatch.setitem(toolkit.config, name, value)
    licences.configure(toolkit.config)
    known = model.Package.get_license_register()
    del model.Package._license_register
    yield
    model.Package._license_register = known


def test_it_is_offered_nowhere_without_an_address(site: Any) -> None:
    assert toolkit.config["licenses_group_url"].startswith("file:///")
    assert {licence["id"] for licence in call("license_list", "")} == {"cc-by-4.0", "cc0-1.0"}


def test_a_list_of_the_sites_own_stays(tmp_path: Path) -> None:
    config = {"ckan.storage_path": str(tmp_path), "licenses_group_url": "https://example.gov.cn/licences.json"}
    licences.configure(config)
    assert config["licenses_group_url"] == "https://example.gov.cn/licences.json"
    assert not list(tmp_path.iterdir())


def sign_in(app: CKANTestApp, name: str) -> CKANTestApp:
    app.post("/user/login", follow_redirects=False, data={
        "login": name, "password": "correct-horse-9", **token(app.get("/user/login"))})
    return app


def test_it_is_offered_chosen_and_in_the_catalogue(with_licence: None, app: CKANTestApp) -> None:
    licences_by_id = {licence["id"]: licence for licence in call("license_list", "")}
    assert (licences_by_id[licences.CITY]["title"], licences_by_id[licences.CITY]["url"]) == (TITLE, ADDRESS)
    cast = make_cast()
    submit(cast, *FIRST)
    name = f"{cast.body}-procurement"
    form = sign_in(app, cast.officer).get(f"/office/metadata/{name}")
    assert TITLE in form.text and f'value="{licences.CITY}"' in form.text
    chosen = call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
                  metadata={"license_id": licences.CITY})
    approve(cast, chosen["revision_id"])
    drain()
    package = call("package_show", "", id=name)
    assert (package["license_id"], package["license_title"]) == (licences.CITY, TITLE)
    assert ADDRESS in app.get(f"/dataset/{name}.ttl").text
    with pytest.raises(toolkit.ValidationError) as refused:
        call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
             metadata={"license_id": "all-rights-reserved"})
    assert set(refused.value.error_dict) == {"license_id"}
