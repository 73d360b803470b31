"""A browser for a site that already holds data (`app` would empty it)."""

from __future__ import annotations

import pytest
from ckan.tests import helpers


@pytest.fixture
def app_again(web: object) -> helpers.CKANTestApp:
    return helpers.CKANTestApp(web)
