"""The page of a withdrawn dataset answers 410 with the public reason, where CKAN would say that it never was."""

from __future__ import annotations

from ckan.plugins import toolkit
from flask import Blueprint, request

from ckanext.gkopen import model

blueprint = Blueprint("gkopen_withdrawn", __name__)
ENDPOINTS = ("dataset.read", "dataset_resource.read", "dcat.read_dataset")


@blueprint.before_app_request
def gone() -> None:
    """Ask only for pages of single datasets; what is public again is no longer withdrawn."""
    if request.endpoint not in ENDPOINTS:
        return
    arguments = request.view_args or {}
    row = model.one("select reason from gkopen.dataset where state = 'withdrawn'"
                    " and (name = :id or cast(id as text) = :id)", id=arguments.get("id") or arguments.get("_id") or "")
    if row is not None:
        toolkit.abort(410, row["reason"] or "")
