"""What persons decided before about what a revision brings: a reviewer is told, no standing approval passes over it.

A source that nobody has mended sends each night what was returned, rolled back or withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import pyarrow as pa

from ckanext.gkopen import blobs, changesets, model, parts
from ckanext.gkopen.domains import Domain, get_domain
from ckanext.gkopen.history import difference
from ckanext.gkopen.review import sealing

# Business systems change their tokens, so that all pushes to a dataset count as one way in.
_DECLINED = """
with mine as (select source from gkopen.submission where id = :submission),
came as (
  select r.*, u.seq from gkopen.revision r join gkopen.submission s on s.id = r.submission_id cross join mine
  left join gkopen.publication u on u.revision_id = r.id
  where r.dataset_id = :dataset and r.id <> :revision
    and (s.source = mine.source or starts_with(s.source, 'push:') and starts_with(mine.source, 'push:'))),
rolled_back as (
  select 'rolled_back' as what, r.decided_at, r.decided_by, r.reason from gkopen.publication u
  join gkopen.revision r on r.id = u.revision_id and r.kind = 'rollback'
  where u.dataset_id = :dataset and u.seq > (select coalesce(max(seq), 0) from came) order by u.seq desc limit 1),
returned as (
  select 'returned' as what, decided_at, decided_by, reason from (
    select * from came where state in ('returned', 'published') and decided_by <> :system
    order by decided_at desc limit 1) last where state = 'returned')
select * from returned union all select * from rolled_back order by decided_at desc limit 1
"""

_CORRECTED = """
with mine as (select source from gkopen.submission where id = :submission),
decided as (
  select u.seq, r.id, r.decided_at, r.decided_by, r.reason,
    s.source = mine.source or starts_with(s.source, 'push:') and starts_with(mine.source, 'push:') as same
  from gkopen.publication u join gkopen.revision r on r.id = u.revision_id and r.kind = 'publish'
  join gkopen.submission s on s.id = r.submission_id cross join mine
  where u.dataset_id = :dataset and not starts_with(r.decided_by, 'standing:'))
select 'corrected' as what, d.decided_at, d.decided_by, d.reason, p.base_sha256, p.new_sha256 from decided d
join gkopen.revision_part p on p.revision_id = d.id and p.part <> :metadata
where not d.same and d.seq > (select coalesce(max(seq), 0) from decided where same)
  and exists (select 1 from gkopen.revision_part own where own.revision_id = :revision and own.part = p.part)
order by d.seq desc limit :few
"""
_FEW = 100
"""Changed parts of corrections that are compared; whatever was corrected before them has long been seen again."""


def declined(revision: Mapping[str, Any]) -> dict[str, Any] | None:
    """The decision against what came the same way last: `what` (returned, rolled_back), decided_at, decided_by, reason.
    None where there is none, or where a person approved a later revision that came this way."""
    return model.one(_DECLINED, dataset=revision["dataset_id"], revision=revision["id"],
                     submission=revision["submission_id"], system=changesets.SYSTEM)


def withdrawn(domain: str, revision: Mapping[str, Any], changes: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The last withdrawal of a dataset, as `declined` tells it, where a revision would make withdrawn rows public
    again."""
    if not sealing.brings_back(get_domain(domain), revision["dataset_id"], changes):
        return None
    return model.one("select 'withdrawn' as what, r.decided_at, r.decided_by, r.reason from gkopen.publication u"
                     " join gkopen.revision r on r.id = u.revision_id and r.kind = 'withdraw'"
                     " where u.dataset_id = :d order by u.seq desc limit 1", d=revision["dataset_id"])


