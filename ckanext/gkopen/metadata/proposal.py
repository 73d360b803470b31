"""The metadata that is proposed for review when a dataset appears for the first time.

Known are the domain (what the law says of such tables), the body, and perhaps its entry in the catalogue of
the exchange platform. What none of them says stays empty and is asked for: `review_findings`, `unknown_labels`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from ckanext.gkopen.deadlines import due_on, general_rule
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.metadata.codes import meta_codes
from ckanext.gkopen.metadata.rules import missing, problems
from ckanext.gkopen.records import Finding
from ckanext.gkopen.workdays import UnknownYear

Metadata = dict[str, Any]

DEFAULT_LICENSE = "cc-by-4.0"
ONE = {
    "disclosure_attribute": "meta_disclosure_attribute", "exemption_ground": "meta_exemption_ground",
    "field": "meta_field", "tier": "meta_tier", "update_cycle": "meta_update_cycle",
    "share_type": "meta_share_type", "time_limit_unit": "meta_time_limit_unit",
}
"""Fields that hold one code → their code list. `open_type` is read by `_openness`."""
MANY = {"stage": "meta_stage", "audience": "meta_audience", "channel": "meta_channel"}
"""Fields that hold several codes → their code list."""
TEXT = (
    "title", "title_en", "notes", "notes_en", "exemption_note", "legal_basis", "matter", "share_condition",
    "open_condition", "res_code", "time_limit_value", "time_limit_text", "formed_on", "contact_name",
    "contact_phone", "contact_email", "source_system", "license_id",
)
YES = {"是", "开放", "可以开放", "yes", "true", "y"}
NO = {"否", "no", "false", "n"}
NOTHING = {"", "无", "/", "-", "—", "none"}
FREE = {"无条件", "无条件开放", "普遍开放"}


def default_metadata(domain: Domain, body: Mapping[str, Any], catalogue_entry: Mapping[str, Any] | None, *,
                     license_id: str | None = DEFAULT_LICENSE) -> Metadata:
    """The metadata proposed for a person to review; JSON-serialisable, codes as texts, dates as ISO texts.

    `body`: the organisation (id, name, title and its extras). `catalogue_entry`: the entry of the exchange
    platform by the names of schemas/dataset.yaml (and `open`: 是否向社会开放), values as codes or labels.
    A domain is a table that the law has bodies disclose by themselves, so that is proposed where the entry
    does not say otherwise. Whether the data are open is the entry's word alone: where it is silent, that
    stays empty. Without an entry a body hands the table in to be opened, and just that is proposed.
    """
    entry = catalogue_entry or {}
    meta = _of_domain(domain) | _of_body(domain, body)
    meta["license_id"] = license_id
    meta["disclosure_attribute"] = "proactive"
    if catalogue_entry is None:
        meta["open_type"] = "unconditional"
    meta |= {name: text for name in TEXT if (text := _plain(entry.get(name))).casefold() not in NOTHING}
    if meta.get("open_condition") in FREE:
        del meta["open_condition"]
    meta |= {name: found[0] for name, codes in ONE.items() if (found := _known(codes, entry.get(name)))}
    meta |= {name: found for name, codes in MANY.items() if (found := _known(codes, entry.get(name)))}
    if openness := _openness(entry):
        meta["open_type"] = openness
    meta["related_codes"] = _split(entry.get("related_codes"))
    meta["due_on"] = _due(domain, meta)
    return {name: value for name, value in meta.items() if value not in (None, "", [])}


def review_findings(meta: Mapping[str, Any]) -> list[Finding]:
    """What must be settled before this metadata can be public: empty fields, broken rules."""
    return [problem.as_finding() for problem in (*missing(meta), *problems(meta, public=True))]


def unknown_labels(catalogue_entry: Mapping[str, Any] | None) -> list[Finding]:
    """What an entry says and no code list knows: it is not in the metadata that is proposed of it."""
    return list(_unknown_labels(catalogue_entry or {}))


def _of_domain(domain: Domain) -> Metadata:
    rule = general_rule(domain)
    field = meta_codes("meta_field").find(domain.matter.zh)
    return {
        "notes": domain.description.zh, "notes_en": domain.description.en, "domain": domain.name,
        "legal_basis": domain.legal_basis.zh, "matter": domain.matter.zh,
        "field": field.code if field else "other",
        "legal_rule": rule.id, "time_limit_value": rule.limit, "time_limit_unit": rule.unit,
        "channel": ["website", "open_data"], "audience": ["everyone"],
    }


def _of_body(domain: Domain, body: Mapping[str, Any]) -> Metadata:
    meta = {name: body.get(name) for name in ("tier", "contact_name", "contact_phone", "contact_email")}
    return meta | {
        "title": f"{body['title']}{domain.title.zh}",
        "title_en": f"{body['title_en']}: {domain.title.en}" if body.get("title_en") else "",
        "responsible_body": body["title"], "responsible_uscc": body.get("uscc"),
    }


def _openness(entry: Mapping[str, Any]) -> str:
    """开放属性 from 开放 and 开放条件 alone. The way of sharing (share_type) is never asked."""
    said = _plain(_said_of_openness(entry))
    if said.casefold() in YES:
        condition = _plain(entry.get("open_condition"))
        free = condition.casefold() in NOTHING or condition in FREE
        return "unconditional" if free else "conditional"
    if said.casefold() in NO:
        return "not_open"
    found = meta_codes("meta_open_type").find(said)
    return found.code if found else ""


def _said_of_openness(entry: Mapping[str, Any]) -> Any:
    return entry["open_type"] if entry.get("open_type") not in (None, "") else entry.get("open")


def _due(domain: Domain, meta: Mapping[str, Any]) -> str:
    """The due date, where the day of forming, the rule and the calendar are known; else empty."""
    if not meta.get("formed_on"):
        return ""
    try:
        return due_on(general_rule(domain), date.fromisoformat(meta["formed_on"][:10])).isoformat()
    except UnknownYear:
        return ""


def _unknown_labels(entry: Mapping[str, Any]) -> Iterator[Finding]:
    for name, codes in (ONE | MANY).items():
        whole = entry.get(name)
        labels = [] if isinstance(whole, str) and meta_codes(codes).find(whole) else _split(whole)
        for text in labels:
            if not meta_codes(codes).find(text):
                yield Finding("meta_unknown_label", "error", field=name, value=text)
    said = _plain(_said_of_openness(entry))
    if said and not _openness(entry):
        yield Finding("meta_unknown_label", "error", field="open_type", value=said)


def _known(list_name: str, value: Any) -> list[str]:
    """The codes that a value means: one label, or several as a list or a text with 、 , ; between them."""
    codes = meta_codes(list_name)
    whole = codes.find(value) if isinstance(value, str) and value else None
    labels = [] if whole else _split(value)
    return [whole.code] if whole else [found.code for text in labels if (found := codes.find(text))]


def _split(value: Any) -> list[str]:
    parts = value if isinstance(value, list | tuple) else re.split(r"[、,，;；|\n]", _plain(value))
    return [text for part in parts if (text := _plain(part))]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    return "" if value is None else str(value).strip()
