"""Rows that are public now, by the value of an indexed field: from the domain's DataStore table, as canonical text."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from ckanext.datastore.backend.postgres import get_read_engine

from ckanext.gkopen import clock, ids, model
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.publish import behind
from ckanext.gkopen.publish.standards.exact import Row
from ckanext.gkopen.publish.table_sql import quoted

MOST_ROWS = 20_000
"""More than any process or project has: one answer is held in memory."""


def rows_where(domain: Domain, field: str, values: Sequence[str]) -> list[Row]:
    """The rows whose `field` is one of `values`, in the order of the key and `MOST_ROWS` at most, with `dataset_id`,
    `publisher` and `public_at` (see `groups`)."""
    if not values:
        return []
    assert field in domain.field_names
    table, (shown, params) = f'public.{quoted(ids.table_id(domain.name))}', behind.rows_shown() or ("true", {})
    names = ("dataset_id", "part", "publisher", *domain.field_names)
    listed = ", ".join(f"{quoted(name)}::text as {quoted(name)}" for name in names)
    order = ", ".join(quoted(name) for name in domain.key)
    with get_read_engine().connect() as connection:
        if connection.execute(sa.text("select to_regclass(:name)"), {"name": table}).scalar() is None:
            return []
        connection.execute(sa.text("set local datestyle to iso"))
        found = connection.execute(
            sa.text(f"select {listed} from {table} where {quoted(field)} = any(:values)"
                    f" and {shown} order by {order} limit :limit"),
            {"values": list(values), "limit": MOST_ROWS, **params}).mappings()
        rows = [dict(row) for row in found]
    since = _public_since({row["dataset_id"] for row in rows})
    return [{**row, "public_at": since.get((row["dataset_id"], row["part"]), "")} for row in rows]


def _public_since(datasets: set[str]) -> dict[tuple[str, str], str]:
    found = model.every(
        "select p.dataset_id::text as id, p.part, u.at from gkopen.public_part p"
        " join gkopen.publication u using (dataset_id, seq) where p.dataset_id = any(cast(:ids as uuid[]))",
        ids=sorted(datasets))
    return {(row["id"], row["part"]): clock.told(row["at"]) for row in found}


def numbers_below(domain: Domain, start: str) -> list[str]:
    """The project numbers that begin with a text: `2401-320602-04-01-123456` and its extensions."""
    table, (shown, params) = f'public.{quoted(ids.table_id(domain.name))}', behind.rows_shown() or ("true", {})
    with get_read_engine().connect() as connection:
        if connection.execute(sa.text("select to_regclass(:name)"), {"name": table}).scalar() is None:
            return []
        # The range is for the index: U+FFFF comes last in every collation. starts_with decides.
        return list(connection.execute(
            sa.text(f"select distinct project_no from {table} where project_no between :start and :end"
                    f" and starts_with(project_no, :start) and {shown}"),
            {"start": start, "end": start + "\uffff", **params}).scalars())
