"""`/datastore/dump/<id>` for gkopen's tables: one COPY, so that no download mixes two revisions.

CKAN's own dump fetches pages of 32,000 rows and may repeat or lose rows while a table changes; it still answers for
tables that are not gkopen's. This route wins because its plugin stands before `datastore` in `ckan.plugins`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import sqlalchemy as sa
from ckan.lib.navl.dictization_functions import validate
from ckan.plugins import toolkit
from ckanext.datastore import blueprint as stock
from ckanext.datastore.backend import _parse_sort_clause
from ckanext.datastore.backend.postgres import _where_clauses, get_read_engine
from ckanext.datastore.helpers import get_list
from flask import Blueprint, Response, request
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from ckanext.gkopen import ids
from ckanext.gkopen.datastore.chinese import BY_INDEX, conditions
from ckanext.gkopen.datastore.filters import parsed, types_of
from ckanext.gkopen.datastore.spool import stream_copy
from ckanext.gkopen.datastore.target import Target, find
from ckanext.gkopen.publish import behind
from ckanext.gkopen.publish.table_sql import TableSQL, quoted
from ckanext.gkopen.views.answers import asked_once, refused
from ckanext.gkopen.views.download import said

blueprint = Blueprint("gkopen_dump", __name__)

DELIMITERS = {"csv": ",", "tsv": "\t"}
MEDIA_TYPES = {"csv": "text/csv", "tsv": "text/tab-separated-values"}
BOM = "\ufeff".encode()


@blueprint.route("/datastore/dump/<resource_id>")
def dump(resource_id: str) -> Any:
    """All rows as CSV (`format=tsv`: tab-separated) in the order of the key; `bom=true` puts a BOM in front.

    The content of a dataset's own resource id equals its canonical CSV byte for byte. `filters`, `q`, `fields`,
    `sort`, `limit` and `offset` are those of `datastore_search`, without its limit on rows.
    """
    target = find(resource_id)
    if target is None:
        if (form := request.args.get("format", "csv")) not in stock.DUMP_FORMATS:      # which it takes for granted
            return refused(toolkit.ValidationError({"format": [
                f"{form} 不可用，可用：{'、'.join(stock.DUMP_FORMATS)} / use {', '.join(stock.DUMP_FORMATS)}"]}))
        return stock.dump(resource_id)
    asked = ids.resource_id(target.dataset_id) if target.dataset_id else target.table_id
    try:
        toolkit.check_access("resource_show", {"user": toolkit.g.user}, {"id": asked})
    except (toolkit.NotAuthorized, toolkit.ObjectNotFound):
        return said(404, "没有这张表。", "There is no such table.")
    try:
        args = asked_once()
        form = args.get("format", "csv")
        if form not in DELIMITERS:
            raise toolkit.ValidationError({"format": [
                f"{form} 不可用，可用：csv、tsv；JSON 见 /open/ 的 .jsonl 文件 / use csv or tsv; for JSON take the"
                " .jsonl file under /open/"]})
        data, errors = validate(dict(args), stock.dump_schema())
        if errors:
            raise toolkit.ValidationError(errors)
        select, params = _select(target, data)
        _try(select, params)
    except toolkit.ValidationError as error:
        return refused(error)
    except psycopg2.errors.UndefinedTable:                # public already, and its rows are still on their way
        return said(404, "这张表的行还没有写入，请稍后再试。",
                    "The rows of this table are still on their way: try again in a moment.")
    options = f"format csv, header, delimiter '{DELIMITERS[form]}'"
    return Response(_content(select, params, options, data["bom"], BY_INDEX if data.get("q") else ""), headers={
        "Content-Type": f"{MEDIA_TYPES[form]}; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{resource_id}.{form}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    })


def _try(select: str, params: dict[str, Any]) -> None:
    """What PostgreSQL refuses (a word as an amount) is an answer of its own, not a download that breaks off."""
    connection: Any = get_read_engine().raw_connection()
    try:
        connection.cursor().execute(f"select * from ({select}) t limit 0", params)
    except psycopg2.DataError as error:
        raise toolkit.ValidationError({"filters": [str(error).split("\n", 1)[0]]}) from None
    finally:
        connection.close()


def _content(select: str, params: dict[str, Any], options: str, bom: bool, settings: str) -> Iterator[bytes]:
    if bom:
        yield BOM
    yield from stream_copy(select, params, options, settings)


def _select(target: Target, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The SELECT that the request means, in psycopg2's form. Raises ValidationError."""
    table = TableSQL(target.domain)
    types = {"_id": "int4", **types_of(target.domain)}
    own = target.dataset_id is not None
    names = get_list(data.get("fields")) or (table.field_names if own else table.columns)
    unknown = [name for name in names if name not in types]
    if unknown:
        raise toolkit.ValidationError({"fields": [
            f"没有这些列 / no such columns: {', '.join(unknown)}", f"可用的列 / columns: {', '.join(types)}"]})
    where, params = [], {}
    if own:
        where.append("dataset_id = :gk_dataset")
        params["gk_dataset"] = target.dataset_id
    if gone := behind.rows_shown():
        where.append(gone[0])
        params |= gone[1]
    for clause, *values in _where_clauses({"filterops": parsed(data.get("filters"), types)}, types):
        where.append(clause)
        params.update(*values)
    if data.get("q"):
        with get_read_engine().connect() as connection:
            found = conditions(target.domain, data["q"], connection)
        if found:
            where.append(found.indexed)
            params |= found.params
    columns = ", ".join(_as_printed(name, types[name]) for name in names)
    statement = f"select {'distinct ' if data.get('distinct') else ''}{columns} from {table.name}"
    if where:
        statement += " where " + " and ".join(f"({condition})" for condition in where)
    statement += _order(table, data, types)
    for word in ("limit", "offset"):
        if (data.get(word) or 0) < 0:
            raise toolkit.ValidationError({word: [f"{word} 是从 0 起的整数 / {word} is a whole number from 0"]})
        if data.get(word) is not None:
            statement += f" {word} {int(data[word])}"
    compiled = sa.text(statement).bindparams(**params).compile(dialect=PGDialect_psycopg2())
    return str(compiled), dict(compiled.params)


def _as_printed(name: str, pg_type: str) -> str:
    """A column in the spelling of the canonical CSV."""
    if pg_type == "bool":
        return f"{quoted(name)}::text as {quoted(name)}"
    return quoted(name)


def _order(table: TableSQL, data: dict[str, Any], types: dict[str, str]) -> str:
    if "sort" in request.args:
        asked = get_list(data["sort"], False) or []
        clauses: list[tuple[str, Any]] = [(clause, _parse_sort_clause(clause, types)) for clause in asked]
        wrong = [clause for clause, parsed in clauses if not parsed]
        if wrong:
            raise toolkit.ValidationError({"sort": [
                f"无法按此排序 / cannot sort by: {', '.join(wrong)}", f"可用的列 / columns: {', '.join(types)}"]})
        listed = [f"{quoted(parsed[0])} {parsed[1]}" for _, parsed in clauses if parsed]
    elif data.get("distinct"):
        return ""
    else:
        listed = [quoted(name) for name in table.key_columns]
    return " order by " + ", ".join(listed)
