"""The facets of the dataset search for IFacets."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ckan.plugins import toolkit

_ = toolkit._


def facets(shown: dict[str, Any]) -> OrderedDict[str, Any]:
    """Facet field → title in the reader's language, in their order, in place of CKAN's own (`shown`)."""
    return OrderedDict((
        ("domain", _("Domain")),
        ("organization", _("Body")),
        ("field", _("Disclosure field")),
        ("tier", _("Tier")),
        ("update_cycle", _("Update cycle")),
        ("res_format", _("Format")),
        ("license_id", _("Licence")),
    ))
