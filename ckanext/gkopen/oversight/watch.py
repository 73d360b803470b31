"""Changes of state: each is a message once, when it happens, and not again with every run.

The state that a thing was last seen in stands in gkopen.watched; what is normal (a good source, a closed breaker, a
revision that nobody waits for) has no row there. Looked at once a minute by one worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import bodies, changesets, clock, logs, model
from ckanext.gkopen.domains import Text, domains
from ckanext.gkopen.harvest import report
from ckanext.gkopen.oversight import health, ledger, mail
from ckanext.gkopen.review import waiting

EVERY_SECONDS = 60
RETURNED_DAYS = 7
"""So long a revision that was sent back is still told of, where no worker looked before."""
ENDING = timedelta(days=7)
"""So long before its last day a standing approval is told of."""
LOCK = 0x676B6F70_77617463            # "gkopwatc"
LOOK = "~look"
NORMAL = ""
OVERDUE = "duty_overdue"
"""The state of a duty is its newest overdue period: each is told once, a backlog in one message."""
DECIDED = "decided"
"""Somebody decided on what a source's run held: it waits for nobody, but only its next run shows that it is good."""
UNDECIDED = "?"
"""A paused source is neither good nor bad: it keeps the state that it was seen in."""


Bodies = Mapping[str, Mapping[str, Any]]
"""Organisation id → the body (`bodies.every`), read once for a look."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A thing now. `kind`: the message when it comes into this state; `over`: the one when it leaves it for normal."""

    subject: str
    state: str
    kind: str | None = None
    over: str | None = None
    body_id: str | None = None
    params: dict[str, Any] = field(default_factory=dict)


def look() -> int:
    """Compare what is with what was, write messages and their mails, commit. Returns the number of messages."""
    if not model.value("select pg_try_advisory_xact_lock(:key)", key=LOCK):
        ckan_model.Session.rollback()
        return 0
    before = {row["subject"]: row["state"] for row in model.every(
        "select subject, state from gkopen.watched where subject <> :look", look=LOOK)}
    found = list(_everything())
    number = sum(_compare(seen, before.get(seen.subject, NORMAL)) for seen in found)
    gone = before.keys() - {seen.subject for seen in found}
    model.execute("delete from gkopen.watched where subject = any(:gone)", gone=sorted(gone))
    model.execute("insert into gkopen.watched (subject, state) values (:look, 'looked') on conflict (subject) do update"
                  " set since = now()", look=LOOK)
    ckan_model.Session.commit()
    return number


def due() -> bool:
    """Whether nobody looked for a minute."""
    fresh = model.value("select 1 from gkopen.watched where subject = :look and since between now() -"
                        " make_interval(secs => :every) and now()", look=LOOK, every=EVERY_SECONDS)
    ckan_model.Session.rollback()
    return not fresh


def _compare(seen: Seen, before: str) -> int:
    if seen.state in (before, UNDECIDED):
        return 0
    if seen.kind is None and before == NORMAL:            # nobody was told that it waits
        return 0
    kind = seen.kind if seen.state != NORMAL else seen.over if before != NORMAL else None
    if kind == OVERDUE and before > seen.state:           # the newest was sent, an older one is still missing
        kind = None
    if seen.state == NORMAL:
        model.execute("delete from gkopen.watched where subject = :subject", subject=seen.subject)
    else:
        model.execute("insert into gkopen.watched (subject, state) values (:subject, :state) on conflict (subject) do"
                      " update set state = excluded.state, since = now()", subject=seen.subject, state=seen.state)
    if kind is None:
        return 0
    message_id = model.value(
        "insert into gkopen.message (kind, body_id, subject, params) values (:kind, :body, :subject,"
        " cast(:params as jsonb)) returning id", kind=kind, body=seen.body_id, subject=seen.subject,
        params=model.dump(seen.params))
    mail.address(message_id, kind, seen.body_id, seen.params.get("revision"))
    logs.event("state.changed", kind=kind, subject=seen.subject, **seen.params)
    return 1


def _everything() -> Iterator[Seen]:
    known = bodies.every()
    yield from _sources(known)
    yield from _breakers()
    yield from _revisions(known)
    yield from _returned(known)
    yield from _declined(known)
    yield from _ending(known)
    yield from _duties(known)


def _sources(known: Bodies) -> Iterator[Seen]:
    by_name = {body["name"]: body_id for body_id, body in known.items()}
    days = toolkit.config["ckanext.gkopen.notify.waiting_days"]
    undecided = {row["subject"] for row in model.every(
        "select subject from gkopen.watched where starts_with(subject, 'source/') and state = 'waiting'"
        " and since < now() - make_interval(days => :days)", days=days)}
    for row in health.sources():
        state = health.of(row)["state"]
        params = {"source": row["name"], "run": str(row["last_run"]) if row["last_run"] else None,
                  **_named({"domain": row["domain"], "body_id": row["body_id"] or row["organization"]}, known)}
        shown = {"failing": "failing", "waiting": "waiting", "late": "late", "paused": UNDECIDED}.get(state, NORMAL)
        if shown == NORMAL and row["last_state"] in health.DECIDED:
            shown = DECIDED
        if shown == NORMAL and any(table["state"] == "returned" for table in (row["last_counts"] or {}).get(
                "outcomes", [])):
            shown = "returned"
        yield Seen(f"source/{row['id']}", shown, None if shown == DECIDED else f"source_{shown}", "source_good",
                   row["body_id"], params)
        if shown == "waiting" and f"source/{row['id']}" in undecided:
            yield Seen(f"undecided/{row['id']}", "waiting", "source_undecided", None, row["body_id"],
                       {**params, "days": days})
        yield from _quarantine(row, params, by_name)


