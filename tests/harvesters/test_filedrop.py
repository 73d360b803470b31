"""Dropped files: which are taken, which are left where they are, and that nothing leads out of the folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit
from ckan.tests import helpers
from openpyxl.workbook import Workbook

from ckanext.gkopen import blobs, model
from ckanext.gkopen.harvest import drifting, ledger, profiles
from ckanext.gkopen.harvesters import SourceRefused, SourceUnreachable, load_source
from ckanext.gkopen.harvesters.filedrop import Dropped, FileDrop, Known, LeftThere, Taken
from ckanext.gkopen.oversight import book as look
from ckanext.gkopen.publish import outbox
from ckanext.gkopen.views.findings import rows_as_csv
from tests.harvest import city
from tests.leaks.world import HEADER, row, submit
from tests.people import call, make_cast

FILE = """\
name: drop
title: 文件交换
domain: procurement
organization: nantong-czj
transport: filedrop
folder: czj/采购
manifest: {manifest}
update_cycle: daily
"""
NOTHING = Known({}, ())


@dataclass
class Drop:
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "czj" / "采购"

    def put(self, name: str, content: bytes, *, old: bool = True, **manifest: Any) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        if old:
            os.utime(path, (1_700_000_000, 1_700_000_000))
        if manifest:
            told = {"file": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), **manifest}
            (self.folder / f"{name}.manifest.json").write_text(json.dumps(told), "utf-8")
        return path

    def look(self, tmp: Path, known: Known = NOTHING, *, manifest: str = "required",
             limit: int = 1 << 20) -> dict[str, str]:  # fmt: skip
        """Name → "taken", or the code of the finding."""
        drop = FileDrop(load_source(FILE.format(manifest=manifest)), str(self.root), limit=limit,
                        now=datetime.now(UTC))
        found = {}
        for item in drop.files(tmp, known):
            assert item.name not in found
            found[item.name] = "taken" if isinstance(item, Dropped) else item.code
            if isinstance(item, Dropped):
                content = item.path.read_bytes()
                assert (hashlib.sha256(content).hexdigest(), len(content)) == (item.sha256, item.size)
        return found


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    (tmp_path / "root" / "czj" / "采购").mkdir(parents=True)
    return Drop(tmp_path / "root")


def test_only_whole_files_with_their_manifest_are_taken(drop: Drop, tmp_path: Path) -> None:
    drop.put("a.csv", b"a", rows=1)
    drop.put("b.csv", b"b")
    drop.put("c.csv.tmp", b"c", rows=1)
    drop.put("d.csv", b"dd", size=1)
    drop.put("e.csv", b"e", sha256="0" * 64)
    drop.put("f.exe", b"f", rows=1)
    drop.put(".hidden.csv", b"g", rows=1)
    drop.put("h.csv", b"h" * 2000, rows=1)
    assert drop.look(tmp_path, limit=1000) == {
        "a.csv": "taken", "b.csv": "drop-manifest-missing", "d.csv": "drop-differs",
        "e.csv": "drop-differs", "f.exe": "drop-kind-unknown", "h.csv": "drop-too-large",
        ".hidden.csv.manifest.json": "drop-manifest-broken"}  # fmt: skip


def test_one_manifest_for_all_and_a_file_that_is_not_there_yet(drop: Drop, tmp_path: Path) -> None:
    files = [{"file": name, "size": 1, "sha256": hashlib.sha256(b"x").hexdigest()} for name in ("a.csv", "b.csv")]
    drop.put("a.csv", b"x")
    drop.put("manifest.json", b"\xef\xbb\xbf" + json.dumps({"files": files, "made": "2026"}).encode())
    assert drop.look(tmp_path) == {"a.csv": "taken", "b.csv": "drop-file-missing"}


@pytest.mark.parametrize("content", [
    b"", b"{", b"[1]", b'{"file": "a.csv"}', b'{"file": "../a.csv", "size": 1, "sha256": "' + b"0" * 64 + b'"}',
    b'{"file": "/etc/passwd", "size": 1, "sha256": "' + b"0" * 64 + b'"}', b"[" * 100_000, b"\xff\xfe",
    b"x" * 2_000_000,
    b'{"file": "a.csv", "size": "1", "sha256": "' + b"0" * 64 + b'"}',
], ids=range(10))  # fmt: skip
def test_a_manifest_that_is_none_takes_nothing(drop: Drop, tmp_path: Path, content: bytes) -> None:
    drop.put("a.csv", b"x")
    drop.put("a.csv.manifest.json", content)
    assert drop.look(tmp_path, manifest="optional") == {"a.csv.manifest.json": "drop-manifest-broken"}


def test_without_a_manifest_a_file_waits_until_nobody_writes_to_it(drop: Drop, tmp_path: Path) -> None:
    drop.put("old.csv", b"old")
    drop.put("new.csv", b"new", old=False)
    assert drop.look(tmp_path, manifest="optional") == {"old.csv": "taken", "new.csv": "drop-unsettled"}


def test_known_contents_and_known_looks(drop: Drop, tmp_path: Path) -> None:
    path = drop.put("a.csv", b"same", rows=1)
    drop.put("b.csv", b"same", rows=1)
    look = path.stat()
    known = Known({hashlib.sha256(b"same").hexdigest(): Taken("a.csv", look.st_mtime_ns)},
                  {("a.csv", look.st_size, look.st_mtime_ns)})
    assert drop.look(tmp_path, known) == {"b.csv": "drop-taken-before"}


def test_equal_files_in_one_drop_are_taken_once(drop: Drop, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        drop.put(name, b"x,y\n1,2\n", rows=1)
    assert drop.look(tmp_path) == {"a.csv": "taken", "b.csv": "drop-taken-before"}


def test_a_content_that_comes_back_after_another_is_taken_again(drop: Drop, tmp_path: Path) -> None:
    for number, content in enumerate((b"one", b"two", b"one", b"one", b"two")):
        path = drop.put(f"{number}.csv", content, rows=1)
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
    taken = "taken"
    assert drop.look(tmp_path) == {"0.csv": taken, "1.csv": taken, "2.csv": taken, "3.csv": "drop-taken-before",
                                   "4.csv": taken}  # fmt: skip


def test_an_old_file_under_another_name_is_none_that_comes_back(drop: Drop, tmp_path: Path) -> None:
    one, two = (hashlib.sha256(content).hexdigest() for content in (b"one", b"two"))
    drop.put("copy.csv", b"one", rows=1)                   # older than the last one that was taken
    last = Taken("two.csv", 1_800_000_000 * 10**9)
    assert drop.look(tmp_path, Known({one: Taken("one.csv", 1), two: last}, ())) == {"copy.csv": "drop-taken-before"}


def test_a_file_that_was_taken_and_cleared_away_is_none_that_has_not_come(drop: Drop, tmp_path: Path) -> None:
    """Its manifest stays, or is one of all files that were ever sent; the folder is looked into each day."""
    drop.put("a.csv", b"one", rows=1).unlink()
    assert drop.look(tmp_path) == {"a.csv": "drop-file-missing"}
    assert drop.look(tmp_path, Known({hashlib.sha256(b"one").hexdigest(): Taken("a.csv", 1)}, ())) == {}


def test_a_file_of_another_time_is_told_by_what_is_wrong_with_its_clock(drop: Drop, tmp_path: Path) -> None:
    path = drop.put("a.csv", b"a")
    os.utime(path, (4_000_000_000, 4_000_000_000))
    assert drop.look(tmp_path, manifest="optional") == {"a.csv": "drop-from-the-future"}
    drop.put("a.csv", b"a", old=False, rows=1)
    os.utime(path, (4_000_000_000, 4_000_000_000))
    assert drop.look(tmp_path, manifest="optional") == {"a.csv": "taken"}, "its manifest says that it is whole"


def test_thousands_of_files_are_one_run(drop: Drop, tmp_path: Path) -> None:
    """Those that wait for the next run wait for a whole cycle, which may be a year."""
    for number in range(1200):
        drop.put(f"{number}.csv", b"%d" % number)
    assert set(drop.look(tmp_path, manifest="optional").values()) == {"taken"}


def test_a_manifest_in_capitals_is_one(drop: Drop, tmp_path: Path) -> None:
    drop.put("a.csv", b"a")
    told = {"file": "a.csv", "size": 1, "sha256": hashlib.sha256(b"a").hexdigest()}
    drop.put("Manifest.JSON", json.dumps(told).encode())
    assert drop.look(tmp_path, manifest="optional") == {"a.csv": "taken"}
    drop.put("Manifest.JSON", b"{")
    assert drop.look(tmp_path, manifest="optional") == {"Manifest.JSON": "drop-manifest-broken"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
def test_a_manifest_as_windows_machines_write_it(drop: Drop, tmp_path: Path, encoding: str) -> None:
    drop.put("采购.csv", b"a")
    told = {"file": "采购.csv", "size": 1, "sha256": hashlib.sha256(b"a").hexdigest().upper()}
    (drop.folder / "manifest.json").write_bytes(json.dumps(told, ensure_ascii=False).encode(encoding))
    assert drop.look(tmp_path) == {"采购.csv": "taken"}


@pytest.mark.parametrize(("change", "reason"), [
    ({"size": "1"}, "a.csv: size 应为整数，不加引号 / size is no whole number (without quotes)"),
    ({"sha256": hashlib.md5(b"a", usedforsecurity=False).hexdigest()},
     "a.csv: sha256 应为 64 位十六进制 / sha256 is not 64 hexadecimal digits"),
    ({"sha256": None, "size": None}, "缺少 / without size, sha256"),
])
def test_what_is_wrong_with_a_manifest_is_said_in_words(drop: Drop, tmp_path: Path, change: dict[str, Any],
                                                        reason: str) -> None:
    told = {"file": "a.csv", "size": 1, "sha256": hashlib.sha256(b"a").hexdigest()} | change
    drop.put("manifest.json", json.dumps({key: value for key, value in told.items() if value is not None}).encode())
    found = FileDrop(load_source(FILE.format(manifest="required")), str(drop.root), limit=1, now=datetime.now(UTC))
    assert [item.params for item in found.files(tmp_path, NOTHING) if isinstance(item, LeftThere)
            and item.code == "drop-manifest-broken"] == [{"reason": reason}]


def test_a_manifest_names_a_file_in_either_form_of_its_accents(drop: Drop, tmp_path: Path) -> None:
    """A Mac writes é as two characters, and whoever makes the manifest as one; or the other way round."""
    for number in range(2):
        text = f"Café{number}.csv"
        name, told = unicodedata.normalize("NFD", text), unicodedata.normalize("NFC", text)
        if number:
            name, told = told, name
        drop.put(name, b"%d" % number)
        entry = {"file": told, "size": 1, "sha256": hashlib.sha256(b"%d" % number).hexdigest()}
        (drop.folder / f"{number}.manifest.json").write_text(json.dumps(entry), "utf-8")
    assert drop.look(tmp_path) == {"Café0.csv": "taken", "Café1.csv": "taken"}


def test_a_file_that_was_replaced_is_read_where_only_its_manifest_tells(drop: Drop, tmp_path: Path) -> None:
    """Same name, same size, and a time that the sender keeps, or that its system counts in seconds."""
    look = drop.put("a.csv", b"one", rows=1).stat()
    one = hashlib.sha256(b"one").hexdigest()
    known = Known({one: Taken("a.csv", look.st_mtime_ns)}, {("a.csv", look.st_size, look.st_mtime_ns)})
    assert drop.look(tmp_path, known) == {}
    drop.put("a.csv", b"two", rows=1)
    assert drop.look(tmp_path, known) == {"a.csv": "taken"}
    drop.put("a.csv", b"one", sha256=hashlib.sha256(b"two").hexdigest())
    assert drop.look(tmp_path, known) == {"a.csv": "drop-differs"}, "the manifest came first"


def test_a_file_that_may_not_be_read_is_no_file_that_is_still_being_sent() -> None:
    with tempfile.TemporaryDirectory() as folder:
        shut = Drop(Path(folder))
        shut.folder.mkdir(parents=True)
        shut.put("a.csv", b"a", rows=1).chmod(0)
        into = Path(folder, "into")
        into.mkdir()
        for path in (Path(folder), into):
            path.chmod(0o777)
        who = os.geteuid()
        if who == 0:
            os.seteuid(65534)                              # nobody: root may read everything
        try:
            assert shut.look(into) == {"a.csv": "drop-unreadable"}
        finally:
            os.seteuid(who)


def test_no_room_for_the_copy_is_no_fault_of_the_file(drop: Drop, tmp_path: Path) -> None:
    drop.put("a.csv", b"a" * (1 << 20), rows=1)
    (tmp_path / "dropped").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        drop.look(tmp_path)


def test_a_manifest_with_a_name_that_is_none_is_broken(drop: Drop, tmp_path: Path) -> None:
    for number, name in enumerate(("a\x00.csv", "a\ud800.csv", "a\n.csv")):
        told = {"file": name, "size": 1, "sha256": "0" * 64}
        (drop.folder / f"{number}.manifest.json").write_text(json.dumps(told), "utf-8")
    assert set(drop.look(tmp_path).values()) == {"drop-manifest-broken"}


def test_links_and_special_files_are_refused(drop: Drop, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"secret")
    (drop.folder / "link.csv").symlink_to(secret)
    os.mkfifo(drop.folder / "pipe.csv")
    (drop.folder / "folder.csv").mkdir()
    (drop.folder / "m.manifest.json").symlink_to(secret)
    assert drop.look(tmp_path, manifest="optional") == {
        "link.csv": "drop-not-plain", "pipe.csv": "drop-not-plain", "folder.csv": "drop-folder",
        "m.manifest.json": "drop-manifest-broken"}


def test_a_folder_that_is_a_link_or_missing_is_named(drop: Drop, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    drop.folder.rmdir()
    with pytest.raises(SourceUnreachable, match="czj/采购"):
        drop.look(tmp_path)
    drop.folder.symlink_to(elsewhere)
    with pytest.raises(SourceRefused, match="links are not followed"):
        drop.look(tmp_path)
    long = load_source(FILE.format(manifest="required").replace("采购", "购" * 100))
    with pytest.raises(SourceUnreachable, match="File name too long"):      # what the system says, as of a dead mount
        list(FileDrop(long, str(drop.root), limit=1, now=datetime.now(UTC)).files(tmp_path, NOTHING))
    with pytest.raises(SourceRefused, match="drop_root"):
        list(FileDrop(load_source(FILE.format(manifest="required")), "", limit=1, now=datetime.now(UTC)).files(
            tmp_path, NOTHING))


def test_names_in_gb18030(drop: Drop, tmp_path: Path) -> None:
    raw = os.fsencode(drop.folder) + b"/" + "预算.csv".encode("gb18030")
    Path(os.fsdecode(raw)).write_bytes(b"x")
    os.utime(raw, (1_700_000_000, 1_700_000_000))
    assert drop.look(tmp_path, manifest="optional") == {"预算.csv": "taken"}


def test_one_name_in_two_encodings_is_two_files(drop: Drop, tmp_path: Path) -> None:
    """A department's machine sent names in GB18030, and the one after it sends them in UTF-8."""
    drop.put("预算.csv", b"newer")
    raw = os.fsencode(drop.folder) + b"/" + "预算.csv".encode("gb18030")
    Path(os.fsdecode(raw)).write_bytes(b"older")
    os.utime(raw, (1_600_000_000, 1_600_000_000))
    source = load_source(FILE.format(manifest="optional"))
    found = FileDrop(source, str(drop.root), limit=1 << 20, now=datetime.now(UTC)).files(tmp_path, NOTHING)
    assert [(item.name, isinstance(item, Dropped) and item.path.read_bytes()) for item in found] == [
        ("预算.csv", b"older"), ("预算.csv", b"newer")]


