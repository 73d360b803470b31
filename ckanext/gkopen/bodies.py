"""Responsible bodies (责任主体): CKAN's organisations, found by id, name, title or credit code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import Any, cast

from ckan import model

from ckanext.gkopen.labels import narrow


class UnknownBody(Exception):
    """No active organisation answers to this name."""

    def __init__(self, name: str):
        super().__init__(f"unknown body {name!r}: the portal administrator creates bodies first (organisation pages)")
        self.name = name
        self.zh = (f"门户中没有责任主体“{name}”（可能已停用或改名）。请门户管理员先在机构页面建立或恢复，"
                   "或修改来源文件的 organization。")
        self.en = str(self)


class InactiveBody(UnknownBody):
    """The organisation of a dataset is not active any more."""


def find(name: str) -> dict[str, Any]:
    """The body as a dictionary (id, name, title and its extras). Raises UnknownBody."""
    group = model.Group.get(name)
    if group is not None and group.is_organization and group.state == "active":
        return as_dict(group)
    return finder()(name)


def finder() -> Callable[[str], dict[str, Any]]:
    """`find` over the organisations as they are now, read once: for a listing that names thousands of bodies. Spaces
    and the width of characters, which nobody sees, make no other body."""
    known = [as_dict(group) for group in model.Session.query(model.Group).filter(
        model.Group.is_organization.is_(True), model.Group.state == "active")]
    by_name = {body["name"]: body for body in known} | {body["id"]: body for body in known}
    labelled: list[dict[str, list[dict[str, Any]]]] = [defaultdict(list), defaultdict(list)]
    for body in known:
        for place, label in enumerate((body["title"], body.get("uscc"))):
            if isinstance(label, str) and label:
                labelled[place][narrow(label)].append(body)

    def find_known(name: str) -> dict[str, Any]:
        label = narrow(name)
        found = [[by_name[label]]] if label in by_name else [labels.get(label, []) for labels in labelled]
        body = next((bodies[0] for bodies in found if len(bodies) == 1), None)
        if body is None:
            raise UnknownBody(name)
        return dict(body)

    return find_known


def of_ids(ids: Iterable[str], deleted: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """Organisation id → the body as a dictionary. Raises InactiveBody for one that is not active, unless it is among
    `deleted`."""
    wanted = set(ids)
    found = {group.id: as_dict(group) for group in model.Session.query(model.Group).filter(
        model.Group.id.in_(wanted), model.Group.is_organization.is_(True))
        if group.state == "active" or group.id in deleted}
    for missing in wanted - found.keys():
        raise InactiveBody(missing)
    return found


def as_dict(group: model.Group) -> dict[str, Any]:
    extras = cast(Any, group).extras or {}   # a column that CKAN's class does not declare
    return {**extras, "id": group.id, "name": group.name, "title": group.title or group.name,
            "description": group.description or ""}


def titles() -> dict[str, str]:
    """Organisation id → title, for lists."""
    rows = model.Session.query(model.Group.id, model.Group.title, model.Group.name).filter(
        model.Group.is_organization.is_(True))
    return {id_: title or name for id_, title, name in rows}


def every() -> dict[str, dict[str, Any]]:
    """Organisation id → the body as a dictionary."""
    groups = model.Session.query(model.Group).filter(model.Group.is_organization.is_(True))
    return {group.id: as_dict(group) for group in groups}
