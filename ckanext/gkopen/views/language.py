"""CKAN's JavaScript asks for its translations by the browser's name of the language: they are found under it here.

`<html lang="zh-CN">` makes client.js request /api/i18n/zh_CN, and no module of a page starts before the answer.
"""

from __future__ import annotations

from pathlib import Path

from ckan.lib.i18n import get_js_translations_dir
from flask import Blueprint, Response

blueprint = Blueprint("gkopen_language", __name__)
LOCALES = {"zh_CN": "zh_Hans_CN", "zh_TW": "zh_Hant_TW"}


@blueprint.get("/api/i18n/<any(zh_CN, zh_TW):lang>", endpoint="translations")
def translations(lang: str) -> Response:
    """The texts of the JavaScript modules; `{}` where CKAN has not written its file yet: modules start all the same."""
    file = Path(get_js_translations_dir()) / f"{LOCALES[lang]}.js"
    return Response(file.read_text("utf-8") if file.exists() else "{}", mimetype="application/json")