def _quarantine(row: Mapping[str, Any], params: dict[str, Any], by_name: Mapping[str, str]) -> Iterator[Seen]:
    """Rows of a source's last run that were set aside: each body (`by_name`: its id) is told the number of its own."""
    subject = f"quarantine/{row['id']}"
    if row["last_state"] not in (None, "done", "partly", "held", "released", "discarded"):
        # A run that failed, or stopped at its columns, says nothing of the rows.
        for seen in model.every("select subject from gkopen.watched where starts_with(subject, :subject)",
                                subject=subject):
            yield Seen(seen["subject"], UNDECIDED)
        return
    counts = row["last_counts"] or {}
    rows = report.seen_by(counts, {row["organization"]}).get("rows_quarantined", 0)
    yield Seen(subject, "rows" if rows else NORMAL, "source_quarantine", None, row["body_id"], {**params, "rows": rows})
    for name, numbers in counts.get("of_bodies", {}).items():
        if name != row["organization"] and name in by_name and numbers["rows_quarantined"]:
            yield Seen(f"{subject}/{by_name[name]}", "rows", "body_quarantine", None, by_name[name],
                       {**params, "rows": numbers["rows_quarantined"]})


def _breakers() -> Iterator[Seen]:
    for row in model.every("select host, open_until > now() as open from gkopen.breaker where source = ''"
                           " and (failures > 0 or open_until is not null)"):
        yield Seen(f"breaker/{row['host']}", "open" if row["open"] else UNDECIDED, "breaker_open", None, None,
                   {"host": row["host"]})
    for row in model.every("select w.subject from gkopen.watched w where w.subject like 'breaker/%' and not exists"
                           " (select 1 from gkopen.breaker b where w.subject = 'breaker/' || b.host and b.source = ''"
                           " and (b.failures > 0 or b.open_until is not null))"):
        yield Seen(row["subject"], NORMAL, None, "breaker_closed", None,
                   {"host": row["subject"].removeprefix("breaker/")})


def _revisions(known: Bodies) -> Iterator[Seen]:
    days = toolkit.config["ckanext.gkopen.notify.waiting_days"]
    for row in waiting.longer_than(days):
        yield Seen(f"revision/{row['first']}", "waiting", "revision_waiting", None, row["body_id"],
                   {**_named(row, known), "revision": str(row["id"]), "days": days})


def _returned(known: Bodies) -> Iterator[Seen]:
    """What a reviewer sent back, and what the program did of a business system's pushes: nobody sits at those. Of a
    source's table, `source_returned` tells; whoever uploads a file sees at once that nothing of it can be published."""
    for row in model.every("select r.id, d.domain, d.body_id from gkopen.revision r join gkopen.dataset d"
                           " on d.id = r.dataset_id where r.state = 'returned'"
                           " and r.decided_at > now() - make_interval(days => :days)"
                           " and (r.decided_by <> :program or starts_with(r.submitted_by, 'push:'))",
                           days=RETURNED_DAYS, program=changesets.SYSTEM):
        yield Seen(f"returned/{row['id']}", "returned", "revision_returned", None, row["body_id"],
                   {**_named(row, known), "revision": str(row["id"])})


def _declined(known: Bodies) -> Iterator[Seen]:
    first = {row["id"]: row["first"] for row in waiting.longer_than(0)}    # sent again each hour, it is told once
    for row in model.every("select r.id, d.domain, d.body_id from gkopen.standing_use u join gkopen.revision r"
                           " on r.id = u.revision_id join gkopen.dataset d on d.id = r.dataset_id"
                           " where not u.published and r.state = 'held'"):
        yield Seen(f"standing/{first.get(row['id'], row['id'])}", "declined", "standing_declined", None, row["body_id"],
                   {**_named(row, known), "revision": str(row["id"])})


def _ending(known: Bodies) -> Iterator[Seen]:
    """Standing approvals that end soon: from the next day on everything waits for a person again."""
    today = clock.today()
    for row in model.every("select s.id, s.ends_on, d.name, d.domain, d.body_id from gkopen.standing s"
                           " join gkopen.dataset d on d.id = s.dataset_id where s.revoked_at is null"
                           " and s.ends_on between :today and :soon", today=today, soon=today + ENDING):
        yield Seen(f"ending/{row['id']}", "ending", "standing_ending", None, row["body_id"],
                   {**_named(row, known), "page": row["name"], "until": row["ends_on"].isoformat()})


def _duties(known: Bodies) -> Iterator[Seen]:
    entries = ledger.entries(clock.today())
    for year in ledger.unknown_years(entries):
        yield Seen(f"calendar/{year}", "unknown", "calendar_unknown", None, None, {"year": year})
    newest: dict[str, ledger.Entry] = {}
    for entry in entries:                                 # the newest first
        if entry.state == "overdue":
            newest.setdefault(entry.duty.id, entry)
    for entry in newest.values():
        assert entry.due.on is not None
        period = entry.duty.domain.part_title(entry.duty.part_of(entry.period) or entry.period.name)
        yield Seen(f"duty/{entry.duty.id}", entry.period.name, OVERDUE, None, entry.duty.body_id,
                   {**_named({"domain": entry.duty.domain.name, "body_id": entry.duty.body_id}, known),
                    "period": period.zh, "period_en": period.en,
                    "due_on": entry.due.on.isoformat()})


def _named(row: Mapping[str, Any], known: Bodies) -> dict[str, str]:
    """Body and domain in both languages."""
    title = domains()[row["domain"]].title if row["domain"] in domains() else Text(row["domain"], row["domain"])
    body = known.get(row["body_id"], {"title": row["body_id"]})
    english = body.get("title_en") or body["title"]
    return {"dataset": f"{body['title']}{title.zh}", "dataset_en": f"{english}: {title.en}"}
