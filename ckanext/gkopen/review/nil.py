"""零报告: a body says that it has nothing to disclose for a part of a domain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ckanext.gkopen import changesets, model
from ckanext.gkopen.domains import Domain, get_domain
from ckanext.gkopen.review.comparing import submission_of
from ckanext.gkopen.review.refused import Refused

_MONTH = r"\d{4}-(?:0[1-9]|1[0-2])"
_DAY = _MONTH + r"-(?:0[1-9]|[12]\d|3[01])"
_PART_FORMS = {
    "year": r"\d{4}", "month": _MONTH,
    "period": rf"{_DAY}/{_DAY}|{_MONTH}/{_MONTH}|{_DAY}|{_MONTH}|\d{{4}}-H[12]|\d{{4}}-Q[1-4]|\d{{4}}-W\d\d|\d{{4}}",
}


def nil_report(domain_name: str, body: Mapping[str, Any], part: str, actor: str) -> str:
    """零报告: a body says that it has nothing to disclose for a part. Recorded, and shown as an answer."""
    domain = get_domain(domain_name)
    if not _is_part(domain, part):
        raise Refused("{part} is not a part of {domain}; a part looks like {example}.", part=part[:50],
                      domain=domain.title.zh, example=_part_example(domain))
    dataset = changesets.open_dataset(domain, body)
    if part in changesets.public_parts(str(dataset["id"])):
        raise Refused("{part} is public already: a nil report would contradict it.", part=part)
    key = f"{dataset['id']}/{part}"
    submission_id = model.value("select id from gkopen.submission where source = 'nil' and idempotency_key = :k", k=key)
    return str(submission_id) if submission_id else submission_of(str(dataset["id"]), "nil", actor, "nil", key)


def _is_part(domain: Domain, part: str) -> bool:
    """Whether the domain can have a part of this name: its months, years, codes or periods."""
    if domain.part.kind == "whole":
        return part == "whole"
    if domain.part.kind in _PART_FORMS:
        return re.fullmatch(_PART_FORMS[domain.part.kind], part) is not None
    rest = part
    for number, name in enumerate(domain.part.fields):
        field = domain.field(name)
        codes = [re.escape(code.code) for code in field.codes.codes] if field.codes else []
        form = "|".join(codes) or _PART_FORMS.get(field.type, r"[^<>\s]{1,60}?")
        end = r"$" if number == len(domain.part.fields) - 1 else r"-"
        found = re.match(f"(?:{form}){end}", rest)
        if not found:
            return False
        rest = rest[found.end():]
    return True


def _part_example(domain: Domain) -> str:
    if domain.part.kind != "fields":
        return {"month": "2026-05", "year": "2026"}.get(domain.part.kind, "whole")
    examples = {"year": "2026", "period": "2026-05", "month": "2026-05"}
    return "-".join(field.codes.codes[0].code if field.codes else examples.get(field.type, field.example or "…")
                    for field in map(domain.field, domain.part.fields))
