"""Columns that were accepted: a new one is shown, any other change stops the table with a proposal."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.cli.cli import ckan
from ckan.plugins import toolkit
from ckan.tests.helpers import CKANCliRunner

from ckanext.gkopen import model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.harvest import drifting, ledger, profiles
from ckanext.gkopen.harvest.run import source_of
from tests.harvest.city import SOURCE, City, harvest, public_rows, revisions, run_of
from tests.people import call


def stopped(run: dict[str, Any]) -> list[dict[str, Any]]:
    assert run["state"] == "stopped", (run["state"], run["error"])
    [entry] = run["counts"]["stopped"]
    return entry["drift"]


def test_changed_columns_stop_the_table(public: City) -> None:
    before, known = public_rows(), revisions()
    shown = model.every("select part, sha256 from gkopen.public_part order by part")
    for fault, kind in (("drift_remove", "removed"), ("drift_rename", "renamed"), ("drift_swap", "exchanged"),
                        ("drift_retype", "retyped"), ("others_rows", "foreign")):
        public.fault(fault)
        run = harvest()
        drift = stopped(run)
        assert kind in {one["kind"] for one in drift}, drift
        assert run["counts"]["stopped"][0]["rows"] > 0
        found = call("gkopen_finding_list", "office", run=str(run["id"]))["results"]
        assert {one["code"] for one in found} >= {{"removed": "column-removed", "renamed": "column-renamed",
                                                   "exchanged": "column-exchanged", "retyped": "column-kind-changed",
                                                   "foreign": "rows-foreign"}[drift[0]["kind"]]}
        assert all(one["message"] and one["fix"] and "…" not in one["message"] for one in found)
        assert (public_rows(), revisions()) == (before, known), fault
        assert model.every("select part, sha256 from gkopen.public_part order by part") == shown, fault
        public.fault()
        assert harvest()["counts"]["outcomes"][0]["state"] == "unchanged", "mended at the source, it goes on by itself"
        print(fault, [{name: one.get(name) for name in ("kind", "label", "to", "confidence")} for one in drift])


def test_a_new_column_is_shown_and_held(public: City) -> None:
    public.fault("drift_add")
    lines = public.lines()
    public.write([lines[0], lines[1].replace("370", "371"), *lines[2:]])
    run = harvest()
    assert run["counts"]["outcomes"][0]["state"] == "held"
    assert run["counts"]["findings"]["column-added"] == 1


def test_the_command_says_in_words_what_stopped_a_table(public: City, cli: CKANCliRunner) -> None:
    public.fault("drift_rename")
    told = cli.invoke(ckan, ["gkopen", "harvest", SOURCE]).output
    assert "by its content it is now called" in told and "kind=" not in told, told


def test_a_new_name_is_proposed_and_accepted(public: City) -> None:
    lines = public.lines()
    public.write([lines[0].replace("泊位总数", "规划车位合计"), *lines[1:]])
    run = harvest()
    [drift] = stopped(run)
    assert (drift["kind"], drift["label"], drift["to"]) == ("renamed", "泊位总数", "规划车位合计")
    assert drift["confidence"] > 90, "the cells are the same"
    mapping = call("gkopen_run_accept", "officer", id=str(run["id"]))["mapping"]
    assert mapping == {"规划车位合计": "spaces"}
    assert run_of(run["id"])["decision"] == "accepted"
    assert harvest()["counts"]["outcomes"][0]["state"] == "unchanged", "the same cells under another name"


@pytest.mark.parametrize("since", ["came back", "edited"])
def test_what_is_past_is_not_accepted(public: City, since: str) -> None:
    """Else the next run would stop at the columns that the source really has, or read by another table's names."""
    before = public.table().read_text("utf-8-sig")
    public.edit("停车场类型,", "车场类别甲,")
    run = harvest()
    assert run["state"] == "stopped"
    public.table().write_text(before, "utf-8")
    if since == "came back":
        assert harvest()["state"] in ("done", "partly")
    else:
        kept = source_of(ledger.find_source(SOURCE))
        ledger.save_source(replace(kept, constants={"complaint_phone": "12345"}), "admin", replace=True)
        ckan_model.Session.commit()
    with pytest.raises(toolkit.ValidationError, match="nothing to accept any more"):
        call("gkopen_run_accept", "officer", id=str(run["id"]))
    ckan_model.Session.rollback()
    assert ledger.find_source(SOURCE)["config"]["mapping"] == {}
    assert harvest()["state"] in ("done", "partly")


