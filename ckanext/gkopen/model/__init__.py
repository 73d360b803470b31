"""gkopen's own tables live in the schema `gkopen` of CKAN's database.

The only description of them is `migration/gkopen/versions/`; code asks in parametrised SQL through these helpers, in
CKAN's own session, so that a decision and the CKAN package it changes are one transaction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from ckan import model
from psycopg2.extras import execute_values


def execute(sql: str, **params: Any) -> sa.CursorResult[Any]:
    return model.Session.execute(sa.text(sql), params)  # type: ignore[return-value]


def one(sql: str, **params: Any) -> dict[str, Any] | None:
    """The first row as a dictionary, or None."""
    row = execute(sql, **params).mappings().first()
    return dict(row) if row is not None else None


def every(sql: str, **params: Any) -> list[dict[str, Any]]:
    result = execute(sql, **params)
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result]


def value(sql: str, **params: Any) -> Any:
    return execute(sql, **params).scalar()


NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def dump(data: Any) -> str:
    """JSON text for a jsonb parameter (`cast(:x as jsonb)`), Chinese kept readable."""
    return without_nul(json.dumps(data, ensure_ascii=False, default=str))


def without_nul(text: str) -> str:
    """JSON text as jsonb takes it: U+FFFD stands for NUL, which PostgreSQL has not."""
    return NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def insert_many(table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, schema: str = "gkopen",
                replace: str | None = None) -> None:
    """Many rows in few round trips. `replace`: the key by which a row takes the place of one that is there.

    All names are the program's own, never input.
    """
    if not rows:
        return
    names = ", ".join(f'"{column}"' for column in columns)
    new = ", ".join(f'"{column}" = excluded."{column}"' for column in columns if column != replace)
    conflict = f' on conflict ("{replace}") do update set {new}' if replace else ""
    connection = model.Session.connection().connection.driver_connection
    assert connection is not None
    with connection.cursor() as cursor:
        execute_values(cursor, f"insert into {schema}.{table} ({names}) values %s{conflict}", rows, page_size=1000)
