"""A line 1, 2, 3 … below a header numbers its columns; of few columns it may be data, and the officer is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import File, examine, examine_all
from ckanext.gkopen.records import Examined, Options

HEADER = "指标,期间,数值,单位"
NUMBERS, ROW, MORE = "1,2,3,4", "来电总量,2024-05,120,件", "办结量,2024-05,100,件"
SAID = Options(constants={"region_name": "贵阳市", "dimension": "indicator"})


def look(folder: Path, *lines: str) -> Examined:
    path = folder / "表.csv"
    path.write_text("\n".join(lines))
    return examine(get_domain("hotline"), path, filename=path.name, options=SAID)


def told(x: Examined) -> list[int | None]:
    return [finding.line for finding in x.findings if finding.code == "row-of-numbers"]


@pytest.mark.parametrize(("lines", "line"), [
    ([NUMBERS, ROW, MORE], 2), (["", NUMBERS, ROW, MORE], 3), ([",,,", NUMBERS, ROW, MORE], 3),
    ([" 1 ,２,3,4", ROW, MORE], 2)])
def test_right_below_the_header(tmp_path, lines, line):
    x = look(tmp_path, HEADER, *lines)
    assert (x.rows_in, x.rows_ok, told(x)) == (2, 2, [line])


@pytest.mark.parametrize("lines", [[ROW, NUMBERS, MORE], [ROW, MORE, NUMBERS], ["1,2,3,5", ROW, MORE],
                                   ["2,3,4,5", ROW, MORE], ["1,2,3,", ROW, MORE]])
def test_any_other_line_is_data(tmp_path, lines):
    x = look(tmp_path, HEADER, *lines)
    assert (x.rows_in, x.rows_quarantined, told(x)) == (3, 1, [])


def test_on_each_printed_page(tmp_path):
    x = look(tmp_path, HEADER, NUMBERS, ROW, HEADER, NUMBERS, MORE)
    assert (x.rows_in, x.rows_ok, len(told(x))) == (2, 2, 1)


def test_with_its_word_nobody_need_be_asked(tmp_path):
    x = look(tmp_path, HEADER, "栏次,1,2,3", ROW, MORE)
    assert (x.rows_in, told(x)) == (2, [])


def test_several_files_together(tmp_path):
    files = []
    for number, lines in enumerate(([ROW], [NUMBERS, ROW], [MORE, NUMBERS])):
        path = tmp_path / f"{number}.csv"
        path.write_text("\n".join([HEADER, *lines]))
        files.append(File(path, path.name, SAID))
    found = examine_all(get_domain("hotline"), files)
    assert [(x.rows_in, told(x)) for x in found if isinstance(x, Examined)] == [(1, []), (1, [2]), (2, [])]
