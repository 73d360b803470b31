"""What CKAN's `validate` makes of data and schema, the one that remembers shapes makes of them too."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from ckan.lib.navl import dictization_functions as navl
from ckan.plugins import toolkit

from ckanext.gkopen.publish import validation

NAMES = ("a", "b", "c", "list", "other", "extras", "__junk")
SEEDS = range(40)
OF_EACH = 50


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _no_b(value: Any, _context: Any) -> Any:
    if value == "b":
        raise toolkit.Invalid("no b")
    return value


def _from_below(key: Any, data: Any, errors: Any, _context: Any) -> None:
    """Takes a neighbour, and blames it."""
    data[(*key[:-1], "found")] = sorted(str(other) for other in data)
    errors.setdefault((*key[:-1], "c"), []).append("found")


def _value(rng: random.Random, depth: int) -> Any:
    match rng.randrange(8):
        case 0 | 1 if depth:
            return [_data(rng, depth - 1) for _ in range(rng.randrange(4))]
        case 2:
            return [rng.choice("ab") for _ in range(rng.randrange(3))]
        case 3:
            return rng.choice(["", None, 0, 1, {}, {"a": 1}])
        case _:
            return rng.choice("abc")


def _data(rng: random.Random, depth: int = 2) -> dict[str, Any]:
    return {name: _extras(rng) if name == "extras" else _value(rng, depth) for name in NAMES if rng.random() < 0.6}


def _extras(rng: random.Random) -> Any:
    return [{"key": rng.choice("abc"), "value": rng.choice("xyz")} for _ in range(rng.randrange(4))]


def _schema(rng: random.Random, pool: list[Any], depth: int = 2) -> dict[str, Any]:
    def some() -> list[Any]:
        return [rng.choice(pool) for _ in range(rng.randrange(4))]

    found: dict[str, Any] = {name: some() for name in ("a", "b", "c", "other") if rng.random() < 0.6}
    if depth and rng.random() < 0.7:
        found["list"] = _schema(rng, pool, depth - 1)
    if rng.random() < 0.5:
        found["extras"] = {"key": some(), "value": some()}
    return found | {name: some() for name in ("__before", "__after", "__extras", "__junk") if rng.random() < 0.4}


def _said(validate: Any, data: dict[str, Any], schema: dict[str, Any]) -> Any:
    try:
        return validate(copy.deepcopy(data), schema, {"user": "x"})
    except AssertionError:                               # its words list all errors, in any order
        return (AssertionError,)
    except Exception as error:                           # navl has none for what it does not understand
        return type(error), str(error)


@pytest.mark.parametrize("seed", SEEDS)
def test_it_says_what_ckan_says(site: Any, seed: int) -> None:
    rng = random.Random(seed)
    pool = [*map(toolkit.get_validator, ("not_empty", "not_missing", "ignore_missing", "ignore_empty", "ignore",
                                         "empty", "keep_extras", "convert_to_extras", "convert_from_extras",
                                         "unicode_safe", "duplicate_extras_key")), _upper, _no_b, _from_below]
    schema = _schema(rng, pool)
    for _ in range(OF_EACH):
        data = _data(rng)
        said = _said(navl.validate, data, schema)
        assert _said(validation.validate, data, schema) == said
        if not isinstance(said[0], type):
            assert _said(validation.convert, data, validation.wordless(schema)) == (said[0], {})


def test_an_unfit_validator_is_refused_as_ckan_does(site: Any) -> None:
    for unfit in (str, lambda one, two, three: None):
        said = _said(navl.validate, {"a": 1}, {"a": [unfit]})
        assert said[0] is TypeError
        assert _said(validation.validate, {"a": 1}, {"a": [unfit]}) == said
