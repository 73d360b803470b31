"""What waits for review, and since when.

A source sends again, each day or each hour, what nobody has decided yet, and each time a new revision takes the place
of the one that waits: it waits since the first of them came. What the guard held waits for a reviewer since somebody
let it through.
"""

from __future__ import annotations

from typing import Any

from ckanext.gkopen import model

_WAITS = """
with recursive waits as (
  select id as held, id, dataset_id, coalesce(cast(summary ->> 'released_at' as timestamptz), created_at) as since
  from gkopen.revision where state = 'held'
  union all
  select w.held, r.id, r.dataset_id, r.created_at from waits w join gkopen.revision r on r.superseded_by = w.id
    and r.state = 'superseded' and not jsonb_exists(r.summary, 'alarms'))
"""


def longer_than(days: int) -> list[dict[str, Any]]:
    """Revisions that wait for more than so many days: id, dataset's domain and body_id, and `first`, the revision with
    which it began."""
    return model.every(
        f"{_WAITS} select * from (select distinct on (w.held) w.held as id, w.id as first, w.since, d.domain,"
        " d.body_id from waits w join gkopen.dataset d on d.id = w.dataset_id"
        " order by w.held, w.since, w.id) began"
        " where since < now() - make_interval(days => :days) order by since", days=days)


def oldest_seconds() -> float:
    """How long the one waits that waits longest; 0 where none does."""
    return float(model.value(f"{_WAITS} select coalesce(extract(epoch from now() - min(since)), 0) from waits"))


def in_place_of(revision_id: Any) -> dict[str, Any] | None:
    """The revision (id, state, digest) that stands in the place of one by now, through all that came between; None
    where nothing took its place."""
    return model.one(
        "with recursive later as (select superseded_by as id, 1 as depth from gkopen.revision where id = :id"
        " and state = 'superseded' and superseded_by is not null union all"
        " select r.superseded_by, l.depth + 1 from later l join gkopen.revision r on r.id = l.id"
        " where r.state = 'superseded' and r.superseded_by is not null and l.depth < 10000)"
        " select r.id, r.state, r.digest from later l join gkopen.revision r on r.id = l.id"
        " order by l.depth desc limit 1",
        id=revision_id)
