"""Of a body and a topic, figures under five are withheld, and none can be counted back."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.examine import Examined, File, examine, examine_all
from ckanext.gkopen.records import Options

HEAD = "统计期间,承办单位,统计维度,类别,数量,占比,单位\n"


def read(tmp_path: Path, rows: list[str], head: str = HEAD) -> tuple[Examined, dict[tuple[str, str], tuple]]:
    path = tmp_path / "a.csv"
    path.write_text(head + "".join(f"{row}\n" for row in rows), "utf-8")
    found = examine(get_domain("hotline"), path, filename=path.name, options=Options())
    assert found.rows_in == found.rows_ok == len(rows)
    shown = {(row["org_name"], row["category"]): (row["value"], row["share"], row["value_text"])
             for row in found.table.to_pylist()}
    return found, shown


def row(body: str, topic: str, value: str, share: str = "", dimension: str = "热点领域", unit: str = "件") -> str:
    return f"2024-05,{body},{dimension},{topic},{value},{share},{unit}"


def test_a_small_figure_and_what_gives_it_away_are_withheld(tmp_path: Path) -> None:
    figures = {"民政局": {"低保": "3", "殡葬": "7", "养老": "40"}, "教育局": {"低保": "12", "殡葬": "9", "养老": "31"},
               "城管局": {"低保": "25", "殡葬": "60", "养老": "0"}}
    found, shown = read(tmp_path, [row(body, topic, value, "1.5%") for body, own in figures.items()
                                   for topic, value in own.items()])
    assert shown["民政局", "低保"] == (None, None, "<5")
    hidden = {cell for cell, (value, _, _) in shown.items() if value is None}
    # The next smallest of the body and of the topic, and the corner, else each of them could be counted back.
    assert hidden == {("民政局", "低保"), ("民政局", "殡葬"), ("教育局", "低保"), ("教育局", "殡葬")}
    assert {shown[cell][1:] for cell in hidden - {("民政局", "低保")}} == {(None, "*")}
    assert shown["城管局", "养老"][0] == 0 and shown["民政局", "养老"][:2] == (Decimal(40), Decimal("1.5"))
    told = found.counts()
    assert (told["cell-small"], told["cell-complement"]) == (1, 3)
    assert not any(finding.value for finding in found.findings if finding.code.startswith("cell-"))


def test_what_is_no_count_of_a_body_and_a_topic_stays(tmp_path: Path) -> None:
    found, shown = read(tmp_path, [
        row("", "低保", "3"), row("民政局", "按时办结", "2", dimension="办理"), row("民政局", "低保", "3", unit="%"),
        row("民政局", "养老", "0")])
    assert [text for _, _, text in shown.values()] == ["3", "2", "3", "0"], "as printed"
    assert "cell-small" not in found.counts()


def test_sums_are_compared_before_a_figure_is_withheld(tmp_path: Path) -> None:
    rows = [row("民政局", topic, value) + tail for topic, value, tail in (
        ("低保", "3", ",g1,否"), ("养老", "9", ",g1,否"), ("合计", "13", ",g1,是"))]
    found, shown = read(tmp_path, rows, HEAD.replace("\n", ",勾稽组,是否合计\n"))
    assert "sum-differs" in found.counts(), "3 and 9 are not 13"
    assert (shown["民政局", "低保"][2], shown["民政局", "养老"][2]) == ("<5", "*")
    assert shown["民政局", "合计"][0] == Decimal(13)


def test_files_that_are_examined_together_withhold_what_they_do_alone(tmp_path: Path) -> None:
    """The same body, topic and month in the tables of two departments are not added up."""
    files, hidden = [], []
    for number, values in enumerate((("3", "8"), ("7", "9"))):
        (tmp_path / str(number)).mkdir()
        _, shown = read(tmp_path / str(number), [row("民政局", "低保", values[0]), row("民政局", "养老", values[1])])
        hidden.append([value for value, _, _ in shown.values()].count(None))
        files.append(File(tmp_path / str(number) / "a.csv", "a.csv", Options()))
    together = examine_all(get_domain("hotline"), files)
    assert hidden == [2, 0] == [each.table["value"].null_count for each in together if isinstance(each, Examined)]