def test_exchanged_columns_are_accepted(public: City) -> None:
    public.fault("drift_swap")
    run = harvest()
    assert len(stopped(run)) == 1, stopped(run)
    [drift] = stopped(run)
    assert {drift["label"], drift["to"]} == {"停车场名称", "停车场类型"}
    call("gkopen_run_accept", "officer", id=str(run["id"]))
    assert harvest()["counts"]["outcomes"][0]["state"] == "unchanged"


def test_a_column_renamed_between_two_pages_stops_the_table(public: City) -> None:
    before, known = public_rows(), revisions()
    ledger.save_source(replace(source_of(ledger.find_source(SOURCE)), page_size=30), "admin", replace=True)
    public.fault("drift_rename*1")
    run = harvest()
    [drift] = stopped(run)
    assert (drift["kind"], drift["label"], drift["rows"], drift["of"]) == ("midway", "停车场名称", 30, 82)
    [finding] = call("gkopen_finding_list", "office", run=str(run["id"]))["results"]
    assert drift["to"] in finding["message"] and "30" in finding["message"]
    assert (public_rows(), revisions()) == (before, known)


def test_rows_that_leave_out_what_they_do_not_have_are_no_drift(tmp_path: Path) -> None:
    """An empty cell that is not sent, beside a column that is new; and a column that none of them has any more."""
    whole = {"项目名称": "甲", "采购单位": "乙", "预算金额(元)": "1"}
    before = columns(tmp_path, [whole])
    assert drifting.midway({("项目名称", "采购单位"): 9, tuple(whole): 1}, before) == []
    assert drifting.midway({("项目名称", "采购单位", "备注"): 9, (*whole, "备注"): 1}, before) == []
    assert drifting.midway({("项目名称", "采购单位", "备注"): 9}, before) == [], "that is another drift"
    assert drifting.midway({tuple(whole): 1}, {}) == []
    [drift] = drifting.midway({tuple(whole): 7, ("项目名称", "采购单位", "预算价(元)", "备注"): 2}, before)
    assert (drift.label, drift.to, drift.rows, drift.of) == ("预算金额(元)", "预算价(元)", 2, 9)


def test_a_column_that_became_empty_stops_the_table(public: City) -> None:
    """A view that lost a join, or a mask: each row still has the label, and none a value."""
    before, known, lines = public_rows(), revisions(), public.lines()
    at = lines[0].split(",").index("充电泊位数")
    rows = [line.split(",") for line in lines[1:]]
    public.write([lines[0], *(",".join([*row[:at], "", *row[at + 1:]]) for row in rows)])
    run = harvest()
    assert [(drift["kind"], drift["label"], drift["rows"], drift["of"]) for drift in stopped(run)] == [
        ("emptied", "充电泊位数", 82, 82)]
    [finding] = call("gkopen_finding_list", "office", run=str(run["id"]))["results"]
    assert finding["code"] == "column-emptied" and "82" in finding["message"] and "…" not in finding["message"]
    assert (public_rows(), revisions()) == (before, known)
    call("gkopen_run_accept", "officer", id=str(run["id"]))
    assert harvest()["counts"]["outcomes"][0]["state"] == "held", "it is meant so: a reviewer sees what goes"
    public.write(lines)
    assert harvest()["counts"]["outcomes"][0]["state"] == "unchanged", "and it may come back"


@pytest.mark.parametrize(("mask", "accepted"), [("***", "returned"), ("测试", "held")])
def test_a_column_of_many_values_that_has_one_stops_the_table(public: City, mask: str, accepted: str) -> None:
    """A mask, a dash or a default over night: a person sees it before a standing approval publishes it."""
    before, known, lines = public_rows(), revisions(), public.lines()
    at = lines[0].split(",").index("地址")
    rows = [line.split(",") for line in lines[1:]]
    public.write([lines[0], *(",".join([*row[:at], mask, *row[at + 1:]]) for row in rows)])
    run = harvest()
    assert [(drift["kind"], drift["label"], drift["rows"], drift["of"]) for drift in stopped(run)] == [
        ("uniform", "地址", 82, 82)]
    [finding] = call("gkopen_finding_list", "office", run=str(run["id"]))["results"]
    assert finding["code"] == "column-uniform" and "82" in finding["message"]
    assert (public_rows(), revisions()) == (before, known)
    call("gkopen_run_accept", "officer", id=str(run["id"]))
    assert harvest()["counts"]["outcomes"][0]["state"] == accepted, "a reviewer sees what changes; asterisks are none"


