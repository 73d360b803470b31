"""Generated, demo and real rows of every kind: the standards' own checkers find nothing, and agree on merging."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import ocdsmerge
import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish.standards import fiscal, oc4ids, ocds, ocds_records
from ckanext.gkopen.publish.standards.bring_up import projects_by_key
from ckanext.gkopen.publish.standards.exact import Object, dumps
from ckanext.gkopen.publish.standards.notices import Kinds
from tests.standards import checkers
from tests.standards.samples import AT, SHARED, everything, gather, needs_checker

HEAD = {"uri": "https://data.example.gov.cn/open/x.json", "publishedDate": AT, "publisher": {"name": "江海市"}}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    kinds = Kinds(get_domain("procurement"))
    with gather("procurement", *everything("procurement", tmp_path_factory.mktemp("rows"), 390)) as rows:
        made = [ocds.releases(kinds, ocds.ocid("ocds-jhdemo", number), own) for number, own in rows.by("project_no")]
    return [ocds_records.record(releases) for releases in made if releases]


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """With the contracting process of every third project, as if its number began with the project's code."""
    folder, kinds = tmp_path_factory.mktemp("rows"), Kinds(get_domain("procurement"))
    with gather("project", *everything("project", folder, 60)) as rows, \
            gather("project_event", *everything("project_event", folder, 540)) as events, \
            gather("procurement", *everything("procurement", folder, 390)) as notices:
        said = projects_by_key(rows.rows())
        told = dict(events.by("project_code"))
        numbered = [ocds.releases(kinds, ocds.ocid("ocds-jhdemo", number), own)
                    for number, own in notices.by("project_no")]
        made = []
        for at, key in enumerate(sorted({*said, *told})):
            releases = numbered[at % len(numbered)]
            linked = [("https://data.example.gov.cn/open/ocds/1.json", releases, ocds_records.compiled(releases))]
            made.append(oc4ids.project(get_domain("project"), oc4ids.identifier("oc4ids-jhdemo", key),
                                       said.get(key, []), told.get(key, []), linked if at % 3 == 0 else ()))
    return made


def plain(data: Any) -> Any:
    """As a reader gets it."""
    return json.loads(dumps(data))


def test_releases_and_records_conform(records: list[Object], monkeypatch: pytest.MonkeyPatch) -> None:
    releases = [release for record in records for release in record["releases"]]
    assert {tag for release in releases for tag in release["tag"]} == {
        "planning", "tender", "tenderAmendment", "tenderCancellation", "tenderUpdate", "award", "awardUpdate",
        "contract", "implementation"}
    ids = Counter((release["ocid"], release["id"]) for release in releases)
    assert ids.most_common(1)[0][1] == 1
    package = plain({**HEAD, "version": ocds.VERSION, "releases": releases})
    assert checkers.ocds(package, monkeypatch) == []
    package = plain({**HEAD, "version": ocds.VERSION, "records": records})
    assert checkers.ocds(package, monkeypatch) == []
    package = plain({**HEAD, "version": ocds.VERSION, "releases": [record["compiledRelease"] for record in records]})
    assert checkers.ocds(package, monkeypatch) == []


def test_the_checker_finds_what_is_wrong(records: list[Object], monkeypatch: pytest.MonkeyPatch) -> None:
    release = plain(records[0]["releases"][0])
    for wrong in ({"tag": ["tendered"]}, {"tag": "tender"}, {"date": "2024-05-13 09:30"}, {"x_price": 1}):
        package = {**HEAD, "version": ocds.VERSION, "releases": [{**release, **wrong}]}
        assert checkers.ocds(package, monkeypatch) != []
    assert checkers.oc4ids({**HEAD, "version": oc4ids.VERSION, "projects": [{"id": "x", "status": "built"}]}) != []


