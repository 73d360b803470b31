"""What was published when: the parts of every revision, and whether its content may still be shown.

Contents are kept by their sha256, and a publication names the contents that it replaced, so that any published state
can be put together again. Contents that a withdrawal has sealed are never shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from ckanext.gkopen import model

PUBLICATION = """
  select f.position, f.at as told_at, u.dataset_id::text as dataset_id, u.seq, u.at, u.reason, r.kind as decision,
    r.id::text as revision, d.name, d.domain, d.body_id, d.seq as newest, c.added, c.changed, c.removed, c.metadata,
    exists (select from gkopen.revision_part p where p.revision_id = u.revision_id and p.part <> '~metadata'
      and (gkopen.is_sealed(u.dataset_id, p.base_sha256) or gkopen.is_sealed(u.dataset_id, p.new_sha256)))
      as touches_sealed
  from gkopen.publication u join gkopen.feed f using (dataset_id, seq)
  join gkopen.revision r on r.id = u.revision_id join gkopen.dataset d on d.id = u.dataset_id
  cross join lateral (
    select coalesce(sum(p.added) filter (where p.part <> '~metadata'), 0)::bigint as added,
      coalesce(sum(p.changed) filter (where p.part <> '~metadata'), 0)::bigint as changed,
      coalesce(sum(p.removed) filter (where p.part <> '~metadata'), 0)::bigint as removed,
      coalesce(bool_or(p.part = '~metadata'), false) as metadata
    from gkopen.revision_part p where p.revision_id = u.revision_id) c
"""
"""Publications with their place in the feed and their counts; a WHERE follows."""
KINDS = ("first", "addition", "update", "correction", "rollback", "withdrawal", "metadata")
"""What a publication is to a reader. `correction` is what was submitted as one (更正)."""
GONE = "内容已撤回 / the content was withdrawn"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Why a content is gone: the public reason, and when and by which publication it was taken away."""

    reason: str
    at: datetime | None = None
    seq: int | None = None


def kind_of(row: Mapping[str, Any]) -> str:
    """One of KINDS for a row of PUBLICATION."""
    decided = {"withdraw": "withdrawal", "rollback": "rollback", "correct": "correction"}.get(row["decision"])
    if decided:
        return decided
    if not (row["added"] or row["changed"] or row["removed"]):
        return "metadata" if row["metadata"] else "update"
    if row["seq"] == 1:
        return "first"
    return "update" if row["changed"] or row["removed"] else "addition"


_PARTS = """
  select {0}, p.new_sha256 as sha256, p.rows, gkopen.is_sealed(u.dataset_id, p.new_sha256) as sealed
  from gkopen.publication u join gkopen.revision_part p using (revision_id)
  where u.dataset_id = :d and p.part <> '~metadata'"""


def parts_at(dataset_id: str, seq: int) -> list[dict[str, Any]]:
    """Parts of a published state in order of name: part, sha256, rows, sealed. Empty: nothing was public then."""
    rows = model.every(_PARTS.format("distinct on (p.part) p.part") + " and u.seq <= :seq order by p.part, u.seq desc",
                       d=dataset_id, seq=seq)
    return [row for row in rows if row["sha256"] is not None]


def _parts_at_each(dataset_id: str, seqs: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Seq → `parts_at`: the oldest state, and what each publication after it changed."""
    first, last = min(seqs), max(seqs)
    parts = {part["part"]: part for part in parts_at(dataset_id, first)}
    changes = groupby(model.every(_PARTS.format("u.seq, p.part") + " and u.seq > :first and u.seq <= :last"
                                  " order by u.seq", d=dataset_id, first=first, last=last), itemgetter("seq"))
    changed = {seq: list(rows) for seq, rows in changes}
    found = {}
    for seq in range(first, last + 1):
        parts |= {row["part"]: row for row in changed.get(seq, ())}
        found[seq] = [part for _, part in sorted(parts.items()) if part["sha256"] is not None]
    return found


def withdrawal_of(dataset_id: str, contents: Iterable[str | None]) -> Withdrawal:
    """The withdrawal that sealed one of these contents of a dataset, the first of several.

    A content may also be sealed because another dataset that had the same one withdrew it; then no reason of this
    dataset says why.
    """
    row = model.one(
        "select u.reason, u.at, u.seq from gkopen.sealed s join gkopen.publication u using (dataset_id, revision_id)"
        " where s.dataset_id = :d and s.sha256 = any(cast(:contents as bpchar[])) order by u.seq limit 1",
        d=dataset_id, contents=[sha for sha in contents if sha])
    return Withdrawal(row["reason"] or GONE, row["at"], row["seq"]) if row else Withdrawal(GONE)


def state_of(dataset_id: str, seq: int) -> Withdrawal | list[dict[str, Any]]:
    """The parts of a published state, or why they can no longer be shown."""
    return _shown(dataset_id, seq, parts_at(dataset_id, seq))


def _shown(dataset_id: str, seq: int, parts: list[dict[str, Any]]) -> Withdrawal | list[dict[str, Any]]:
    sealed = [part["sha256"] for part in parts if part["sealed"]]
    if sealed:
        return withdrawal_of(dataset_id, sealed)
    if not parts:
        row = model.one("select u.reason, u.at, u.seq from gkopen.publication u where u.dataset_id = :d"
                        " and u.seq = :seq", d=dataset_id, seq=seq)
        return Withdrawal((row or {}).get("reason") or GONE, (row or {}).get("at"), seq)
    return parts


def publication_list(dataset_id: str, before: int | None, limit: int) -> list[dict[str, Any]]:
    """Publications of a dataset, newest first, those with a seq below `before`: rows of PUBLICATION with `kind` and
    `gone` (a Withdrawal, or None). Counts of contents that are sealed are None."""
    rows = model.every(PUBLICATION + " where u.dataset_id = :d and (cast(:before as int) is null or u.seq < :before)"
                       " order by u.seq desc limit :limit", d=dataset_id, before=before, limit=limit)
    parts = _parts_at_each(dataset_id, [row["seq"] for row in rows]) if rows else {}
    for row in rows:
        state = _shown(dataset_id, row["seq"], parts[row["seq"]])
        row["kind"] = kind_of(row)
        row["gone"] = state if isinstance(state, Withdrawal) else None
        row["rows"] = None if isinstance(state, Withdrawal) else sum(part["rows"] or 0 for part in state)
        if row["touches_sealed"] or row["kind"] == "withdrawal":
            row |= {"added": None, "changed": None, "removed": None}
    return rows
