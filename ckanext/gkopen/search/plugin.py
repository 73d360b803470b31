"""The search as a part of the portal's plugin: two hooks of ``IPackageController``."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from typing import Any

import ckan.model as model
import pysolr
from ckan.common import config
from ckan.lib.search.common import make_connection
from ckan.plugins import IPackageController
from flask import g, has_request_context

from .document import index_document
from .query import QueryRejectedError, search_query

log = logging.getLogger(__name__)


class SearchMixin(IPackageController):
    """Words go into the index before a dataset is indexed; a query is taken apart before it is sent."""

    def before_dataset_index(self, pkg_dict: dict[str, Any]) -> dict[str, Any]:
        return index_document(pkg_dict, organisation_titles(pkg_dict.get("owner_org")))

    def before_dataset_search(self, search_params: dict[str, Any]) -> dict[str, Any]:
        filters = solr_filters(search_params)
        if any("{!" in part or re.search(r"_\W*(query|val)\W*_", part) for part in filters):
            return search_params        # CKAN refuses these with a message of its own
        params, near = search_query(search_params, lambda clauses: count(clauses, filters))
        if near and has_request_context():
            g.gkopen_near = True
        return params


def organisation_titles(organisation: str | None) -> list[str]:
    """The title of an organisation by its id, its English, short and former names (schemas/organization.yaml)."""
    # Those of a batch are in the session already.
    group = (model.Session.get(model.Group, organisation) or model.Group.get(organisation)) if organisation else None
    if group is None:
        return []
    extras: dict[str, str] = getattr(group, "extras", None) or {}         # null where nobody has set one
    names = [group.title, extras.get("title_en")]
    for key in ("short_names", "former_names"):
        names += _several(extras.get(key))
    return [name for name in names if name]


def _several(value: str | None) -> list[str]:
    """Names as scheming keeps a field with many values: a JSON list in a text, or one plain name."""
    try:
        names = json.loads(value or "[]")
    except ValueError:
        names = [value]
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def solr_filters(search_params: dict[str, Any]) -> list[str]:
    """The filters within which words are looked for, so that a fallback speaks of what the person can see."""
    given = [search_params.get("fq"), *(search_params.get("fq_list") or [])]
    own = [f'+site_id:"{config.get("ckan.site_id")}"', "+state:active", "+capacity:public"]
    return [part for part in [*given, *own] if part]


def count(clauses: Sequence[str], filters: Sequence[str]) -> list[int]:
    """How many datasets each clause finds: one request without rows.

    :raises QueryRejectedError: when Solr does not understand a clause or cannot be reached; the search itself will
        then say so.
    """
    try:
        reply = make_connection(decode_dates=False).search(
            "*:*", rows=0, fq=list(filters), facet="true", **{"facet.query": list(clauses), "q.op": "OR"})
    except pysolr.SolrError as error:
        log.info("Solr counts nothing for %s: %s", clauses, error)
        raise QueryRejectedError(str(error)) from error
    found = reply.facets["facet_queries"]
    return [found[clause] for clause in clauses]
