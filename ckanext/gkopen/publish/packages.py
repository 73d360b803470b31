"""CKAN's packages of many publications in a few statements: the rows that package_create and package_update write.

The actions ask and write some 35 statements for one package. Here the schema's own validators run over each package,
what they would ask of the database is asked once for all, and each of CKAN's tables gets one statement. The rules are
those of CKAN 2.12 (`ckan.lib.dictization.model_save`): tests/publish/test_packages.py compares every row and
package_show with packages that went through the actions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from ckan import model as ckan_model
from ckan.lib import plugins as lib_plugins
from ckan.plugins import (
    IDomainObjectModification,
    IPackageController,
    IResourceUrlChange,
    PluginImplementations,
    toolkit,
)

from ckanext.gkopen import model
from ckanext.gkopen.publish import publisher, validation

_TABLES: dict[str, Any] = {"package": ckan_model.package_table, "resource": ckan_model.resource_table}
_COLUMNS = {name: [column.name for column in table.columns] for name, table in _TABLES.items()}
_CLEARED = {name: [column.name for column in table.columns if column.doc == "remove_if_not_provided"]
            for name, table in _TABLES.items()}
"""Columns that are emptied where a dictionary does not have them."""
_ASKED_AT_ONCE = frozenset({"package_id_does_not_exist", "resource_id_does_not_exist", "package_name_validator",
                            "owner_org_validator"})
"""Validators that ask the database for each package; `_Held` has the answers for all of them."""

Row = dict[str, Any]


def write(packages: Sequence[dict[str, Any]]) -> None:
    """Create the packages, or bring them to what they say now; the caller commits. Solr is the outbox's.

    Each has an id of its own. Must run inside the publisher's door.
    :raises toolkit.ValidationError: one of them does not pass the schema; nothing of them was written
    """
    if not publisher.is_open():
        raise toolkit.NotAuthorized(toolkit._("Packages are written by the publisher alone."))
    ckan_model.Session.flush()
    valid, writing, context = _compared(packages)
    writing.write()
    ckan_model.Session.expire_all()
    _tell(valid, writing.held, list(writing.changed), context)


def differing(packages: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Id of each that CKAN has otherwise → its columns that differ, and `resources`, `tags`, `organization`. Writes
    nothing. Raises what `write` does."""
    return _compared(packages)[1].changed


def _compared(packages: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], _Writing, dict[str, Any]]:
    """The packages as the schema has them, what would be written of them, and the context of their validators."""
    held = _Held(packages)
    site_user = model.one('select id, name from public."user" where name = :name', name=toolkit.config["ckan.site_id"])
    context = {"model": ckan_model, "session": ckan_model.Session, "ignore_auth": True,
               "user": site_user["name"] if site_user else ""}
    valid = [_valid(package, held, context) for package in packages]
    writing = _Writing(held, site_user["id"] if site_user else None, datetime.now(UTC).replace(tzinfo=None))
    for package in valid:
        writing.take(package)
    return valid, writing, context


class _Held:
    """What CKAN has of these packages, read in one statement a table, and whom their names belong to."""

    def __init__(self, packages: Sequence[Mapping[str, Any]]) -> None:
        ids = [package["id"] for package in packages]
        self.packages = {row["id"]: row for row in model.every(
            "select * from public.package where id = any(:ids) for update", ids=ids)}
        found = list(self.packages)
        self.resources = _grouped("select * from public.resource where package_id = any(:ids) order by position", found)
        self.tags = _grouped("select p.*, t.name from public.package_tag p join public.tag t on t.id = p.tag_id"
                             " where p.package_id = any(:ids)", found)
        self.members = _grouped("select *, table_id as package_id from public.member where table_id = any(:ids)"
                                " and capacity = 'organization'", found)
        self.names = {row["name"]: row["id"] for row in model.every(
            "select id, name from public.package where name = any(:names) and state <> 'deleted'",
            names=[package["name"] for package in packages])}
        self.organizations = {row["id"] for row in model.every(
            'select id from public."group" where is_organization and id = any(:ids)',
            ids=sorted({package["owner_org"] for package in packages}))}
        self.owners = {row["id"]: row["package_id"] for row in model.every(
            "select id, package_id from public.resource where id = any(:ids)",
            ids=[resource["id"] for package in packages for resource in package["resources"]])}

    def objections(self, package: Mapping[str, Any]) -> dict[str, list[str]]:
        """What the validators would say that were left out, by field."""
        found = {}
        if self.names.get(package["name"], package["id"]) != package["id"]:
            found["name"] = [toolkit._("That URL is already in use.")]
        if package["owner_org"] not in self.organizations:
            found["owner_org"] = [toolkit._("Organization does not exist")]
        if any(self.owners.get(resource["id"], package["id"]) != package["id"] for resource in package["resources"]):
            found["resources"] = [toolkit._("Resource id already exists.")]
        return found