# ---- through a run, into held revisions


@pytest.fixture
def harvested(site: Any, drop: Drop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drop]:
    make_cast()
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.harvest.drop_root", str(drop.root))
    call("gkopen_source_create", "portal-admin", source=FILE.format(manifest="required"))
    yield drop


def harvest(*, dry_run: bool = False) -> dict[str, Any]:
    return call("gkopen_run_show", "portal-admin", id=str(city.harvest("drop", dry_run=dry_run)["id"]))


def csv(*rows: str) -> bytes:
    return "\r\n".join((HEADER, *rows, "")).encode("gb18030")


def test_files_are_held_with_their_own_bytes_once_and_nothing_is_moved(harvested: Drop) -> None:
    content = csv(row(1, "采购一"), row(2, "采购二"))
    harvested.put("5月.csv", content, rows=2)
    harvested.put("6月.csv", csv(row(3, "采购三", month=6)), rows=1)
    dry = harvest(dry_run=True)
    assert (dry["state"], dry["counts"]["rows_in"]) == ("done", 3)
    assert model.value("select count(*) from gkopen.dropped") == 0
    before = sorted(harvested.folder.iterdir())
    first = harvest()
    assert (first["state"], first["counts"]["rows_ok"], first["counts"]["pages"]) == ("done", 3, 2)
    held = call("gkopen_revision_list", "li-officer", state="held")["results"]
    assert len(held) == 2                                  # two months wait beside each other
    raw = model.value("select raw_sha256 from gkopen.submission where filename = '5月.csv'")
    assert blobs.read(raw) == content
    again = harvest()
    assert (again["state"], again["counts"]["rows_in"]) == ("done", 0)
    assert sorted(harvested.folder.iterdir()) == before


