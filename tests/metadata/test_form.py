"""The officer's form for a dataset's metadata: what it shows, what it holds, what it refuses and to whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ckan.tests.helpers import CKANTestApp
from lxml import html

from ckanext.gkopen.metadata.package import APPROVED
from ckanext.gkopen.views.metadata import FIELDS
from tests.people import Cast, call, make_cast
from tests.thread.test_thread import FIRST, approve, drain, submit

DATASET = "nantong-czj-procurement"
ADDRESS = f"/zh_Hans_CN/office/metadata/{DATASET}"


@pytest.fixture
def cast(app: CKANTestApp) -> Cast:
    return make_cast()


@pytest.fixture
def sign_in(app: CKANTestApp) -> Callable[[str], CKANTestApp]:
    """Through the form, as a person does."""
    def enter(name: str) -> CKANTestApp:
        answer = app.post("/user/login", follow_redirects=False, data={
            "login": name, "password": "correct-horse-9", **token(app.get("/user/login"))})
        assert answer.status_code == 302
        return app

    return enter


def token(page: Any) -> dict[str, str]:
    """The page's CSRF token, as a form sends it."""
    field = html.fromstring(page.text).xpath("//main//input[@name='_csrf_token']")[0]
    return {field.name: field.value}


def filled(page: Any) -> dict[str, Any]:
    """What a browser would send from the form as it stands."""
    form = html.fromstring(page.text).xpath("//form[contains(@action, '/office/metadata/')]")[0]
    values: dict[str, Any] = {}
    for name, value in form.form_values():
        values.setdefault(name, []).append(value)
    return values


def metadata_of(cast: Cast, page: Any) -> dict[str, Any]:
    revision = page.request.path.rsplit("/", 1)[-1]
    return call("gkopen_revision_show", cast.officer, id=revision)["metadata_change"]


def test_an_officer_changes_what_waits(cast: Cast, sign_in: Callable[[str], CKANTestApp]) -> None:
    first = submit(cast, *FIRST)["revision_id"]
    app = sign_in(cast.officer)
    form = filled(app.get(ADDRESS))
    assert form["title"] == ["南通市财政局政府采购"]
    form |= {"title": "南通市财政局政府采购公告", "contact_name": "政府采购监督管理科",
             "stage": ["result", "execution"], "related_codes": "307010004/000018\r\n\r\n307010004/000019\r\n"}
    page = app.post(ADDRESS, data=form)
    assert "南通市财政局政府采购公告" in page.text
    after = metadata_of(cast, page)["after"]
    assert (after["title"], after["contact_name"]) == ("南通市财政局政府采购公告", "政府采购监督管理科")
    assert sorted(after["stage"]) == ["execution", "result"]
    assert after["related_codes"] == ["307010004/000018", "307010004/000019"]
    assert call("gkopen_revision_show", cast.officer, id=first)["state"] == "superseded"
    assert filled(app.get(ADDRESS))["contact_name"] == ["政府采购监督管理科"]


def test_an_old_form_does_not_put_old_values_back(cast: Cast, sign_in: Callable[[str], CKANTestApp]) -> None:
    submit(cast, *FIRST)
    app = sign_in(cast.officer)
    old = filled(app.get(ADDRESS))
    colleague = app.post(ADDRESS, data=filled(app.get(ADDRESS)) | {"contact_name": "政府采购监督管理科"})
    held = metadata_of(cast, colleague)["after"]
    told = app.post(ADDRESS, data=old | {"title": "南通市财政局政府采购公告"})
    assert "您打开此表单之后" in told.text
    assert call("gkopen_revision_list", cast.officer, state="held")["results"][0]["id"] in colleague.request.path
    assert held["contact_name"] == "政府采购监督管理科"
    again = app.post(ADDRESS, data=filled(told) | {"contact_name": "政府采购监督管理科"})
    after = metadata_of(cast, again)["after"]
    assert (after["title"], after["contact_name"]) == ("南通市财政局政府采购公告", "政府采购监督管理科")


def test_only_what_was_edited_differs_from_what_is_public(cast: Cast, sign_in: Callable[[str], CKANTestApp]) -> None:
    approve(cast, submit(cast, *FIRST)["revision_id"])
    drain()
    app = sign_in(cast.officer)
    page = app.post(ADDRESS, data=filled(app.get(ADDRESS)) | {"contact_phone": "0513-85218000"})
    change = metadata_of(cast, page)
    before, after = change["before"], change["after"]
    assert {name for name in before | after if before.get(name) != after.get(name)} == {"contact_phone"}
    assert "contact_phone" not in call("package_show", "", id=DATASET)


