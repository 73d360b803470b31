"""Change-sets: what a revision would change, part by part, and how it is held for a person.

A dataset's content is a set of parts, each a canonical CSV by its sha256 (`parts`). A revision names for each part the
content that it had and the content that it shall have; its digest is what a reviewer approves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from ckanext.gkopen import blobs, ids, model, parts
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.records import Examined
from ckanext.gkopen.review import audit

METADATA = "~metadata"
"""The part that holds a dataset's metadata as canonical JSON: reviewed, compared and rolled back like rows."""

SYSTEM = "system:gkopen"
"""The name under which the program itself decides; no account can have it, since account names hold no colon."""

Scope = Literal["parts", "complete", "changes"]
"""What a file speaks for: the parts that occur in it; the whole dataset; or only the rows that changed."""


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
    dataset_id = ids.dataset_id(domain.name, body["id"])
    model.execute("insert into gkopen.dataset (id, domain, body_id, name) values (:id, :domain, :body, :name)"
                  " on conflict (id) do nothing", id=dataset_id, domain=domain.name, body=body["id"],
                  name=f"{body['name']}-{domain.name.replace('_', '-')}")
    return lock_dataset(dataset_id)


def lock_dataset(dataset_id: str) -> dict[str, Any]:
    row = model.one("select * from gkopen.dataset where id = :id for update", id=dataset_id)
    if row is None:
        raise LookupError(f"no dataset {dataset_id}")
    return row


def public_parts(dataset_id: str) -> dict[str, str]:
    """Part → sha256 of what is public now."""
    return {row["part"]: row["sha256"] for row in
            model.every("select part, sha256 from gkopen.public_part where dataset_id = :id", id=dataset_id)}


def canonical_json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False, sort_keys=True, indent=1).encode()


def contents(domain: Domain, examined: Examined, base: Mapping[str, str], scope: Scope,
             carried: Sequence[Mapping[str, Any]] = ()) -> tuple[dict[str, bytes | None], set[str]]:
    """Part → canonical bytes that the file asks for, None where a part goes; and the parts that it speaks for.

    A complete listing speaks for every part. Of a list of changes the rows are put over what is public, together with
    those of `carried`: earlier lists (rows of revision_part, oldest first) that nobody has decided yet, since their
    source does not send them again. A row whose key is public in a part that the file does not speak for has moved:
    it leaves that part, so that a key is public once.
    """
    rows = examined.table
    if scope == "changes":
        for change in reversed(carried):
            rows = parts.overlay(domain, _delta(domain, change), rows)
    tables = parts.split_parts(domain, rows)
    spoken = set(tables)
    moved = {} if scope == "complete" else _moved(domain, rows, base, base.keys() - tables.keys() - {METADATA})
    if scope == "changes":
        for part in base.keys() & tables.keys():
            public = parts.read_part(domain, blobs.read(base[part]))
            # Also without what moves on to another part; what stays here is put back by the overlay.
            kept = _without(domain, public, parts.row_keys(domain, rows))
            tables[part] = parts.overlay(domain, public if kept is None else kept, tables[part])
    tables |= {part: table for part, table in moved.items() if table.num_rows}
    contents: dict[str, bytes | None] = {**parts.write_parts(domain, tables)}
    contents |= {part: None for part, table in moved.items() if not table.num_rows}
    if scope == "complete" and examined.rows_ok:
        contents |= {part: None for part in base if part not in contents and part != METADATA}
    return contents, spoken


def _delta(domain: Domain, change: Mapping[str, Any]) -> pa.Table:
    """The rows that a stored change of one part brings. Its base may have been withdrawn: it is only compared with."""
    old, new = (parts.read_part(domain, blobs.read(sha256, sealed=True)) if sha256 else None
                for sha256 in (change["base_sha256"], change["new_sha256"]))
    difference = parts.diff_parts(domain, old, new)
    return pa.concat_tables([difference.added, difference.changed]).combine_chunks()


def _moved(domain: Domain, rows: pa.Table, base: Mapping[str, str], others: Set[str]) -> dict[str, pa.Table]:
    """Public parts that lose rows to the parts of a file, with what they keep. Only their keys are read first."""
    keys = parts.row_keys(domain, rows)
    found = {}
    for part in sorted(others):
        data = blobs.read(base[part])
        if _without(domain, parts.read_part(domain, data, domain.key), keys) is not None:
            found[part] = parts.read_part(domain, data)
    return {part: kept for part, table in found.items() if (kept := _without(domain, table, keys)) is not None}


