"""The IDatastore hook: restricts a search to one dataset, finds Chinese substrings, counts in the same snapshot."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from ckan.plugins.toolkit import ValidationError
from ckanext.datastore.interfaces import IDatastore

from ckanext.gkopen import ids
from ckanext.gkopen.datastore import chinese
from ckanext.gkopen.datastore.live import hold
from ckanext.gkopen.datastore.target import domain_of_table
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.publish import behind
from ckanext.gkopen.publish.table_sql import TableSQL, quoted

MILLISECONDS = 60_000
"""CKAN's own limit of a search."""
MOST_OFFSET = (1 << 31) - 1
DATASET = "gkopen_dataset"
"""Key of the context under which our action names the dataset whose rows are asked for."""


class DatastoreMixin(IDatastore):
    """For the plugin that comes after `datastore`; the stock plugin has filled `query_dict` before."""

    def datastore_search(self, context: Any, data_dict: dict[str, Any], fields_types: dict[str, str],
                         query_dict: dict[str, Any]) -> dict[str, Any]:
        domain = domain_of_table(data_dict["resource_id"])
        if domain is None:
            return query_dict
        if int(query_dict["offset"] or 0) > MOST_OFFSET:  # PostgreSQL cannot count so far, and CKAN would tell the SQL
            raise ValidationError({"offset": [
                f"offset 最大为 {MOST_OFFSET} / offset is a whole number up to {MOST_OFFSET}"]})
        hold(context["connection"], quoted(data_dict["resource_id"]), context.get("query_timeout", MILLISECONDS))
        gone = behind.rows_shown()
        if gone:
            query_dict["where"].append(gone)
        dataset = context.get(DATASET)
        if dataset is not None:
            query_dict["where"].append(('"dataset_id" = :gk_dataset', {"gk_dataset": dataset}))
        found = None
        if data_dict.get("q") or data_dict.get("full_text"):
            _forget_stock_search(data_dict, fields_types, query_dict, {*domain.field_names})
            found = chinese.conditions(domain, _asked(data_dict), context["connection"])
        if found is not None:
            _search(context["connection"], data_dict, query_dict, found, domain)
        elif not gone and not query_dict["distinct"] and len(query_dict["where"]) == (dataset is not None):
            _count_all(context["connection"], data_dict, dataset)
        if query_dict["sort"] and not query_dict["distinct"]:
            query_dict["sort"] = [*query_dict["sort"], '"_id" asc']       # of equal rows each page would else have any
        return query_dict


def _asked(data_dict: dict[str, Any]) -> Any:
    """`q` and `full_text` together. The stock search gives each its own column of ranks; here both are words."""
    q, full_text = data_dict.get("q") or {}, data_dict.get("full_text") or ""
    if isinstance(q, dict):
        return {**q, None: full_text} if full_text else q
    return f"{q} {full_text}"


def _forget_stock_search(data_dict: dict[str, Any], fields_types: dict[str, str], query_dict: dict[str, Any],
                         fields: set[str]) -> None:
    """Undoes what the stock plugin added for `q`: rank columns, the text query, its conditions and its order."""
    ranks = {name for name in fields_types if name not in fields and (name == "rank" or name.startswith("rank "))}
    asked = data_dict.get("fields") or []
    wanted = ranks.intersection(name.strip() for name in (asked.split(",") if isinstance(asked, str) else asked))
    if wanted:
        raise ValidationError({"fields": [f"没有相关度列 / there is no such column: {', '.join(sorted(wanted))}"]})
    for name in ranks:
        del fields_types[name]
    query_dict["select"] = [column for column in query_dict["select"] if "ts_rank(" not in column]
    query_dict["ts_query"] = ""
    query_dict["where"] = [where for where in query_dict["where"] if ' @@ "query' not in where[0]]
    if not data_dict.get("sort"):
        query_dict["sort"] = []


def _search(connection: Any, data_dict: dict[str, Any], query_dict: dict[str, Any], found: chinese.Conditions,
            domain: Domain) -> None:
    """Few hits are fetched by the index first, and page, order and total are made of them."""
    other = query_dict["where"]
    params = {name: value for where in other for values in where[1:] for name, value in values.items()}
    hits = chinese.hits(connection, quoted(data_dict["resource_id"]), [where[0] for where in other], params, found)
    if hits is None:
        if not query_dict["sort"] and not query_dict["distinct"]:
            query_dict["sort"] = ['"_id" asc']            # else pages may overlap
        in_order = query_dict["distinct"] or query_dict["sort"][0].split('"')[1] in TableSQL(domain).ordered
        query_dict["where"] = [*other, chinese.many(connection, found, in_order=in_order)]
    else:
        if not query_dict["sort"] and not query_dict["distinct"]:
            offset = int(query_dict["offset"] or 0)
            hits = sorted(hits)
            page, query_dict["offset"] = hits[offset : offset + int(query_dict["limit"])], 0
        else:
            page = hits
        query_dict["where"] = [chinese.among(page)]
    if data_dict["include_total"] and not query_dict["distinct"]:
        _set_total(data_dict, chinese.CAP if hits is None else len(hits), estimated=hits is None)


def _count_all(connection: Any, data_dict: dict[str, Any], dataset: str | None) -> None:
    """The count on record, in the snapshot of the rows; the stock count comes from another connection."""
    if data_dict["include_total"]:
        resource = ids.resource_id(dataset) if dataset else data_dict["resource_id"]
        rows = connection.execute(
            sa.text("select (stats ->> 'rows')::bigint from public._table_stats where resource_id = :id"),
            {"id": resource},
        ).scalar()
        if rows is not None:
            _set_total(data_dict, rows, estimated=False)


def _set_total(data_dict: dict[str, Any], total: int, *, estimated: bool) -> None:
    data_dict["include_total"] = False
    data_dict["total"] = total
    data_dict["total_was_estimated"] = estimated