def test_a_run_that_is_resumed_tells_of_all_its_files(harvested: Drop) -> None:
    harvested.put("5月.csv", csv(row(1, "采购一"), row(2, "采购二"), "x"), rows=3)
    harvested.put("6月.csv", csv(row(3, "采购三", month=6)), rows=1)
    harvested.put("6月副本.csv", csv(row(3, "采购三", month=6)), rows=1)
    first = harvest()
    counts = first["counts"]
    assert (counts["pages"], counts["rows_in"], counts["findings"]["drop-taken-before"]) == (2, 4, 1)
    city.resumed(first["id"])
    resumed = call("gkopen_run_show", "portal-admin", id=first["id"])["counts"]
    assert resumed | {"outcomes": []} == counts | {"outcomes": []}
    assert [each["revision"] for each in resumed["outcomes"]] == [each["revision"] for each in counts["outcomes"]]
    assert model.value("select count(*) from gkopen.submission") == 2


def test_what_a_run_froze_before_its_worker_died_waits_for_a_person_all_the_same(harvested: Drop) -> None:
    """Else no page would show it, and the file would never be taken again."""
    whole = FILE.format(manifest="required") + "complete: true\n"
    ledger.save_source(load_source(whole), "portal-admin", replace=True)
    rows = [row(number, f"采购{number}") for number in range(1, 20)]
    harvested.put("1.csv", csv(*rows), rows=19)
    harvest()
    decide("approve")
    harvested.put("2.csv", csv(*rows[:3]), rows=3)
    run = harvest()
    assert run["state"] == "held"
    assert city.resumed(run["id"])["state"] == "held"
    call("gkopen_run_release", "portal-admin", id=run["id"])
    [held] = call("gkopen_revision_list", "li-officer", state="held")["results"]
    assert held["id"] == run["counts"]["held"][0]["revision"]


