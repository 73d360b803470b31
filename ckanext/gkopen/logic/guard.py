"""Nothing but the publisher writes what is public (design.md section 6).

Stock CKAN lets an organisation's editors call `package_*`, `resource_*` and `datastore_*` directly, which would put
unreviewed metadata and files in public. The guard chains the *actions*, because sysadmins skip auth functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ckan import authz
from ckan.plugins import toolkit

from ckanext.gkopen.publish import publisher

PUBLISHER_ONLY = (
    "package_create", "package_update", "package_patch", "package_revise", "package_delete", "dataset_purge",
    "package_owner_org_update", "package_resource_reorder", "package_relationship_create",
    "package_relationship_update", "package_relationship_delete", "package_collaborator_create",
    "package_collaborator_delete", "package_create_default_resource_views",
    "bulk_update_private", "bulk_update_public", "bulk_update_delete",
    "resource_create", "resource_update", "resource_patch", "resource_delete", "resource_create_default_resource_views",
    "resource_view_create", "resource_view_update", "resource_view_delete", "resource_view_clear",
    "resource_view_reorder",
    "datastore_create", "datastore_upsert", "datastore_delete", "datastore_records_delete", "datastore_run_triggers",
    "datastore_function_create", "datastore_function_delete",
    "group_create", "group_update", "group_patch", "group_delete", "group_purge",
    "group_member_create", "group_member_delete",
    "tag_create", "tag_delete", "vocabulary_create", "vocabulary_update", "vocabulary_delete",
    "term_translation_update", "term_translation_update_many",
    "file_create", "file_register", "file_rename", "file_pin", "file_unpin", "file_ownership_transfer",
    "file_delete",
)
"""Refused to everyone, the portal administrator included: what is public comes from an approved revision."""

ADMINISTRATOR_ONLY = (
    "organization_create", "organization_update", "organization_patch", "organization_delete", "organization_purge",
    "organization_member_create", "organization_member_delete", "member_create", "member_delete",
)
"""Bodies and their members are kept by the portal administrator; their officers cannot rename or join them."""


def guarded() -> dict[str, Callable[..., Any]]:
    """Chained actions for IActions. A test compares the two lists with every action that is registered."""
    return {name: _chain(name, _publisher_only) for name in PUBLISHER_ONLY} | {
        name: _chain(name, _administrator_only) for name in ADMINISTRATOR_ONLY}


def _chain(name: str, check: Callable[[str, Any], None]) -> Callable[..., Any]:
    def action(original: Callable[..., Any], context: Any, data_dict: Any) -> Any:
        check(name, context)
        return original(context, data_dict)

    action.__name__ = name
    action.__doc__ = f"`{name}`, refused unless it comes from the publisher."
    return toolkit.chained_action(action)


def _publisher_only(name: str, _context: Any) -> None:
    if not publisher.is_open():
        raise toolkit.NotAuthorized(toolkit._(
            "{action} is not available here: data and metadata become public only by an approved revision. "
            "Submit them with gkopen_submission_create.").format(action=name))


def _administrator_only(name: str, context: Any) -> None:
    if publisher.is_open() or authz.is_sysadmin(context.get("user")):
        return
    raise toolkit.NotAuthorized(toolkit._(
        "{action} is for the portal administrator: ask the disclosure office to change bodies and their members."
    ).format(action=name))
