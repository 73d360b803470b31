"""A table has one unit: where another one is stated, nobody knows for which rows, and the file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import File, examine, examine_all, render
from ckanext.gkopen.records import Examined, Options, Unreadable

BUDGET = get_domain("budget")
SAID = {"fiscal_year": "2024", "phase": "budget", "org_name": "江海市财政局", "direction": "expenditure"}


def look(folder: Path, *lines: str) -> Examined:
    path = folder / "表.csv"
    path.write_text("\n".join(lines))
    return examine(BUDGET, path, filename=path.name, options=Options(constants=SAID))


def figures(x: Examined) -> dict[str, int]:
    return {row["line_name"]: int(row["amount"]) for row in x.table.to_pylist()}


@pytest.mark.parametrize(("unit", "page"), [
    ("万元", ["支出表,", "单位：元,", "项目,金额"]), ("万元", ["续表,单位：元"]), ("元", [",金额单位：人民币万元"]),
    ("万元", ["部门：江海市财政局 单位：元,", "项目,金额"]), ("", [",单位：元"])])
def test_a_further_page_of_another_unit(tmp_path, unit, page):
    above = ["支出表,", *([f"单位：{unit},"] if unit else [])]
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, *above, "项目,金额", "教育支出,1", *page, "其他支出,20000")
    [finding] = refused.value.findings
    assert (finding.code, finding.params["unit"] if unit else "") == ("unit-changes", unit)
    assert "元" in render(finding, "zh")["message"]


@pytest.mark.parametrize("head", [["支出表,", "单位：万元,", "项目,金额"], ["支出表,", "项目,金额（万元）"]])
@pytest.mark.parametrize("page", [["支出表,", "单位：万元,"], [",单位：万元"], ["续表,单位：万元"]])
def test_a_further_page_of_the_same_unit(tmp_path, head, page):
    x = look(tmp_path, *head, "教育支出,1", *page, head[-1], "其他支出,2")
    assert figures(x) == {"教育支出": 10_000, "其他支出": 20_000} and x.rows_in == 2


def test_two_units_above_a_table(tmp_path):
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, "单位：万元,", "支出表,单位：元", "项目,金额", "教育支出,12")
    assert [(finding.code, finding.line) for finding in refused.value.findings] == [("unit-changes", 2)]
    x = look(tmp_path, "单位：万元,", "支出表,（万元）", "项目,金额", "教育支出,12")
    assert figures(x) == {"教育支出": 120_000}


def test_a_unit_in_a_remark_is_no_line_of_its_own(tmp_path):
    x = look(tmp_path, "单位：万元,,", "项目,金额,备注", "教育支出,12,单位：元", "其他支出,3,原单位：元")
    assert figures(x) == {"教育支出": 120_000, "其他支出": 30_000}


def test_of_several_files_only_the_one_is_refused(tmp_path):
    files = []
    for number, page in enumerate((["续表,单位：万元"], ["续表,单位：元"], [])):
        path = tmp_path / f"{number}.csv"
        path.write_text("\n".join(["单位：万元,", "项目,金额", "教育支出,1", *page, "其他支出,2"]))
        files.append(File(path, path.name, Options(constants=SAID)))
    found = examine_all(BUDGET, files)
    assert [isinstance(x, Unreadable) for x in found] == [False, True, False]