def a_shorter_file(harvested: Drop, rows_left: int) -> tuple[list[str], dict[str, Any]]:
    """A whole file of forty rows is public; the next one leaves the last rows out. The forty, and the second's counts.
    """
    ledger.save_source(load_source(FILE.format(manifest="required") + "complete: true\n"), "portal-admin", replace=True)
    rows = [row(number, f"采购{number}") for number in range(1, 41)]
    send(harvested, "1.csv", csv(*rows), 1, rows=40)
    harvest()
    decide("approve")
    send(harvested, "2.csv", csv(*rows[:rows_left]), 2, rows=rows_left)
    return rows, harvest()["counts"]


def test_rows_that_a_whole_file_leaves_out_go_after_their_days_although_no_other_file_comes(harvested: Drop) -> None:
    _, counts = a_shorter_file(harvested, 38)
    told = counts["tombstones"]
    assert [(entry["body"], entry["rows"]) for entry in told] == [("nantong-czj", 2)], "the report names them"
    city.age_tombstones(6)
    assert [entry["rows"] for entry in harvest()["counts"]["tombstones"]] == [2]
    assert call("gkopen_revision_list", "li-officer", state="held")["results"] == []
    city.age_tombstones(1)
    told = harvest()
    assert (told["state"], told["counts"]["removed"], city.public_rows()) == ("done", 2, 40)
    assert harvest()["counts"]["rows_in"] == 0, "it waits"
    decide("approve")
    assert city.public_rows() == 38
    told = harvest()["counts"]
    assert (told["rows_in"], told["tombstones"], model.value("select count(*) from gkopen.tombstone")) == (0, [], 0)


