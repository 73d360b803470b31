from collections.abc import Iterator
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit

from tests.harvest.conftest import city as city
from tests.people import Cast, make_cast
from tests.races import crew


@pytest.fixture
def cast(site: Any) -> Iterator[Cast]:
    yield make_cast()
    ckan_model.Session.remove()


@pytest.fixture(autouse=True)
def bulk_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bulk files too are due at once, so that a test can wait until nothing waits."""
    request.getfixturevalue("site")
    crew.flask_app()
    monkeypatch.setitem(toolkit.config, "ckanext.gkopen.bulk_interval", 0)