def _grouped(sql: str, ids: list[str]) -> dict[str, list[Row]]:
    """Package id → rows."""
    found: dict[str, list[Row]] = {}
    for row in model.every(sql, ids=ids) if ids else ():
        found.setdefault(row["package_id"], []).append(row)
    return found


class _Schema(dict[str, Any]):
    """A schema from which validators of `_ASKED_AT_ONCE` are left out, also those that scheming puts in."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        super().__init__()
        for name, validators in schema.items():
            self[name] = validators

    def __setitem__(self, name: str, validators: Any) -> None:
        if isinstance(validators, list):
            validators = [one for one in validators if getattr(one, "__name__", "") not in _ASKED_AT_ONCE]
        elif isinstance(validators, dict):
            validators = _Schema(validators)
        super().__setitem__(name, validators)


def _valid(package: dict[str, Any], held: _Held, context: Mapping[str, Any]) -> dict[str, Any]:
    plugin = lib_plugins.lookup_package_plugin(package["type"])
    action = "package_update" if package["id"] in held.packages else "package_create"
    schema: Any = plugin.update_package_schema() if action == "package_update" else plugin.create_package_schema()
    data, errors = validation.plugin_validate(plugin, dict(context), package, _Schema(schema), action)
    errors = {**errors, **held.objections(package)}
    if errors:
        raise toolkit.ValidationError(errors)
    return data


class _Writing:
    """The rows of several packages, table by table."""

    def __init__(self, held: _Held, creator: str | None, now: datetime) -> None:
        self.held, self.creator, self.now = held, creator, now
        self.rows: dict[str, list[Row]] = {name: [] for name in ("package", "resource")}
        self.tags: dict[str, list[str]] = {}
        self.tag_states: dict[str, list[str]] = {"active": [], "deleted": []}
        self.gone: list[str] = []
        self.members: list[tuple[str, str]] = []
        self.members_gone: list[str] = []
        self.changed: dict[str, list[str]] = {}

    def take(self, package: Mapping[str, Any]) -> None:
        package_id = package["id"]
        held = self.held.packages.get(package_id)
        extras = {extra["key"]: extra["value"] for extra in package.get("extras", ())}
        row = _filled("package", {**package, "extras": extras}, held or {
            "metadata_created": self.now, "creator_user_id": self.creator, "plugin_data": None})
        changed = [name for name in row if name != "metadata_modified" and (held is None or row[name] != held[name])]
        changed += [name for name, others in (
            ("resources", self._resources(package)), ("tags", self._tags(package_id, package)),
            ("organization", self._member(package_id, row))) if others]
        if changed:
            row["metadata_modified"] = self.now
            self.rows["package"].append(row)
            self.changed[package_id] = changed

    def _resources(self, package: Mapping[str, Any]) -> bool:
        held = {row["id"]: row for row in self.held.resources.get(package["id"], ())}
        before = [row["id"] for row in held.values() if row["state"] != "deleted"]
        changed = False
        for position, resource in enumerate(package.get("resources", ())):
            old = held.pop(resource["id"], None)
            extras = {name: value for name, value in resource.items() if name not in _COLUMNS["resource"]}
            row = _filled("resource", {**resource, "extras": json.dumps(extras, sort_keys=True)}, old or {
                "description": "", "format": "", "hash": "", "url": "", "created": self.now, "state": "active"})
            # The text of the extras may order them otherwise: what they say decides. A place alone is no change of it.
            if old is None or {**row, "extras": extras} != {**old, "extras": json.loads(old["extras"] or "{}")}:
                row["metadata_modified"] = self.now
            row |= {"package_id": package["id"], "position": position, "state": "active"}
            if old is None or any(row[name] != old[name] for name in ("metadata_modified", "position", "state")):
                self.rows["resource"].append(row)
                changed = True
        if before == [resource["id"] for resource in package.get("resources", ())]:
            return changed
        # What the package has no more stays as a deleted row until its resources are others again, as CKAN keeps it.
        for row in held.values():
            if row["state"] == "deleted":
                self.gone.append(row["id"])
            else:
                self.rows["resource"].append({**row, "state": "deleted", "position": 0})
        return True

    def _tags(self, package_id: str, package: Mapping[str, Any]) -> bool:
        held = {row["name"]: row for row in self.held.tags.get(package_id, ())}
        wanted = {tag["name"]: None for tag in package.get("tags", ())}
        new = [name for name in wanted if name not in held]
        again = [row["id"] for name, row in held.items() if name in wanted and row["state"] == "deleted"]
        dropped = [row["id"] for name, row in held.items() if name not in wanted]
        if new:
            self.tags[package_id] = new
        self.tag_states["active"] += again
        self.tag_states["deleted"] += dropped
        return bool(new or again or dropped)             # CKAN takes what was dropped before for a change, too

    def _member(self, package_id: str, row: Row) -> bool:
        held = self.held.members.get(package_id, ())
        self.members_gone += [one["id"] for one in held if one["group_id"] != row["owner_org"]]
        if any(one["group_id"] == row["owner_org"] for one in held):
            return False
        self.members.append((package_id, row["owner_org"]))
        return True

    def write(self) -> None:
        _upsert("package", self.rows["package"])
        if self.gone:
            model.execute("delete from public.resource where id = any(:ids)", ids=self.gone)
        _upsert("resource", self.rows["resource"])
        self._write_tags()
        if self.members_gone:
            model.execute("update public.member set state = 'deleted' where id = any(:ids)", ids=self.members_gone)
        model.insert_many("member", ("id", "table_name", "table_id", "capacity", "group_id", "state"),
                          [(str(uuid4()), "package", package_id, "organization", group, "active")
                           for package_id, group in self.members], schema="public")

    def _write_tags(self) -> None:
        for state, ids in self.tag_states.items():
            if ids:
                model.execute("update public.package_tag set state = :state where id = any(:ids)", state=state, ids=ids)
        names = sorted({name for tags in self.tags.values() for name in tags})
        known = _tags(names)
        if known.keys() < set(names):                     # two that write the same new name take turns
            model.execute("select pg_advisory_xact_lock(hashtextextended('gkopen/tags', 0))")
            known = _tags(names)
        new = {name: str(uuid4()) for name in names if name not in known}
        model.insert_many("tag", ("id", "name"), [(id_, name) for name, id_ in new.items()], schema="public")
        known |= new
        model.insert_many("package_tag", ("id", "package_id", "tag_id", "state"),
                          [(str(uuid4()), package_id, known[name], "active")
                           for package_id, tags in self.tags.items() for name in tags], schema="public")


def _tags(names: Sequence[str]) -> dict[str, str]:
    """Name → id of the tags that there are."""
    return {row["name"]: row["id"] for row in model.every(
        "select id, name from public.tag where vocabulary_id is null and name = any(:names)", names=names)} \
        if names else {}


def _filled(table: str, given: Mapping[str, Any], held: Mapping[str, Any]) -> Row:
    """The row of a dictionary: its own values, emptied columns that it has no value for, else what is held."""
    return {name: given[name] if name in given else None if name in _CLEARED[table] else held.get(name)
            for name in _COLUMNS[table]}


def _upsert(table: str, rows: Sequence[Row]) -> None:
    columns = _COLUMNS[table]
    model.insert_many(table, columns, [
        [model.dump(value) if isinstance(value, dict) else value for value in map(row.__getitem__, columns)]
        for row in rows], schema="public", replace="id")


def _tell(valid: Sequence[dict[str, Any]], held: _Held, changed: Sequence[str], context: Mapping[str, Any]) -> None:
    """Plugins of the portal that listen to packages hear of them as the actions would tell them."""
    listening = [plugin for plugin in PluginImplementations(IPackageController) if any(
        getattr(type(plugin), name, None) is not getattr(IPackageController, name)
        for name in ("create", "edit", "after_dataset_create", "after_dataset_update"))]
    observers = [*PluginImplementations(IDomainObjectModification), *PluginImplementations(IResourceUrlChange)]
    if not (listening or observers or toolkit.config["ckan.views.default_views"]):
        return
    told = {package["id"]: package for package in valid}
    for package_id in changed:
        package: Any = ckan_model.Package.get(package_id)
        new = package_id not in held.packages
        for plugin in listening:
            plugin.create(package) if new else plugin.edit(package)
            after = plugin.after_dataset_create if new else plugin.after_dataset_update
            after(dict(context), told[package_id])  # type: ignore[arg-type]
        kind = "new" if new else "changed"
        for entity in (package, *package.resources):
            for observer in PluginImplementations(IDomainObjectModification):
                observer.notify(entity, kind)
        for resource in package.resources:
            for observer in PluginImplementations(IResourceUrlChange):
                observer.notify(resource)
        if new:
            toolkit.get_action("package_create_default_resource_views")(
                {"ignore_auth": True, "user": context["user"], "defer_commit": True}, {"package": told[package_id]})
