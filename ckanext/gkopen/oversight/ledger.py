"""The ledger (台账): for each duty and period, whether it was published, said to be nil, not yet due, or is overdue.

Only what may be public is read: publications, nil reports, duties and their respites. What was submitted and waits for
review is not looked at, so that the page can show neither its content nor that it exists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Any

from ckanext.gkopen import bodies, ids, model
from ckanext.gkopen.clock import SHANGHAI
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.oversight import duties
from ckanext.gkopen.oversight.due import Due
from ckanext.gkopen.oversight.duties import Duty
from ckanext.gkopen.oversight.periods import Period
from ckanext.gkopen.review.nil import STANDS

STATES = ("overdue", "unknown", "due", "withdrawn", "published", "nil")
"""The worst first. `due`: its day has not come; `unknown`: its day cannot be counted (a calendar is missing)."""


_THESE = "dataset_id = any(cast(:ids as uuid[]))"
_kept: dict[tuple[Any, ...], list[Entry]] = {}
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Entry:
    """One period of one duty. `days_late`: working or calendar days are not told apart here, they are days."""

    duty: Duty
    period: Period
    due: Due
    state: str
    on: date | None = None
    days_late: int = 0

    @property
    def overdue_since(self) -> date | None:
        return self.due.on + timedelta(days=1) if self.state == "overdue" and self.due.on else None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is public of the datasets. `parts`: dataset → part → first day; `shown`: dataset → public parts now;
    `told`: dataset → of each month, the first day on which a whole table was published or found unchanged; `nil`:
    dataset → part → day."""

    parts: Mapping[str, Mapping[str, date]]
    shown: Mapping[str, set[str]]
    told: Mapping[str, list[date]]
    nil: Mapping[str, Mapping[str, date]]


def facts(datasets: Collection[str]) -> Facts:
    """What is public of these datasets, in numbers of rows that do not grow with their publications."""
    ids_of = list(datasets)
    parts: dict[str, dict[str, date]] = {}
    for row in model.every(
            "select u.dataset_id, p.part, min(u.at) as at from gkopen.publication u join gkopen.revision_part p"
            " on p.revision_id = u.revision_id where p.new_sha256 is not null and p.part <> '~metadata'"
            f" and u.{_THESE} group by u.dataset_id, p.part", ids=ids_of):
        parts.setdefault(str(row["dataset_id"]), {})[row["part"]] = _day(row["at"])
    shown: dict[str, set[str]] = {}
    for row in model.every("select dataset_id, part from gkopen.public_part where part <> '~metadata'"
                           f" and {_THESE}", ids=ids_of):
        shown.setdefault(str(row["dataset_id"]), set()).add(row["part"])
    told: dict[str, list[date]] = {}
    for row in model.every(
            "select dataset_id, min(at) as at from (select u.dataset_id, u.at from gkopen.publication u"
            " join gkopen.revision_part p on p.revision_id = u.revision_id and p.part = 'whole'"
            f" where u.{_THESE}"
            # A listing that was frozen has no revision either, and says nothing.
            " union all select s.dataset_id, s.received_at from gkopen.submission s where s.kind = 'data'"
            f" and s.{_THESE} and s.options -> 'outcome' ->> 'state' = 'unchanged'"
            # Found unchanged again without being read (harvest/again.py): month → its first such day.
            " union all select s.dataset_id, cast(e.value as date)::timestamp at time zone 'Asia/Shanghai'"
            " from gkopen.submission s, jsonb_each_text(s.options -> 'seen_in') e where s.kind = 'data'"
            f" and s.{_THESE}) t"
            " group by dataset_id, date_trunc('month', at at time zone 'Asia/Shanghai') order by 2", ids=ids_of):
        told.setdefault(str(row["dataset_id"]), []).append(_day(row["at"]))
    nil: dict[str, dict[str, date]] = {}
    for row in model.every("select s.dataset_id, s.idempotency_key, s.received_at from gkopen.submission s"
                           f" where {STANDS} and s.{_THESE}", ids=ids_of):
        part = row["idempotency_key"].partition("/")[2]
        nil.setdefault(str(row["dataset_id"]), {})[part] = _day(row["received_at"])
    return Facts(parts, shown, told, nil)


def entries(today: date, *, domain: str | None = None, body_id: str | None = None) -> list[Entry]:
    """Every period that is owed, the newest first."""
    return [entry for entry in _all(today) if (domain is None or entry.duty.domain.name == domain)
            and (body_id is None or entry.duty.body_id == body_id)]


def _all(today: date) -> list[Entry]:
    """Counted once for a day and a state of what is public, and kept: the page, its filters and its files ask again.

    The state is known by its number and by the transaction that raised it: a restored database has the number again.
    """
    raised = model.one("select generation, xmin::text as by from gkopen.public_state")
    if raised is None:                                    # nothing was ever committed that could be owed
        return _counted(today)
    state = (today, *raised.values())
    with _lock:
        if state not in _kept:
            found = _counted(today)
            _kept.clear()
            _kept[state] = found
        return _kept[state]


