"""The licences that the portal offers: schemas/licenses.json, and the city's own licence by settings.

CKAN reads the list from `licenses_group_url` and opens the file in the locale's encoding: what is written is
plain ASCII, so that Chinese titles survive on every machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from ckanext.gkopen.schemas import ROOT

CITY = "city-open-data"


def configure(config: MutableMapping[str, Any]) -> None:
    """Offer them to CKAN, unless the site names a list of its own (`licenses_group_url`).

    For IConfigurer, before CKAN reads the list. The file lies below `ckan.storage_path`.
    """
    storage = config.get("ckan.storage_path")
    if storage and not config.get("licenses_group_url"):
        offered = licences(config.get("ckanext.gkopen.city_license_title") or "",
                           config.get("ckanext.gkopen.city_license_title_en") or "",
                           config.get("ckanext.gkopen.city_license_url") or "")
        config["licenses_group_url"] = write_group(Path(storage) / "licences", offered)


def licences(city_title: str = "", city_title_en: str = "", city_url: str = "") -> list[dict[str, Any]]:
    """CC BY 4.0, CC0 and the city's own licence; that one only when `city_url` says where its text is."""
    offered = []
    for licence in json.loads((ROOT / "licenses.json").read_text("utf-8")):
        if licence["id"] != CITY:
            offered.append(licence)
        elif city_url:
            given = {"title": city_title, "title_en": city_title_en, "url": city_url}
            offered.append(licence | {name: value for name, value in given.items() if value})
    return offered


def write_group(folder: Path, offered: list[dict[str, Any]]) -> str:
    """Write the list into `folder` (made when it is missing) and return the file:// address for CKAN."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.resolve() / "licenses.json"
    # Several processes start at once: each writes a file of its own, the last rename wins, all hold the same.
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(offered, ensure_ascii=True, indent=1), "ascii")
    draft.replace(path)
    return f"file://{path}"
