"""The compiled release of a process: what its releases say together, by the standard's rules for merging.

Written here because it runs for every process at each making of the packages; a test holds it equal to the
standard's own library (ocdsmerge). Rules: later releases win; objects are merged field by field; lists of objects
with an id are merged by it; every other list is replaced whole; null removes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ckanext.gkopen.publish.standards.exact import Object

_OF_ONE_RELEASE = ("id", "date", "tag")
WHOLE = frozenset({"additionalIdentifiers", "additionalClassifications"})
"""Lists that the release schema marks wholeListMerge."""


def compiled(releases: Sequence[Object]) -> Object:
    """`releases` of one process in the order of time, at least one."""
    merged: Object = {}
    for release in releases:
        _merge(merged, {name: value for name, value in release.items() if name not in _OF_ONE_RELEASE})
    last = releases[-1]
    return {"ocid": last["ocid"], "id": f"{last['ocid']}-{last['date']}", "date": last["date"], "tag": ["compiled"],
            **{name: value for name, value in merged.items() if name != "ocid"}}


def record(releases: Sequence[Object]) -> Object:
    return {"ocid": releases[0]["ocid"], "releases": list(releases), "compiledRelease": compiled(releases)}


def _merge(into: Object, new: Object) -> None:
    for name, value in new.items():
        if isinstance(value, str):      # most values are
            into[name] = value
        elif value is None:
            into.pop(name, None)
        elif isinstance(value, dict):
            held = into.get(name)
            if not isinstance(held, dict):
                held = into[name] = {}
            _merge(held, value)
        elif isinstance(value, list) and name not in WHOLE and _by_id(value):
            into[name] = _joined(into.get(name, []), value)
        else:
            into[name] = value


def _by_id(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(value, dict) and "id" in value for value in values)


def _joined(held: list[Object], new: list[Object]) -> list[Object]:
    """Both lists by id: the order of first mention. What is held belongs to the compiled release alone."""
    known = {value["id"]: value for value in held}
    for value in new:
        target = known.setdefault(value["id"], {})
        _merge(target, value)
    return list(known.values())
