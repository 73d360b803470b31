"""Revenue and expenditure in columns beside each other, without halves of their own: each figure has its direction."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import examine
from ckanext.gkopen.records import Examined, Options

SAID = {"fiscal_year": "2024", "org_name": "江海市财政局"}


def look(folder: Path, *lines: str, **constants: str) -> Examined:
    path = folder / "表.csv"
    path.write_text("\n".join(lines))
    x = examine(get_domain("budget"), path, filename=path.name, options=Options(constants=SAID | constants))
    assert x.rows_in == x.rows_ok + x.rows_quarantined + x.rows_duplicate
    return x


def figures(x: Examined, *names: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row.values()) for row in x.table.select([*names, "amount"]).to_pylist()), key=str)


@pytest.mark.parametrize("title", ["江海市收支决算表,,", "江海市支出决算表,,"])
@pytest.mark.parametrize("constants", [{}, {"direction": "expenditure"}])
def test_each_column_is_of_its_side_whatever_the_title_says(tmp_path, title, constants):
    x = look(tmp_path, title, "单位：元,,", "项目,收入决算数,支出决算数", "教育,10,20", **constants)
    assert figures(x, "phase", "direction") == [("final", "expenditure", 20), ("final", "revenue", 10)]


def test_two_phases_of_two_sides(tmp_path):
    x = look(tmp_path, "单位：元,,,,", "项目,收入预算数,支出预算数,收入决算数,支出决算数", "教育,10,20,11,21")
    assert figures(x, "phase", "direction") == [
        ("budget", "expenditure", 20), ("budget", "revenue", 10),
        ("final", "expenditure", 21), ("final", "revenue", 11)]


def test_a_column_of_directions_says_it_itself(tmp_path):
    x = look(tmp_path, "单位：元,,,", "项目,收支方向,预算数,决算数", "教育,支出,10,20")
    assert figures(x, "direction") == [("expenditure", 10), ("expenditure", 20)]


@pytest.mark.parametrize("whole", ["收入合计", "本年收入", "收入总计", "本年收入合计", "合计"])
def test_the_whole_of_some_sources_is_compared_and_no_row_beside_them(tmp_path, whole):
    """收入合计 is a direction too, where nothing else is said."""
    for printed, told in ((10, []), (11, [("whole-differs", whole)])):
        x = look(tmp_path, "单位：元,,,", f"单位名称,{whole},财政拨款收入,事业收入", f"教育局,{printed},7,3",
                 phase="budget")
        assert figures(x, "revenue_source") == [("grant", Decimal(7)), ("institution", Decimal(3))]
        assert [(f.code, f.label) for f in x.findings if f.code == "whole-differs"] == told
