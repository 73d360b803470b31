"""CKAN's JavaScript asks for its translations by the browser's name of the language: they are found under it here.

`<html lang="zh-CN">` makes client.js request /api/i18n/zh_CN, and no module of a page starts before the answer. CKAN
itself writes its answers into files only when it is started by `ckan run`; these are made from the catalogues.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import polib
from flask import Blueprint, Response

from ckanext.gkopen.i18n import DOMAIN

blueprint = Blueprint("gkopen_language", __name__)
LOCALES = {"zh_CN": "zh_Hans_CN", "zh_TW": "zh_Hant_TW"}


@blueprint.get("/api/i18n/<any(zh_CN, zh_TW):lang>", endpoint="translations")
def translations(lang: str) -> Response:
    """The texts of the JavaScript modules in the form of Jed: msgid → [plural or null, translation …]."""
    return Response(_texts(LOCALES[lang]), mimetype="application/json")


@cache
def _texts(locale: str) -> str:
    """CKAN's catalogue, and over it ours."""
    found: dict[str, object] = {"": {"domain": "ckan", "lang": locale, "plural-forms": "nplurals=1; plural=0;"}}
    for folder, domain in ((files("ckan") / "i18n", "ckan"), (files("ckanext.gkopen") / "i18n", DOMAIN)):
        catalogue = polib.pofile((folder / locale / "LC_MESSAGES" / f"{domain}.po").read_text("utf-8"))
        for entry in catalogue:
            if entry.msgid in _spoken() and not entry.obsolete:
                texts = [entry.msgstr_plural[0]] if entry.msgid_plural else [entry.msgstr]
                if all(texts):
                    found[entry.msgid] = [entry.msgid_plural or None, *texts]
    return json.dumps(found, ensure_ascii=False, sort_keys=True)


@cache
def _spoken() -> frozenset[str]:
    """Msgids that occur in JavaScript."""
    template = polib.pofile((files("ckan") / "i18n" / "ckan.pot").read_text("utf-8"))
    return frozenset(entry.msgid for entry in template if any(place.endswith(".js") for place, _ in entry.occurrences))
