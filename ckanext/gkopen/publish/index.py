"""The search index says what the database says, for many packages at once.

CKAN asks the database fifteen times and Solr once for each document. Here its own functions run, so that a document is
CKAN's to the last field, but where they ask for rows they get rows that were read for all packages, and where they
send a document it is kept: Solr gets all of them in one request. tests/publish/test_index.py compares the documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from ckan import logic
from ckan import model as ckan_model
from ckan.lib import search
from ckan.lib.dictization import model_dictize
from ckan.lib.plugins import lookup_package_plugin
from ckan.lib.search.common import make_connection
from ckan.logic.schema import default_show_package_schema
from ckan.plugins import IPackageController, IResourceController, PluginImplementations, toolkit

from ckanext.gkopen.publish import validation
from ckanext.gkopen.publish.validation import borrowed

_RELATIONS = ckan_model.package_relationship_table


def bring_up(package_ids: Sequence[str]) -> None:
    """Each package as it is, or nothing. However many documents, Solr is asked once to show them: a commit costs it
    more than a hundred documents.
    """
    shown = {package.id: package for package in ckan_model.Session.query(ckan_model.Package).filter(
        ckan_model.Package.id.in_(package_ids), ckan_model.Package.state == "active")}
    gone = [package_id for package_id in package_ids if package_id not in shown]
    for package_id in gone:
        search.index_for("package").remove_dict({"id": package_id})
    if shown:
        try:
            make_connection().add(documents(shown))
        except Exception as error:
            raise search.SearchIndexError(f"Solr took no documents: {str(error)[:1000]}") from error
    if gone or toolkit.config["ckan.search.solr_commit"]:
        make_connection().commit()


def documents(packages: dict[str, Any]) -> list[dict[str, Any]]:
    """The documents that CKAN would send for these packages (id → package)."""
    rows = _Rows(packages)
    kept: list[dict[str, Any]] = []
    send = borrowed(
        search.PackageSearchIndex.index_package,
        make_connection=lambda: SimpleNamespace(add=lambda docs, commit: kept.extend(docs)),
        model=SimpleNamespace(
            Resource=ckan_model.Resource, PackageRelationship=ckan_model.PackageRelationship,
            Package=SimpleNamespace(get=lambda name: packages.get(name) or ckan_model.Package.get(name))))
    schemas = _Schemas()
    for package in packages.values():
        default, custom = _shown(package, rows, schemas)
        send(search.index_for("package"), {**default, "with_custom_schema": custom}, True)
    return kept


def _shown(package: Any, rows: _Rows, schemas: _Schemas) -> tuple[dict[str, Any], dict[str, Any]]:
    """As `package_show_default_and_custom_schemas`: the package by CKAN's own schema, and by that of its type."""
    context: Any = {"ignore_auth": True, "use_cache": False, "validate": False, "session": ckan_model.Session,
                    "package": package}
    told = borrowed(model_dictize.package_dictize, **rows.names(package))(package, context)
    for plugin in PluginImplementations(IPackageController):
        plugin.read(package)
    for plugin in PluginImplementations(IResourceController):
        for resource in told["resources"]:
            plugin.before_resource_show(resource)
    default, _ = validation.convert(told, schemas.default, context)
    form = lookup_package_plugin(told["type"])
    custom, _ = validation.plugin_validate(form, context, told, schemas.of(form), "package_show", validation.convert)
    logic.apply_after_dataset_show_plugins(context, custom)
    return default, custom


class _Schemas:
    """What packages are shown by; it says nothing of errors."""

    def __init__(self) -> None:
        self.default = validation.wordless(default_show_package_schema())
        # Asks for each package whether its name is taken.
        self.default["name"] = [one for one in self.default["name"] if one.__name__ != "package_name_validator"]
        self._of: dict[Any, dict[str, Any]] = {}

    def of(self, form: Any) -> dict[str, Any]:
        """For one package: ckanext-scheming puts its fields into it, and into that of the resources."""
        if form not in self._of:
            self._of[form] = validation.wordless(form.show_package_schema())
        return {name: dict(validators) if isinstance(validators, dict) else validators
                for name, validators in self._of[form].items()}


class _Unasked:
    """In the place of a table (`of`), of its columns and of a query of package_dictize."""

    def __init__(self, of: Any = None, *_columns: Any) -> None:
        self.of = of
        self.c = self

    def __getitem__(self, _name: str) -> _Unasked:
        return self

    def where(self, *_conditions: Any) -> _Unasked:
        return self

    def join(self, *_tables: Any) -> _Unasked:
        return self


_UNASKED = {"select": _Unasked, "false": _Unasked, "model": SimpleNamespace(**{
    name: _Unasked(getattr(ckan_model, name)) for name in (
        "resource_table", "tag_table", "package_tag_table", "member_table", "group_table",
        "package_relationship_table")})}


class _Rows:
    """What package_dictize selects for one package, selected for all of them."""

    def __init__(self, packages: dict[str, Any]) -> None:
        ids = list(packages)
        owners = [package.owner_org for package in packages.values() if package.owner_org]
        resource, tag, link = ckan_model.resource_table, ckan_model.tag_table, ckan_model.package_tag_table
        group, member = ckan_model.group_table, ckan_model.member_table
        # So that plugins that ask for the organisation of a document find it in the session.
        self.organizations = ckan_model.Session.query(ckan_model.Group).filter(ckan_model.Group.id.in_(owners)).all()
        self._found: dict[tuple[Any, str], list[Any]] = {}
        self._take(resource, sa.select(resource, resource.c.package_id.label("key")).where(
            resource.c.package_id.in_(ids)))
        self._take(link, sa.select(tag, link.c.state, link.c.package_id.label("key")).join(
            link, tag.c.id == link.c.tag_id).where(link.c.package_id.in_(ids)))
        self._take(member, sa.select(group, member.c.capacity, member.c.table_id.label("key")).join(
            member, group.c.id == member.c.group_id).where(
            member.c.table_id.in_(ids), member.c.state == "active", group.c.is_organization.is_(False)))
        self._take(group, sa.select(group, group.c.id.label("key")).where(
            group.c.id.in_(owners), group.c.state == "active"))
        self._related = bool(ckan_model.Session.execute(sa.select(_RELATIONS.c.id).where(sa.or_(
            _RELATIONS.c.subject_package_id.in_(ids), _RELATIONS.c.object_package_id.in_(ids))).limit(1)).first())

    def _take(self, table: Any, query: Any) -> None:
        """Rows by their last column, which names what they are of and does not belong to them."""
        frozen = ckan_model.Session.execute(query).freeze()
        keys = frozen().scalars(len(query.selected_columns) - 1)
        for key, row in zip(keys, frozen().columns(*range(len(query.selected_columns) - 1)), strict=True):
            self._found.setdefault((table, key), []).append(row)

    def names(self, package: Any) -> dict[str, Any]:
        """What package_dictize finds under names of its module, while one package is told."""
        def found(_query: Any, table: Any, _context: Any) -> Iterable[Any]:
            return self._found.get((table, package.owner_org if table is ckan_model.group_table else package.id), ())

        if not self._related:                            # nothing is asked, so that no query need be made
            return {"_execute": lambda query, table, context: found(query, table.of, context), **_UNASKED}
        return {"_execute": lambda query, table, context: ckan_model.Session.execute(query) if table is _RELATIONS
                else found(query, table, context)}
