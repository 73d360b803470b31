"""CKAN's `validate` for many packages of one shape: what follows from their keys alone is worked out once.

`ckan.lib.navl` flattens, sorts and compares the keys of schema and data several times for each dictionary, which takes
longer than the validators do. Here the validators run on the same flat data, in the same order; which of them, and
where keys without one go, is kept for dictionaries with the same keys. tests/publish/test_validation.py compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any

from ckan.lib import plugins as lib_plugins
from ckan.lib.navl import dictization_functions as navl
from ckan.lib.navl.validators import unicode_safe
from ckan.logic.converters import convert_to_extras
from ckan.logic.validators import duplicate_extras_key

Path = tuple[str, ...]
"""Of a list of validators in a schema: `('resources', 'url')`."""
Key = tuple[Any, ...]
"""Of a value in flat data: `('resources', 0, 'url')`."""
Flat = dict[Key, Any]
Validate = Callable[[dict[str, Any], dict[str, Any], Any], tuple[dict[str, Any], dict[str, Any]]]

_JUNK: Key = ("__junk",)
_SHAPES = 256
"""Shapes that are kept; the packages of a domain have a handful."""


def borrowed(function: Any, **names: Any) -> Callable[..., Any]:
    """CKAN's function, with other things under some of the names of its module."""
    return FunctionType(function.__code__, {**function.__globals__, **names}, function.__name__, function.__defaults__)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a schema and data with these keys mean for each other.

    `runs`: keys with the path of their validators, in the order in which they run; `keys`: these and those that never
    run. `apart`: where a value goes whose key the schema has not: `('__junk',)`, or the `__extras` beside it. `barred`:
    those of them that stand in the place of a list of dictionaries. `missing`: keys that the data have not.
    """

    keys: tuple[Key, ...]
    runs: tuple[tuple[Key, Path], ...]
    apart: dict[Key, Key]
    barred: frozenset[Key]
    missing: tuple[Key, ...]


@lru_cache(_SHAPES)
def _shape(paths: frozenset[Path], keys: frozenset[Key]) -> _Shape:
    schema: dict[str, Any] = {}
    for path in paths:
        at = schema
        for name in path[:-1]:
            at = at.setdefault(name, {})
        at[path[-1]] = []
    data: Flat = dict.fromkeys(keys)
    ordered = _ordered(frozenset(navl.make_full_schema(data, schema)))
    parents = navl.get_all_key_combinations(data, navl.flatten_schema(schema))
    begun = {path[:length] for path in paths for length in range(len(path) + 1)}
    apart = {key: (*key[:-1], "__extras") if key[:-1] in parents else _JUNK for key in keys.difference(ordered)}
    before, extras, after = ([key for key in ordered if key[-1] == name]
                             for name in ("__before", "__extras", "__after"))
    plain = [key for key in ordered if not key[-1].startswith("__")]
    runs = [*before, *plain, *extras, *reversed(after), *(key for key in ordered if key == _JUNK)]
    return _Shape(ordered, tuple((key, key[::2]) for key in runs), apart,
                  frozenset(key for key in apart if key[::2] in begun), tuple(key for key in plain if key not in keys))


@lru_cache(_SHAPES)
def _ordered(keys: frozenset[Key]) -> tuple[Key, ...]:
    return tuple(sorted(keys, key=navl.flattened_order_key))


def _checked(data: Flat, schema: dict[str, Any], context: Any) -> tuple[Flat, dict[Key, list[str]]]:
    """In the place of `_validate` of navl."""
    flat = navl.flatten_schema(schema)
    if not all(isinstance(validators, list) for validators in flat.values()):
        return navl._validate(data, schema, context)
    shape = _shape(frozenset(flat), frozenset(data))
    converted = _augmented(data, shape)
    errors: dict[Key, list[str]] = {key: [] for key in shape.keys}
    extras = _Extras(converted)
    for key, path in shape.runs:
        for validator in flat[path]:
            try:
                match _arguments(validator):
                    case 4 if validator.__code__ is convert_to_extras.__code__:
                        extras.add(key)
                    case 4 if validator.__code__ is duplicate_extras_key.__code__:   # looks at them alone
                        validator(key, {at: value for at, value in converted.items() if at[0] == "extras"}, errors,
                                  context)
                    case 4:
                        validator(key, converted, errors, context)
                    case 1:
                        converted[key] = validator(converted.get(key))
                    case 2:
                        converted[key] = validator(converted.get(key), context)
                    case _:
                        navl.convert(validator, key, converted, errors, context)     # says why it is none
            except navl.Invalid as invalid:
                errors[key].append(invalid.error)
            except navl.StopOnError:
                break
    # Not an empty list a key, which would be sorted and dropped again.
    return converted, errors if any(errors.values()) else {}


def _converted(data: Flat, schema: dict[str, Any], context: Any) -> tuple[Flat, dict[Key, list[str]]]:
    return _checked(data, schema, context)[0], {}


class _Extras:
    """CKAN's convert_to_extras for one dictionary: it looks for the last extra among all keys, each time anew."""

    def __init__(self, data: Flat) -> None:
        self.data = data
        self.last: int | None = None

    def add(self, key: Key) -> None:
        last = self.last
        if last is None or ("extras", last, "key") not in self.data or ("extras", last + 1, "key") in self.data:
            last = max((at[1] for at in self.data if len(at) > 1 and at[0] == "extras"), default=-1)
        self.last = last + 1
        self.data["extras", self.last, "key"] = key[-1]
        self.data["extras", self.last, "value"] = unicode_safe(self.data[key])