def test_every_reference_leads_somewhere(records: list[Object]) -> None:
    """What no schema asks: parties, awards and amendments that are referred to are there."""
    for record in records:
        compiled = record["compiledRelease"]
        parties = {party["id"]: party["roles"] for party in compiled.get("parties", [])}
        referred = [(compiled.get("buyer"), "buyer"), (compiled["tender"].get("procuringEntity"), "procuringEntity")]
        referred += [(bidder, "tenderer") for bidder in compiled["tender"].get("tenderers", [])]
        referred += [(supplier, "supplier") for award in compiled.get("awards", [])
                     for supplier in award.get("suppliers", [])]
        assert all(role in parties[party["id"]] for party, role in referred if party)
        awards = {award["id"] for award in compiled.get("awards", [])}
        assert {contract["awardID"] for contract in compiled.get("contracts", [])} <= awards
        ids = [release["id"] for release in record["releases"]]
        for amendment in compiled["tender"].get("amendments", []):
            assert amendment["releaseID"] in ids and amendment.get("amendsReleaseID", ids[0]) in ids


def test_merging_agrees_with_the_official_library(records: list[Object]) -> None:
    merger = ocdsmerge.Merger(checkers.of_ocds("release-schema.json"))
    for record in records:
        assert merger.create_compiled_release(copy.deepcopy(record["releases"])) == record["compiledRelease"]


def test_projects_conform(projects: list[Object]) -> None:
    assert checkers.oc4ids(plain({**HEAD, "version": oc4ids.VERSION, "projects": projects})) == []
    held = Counter(name for project in projects for name in project)
    for name in ("milestones", "documents", "completion", "contractingProcesses", "budget", "parties", "status"):
        assert held[name], name
    summaries = [process["summary"] for project in projects for process in project.get("contractingProcesses", [])]
    assert any("modifications" in summary for summary in summaries)
    assert any("suppliers" in summary for summary in summaries)
    for project in projects:
        parties = {party["id"] for party in project.get("parties", [])}
        assert project.get("publicAuthority", {}).get("id") in {*parties, None}


def test_the_fiscal_data_package_conforms(tmp_path: Path) -> None:
    domain = get_domain("budget")
    source = tmp_path / "source"
    source.mkdir()
    table = fiscal.Table(domain, tmp_path / "budget.csv")
    with gather("budget", *everything("budget", source, 720)) as rows:
        for _, own in rows.by("fiscal_year"):
            table.add(own)
    made = table.close()
    assert made.file.at_path() == tmp_path / "budget.csv"     # a small one was in memory
    about = {"title": "财政预决算", "licenses": [{"name": "CC-BY-4.0"}], "created": AT}
    described = fiscal.descriptor(domain, "budget.csv", made, about)
    (tmp_path / "datapackage.json").write_text(dumps(described), "utf-8")
    assert made.rows > 720
    assert checkers.data_package(tmp_path / "datapackage.json") == []
    types = {field["name"]: field.get("columnType") for field in described["resources"][0]["schema"]["fields"]}
    assert (types["amount"], types["fiscal_year"], types["direction"]) == ("value", "date:fiscal-year", "direction")
    text = (tmp_path / "budget.csv").read_text("utf-8")
    (tmp_path / "budget.csv").write_text(text + text.splitlines()[1] + "x\n", "utf-8")
    assert checkers.data_package(tmp_path / "datapackage.json") != []


@needs_checker
def test_the_programs_of_the_checkers_say_the_same(records: list[Object], projects: list[Object],
                                                   tmp_path: Path) -> None:
    releases = [release for record in records for release in record["releases"]]
    packages = {"ocds": {**HEAD, "version": ocds.VERSION, "releases": releases},
                "oc4ids": {**HEAD, "version": oc4ids.VERSION, "projects": projects}}
    for kind, package in packages.items():
        path = tmp_path / f"{kind}.json"
        path.write_text(dumps(package), "utf-8")
        done = subprocess.run([sys.executable, SHARED / "tools/conformance.py", kind, path], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stdout
