"""Answers for machines beyond files: what was refused and why, and JSON with exact numbers."""

from __future__ import annotations

from typing import Any

import simplejson
from ckan.plugins import toolkit
from flask import Response, request

from ckanext.gkopen.views.download import cached


def asked_once() -> dict[str, str]:
    """The parameters of the address. Raises ValidationError where one is given twice: which is meant is not guessed."""
    twice = sorted(name for name, values in request.args.lists() if len(values) > 1)
    if twice:
        raise toolkit.ValidationError({name: [f"{name} 只能写一次 / give {name} once"] for name in twice})
    return request.args.to_dict()


def refused(error: toolkit.ValidationError) -> Response:
    """400 with what was wrong and what is allowed, a line each."""
    lines = [f"{name}: {text}" for name, texts in error.error_dict.items()
             for text in (texts if isinstance(texts, list) else [texts])]
    return cached("\n".join(map(str, lines)) + "\n", "text/plain", 400)


def json_of(answer: Any) -> str:
    """JSON with exact numbers (Decimal), Chinese as it is."""
    return simplejson.dumps(answer, ensure_ascii=False, use_decimal=True)
