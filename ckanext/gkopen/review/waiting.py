"""What waits for review, and since when.

A source sends again, each day or each hour, what nobody has decided yet, and each time a new revision takes the place
of the one that waits: it waits since the first of them came. What the guard held waits for a reviewer since somebody
let it through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ckanext.gkopen import model

_SINCE = ("coalesce(cast(r.summary #>> '{waiting,since}' as timestamptz), cast(r.summary ->> 'released_at' as"
          " timestamptz), r.created_at)")
_FIRST = "coalesce(r.summary #>> '{waiting,first}', cast(r.id as text))"


def carry(revisions: Sequence[str]) -> None:
    """They wait since what they took the place of came. The caller commits.

    What was frozen waited for whoever decides on its run.
    """
    model.execute(
        "update gkopen.revision n set summary = n.summary || jsonb_build_object('waiting', jsonb_build_object("
        f"'first', o.first, 'since', o.since)) from (select distinct on (r.superseded_by) r.superseded_by as id,"
        f" {_FIRST} as first, {_SINCE} as since from gkopen.revision r"
        " where r.superseded_by = any(cast(:ids as uuid[])) and r.state = 'superseded'"
        " and (jsonb_exists(r.summary, 'released_at') or not jsonb_exists(r.summary, 'alarms'))"
        f" order by r.superseded_by, {_SINCE}) o where n.id = o.id", ids=list(revisions))


def longer_than(days: int) -> list[dict[str, Any]]:
    """Revisions that wait for more than so many days: id, dataset's domain and body_id, and `first`, the revision with
    which it began."""
    return model.every(
        f"select r.id, {_FIRST} as first, d.domain, d.body_id from gkopen.revision r"
        " join gkopen.dataset d on d.id = r.dataset_id where r.state = 'held'"
        f" and {_SINCE} < now() - make_interval(days => :days) order by {_SINCE}, r.id", days=days)


def oldest_seconds() -> float:
    """How long the one waits that waits longest; 0 where none does."""
    return float(model.value(f"select coalesce(extract(epoch from now() - min({_SINCE})), 0) from gkopen.revision r"
                             " where r.state = 'held'"))


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