def test_what_was_written_anew_in_a_night_or_has_few_rows_is_not_uniform(tmp_path: Path) -> None:
    rows = [{"项目名称": f"项目{n}", "采购单位": f"单位{n % 12}", "公告日期": f"2024-05-{n + 1:02}"} for n in range(20)]
    before = columns(tmp_path, rows)
    one = [{**row, "公告日期": "2024-06-01", "采购单位": "单位" if n else "单位1"} for n, row in enumerate(rows)]
    assert drifting.compare(before, columns(tmp_path, one), {}, whole=True) == []
    masked = [{**row, "采购单位": "***"} for row in rows]
    assert drifting.compare(before, columns(tmp_path, masked[:9]), {}, whole=True) == []
    assert drifting.compare(before, columns(tmp_path, masked), {}) == [], "those that changed may be of one buyer"
    assert [drift.kind for drift in drifting.compare(before, columns(tmp_path, masked), {}, whole=True)] == ["uniform"]


def test_few_empty_cells_are_no_empty_column(tmp_path: Path) -> None:
    whole = [{"项目名称": f"项目{n}", "采购单位": "乙", "代理机构": "丙" if n % 5 else ""} for n in range(20)]
    before = columns(tmp_path, whole)
    none = [{**row, "代理机构": ""} for row in whole]
    assert drifting.compare(before, columns(tmp_path, none[:2]), {}, whole=True) == [], "two rows say nothing"
    half = [{**row, "代理机构": row["代理机构"] if n % 2 else ""} for n, row in enumerate(whole)]
    assert drifting.compare(before, columns(tmp_path, half), {}, whole=True) == []
    assert drifting.compare(before, columns(tmp_path, none), {}) == [], "those that changed are of another kind"
    [drift] = drifting.compare(before, columns(tmp_path, none), {}, whole=True)
    assert (drift.kind, drift.label, drift.rows, drift.of) == ("emptied", "代理机构", 20, 20)


def test_rows_that_changed_need_not_bring_every_column(tmp_path: Path) -> None:
    """A platform that leaves out what is empty: of the few rows that changed none has what few rows have."""
    changed = [{"项目名称": f"项目{n}", "采购单位": "乙"} for n in range(40)]
    before = columns(tmp_path, [row | ({"代理机构": "丁"} if n % 4 == 0 else {}) for n, row in enumerate(changed)])
    assert drifting.compare(before, columns(tmp_path, changed[:2]), {}) == []
    assert [drift.label for drift in drifting.compare(before, columns(tmp_path, changed), {})] == ["代理机构"]
    [drift] = drifting.compare(before, columns(tmp_path, [{"项目名称": "项目1"}]), {})
    assert (drift.kind, drift.label) == ("removed", "采购单位"), "every row had it"


def test_labelled_cells_have_no_places(public: City) -> None:
    """A platform that writes an object's keys in any order: each cell has its label all the same."""
    rows = [line.split(",") for line in public.lines()]
    public.write([",".join(row[::-1]) for row in rows])
    run = harvest()
    assert run["counts"]["outcomes"][0]["state"] == "unchanged" and "column-swapped" not in run["counts"]["findings"]


def test_numbers_as_text_are_the_same_table(public: City) -> None:
    public.fault("numbers_as_text")
    assert harvest()["counts"]["outcomes"][0]["state"] == "unchanged"


def columns(folder: Path, rows: list[dict[str, str]]) -> profiles.Profile:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return profiles.Profiler(get_domain("procurement"), {}).profile(profiles.first_rows(path), "salt")


def test_two_columns_of_texts_that_are_exchanged(tmp_path: Path) -> None:
    """Both are names of organisations: only the values tell."""
    rows = [{"项目名称": f"项目{n}", "采购单位": f"第{n}中学", "代理机构": f"第{n % 7}招标公司"} for n in range(200)]
    before = columns(tmp_path, rows)
    crossed = [{**row, "采购单位": row["代理机构"], "代理机构": row["采购单位"]} for row in rows]
    [drift] = drifting.compare(before, columns(tmp_path, crossed), {})
    assert (drift.kind, drift.label, drift.to) == ("exchanged", "采购单位", "代理机构")
    newer = [{"项目名称": f"新{n}", "采购单位": f"第{n}小学", "代理机构": f"第{n % 5}招标公司"} for n in range(200)]
    assert drifting.compare(before, columns(tmp_path, rows[150:] + newer), {}) == []


