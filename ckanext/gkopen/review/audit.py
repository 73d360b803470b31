"""The append-only, hash-chained record of decisions. A changed row breaks every hash after it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ckanext.gkopen import model

FIRST = "0" * 64
LOCK = 0x676B6F70_61756469            # "gkopaudi": one writer of the chain at a time


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision: who did what to which thing."""

    actor: str
    action: str
    target: str
    detail: Mapping[str, Any]


def record(actor: str, action: str, target: str, **detail: Any) -> str:
    """Append one decision in the caller's transaction; returns the chain's new head."""
    return record_all([Entry(actor, action, target, detail)])


def record_all(entries: Iterable[Entry]) -> str:
    """Append decisions in their order, in the caller's transaction; returns the chain's new head."""
    model.execute("select pg_advisory_xact_lock(:key)", key=LOCK)
    digest = head()
    rows: list[tuple[Any, ...]] = []
    for entry in entries:
        previous, at = digest, datetime.now(UTC)
        digest = _hash(previous, at, entry.actor, entry.action, entry.target, entry.detail)
        rows.append((at, entry.actor, entry.action, entry.target, model.dump(entry.detail), previous, digest))
    model.insert_many("audit", ("at", "actor", "action", "object", "detail", "previous", "hash"), rows)
    return digest


def head() -> str:
    """The hash of the newest entry: what is published daily."""
    return model.value("select hash from gkopen.audit order by id desc limit 1") or FIRST


def broken() -> Iterator[str]:
    """One sentence for each entry whose hash or link does not hold."""
    previous = FIRST
    for row in model.every("select * from gkopen.audit order by id"):
        if row["previous"] != previous:
            yield f"audit entry {row['id']} does not follow the entry before it"
        if row["hash"] != _hash(row["previous"], row["at"], row["actor"], row["action"], row["object"], row["detail"]):
            yield f"audit entry {row['id']} ({row['action']} {row['object']}) was changed after it was written"
        previous = row["hash"]


def _hash(previous: str, at: datetime, actor: str, action: str, target: str, detail: Any) -> str:
    text = json.dumps([previous, at.astimezone(UTC).isoformat(timespec="microseconds"), actor, action, target,
                       json.loads(model.dump(detail))], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
