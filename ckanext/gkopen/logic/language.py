"""The language of the person who asks: of the page or the API request, else the site's first language."""

from __future__ import annotations

from ckan.plugins import toolkit
from flask import has_request_context


def reader() -> str:
    """CKAN's code of the language, such as zh_Hans_CN or en."""
    return (toolkit.h.lang() if has_request_context() else None) or toolkit.config["ckan.locale_default"]
