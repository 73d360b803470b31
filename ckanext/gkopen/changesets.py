"""Change-sets: what a revision would change, part by part, and how it is held for a person.

A dataset's content is a set of parts, each a canonical CSV by its sha256 (`parts`). A revision names for each part the
content that it had and the content that it shall have; its digest is what a reviewer approves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen import blobs, ids, model, parts
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.records import Examined
from ckanext.gkopen.review import audit, waiting

METADATA = "~metadata"
"""The part that holds a dataset's metadata as canonical JSON: reviewed, compared and rolled back like rows."""

SYSTEM = "system:gkopen"
"""The name under which the program itself decides; no account can have it, since account names hold no colon."""

NOTHING_LEFT = "检查发现的问题使本次提交没有可发布的数据 / The findings leave nothing to publish"

COUNTS = ("rows_in", "rows_ok", "rows_quarantined", "rows_duplicate")

Scope = Literal["parts", "complete", "periods", "changes"]
"""What a file speaks for: the parts that occur in it; the whole dataset; the parts of a listing that lacks nothing of
them, so that the guard looks at what is gone; or only the rows that changed."""


@dataclass(frozen=True, slots=True)
class Change:
    """One part of a change-set. `new` None: the part goes. `totals`: money field → (before, after)."""

    part: str
    base: str | None
    new: str | None
    rows: int | None
    added: int = 0
    changed: int = 0
    removed: int = 0
    totals: Mapping[str, tuple[str | None, str | None]] | None = None


def stored_change(row: Mapping[str, Any]) -> Change:
    return Change(row["part"], row["base_sha256"], row["new_sha256"], row["rows"], row["added"], row["changed"],
                  row["removed"])


def open_dataset(domain: Domain, body: Mapping[str, Any]) -> dict[str, Any]:
    """The dataset of a body in a domain, made when it is the first, locked for this transaction."""
    return open_datasets(domain, [body])[0]