def _counted(today: date) -> list[Entry]:
    owed = duties.every()
    known = facts({ids.dataset_id(duty.domain.name, duty.body_id) for duty in owed})
    found = [_entry(duty, period, known, today) for duty in owed for period in duty.owed(today)]
    return sorted(found, key=place, reverse=True)


def place(entry: Entry) -> tuple[str, ...]:
    """Where an entry stands in the list; no two stand in one place."""
    return (entry.period.last.isoformat(), entry.period.name, entry.duty.domain.name, entry.duty.body_id,
            entry.duty.part or "")


def counts(found: Iterable[Entry]) -> dict[str, int]:
    numbers = Counter(entry.state for entry in found)
    return {state: numbers[state] for state in STATES}


def unknown_years(found: Iterable[Entry]) -> list[int]:
    """The years whose holidays nobody has entered, though a due date needs them."""
    return sorted({entry.due.unknown_year for entry in found if entry.due.unknown_year})


def _entry(duty: Duty, period: Period, known: Facts, today: date) -> Entry:
    due = duty.due(period)
    state, on = _answer(duty, period, known)
    if state is None:
        if due.on is None:
            return Entry(duty, period, due, "unknown")
        late = (today - due.on).days
        return Entry(duty, period, due, "overdue" if late > 0 else "due", None, max(0, late))
    late = (on - due.on).days if on and due.on and state == "published" else 0
    return Entry(duty, period, due, state, on, max(0, late))


def _answer(duty: Duty, period: Period, known: Facts) -> tuple[str | None, date | None]:
    """published, nil or withdrawn with its day; None where nothing of the period is public."""
    dataset = ids.dataset_id(duty.domain.name, duty.body_id)
    shown, nil = known.shown.get(dataset, set()), known.nil.get(dataset, {})
    if duty.domain.part.kind == "whole":
        days = [day for day in known.told.get(dataset, []) if day >= period.first]
        if shown and days:
            return "published", days[0]
        said = [day for day in nil.values() if day >= period.first]
        if said and not shown:
            return "nil", min(said)
        return ("withdrawn", None) if days and not shown else (None, None)
    matching = {part: day for part, day in known.parts.get(dataset, {}).items() if _owed(duty, period, part)}
    public = [day for part, day in matching.items() if part in shown]
    if public:
        return "published", min(public)
    said = {part: day for part, day in nil.items() if _owed(duty, period, part)}
    if said and _whole_period(duty.domain, period, said, duty.part_of(period)):
        return "nil", max(said.values())
    return ("withdrawn", None) if matching else (None, None)


def _owed(duty: Duty, period: Period, part: str) -> bool:
    wanted = duty.part_of(period)
    return part == wanted if wanted else period.holds(part)


def _whole_period(domain: Domain, period: Period, said: Mapping[str, date], wanted: str | None) -> bool:
    """Whether nil reports cover a period: one of its name, or one for each of its months."""
    by_year = domain.part.kind == "fields" and len(period.months) == 12
    return by_year or bool({period.name, wanted} & said.keys()) or set(period.months) <= said.keys()


def _day(at: datetime) -> date:
    return at.astimezone(SHANGHAI).date()


def described(found: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """Entries as the action, the file and the page tell them; dates as ISO text, titles in both languages."""
    known, told = bodies.every(), list(found)
    names = {row["id"]: row["name"] for row in model.every(
        "select id::text as id, name from gkopen.dataset where id = any(cast(:ids as uuid[]))",
        ids=list({ids.dataset_id(entry.duty.domain.name, entry.duty.body_id) for entry in told}))}
    for entry in told:
        duty = entry.duty
        body = known.get(duty.body_id, {"name": duty.body_id, "title": duty.body_id})
        given = duty.respites.get(entry.period.name, [])
        yield {
            "domain": duty.domain.name, "domain_title": _both(duty.domain.title),
            "organization": {"id": duty.body_id, "name": body["name"], "title": body["title"],
                             "title_en": body.get("title_en")},
            "cycle": duty.cycle, "period": entry.period.name, "part": duty.part_of(entry.period),
            "rule": _both(duty.rule_text), "due_on": _iso(entry.due.on), "unknown_year": entry.due.unknown_year,
            "state": entry.state, "on": _iso(entry.on), "overdue_since": _iso(entry.overdue_since),
            "days_late": entry.days_late,
            "respites": [{"kind": row["kind"], "from": _iso(row["from_on"]), "to": _iso(row["to_on"]),
                          "reason": row["reason"]} for row in given],
            "dataset": names[ids.dataset_id(duty.domain.name, duty.body_id)] if entry.state == "published" else None}


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _both(text: Any) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}
