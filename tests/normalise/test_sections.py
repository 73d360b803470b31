"""Lists of projects with lines that head others: they are no projects, and what they state is compared."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import File, examine, examine_all
from ckanext.gkopen.records import Examined, Options, Unreadable

PROJECT = get_domain("project")
HEADER = "序号,项目名称,建设地点,总投资,年度计划投资,责任单位"
LIST = ["2024年江海市重点建设项目计划表,,,,,", ",,,,,单位：万元", HEADER, ",总计（4个）,,90000,22000,",
        "一,续建项目（3个）,,60000,20000,", "（一）,交通（2个）,,50000,15000,",
        "1,江海大道改造工程,崇川区,40000,10000,江海市交通运输局", "2,疏港公路,通州区,10000,5000,江海市交通运输局",
        "（二）,水利（1个）,,10000,5000,", "3,河道整治,海门区,10000,5000,江海市水利局", "二,新开工项目,,30000,2000,",
        "4,科技馆,崇川区,30000,2000,江海市文化广电和旅游局", ",合计,,90000,22000,", "注：排名不分先后,,,,,"]


def look(folder: Path, lines: list[str]) -> Examined:
    path = folder / "表.csv"
    path.write_text("\n".join(lines))
    x = examine(PROJECT, path, filename="表.csv", options=Options())
    assert x.rows_in == x.rows_ok + x.rows_quarantined + x.rows_duplicate
    return x


def said(x: Examined) -> list[tuple[str, int | None, str | None]]:
    return [(f.code, f.line, f.label) for f in x.findings if f.line is not None]


def test_lines_that_head_others_are_no_projects(tmp_path):
    x = look(tmp_path, LIST)
    assert sorted(x.table["title"].to_pylist()) == sorted(["江海大道改造工程", "疏港公路", "河道整治", "科技馆"])
    assert (x.rows_in, said(x)) == (4, [])
    assert [line for line in range(1, 15) if any(f"第{line}行是分类行" in note for note in x.notes)] == [5, 6, 9, 11]


@pytest.mark.parametrize(("line", "old", "new", "finding"), [
    (4, "3个", "4个", ("section-count-differs", 5, None)), (5, "50000", "50001", ("total-row-differs", 6, "总投资")),
    (4, "20000", "20001", ("total-row-differs", 5, "年度计划投资")),
    (3, "90000", "9", ("total-row-differs", 4, "总投资"))])
def test_what_they_state_is_compared(tmp_path, line, old, new, finding):
    lines = [*LIST]
    lines[line] = lines[line].replace(old, new)
    assert said(look(tmp_path, lines)) == [finding]


def test_a_project_with_an_ordinal_or_a_count_stays_a_project(tmp_path):
    lines = ["项目名称,建设单位,总投资（万元）", "一、基础设施类,,", "一、城北路改造工程,江海市住建局,500",
             "充电桩（10个）,,300", "二、民生类,,", "养老院,江海市民政局,300", "城南路（二期）,江海市住建局,10"]
    assert sorted(look(tmp_path, lines).table["title"].to_pylist()) == sorted(
        ["一、城北路改造工程", "充电桩（10个）", "养老院", "城南路（二期）"])


@pytest.mark.parametrize("lines", [
    ["序号,项目名称,总投资（万元）", "一,江海大道,40000", "二,疏港公路,", "三,河道整治,200", ",合计,40200"],
    ["序号,项目名称,总投资（万元）", "一,江海大道,40000", "二,疏港公路,100", "三,河道整治,", ",合计,40100"],
    ["序号,项目名称", "一,江海大道", "二,疏港公路", "三,河道整治"],
    ["序号,项目名称,总投资（万元）,责任单位", "一,江海大道,40000,", "二,疏港公路,,", "三,河道整治,200,江海市水利局"],
    ["序号,项目名称,总投资（万元）", "一,续建项目,40300", "（一）,江海大道,40000", "（二）,疏港公路,100",
     "（三）,河道整治,200"],
    ["序号,项目名称,总投资（万元）", "一,江海大道,40000", "二,疏港公路,100", "一,河道整治,200"],
    ["序号,项目名称,总投资（万元）", "一,江海大道,40000", "二,疏港公路,100", "三,河道整治,200", ",,",
     "注：一为续建项目,,"]])
def test_projects_that_are_numbered_in_chinese_are_projects(tmp_path, lines):
    assert sorted(look(tmp_path, lines).table["title"].to_pylist()) == sorted(["江海大道", "疏港公路", "河道整治"])


def test_a_numbered_project_with_a_count_stays_a_project(tmp_path):
    lines = ["序号,项目名称,总投资（万元）", "一,充电桩（10个）,300", "二,换电站（5座）,200", "三,停车场（2个）,100"]
    assert look(tmp_path, lines).rows_ok == 3


def test_headings_merged_over_the_whole_width(tmp_path):
    book = openpyxl.Workbook()
    for row in (["项目名称", "建设地点", "总投资（亿元）", "建设性质"], ["一、续建项目（2项）"],
                ["江海大道", "崇川区", 4.5, "新建"], ["疏港公路", "通州区", 1.2, "改建"], ["小计", None, 5.7],
                ["二、新建项目"], ["科技馆", "崇川区", 3, "新建"],
                ["小计（1项）", None, 3], ["合计（3项）", None, 8.7]):
        book.worksheets[0].append(row)
    for merged in ("A2:D2", "A5:B5", "A6:D6", "A9:B9"):
        book.worksheets[0].merge_cells(merged)
    book.save(tmp_path / "表.xlsx")
    x = examine(PROJECT, tmp_path / "表.xlsx", filename="表.xlsx", options=Options())
    assert (x.rows_in, x.rows_ok, said(x)) == (3, 3, [])


def test_several_lists_together_are_what_they_are_alone(tmp_path):
    files = []
    for number in range(3):
        path = tmp_path / f"{number}.csv"
        path.write_text("\n".join([*LIST[:3], *(LIST[3:] if number == 1 else LIST[6:8])]))
        files.append(File(path, path.name, Options()))
    for file, x in zip(files, examine_all(PROJECT, files), strict=True):
        alone = examine(PROJECT, file.path, filename=file.filename, options=file.options)
        assert not isinstance(x, Unreadable)
        assert x.table.equals(alone.table) and said(x) == said(alone) and x.notes == alone.notes