def _arguments(validator: Any) -> int | None:
    try:
        return validator.__code__.co_argcount
    except AttributeError:
        return None


def _augmented(data: Flat, shape: _Shape) -> Flat:
    """In the place of `augment_data` of navl."""
    apart: dict[Key, Flat] = {}
    for key, value in data.items():
        if (place := shape.apart.get(key)) is not None:
            if key in shape.barred and value != []:
                raise navl.DataError(f"Only lists of dicts can be placed against subschema {key}, not {type(value)}")
            apart.setdefault(place, {})[key if place == _JUNK else key[-1]] = value
    converted = data | apart
    for key in shape.apart:
        del converted[key]
    converted.update(dict.fromkeys(shape.missing, navl.missing))
    return converted


def _sorted(keys: Iterable[Key], key: Any) -> tuple[Key, ...]:
    return _ordered(frozenset(keys))


_unflatten = borrowed(navl.unflatten, sorted=_sorted)
validate = borrowed(navl.validate, _validate=_checked, unflatten=_unflatten)
"""As `ckan.plugins.toolkit.navl_validate`: (data, schema, context) → data, errors."""
convert = borrowed(navl.validate, _validate=_converted, unflatten=_unflatten)
"""The same for who does not ask what is wrong: (data, schema, context) → data, {}."""


def wordless(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema for `convert`: its validators translate no message that nobody reads."""
    return {name: wordless(validators) if isinstance(validators, dict) else [
        borrowed(one, _=str) if isinstance(one, FunctionType) and one.__closure__ is None else one
        for one in validators] for name, validators in schema.items()}


def plugin_validate(plugin: Any, context: Any, data: dict[str, Any], schema: dict[str, Any],
                    action: str, validate: Validate = validate) -> tuple[dict[str, Any], dict[str, Any]]:
    """As `ckan.lib.plugins.plugin_validate`; the method of ckanext-scheming's plugin ends with this `validate`."""
    method: Any = getattr(type(plugin), "validate", None)
    if "navl_validate" in getattr(method, "__globals__", ()) and method.__closure__ is None:
        return borrowed(method, navl_validate=validate)(plugin, context, data, schema, action)
    return lib_plugins.plugin_validate(plugin, context, data, schema, action)
