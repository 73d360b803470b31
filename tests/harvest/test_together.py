"""The tables of a listing go together: one that fails keeps none of the others out, and nothing is there twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from ckan import model as ckan_model

from ckanext.gkopen import demo, intake, model, pipeline
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.examine import File
from ckanext.gkopen.harvest import ledger, tables
from ckanext.gkopen.review import audit
from tests.harvest.city import BODY, SOURCE, City, carry_out, harvest, resumed
from tests.people import call

BODIES = 6
BROKEN = "第3街道办"


@pytest.fixture
def listed(town: City) -> City:
    """The source lists sixty car parks of six bodies, each with a row of its own that is bad."""
    header, *lines = town.lines()
    names = [f"第{number}街道办" for number in range(BODIES)]
    for number, name in enumerate(names):
        demo.make_body(f"street-{number}", {"zh": name, "en": f"Street {number}"})
    at = header.split(",").index("区")
    rows = []
    for number, line in enumerate(lines[:60]):
        cells = line.split(",")
        cells[at] = names[number % BODIES]
        if number < BODIES:
            cells[0] = ""
        rows.append(",".join(cells))
    town.write([header, *rows])
    model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=SOURCE,
                  change=json.dumps({"organization_column": "区", "organizations": ["all"]}))
    ckan_model.Session.commit()
    return town


def test_a_column_that_the_source_reads_itself_is_no_unknown_one(town: City) -> None:
    """It says whose a row is; nobody can do anything about it, on no night."""
    [body] = model.every("select title from public.group where name = :b", b=BODY)
    header, *lines = town.lines()
    town.write([f"{header},推送单位,科室", *(f"{line},{body['title']},监督科" for line in lines)])
    model.execute("update gkopen.source set config = config || cast(:change as jsonb) where name = :s", s=SOURCE,
                  change=json.dumps({"organization_column": "推送单位"}))
    ckan_model.Session.commit()
    assert harvest()["counts"]["findings"]["column-unknown"] == 1
    told = "select label from gkopen.finding where code = 'column-unknown' order by id"
    assert [row["label"] for row in model.every(told)] == ["科室"]
    again = model.value("select id from gkopen.submission")
    pipeline.recheck(str(again), "test")
    assert {row["label"] for row in model.every(told)} == {"科室"}, "nor when it is compared again"


def kept() -> list[tuple[Any, ...]]:
    """What is held of each body: counts, contents, findings and rows set apart, without the ids of its time."""
    return [tuple(row.values()) for row in model.every(
        "select d.name, r.state, r.digest, r.rows_in, r.rows_ok, r.rows_quarantined, r.header, r.summary - 'waiting',"
        " (select array_agg(p.part || p.new_sha256 order by p.part) from gkopen.revision_part p"
        "  where p.revision_id = r.id) as parts,"
        " (select array_agg(f.code || coalesce(f.line, 0) || coalesce(f.field, '') || f.params order by f.id)"
        "  from gkopen.finding f where f.revision_id = r.id) as findings,"
        " (select array_agg(q.kind || q.line || q.row order by q.id) from gkopen.quarantine q"
        "  where q.revision_id = r.id) as rows, s.raw_sha256,"
        " (select columns from gkopen.profile o where o.submission_id = s.id) as columns"
        " from gkopen.revision r join gkopen.dataset d on d.id = r.dataset_id"
        " join gkopen.submission s on s.id = r.submission_id where r.state = 'held' order by d.name")]


def test_the_officer_of_one_body_reads_how_far_a_run_of_many_has_come(listed: City) -> None:
    run_id = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
    ckan_model.Session.commit()
    told: dict[str, dict[str, Any]] = {}

    def look(*_: Any) -> None:
        told.update({who: call("gkopen_run_show", who, id=run_id)["progress"] for who in ("office", "officer")})

    carry_out(run_id, look)
    assert told["office"] == {"stage": "check", "pages": 1, "rows": 60, "tables": BODIES, "held": BODIES,
                              "total": BODIES}
    assert told["officer"] == {"stage": "check", "pages": 1}
    assert call("gkopen_run_show", "office", id=run_id)["progress"] is None, "it has ended: its report says all"


def test_together_is_the_same_as_one_by_one(listed: City, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    take_in = intake.examine_all
    monkeypatch.setattr(intake, "examine_all", lambda domain, files: (calls.append(len(files)),
                                                                      take_in(domain, files))[1])
    first = harvest()
    assert calls == [BODIES] and len(kept()) == BODIES
    together, counts = kept(), first["counts"]
    assert counts["rows_in"] == counts["rows_ok"] + counts["rows_quarantined"] + counts["rows_duplicate"] == 60
    assert counts["rows_quarantined"] >= BODIES
    monkeypatch.setattr(tables, "BODIES", 1)
    second = harvest()
    assert calls == [BODIES, *[1] * BODIES]
    assert kept() == together, "and it took the place of the first"
    assert {**second["counts"], "outcomes": 0} == {**counts, "outcomes": 0}
    assert list(audit.broken()) == []


def test_one_that_fails_is_left_out(listed: City, monkeypatch: pytest.MonkeyPatch) -> None:
    examine_all = intake.examine_all

    def fails(domain: Domain, files: Sequence[File]) -> Any:
        if any(BROKEN in file.path.read_text("utf-8") for file in files):
            raise ZeroDivisionError(BROKEN)
        return examine_all(domain, files)

    with monkeypatch.context() as patch:
        patch.setattr(intake, "examine_all", fails)
        row = harvest()
    assert row["state"] == "failed" and row["error"]["kind"] == "ZeroDivisionError"
    assert len(kept()) == BODIES - 1 and not any(BROKEN in str(each) for each in kept())
    assert model.value("select count(*) from gkopen.submission") == BODIES - 1
    assert [outcome["state"] for outcome in row["counts"]["outcomes"]] == ["held"] * (BODIES - 1)
    # The run goes on where it was, and only what is missing is made.
    before = [each[1] for each in kept()]
    again = resumed(row["id"])
    assert again["state"] == "partly" and again["error"] is None
    assert sorted(outcome["state"] for outcome in again["counts"]["outcomes"]) == ["held"] + ["repeated"] * (BODIES - 1)
    assert len(kept()) == model.value("select count(*) from gkopen.revision") == BODIES == len(before) + 1
    assert again["counts"]["rows_in"] == 60
    assert list(audit.broken()) == []