def test_new_rows_of_the_same_kind_are_no_drift(tmp_path: Path) -> None:
    def rows(start: int) -> list[dict[str, str]]:
        return [{"项目名称": f"项目{n}", "预算金额(元)": f"{n * 1000}.00", "发布时间": f"2024-05-{n % 28 + 1:02d}",
                 "采购方式": "公开招标" if n % 2 else "询价"} for n in range(start, start + 50)]

    assert drifting.compare(columns(tmp_path, rows(1)), columns(tmp_path, rows(1000)), {}) == []
    assert drifting.compare(columns(tmp_path, rows(1)), {}, {}) == [], "a listing without rows says nothing of columns"
    words = [{**row, "预算金额(元)": "约十万"} for row in rows(1)]
    [drift] = drifting.compare(columns(tmp_path, rows(1)), columns(tmp_path, words), {})
    assert (drift.kind, drift.was, drift.now) == ("retyped", "number", "text")


def test_a_day_that_is_written_otherwise_is_a_day(tmp_path: Path) -> None:
    days = [date(2026, 5, number) for number in range(1, 31)]
    ways = {way: columns(tmp_path, [{"项目名称": "某项目", "发布时间": way(day)} for day in days]) for way in (
        date.isoformat, lambda day: f"{day:%Y%m%d}", lambda day: f"{day:%Y%m%d}093000",
        lambda day: str(int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000))}
    assert [drifting.compare(before, now, {}) for before in ways.values() for now in ways.values()] == [[]] * 16
    for printed in ways.values():
        [drift] = drifting.compare(printed, columns(tmp_path, [{"项目名称": "某项目", "发布时间": "见公告"}] * 30), {})
        assert (drift.was, drift.now) == ("date", "text")
        numbers = columns(tmp_path, [{"项目名称": "某项目", "发布时间": f"{number}"} for number in range(46140, 46170)])
        assert [drift.kind for drift in drifting.compare(printed, numbers, {})] == ["retyped"], "Excel's days are none"


def test_no_value_can_be_read_from_a_profile(tmp_path: Path) -> None:
    kept = str(columns(tmp_path, [{"项目名称": "秘密项目", "采购单位": "13812345678"}]))
    assert "秘密" not in kept and "138123" not in kept


def test_an_accepted_name_is_guarded_before_its_first_publication(public: City) -> None:
    lines = public.lines()
    renamed = lines[0].replace("管理单位", "养护经办机构")
    public.write([renamed, *lines[1:]])
    call("gkopen_run_accept", "officer", id=str(harvest()["id"]))
    assert harvest()["counts"]["outcomes"][0]["state"] == "unchanged"
    emptied = [line.replace("江海市城市停车管理中心", "") for line in lines[1:]]
    public.write([renamed.replace("养护经办机构", "备用"), *emptied])
    assert [drift["kind"] for drift in stopped(harvest())] == ["removed"]


def test_a_column_that_the_settings_read_no_more_stops_the_table(public: City) -> None:
    """A source file that is older than the names that were accepted, say."""
    lines = public.lines()
    public.write([lines[0].replace("管理单位", "养护经办机构"), *lines[1:]])
    call("gkopen_run_accept", "officer", id=str(harvest()["id"]))
    assert harvest()["counts"]["outcomes"][0]["state"] == "unchanged"
    model.execute("update gkopen.source set config = config || '{\"mapping\": {}}' where name = :s", s=SOURCE)
    public.write([public.lines()[0], *lines[1:-1], lines[-1].replace(",", "（改）,", 1)])
    run = harvest()
    assert [(drift["kind"], drift["label"], drift["field"]) for drift in stopped(run)] == [
        ("unread", "养护经办机构", "operator")]
    assert [outcome["state"] for outcome in run["counts"]["outcomes"]] == ["stopped"]
    call("gkopen_run_accept", "officer", id=str(run["id"]))
    assert harvest()["counts"]["outcomes"][0]["state"] == "held", "it is meant so: a reviewer sees what goes"
