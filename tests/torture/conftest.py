"""The table of the acceptance rows at the end of a session, and `make torture`'s choice of tests.

`make torture` (-m torture) takes the long form of each row, and the short one where there is no other.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.races.conftest import bulk_at_once as bulk_at_once
from tests.torture.rows import ROWS, row_of

MARK = "torture"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr != MARK:
        return
    long_forms = {item.nodeid.split("[")[0] for item in items if item.get_closest_marker(MARK)}
    for item in items:
        if row_of(item.nodeid) and item.nodeid.split("[")[0] not in long_forms:
            item.add_marker(MARK)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = list(_table([report for reports in terminalreporter.stats.values() for report in reports
                         if isinstance(report, pytest.TestReport)]))
    if lines:
        terminalreporter.section("acceptance")
        for line in lines:
            terminalreporter.write_line(line)


def _table(reports: list[pytest.TestReport]) -> Iterator[str]:
    """A line a test: row, what it counted (its last printed line, with the seed), seconds; cases of one test are one.
    """
    told: dict[tuple[int, str], list[pytest.TestReport]] = {}
    for report in reports:
        row = row_of(report.nodeid)
        if row and (report.when == "call" or report.outcome != "passed"):
            name = report.nodeid.split("::")[-1]
            key = name if report.capstdout.strip() else name.split("[")[0]
            told.setdefault((list(ROWS).index(row), key), []).append(report)
    for (at, name), of_one in sorted(told.items(), key=lambda item: item[0]):
        bad = [report for report in of_one if report.outcome != "passed"]
        counted = of_one[-1].capstdout.strip().splitlines()[-1:] or [f"{len(of_one)} cases, {len(bad)} failed"]
        state = bad[0].outcome.upper() if bad else "ok"
        yield f"{list(ROWS)[at]:>3}  {state:<7} {sum(report.duration for report in of_one):7.1f} s  {name}"
        yield f"                        {counted[0]}"
