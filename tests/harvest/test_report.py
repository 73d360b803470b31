"""Every row of a run is published or can be downloaded, whatever became of its tables."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ckan import model as ckan_model
from ckan.cli.cli import ckan

from ckanext.gkopen import demo, model, pipeline, reports
from ckanext.gkopen.harvest import run as harvest_run
from ckanext.gkopen.harvest.report import NUMBERS
from ckanext.gkopen.views.findings import rows_as_csv
from tests.harvest.city import BODY, SOURCE, City, approve, harvest, resumed
from tests.people import call


def rows_of(run_id: str, user: str = "office") -> list[dict[str, Any]]:
    return call("gkopen_run_quarantine", user, id=run_id, limit=1000)["results"]


def test_a_run_that_changes_nothing_still_has_its_bad_rows(town: City) -> None:
    first = harvest()
    approve()
    second = harvest()
    assert second["counts"]["outcomes"][0]["state"] == "unchanged"
    apart = second["counts"]["rows_quarantined"] + second["counts"]["rows_duplicate"]
    assert apart > 0
    for row in (first, second):
        shown = rows_of(str(row["id"]))
        assert len(shown) == apart
        assert all(entry["codes"] for entry in shown if entry["kind"] == "bad")
        found = call("gkopen_finding_list", "office", run=str(row["id"]), limit=1000)["results"]
        assert len(found) == sum(row["counts"]["findings"].values())
    table = list(csv.reader(io.StringIO(rows_as_csv(rows_of(str(second["id"]))))))
    assert len(table) == apart + 1
    third = harvest()
    assert len(rows_of(str(third["id"]))) == apart
    assert rows_of(str(second["id"])) == [], "only the newest unchanged run keeps them: the disk does not fill"
    assert len(rows_of(str(first["id"]))) == apart, "those of a revision stay"


def test_an_unchanged_table_that_is_resumed_reports_the_same(public: City, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[pipeline.Outcome] = []
    submit = pipeline.submit_all

    def twice(submissions: list[pipeline.Submission]) -> list[pipeline.Outcome]:
        seen.extend((*submit(submissions), *submit(submissions)))
        return seen[1:]

    monkeypatch.setattr(harvest_run.pipeline, "submit_all", twice)
    monkeypatch.setattr(harvest_run.again, "unchanged", lambda *_: {})     # else it is not even submitted
    harvest()
    assert seen[0] == seen[1] and seen[0].state == "unchanged" and seen[0].rows_in > 0


def test_rows_that_came_and_were_not_read_are_counted(town: City, cli: Any) -> None:
    lines = town.lines()
    came = len(lines) - 1
    town.write([",".join(f"LIE{n}" for n, _ in enumerate(lines[0].split(","))), *lines[1:]])
    row = harvest()
    counts = row["counts"]
    assert row["state"] == "partly" and counts["outcomes"][0]["state"] == "returned"
    assert (counts["rows_fetched"], counts["rows_in"], counts["rows_unread"]) == (came, 0, came)
    shown = cli.invoke(ckan, ["gkopen", "run", "show", str(row["id"])]).output
    assert f"{came} more rows came and were not read" in shown
    town.write(lines)
    town.fault("wrong_total")
    counts = harvest()["counts"]
    assert counts["rows_unread"] == counts["rows_fetched"] and counts["rows_in"] == 0
    town.fault()
    assert harvest()["counts"]["rows_unread"] == 0


def test_a_nul_sets_its_row_apart_and_the_run_goes_on(town: City) -> None:
    """PostgreSQL has no NUL, neither in texts nor in jsonb."""
    lines = town.lines()
    town.write([lines[0], lines[1].replace(",", "\0,", 1), *lines[2:]])
    row = harvest()
    assert row["error"] is None and row["counts"]["rows_ok"] > 0
    apart = row["counts"]["rows_quarantined"] + row["counts"]["rows_duplicate"]
    assert row["counts"]["rows_ok"] + apart == row["counts"]["rows_fetched"] == len(lines) - 1
    assert len(rows_of(str(row["id"]))) == apart
    model.execute("update gkopen.source set config = config || '{\"organization_column\": \"停车场名称\"}'"
                  " where name = :s", s=SOURCE)
    ckan_model.Session.commit()
    assert harvest()["error"] is None


def test_a_secret_that_is_not_set_is_one_sentence_a_language(town: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GKOPEN_SECRET_DEMO")
    error = harvest()["error"]
    assert error["zh"].startswith("secret_env：环境变量 GKOPEN_SECRET_DEMO 未设置") and " / " not in error["zh"]
    assert error["en"].startswith("secret_env: the environment variable GKOPEN_SECRET_DEMO is not set")
    assert "<source>" not in error["zh"] + error["en"]


def test_rows_of_unknown_bodies_are_quarantined(town: City) -> None:
    model.execute("update gkopen.source set config = config || '{\"organization_column\": \"区\"}'"
                  " where name = 'jianghai-cgj-parking'")
    ckan_model.Session.commit()
    row = harvest()
    counts = row["counts"]
    assert counts["unknown_bodies"]
    rows = sum(counts["unknown_bodies"].values())
    assert counts["rows_in"] == counts["rows_ok"] + counts["rows_quarantined"] + counts["rows_duplicate"] >= rows
    assert counts["findings"][reports.BODY_UNKNOWN] == rows
    shown = [entry for entry in rows_of(str(row["id"])) if entry["codes"] == [reports.BODY_UNKNOWN]]
    assert len(shown) == rows
    assert {entry["row"]["区"] for entry in shown} == set(counts["unknown_bodies"])
    harvest()
    for table in ("quarantine", "finding"):               # of a source that is bad in the same way every day
        assert model.value(f"select count(*) from gkopen.{table} where dataset_id is null") == rows


def test_a_source_speaks_only_for_the_bodies_that_it_names(town: City) -> None:
    """Of the source's own body and of one that is listed the rows are taken; another body's are set apart."""
    lines = town.lines()
    wall = "江海市城墙管理处"
    demo.make_body("jianghai-wall", {"zh": wall, "en": "City Wall Office"})
    assert lines[0].split(",")[2] == "区"
    names = ["江海市城市管理局", "jianghai-czj", wall]
    town.write([lines[0], *(",".join([*cells[:2], names[at % 3], *cells[3:]])
                            for at, cells in enumerate(line.split(",") for line in lines[1:61]))])

    def speaks_for(*others: str) -> dict[str, Any]:
        model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=SOURCE,
                      change=json.dumps({"organization_column": "区", "organizations": others}))
        ckan_model.Session.commit()
        return harvest()

    row = speaks_for("江海市财政局")
    counts = row["counts"]
    assert row["state"] == "partly" and counts["foreign_bodies"] == {wall: 20}
    assert counts["findings"][reports.BODY_FOREIGN] == 20 and counts["unknown_bodies"] == {}
    assert counts["rows_in"] == counts["rows_ok"] + counts["rows_quarantined"] + counts["rows_duplicate"] == 60
    assert {outcome["body"] for outcome in counts["outcomes"]} == {"jianghai-cgj", "jianghai-czj"}
    shown = [entry for entry in rows_of(str(row["id"])) if entry["codes"] == [reports.BODY_FOREIGN]]
    assert {entry["row"]["区"] for entry in shown} == {wall} and len(shown) == 20
    assert speaks_for()["counts"]["foreign_bodies"] == {"jianghai-czj": 20, wall: 20}, "its own body only"
    assert speaks_for("all")["counts"]["foreign_bodies"] == {}
    assert speaks_for("nobody")["error"]["kind"] == "UnknownBody"


def test_the_people_of_a_body_read_its_own_numbers(town: City) -> None:
    """A source of many bodies: totals, alarms and names of the others are for the office alone."""
    demo.act("organization_member_delete", id="jianghai-czj", username="officer")
    lines = town.lines()
    town.write([lines[0], *(",".join([*cells[:2], ("江海市城市管理局", "jianghai-czj")[at % 3 == 0], *cells[3:]])
                            for at, cells in enumerate(line.split(",") for line in lines[1:61]))])
    model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=SOURCE,
                  change=json.dumps({"organization_column": "区", "organizations": ["jianghai-czj"]}))
    ckan_model.Session.commit()
    row = harvest()
    approve()
    whole = call("gkopen_run_show", "office", id=str(row["id"]))["counts"]
    assert (whole["rows_in"], {entry["body"] for entry in whole["outcomes"]}) == (60, {"jianghai-cgj", "jianghai-czj"})
    assert "of_bodies" not in whole
    own = call("gkopen_run_show", "officer", id=str(row["id"]))["counts"]
    assert (own["rows_in"], own["rows_fetched"]) == (40, 40)
    assert [entry["body"] for entry in own["outcomes"]] == ["jianghai-cgj"]
    assert own["rows_in"] == own["rows_ok"] + own["rows_quarantined"] + own["rows_duplicate"]
    assert own["added"] == own["rows_ok"] and own["added"] < whole["added"]
    told = call("gkopen_finding_list", "officer", run=str(row["id"]), limit=1000)["results"]
    assert sum(own["findings"].values()) == len(told)
    town.write([lines[0]])                               # both bodies are empty: an alarm each
    held = harvest()
    assert {entry["body"] for entry in held["counts"]["held"]} == {"jianghai-cgj", "jianghai-czj"}
    for action, data in (("gkopen_run_show", {"id": str(held["id"])}), ("gkopen_run_list", {}),
                         ("gkopen_source_list", {}), ("gkopen_source_show", {"id": SOURCE})):
        text = json.dumps(call(action, "officer", **data))
        assert "jianghai-czj" not in text.replace('"organizations": ["jianghai-czj"]', ""), action
    assert [entry["body"] for entry in call("gkopen_run_show", "officer", id=str(held["id"]))["counts"]["held"]
            ] == ["jianghai-cgj"]


def test_the_commands_file_holds_all_findings_of_a_run(public: City, cli: Any, tmp_path: Path) -> None:
    row = harvest()
    target = tmp_path / "findings.csv"
    answer = cli.invoke(ckan, ["gkopen", "run", "show", str(row["id"]), "--findings", str(target)])
    assert answer.exit_code == 0, answer.output
    written = list(csv.DictReader(target.open(encoding="utf-8-sig", newline="")))
    assert len(written) == sum(row["counts"]["findings"].values()) > 0
    assert all(entry["body"] and entry["message_zh"] and entry["message_en"] for entry in written)


def test_what_the_catalogue_says_and_nobody_knows_is_told_with_the_proposal(town: City) -> None:
    path = town.folder / "city.yaml"
    city = yaml.safe_load(path.read_text("utf-8"))
    [entry] = [service["catalogue"] for service in city["services"] if service["id"] == "cgj-parking"]
    entry |= {"是否向社会开放": "有条件开放", "开放条件": "实名登记后下载", "更新周期": "偶尔"}
    path.write_text(yaml.safe_dump(city, allow_unicode=True), "utf-8")
    row = harvest()
    [held] = call("gkopen_revision_list", "office", state="held")["results"]
    meta = call("gkopen_revision_show", "office", id=held["id"])["metadata_change"]["after"]
    assert (meta["open_type"], meta["open_condition"]) == ("conditional", "实名登记后下载")
    assert "update_cycle" not in meta
    told = call("gkopen_finding_list", "office", run=str(row["id"]), limit=1000)["results"]
    assert [(found["field"], found["value"]) for found in told if found["code"] == "meta_unknown_label"] == [
        ("update_cycle", "偶尔")]
    assert len(told) == sum(row["counts"]["findings"].values()), "the run's counts tell of it too"
    call("gkopen_submission_create", "officer", domain="parking", organization=BODY,
         metadata={"update_cycle": "monthly"})
    town.write(town.lines()[:-1])
    again = harvest()
    assert "meta_unknown_label" not in again["counts"]["findings"], "the officer has settled it"


def test_a_run_that_is_resumed_tells_what_its_tables_brought(town: City) -> None:
    """Its worker died after they were taken in, and before the run was closed."""
    first = harvest()
    again = resumed(first["id"])
    numbers = ("rows_fetched", "rows_unread", *NUMBERS)
    assert {name: again["counts"][name] for name in numbers} == {name: first["counts"][name] for name in numbers}
    assert first["counts"]["added"] > 50 and again["state"] == first["state"]


def test_a_table_that_goes_back_is_told_by_a_resumed_run_too(town: City) -> None:
    town.write(["停车场名称,备注", "一,二"])
    first = harvest()
    again = resumed(first["id"])
    assert (first["state"], again["state"]) == ("partly", "partly")
    assert first["counts"]["rows_unread"] == again["counts"]["rows_unread"]
    assert again["counts"]["rows_fetched"] == again["counts"]["rows_in"] + again["counts"]["rows_unread"]
