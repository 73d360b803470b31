"""Validators of the disclosure metadata for IValidators: each name in `__all__` is one."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from ckan import model
from ckan.plugins import toolkit
from stdnum.cn import uscc
from stdnum.exceptions import ValidationError

from ckanext.gkopen import clock, ids
from ckanext.gkopen.domains import domains
from ckanext.gkopen.metadata.rules import problems

__all__ = ["gkopen_disclosure_rules", "gkopen_license", "gkopen_region_code", "gkopen_sha256",
           "gkopen_timestamp", "gkopen_uscc"]

_ = toolkit._


def gkopen_disclosure_rules(key: Any, data: dict[Any, Any], errors: dict[Any, Any], context: Any) -> None:
    """The rules between fields (rules.py), run after the fields' own. A missing `private` means public."""
    meta = {name[0]: value for name, value in data.items() if len(name) == 1 and value is not toolkit.missing}
    public = not toolkit.asbool(meta.get("private") or False)
    for problem in problems(meta, public=public):
        errors.setdefault((problem.field,), []).append(_(problem.message).format(**problem.params))


def gkopen_uscc(value: str) -> str:
    """A 统一社会信用代码 in its compact form (GB 32100): 18 characters with a right check character."""
    try:
        return uscc.validate(value)
    except ValidationError:
        message = _("Not a unified social credit code: 18 characters with a right check character")
        raise toolkit.Invalid(message) from None


def gkopen_region_code(value: str) -> str:
    """A division code: 6 digits (GB/T 2260), 9 or 12 digits below the county (statistical codes)."""
    if not re.fullmatch(r"[1-9]\d{5}(\d{3}){0,2}", value):
        raise toolkit.Invalid(_("Not a region code: 6, 9 or 12 digits"))
    return value


def gkopen_sha256(value: str) -> str:
    """64 hexadecimal digits, in lower case."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise toolkit.Invalid(_("Not a SHA-256 digest: 64 hexadecimal digits"))
    return value.lower()


def gkopen_timestamp(value: Any) -> str:
    """A moment with its offset from UTC, as an ISO text in Asia/Shanghai to the second."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise toolkit.Invalid(_("Not a date and time: write 2025-01-31T17:00:00+08:00")) from None
    if moment.tzinfo is None:
        raise toolkit.Invalid(_("The time needs its offset: write 2025-01-31T17:00:00+08:00"))
    return clock.told(moment)


def gkopen_license(key: Any, data: dict[Any, Any], errors: dict[Any, Any], context: Any) -> None:
    """The id of a licence that this portal offers (`licenses_group_url`). Only the table over all bodies may have none:
    where those of its datasets differ.
    """
    value = data.get(key)
    if value in (None, "", toolkit.missing):
        if data.get(("id",)) not in {ids.bulk_id(name) for name in domains()}:
            errors[key].append(_("Missing value"))
        data[key] = None
    elif value not in model.Package.get_license_register():
        errors[key].append(_("This licence is not offered here: choose one from the list"))