def test_a_form_sent_as_it_was_shown_holds_nothing(cast: Cast, sign_in: Callable[[str], CKANTestApp]) -> None:
    first = submit(cast, *FIRST)["revision_id"]
    app = sign_in(cast.officer)
    assert "没有变化" in app.post(ADDRESS, data=filled(app.get(ADDRESS))).text
    assert call("gkopen_revision_show", cast.officer, id=first)["state"] == "held"


def test_a_missing_ground_is_named_beside_the_field(cast: Cast, sign_in: Callable[[str], CKANTestApp]) -> None:
    first = submit(cast, *FIRST)["revision_id"]
    app = sign_in(cast.officer)
    change = {"disclosure_attribute": "partial", "exemption_note": "报价"}
    page = app.post(ADDRESS, data=filled(app.get(ADDRESS)) | change)
    beside = html.fromstring(page.text).xpath("//select[@name='exemption_ground']/../*[@class='error-block']/text()")
    assert beside and "《政府信息公开条例》" in beside[0]
    assert filled(page)["exemption_note"] == ["报价"]
    assert call("gkopen_revision_show", cast.officer, id=first)["state"] == "held"


@pytest.mark.parametrize(("field", "value"), [
    ("responsible_uscc", "91110000600037341M"), ("contact_email", "nobody"), ("formed_on", "yesterday"),
    ("time_limit_value", "soon"), ("license_id", "mine"), ("tier", "planet"), ("stage", ["gossip"]), ("title", ""),
])
def test_a_wrong_value_is_told_beside_its_field(cast: Cast, sign_in: Callable[[str], CKANTestApp], field: str,
                                                value: Any) -> None:
    submit(cast, *FIRST)
    app = sign_in(cast.officer)
    page = app.post(ADDRESS, data=filled(app.get(ADDRESS)) | {field: value})
    named = html.fromstring(page.text).xpath("//*[@role='alert']//a/@href")
    assert named == [f"#field-{field}"]
    assert len(call("gkopen_revision_list", cast.officer)["results"]) == 1


def test_unknown_openness_stays_open_and_is_never_chosen_by_the_browser(
        cast: Cast, sign_in: Callable[[str], CKANTestApp]) -> None:
    submit(cast, *FIRST)
    call("gkopen_submission_create", cast.officer, domain="procurement", organization=cast.body,
         metadata={"open_type": ""})
    app = sign_in(cast.officer)
    page = app.get(ADDRESS)
    assert filled(page)["open_type"] == [""]
    assert html.fromstring(page.text).xpath("//*[@id='open']//a/@href") == ["#field-open_type"]
    held = app.post(ADDRESS, data=filled(page) | {"matter": "采购信息"})
    assert "open_type" not in metadata_of(cast, held)["after"]


@pytest.mark.parametrize("who", ["stranger", "office"])
def test_only_officers_of_the_body_edit(cast: Cast, sign_in: Callable[[str], CKANTestApp], who: str) -> None:
    approve(cast, submit(cast, *FIRST)["revision_id"])
    app = sign_in(getattr(cast, who))
    assert app.get(ADDRESS).status_code == 403
    data = {"title": "别的", **token(app.get("/office/"))}
    assert app.post(ADDRESS, data=data).status_code == 403
    assert len(call("gkopen_revision_list", cast.officer)["results"]) == 1


def test_nobody_is_asked_to_log_in_and_an_unknown_dataset_is_said(
        app: CKANTestApp, cast: Cast, sign_in: Callable[[str], CKANTestApp]) -> None:
    assert "/user/login" in app.get(ADDRESS, follow_redirects=False).location
    assert sign_in(cast.admin).get(ADDRESS).status_code == 404


@pytest.mark.parametrize(("who", "addresses"), [
    ("officer", {"/office/", "/review/{revision}"}), ("office", set()),
])
def test_the_desk_and_the_held_revision_lead_officers_to_the_form(
        cast: Cast, sign_in: Callable[[str], CKANTestApp], who: str, addresses: set[str]) -> None:
    revision = submit(cast, *FIRST)["revision_id"]
    app = sign_in(getattr(cast, who))
    linked = {address for address in ("/office/", "/review/{revision}") if html.fromstring(
        app.get(address.format(revision=revision)).text).xpath(f"//a[contains(@href, '/office/metadata/{DATASET}')]")}
    assert linked == addresses


def test_the_form_has_every_field_that_is_approved() -> None:
    assert set(FIELDS) == set(APPROVED) - {"domain"}
    assert len(FIELDS) == len(set(FIELDS))