def test_a_removal_that_was_returned_is_not_proposed_again_until_a_file_comes(harvested: Drop) -> None:
    rows, _ = a_shorter_file(harvested, 39)
    city.age_tombstones(7)
    harvest()
    decide("return", reason="请核实")
    assert (harvest()["counts"]["removed"], city.public_rows()) == (0, 40)
    send(harvested, "3.csv", csv(*rows[:38]), 3, rows=38)
    assert harvest()["counts"]["removed"] == 1
    decide("approve")
    assert city.public_rows() == 39


def test_a_file_takes_nothing_back_that_others_wrote_after_it(harvested: Drop) -> None:
    rows, _ = a_shorter_file(harvested, 39)
    submit("li-officer", "nantong-czj", *rows, row(41, "采购四十一"))
    decide("approve")
    city.age_tombstones(8)
    assert (harvest()["counts"]["removed"], city.public_rows()) == (0, 41)
    send(harvested, "3.csv", csv(*rows[:39], row(41, "采购四十一")), 3, rows=40)
    assert harvest()["counts"]["removed"] == 1


def test_a_file_that_is_still_being_sent_is_looked_at_again_in_minutes(harvested: Drop) -> None:
    ledger.save_source(load_source(FILE.format(manifest="optional")), "portal-admin", replace=True)
    harvested.put("new.csv", csv(row(1, "采购一")), old=False)
    assert harvest()["counts"]["findings"] == {"drop-unsettled": 1}
    due = "select extract(epoch from next_run_at - now()) from gkopen.source where name = 'drop'"
    assert 60 < model.value(due) <= 120
    harvested.put("new.csv", csv(row(1, "采购一")))
    assert harvest()["counts"]["rows_ok"] == 1
    assert model.value(due) > 3600


