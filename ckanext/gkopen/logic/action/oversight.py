"""What bodies owe: duties and respites, kept by the disclosure office, and the public ledger of what was sent."""

from __future__ import annotations

from datetime import date
from typing import Any

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import bodies, clock, cursors
from ckanext.gkopen.domains import domains, get_domain
from ckanext.gkopen.logic import paging
from ckanext.gkopen.logic.action.common import domain_of, need, speaking, user_of, uuid_of
from ckanext.gkopen.oversight import duties, ledger
from ckanext.gkopen.oversight.periods import named


@toolkit.side_effect_free
def gkopen_oversight_list(context: Any, data_dict: Any) -> dict[str, Any]:
    """The ledger (台账): each period that a body owes, the newest first, with its last day and what became of it.

    :param domain: :param organization: name, id or title :param state: overdue, unknown, due, withdrawn, published, nil
    :param period: 2026-05, 2026-Q2 or 2026 :param cursor: :param limit:
    :returns: results, cursor, counts (state → number, of all periods and without the filter by state), unknown_years
    """
    toolkit.check_access("gkopen_public", context, {})
    wanted, start = paging.limit(data_dict, 100), _after(data_dict)
    chosen, told = _chosen(data_dict)
    rest = [entry for entry in chosen if start is None or ledger.place(entry) < start]
    page = rest[:wanted]
    cursor = cursors.write(ledger.place(page[-1])) if len(rest) > wanted else None
    return {"results": list(ledger.described(page)), "cursor": cursor, **told}


def whole_ledger(data_dict: Any) -> dict[str, Any]:
    """What all pages of `gkopen_oversight_list` say together, for the files: the ledger is counted once."""
    chosen, told = _chosen(data_dict)
    return {"results": list(ledger.described(chosen)), **told}


def _chosen(data_dict: Any) -> tuple[list[ledger.Entry], dict[str, Any]]:
    """The entries that the filters leave, newest first, and `counts` and `unknown_years`. Raises ValidationError."""
    state = data_dict.get("state") or None
    if state is not None and state not in ledger.STATES:
        raise toolkit.ValidationError({"state": [toolkit._("state is one of {states}.").format(
            states=", ".join(ledger.STATES))]})
    with speaking():
        domain = domain_of(data_dict).name if data_dict.get("domain") else None
        body = _body(str(data_dict["organization"]))["id"] if data_dict.get("organization") else None
        found = ledger.entries(clock.today(), domain=domain, body_id=body)
    if data_dict.get("period"):
        found = [entry for entry in found if entry.period.name == data_dict["period"]]
    chosen = [entry for entry in found if state is None or entry.state == state]
    return chosen, {"counts": ledger.counts(found), "unknown_years": ledger.unknown_years(found)}


@toolkit.side_effect_free
def gkopen_duty_list(context: Any, data_dict: Any) -> dict[str, Any]:
    """Who owes what, how often, by which rule. :param domain: :param organization: :param cursor: :param limit:"""
    toolkit.check_access("gkopen_public", context, {})
    with speaking():
        wanted = [domain_of(data_dict).name] if data_dict.get("domain") else list(domains())
        body = _body(str(data_dict["organization"]))["id"] if data_dict.get("organization") else None
    known = bodies.every()
    return paging.listed(
        data_dict, "select *, coalesce(part, '') as named from gkopen.duty where domain = any(:domains)"
        " and (cast(:body as text) is null or body_id = :body) and (cast(:after_domain as text) is null"
        " or (domain, body_id, coalesce(part, '')) > (:after_domain, :after_body_id, :after_named))"
        " order by domain, body_id, coalesce(part, '') limit :limit", {"domain": str, "body_id": str, "named": str},
        lambda row: _duty(duties.of_row(row, {}), known), default=100, domains=wanted, body=body)


