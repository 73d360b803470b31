"""零报告: a body says that it has nothing to disclose for a part of a domain."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from ckanext.gkopen import changesets, clock, ids, model
from ckanext.gkopen.dates import parse_period
from ckanext.gkopen.domains import Domain, get_domain
from ckanext.gkopen.review import audit
from ckanext.gkopen.review.comparing import submission_of
from ckanext.gkopen.review.refused import Refused

_MONTH = r"\d{4}-(?:0[1-9]|1[0-2])"
_DAY = _MONTH + r"-(?:0[1-9]|[12]\d|3[01])"
_PART_FORMS = {
    "year": r"\d{4}", "month": _MONTH,
    "period": rf"{_DAY}/{_DAY}|{_MONTH}/{_MONTH}|{_DAY}|{_MONTH}|\d{{4}}-H[12]|\d{{4}}-Q[1-4]|\d{{4}}-W\d\d|\d{{4}}",
}


STANDS = ("s.kind = 'nil' and s.source = 'nil' and not jsonb_exists_any(s.options, array['recalled', 'answered'])"
          " and not exists (select 1 from gkopen.publication u join gkopen.revision_part p on p.revision_id ="
          " u.revision_id where u.dataset_id = s.dataset_id and p.part = substr(s.idempotency_key, 38)"
          " and p.new_sha256 is not null and u.at > s.received_at)")
"""Of a submission s: a nil report that nobody took back, and that no rows of its part, published later, answered."""


def nil_report(domain_name: str, body: Mapping[str, Any], part: str, actor: str) -> str:
    """零报告: a body says that it has nothing to disclose for a part. Recorded, and shown as an answer."""
    domain = get_domain(domain_name)
    if not _is_part(domain, part):
        raise Refused("{part} is not a part of {domain}; a part looks like {example}.", part=part[:50],
                      domain=domain.title.zh, example=_part_example(domain))
    period = parse_period(part) or parse_period(part[:4])
    if period is not None and period.start > clock.today():
        raise Refused("{part} has not begun yet: nobody knows that there will be nothing.", part=part)
    dataset = changesets.open_dataset(domain, body)
    if part in changesets.public_parts(str(dataset["id"])):
        raise Refused("{part} is public already: a nil report would contradict it.", part=part)
    key = f"{dataset['id']}/{part}"
    submission_id = model.value(f"select s.id from gkopen.submission s where {STANDS} and s.idempotency_key = :k",
                                k=key)
    if submission_id:
        return str(submission_id)
    # One that rows answered, and were withdrawn since, makes room for the new one and is kept.
    model.execute("update gkopen.submission set idempotency_key = idempotency_key || '#' || id,"
                  " options = options || '{\"answered\": true}' where source = 'nil' and idempotency_key = :k", k=key)
    return submission_of(str(dataset["id"]), "nil", actor, "nil", key)


def recall(domain_name: str, body: Mapping[str, Any], part: str, reason: str, actor: str) -> str:
    """Take a nil report back: what it answered is owed again. It is kept, with who took it back and why. Raises Refused
    where there is none."""
    domain = get_domain(domain_name)
    key = f"{ids.dataset_id(domain.name, body['id'])}/{part}"
    submission_id = model.value(
        "update gkopen.submission s set idempotency_key = idempotency_key || '#' || id, options = options ||"
        " jsonb_build_object('recalled', jsonb_build_object('by', cast(:by as text), 'at', now(), 'reason',"
        f" cast(:reason as text))) where {STANDS} and idempotency_key = :k returning id", k=key, by=actor,
        reason=reason)
    if submission_id is None:
        raise Refused("There is no nil report of this body for {part} of {domain}.", part=part[:50],
                      domain=domain.title.zh)
    audit.record(actor, "nil.recalled", str(submission_id), reason=reason)
    return str(submission_id)


def standing(body_ids: Collection[str], limit: int) -> list[dict[str, Any]]:
    """The latest nil reports of these bodies that stand: domain, body_id, part, at, by."""
    return model.every(
        "select d.domain, d.body_id, substr(s.idempotency_key, 38) as part, s.received_at as at, s.submitted_by as by"
        f" from gkopen.submission s join gkopen.dataset d on d.id = s.dataset_id where {STANDS}"
        " and d.body_id = any(:bodies)"
        " order by s.received_at desc, s.id limit :limit", bodies=list(body_ids), limit=limit)


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