def test_a_wrong_file_is_a_finding_of_the_run_and_the_others_come_through(harvested: Drop) -> None:
    harvested.put("bad.csv", csv(row(1, "采购一")), sha256="0" * 64)
    harvested.put("good.csv", csv(row(2, "采购二")), rows=7)
    told = harvest()
    assert told["state"] == "partly"
    assert told["counts"]["findings"]["drop-differs"] == 1
    assert told["counts"]["findings"]["drop-rows-differ"] == 1
    assert told["counts"]["rows_ok"] == 1
    rows = model.every("select code, params from gkopen.finding where run_id = :id and code like 'drop-%'",
                       id=told["id"])
    assert {(found["code"], found["params"]["name"]) for found in rows} == {
        ("drop-differs", "bad.csv"), ("drop-rows-differ", "good.csv")}
    harvested.put("bad.csv", csv(row(1, "采购一")), rows=1)
    assert harvest()["counts"]["rows_ok"] == 1


def test_changed_columns_stop_a_file_with_a_proposal_until_they_are_accepted(harvested: Drop) -> None:
    rows = [row(number, f"采购{number}") for number in range(1, 6)]
    harvested.put("1.csv", csv(*rows), rows=5)
    assert harvest()["state"] == "done"
    [held] = call("gkopen_revision_list", "li-officer", state="held")["results"]
    call("gkopen_revision_approve", "wang-reviewer", id=held["id"], digest=held["digest"])
    changed = [text.replace("838000.00", "838001.00") for text in rows]
    renamed = "\r\n".join((HEADER.replace("中标供应商", "成交单位名称"), *changed, "")).encode("gb18030")
    harvested.put("2.csv", renamed, rows=5)
    cells = [text.split(",") for text in changed]
    retyped = [",".join([*one[:8], "约一百万", *one[9:]]) for one in cells]
    harvested.put("3.csv", csv(*retyped), rows=5)
    told = harvest()
    assert told["state"] == "stopped"
    drifts = [drift for entry in told["counts"]["stopped"] for drift in entry["drift"]]
    assert [(one["kind"], one["label"], one.get("to")) for one in drifts] == [
        ("renamed", "中标供应商", "成交单位名称"), ("retyped", "预算金额(万元)", None)]
    assert call("gkopen_revision_list", "li-officer", state="held")["results"] == []
    assert kept_of(told) == {"2.csv": ["column-renamed"], "3.csv": ["column-kind-changed"]}
    told = call("gkopen_run_show", "portal-admin", id=str(city.resumed(told["id"])["id"]))
    assert kept_of(told) == {"2.csv": ["column-renamed"], "3.csv": ["column-kind-changed"]}, "resumed, it says the same"
    assert harvest()["state"] == "stopped", "until a person decides, or the file is mended"
    (harvested.folder / "3.csv").unlink()
    (harvested.folder / "3.csv.manifest.json").unlink()
    told = harvest()
    mapping = call("gkopen_run_accept", "li-officer", id=told["id"])["mapping"]
    assert mapping == {"成交单位名称": "supplier_name"}
    assert harvest()["state"] == "done"
    [held] = call("gkopen_revision_list", "li-officer", state="held")["results"]
    assert held["summary"]["changed"] == 5


