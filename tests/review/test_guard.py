"""Nothing public changes but through the publisher: every registered action is found and tried."""

from __future__ import annotations

from typing import Any

import pytest
from ckan import model
from ckan.logic import _actions, get_action
from ckan.plugins import toolkit

from ckanext.gkopen.logic import action as gkopen_actions
from ckanext.gkopen.logic import guard
from tests.people import call, make_cast

OWN_ACCOUNT = {
    "api_token_create", "api_token_revoke", "user_create", "user_update", "user_patch", "user_delete", "user_invite",
    "follow_dataset", "follow_group", "follow_user", "unfollow_dataset", "unfollow_group", "unfollow_user",
}
"""What a person does to the own account; nothing of it is published."""

OPERATOR = {
    "job_cancel", "job_clear", "config_option_update", "task_status_update", "task_status_update_many",
    "task_status_delete",
}
"""CKAN's own auth functions leave these to the sysadmin; none touches a dataset."""


READS = {"dcat_dataset_show"}
"""Only reads, though its authors did not mark it so."""


def writing_actions() -> set[str]:
    get_action("package_show")
    return {name for name, function in _actions.items() if not getattr(function, "side_effect_free", False)}


def test_every_writing_action_is_guarded_or_known(site: Any) -> None:
    guarded = set(guard.PUBLISHER_ONLY) | set(guard.ADMINISTRATOR_ONLY)
    unknown = writing_actions() - guarded - OWN_ACCOUNT - OPERATOR - READS - set(gkopen_actions.functions())
    assert not unknown, f"decide for each whether the publisher alone may call it: {sorted(unknown)}"
    assert guarded <= set(_actions), "the guard names actions that this CKAN does not have"


@pytest.mark.parametrize("who", ["officer", "reviewer", "stranger", "office", ""])
def test_nobody_changes_what_is_public(site: Any, who: str) -> None:
    cast = make_cast()
    user = getattr(cast, who) if who else ""
    before = snapshot()
    refused = 0
    for name in (*guard.PUBLISHER_ONLY, *guard.ADMINISTRATOR_ONLY):
        data = {"id": cast.body, "name": "canary", "title": "canary", "owner_org": cast.body, "resource_id": "canary",
                "package_id": "canary", "object": cast.body, "object_type": "user", "username": user,
                "capacity": "admin", "role": "admin", "resource": {"package_id": "canary"}, "force": True}
        with pytest.raises(toolkit.NotAuthorized):
            call(name, user, **data)
        model.Session.rollback()
        refused += 1
    assert refused == len(guard.PUBLISHER_ONLY) + len(guard.ADMINISTRATOR_ONLY)
    assert snapshot() == before


def test_the_administrator_keeps_bodies_but_publishes_nothing(site: Any) -> None:
    cast = make_cast()
    made = call("organization_create", cast.admin, name="nantong-slj", title="南通市水利局", tier="city",
                kind="department")
    assert made["name"] == "nantong-slj"
    with pytest.raises(toolkit.NotAuthorized, match="gkopen_submission_create"):
        call("package_create", cast.admin, name="canary", title="canary", owner_org=cast.body)


def snapshot() -> dict[str, list[Any]]:
    """All rows of the tables that readers can see anything of."""
    model.Session.expire_all()
    return {table.__name__:
            sorted(str(row.__dict__.get("id")) + str(row.__dict__.get("title")) + str(row.__dict__.get("state"))
                   for row in model.Session.query(table))
            for table in (model.Package, model.Resource, model.Group, model.Member, model.Tag, model.Vocabulary)}