def open_datasets(domain: Domain, bodies: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The datasets of different bodies in a domain, in their order, made where they are the first, and locked.

    They are made and locked by id: two transactions that want the same ones wait for each other, not in a circle.
    """
    wanted = [ids.dataset_id(domain.name, body["id"]) for body in bodies]
    model.execute(
        "insert into gkopen.dataset (id, domain, body_id, name) select id, :domain, body, name from unnest("
        "cast(:ids as uuid[]), cast(:bodies as text[]), cast(:names as text[])) made (id, body, name) order by id"
        " on conflict (id) do nothing", ids=wanted, domain=domain.name, bodies=[body["id"] for body in bodies],
        names=[f"{body['name']}-{domain.name.replace('_', '-')}" for body in bodies])
    locked = {str(row["id"]): row for row in model.every(
        "select * from gkopen.dataset where id = any(cast(:ids as uuid[])) order by id for update", ids=wanted)}
    return [locked[dataset] for dataset in wanted]


def lock_dataset(dataset_id: str) -> dict[str, Any]:
    row = model.one("select * from gkopen.dataset where id = :id for update", id=dataset_id)
    if row is None:
        raise LookupError(f"no dataset {dataset_id}")
    return row


def public_parts(dataset_id: str) -> dict[str, str]:
    """Part → sha256 of what is public now."""
    return public_parts_of([dataset_id])[dataset_id]


def public_parts_of(datasets: Sequence[str]) -> dict[str, dict[str, str]]:
    """Dataset → part → sha256 of what is public now."""
    found: dict[str, dict[str, str]] = {dataset: {} for dataset in datasets}
    for row in model.every("select dataset_id, part, sha256 from gkopen.public_part"
                           " where dataset_id = any(cast(:ids as uuid[]))", ids=list(datasets)):
        found[str(row["dataset_id"])][row["part"]] = row["sha256"]
    return found


def canonical_json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False, sort_keys=True, indent=1).encode()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a file asks a dataset to hold. `base`: part → sha256 that is public; `carried`: earlier lists of changes
    (rows of revision_part, oldest first) that nobody has decided yet, since their source does not send them again."""

    examined: Examined
    base: Mapping[str, str]
    scope: Scope
    carried: Sequence[Mapping[str, Any]] = ()


@dataclass(slots=True)
class Contents:
    """`parts`: part → its new bytes, None where it goes; `counted`: rows and sums of those that were just written;
    `spoken`: the parts that the file speaks for."""

    parts: dict[str, bytes | None]
    counted: Mapping[str, parts.Counted]
    spoken: set[str]


def contents(domain: Domain, asked: Sequence[Asked]) -> list[Contents]:
    """What each of several datasets shall hold. The rows of all of them are written together.

    A complete listing speaks for every part. Of a list of changes the rows are put over what is public, together with
    those of `carried`; what `carried` takes out of a part goes, too. A row whose key is public in a part that the file
    does not speak for has moved: it leaves that part, so that a key is public once.
    """
    listed = [asking.examined.table if asking.scope != "changes" else domain.arrow_schema.empty_table()
              for asking in asked]
    return [_contents(domain, asking, written)
            for asking, written in zip(asked, parts.write_split(domain, listed), strict=True)]


def _contents(domain: Domain, asked: Asked, written: dict[str, parts.Written]) -> Contents:
    rows, base = asked.examined.table, asked.base
    tables: dict[str, pa.Table] = {}
    taken: dict[str, list[pa.Array]] = {}
    if asked.scope == "changes":
        for change in reversed(asked.carried):
            brought, gone = _delta(domain, change)
            rows = parts.overlay(domain, brought, rows)
            taken.setdefault(change["part"], []).append(parts.row_keys(domain, gone))
        tables = parts.split_parts(domain, rows)
    spoken = {*written, *tables}
    keys = parts.row_keys(domain, rows)
    leaving = {part: pa.concat_arrays([keys, *taken.get(part, ())]) for part in base}
    others = set() if asked.scope == "complete" else base.keys() - spoken - {METADATA}
    moved = _moved(domain, leaving, base, others)
    for part in base.keys() & tables.keys():
        public = parts.read_part(domain, blobs.read(base[part]))
        # Also without what moves on to another part; what stays here is put back by the overlay.
        kept = _without(domain, public, leaving[part])
        tables[part] = parts.overlay(domain, public if kept is None else kept, tables[part])
    tables |= {part: table for part, table in moved.items() if table.num_rows}
    found: dict[str, bytes | None] = {part: each.data for part, each in written.items()}
    if tables:
        found |= parts.write_parts(domain, tables)
    found |= {part: None for part, table in moved.items() if not table.num_rows}
    if asked.scope == "complete" and asked.examined.rows_ok:
        found |= {part: None for part in base if part not in found and part != METADATA}
    return Contents(found, {part: each.counted for part, each in written.items()}, spoken)


def _delta(domain: Domain, change: Mapping[str, Any]) -> tuple[pa.Table, pa.Table]:
    """The rows that a stored change of one part brings, and those that it takes out of it. Its base may have been
    withdrawn: it is only compared with."""
    old, new = (parts.read_part(domain, blobs.read(sha256, sealed=True)) if sha256 else None
                for sha256 in (change["base_sha256"], change["new_sha256"]))
    difference = parts.diff_parts(domain, old, new)
    return pa.concat_tables([difference.added, difference.changed]).combine_chunks(), difference.removed


def _moved(domain: Domain, leaving: Mapping[str, pa.Array], base: Mapping[str, str],
           others: Set[str]) -> dict[str, pa.Table]:
    """Public parts that lose rows (`leaving`: part → keys), with what they keep. Only their keys are read first."""
    found = {}
    for part in sorted(others):
        data = blobs.read(base[part])
        if _without(domain, parts.read_part(domain, data, domain.key), leaving[part]) is not None:
            found[part] = parts.read_part(domain, data)
    return {part: kept for part, table in found.items()
            if (kept := _without(domain, table, leaving[part])) is not None}


def _without(domain: Domain, table: pa.Table, keys: pa.Array) -> pa.Table | None:
    """The table without the rows of some keys; None where it has none of them."""
    stays = pc.invert(pc.is_in(parts.row_keys(domain, table), value_set=keys))
    return None if pc.all(stays).as_py() else table.filter(stays)


def shown_elsewhere(domain: Domain, revision: Mapping[str, Any], changes: Sequence[Change]) -> bool:
    """Whether rows that changes of a revision (with its `dataset`) add are public by now in parts that they leave
    alone: then a key would be public twice.

    What was public when it was compared was looked at then, so that only later publications are.
    """
    dataset, compared_at = revision["dataset"], revision["summary"].get("compared_at", 0)
    new = [change.new for change in changes if change.added and change.new and change.part != METADATA]
    if not new or dataset["seq"] <= compared_at:
        return False
    later = [row["sha256"] for row in model.every(
        "select sha256 from gkopen.public_part where dataset_id = :d and seq > :seq and part <> all(:own)",
        d=dataset["id"], seq=compared_at, own=[METADATA, *(change.part for change in changes)])]
    if not later:
        return False

    def keys(contents: Sequence[str]) -> pa.Array:
        # What was withdrawn once may be approved anew: its keys alone are looked at.
        return pa.concat_arrays([parts.row_keys(domain, parts.read_part(
            domain, blobs.read(sha256, sealed=True), domain.key)) for sha256 in contents])

    return bool(pc.any(pc.is_in(keys(new), value_set=keys(later))).as_py())


def compare(domain: Domain, part: str, base: str | None, data: bytes | None) -> Change | None:
    """The change of one part; its new content is stored."""
    change = change_of(domain, part, base, data)
    if change is not None:
        keep_all([([change], {part: data})])
    return change


def keep_all(found: Iterable[tuple[Sequence[Change], Mapping[str, bytes | None]]]) -> None:
    """Store the new contents of changes (each with part → bytes), all in one go."""
    blobs.put_many((data, "application/json" if change.part == METADATA else "text/csv")
                   for changes, contents in found for change in changes
                   if (data := contents[change.part]) is not None)


def change_of(domain: Domain, part: str, base: str | None, data: bytes | None,
              counted: parts.Counted | None = None, read: Callable[[str], bytes] = blobs.read) -> Change | None:
    """The change of one part from a public content to bytes; None for none. `counted`: of them, where it is known.
    `read`: bytes of a sha256."""
    new = hashlib.sha256(data).hexdigest() if data is not None else None
    if new == base:
        return None
    if part == METADATA:
        return Change(part, base, new, None, changed=1 if base else 0, added=0 if base else 1)
    if base is None and data is not None:  # nothing to compare with
        rows, sums = counted or parts.count_part(domain, data)
        totals = {name: (None, None if after is None else str(after)) for name, after in sums.items()}
        return Change(part, None, new, rows, added=rows, totals=totals)
    old_table = parts.read_part(domain, read(base)) if base else None
    new_table = parts.read_part(domain, data) if data is not None else None
    return change_between(domain, part, (base, old_table), (new, new_table))


def change_between(domain: Domain, part: str, old: tuple[str | None, pa.Table | None],
                   new: tuple[str | None, pa.Table | None]) -> Change:
    """The change of one part between two contents, each a sha256 with its rows."""
    difference = parts.diff_parts(domain, old[1], new[1])
    totals = {name: (None if before is None else str(before), None if after is None else str(after))
              for name, (before, after) in difference.totals.items()}
    return Change(part, old[0], new[0], new[1].num_rows if new[1] is not None else 0, difference.added.num_rows,
                  difference.changed.num_rows, difference.removed.num_rows, totals)


def changes_of(domain: Domain, base: Mapping[str, str], found: Contents,
               read: Callable[[str], bytes] = blobs.read) -> list[Change]:
    """The changes from what is public (part → sha256) to new contents, a part each; parts that stay are left out."""
    return [change for part, data in found.parts.items()
            if (change := change_of(domain, part, base.get(part), data, found.counted.get(part), read))]


def digest(dataset_id: str, kind: str, changes: Sequence[Change]) -> str:
    """What a reviewer approves: the exact change-set, not a name."""
    text = json.dumps([str(dataset_id), kind, sorted([c.part, c.base, c.new] for c in changes)])
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Proposed:
    """A revision that is to be held. `counts`: rows_in, rows_ok …; `header`: the labels of the file; `alarms`: what
    the blast-radius guard says; `frozen`: nobody has let it through; `returned`: nothing in it can be published.
    """

    dataset: Mapping[str, Any]
    submission_id: str | None
    changes: Sequence[Change]
    submitted_by: str
    kind: str = "publish"
    counts: Mapping[str, int] = field(default_factory=dict)
    header: Sequence[str] | None = None
    reason: str | None = None
    alarms: Sequence[Mapping[str, Any]] = ()
    frozen: bool = False
    returned: bool = False


def hold_changes(domain: Domain, dataset: Mapping[str, Any], submission_id: str | None, changes: list[Change],
                 submitted_by: str, *, kind: str, counts: Mapping[str, int] | None = None,
                 header: list[str] | None = None, reason: str | None = None) -> str:
    """Write a held revision, in the place of one that waits with the same digest. Returns the revision's id."""
    return hold(domain, [Proposed(dataset, submission_id, changes, submitted_by, kind, counts or {}, header,
                                  reason)])[0]


def hold(domain: Domain, proposed: Sequence[Proposed]) -> list[str]:
    """Write held revisions of different datasets, each in the place of one that waits with the same digest.

    Returns their ids, in the same order. The chain of decisions comes last: whoever waits for it waits shortly.
    """
    digests = [digest(str(each.dataset["id"]), each.kind, each.changes) for each in proposed]
    datasets = [str(each.dataset["id"]) for each in proposed]
    revisions = [str(uuid4()) for _ in proposed]
    repeated = model.execute(
        "update gkopen.revision r set state = 'superseded', superseded_by = same.id from unnest("
        "cast(:datasets as uuid[]), cast(:digests as text[]), cast(:ids as uuid[])) same (dataset_id, digest, id)"
        " where r.dataset_id = same.dataset_id and r.digest = same.digest and r.state = 'held'",
        datasets=datasets, digests=digests, ids=revisions)
    model.insert_many(
        "revision", ("id", "dataset_id", "submission_id", "kind", "schema_version", "rules_version", "digest", *COUNTS,
                     "header", "summary", "submitted_by", "reason", "state"),
        [(revision_id, dataset, each.submission_id, each.kind, domain.version, domain.version, sha,
          *(each.counts.get(name, 0) for name in COUNTS),
          model.dump(list(each.header)) if each.header is not None else None, model.dump(_summary(each)),
          each.submitted_by, each.reason, "frozen" if each.frozen else "held")
         for revision_id, dataset, sha, each in zip(revisions, datasets, digests, proposed, strict=True)])
    if repeated.rowcount:
        waiting.carry(revisions)
    returned = [revision_id for revision_id, each in zip(revisions, proposed, strict=True) if each.returned]
    if returned:
        model.execute("update gkopen.revision set state = 'returned', decided_by = :by, decided_at = now(),"
                      " reason = :reason where id = any(cast(:ids as uuid[]))", ids=returned, by=SYSTEM,
                      reason=NOTHING_LEFT)
    model.insert_many("revision_part", ("revision_id", "part", "base_sha256", "new_sha256", "rows", "added", "changed",
                                        "removed"),
                      [(revision_id, c.part, c.base, c.new, c.rows, c.added, c.changed, c.removed)
                       for revision_id, each in zip(revisions, proposed, strict=True) for c in each.changes])
    audit.record_all(audit.Entry(each.submitted_by, f"{each.kind}.submitted", revision_id,
                                 {"dataset": dataset, "digest": sha})
                     for revision_id, dataset, sha, each in zip(revisions, datasets, digests, proposed, strict=True))
    return revisions


def _summary(proposed: Proposed) -> dict[str, Any]:
    totals: dict[str, dict[str, str | None]] = {}
    for change in proposed.changes:
        for name, (before, after) in (change.totals or {}).items():
            if before is None and after is None:          # the table has no amount in this column
                continue
            entry = totals.setdefault(name, {"before": "0", "after": "0"})
            entry["before"] = _add(entry["before"], before)
            entry["after"] = _add(entry["after"], after)
    rows = [change for change in proposed.changes if change.part != METADATA]
    said = {"added": sum(c.added for c in rows), "changed": sum(c.changed for c in rows),
            "removed": sum(c.removed for c in proposed.changes), "totals": totals,
            "metadata": len(rows) < len(proposed.changes), "compared_at": proposed.dataset["seq"]}
    return said | ({"alarms": list(proposed.alarms)} if proposed.alarms else {})


def _add(left: str | None, right: str | None) -> str:
    return str(Decimal(left or 0) + Decimal(right or 0))