def kept_of(told: dict[str, Any]) -> dict[str, list[str]]:
    """File → codes of its findings, of a run that has a profile and findings of each file at which it stopped."""
    profiles = model.every("select drift from gkopen.profile where run_id = :id order by id", id=told["id"])
    codes = [found["code"] for found in call("gkopen_finding_list", "li-officer", run=told["id"])["results"]]
    entries = told["counts"]["stopped"]
    assert [row["drift"] for row in profiles] == [entry["drift"] for entry in entries]
    assert codes == [drifting.CODES[drift["kind"]] for entry in entries for drift in entry["drift"]]
    return {entry["file"]: [drifting.CODES[drift["kind"]] for drift in entry["drift"]] for entry in entries}


def send(drop: Drop, name: str, content: bytes, second: int, rows: int = 1) -> None:
    path = drop.put(name, content, rows=rows)
    os.utime(path, (1_700_000_000 + second, 1_700_000_000 + second))


def decide(action: str, **data: Any) -> None:
    [held] = call("gkopen_revision_list", "li-officer", state="held")["results"]
    call(f"gkopen_revision_{action}", "wang-reviewer", id=held["id"], **data or {"digest": held["digest"]})


def test_a_file_that_could_not_be_read_is_read_once_the_source_says_how(harvested: Drop) -> None:
    other = csv(row(1, "采购一")).replace("项目名称".encode("gb18030"), "标的叫法".encode("gb18030"))
    send(harvested, "1.csv", other, 1)
    assert harvest()["counts"]["findings"]["column-missing"] == 1
    assert harvest()["counts"]["pages"] == 0, "nothing has changed"
    source = FILE.format(manifest="required") + "mapping: {标的叫法: project_name}\n"
    ledger.save_source(load_source(source), "portal-admin", replace=True)
    ckan_model.Session.commit()
    told = harvest()
    assert (told["state"], told["counts"]["rows_ok"]) == ("done", 1)
    decide("approve")
    assert harvest()["counts"]["pages"] == 0, "taken once"


def test_a_file_that_was_returned_and_is_sent_again_is_taken_again(harvested: Drop) -> None:
    content = csv(row(1, "采购一"))
    send(harvested, "1.csv", content, 1)
    harvest()
    send(harvested, "again.csv", content, 2)
    assert harvest()["counts"]["findings"] == {"drop-taken-before": 1}, "it waits"
    decide("return", reason="请核实")
    told = harvest()
    assert (told["state"], told["counts"]["rows_ok"]) == ("done", 1)
    assert harvest()["counts"]["rows_ok"] == 0


def test_a_table_that_is_again_as_it_was_becomes_public_so(harvested: Drop) -> None:
    first, second = csv(row(1, "采购甲")), csv(row(1, "采购乙"))
    for number, content in enumerate((first, second, first)):
        send(harvested, "now.csv", content, number)
        assert harvest()["counts"]["rows_ok"] == 1
        decide("approve")
    assert all(outbox.drain())
    [shown] = call("datastore_search", "", resource_id="procurement")["records"]
    assert shown["project_name"] == "采购甲"
    assert harvest()["counts"]["pages"] == 0


def test_a_file_that_fails_keeps_none_of_the_others_out(harvested: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 3):
        send(harvested, f"{number}.csv", csv(row(number, f"采购{number}", month=number)), number)
    real = profiles.rows_of_file

    def fails(domain: Any, path: Path, filename: str, options: Any) -> Any:
        if filename == "1.csv":
            raise ZeroDivisionError
        return real(domain, path, filename, options)

    monkeypatch.setattr(profiles, "rows_of_file", fails)
    told = harvest()
    assert (told["state"], told["error"]["kind"], told["counts"]["rows_ok"]) == ("failed", "ZeroDivisionError", 2)
    monkeypatch.undo()
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.harvest.drop_root", str(harvested.root))
    assert harvest()["counts"]["rows_ok"] == 1


