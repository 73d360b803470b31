"""Files that are examined together: each comes out exactly as it does alone, down to its canonical bytes."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ckanext.gkopen import examine as module
from ckanext.gkopen.domains import Domain, get_domain
from ckanext.gkopen.examine import File, examine, examine_all
from ckanext.gkopen.parts import count_part, split_parts, write_parts, write_split
from ckanext.gkopen.records import Examined, Options, Unreadable
from ckanext.gkopen.simulator import generate

from .badinput.corpus import DOMAINS
from .badinput.test_corpus import CORPUS

REAL = Path("/work/shared/real")
FEW, OLE = 100_000, b"\xd0\xcf"
"""Larger files and workbooks never go with others: what they cost here would show nothing."""
RECORDS = {"budget": ["budget.csv", "budget_gb18030.csv"], "hotline": ["hotline.csv", "hotline_utf8bom.csv"],
           "project": ["projects.csv"],
           "procurement": ["procurement.csv", "procurement_misaligned.csv", "procurement_yichang.csv"]}


def told(found: Examined | Unreadable) -> Any:
    if isinstance(found, Unreadable):
        return [finding.as_dict() for finding in found.findings]
    return (found.rows_in, found.header, found.encoding, found.notes, [f.as_dict() for f in found.findings],
            found.quarantine.to_pylist(), found.duplicates.to_pylist(), found.table.schema, found.table.to_pylist())


def alone(domain: Domain, file: File) -> Examined | Unreadable:
    try:
        return examine(domain, file.path, filename=file.filename, options=file.options)
    except Unreadable as error:
        return error


def must_be_the_same(domain: Domain, files: Sequence[File], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files went together, of each group."""
    sizes: list[int] = []
    together = module._together
    with monkeypatch.context() as patch:
        patch.setattr(module, "_together", lambda domain, group: (sizes.append(len(group)), together(domain, group))[1])
        found = examine_all(domain, files)
    for file, mine in zip(files, found, strict=True):
        assert told(mine) == told(alone(domain, file)), file
    good = [each for each in found if isinstance(each, Examined)]
    for each, written in zip(good, write_split(domain, [each.table for each in good]), strict=True):
        contents = write_parts(domain, split_parts(domain, each.table))
        assert {part: one.data for part, one in written.items()} == contents
        assert list(written) == list(contents)
        for part, data in contents.items():
            rows, sums = written[part].counted
            wanted_rows, wanted = count_part(domain, data)
            assert (rows, {k: v and str(v) for k, v in sums.items()}) == (
                wanted_rows, {k: v and str(v) for k, v in wanted.items()})
        assert each.rows_in == each.rows_ok + each.rows_quarantined + each.rows_duplicate
    return sizes


