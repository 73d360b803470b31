"""CKAN 2.12 reads the answer to "which table has this name?" after it gave the connection back to the pool.

A pool that is busy (more than five threads that search at once) closes what comes back, and the search is a 500.
"""

from __future__ import annotations

import sqlalchemy as sa
from ckanext.datastore.backend.postgres import DatastorePostgresqlBackend


def read_in_time() -> None:
    """Put a version of `resource_id_from_alias` in place that reads before it gives back. May be called again."""
    DatastorePostgresqlBackend.resource_id_from_alias = _resource_id_from_alias


def _resource_id_from_alias(self: DatastorePostgresqlBackend, alias: str) -> tuple[bool, str | None]:
    with self._get_read_engine().connect() as connection:
        row = connection.execute(sa.text('select alias_of from "_table_metadata" where name = :id'),
                                 {"id": alias}).first()
    return (row is not None, row[0] if row is not None else None)