def test_files_that_change_nothing_keep_their_findings_beside_each_other(harvested: Drop) -> None:
    def table(name: str, number: int) -> bytes:
        bad = row(9, f"坏{name}").replace("2024-05", f"2024-{12 + number}")
        return csv(row(number, f"采购{number}", month=number), bad)

    for name, number in (("1.csv", 1), ("2.csv", 2)):
        harvested.put(name, table(name, number), rows=2)
        harvest()
        [held] = call("gkopen_revision_list", "li-officer", state="held")["results"]
        call("gkopen_revision_approve", "wang-reviewer", id=held["id"], digest=held["digest"])
    for name, number in (("3.csv", 1), ("4.csv", 2)):     # other bytes, and nothing that is not public
        harvested.put(name, table(name, number), rows=2)
    told = harvest()
    assert {outcome["state"] for outcome in told["counts"]["outcomes"]} == {"unchanged"}
    assert model.value("select count(*) from gkopen.quarantine where run_id = :id", id=told["id"]) == 2
    assert told["counts"]["rows_quarantined"] == 2
    apart = call("gkopen_run_quarantine", "li-officer", id=told["id"])["results"]
    assert [(each["file"], each["line"], [found["value"][:7] for found in each["findings"] if found["value"]])
            for each in apart] == [("3.csv", 3, ["2024-13"]), ("4.csv", 3, ["2024-14"])]
    assert {found["file"] for found in call("gkopen_finding_list", "li-officer", run=told["id"])["results"]} == {
        "3.csv", "4.csv"}
    assert rows_as_csv(apart).splitlines()[1].startswith("南通市财政局,3.csv,3,")
    book = Workbook()
    look.add_list(book, call("gkopen_finding_list", "li-officer", run=told["id"])["results"])
    listed = {(whose, line) for whose, _, line, *_ in book[look.LIST].iter_rows(min_row=2, values_only=True) if line}
    assert listed == {("南通市财政局 3.csv", 3), ("南通市财政局 4.csv", 3)}, "several files have such a line"


def test_the_page_of_a_run_says_in_which_file_each_finding_is(harvested: Drop, web: Any) -> None:
    def table_of(run_id: str, user: str = "portal-admin") -> dict[str, str]:
        """Rule → what the row of the table says, from its files on."""
        token = toolkit.get_action("api_token_create")({"user": user}, {"user": user, "name": "t"})["token"]
        ask: Any = helpers.CKANTestApp(web).get
        page = ask(f"/office/runs/{run_id}", headers={"Authorization": token}, status=200).body
        found = {}
        for line in page.split('id="gk-rules"')[1].split("</section>")[0].split("<tr>")[2:]:
            code = re.search(r"<code[^>]*>([a-z-]+)</code>", line)
            assert code is not None
            found[code[1]] = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", line.split("data-name=")[2]))
        return found

    bad = row(9, "坏").replace("2024-05", "2024-13")
    harvested.put("甲<b>.csv", csv(row(1, "采购一"), bad, bad.replace("-009", "-010")), rows=3)
    harvested.put("乙.csv", csv(row(2, "采购二", month=6), bad.replace("-009", "-011")), rows=2)
    harvested.put("丙.csv", b"a", sha256="0" * 64)
    told = harvest()
    assert told["files"]["date-wrong"] == [{"file": "甲<b>.csv", "number": 2}, {"file": "乙.csv", "number": 1}]
    table = table_of(told["id"])
    assert "甲&lt;b&gt;.csv × 2 乙.csv × 1" in table["date-wrong"] and "丙.csv" in table["drop-differs"]
    assert "×" not in table["drop-differs"], "one is one"
    for held in call("gkopen_revision_list", "li-officer", state="held")["results"]:
        call("gkopen_revision_approve", "wang-reviewer", id=held["id"], digest=held["digest"])
    renamed = "\r\n".join((HEADER.replace("中标供应商", "成交单位名称"), row(1, "采购一"), "")).encode("gb18030")
    for name in "123456":
        harvested.put(f"改{name}.csv", renamed + name.encode(), rows=1)
    stopped = table_of(harvest()["id"])
    assert "改1.csv" in stopped["column-renamed"] or "改1.csv" in stopped["column-removed"]
    assert "另有 1 个文件" in "".join(stopped.values()), "the others are in the file of all findings"


def test_a_folder_that_is_away_fails_the_run_in_words(harvested: Drop) -> None:
    harvested.folder.rename(harvested.root / "gone")
    told = harvest()
    assert (told["state"], told["error"]["kind"]) == ("failed", "SourceUnreachable")


