"""What CKAN looks up for a dataset's page although the answer is known: about a third of the time of drawing one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ckan import plugins
from ckan.lib import webassets_tools
from ckan.plugins import toolkit


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


def remember_assets() -> None:
    """The address of a bundle of styles or scripts is worked out once: a page asks for twelve, and each time webassets
    looks whether any file behind them has changed. While programs are written (`debug`) it goes on doing so."""
    if toolkit.config["debug"] or toolkit.config["ckan.webassets.debug"]:
        return
    for bundle in webassets_tools.env:
        bundle.urls = functools.cache(bundle.urls)
