"""The city's own licence, from its settings to the API, the form and the catalogue."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from ckan import model
from ckan.plugins import toolkit
from ckan.tests.helpers import CKANTestApp

from ckanext.gkopen.metadata import licences
from ckanext.gkopen.publish.standards import bring_up
from tests.metadata.test_form import token
from tests.people import call, make_cast
from tests.thread.test_thread import FIRST, approve, drain, submit, upload

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


def licence_of_the_whole(app: CKANTestApp) -> str:
    with zipfile.ZipFile(io.BytesIO(app.get("/open/procurement.zip").get_data())) as package:
        [name] = [name for name in package.namelist() if name.endswith("LICENSE.txt")]
        return package.read(name).decode()


def test_a_table_over_all_bodies_has_the_licence_of_its_datasets_or_none(site: Any, app: CKANTestApp) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    other = call("gkopen_submission_create", cast.admin, domain="procurement", organization=cast.other,
                 upload=upload(FIRST[0].replace("001", "901")))
    call("gkopen_submission_create", cast.admin, domain="procurement", organization=cast.other,
         metadata={"license_id": "cc0-1.0"})
    drain()
    assert call("package_show", "", id="all-procurement")["license_id"] == "cc-by-4.0"
    assert "creativecommons.org/licenses/by/4.0" in licence_of_the_whole(app)
    assert other["state"] == "held"
    [held] = call("gkopen_revision_list", cast.office, state="held")["results"]
    call("gkopen_revision_approve", cast.office, id=held["id"], digest=held["digest"])
    model.Session.execute(sa.text("update gkopen.outbox set not_before = now()"))
    model.Session.commit()
    drain()
    assert not call("package_show", "", id="all-procurement").get("license_id"), "one says CC BY, the other CC0"
    assert "以各数据集标明的许可为准" in licence_of_the_whole(app)
    assert bring_up.licence_of("procurement") == {}


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
    whole = call("package_show", "", id="all-procurement")
    assert (whole["license_id"], whole["license_title"]) == (licences.CITY, TITLE), "that of its only dataset"
    assert TITLE in licence_of_the_whole(app) and ADDRESS in licence_of_the_whole(app)
    with pytest.raises(toolkit.ValidationError) as refused:
        call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
             metadata={"license_id": "all-rights-reserved"})
    assert set(refused.value.error_dict) == {"license_id"}
