"""`make torture` (-m torture) takes the long form of each acceptance row, and the short one where there is no other."""

from __future__ import annotations

import pytest

from tests.races.conftest import bulk_at_once as bulk_at_once
from tests.torture.rows import row_of

MARK = "torture"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr != MARK:
        return
    long_forms = {item.nodeid.split("[")[0] for item in items if item.get_closest_marker(MARK)}
    for item in items:
        if row_of(item.nodeid) and item.nodeid.split("[")[0] not in long_forms:
            item.add_marker(MARK)
