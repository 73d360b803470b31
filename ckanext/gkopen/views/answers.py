"""Answers for machines beyond files: what was refused and why, and JSON with exact numbers."""

from __future__ import annotations

from typing import Any

import simplejson
from ckan.plugins import toolkit
from flask import Response

from ckanext.gkopen.views.download import cached


def refused(error: toolkit.ValidationError) -> Response:
    """400 with what was wrong and what is allowed, a line each."""
    lines = [f"{name}: {text}" for name, texts in error.error_dict.items()
             for text in (texts if isinstance(texts, list) else [texts])]
    return cached("\n".join(map(str, lines)) + "\n", "text/plain", 400)


def json_of(answer: Any) -> str:
    """JSON with exact numbers (Decimal), Chinese as it is."""
    return simplejson.dumps(answer, ensure_ascii=False, use_decimal=True)
