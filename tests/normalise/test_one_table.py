"""Rows of another table below the first are not read under the first one's header."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import File, examine, examine_all, render
from ckanext.gkopen.records import Examined, Options, Unreadable

SAID = {"budget": {"org_name": "江海市财政局", "direction": "expenditure"},
        "hotline": {"region_name": "贵阳市", "dimension": "request_type"}}
BUDGET = ["2024年支出表,,", "单位：元,,", "项目,预算数,决算数", "教育,1,2", "卫生,3,4"]
HOTLINE = ["2024年5月,,", "诉求类型,数量,占比", "噪音,10,50%", "停车,10,50%"]


def look(folder: Path, domain: str, *lines: str) -> Examined:
    path = folder / "表.csv"
    path.write_text("\n".join(lines))
    return examine(get_domain(domain), path, filename=path.name, options=Options(constants=SAID[domain]))


@pytest.mark.parametrize(("domain", "below", "line"), [
    ("budget", ["2024年支出表二,,", "项目,决算数,预算数", "住房,5,6"], 7),
    ("budget", ["项目,决算数,", "住房,5,"], 6), ("budget", [",,", " 项目 ,基本支出,项目支出", "住房,5,6"], 7),
    ("budget", ["2023年支出表,,", "单位：元,,", "项目,预算数,决算数", "住房,5,6"], 6),
    ("hotline", ["2024年6月,,", "诉求类型,数量,占比", "扬尘,20,100%"], 5),
    ("hotline", ["受理渠道,数量,占比", "微信,20,100%"], 5)])
def test_another_table_below(tmp_path, domain, below, line):
    with pytest.raises(Unreadable) as refused:
        look(tmp_path, domain, *(BUDGET if domain == "budget" else HOTLINE), *below)
    [finding] = refused.value.findings
    assert (finding.code, finding.line) == ("second-table", line)
    assert f"第 {line} 行" in render(finding, "zh")["message"]


@pytest.mark.parametrize(("domain", "below"), [
    ("budget", ["项目,预算数,决算数", "住房,5,6"]),
    ("budget", ["2024年支出表,,", "单位：元,,", "项目,预算数,决算数", "住房,5,6"]),
    ("budget", ["2024年支出表（续）,,", "项目,预算数,决算数", "住房,5,6"]), ("budget", ["项目,5,6"]),
    ("budget", ["预算数,5,6"]), ("hotline", ["诉求类型,数量,占比", "扬尘,20,100%"]), ("hotline", ["咨询,20,100%"])])
def test_a_further_page_or_a_row_that_has_a_label_is_of_the_same_table(tmp_path, domain, below):
    own = BUDGET if domain == "budget" else HOTLINE
    assert look(tmp_path, domain, *own, *below).rows_ok == (6 if domain == "budget" else 3)


def test_of_several_files_only_the_one_is_refused(tmp_path):
    files = []
    for number, below in enumerate(([], ["受理渠道,数量,占比", "微信,20,100%"], ["扬尘,20,100%"])):
        path = tmp_path / f"{number}.csv"
        path.write_text("\n".join([*HOTLINE, *below]))
        files.append(File(path, path.name, Options(constants=SAID["hotline"])))
    assert [isinstance(x, Unreadable) for x in examine_all(get_domain("hotline"), files)] == [False, True, False]
