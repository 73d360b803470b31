"""Values that CKAN's own actions do not expect are answered with what they take: 409 in place of a 500.

Those actions hand what a caller sends to integers, sorting and SQL as it is, and whatever that raises would be a fault
of the portal. gkopen's own actions look at their parameters themselves and are left alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import Any

from ckan.plugins import toolkit
from sqlalchemy import exc

log = logging.getLogger(__name__)

RAISED = (TypeError, ValueError, LookupError, AttributeError, AssertionError, exc.ArgumentError, exc.DataError,
          exc.InvalidRequestError, exc.ProgrammingError)
"""By a value of another type, out of range or missing. What a database or index that is away raises is not among them.
"""
_TYPE = re.compile(r":type:?\s+([\w.]+):\s*(.+)")
_PARAMETER = re.compile(r":param\s+(?:[\w ]+\s)?([\w.]+):")


def say_what_fits(app: Any) -> None:
    """For `make_middleware`: the interface takes its actions from here. CKAN loads the module of its views once more
    for each application, so the one to change is found by the view."""
    app.view_functions["api.action"].__globals__["get_action"] = asked_for


def asked_for(name: str) -> Callable[..., Any]:
    """An action as the interface calls it. :raises KeyError: there is no such action"""
    action = toolkit.get_action(name)
    if name.startswith("gkopen_"):
        return action

    @wraps(action)
    def asked(context: Any, data_dict: Any) -> Any:
        try:
            return action(context, data_dict)
        except exc.PendingRollbackError:
            raise                                          # the connection is lost
        except RAISED as error:
            # With its traceback: should it be a fault of the program after all, it is not hidden by the answer.
            log.warning("%s did not expect the values of %s", name, sorted(data_dict), exc_info=True)
            raise toolkit.ValidationError(_what_fits(action, name, data_dict)) from error

    return asked


def _what_fits(action: Callable[..., Any], name: str, data_dict: dict[str, Any]) -> dict[str, Any]:
    """By the documentation of the action, and of those that extensions put in front of it."""
    told = "\n".join(function.__doc__ or "" for function in layers(action))
    types = {found: words.strip() for found, words in _TYPE.findall(told)}
    known = {found: types.get(found, "string") for found in _PARAMETER.findall(told)} | types
    sent = known.keys() & data_dict.keys() or known.keys()
    return {"message": toolkit._("The action {name} cannot use these values, or one that it needs is missing.").format(
        name=name), **{parameter: [known[parameter]] for parameter in sorted(sent)}}


def layers(action: Any) -> Iterator[Callable[..., Any]]:
    """The functions that make up an action, the outermost first."""
    while True:
        if isinstance(action, partial):                    # how CKAN chains them
            yield action.func
            action = action.args[0]
        elif hasattr(action, "__wrapped__"):
            action = action.__wrapped__
        else:
            yield action
            return
