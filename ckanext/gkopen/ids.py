"""Identifiers that gkopen gives itself: a source is never trusted to name a thing."""

from __future__ import annotations

from uuid import UUID, uuid5

NAMESPACE = UUID("6f2b2a52-0f0e-5b1c-9a53-6a1f7f0c9d11")
"""Never changes: every published address hangs on it."""


def dataset_id(domain: str, body_id: str) -> str:
    """The dataset of one body in one domain; also the id of its CKAN package."""
    return str(uuid5(NAMESPACE, f"dataset/{domain}/{body_id}"))


def resource_id(dataset: str) -> str:
    """The resource that stands for a dataset's own rows in the DataStore."""
    return str(uuid5(NAMESPACE, f"resource/{dataset}"))


def table_id(domain: str) -> str:
    """The resource, and with it the DataStore table, that holds all bodies of a domain."""
    return str(uuid5(NAMESPACE, f"table/{domain}"))


def bulk_id(domain: str) -> str:
    """The CKAN package that presents the table of all bodies of a domain."""
    return str(uuid5(NAMESPACE, f"bulk/{domain}"))


def file_resource_id(dataset: str, form: str) -> str:
    """The resource of one file form (csv, xlsx ...) of a dataset."""
    return str(uuid5(NAMESPACE, f"file/{dataset}/{form}"))
