"""What CKAN looks up for a dataset's page although the answer is known: about a third of the time of drawing one."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import flask_babel
from ckan import model, plugins
from ckan.lib import webassets_tools
from ckan.plugins import toolkit

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_get: Any = model.Package.get.__func__

_find_translations: Any = flask_babel.Domain.get_translations


def functions() -> dict[str, Callable[..., Any]]:
    """Chained actions for IActions."""
    return {"resource_view_list": resource_view_list, "am_following_dataset": am_following_dataset}


@toolkit.chained_action
@toolkit.side_effect_free
def resource_view_list(original_action: Any, context: Any, data_dict: Any) -> list[dict[str, Any]]:
    """The views of a resource. CKAN's page asks for those of each resource in turn, two queries each; without a plugin
    that draws views there are none."""
    package = context.get("package")
    resource = next((one for one in package.resources if one.id == data_dict.get("id")), None) if package else None
    if resource is None or any(plugins.PluginImplementations(plugins.IResourceView)):
        return original_action(context, data_dict)
    about: Any = {**context, "resource": resource}
    toolkit.check_access("resource_view_list", about, data_dict)
    return []


@toolkit.chained_action
@toolkit.side_effect_free
def am_following_dataset(original_action: Any, context: Any, data_dict: Any) -> bool:
    """Whether the user follows the dataset. A visitor is refused at once, not after three queries."""
    toolkit.check_access("am_following_dataset", context, data_dict)
    if not context.get("user"):
        raise toolkit.NotAuthorized
    return original_action(context, data_dict)


def find_by_name_once() -> None:
    """A dataset that was found by its name is not looked for again in the same session: CKAN asks for an id that is
    this name, then for the name, and does so three times a page. May be called again."""
    package: Any = model.Package
    package.get = classmethod(_by_name)


def _by_name(cls: Any, reference: str | None, for_update: bool = False) -> Any:
    if not reference or for_update or _ID.fullmatch(reference):
        return _get(cls, reference, for_update)
    name, id_, _held = model.Session.info.get("gkopen_package") or (None, None, None)
    package = model.Session.get(cls, id_) if name == reference else None
    if package is None or package.name != reference:
        package = cls.by_name(reference) or model.Session.get(cls, reference)
        # The last one, as itself: a session forgets what nobody holds.
        model.Session.info["gkopen_package"] = package and (package.name, package.id, package)
    return package


def remember_translations() -> None:
    """The catalogue of translations of a request, which a page asks for a hundred times, is found once for each
    language. May be called again."""
    flask_babel.Domain.get_translations = _translations


def _translations(self: Any) -> Any:
    about = flask_babel._get_current_context()
    kept = getattr(about, "gkopen_translations", None)
    if kept is None or kept[0] is not self or kept[1] is not getattr(about, "babel_locale", None):
        found = _find_translations(self)
        if about is None:
            return found
        about.gkopen_translations = kept = self, about.babel_locale, found
    return kept[2]


def remember_assets() -> None:
    """The address of a bundle of styles or scripts is worked out once: a page asks for twelve, and each time webassets
    looks whether any file behind them has changed. While programs are written (`debug`) it goes on doing so."""
    if toolkit.config["debug"] or toolkit.config["ckan.webassets.debug"]:
        return
    for bundle in webassets_tools.env:
        bundle.urls = functools.cache(bundle.urls)
