"""Lists of notices as cities publish them: without numbers, addresses or kinds, under a title, of a key and a value."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine, render
from ckanext.gkopen.records import Examined, Options, Unreadable

LIST = "公告类型,发布日期,项目编号,项目名称,采购人,中标供应商,中标金额（元）"
ROW = "中标公告,2024-05-06,P-1,校园网络设备,某市教育局,甲公司,120000"


def look(folder: Path, *lines: str) -> Examined:
    path = folder / "表.csv"
    path.write_text("\n".join(lines))
    x = examine(get_domain("procurement"), path, filename=path.name, options=Options())
    assert x.rows_in == x.rows_ok + x.rows_quarantined + x.rows_duplicate
    return x


def ids(x: Examined) -> list[str]:
    return x.table["release_id"].to_pylist()


def test_a_notice_without_number_address_and_title_is_told_by_project_kind_and_day(tmp_path):
    first = ids(look(tmp_path, LIST, ROW))
    assert first[0].startswith("g-") and first == ids(look(tmp_path, LIST, ROW.replace("120000", "130000")))
    others = [ROW.replace(*change) for change in (("P-1", "P-2"), ("中标公告", "更正公告"), ("05-06", "05-07"))]
    assert len({*first, *ids(look(tmp_path, LIST, *others))}) == 4
    two = look(tmp_path, LIST, ROW, ROW.replace("120000", "130000"))  # two notices that nothing tells apart
    assert (two.rows_quarantined, two.counts()["key-conflict"]) == (2, 2)


def test_without_a_project_number_the_buyer_and_the_projects_name_tell_it(tmp_path):
    rows = [ROW.replace("P-1", number) for number in ("/", "无", "")]
    found = {one for row in rows for one in ids(look(tmp_path, LIST, row))}
    assert len(found) == 1 and found != {*ids(look(tmp_path, LIST, ROW))}
    assert len({*ids(look(tmp_path, LIST, rows[0], rows[0].replace("某市教育局", "某市民政局")))}) == 2


def test_the_address_and_the_title_come_first(tmp_path):
    plain = ids(look(tmp_path, LIST, ROW))
    titled = look(tmp_path, f"{LIST},公告标题", f"{ROW},校园网络设备中标公告")
    assert ids(titled) != plain
    assert ids(look(tmp_path, f"{LIST},公告标题,网址", f"{ROW},校园网络设备中标公告,https://a.cn/1")) != ids(titled)


def test_a_list_of_titles_has_them_as_names(tmp_path):
    x = look(tmp_path, "公告标题,公告类型,发布时间,采购人",
             "某院CT采购项目公开招标公告,招标公告,2024-05-06 10:20:31,某院")
    assert x.table["project_name"].to_pylist() == ["某院CT采购项目公开招标公告"]


@pytest.mark.parametrize(("title", "kind"), [
    ("某市教育局2024年6月至8月政府采购意向", "intention"), ("某市政府采购合同公告汇总表", "contract"),
    ("某市政府采购中标（成交）结果一览表", "award"), ("道路改造工程中标候选人公示", "candidates"),
    ("某市单一来源采购公示", "single_source"), ("某市废标公告汇总", "termination")])
def test_the_kind_that_the_title_names(tmp_path, title, kind):
    header = "序号,发布日期,项目名称,采购人,预算金额（万元）"
    x = look(tmp_path, f"{title},,,,", header, "1,2024-05-06,道路改造,某局,12.5")
    assert x.table["notice_type"].to_pylist() == [kind]


def test_what_lines_above_a_table_state_of_all_its_rows(tmp_path):
    lines = ["中标候选人公示,,,", "项目名称：市政道路改造（一标段）,,招标编号：QD-2024-017,",
             "发布时间：2024年5月6日 09:30,,,", "公示时间：2024年5月6日至2024年5月9日,,,",
             "招标人：,某市城市建设局,,", "名次,中标候选人,投标报价（元）,单位",
             "第一名,甲公司,\"12,345,678.90\",", "第二名,乙公司,12400000,"]
    x = look(tmp_path, *lines)
    names = ["notice_type", "project_no", "project_name", "buyer_name", "supplier_status", "publicity_period"]
    assert {tuple(row.values()) for row in x.table.select(names).to_pylist()} == {
        ("candidates", "QD-2024-017", "市政道路改造（一标段）", "某市城市建设局", "candidate", None)}
    assert {str(when) for when in x.table["published_at"].to_pylist()} == {"2024-05-06 09:30:00"}
    assert x.rows_ok == 2 and len({*ids(x)}) == 1


def test_what_lacks_kind_and_day_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, "项目编号,项目名称,采购单位,中标供应商,中标日期", "P-1,停车平台,某局,甲公司,2024-05-06")
    assert {f.field for f in refused.value.findings} == {"notice_type", "published_at"}
    assert "“公告类型：（值）”" in render(refused.value.findings[0], "zh")["fix"]


INTENTIONS = [["某局2024年6月政府采购意向"],
              ["序号", "采购项目名称", "采购需求概况", "预算金额（万元）", "预计采购时间（填写到月）", "备注"],
              ["一、货物类"], [1, "彩超", "2台", 1360, "2024年7月", "无"],
              [2, "平台运维", "一年", 128.5, "2024年6月", "无"]]
REMARK = "本次公开的采购意向是初步安排，具体情况以采购公告为准。"


@pytest.mark.parametrize("below", [
    [[REMARK], ["某局"], ["2024年5月28日"]], [[REMARK], [""] * 4 + ["某局"], [""] * 4 + ["2024年5月28日"]]])
def test_remarks_below_and_headings_across_a_table_are_no_notices(tmp_path, below):
    """Merged cells have their text in every column: a remark would be a project, its buyer and its price."""
    workbook = openpyxl.Workbook()
    for row in [*INTENTIONS, *below]:
        workbook.worksheets[0].append(row)
    for line in [1, 3, *(6 + place for place, row in enumerate(below) if len(row) == 1)]:
        workbook.worksheets[0].merge_cells(f"A{line}:F{line}")
    workbook.save(tmp_path / "表.xlsx")
    x = examine(get_domain("procurement"), tmp_path / "表.xlsx", filename="表.xlsx",
                options=Options(constants={"published_at": "2024-05-28", "buyer_name": "某局"}))
    assert sorted(x.table["project_name"].to_pylist()) == ["平台运维", "彩超"]
    assert [(f.line, f.code) for f in x.findings if f.severity == "error"] == [(3, "row-across")]
    assert [note for note in x.notes if "表注" in note and REMARK in note]


def test_a_record_of_nothing_but_a_sentence_is_set_apart(tmp_path):
    """Not a remark below a table: a gateway's record is never left out."""
    record = dict(zip(LIST.split(","), ROW.split(","), strict=True))
    path = tmp_path / "表.json"
    path.write_text(json.dumps([record, dict.fromkeys(record, "") | {"项目名称": REMARK}], ensure_ascii=False))
    x = examine(get_domain("procurement"), path, filename=path.name, options=Options())
    assert (x.rows_in, x.rows_ok, x.rows_quarantined) == (2, 1, 1)


