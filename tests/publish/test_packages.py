"""Packages of a batch are row by row those that package_create and package_update write."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import bodies, model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.metadata.package import Published, bulk_package_dict, default_metadata, package_dict
from ckanext.gkopen.plugin import GkopenPlugin
from ckanext.gkopen.publish import packages, publisher
from tests.people import Cast, make_cast

PARTS = {"procurement": ["2024-05", "2024-06"], "parking": ["whole"], "budget": ["2024-budget"]}
TIMES = ("metadata_modified", "metadata_created", "created")
Step = list[dict[str, Any]]


@pytest.fixture
def cast(site: Any) -> Iterator[Cast]:
    yield make_cast()
    ckan_model.Session.rollback()


def published(domain: str, seq: int, rows: int) -> Published:
    return Published(seq=seq, rows=rows, parts=PARTS[domain], published_at=f"2024-07-0{seq}T08:00:00+00:00",
                     first_published_at="2024-07-01T08:00:00+00:00", revision_id="11111111-2222-4333-8444-555555555555",
                     sha256="ab" * 32, harvest_source="jh-procurement")


def packages_of(cast: Cast, seq: int = 1, rows: int = 20) -> Step:
    """One of each kind: by months, without time, by years; and a table over all bodies."""
    made = []
    for domain, body in (("procurement", cast.body), ("parking", cast.other), ("budget", cast.body)):
        found = bodies.find(body)
        meta = default_metadata(get_domain(domain), found, None) | {
            "open_type": "unconditional", "contact_name": "信息科", "stage": ["result"], "related_codes": ["a", "b"]}
        made.append(package_dict(get_domain(domain), found, meta, published(domain, seq, rows),
                                 name=f"{found['name']}-{domain}", site_url="http://x.cn"))
    return [*made, bulk_package_dict(get_domain("procurement"), bodies.find("zwgkb"),
                                     published("procurement", seq, rows), site_url="http://x.cn")]


def steps(cast: Cast) -> list[Step]:
    first, second, third = packages_of(cast), packages_of(cast, 2, 21), packages_of(cast, 3, 21)
    second[0] |= {"title": "更正后的标题", "tags": [{"name": "更正"}, *first[0]["tags"][1:]]}
    second[0].pop("contact_name", None)                  # a field that is not said any more
    second[1]["owner_org"] = bodies.find(cast.body)["id"]
    del second[2]["resources"][2]                        # a form that is not made any more
    third[0]["tags"] = first[0]["tags"]
    del third[3]["license_id"]                           # of all bodies: their licences differ
    fourth = copy.deepcopy(third)
    fourth[2]["resources"][0], fourth[2]["resources"][1] = fourth[2]["resources"][1], fourth[2]["resources"][0]
    del fourth[0]["resources"][1]
    rows, other = copy.deepcopy(fourth[0]), copy.deepcopy(fourth[0])
    rows["resources"][0] |= {"rows": 22}                 # what was dropped is still there as a deleted row
    del other["resources"][1]                            # another one: the row of the first is gone
    return [first, first, second, [second[0], second[2]], third, fourth, [fourth[0]], [rows], [other], [other]]


def by_actions(step: Step) -> None:
    for package in step:
        there = ckan_model.Package.get(package["id"])
        context: Any = {"user": toolkit.config["ckan.site_id"], "ignore_auth": True, "defer_commit": True,
                        "return_id_only": True}
        toolkit.get_action("package_update" if there else "package_create")(context, package)
    ckan_model.Session.flush()


def states(given: Sequence[Step], write: Callable[[Step], None]) -> list[dict[str, Any]]:
    """What CKAN's tables and package_show say after each step; then all of it is taken back."""
    found: list[dict[str, Any]] = []
    times: dict[str, Any] = {}
    with publisher.door():
        for step in copy.deepcopy(given):
            write(step)
            ckan_model.Session.expire_all()
            found.append({"shown": [shown(package["id"]) for package in given[0]], **tables()})
            for row in (*found[-1]["package"], *found[-1]["resource"]):
                before, now = times.get(row["id"]), tuple(row.pop(name, None) for name in TIMES)
                row["moved"] = before and [one == other for one, other in zip(before, now, strict=True)]
                times[row["id"]] = now
    ckan_model.Session.rollback()
    return found


