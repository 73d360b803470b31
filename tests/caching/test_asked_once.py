"""A dataset's page asks the database for each thing once, and for nothing whose answer is known."""

from __future__ import annotations

from typing import Any

from ckan import model
from ckan.plugins import toolkit
from flask_babel import force_locale
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
    assert len([statement for statement, _ in asked if "FROM package \n" in statement]) == 1


def test_a_dataset_is_found_by_the_name_that_it_has_now(published: Any, app: Any) -> None:  # noqa: F811
    find, id_ = model.Package.get, dataset_id(published)
    package = find(id_)
    assert package is not None
    name = package.name
    assert find(name) is find(name) is find(id_) is package
    assert find("no-such-name") is find("") is None
    package.name = "renamed"
    model.Session.flush()
    assert find(name) is None and find("renamed") is package
    model.Session.rollback()
    assert find("renamed") is None and find(name, for_update=True) is find(name) is package


def test_each_language_has_its_own_words(app: Any) -> None:
    with app.flask_app.test_request_context("/"):
        here = toolkit._("Datasets")
        with force_locale("en"):
            assert toolkit._("Datasets") == "Datasets" != here
            with force_locale("zh_Hans_CN"):
                assert toolkit._("Datasets") == here
        assert toolkit._("Datasets") == toolkit._("Datasets") == here