def corrected(domain: str, revision: Mapping[str, Any], changes: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The newest publication that came another way, an officer's file say, where a revision would change some of its
    rows again: a source that nobody mended sends each night what was corrected. As `declined` tells it. None where a
    person approved since what came this way."""
    found = model.every(_CORRECTED, dataset=revision["dataset_id"], revision=revision["id"], few=_FEW,
                        submission=revision["submission_id"], metadata=changesets.METADATA)
    if not found:
        return None
    try:
        own = {key for change in changes if change["part"] != changesets.METADATA
               for key in _changed(get_domain(domain), change)}
        return next((row for row in found if own & _changed(get_domain(domain), row)), None)
    except blobs.Missing:                                 # its rows may be any
        return found[0]


def _changed(domain: Domain, change: Mapping[str, Any]) -> set[str]:
    """The keys of the rows that were added, changed or removed in a part."""
    old, new = (parts.read_part(domain, blobs.read(sha256, sealed=True)) if sha256 else None
                for sha256 in (change["base_sha256"], change["new_sha256"]))
    difference = parts.diff_parts(domain, old, new)
    rows = pa.concat_tables([difference.added, difference.changed, difference.removed])
    return set(parts.row_keys(domain, rows).to_pylist())


def newer(revision: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is public and would be changed or removed, where it was submitted after the revision's own file: of two
    that waited the later one was approved first. As `declined` tells it, with when it was submitted and by whom."""
    return model.one(
        "select 'newer' as what, s.received_at as decided_at, r.submitted_by as decided_by, r.reason"
        " from gkopen.revision_part own join gkopen.public_part p on p.dataset_id = :d and p.part = own.part"
        " join gkopen.publication u on u.dataset_id = p.dataset_id and u.seq = p.seq"
        " join gkopen.revision r on r.id = u.revision_id join gkopen.submission s on s.id = r.submission_id"
        " join gkopen.submission mine on mine.id = :submission and mine.received_at < s.received_at"
        " where own.revision_id = :revision and own.part <> :metadata and own.changed + own.removed > 0"
        " order by s.received_at desc limit 1", d=revision["dataset_id"], revision=revision["id"],
        submission=revision["submission_id"], metadata=changesets.METADATA)


_OLDER = """
with same as (
  select distinct on (own.part) 'older' as what, u.at as decided_at, was.submitted_by as decided_by, was.reason,
    count(*) over (partition by own.part) > 1 and not starts_with(was.decided_by, 'standing:') as accepted
  from gkopen.revision_part own join gkopen.publication u on u.dataset_id = :dataset
  join gkopen.revision was on was.id = u.revision_id
  join gkopen.revision_part p on p.revision_id = u.revision_id and p.part = own.part and p.new_sha256 = own.new_sha256
  where own.revision_id = :revision and own.base_sha256 is not null and own.part <> :metadata and :kind = 'publish'
  order by own.part, u.seq desc)
select * from same order by accepted, decided_at desc limit 1
"""


_STATES = """
select * from (
  select p.part, p.new_sha256, u.at as decided_at, r.submitted_by as decided_by, r.reason,
    not starts_with(r.decided_by, 'standing:') as by_person,
    row_number() over (partition by p.part order by u.seq desc) as age
  from gkopen.publication u join gkopen.revision r on r.id = u.revision_id
  join gkopen.revision_part p on p.revision_id = u.revision_id and p.part = any(:parts)
  where u.dataset_id = :dataset) states where age <= :few order by part, age
"""
_LATELY = 20
"""So many states of a part that were public are looked through for rows that come again."""
_LARGE = 50_000
"""Rows of a part from which on it is compared as a whole alone: all these states are read for each look at a page."""


def older(revision: Mapping[str, Any], changes: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What was public and was replaced since, where a file or a source brings it again: a platform of two servers, one
    of which is behind, goes back and forth for ever. As `declined` tells it, of its last publication; `accepted`: then
    it came back already, and a person approved that. It is a whole part, or `rows`: most of the rows that would change.
    """
    whole = model.one(_OLDER, dataset=revision["dataset_id"], revision=revision["id"], kind=revision["kind"],
                      metadata=changesets.METADATA)
    if whole is not None or revision["kind"] != "publish":
        return whole
    own = [change for change in changes if change["part"] != changesets.METADATA and change["base_sha256"]
           and change["new_sha256"] and change["changed"] + change["added"] and change["rows"] <= _LARGE]
    states: dict[str, list[Mapping[str, Any]]] = {}
    for row in model.every(_STATES, dataset=revision["dataset_id"], parts=[change["part"] for change in own],
                           few=_LATELY) if own else ():
        states.setdefault(row["part"], []).append(row)
    rows, last = 0, None
    for change in own:
        back, when = _come_back(change, states.get(change["part"], []))
        rows += back
        last = max(filter(None, (last, when)), key=lambda state: state["decided_at"], default=None)
    if last is None or rows * 2 < sum(change["changed"] for change in own):
        return None
    return {"what": "older", "decided_at": last["decided_at"], "decided_by": last["decided_by"],
            "reason": last["reason"], "accepted": False, "rows": rows}


def _come_back(change: Mapping[str, Any],
               states: list[Mapping[str, Any]]) -> tuple[int, Mapping[str, Any] | None]:
    """How many rows that a part would get it had before, cell by cell, and lost since; the last state that had one of
    them. Not counted are those that came back before and of which a person approved that. `states`: newest first."""
    head, brought = _records(change["new_sha256"])
    left = brought - _records(change["base_sha256"])[1]
    had: dict[bytes, list[int]] = {}
    for age, state in enumerate(states):
        was = _records(state["new_sha256"])
        for record in left & was[1] if was[0] == head else ():
            had.setdefault(record, []).append(age)
    found = [ages[0] for ages in had.values() if not _accepted(ages, states)]
    return len(found), states[min(found)] if found else None


def _accepted(ages: list[int], states: list[Mapping[str, Any]]) -> bool:
    """Whether a row, which the states of these ages had, was gone and a person approved that it came back."""
    first = next((age for age, older in pairwise(ages) if older != age + 1), None)
    return first is not None and states[first]["by_person"]


def _records(sha256: str | None) -> tuple[bytes, set[bytes]]:
    try:
        head, found = difference.records(blobs.read(sha256, sealed=True) if sha256 else None)
    except blobs.Missing:
        return b"", set()
    return head, set(found)
