"""How a source is, and what a run's report advises: by situation, in both languages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ckanext.gkopen.harvest.report import STATES
from ckanext.gkopen.oversight import health, words

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def source(**changes: Any) -> dict[str, Any]:
    return {"config": {"update_cycle": "daily"}, "state": "active", "failures": 0, "last_state": "done",
            "last_good_at": NOW - timedelta(hours=20), "created_at": NOW - timedelta(days=90), **changes}


@pytest.mark.parametrize(("changes", "state", "lag"), [
    ({}, "good", 0),
    ({"last_state": "partly"}, "partly", 0),
    ({"last_good_at": NOW - timedelta(days=1, minutes=50)}, "good", 3000),
    ({"last_good_at": NOW - timedelta(days=3)}, "late", 172800),
    ({"last_good_at": NOW - timedelta(days=3), "failures": 2, "last_state": "failed"}, "failing", 172800),
    ({"last_state": "discarded"}, "discarded", 0), ({"last_state": "released"}, "good", 0),
    ({"last_state": "held"}, "waiting", 0), ({"last_state": "stopped"}, "waiting", 0),
    ({"state": "paused", "failures": 9, "last_state": "failed"}, "paused", 0),
    ({"last_state": None, "last_good_at": None, "created_at": NOW}, "new", 0),
    ({"last_state": None, "last_good_at": None, "created_at": NOW - timedelta(days=5)}, "late", 345600),
    ({"config": {"update_cycle": "irregular"}, "last_good_at": NOW - timedelta(days=900)}, "good", None)])
def test_health_of_a_source(changes: dict[str, Any], state: str, lag: int | None) -> None:
    found = health.of(source(**changes), NOW)
    assert (found["state"], found["lag_seconds"]) == (state, lag)


HELD = [{"state": "held", "revision": "x"}]


@pytest.mark.parametrize(("state", "counts", "dry", "expected"), [
    ("done", {"outcomes": [{"state": "unchanged"}]}, False, ["unchanged"]),
    ("done", {"outcomes": HELD}, False, ["review"]),
    ("partly", {"outcomes": HELD, "rows_quarantined": 3}, False, ["corrections", "review"]),
    ("partly", {"outcomes": HELD, "rows_quarantined": 3, "unknown_bodies": {"x": 3}}, False, ["bodies", "review"]),
    ("held", {"outcomes": HELD, "rows_quarantined": 3}, False, ["held", "corrections"]),
    ("held", {"held": [{"alarms": [{"kind": "empty", "public": 9}]}]}, False, ["empty"]),
    ("held", {"held": [{"alarms": [{"kind": "empty"}]}, {"alarms": [{"kind": "gone"}]}]}, False, ["held"]),
    ("held", {"held": [{"alarms": [{"kind": "empty"}]}, {"alarms": [{"kind": "not_open"}]}]}, False, ["not_open"]),
    ("done", {"outcomes": [{"state": "unchanged"}], "tombstones": [{"rows": 2}]}, False, ["buried"]),
    ("partly", {"findings": {"drop-rows-differ": 1}}, False, ["findings"]),
    ("done", {"findings": {"drop-file-missing": 1}}, False, ["missing"]),
    ("done", {"outcomes": HELD, "findings": {"drop-file-missing": 1}}, False, ["review", "missing"]),
    ("partly", {"outcomes": [{"state": "returned", "revision": "x"}]}, False, ["returned"]),
    ("partly", {"outcomes": [{"state": "returned"}, *HELD], "rows_quarantined": 3}, False, ["returned", "corrections"]),
    ("partly", {"outcomes": [{"state": "returned"}], "rows_in": 3, "rows_quarantined": 3,
                "findings": {"personal-mobile": 3, "column-unknown": 1}}, False, ["personal", "corrections"]),
    ("partly", {"outcomes": [{"state": "returned"}], "rows_in": 3, "rows_quarantined": 3,
                "findings": {"personal-mobile": 1, "date-wrong": 3}}, False, ["returned", "corrections"]),
    ("stopped", {"stopped": [{"drift": [{"kind": "renamed"}, {"kind": "removed"}]}]}, False, ["stopped"]),
    ("stopped", {"stopped": [{"drift": [{"kind": "removed"}]}, {"drift": [{"kind": "foreign"}]}]}, False,
     ["foreign_rows"]),
    ("stopped", {"stopped": [{"drift": [{"kind": "retyped"}]}]}, False, ["retyped"]),
    ("stopped", {}, False, ["stopped"]), ("incomplete", {}, False, ["incomplete"]),
    ("failed", {}, False, ["failed"]), ("cancelled", {}, False, ["cancelled"]), ("queued", {}, False, ["queued"]),
    ("done", {"outcomes": HELD}, True, ["dry"])])
def test_advice_by_situation(state: str, counts: dict[str, Any], dry: bool, expected: list[str]) -> None:
    told = words.run_advice({"state": state, "counts": counts, "dry_run": dry, "waiting": 1})
    assert told == [words.RUN_ADVICE[key] for key in expected]
    assert all(text.zh and text.en for text in told)


@pytest.mark.parametrize(("decision", "waiting", "expected"), [
    ("released", 1, "review"), ("released", 0, "reviewed"), ("discarded", 0, "discarded"), ("accepted", 0, "accepted")])
def test_advice_after_a_decision(decision: str, waiting: int, expected: str) -> None:
    state = "stopped" if decision == "accepted" else "held"
    told = words.run_advice({"state": state, "counts": {"held": [{"alarms": [{"kind": "gone"}]}]}, "dry_run": False,
                             "decision": decision, "waiting": waiting})
    assert told == [words.RUN_ADVICE[expected]]


def test_a_run_that_has_its_rows_no_more_and_one_that_is_reviewed_with_rows_to_mend() -> None:
    run = {"state": "partly", "counts": {"outcomes": HELD, "rows_quarantined": 3}, "dry_run": False, "waiting": 0}
    assert words.run_advice(run | {"rows_kept": False}) == [words.RUN_ADVICE["not_kept"]]
    assert words.run_advice(run | {"rows_kept": True}) == [words.RUN_ADVICE["corrections"]]


def test_a_run_whose_revisions_are_decided_sends_nobody_to_review_them() -> None:
    told = words.run_advice({"state": "done", "counts": {"outcomes": HELD}, "dry_run": False, "waiting": 0})
    assert told == [words.RUN_ADVICE["reviewed"]]


@pytest.mark.parametrize(("error", "again", "expected"), [
    ({"kind": "SourceUnreachable"}, {"state": "again", "at": "2026-12-01T01:30:00+00:00"},
     ["公开数据不变。连续失败", "系统会在 2026-12-01 09:30 自动再试"]),
    ({"kind": "SourceUnreachable"}, {"state": "again", "at": None}, ["公开数据不变。连续失败", "系统会自动再试"]),
    ({"kind": "ClockSkew"}, {"state": "paused", "at": None},
     ["公开数据不变。请把上面的原因告诉门户管理员", "来源已停用"]),
    ({"kind": "ForbiddenAddress"}, {"state": "again", "at": None},
     ["公开数据不变。请把上面的原因告诉门户管理员", "系统会自动再试"]),
    ({"kind": "WebPage"}, None, ["公开数据不变。请把上面的原因告诉门户管理员"]),
    ({"kind": "WebPage", "good_before": True}, None, ["公开数据不变，来源设置不必改动。超过一天"])])
def test_a_run_that_failed_says_who_has_to_do_what_and_when_it_is_tried_again(
        error: dict[str, Any], again: dict[str, Any] | None, expected: list[str]) -> None:
    run = {"state": "failed", "counts": {}, "dry_run": False, "error": error, "again": again}
    told = words.run_advice(run)
    assert [text.zh.startswith(begin) for text, begin in zip(told, expected, strict=True)] == [True] * len(expected)
    assert words.run_advice(run | {"state": "incomplete"})[-1] == words.RUN_ADVICE["incomplete"]


@pytest.mark.parametrize("state", STATES)
def test_every_end_of_a_run_has_its_advice(state: str) -> None:
    assert 1 <= len(words.run_advice({"state": state, "counts": {}, "dry_run": False})) <= 2


@pytest.mark.parametrize("kind", words.MESSAGES)
def test_every_message_is_whole_in_both_languages(kind: str) -> None:
    params = {"source": "s", "rows": 2, "host": "h", "days": 3, "dataset": "财政局采购", "dataset_en": "Finance: x",
              "revision": "r", "run": "8", "period": "2026-05", "due_on": "2026-06-29", "year": 2027, "page": "d",
              "until": "2026-06-30"}
    subject, advice, path = words.said(kind, params)
    assert all("{" not in text for text in (subject.zh, subject.en, path)) and advice.zh and advice.en
    assert path.startswith("/")