def _without(domain: Domain, table: pa.Table, keys: pa.Array) -> pa.Table | None:
    """The table without the rows of some keys; None where it has none of them."""
    stays = pc.invert(pc.is_in(parts.row_keys(domain, table), value_set=keys))
    return None if pc.all(stays).as_py() else table.filter(stays)


def compare(domain: Domain, part: str, base: str | None, data: bytes | None) -> Change | None:
    """The change of one part; its new content is stored."""
    change = change_of(domain, part, base, data)
    if change is not None:
        keep([change], {part: data})
    return change


def keep(changes: Sequence[Change], contents: Mapping[str, bytes | None]) -> None:
    """Store the new contents of changes (part → bytes)."""
    blobs.put_many((data, "application/json" if change.part == METADATA else "text/csv")
                   for change in changes if (data := contents[change.part]) is not None)


def change_of(domain: Domain, part: str, base: str | None, data: bytes | None) -> Change | None:
    new = hashlib.sha256(data).hexdigest() if data is not None else None
    if new == base:
        return None
    if part == METADATA:
        return Change(part, base, new, None, changed=1 if base else 0, added=0 if base else 1)
    if base is None and data is not None:  # nothing to compare with
        rows, sums = parts.count_part(domain, data)
        totals = {name: (None, None if after is None else str(after)) for name, after in sums.items()}
        return Change(part, None, new, rows, added=rows, totals=totals)
    old_table = parts.read_part(domain, blobs.read(base)) if base else None
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


def digest(dataset_id: str, kind: str, changes: list[Change]) -> str:
    """What a reviewer approves: the exact change-set, not a name."""
    text = json.dumps([str(dataset_id), kind, sorted([c.part, c.base, c.new] for c in changes)])
    return hashlib.sha256(text.encode()).hexdigest()


def hold_changes(domain: Domain, dataset: Mapping[str, Any], submission_id: str | None, changes: list[Change],
                 submitted_by: str, *, kind: str, counts: Mapping[str, int] | None = None,
                 header: list[str] | None = None, reason: str | None = None,
                 alarms: Sequence[Mapping[str, Any]] = ()) -> str:
    """Write a held revision, in the place of one that waits with the same digest. Returns the revision's id.

    `alarms`: what the blast-radius guard says; the revision is then frozen, not held.
    """
    sha = digest(str(dataset["id"]), kind, changes)
    same = model.value("select id from gkopen.revision where dataset_id = :d and digest = :sha and state = 'held'",
                       d=dataset["id"], sha=sha)
    if same:
        model.execute("update gkopen.revision set state = 'superseded' where id = :id", id=same)
    revision_id = str(uuid4())
    totals: dict[str, dict[str, str | None]] = {}
    for change in changes:
        for name, (before, after) in (change.totals or {}).items():
            if before is None and after is None:          # the table has no amount in this column
                continue
            entry = totals.setdefault(name, {"before": "0", "after": "0"})
            entry["before"] = _add(entry["before"], before)
            entry["after"] = _add(entry["after"], after)
    summary = {"added": sum(c.added for c in changes if c.part != METADATA),
               "changed": sum(c.changed for c in changes if c.part != METADATA),
               "removed": sum(c.removed for c in changes), "totals": totals,
               "metadata": any(c.part == METADATA for c in changes)} | ({"alarms": list(alarms)} if alarms else {})
    model.execute(
        "insert into gkopen.revision (id, dataset_id, submission_id, kind, schema_version, rules_version, digest,"
        " rows_in, rows_ok, rows_quarantined, rows_duplicate, header, summary, submitted_by, reason, state) values"
        " (:id, :d, :s, :kind, :version, :version, :digest, :rows_in, :rows_ok, :rows_quarantined, :rows_duplicate,"
        " cast(:header as jsonb), cast(:summary as jsonb), :by, :reason, :state)",
        id=revision_id, d=dataset["id"], s=submission_id, kind=kind, version=domain.version, digest=sha,
        by=submitted_by, header=model.dump(header) if header is not None else None, summary=model.dump(summary),
        reason=reason, state="frozen" if alarms else "held",
        **({"rows_in": 0, "rows_ok": 0, "rows_quarantined": 0, "rows_duplicate": 0} | dict(counts or {})))
    model.insert_many("revision_part", ("revision_id", "part", "base_sha256", "new_sha256", "rows", "added", "changed",
                                        "removed"),
                      [(revision_id, c.part, c.base, c.new, c.rows, c.added, c.changed, c.removed) for c in changes])
    audit.record(submitted_by, f"{kind}.submitted", revision_id, dataset=str(dataset["id"]), digest=sha)
    return revision_id


def _add(left: str | None, right: str | None) -> str:
    return str(Decimal(left or 0) + Decimal(right or 0))
