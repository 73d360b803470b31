"""Text that was read in the wrong encoding on the way is set aside; markup of pages is told."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import File, examine, examine_all
from ckanext.gkopen.records import Examined, Options

HEADER = ("停车场名称", "停车场类型", "区", "地址", "泊位总数", "收费标准", "开放时间")
NAMES = ("江滨区图书馆南停车场", "上海路停车泊位", "城东3号停车场（公共）")


def look(tmp_path: Path, addresses: Sequence[str]) -> Examined:
    return examine(get_domain("parking"), write(tmp_path, addresses), filename="parking.csv", options=Options())


def write(folder: Path, addresses: Sequence[str]) -> Path:
    path = folder / "parking.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(HEADER)
        csv.writer(file).writerows((f"第{number}停车场", "配建停车场", "江滨区", address, "12", "免费", "全天")
                                   for number, address in enumerate(addresses))
    return path


@pytest.mark.parametrize("encoding", ["gb18030", "latin-1", "cp1252"])
@pytest.mark.parametrize("name", NAMES)
def test_utf8_read_in_another_encoding_is_set_aside(tmp_path: Path, encoding: str, name: str) -> None:
    found = look(tmp_path, [name, name.encode().decode(encoding, "replace")])
    codes = found.counts()
    assert codes["text-garbled"] + codes["replacement-character"] >= 1 and found.rows_ok == 1


def test_all_cells_are_looked_at_where_the_first_are_garbled(tmp_path: Path) -> None:
    wrong = "人民西路".encode().decode("gb18030")
    found = look(tmp_path, [wrong, *(["人民东路"] * 300), wrong])
    assert (found.counts()["text-garbled"], found.rows_ok) == (2, 300)


def test_a_small_file_among_others_is_looked_at_like_one_alone(tmp_path: Path) -> None:
    """Small tables of a listing are examined one below the other."""
    wrong = "人民西路".encode().decode("gb18030")
    files = []
    for number, addresses in enumerate((["人民东路"] * 250, ["人民东路", wrong], ["人民东路"] * 250 + [wrong])):
        folder = tmp_path / str(number)
        folder.mkdir()
        files.append(File(write(folder, addresses), "parking.csv", Options()))
    found = examine_all(get_domain("parking"), files)
    assert [isinstance(one, Examined) and one.counts()["text-garbled"] for one in found] == [0, 1, 0]


def test_a_column_of_texts_is_still_one_whatever_is_wrong_with_them(tmp_path: Path) -> None:
    """Nothing of its type has changed, and the reviewer is not to look for that."""
    assert look(tmp_path, [f"<b>长江路{number}号</b>" for number in range(9)]).counts().keys() == {"text-markup"}


@pytest.mark.parametrize("name", [*NAMES, "Nestlé café 停车场", "涓涓细流路", "联通大厦", "瀛海镇鍋炉厂路",
                                  "A & B <1号>", "1<2，3>2", "{甲}", "[2024]12号", "ä-Straße"])
def test_text_as_it_is_meant(tmp_path: Path, name: str) -> None:
    found = look(tmp_path, [name])
    assert found.rows_ok == 1 and not found.counts().keys() & {"text-garbled", "text-markup"}


@pytest.mark.parametrize("name", [
    "<p>长江路1号</p>", "长江路1号<br/>", "长江路&nbsp;1号", "A &amp; B", "<FONT color=red>甲</FONT>", "&#20013;",
    '{"路": "长江路", "号": 1}', '["长江路", 1]', '[{"a":1}]'])
def test_markup_is_told_and_published_as_it_is(tmp_path: Path, name: str) -> None:
    found = look(tmp_path, ["长江路2号", name])
    [told] = [each for each in found.findings if each.code == "text-markup"]
    assert (told.severity, told.field, told.params["count"], told.params["lines"]) == ("warning", "address", 1, [3])
    assert found.rows_ok == 2 and found.table["address"].to_pylist()[1] == name
