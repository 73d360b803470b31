"""`datastore_search` and `datastore_info` also take a dataset's own resource id: the domain's table, its rows only."""

from __future__ import annotations

import json
from typing import Any

from ckan.plugins import toolkit

from ckanext.gkopen.datastore.filters import NO_OBJECT, parsed, types_of
from ckanext.gkopen.datastore.plugin import DATASET
from ckanext.gkopen.datastore.target import Target, find_dataset, find_table


def functions() -> dict[str, Any]:
    return {"datastore_search": datastore_search, "datastore_info": datastore_info}


@toolkit.chained_action
@toolkit.side_effect_free
def datastore_search(original_action: Any, context: Any, data_dict: dict[str, Any]) -> dict[str, Any]:
    """Searches the rows of one published dataset when `resource_id` is its own; else as CKAN does.

    `q` finds substrings in any language: each word must occur in the row (as a dictionary: in that field). `total`
    is exact; for more than 10,000 hits of `q` it is 10,000 with `total_was_estimated`. A `limit` above the site's
    maximum is cut to it, as CKAN does; then `limit_was` is what was asked for.
    """
    filters = _named(data_dict.get("filters"))
    wished = data_dict.get("limit")
    resource_id, target = _own(context, data_dict)
    if asked := target or find_table(resource_id):
        parsed(filters, {"_id": "int4", **types_of(asked.domain)})
    include_total = data_dict.get("include_total", True)
    if target is None:
        result = original_action(context, data_dict)
    else:
        result = original_action(_inside(context, target), {**data_dict, "resource_id": target.table_id})
        result["resource_id"] = resource_id
    # The hook counts by itself and tells CKAN not to; the answer says what was asked for.
    if "include_total" in result and "total" in result:
        result["include_total"] = include_total
    most = int(str(wished)) if str(wished).isdigit() else 0
    if most > result.get("limit", most):
        result["limit_was"] = most
    return result


@toolkit.chained_action
@toolkit.side_effect_free
def datastore_info(original_action: Any, context: Any, data_dict: dict[str, Any]) -> dict[str, Any]:
    """Describes the columns; for a dataset's own resource id, `meta` counts its rows (sizes are the table's)."""
    resource_id, target = _own(context, data_dict)
    if target is None:
        return original_action(context, data_dict)
    result = original_action(_inside(context, target), {**data_dict, "resource_id": target.table_id})
    if "meta" in result:
        search = {"resource_id": resource_id, "limit": 0}
        count = toolkit.get_action("datastore_search")(toolkit.fresh_context(context), search)["total"]
        result["meta"] |= {"id": resource_id, "count": count, "aliases": []}
    return result


def _named(filters: Any) -> Any:
    """`filters` as they came, read where they are a text of JSON. Raises ValidationError for what is a list, a number
    or null, which CKAN takes for an object."""
    if isinstance(filters, str) and filters.strip():
        try:
            filters = json.loads(filters)
        except (ValueError, RecursionError):
            raise toolkit.ValidationError({"filters": [f"不是 JSON / is no JSON; {NO_OBJECT}"]}) from None
        if not isinstance(filters, dict):
            filters = [filters]
    if isinstance(filters, list | int | float):
        raise toolkit.ValidationError({"filters": [NO_OBJECT]})
    return filters


def _own(context: Any, data_dict: dict[str, Any]) -> tuple[str, Target | None]:
    """The dataset's target when its own resource is asked for and may be read."""
    asked = data_dict.get("resource_id") or data_dict.get("id")
    target = find_dataset(asked) if isinstance(asked, str) else None
    if target is not None:
        data_dict.pop("id", None)
        toolkit.check_access("resource_show", toolkit.fresh_context(context), {"id": asked})
    return str(asked), target


def _inside(context: Any, target: Target) -> Any:
    """The rights were checked on the dataset's own resource; the table belongs to the package of all bodies."""
    return {**context, "ignore_auth": True, DATASET: target.dataset_id}
