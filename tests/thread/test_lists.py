"""Lists by pages, cursors that nobody gave, and what is not found."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from ckan.cli.cli import ckan
from ckan.plugins import toolkit
from werkzeug.datastructures import FileStorage

from ckanext.gkopen.checks.catalogue import render
from ckanext.gkopen.records import Finding
from tests.people import call, make_cast
from tests.thread.test_thread import FIRST, submit

NOBODY = "00000000-0000-4000-8000-000000000000"
CURSORS = [["x"], ["x", "y"], ["2026-01-01", "1"], [1e400], ["\x00"], {"a": 1}, 7, ["2026-01-01T00:00:00", NOBODY]]


def cursor(values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.mark.parametrize("values", CURSORS)
def test_a_cursor_that_nobody_gave_is_refused_in_words(site: Any, values: Any) -> None:
    cast = make_cast()
    revision = submit(cast, *FIRST)["revision_id"]
    for action, asked in (("gkopen_revision_list", {}), ("gkopen_run_list", {}), ("gkopen_change_list", {}),
                          ("gkopen_finding_list", {"revision": revision}),
                          ("gkopen_revision_quarantine", {"id": revision})):
        with pytest.raises(toolkit.ValidationError, match="cursor"):
            call(action, cast.officer, cursor=cursor(values), **asked)


def test_pages_of_rows_set_apart_neither_repeat_nor_skip(site: Any) -> None:
    """A wide table has several rows on one line."""
    cast = make_cast()
    text = "\n".join(("统计周期,区域,来电量,受理量,办结量", "2024-13,全市,1200,1000,900", "2024-14,全市,1300,1100,950",
                      "2024-05,全市,1400,1200,990", ""))
    outcome = call("gkopen_submission_create", cast.officer, domain="hotline", organization=cast.body,
                   upload=FileStorage(io.BytesIO(text.encode()), filename="12345.csv"))
    assert outcome["rows_quarantined"] > 2
    asked: dict[str, Any] = {"id": outcome["revision_id"], "limit": 1}
    found, place = [], None
    while True:
        page = call("gkopen_revision_quarantine", cast.officer, **asked, **({"cursor": place} if place else {}))
        found += [(row["line"], json.dumps(row["row"], ensure_ascii=False)) for row in page["results"]]
        place = page["cursor"]
        if not place:
            break
    assert len(found) == len(set(found)) == outcome["rows_quarantined"] + outcome["rows_duplicate"]


def test_what_is_not_found_is_named_with_what_to_do(cli: Any) -> None:
    make_cast()
    for command, said in ((["review", "show", "nothing"], "gkopen review list"),
                          (["run", "show", NOBODY], "gkopen run list"),
                          (["source", "pause", "nowhere"], "gkopen source list"),
                          (["push-token", "revoke", "nope"], "gkopen push-token list"),
                          (["withdraw", "no-such-dataset", "--reason", "x"], "no-such-dataset")):
        answer = cli.invoke(ckan, ["gkopen", *command])
        assert answer.exit_code == 2
        assert said in answer.output and "Not found" not in answer.output


def test_a_stranger_does_not_learn_that_something_waits(site: Any) -> None:
    cast = make_cast()
    submit(cast, *FIRST)
    said = set()
    for name in (f"{cast.body}-procurement", f"{cast.body}-penalty"):
        with pytest.raises(toolkit.ObjectNotFound) as refused:
            call("gkopen_dataset_withdraw", cast.stranger, id=name, reason="x")
        said.add(str(refused.value).replace(name, "", 1))
    assert len(said) == 1


def test_a_finding_of_an_earlier_version_says_its_code_and_value() -> None:
    old = Finding("no-longer-listed", "error", line=7, label="金额", value="12万")
    for language in ("zh", "en"):
        told = render(old, language)
        assert all(word in told["message"] for word in ("no-longer-listed", "7", "金额", "12万"))
        assert told["title"] == "no-longer-listed" and told["fix"]


def test_the_command_shows_every_finding_of_a_revision(site: Any, cli: Any) -> None:
    cast = make_cast()
    wrong = [f"NT-2024-{number:04d},{FIRST[0].partition(',')[2].replace('84.6', '八十').replace('2024-05-06', '五月')}"
             for number in range(600)]
    revision = submit(cast, *FIRST, *wrong)["revision_id"]
    shown = cli.invoke(ckan, ["gkopen", "review", "show", revision]).output
    assert shown.count("\tdate-wrong\t") == 600 and sum("\tline " in line for line in shown.splitlines()) > 1000
