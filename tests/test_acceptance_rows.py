from pathlib import Path

from ckanext.gkopen.embedded.places import PROJECT
from tests.torture.rows import HELD, ROWS


def test_each_row_names_tests_that_are_there() -> None:
    missing = []
    for row, begins in (ROWS | HELD).items():
        for begin in begins:
            file, name = begin.split("::")
            if f"def {name}" not in (PROJECT / "tests" / file).read_text("utf-8"):
                missing.append((row, begin))
    assert missing == []


def test_the_page_has_a_line_for_each_row() -> None:
    page = Path(PROJECT / "docs" / "reliability.md").read_text("utf-8")
    assert [row for row in ROWS | HELD if f"\n| {row} |" not in page] == []
