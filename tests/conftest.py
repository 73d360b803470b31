"""Real servers for the tests that ask for them, and none for the others.

CKAN's own pytest plugin loads the whole site before it knows which tests will run. Here it is loaded after
the collection and only when a collected test uses one of the fixtures below: a test of pure code takes
milliseconds and needs no server.

The servers run below `<GKOPEN_HOME>/test` for one session, or are those that GKOPEN_*_URL or
CKAN_SQLALCHEMY_URL name. `site` gives each test the state of a site just made.

With `-n2` each worker has servers of its own, below `<GKOPEN_HOME>/test-gw0` and `test-gw1`: what a test stops,
empties or counts there is never another test's. tests/sharing.py says which worker runs what.
"""

import gc
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from ckan.tests import helpers
from ckan.tests.pytest_ckan import ckan_setup
from flask import has_app_context, has_request_context
from flask.globals import app_ctx, request_ctx
from hypothesis import HealthCheck, settings

from ckanext.gkopen.embedded.places import PROJECT, StartError, gkopen_home, require_libmagic
from ckanext.gkopen.embedded.servers import ELSEWHERE, Servers
from ckanext.gkopen.embedded.site import Site, describe_site, make_site

from .fresh import FreshSite
from .sharing import Sharing
from .torture.table import pytest_terminal_summary as pytest_terminal_summary

# Servers of tests answer in threads, also between two tests, when nobody takes what they write.
logging.getLogger("werkzeug").setLevel(logging.ERROR)

# No test is timed, and the fixtures that examples share only read or are emptied by the test itself.
settings.register_profile("gkopen", deadline=None, suppress_health_check=[
    HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
settings.load_profile("gkopen")

pytest_addoption = ckan_setup.pytest_addoption

NEED_CKAN = {"site", "servers", "app", "cli"}
TEST_INI = PROJECT / "test.ini"
STATE = pytest.StashKey["Running"]()


class Running:
    """The servers and the site of one session. `worker` is the name of a worker of pytest-xdist, or nothing."""

    def __init__(self, worker: str) -> None:
        require_libmagic()
        if worker and (named := [name for name in ELSEWHERE.values() if name in os.environ]):
            raise StartError(f"Two workers cannot share the server of {named[0]}: run the tests without -n.")
        home = gkopen_home() / "-".join(filter(None, ("test", worker)))
        self.servers = Servers(home, durable=False)
        self.servers.start()
        self.site: Site = describe_site(self.servers, home, "test")
        os.environ.update(self.site.environment())
        make_site(self.servers, home, profile="test")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    return Sharing(config, log)


def pytest_collection_finish(session: pytest.Session) -> None:
    wanted = any(NEED_CKAN.intersection(getattr(item, "fixturenames", ())) for item in session.items)
    if not wanted or session.config.option.collectonly:
        return
    try:
        session.config.stash[STATE] = Running(getattr(session.config, "workerinput", {}).get("workerid", ""))
    except StartError as error:
        session.shouldstop = str(error)  # a worker's way to tell it
        pytest.exit(str(error), returncode=pytest.ExitCode.INTERNAL_ERROR)
    ckan_setup.pytest_sessionstart(session)


def pytest_runtest_setup(item: pytest.Function) -> None:
    if STATE in item.config.stash:
        _close_what_is_open()
        ckan_setup.pytest_runtest_setup(item)


def _close_what_is_open() -> None:
    """A streamed answer that an earlier test did not read to its end holds its request for as long as the answer lives,
    in a traceback say: this test would speak its language, as the person who asked."""
    if has_app_context():
        gc.collect()
    while has_request_context():
        warnings.warn(f"the answer of {request_ctx.request.path} was left open by an earlier test", stacklevel=1)
        request_ctx.pop()
    while has_app_context():
        app_ctx.pop()


def pytest_unconfigure(config: pytest.Config) -> None:
    if STATE in config.stash:
        config.stash[STATE].servers.stop()


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    """The running PostgreSQL, Valkey and Solr."""
    return request.config.stash[STATE].servers


@pytest.fixture(scope="session")
def fresh_site(request: pytest.FixtureRequest) -> FreshSite:
    return FreshSite(request.config.stash[STATE].site)


@pytest.fixture
def site(request: pytest.FixtureRequest, fresh_site: FreshSite) -> Iterator[Site]:
    """The site as it was just made: no data in either database, in Solr, in Valkey, in the storages."""
    fresh_site.reset()
    yield request.config.stash[STATE].site


@pytest.fixture(scope="session")
def web(request: pytest.FixtureRequest) -> object:
    """The WSGI application, made once."""
    return helpers._get_test_app().app


@pytest.fixture
def app(site: Site, web: object) -> helpers.CKANTestApp:
    """A browser without cookies on a fresh site."""
    return helpers.CKANTestApp(web)


@pytest.fixture
def cli(site: Site) -> helpers.CKANCliRunner:
    """`cli.invoke(ckan, [...])` runs a `ckan` command in this process, on a fresh site."""
    return helpers.CKANCliRunner(env={"CKAN_INI": str(TEST_INI)})
