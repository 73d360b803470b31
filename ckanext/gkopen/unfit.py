"""Values that CKAN's own actions do not expect are answered with what they take: 409 in place of a 500.

Those actions hand what a caller sends to integers, sorting and SQL as it is. What that raises is laid to the caller
only where a value shows it: one that is not of the type that the action's own words name, that is missing, that the
error repeats, or that PostgreSQL finds out of range. With values as they are documented the fault is the portal's, and
stays a 500. gkopen's own actions look at their parameters themselves and are left alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial, wraps
from traceback import walk_tb
from typing import Any

from ckan.plugins import toolkit
from sqlalchemy import exc

from ckanext.gkopen import away

log = logging.getLogger(__name__)

RAISED = (TypeError, ValueError, LookupError, AttributeError, AssertionError, RecursionError, exc.ArgumentError,
          exc.DataError, exc.InvalidRequestError, exc.ProgrammingError)
"""What a value of another type, out of range or missing raises; so do faults of the program."""
_TYPE = re.compile(r":type:?\s+([\w.]+):\s*(.+)")
_PARAMETER = re.compile(r":param\s+(?:[\w ]+\s)?([\w.]+):")
_FLAGS = {"true", "yes", "on", "y", "t", "1", "false", "no", "off", "n", "f", "0"}
"""How an address says a bool."""


def say_what_fits(app: Any) -> None:
    """For `make_middleware`: the interface takes its actions from here. CKAN loads the module of its views once more
    for each application, so the one to change is found by the view."""
    app.view_functions["api.action"].__globals__["get_action"] = asked_for


def asked_for(name: str) -> Callable[..., Any]:
    """An action as the interface calls it. :raises KeyError: there is no such action"""
    action = toolkit.get_action(name)

    @wraps(action)
    def asked(context: Any, data_dict: Any) -> Any:
        try:
            return action(context, data_dict)
        except away.MAY_BE_AWAY as error:
            away.note(error)
            raise
        except RAISED as error:
            known = documented(action)
            if name.startswith("gkopen_") or not is_callers(error, known, data_dict):
                raise
            # With its traceback: should it be a fault of the program after all, it is not hidden by the answer.
            log.warning("%s did not expect the values of %s", name, sorted(data_dict), exc_info=True)
            raise toolkit.ValidationError(_what_fits(name, known, data_dict)) from error

    return asked


def documented(action: Callable[..., Any]) -> dict[str, str]:
    """Parameter → its type in words, by the documentation of the action and of those that extensions put before it."""
    told = "\n".join(function.__doc__ or "" for function in layers(action))
    types = {found: words.strip() for found, words in _TYPE.findall(told)}
    return {found: types.get(found, "string") for found in _PARAMETER.findall(told)} | types


def is_callers(error: Exception, known: Mapping[str, str], data_dict: Mapping[str, Any]) -> bool:
    """Whether an error of RAISED comes from what was sent. `known`: parameter → its type in words."""
    if isinstance(error, exc.DataError) or is_endless(error):
        return True
    if any(not fits(value, known.get(name, "string")) for name, value in data_dict.items()):
        return True
    if isinstance(error, KeyError) and error.args and error.args[0] in known.keys() - data_dict.keys():
        return True
    if isinstance(error, AssertionError) and _raised_in(error).startswith("ckan.logic."):
        return True                                        # how CKAN asks whether something or somebody is named
    words = str(error)
    return isinstance(error, (ValueError, LookupError, AssertionError)) and any(
        isinstance(value, str) and _repeats(words, value) for value in data_dict.values())


def is_endless(error: BaseException) -> bool:
    """Whether a text of JSON was nested deeper than Python reads it."""
    return isinstance(error, RecursionError) and _raised_in(error).partition(".")[0] in ("json", "simplejson")


def fits(value: Any, words: str) -> bool:
    """Whether a value is of the type that these words name, or can be read as one; a type that they do not name is any.
    """
    kinds = [kind for kind in re.split(r"\bor\b|[,|;(]", words.lower()) if re.search("str|int|bool|dict|list", kind)]
    return not kinds or any(_is(value, kind.strip()) for kind in kinds)


def _is(value: Any, kind: str) -> bool:
    if kind.startswith("list"):
        return isinstance(value, list) and all(fits(each, kind.removeprefix("list")) for each in value)
    match value:
        case bool():
            return "bool" in kind
        case int():
            return bool(re.search(r"\bint", kind))
        case dict():
            return "dict" in kind
        case str():
            return bool("str" in kind or "controlled" in kind or ("bool" in kind and value.lower() in _FLAGS)
                        or (re.search(r"\bint", kind) and re.fullmatch(r"[-+]?\d+", value.strip())))
    return False


def _repeats(words: str, value: str) -> bool:
    """Whether a message names a value, not only some letters of it."""
    return not value or re.search(rf"(?<![^\W_]){re.escape(value)}(?![^\W_])", words, re.IGNORECASE) is not None


def _raised_in(error: BaseException) -> str:
    """The name of the module that raised an error."""
    *_, (frame, _line) = walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "")


def _what_fits(name: str, known: Mapping[str, str], data_dict: Mapping[str, Any]) -> dict[str, Any]:
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
