"""Rows of a domain's table in pages that follow each other by a cursor, and exact sums of groups. For anyone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from ckan.plugins import toolkit

from ckanext.gkopen.datastore import live
from ckanext.gkopen.datastore.filters import types_of
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.logic.action.asked import domain_of, json_of, limit_of, money_as_text, names_of
from ckanext.gkopen.publish.table_sql import SYSTEM_COLUMNS, TableSQL, quoted

MOST_ROWS = 10_000
MOST_GROUPS = 10_000
SUMMED = frozenset({"integer", "decimal", "money", "percent"})
"""Types of fields that can be added up; a year or a code cannot."""


@toolkit.side_effect_free
def gkopen_rows(context: Any, data_dict: Any) -> dict[str, Any]:
    """A page of rows. Follow `cursor` until it is null: no row comes twice, and none that was there all the time is
    left out, however the table changes meanwhile.

    `state` is another one as soon as anything in the table has changed; `revisions` names the publication (seq) of
    each dataset on this page.

    :param domain: name of the domain
    :param filters: {"column": value or [values] or {"gte": …, "lt": …}}, also as JSON text; operators eq, in, gt, gte,
        lt, lte; {"$or": [{…}, {…}]}
    :param q: words, each of which must occur in the row, also inside Chinese text
    :param fields: columns, all by default
    :param sort: columns, each with ` desc` for descending: "award_amount desc, project_no"; by dataset and key else
    :param limit: 1 to 10000, default 100
    :param cursor: of the last page
    :param money: `text`: amounts as texts
    """
    toolkit.check_access("gkopen_public", context, {})
    domain, as_text = domain_of(data_dict), money_as_text(data_dict)
    types, limit = types_of(domain), limit_of(data_dict, 100, MOST_ROWS)
    fields = names_of(data_dict, "fields", types) or list(types)
    order = live.Order.of(domain, _sort(data_dict, types))
    filters, q = json_of(data_dict.get("filters"), "filters"), _words(data_dict)
    asked = live.question({"domain": domain.name, "filters": filters, "q": q, "order": order.columns})
    start = live.read_cursor(order, asked, str(data_dict["cursor"])) if data_dict.get("cursor") else None
    listed = ", ".join([*(quoted(name) for name in fields),
                        *(f"{quoted(name)}::text as gk_place_{n}" for n, name in enumerate(order.names))])
    try:
        with live.reading(domain) as connection:
            where = live.where_of(domain, filters, q, connection, order)
            clauses, params = order.after(start) if start is not None else ([], {})
            rows = connection.execute(
                sa.text(f"select {listed} from {TableSQL(domain).name}{where.sql(*clauses)}{order.sql()}"
                        f" limit {limit + 1}"), where.params | params).all()
            page = rows[:limit]
            at = len(fields) + order.names.index("dataset_id")
            state = live.state_of(domain, connection, [row[at] for row in page])
    except live.NoTable:
        return {"domain": domain.name, "results": [], "cursor": None, "limit": limit, "state": None, "revisions": {}}
    cursor = None
    if len(rows) > limit:
        cursor = live.write_cursor(order, asked, list(page[-1][len(fields):]))
    results = [{name: _shown(domain, name, value, as_text) for name, value in zip(fields, row, strict=False)}
               for row in page]
    return {"domain": domain.name, "results": results, "cursor": cursor, "limit": limit, **state}


@toolkit.side_effect_free
def gkopen_aggregate(context: Any, data_dict: Any) -> dict[str, Any]:
    """Counts, sums and averages of groups of rows, exactly, in order of the groups.

    Each result holds the columns of `group_by`, `count` (rows), and for each column of `sum` and `avg` `sum_<column>`,
    `avg_<column>` with `values_<column>`: how many rows have one. An average has as many decimals as PostgreSQL's
    numeric gives it; sum and number of values say it exactly.

    :param domain: name of the domain
    :param group_by: columns that the domain declares as filters, or dataset_id, part, publisher; none: one group
    :param sum: columns of numbers :param avg: columns of numbers
    :param filters: :param q: as in gkopen_rows
    :param limit: 1 to 10000 groups, default 1000; `more` says whether there are more
    :param money: `text`: amounts as texts
    """
    toolkit.check_access("gkopen_public", context, {})
    domain, as_text = domain_of(data_dict), money_as_text(data_dict)
    limit = limit_of(data_dict, 1000, MOST_GROUPS)
    groups = names_of(data_dict, "group_by", [*SYSTEM_COLUMNS, *(field.name for field in domain.filter_fields)])
    numbers = [field.name for field in domain.fields if field.type in SUMMED]
    sums, averages = names_of(data_dict, "sum", numbers), names_of(data_dict, "avg", numbers)
    filters, q = json_of(data_dict.get("filters"), "filters"), _words(data_dict)
    columns = {name: quoted(name) for name in groups} | {"count": "count(*)"}
    for name in dict.fromkeys([*sums, *averages]):
        columns |= {f"sum_{name}": f"sum({quoted(name)})"} if name in sums else {}
        columns |= {f"avg_{name}": f"avg({quoted(name)})"} if name in averages else {}
        columns |= {f"values_{name}": f"count({quoted(name)})"}
    listed = ", ".join(f"{column} as {quoted(name)}" for name, column in columns.items())
    by = ", ".join(str(number) for number in range(1, len(groups) + 1))
    try:
        with live.reading(domain) as connection:
            where = live.where_of(domain, filters, q, connection)
            rows = connection.execute(
                sa.text(f"select {listed} from {TableSQL(domain).name}{where.sql()}"
                        + (f" group by {by} order by {by}" if groups else "") + f" limit {limit + 1}"),
                where.params).all()
            state = live.state_of(domain, connection, [])["state"]
    except live.NoTable:
        rows, state = [], None
    results = [{name: _shown(domain, name, value, as_text) for name, value in zip(columns, row, strict=True)}
               for row in rows[:limit]]
    return {"domain": domain.name, "group_by": groups, "results": results, "more": len(rows) > limit, "state": state}


def _sort(data_dict: Mapping[str, Any], types: Mapping[str, str]) -> list[tuple[str, bool]]:
    given = data_dict.get("sort") or []
    clauses = given.split(",") if isinstance(given, str) else given
    if not isinstance(clauses, list) or not all(isinstance(clause, str) for clause in clauses):
        clauses = ["?"]
    wished, wrong = [], []
    for clause in filter(None, (clause.strip() for clause in clauses)):
        name, _, direction = clause.partition(" ")
        if name not in types or direction.strip().lower() not in ("", "asc", "desc") or name in dict(wished):
            wrong.append(clause)
        wished.append((name, direction.strip().lower() == "desc"))
    if wrong:
        raise toolkit.ValidationError({"sort": [
            f"无法按此排序：{'、'.join(wrong)[:200]}；写法如 列名 desc / cannot sort by this: write a column, with desc"
            f" behind it or not; columns: {', '.join(types)}"]})
    return wished


def _words(data_dict: Mapping[str, Any]) -> Any:
    q = data_dict.get("q")
    if isinstance(q, str) and q.lstrip().startswith("{"):
        q = json_of(q, "q")
    if q is None or isinstance(q, str):
        return q
    domain = domain_of(data_dict)
    if not isinstance(q, Mapping) or not all(isinstance(text, str) for text in q.values()) or not set(q) <= set(
            domain.field_names):
        raise toolkit.ValidationError({"q": [
            "q 是文本，或 {列名: 文本} / q is a text, or an object column → text of these columns:"
            f" {', '.join(domain.field_names)}"]})
    return q


def _shown(domain: Domain, name: str, value: Any, as_text: bool) -> Any:
    """A value of PostgreSQL as JSON has it; times with the offset of Shanghai, as in the .jsonl files."""
    if isinstance(value, datetime):
        return f"{value.isoformat(timespec='seconds')}+08:00"
    if isinstance(value, date):
        return value.isoformat()
    column = name.removeprefix("sum_").removeprefix("avg_")
    if as_text and isinstance(value, Decimal) and column in domain.field_names and domain.field(column).type == "money":
        return format(value, "f")
    return value
