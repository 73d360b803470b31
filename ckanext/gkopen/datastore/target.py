"""Which published table an identifier means: a domain's name, its table id, or a dataset's own resource id."""

from __future__ import annotations

from dataclasses import dataclass

from ckanext.gkopen import ids, model
from ckanext.gkopen.domains import Domain, domains


@dataclass(frozen=True, slots=True)
class Target:
    """A domain's table; with `dataset_id`, only the rows of that dataset."""

    domain: Domain
    dataset_id: str | None = None

    @property
    def table_id(self) -> str:
        return ids.table_id(self.domain.name)


def domain_of_table(table_id: str) -> Domain | None:
    return next((domain for domain in domains().values() if ids.table_id(domain.name) == table_id), None)


def find_table(identifier: str) -> Target | None:
    """The whole table that a domain's name or a table id means, or None."""
    domain = domains().get(identifier) or domain_of_table(identifier)
    return Target(domain) if domain else None


def find_dataset(resource_id: str) -> Target | None:
    """The published dataset whose own resource this is; None for every other resource."""
    row = model.one(
        "select d.id::text as id, d.domain from public.resource r join gkopen.dataset d on d.id::text = r.package_id"
        " where r.id = :id and r.state = 'active' and d.state = 'published'",
        id=resource_id,
    )
    if row is None or ids.resource_id(row["id"]) != resource_id or row["domain"] not in domains():
        return None
    return Target(domains()[row["domain"]], row["id"])


def find(identifier: str) -> Target | None:
    """What any of the three names means, or None."""
    return find_table(identifier) or find_dataset(identifier)