def gkopen_duty_set(context: Any, data_dict: Any) -> dict[str, Any]:
    """Say what a body owes; the same domain, body and part again changes it. For the disclosure office.

    :param domain: :param organization: :param cycle: monthly, quarterly, yearly :param since: a day of the first period
    :param until: last day, where the duty ends (of a body that was closed, the day of that)
    :param part: `{period}-budget`, where one part of several is owed
    :param rule: a deadline of the domain or of limits.yaml; without it the domain's own, else proactive disclosure
    :param starts: MM-DD, where the limit of a yearly duty runs from a day of the year and not from the year's end;
        +MM-DD, from a day of the year after
    """
    toolkit.check_access("gkopen_oversee", context, {})
    need(data_dict, "domain", "organization", "cycle", "since")
    with speaking():
        body = _body(str(data_dict["organization"]))
        duty_id = duties.keep(
            domain_of(data_dict), body, user_of(context), cycle=str(data_dict["cycle"]),
            since=_needed_day(data_dict, "since"), until=_day(data_dict, "until"), part=data_dict.get("part") or None,
            rule=data_dict.get("rule") or None, starts=data_dict.get("starts") or None)
        ckan_model.Session.commit()
        return _duty(_find(duty_id), bodies.every())


def gkopen_duty_remove(context: Any, data_dict: Any) -> dict[str, Any]:
    """Take away a duty that was set by mistake; one that ends is set again with `until`. :param id:"""
    toolkit.check_access("gkopen_oversee", context, {})
    missing = _no_duty(data_dict.get("id"))
    with speaking():
        duty_id = uuid_of(data_dict, missing)
        if not duties.remove(duty_id, user_of(context)):
            raise missing
        ckan_model.Session.commit()
    return {"id": duty_id}


def gkopen_respite_grant(context: Any, data_dict: Any) -> dict[str, Any]:
    """Extend one period of a duty to a day, or pause it (with `from`). For the disclosure office.

    :param id: of the duty :param period: 2026-05, 2026-Q2, 2026 :param to: the new last day, or the pause's last day
    :param from: first day of a pause :param reason: public
    """
    toolkit.check_access("gkopen_oversee", context, {})
    need(data_dict, "id", "period", "to", "reason")
    with speaking():
        duty = _find(uuid_of(data_dict, _no_duty(data_dict["id"])))
        duties.respite(duty, str(data_dict["period"]), user_of(context), str(data_dict["reason"]),
                       _needed_day(data_dict, "to"), _day(data_dict, "from"))
        ckan_model.Session.commit()
        period = named(duty.cycle, str(data_dict["period"]))
        assert period is not None
        due = _find(duty.id).due(period)
    return {"id": duty.id, "period": period.name, "due_on": due.on.isoformat() if due.on else None,
            "unknown_year": due.unknown_year}


def _body(name: str) -> dict[str, Any]:
    """The body of this name; also one that was closed and owes something, whose periods stay to be read until the
    office says when its duties ended."""
    try:
        return bodies.find(name)
    except bodies.UnknownBody:
        owing, known = duties.owing()[1], bodies.every()
        for body_id in sorted(owing & known.keys()):
            if name in (body_id, known[body_id]["name"], known[body_id]["title"]):
                return known[body_id]
        raise


def _find(duty_id: str) -> duties.Duty:
    for duty in duties.every():
        if duty.id == duty_id:
            return duty
    raise _no_duty(duty_id)


def _no_duty(duty_id: Any) -> toolkit.ObjectNotFound:
    return toolkit.ObjectNotFound(toolkit._(
        "There is no duty {id}: gkopen_duty_list (gkopen duty list) names them all.").format(id=duty_id))


def _duty(duty: duties.Duty, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    body = known.get(duty.body_id, {"name": duty.body_id, "title": duty.body_id})
    text, title = duty.rule_text, get_domain(duty.domain.name).title
    return {"id": duty.id, "domain": duty.domain.name, "domain_title": {"zh": title.zh, "en": title.en},
            "organization": {"id": duty.body_id, "name": body["name"], "title": body["title"],
                             "title_en": body.get("title_en")},
            "cycle": duty.cycle, "part": duty.part, "starts": duty.starts, "since": duty.since.isoformat(),
            "until": duty.until.isoformat() if duty.until else None, "rule": {"zh": text.zh, "en": text.en}}


def _day(data_dict: Any, name: str) -> date | None:
    return _needed_day(data_dict, name) if data_dict.get(name) else None


def _needed_day(data_dict: Any, name: str) -> date:
    text = str(data_dict[name])
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise toolkit.ValidationError({name: [toolkit._("Give a day such as 2026-01-31.")]}) from error


def _after(data_dict: Any) -> tuple[str, ...] | None:
    text = data_dict.get("cursor")
    if not text:
        return None
    try:
        values = cursors.read(str(text))
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            return tuple(values)
    except ValueError:
        pass
    raise toolkit.ValidationError({"cursor": [toolkit._("Unknown cursor: take the one that the last answer gave.")]})
