"""Nobody sees what is not public to them: every action and every route is tried, by everyone, with what one can know.

The written policy (docs/security.md):

    held, returned and recalled revisions, quarantined rows, findings, sources and runs of a body
        its officers and reviewers, the disclosure office, the portal administrator
    raw pages of harvests, contents that were withdrawn
        nobody, through any exit
    everything else that is not published
        nobody
"""

from __future__ import annotations

from typing import Any

import pytest
from ckan.tests import helpers

from ckanext.gkopen import model
from tests.leaks import crawl
from tests.leaks.crawl import Seen
from tests.leaks.world import (
    KINDS,
    World,
    build,
    canary,
)

OF_A_BODY = {"held", "second", "heldmeta", "quarantine", "finding", "returned", "returnedwhy", "recalled", "source",
             "filename"}
SEES = {
    "": set(), "no-role": set(), "plain-member": set(),
    "zhao-other": {"otherheld"},
    "li-officer": OF_A_BODY, "wang-reviewer": OF_A_BODY,
    "zwgk-office": OF_A_BODY | {"otherheld"}, "portal-admin": OF_A_BODY | {"otherheld"},
}
"""Who may see which canary through the actions. What no one may see is in no row: page, gone, goneold, gonetitle."""
NOTHING_SEEN = ("", "no-role", "plain-member")
STOCK = {"group_autocomplete": "KeyError: 'q'", "organization_autocomplete": "KeyError: 'q'",
         "task_status_update_many": "KeyError: 'data'", "user_invite": "KeyError: 'group_id'",
         "package_collaborator_list": "AssertionError"}
"""CKAN's own actions that break on a request without a parameter they need. They answer nothing of the data."""
FOR_ACCOUNTS = {"package_show", "package_search", "package_list", "organization_show", "resource_show", "member_list",
                "datastore_search", "current_package_list_with_resources", "user_show", "organization_list_for_user"}


@pytest.fixture(scope="module")
def world(servers: Any, fresh_site: Any) -> World:
    """One site for this module: its tests only read."""
    fresh_site.reset()
    return build()


@pytest.fixture
def visitor(world: World, web: Any) -> helpers.CKANTestApp:
    """Without cookies: a message that CKAN keeps in the session would repeat a caller's own words later."""
    app = helpers.CKANTestApp(web)
    app.client = app.test_client(use_cookies=False)
    return app


def state_of(world: World) -> list[Any]:
    return model.every("select id, state, digest from gkopen.revision order by id") + model.every(
        "select dataset_id, part, sha256 from gkopen.public_part order by 1, 2") + model.every(
        "select id, state from gkopen.run order by id")


def tried_by(who: str) -> set[str]:
    """Nobody tries every action; a person those of gkopen that read, and CKAN's that could show more to an account."""
    names = crawl.action_names()
    return names if who == "" else {name for name in names if crawl.reads(name) and (
        name.startswith("gkopen_") or name in FOR_ACCOUNTS)}


def kinds(seen: Seen) -> set[str]:
    return {kind for kind in KINDS if canary(kind) in seen.said}


@pytest.mark.parametrize("who", SEES)
def test_actions_show_what_the_policy_says(world: World, visitor: Any, who: str) -> None:
    before = state_of(world)
    with visitor.flask_app.test_request_context():
        seen = crawl.actions(world, who, tried_by(who))
    assert kinds(seen) == SEES[who]
    if who in NOTHING_SEEN:
        assert seen.leaks == {}
    assert {name: error for name, error in seen.broken.items() if not error.startswith(STOCK.get(name, "-"))} == {}
    assert "gkopen_domain_list" in seen.answered
    if who == "":
        assert {"package_search", "datastore_search", "organization_show", "tag_list"} <= seen.answered
    assert state_of(world) == before


def test_routes_show_nothing(world: World, visitor: Any) -> None:
    seen = crawl.routes(world, visitor)
    assert seen.leaks == {}
    assert seen.broken == {}
    assert {"dataset.search", "feeds.general", "dcat.read_catalog", "gkopen_open.table", "gkopen_dump.dump",
            "gkopen_domain.read"} <= seen.answered
