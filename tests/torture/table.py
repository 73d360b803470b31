"""The table of the acceptance rows at the end of a session (tests/conftest.py prints it)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.torture.rows import ROWS, row_of


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
