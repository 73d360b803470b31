"""What the tests of the exits share: rows that are public in every file, the DataStore's two roles as connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from ckan import model as ckan_model
from ckan.plugins.toolkit import config
from ckan.tests.helpers import CKANTestApp

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.embedded.site import Site
from ckanext.gkopen.publish import files
from tests.people import Cast, make_cast
from tests.thread.test_thread import FIRST, approve, drain, submit

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


@pytest.fixture
def cast(site: Site) -> Cast:
    """Procurements of one body that are public, and every file of them made."""
    made = make_cast()
    approve(made, submit(made, *FIRST)["revision_id"])
    drain()
    files.bring_up_bulk(get_domain("procurement"), 1)
    ckan_model.Session.commit()
    return made


@pytest.fixture
def browser(web: object) -> CKANTestApp:
    return CKANTestApp(web)
