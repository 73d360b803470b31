"""What lies below /open/ocds/, /open/oc4ids/ and /open/fiscal/: made by the worker's exit, served, withdrawn."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit
from ckan.tests.helpers import CKANTestApp
from werkzeug.datastructures import FileStorage

from ckanext.gkopen import model
from ckanext.gkopen.publish.standards.bring_up import bring_up, head, process_address
from ckanext.gkopen.publish.standards.prefix import accepted
from tests.people import Cast, call, make_cast
from tests.standards.samples import generated_file
from tests.thread.test_thread import FIRST, approve, drain, submit

DOMAINS = ("procurement", "project", "project_event", "budget")


def publish(cast: Cast, domain: str, data: bytes) -> None:
    made = call("gkopen_submission_create", cast.officer, domain=domain, organization=cast.body,
                upload=FileStorage(io.BytesIO(data), filename=f"{domain}.csv"))
    approve(cast, made["revision_id"])


def fill(folder: Path) -> Cast:
    made = make_cast()
    for domain in DOMAINS:
        publish(made, domain, generated_file(domain, {"procurement": 39, "project": 20}.get(domain, 36),
                                             folder).read_bytes())
    drain()
    return made


@pytest.fixture(scope="module")
def filled(servers: Any, fresh_site: Any, tmp_path_factory: pytest.TempPathFactory) -> Cast:
    """One site for all tests that only read."""
    fresh_site.reset()
    return fill(tmp_path_factory.mktemp("generated"))


@pytest.fixture
def cast(site: Any, tmp_path: Path) -> Cast:
    return fill(tmp_path)


@pytest.fixture
def browser(web: object) -> CKANTestApp:
    return CKANTestApp(web)


def exact(browser: CKANTestApp, address: str) -> dict[str, Any]:
    answer = browser.get(address)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.data, parse_float=Decimal)


def test_packages_whole_and_by_year_and_one_by_its_id(filled: Cast, browser: CKANTestApp) -> None:
    records = exact(browser, "/open/ocds/records.json")["records"]
    releases = exact(browser, "/open/ocds/releases.json")["releases"]
    assert len(records) == 3 and len(releases) == 39
    assert [release for record in records for release in record["releases"]] == releases
    assert releases == exact(browser, "/open/ocds/releases-2022.json")["releases"]
    for record in records:
        one = exact(browser, f"/open/ocds/{record['ocid']}.json")
        assert one["records"] == [record]
        assert one["uri"].endswith(f"/open/ocds/{record['ocid']}.json")
    projects = exact(browser, "/open/oc4ids/projects.json")["projects"]
    assert len(projects) == 20
    assert sum(len(exact(browser, f"/open/oc4ids/projects-{year}.json")["projects"])
               for year in range(2018, 2026)) == 20
    for project in projects:
        assert exact(browser, f"/open/oc4ids/{project['id']}.json")["projects"] == [project]


def test_addresses_of_numbers_in_chinese_are_uris(filled: Cast) -> None:
    number = "采购计划备-[2026]-03296号 1"
    said = head(f"ocds/x-{number}.json", "1.1", "procurement")["uri"]
    assert said == process_address(f"x-{number}")
    assert re.fullmatch(r"[\w/:.%-]+", said, re.ASCII) and unquote(said).endswith(f"/open/ocds/x-{number}.json")


def test_amounts_are_digit_equal_in_ocds_oc4ids_and_the_fiscal_package(filled: Cast, browser: CKANTestApp) -> None:
    rows = list(csv.DictReader(io.StringIO(browser.get("/open/procurement.csv").data.decode())))
    text = browser.get("/open/ocds/releases.json").data.decode()
    assert all(f'"amount":{row["budget_amount"]},' in text for row in rows)
    releases = {release["id"]: release for release in json.loads(text, parse_float=str)["releases"]}
    for row in rows:
        release = releases[f"{row['release_id']}-{row['notice_type']}"]
        assert release["planning"]["budget"]["amount"]["amount"] == row["budget_amount"]
        for part, field in (("awards", "award_amount"), ("contracts", "contract_amount")):
            values = [entry["value"]["amount"] for entry in release.get(part, []) if "value" in entry]
            assert set(values) <= {row[field]}
    amounts = sorted(row["total_investment"] for row in csv.DictReader(
        io.StringIO(browser.get("/open/project.csv").data.decode())))
    projects = json.loads(browser.get("/open/oc4ids/projects.json").data, parse_float=str)["projects"]
    assert sorted(project["budget"]["amount"]["amount"] for project in projects) == amounts
    budget = list(csv.DictReader(io.StringIO(browser.get("/open/budget.csv").data.decode())))
    published = list(csv.DictReader(io.StringIO(browser.get("/open/fiscal/budget.csv").data.decode())))
    assert sorted(row["amount"] for row in published) == sorted(row["amount"] for row in budget)


def test_files_are_served_like_every_published_file(filled: Cast, browser: CKANTestApp) -> None:
    for standard in ("ocds", "oc4ids", "fiscal"):
        listed = browser.get(f"/open/{standard}/index.json").get_json()["packages"]
        assert {package["updated"][-6:] for package in listed} == {"+08:00"}
        assert listed
        page = browser.get(f"/open/{standard}/")
        for package in listed:
            answer = browser.get(package["url"])
            assert hashlib.sha256(answer.data).hexdigest() == package["sha256"]
            assert answer.headers["ETag"] == f'"{package["sha256"]}"'
            assert answer.headers["Cache-Control"] == "public, max-age=60, must-revalidate"
            assert browser.get(package["url"], headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
            assert package["name"] in page.text
    squeezed = browser.get("/open/ocds/records.json", headers={"Accept-Encoding": "gzip"})
    assert squeezed.headers["Content-Encoding"] == "gzip"
    assert not {"ocds", "oc4ids"} & {one["name"] for one in browser.get("/open/index.json").get_json()["tables"]}


def test_made_again_they_are_the_same_bytes(filled: Cast) -> None:
    rows = "select address, sha256, updated_at from gkopen.file where form in ('ocds.json', 'oc4ids.json') order by 1"
    before = model.every(rows)
    for domain in DOMAINS:
        bring_up(domain)
    ckan_model.Session.commit()
    assert model.every(rows) == before


def test_unknown_ids_say_what_there_is(filled: Cast, browser: CKANTestApp) -> None:
    for path, hint in (("/open/ocds/ocds-jhdemo-NOBODY.json", "records.json"), ("/open/ocds/x", "ocds-jhdemo-"),
                       ("/open/oc4ids/oc4ids-jhdemo-1.json", "projects.json"),
                       ("/open/ocds/ocds-213czf-000-00001.json", "ocds-jhdemo-"),
                       ("/open/fiscal/nothing.csv", "budget.csv")):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert hint in answer.text


def test_what_is_withdrawn_is_gone_from_every_address(cast: Cast, browser: CKANTestApp) -> None:
    before = {row["address"] for row in model.every(
        "select address from gkopen.file where form in ('ocds.json', 'oc4ids.json')")}
    ocid = exact(browser, "/open/ocds/records.json")["records"][0]["ocid"]
    code = exact(browser, "/open/oc4ids/projects.json")["projects"][0]["id"]
    for domain in DOMAINS:
        call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-{domain.replace('_', '-')}",
             reason="含有错误的金额")
    drain()
    for address in [*before, f"ocds/{ocid}.json", f"oc4ids/{code}.json"]:
        answer = browser.get(f"/open/{address}")
        assert answer.status_code == 410, address
        assert "含有错误的金额" in answer.text, address
    assert browser.get("/open/ocds/index.json").get_json()["packages"] == []


def test_what_was_withdrawn_with_a_part_tells_the_reason_of_that_part(site: Any, browser: CKANTestApp) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    drain()
    for part in ("2024-05", "2024-06"):
        call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", part=part, reason=f"{part}有误")
        drain()
    for number, part in (("NTCG-2024-001", "2024-05"), ("NTCG-2024-003", "2024-06")):
        for address in (f"/open/ocds/ocds-jhdemo-{number}.json", f"/trail/process/{number}.json"):
            answer = browser.get(address)
            assert answer.status_code == 410 and f"撤回。{part}有误" in answer.text, (address, answer.text)
    answer = browser.get("/open/ocds/releases-2024.json")
    assert answer.status_code == 410 and "2024-06有误" in answer.text


def test_a_year_that_went_with_a_part_tells_why(site: Any, browser: CKANTestApp) -> None:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST, *(row.replace("2024", "2023") for row in FIRST[2:]))["revision_id"])
    drain()
    call("gkopen_dataset_withdraw", cast.reviewer, id=f"{cast.body}-procurement", part="2023-06", reason="金额有误")
    drain()
    for address in ("ocds/releases-2023.json", "ocds/records-2023.json", "ocds/ocds-jhdemo-NTCG-2023-003.json"):
        answer = browser.get(f"/open/{address}")
        assert answer.status_code == 410 and "撤回。金额有误" in answer.text, (address, answer.text)
    assert browser.get("/open/ocds/releases-2024.json").status_code == 200


def test_a_year_whose_rows_were_taken_out_does_not_tell_why_another_years_went(site: Any, browser: CKANTestApp) -> None:
    cast = make_cast()
    for rows in (FIRST[:2], [*FIRST, *(row.replace("2024", "2023") for row in FIRST[2:])]):
        approve(cast, submit(cast, *rows)["revision_id"])
    drain()
    dataset = f"{cast.body}-procurement"
    call("gkopen_dataset_withdraw", cast.reviewer, id=dataset, part="2024-06", reason="金额有误")
    drain()
    back = call("gkopen_dataset_rollback", cast.officer, id=dataset, seq=1, reason="这一年另行发布")["revision"]
    approve(cast, back)
    bring_up("procurement")
    ckan_model.Session.commit()
    answer = browser.get("/open/ocds/releases-2023.json")
    assert answer.status_code == 410 and "金额有误" not in answer.text


def test_what_was_taken_out_is_not_told_as_withdrawn(site: Any, browser: CKANTestApp) -> None:
    cast = make_cast()
    for rows in (FIRST, FIRST[1:]):
        approve(cast, submit(cast, *rows)["revision_id"])
        drain()
    for address in ("/open/ocds/ocds-jhdemo-NTCG-2024-001.json", "/trail/process/NTCG-2024-001.json"):
        answer = browser.get(address)
        assert answer.status_code == 410
        assert "不再公开" in answer.text and "撤回" not in answer.text, address


def test_without_a_prefix_of_its_own_no_ocds_is_published(cast: Cast, browser: CKANTestApp,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    assert [accepted("ocds", text) for text in ("", None, "ocds-213czf", "ocds-213czf-")] == [None] * 4
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.prefix.ocds", "ocds-213czf")
    bring_up("procurement")
    ckan_model.Session.commit()
    assert not model.every("select 1 from gkopen.file where form = 'ocds.json' and sha256 is not null")
    for path in ("/open/ocds/", "/open/ocds/index.json", "/open/ocds/records.json"):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert "ckanext.gkopen.prefix.ocds" in answer.text