def lines(rows: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(errors="backslashreplace")


def dealt(rows: list[dict[str, Any]], bodies: int, seed: int) -> list[list[dict[str, Any]]]:
    """Rows to bodies: some in turn, some at random, so that a group of rows is cut and also kept whole."""
    chance = random.Random(seed)
    hands: list[list[dict[str, Any]]] = [[] for _ in range(bodies)]
    for number, row in enumerate(rows):
        hands[chance.choice((number % bodies, number * bodies // len(rows)))].append(row)
    return hands


def files_of(folder: Path, hands: Iterable[bytes],
             headers: Sequence[tuple[str, ...] | None] = (None,)) -> list[File]:
    found = []
    for number, data in enumerate(hands):
        path = folder / f"{len(list(folder.iterdir()))}.jsonl"
        path.write_bytes(data)
        header = headers[number % len(headers)]
        found.append(File(path, "rows.jsonl", Options(expected_header=header)))
    return found


@pytest.mark.parametrize("name", sorted(DOMAINS))
def test_the_corpus_of_bad_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are, and their rows as JSON Lines beside each other and beside good ones."""
    domain, files = get_domain(name), []
    tables: dict[tuple[str, ...], list[bytes]] = {}
    few = [case for case in CORPUS if case.domain == name and len(case.data) < FEW
           and case.data[:2] not in (b"PK", OLE)]
    for number, case in enumerate(few):
        path = tmp_path / f"raw-{number}"
        path.write_bytes(case.data)
        files.append(File(path, case.filename, Options()))
        try:
            header, *rows = csv.reader(case.data.decode("utf-8").splitlines())
        except (UnicodeDecodeError, csv.Error, ValueError):
            continue
        if rows and len(header) == len(set(header)):
            tables.setdefault(tuple(header), []).append(
                lines(dict(zip(header, row, strict=False)) for row in rows))
    for header, hands in tables.items():
        files += files_of(tmp_path, hands * (1 if len(hands) > 1 else 2), headers=(None, header, header[:-1]))
    sizes = must_be_the_same(domain, files, monkeypatch)
    assert max(sizes) > 5, sizes


@pytest.mark.parametrize("name", sorted(generate.MAKERS))
def test_generated_records(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(generate.records(name, 300, bad=0.2))
    hands = [*dealt(rows, 7, 1), rows[:20] + rows[:5], []]
    labels = tuple(rows[0])
    files = files_of(tmp_path, map(lines, hands), headers=(None, labels, labels[1:]))
    sizes = must_be_the_same(get_domain(name), files, monkeypatch)
    assert max(sizes) >= 8 or get_domain(name).shapes, sizes


@pytest.mark.skipif(not REAL.is_dir(), reason="the real records are not there")
@pytest.mark.parametrize(("name", "record"), [(name, each) for name, found in RECORDS.items() for each in found])
def test_real_records(name: str, record: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (REAL / record).read_bytes()
    text = data.decode("gb18030" if "gb18030" in record else "utf-8-sig")
    header, *rows = csv.reader(text.splitlines())
    records = [dict(zip(header, row, strict=False)) for row in rows if row]
    hands = [hand for seed, bodies in ((2, 5), (3, 40)) for hand in dealt(records, bodies, seed)]
    files = files_of(tmp_path, map(lines, hands), headers=(None, tuple(header)))
    must_be_the_same(get_domain(name), files, monkeypatch)


ODD = {
    "amount of many digits": {"预算金额（元）": "12345678901234567890123"},
    "day that no calendar has": {"发布时间": "2024-02-30 09:00:00"},
    "early day": {"发布时间": "1066-01-01 09:00:00"},
    "unit in the cell": {"预算金额（元）": "12.5万元"},
    "mark that nobody sees": {"项目名称": "一\u200b二"},
    "number without a word": {"项目名称": "证件 E12345678 一份"},
    "passport with its word": {"项目名称": "护照 E12345679"},
    "mobile number": {"项目名称": "联系 13912345678"},
    "cell of an object": {"项目名称": {"a": 1}},
    "no value": {"公告编号": "", "公告类型": ""},
    "unknown code": {"采购方式": "抽签"},
    "percent": {"中标金额（元）": "63%"},
    "total line": {"公告编号": "合计", "公告类型": "", "发布时间": "", "项目编号": ""},
    "blank": dict.fromkeys(["公告编号", "公告类型", "发布时间", "项目编号", "项目名称", "采购单位"], ""),
    "footnote": {"公告编号": "注：本表由财政局填报"},
    "replacement": {"项目名称": "\ufffd"},
    "half of a character": {"项目名称": "一\ud83d"},
    "NUL": {"公告编号": "一\0"},
    "key that no index takes": {"公告编号": "一" * 1000},
}


def test_an_odd_table_leaves_the_others_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each oddity in a table of its own, among ten plain ones, all together and one by one."""
    rows = list(generate.records("procurement", 220))
    hands = [rows[start:start + 10] for start in range(0, 220, 10)]
    odd = [[*hand[:-1], {**hand[-1], **change}] for hand, change in zip(hands, ODD.values(), strict=False)]
    plain = hands[len(ODD):]
    domain = get_domain("procurement")
    together = must_be_the_same(domain, files_of(tmp_path, map(lines, [*odd, *plain])), monkeypatch)
    assert max(together) == len(odd) + len(plain)
    for number, hand in enumerate(odd):
        must_be_the_same(domain, files_of(tmp_path, map(lines, [plain[0], hand, plain[1]])), monkeypatch)
        must_be_the_same(domain, files_of(tmp_path, map(lines, [hand, odd[number - 1]])), monkeypatch)


def test_the_same_key_in_two_tables_is_no_duplicate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(generate.records("procurement", 20))
    files = files_of(tmp_path, map(lines, [rows, rows, rows[::-1], [*rows, rows[3], {**rows[4], "采购方式": "询价"}]]))
    assert must_be_the_same(get_domain("procurement"), files, monkeypatch) == [4]
    found = [each for each in examine_all(get_domain("procurement"), files) if isinstance(each, Examined)]
    assert [(each.rows_ok, each.rows_quarantined, each.rows_duplicate) for each in found] == [
        (20, 0, 0), (20, 0, 0), (20, 0, 0), (19, 2, 1)]


def test_a_crash_of_the_privacy_scan_refuses_its_own_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(generate.records("procurement", 20))
    files = files_of(tmp_path, map(lines, [rows[:10], [*rows[10:], {**rows[0], "项目名称": "13912345678 触发"}]]))
    judge = module.privacy.judge

    def crash(text: str, *more: Any) -> set[str]:
        if "触发" in text:
            raise ValueError(text)
        return judge(text, *more)

    monkeypatch.setattr(module.privacy, "judge", crash)
    good, refused = examine_all(get_domain("procurement"), files)
    assert isinstance(good, Examined) and good.rows_ok == 10
    assert isinstance(refused, Unreadable) and [f.code for f in refused.findings] == ["privacy-scan-failed"]