def tables() -> dict[str, list[dict[str, Any]]]:
    """Ids of tags, of their links and of memberships are drawn by lot; a text of JSON is compared by what it says."""
    resources = model.every("select * from public.resource order by package_id, state, position, id")
    return {
        "package": model.every("select * from public.package order by id"),
        "resource": [row | {"extras": json.loads(row["extras"])} for row in resources],
        "tag": model.every("select name, vocabulary_id from public.tag order by name"),
        "package_tag": model.every("select p.package_id, t.name, p.state from public.package_tag p join public.tag t on"
                                   " t.id = p.tag_id order by 1, 2"),
        "member": model.every("select table_name, table_id, capacity, group_id, state from public.member"
                              " where table_name = 'package' order by 2, 4"),
        "resource_view": model.every("select * from public.resource_view"),
    }


def shown(package_id: str) -> dict[str, Any]:
    package = toolkit.get_action("package_show")({"ignore_auth": True, "use_cache": False}, {"id": package_id})
    for entry in (package, *package["resources"]):
        for name in TIMES:
            entry.pop(name, None)
    for tag in package["tags"]:
        del tag["id"]
    return package


def different(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    assert len(rows) == len(others)
    return [(row.get("id"), name, row.get(name), other.get(name)) for row, other in zip(rows, others, strict=True)
            for name in row.keys() | other.keys() if row.get(name) != other.get(name)]


def test_every_row_is_that_of_the_actions(cast: Cast) -> None:
    given = steps(cast)
    of_actions, of_batch = states(given, by_actions), states(given, packages.write)
    for number, (wanted, made) in enumerate(zip(of_actions, of_batch, strict=True)):
        for name in wanted:
            assert different(made[name], wanted[name]) == [], f"{name} after step {number}"
    assert len(of_batch[0]["package"]) == 4
    deleted = [{row["id"] for row in state["resource"] if row["state"] == "deleted"} for state in of_batch]
    assert deleted[2] and deleted[5] == deleted[7] and deleted[7].isdisjoint(deleted[8])
    assert any(row["state"] == "deleted" for row in of_batch[2]["package_tag"])


def broken(package: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return copy.deepcopy(package) | fields


def test_what_the_actions_refuse_is_refused(cast: Cast) -> None:
    one, other, *_ = packages_of(cast)
    wrong = [broken(one, license_id="none-such"), broken(one, owner_org="none-such"), broken(one, legal_basis=""),
             broken(one, name="不行"), broken(one, name=other["name"]), broken(one, open_type="none-such"),
             broken(one, disclosure_attribute="exempt"),
             broken(one, resources=[one["resources"][0] | {"id": other["resources"][0]["id"]}]),
             broken(one, resources=[one["resources"][0] | {"rows": "many"}])]
    with publisher.door():
        for package in wrong:
            said = []
            for write in (by_actions, packages.write):
                write([copy.deepcopy(other)])
                with pytest.raises(toolkit.ValidationError) as refused:
                    write([copy.deepcopy(package)])
                said.append(set(refused.value.error_dict))
                ckan_model.Session.rollback()
            assert said[0] == said[1]


def test_nobody_writes_past_the_door(cast: Cast) -> None:
    with pytest.raises(toolkit.NotAuthorized):
        packages.write(packages_of(cast))
    assert not model.every("select 1 from public.package")


def test_plugins_that_listen_hear_what_the_actions_would_tell(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[Any, ...]] = []

    def listen(kind: str) -> Callable[..., None]:
        return lambda _plugin, *said: heard.append((kind, said[-1]["id"] if "after" in kind else said[-1].id))

    for kind in ("create", "edit", "after_dataset_create", "after_dataset_update"):
        monkeypatch.setattr(GkopenPlugin, kind, listen(kind), raising=False)
    given = steps(cast)[:3]
    states(given, by_actions)
    of_actions, heard[:] = [*heard], []
    states(given, packages.write)
    assert heard == of_actions
    assert {kind for kind, _ in heard} == {"create", "edit", "after_dataset_create", "after_dataset_update"}
