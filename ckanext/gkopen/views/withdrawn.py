"""The page of a withdrawn dataset answers 410 with the public reason, where CKAN would say that it never was."""

from __future__ import annotations

from typing import Any

from ckan.plugins import toolkit
from flask import Blueprint, request

from ckanext.gkopen import ids, model
from ckanext.gkopen.domains import domains

blueprint = Blueprint("gkopen_withdrawn", __name__)
ENDPOINTS = ("dataset.read", "dataset_resource.read", "dcat.read_dataset")


@blueprint.before_app_request
def gone() -> None:
    """Ask only for pages of single datasets; what is public again is no longer withdrawn."""
    if request.endpoint not in ENDPOINTS:
        return
    arguments = request.view_args or {}
    id_ = arguments.get("id") or arguments.get("_id") or ""
    row = model.one("select reason from gkopen.dataset where state = 'withdrawn'"
                    " and (name = :id or cast(id as text) = :id)", id=id_) or _bulk(id_)
    if row is not None:
        toolkit.abort(410, row["reason"] or "")


def _bulk(id_: str) -> dict[str, Any] | None:
    """The table over all bodies of a domain, of which nothing is public any more."""
    domain = next((name for name in domains() if id_ in (ids.bulk_id(name), f"all-{name.replace('_', '-')}")), None)
    return model.one("select reason from gkopen.file where dataset_id is null and domain = :domain and sha256 is null"
                     " and address = :address and not exists (select from public.package where id = :id)",
                     domain=domain, address=f"{domain}.csv", id=ids.bulk_id(domain)) if domain else None
