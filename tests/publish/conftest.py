"""What the tests of the exits share: the DataStore's two roles as plain connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from ckan.plugins.toolkit import config

from ckanext.gkopen.embedded.site import Site

from .sample import Blobs


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


@pytest.fixture
def reader(site: Site) -> Iterator[Any]:
    """A cursor of the read role; every statement sees the newest state."""
    connection = psycopg2.connect(config["ckan.datastore.read_url"])
    connection.autocommit = True
    yield connection.cursor()
    connection.close()


@pytest.fixture
def writer(site: Site) -> Iterator[Any]:
    connection = psycopg2.connect(config["ckan.datastore.write_url"])
    connection.autocommit = True
    yield connection.cursor()
    connection.close()
