"""A dataset's page asks the database for each thing once, and for nothing whose answer is known."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from ckanext.gkopen.demo import act
from tests.caching.test_tags import published  # noqa: F401 a fixture
from tests.thread.test_thread import dataset_id


def test_a_datasets_page_asks_once(published: Any, app: Any) -> None:  # noqa: F811
    address = f"/dataset/{act('package_show', id=dataset_id(published))['name']}"
    app.get(address)
    asked: list[tuple[str, str]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, str(parameters)))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        answer = app.get(address)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert answer.status_code == 200
    ours = [one for one in asked if "gkopen." in one[0]]
    assert ours and len(ours) == len(set(ours))
    assert not [statement for statement, _ in asked if "resource_view" in statement or 'FROM "user"' in statement]
