"""The logs of a whole run, with secrets and personal data planted where a run meets them: none is written."""

from __future__ import annotations

import io
import json
import logging
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import demo, logs
from ckanext.gkopen.embedded.accounts import Accounts
from ckanext.gkopen.harvest import ledger, run, worker
from ckanext.gkopen.oversight import watch
from ckanext.gkopen.publish import outbox
from ckanext.gkopen.simulator.faults import parse_fault
from ckanext.gkopen.simulator.server import running
from tests.people import call

SECRET = "only-for-this-very-test"
PERSON = ("32010219900307123X", "13812345678", "zhang.san@example.org")
SOURCE = "jianghai-cgj-parking"
log = logging.getLogger("ckanext.gkopen.tests")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What gkopen's loggers write, as JSON lines."""
    monkeypatch.setenv("GKOPEN_SECRET_DEMO", SECRET)
    logs.configure(toolkit.config, as_json=True)
    logger = logging.getLogger(logs.OURS)
    [handler] = [each for each in logger.handlers if isinstance(each.formatter, logs.JsonLines)]
    assert isinstance(handler, logging.StreamHandler)
    text = io.StringIO()
    handler.setStream(text)
    yield text
    logs.configure(toolkit.config, as_json=False)


def lines(text: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.getvalue().splitlines()]


def test_one_run_from_a_source_to_the_exits(site: Any, tmp_path: Path, kept: io.StringIO) -> None:
    folder = tmp_path / "city"
    shutil.copytree(str(files("ckanext.gkopen") / "simulator" / "city"), folder)
    table = folder / "data" / "cgj-parking.csv"
    text = table.read_text("utf-8-sig").splitlines()
    text[3] = text[3].replace(text[3].split(",")[1], f"联系人{PERSON[0]} {PERSON[1]} {PERSON[2]}", 1)
    table.write_text("\n".join(text) + "\n", "utf-8")
    with running(folder, SECRET) as (url, platform):
        demo.make_city(folder, url, Accounts(tmp_path / "accounts.txt"))
        for fault in ("wrong_sign", ""):
            platform.faults.replace([parse_fault(fault)] if fault else [])
            run_id = ledger.enqueue(ledger.find_source(SOURCE), "manual", "test")
            ckan_model.Session.commit()
            claim = ledger.claim(run_id)
            assert claim is not None
            run.carry_out(claim)
            claim.release()
            watch.look()
    for revision in call("gkopen_revision_list", "office", state="held")["results"]:
        call("gkopen_revision_approve", "office", id=revision["id"], digest=revision["digest"])
    assert list(outbox.drain())
    worker.sweep()
    told = lines(kept)
    by_name = {line["event"]: line for line in told if "event" in line}
    assert {"run.started", "run.finished", "state.changed", "exit.done"} <= by_name.keys()
    ended = by_name["run.finished"]
    assert ended["run"] == run_id and ended["source"] == SOURCE and ended["rows_quarantined"] >= 1
    assert ended["rows_in"] == ended["rows_ok"] + ended["rows_quarantined"] + ended["rows_duplicate"]
    for secret in (SECRET, *PERSON):
        assert secret not in kept.getvalue()


class Odd(Exception):
    pass


@pytest.mark.parametrize("as_json", [True, False])
def test_messages_and_exceptions_are_cleaned_whatever_writes_them(
        monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, as_json: bool) -> None:
    monkeypatch.setenv("GKOPEN_SECRET_DEMO", SECRET)
    logs.configure({"smtp.password": "mailword-1"}, as_json=as_json)
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logs.JsonLines() if as_json else logging.Formatter("%(levelname)s %(message)s"))
    log.addHandler(handler)
    try:
        try:
            raise Odd(f"row holds {PERSON[0]} and {SECRET}")
        except Odd:
            log.exception("by %s, with %s, %s", PERSON[1], SECRET, "mailword-1")
        log.warning("at postgresql://ckan:dbword-2@127.0.0.1/ckan by %s: %d rows", PERSON[2], 17)
        log.error("a message %s that does not fit", *("its", "arguments"))
    finally:
        log.removeHandler(handler)
        logs.configure({}, as_json=False)
    said = text.getvalue()
    assert "17 rows" in said and "Odd" in said and "test_logs.py" in said, "kind and place of an error stay"
    for secret in (SECRET, *PERSON, "mailword-1", "dbword-2"):
        assert secret not in said


@pytest.mark.parametrize("name", ["gunicorn.error", "ckan.config.middleware.flask_app"])
def test_what_others_say_of_a_request_has_no_query_and_no_person(name: str) -> None:
    """Keys of feeds stand in queries, and a database's error repeats the values of a row."""
    logs.configure({}, as_json=False)
    text, other = io.StringIO(), logging.getLogger(name)
    handler = logging.StreamHandler(text)
    other.addHandler(handler)
    try:
        raise Odd(f"Key (name)=({PERSON[0]})")
    except Odd:
        other.exception("Error handling request %s %s", "GET", "/office/feed.atom?key=hidden-1&a=b")
    finally:
        other.removeHandler(handler)
    said = text.getvalue()
    assert "Error handling request GET /office/feed.atom?…" in said and "Odd: Key (name)=(***)" in said
    assert "hidden-1" not in said and PERSON[0] not in said


def test_what_calls_itself_without_end_is_logged_by_its_two_ends() -> None:
    def fall(left: int) -> None:
        fall(left - 1) if left else int("x")

    logs.configure({}, as_json=False)
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    log.addHandler(handler)
    try:
        fall(300)
    except ValueError:
        log.exception("fallen")
    finally:
        log.removeHandler(handler)
    said = text.getvalue()
    assert said.count(" fall") < 50 and "more places" in said
    assert "test_what_calls_itself" in said, "where it began"


def test_numbers_of_things_stay() -> None:
    kept = "run 3f2b8c1e-1b0a-4c55-9d7e-138123456789 rows 1000000 of 91320600MA1XYZ1234 at 2026-11-22T23:06:55"
    assert logs.clean(kept) == kept