def test_a_lot_that_failed_has_no_supplier_of_that_name(tmp_path):
    rows = [ROW.replace("P-1", f"P-{n}").replace("甲公司,120000", cells) for n, cells in enumerate((
        "流标,", "废标（流标）,/", "乙公司,流标", "供应商不足三家,—", "甲公司,120000"))]
    x = look(tmp_path, LIST, *rows)
    found = {(row["project_no"], row["supplier_name"], row["supplier_status"], row["award_amount"])
             for row in x.table.to_pylist()}
    assert found == {("P-0", None, "void", None), ("P-1", None, "void", None), ("P-2", "乙公司", "void", None),
                     ("P-3", None, "void", None), ("P-4", "甲公司", "awarded", Decimal(120000))}
    said = look(tmp_path, f"{LIST},中标状态", f"{ROW.replace('甲公司,120000', '流标,')},未中标")
    assert (said.table["supplier_name"][0].as_py(), said.table["supplier_status"][0].as_py()) == (None, "rejected")


@pytest.mark.parametrize(("line", "amount"), [
    ("单位：万元、%", 1200000), ("单位：个、万元", 1200000), ("单位：亿元、万元", None), ("单位：元", 120)])
def test_a_line_of_several_units(tmp_path, line, amount):
    lines = [f"{line},,,,,,", LIST.replace("（元）", ""), ROW.replace("120000", "120")]
    assert look(tmp_path, *lines).table["award_amount"].to_pylist() == ([] if amount is None else [Decimal(amount)])


def test_without_a_column_of_kinds_each_notices_own_title_names_it(tmp_path):
    """And not the file's name, which speaks for those whose title says nothing."""
    header = "公告标题,发布日期,采购人,中标供应商,中标金额（元）"
    lines = [header, "食堂设备采购项目公开招标公告,2024-05-06,某校,,",
             "食堂设备采购项目中标结果公告,2024-05-26,某校,甲公司,5768", "食堂设备采购项目,2024-05-07,某校,,"]
    path = tmp_path / "采购公告.csv"
    path.write_text("\n".join(lines))
    x = examine(get_domain("procurement"), path, filename=path.name, options=Options())
    assert {(row["source_title"], row["notice_type"]) for row in x.table.to_pylist()} == {
        ("食堂设备采购项目公开招标公告", "tender"), ("食堂设备采购项目中标结果公告", "award"),
        ("食堂设备采购项目", "tender")}
    assert x.counts()["taken-from-column"] == x.counts()["taken-from-file"] == 1
    alone = look(tmp_path, *lines)  # 表.csv says nothing
    assert (alone.rows_ok, alone.rows_quarantined, alone.counts()["value-missing"]) == (2, 1, 1)
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, header.replace("公告标题", "项目名称"), lines[3])
    assert "notice_type" in {found.field for found in refused.value.findings}


@pytest.mark.parametrize("printed", ["/", "无", "—", "******"])
def test_a_sign_in_place_of_a_name_is_no_body(tmp_path, printed):
    x = look(tmp_path, f"{LIST},代理机构", f"{ROW},{printed}", f"{ROW.replace('P-1', 'P-2')},自行采购")
    assert x.table["agency_name"].to_pylist() == [None, "自行采购"] and x.counts()["not-stated"] == 1
