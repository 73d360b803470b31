"""What a harvest may take away: the blast-radius guard (docs/decisions/blast-radius.md).

A complete listing that lacks public rows gives each of them a tombstone; the row stays public until it was missing for
the days of grace. Too many gone at once, a listing without rows, or a total of money that jumps freeze the change-set:
it does not even wait for review before a person lets it through.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from ckan.plugins import toolkit

from ckanext.gkopen import changesets, clock, model, parts, respelt
from ckanext.gkopen.domains import Domain


@dataclass(frozen=True, slots=True)
class Limits:
    """`gone_percent` and `gone_rows` both exceeded, or a total that moves by more than both `jump_*`, freeze a run."""

    gone_rows: int
    gone_percent: int
    jump_percent: int
    jump_yuan: int
    grace_days: int

    @classmethod
    def configured(cls) -> Limits:
        names = ("gone_rows", "gone_percent", "jump_percent", "jump_yuan", "grace_days")
        return cls(**{name: toolkit.config[f"ckanext.gkopen.harvest.{name}"] for name in names})


@dataclass(slots=True)
class Verdict:
    """`changes`: what may be held. `alarms`: why it is frozen, or was before a person let it through, each with `kind`
    (gone, jump) and numbers. `respelt`, `replaced`: for the findings of these names, where public rows came under a key
    of another spelling, or rows are missing and as new ones came."""

    changes: list[changesets.Change]
    contents: dict[str, bytes | None]
    alarms: list[dict[str, Any]] = field(default_factory=list)
    respelt: dict[str, Any] = field(default_factory=dict)
    replaced: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Missing:
    """`rows` of what is `public` of a part, whose key the listing has nowhere."""

    public: pa.Table
    rows: pa.Table


class Guard:
    """Judges harvests of some datasets, each with its source. What it compares with is asked for once for all of them,
    and `bury` writes their tombstones together, in the caller's transaction. `read`: bytes of a sha256.
    """

    def __init__(self, domain: Domain, datasets: Mapping[str, str], read: Callable[[str], bytes]):
        self._domain, self._sources, self._read = domain, datasets, read
        self._limits = Limits.configured()
        self._public: dict[str, dict[str, dict[str, Any]]] = {dataset: {} for dataset in datasets}
        self._since: dict[str, dict[str, datetime]] = {dataset: {} for dataset in datasets}
        self._missing: dict[str, dict[str, str]] = {}
        self._published: dict[str, datetime] = {}
        self._now = datetime.now(UTC)
        if not datasets:
            return
        for row in model.every("select dataset_id, part, sha256, rows from gkopen.public_part"
                               " where dataset_id = any(cast(:datasets as uuid[])) and part <> :meta",
                               datasets=list(datasets), meta=changesets.METADATA):
            self._public[str(row["dataset_id"])][row["part"]] = row
        for row in model.every(f"select t.dataset_id, t.key, t.missing_since from gkopen.tombstone t join {_GIVEN}"
                               " on t.dataset_id = given.dataset_id and t.source = given.source",
                               **self._given(datasets)):
            self._since[str(row["dataset_id"])][row["key"]] = row["missing_since"]
        for row in model.every("select dataset_id, max(at) as at from gkopen.publication"
                               " where dataset_id = any(cast(:datasets as uuid[])) group by dataset_id",
                               datasets=list(datasets)):
            self._published[str(row["dataset_id"])] = row["at"]

    def judge(self, dataset_id: str, listed: pa.Table, contents: dict[str, bytes | None],
              changes: list[changesets.Change], *, complete: bool, freeze: bool, grace: bool,
              apart: pa.Table | None = None) -> Verdict:
        """What of a harvest's change-set may go on.

        `listed`: all good rows of the harvest; `contents`, `changes`: what they make of the public parts. `complete`:
        the harvest listed everything, so that what it lacks is gone. Without `freeze` it is only compared again, and no
        alarm freezes it; without `grace` a person let it through: what is missing goes at once, and the alarms are told
        to whoever approves it. `apart`: keys of rows that were set aside, of which an alarm says that
        they are not gone from the source.
        """
        verdict = Verdict(changes, contents)
        public, limits = self._public[dataset_id], self._limits
        if not public and not self._since[dataset_id]:     # nothing is public, and nothing was before it was withdrawn
            return verdict
        missing = _missing(self._domain, changes, contents, listed, self._read) if complete else {}
        left = self._respell(verdict, missing, listed) if missing or not complete else missing
        if left:
            self._compare_new(dataset_id, verdict, left)
        if freeze or not grace:
            gone = sum(part.rows.num_rows for part in missing.values())
            known = sum(row["rows"] or 0 for row in public.values())
            if gone > limits.gone_rows and gone * 100 > limits.gone_percent * known:
                said = {"apart": _came(self._domain, missing, apart), "respelt": verdict.respelt.get("rows"),
                        "periods": _absent(missing, changes)}
                verdict.alarms.append({"kind": "gone", "rows": gone, "public": known}
                                      | {name: rows for name, rows in said.items() if rows})
            verdict.alarms += _jumps(self._domain, changes, public, limits, self._read)
        if complete:
            self._note(dataset_id, left, verdict, timedelta(days=limits.grace_days if grace else 0),
                       frozen=freeze and bool(verdict.alarms))
        return verdict

    def _respell(self, verdict: Verdict, missing: dict[str, _Missing], listed: pa.Table) -> dict[str, _Missing]:
        """What is missing without the rows that came under a key of another spelling: they go with the revision that
        brings the new one, without days in which both are public. Of a list of changes they are only told."""
        domain = self._domain
        changed = [change for change in verdict.changes if change.part != changesets.METADATA]
        if not any(change.base and change.added for change in changed):
            return missing
        public, brought = self._sides(verdict)
        old = pa.concat_tables([part.rows for part in missing.values()]) if missing else _not_in(domain, public, listed)
        found = respelt.pairs(domain, old, _not_in(domain, brought, public))
        if found is None:
            return missing
        verdict.respelt = {"rows": pc.sum(found.old).as_py(), "was": found.was, "now": found.now}
        rest = {name: replace(part, rows=_not_in(domain, part.rows, old.filter(found.old)))
                for name, part in missing.items()}
        return {name: part for name, part in rest.items() if part.rows.num_rows}

    def _compare_new(self, dataset_id: str, verdict: Verdict, missing: Mapping[str, _Missing]) -> None:
        """Are the rows that are missing since the last publication those that came meanwhile, under other keys? A
        company with a new name is public twice for its days; a page of another table of such columns looks alike."""
        since, domain, published = self._since[dataset_id], self._domain, self._published[dataset_id]
        gone = pa.concat_tables([part.rows.filter(pa.array([since.get(key, self._now) > published
                                                            for key in key_texts(domain, part.rows)]))
                                 for part in missing.values()])
        public, brought = self._sides(verdict)
        new = _not_in(domain, brought, public)
        alike = respelt.alike(domain, gone, new)
        came = new.num_rows - verdict.respelt.get("rows", 0)
        if alike or min(gone.num_rows, came) > self._limits.gone_rows:
            verdict.replaced = {"rows": gone.num_rows, "new": came, "alike": alike}

    def _sides(self, verdict: Verdict) -> tuple[pa.Table, pa.Table]:
        """The public rows of the parts that change, and what comes to those that get new ones."""
        domain, changed = self._domain, [each for each in verdict.changes if each.part != changesets.METADATA]
        none = domain.arrow_schema.empty_table()
        public = [parts.read_part(domain, self._read(change.base)) for change in changed if change.base]
        brought = [parts.read_part(domain, data) for change in changed if change.added
                   and (data := verdict.contents[change.part]) is not None]
        return pa.concat_tables([none, *public]), pa.concat_tables([none, *brought])

    def _note(self, dataset_id: str, missing: Mapping[str, _Missing], verdict: Verdict, grace: timedelta, *,
              frozen: bool) -> None:
        """Tombstones for what is missing, none for what came back; what is not due stays in the contents. What is
        frozen is as it came and begins no days, but it ends those of the rows that it has."""
        since = self._since[dataset_id]
        if not since and (frozen or not missing):
            return
        keys = {part: key_texts(self._domain, each.rows) for part, each in missing.items()}
        self._missing[dataset_id] = {key: part for part, found in keys.items() for key in found
                                     if key in since or not frozen}
        for part, found in keys.items() if not frozen else ():
            due = [since.get(key, self._now) + grace for key in found]
            kept = missing[part].rows.filter(pa.array([day > self._now for day in due]))
            if kept.num_rows:
                _keep(self._domain, part, missing[part].public, kept, verdict)

    def bury(self) -> None:
        """Write the tombstones of all that was judged."""
        if not self._missing:
            return
        there = [(dataset, key) for dataset, keys in self._missing.items() for key in keys]
        model.execute(f"delete from gkopen.tombstone t using {_GIVEN} where t.dataset_id = given.dataset_id"
                      " and t.source = given.source and not exists (select 1 from unnest(cast(:in_datasets as uuid[]),"
                      " cast(:keys as text[])) as still (dataset_id, key) where still.dataset_id = t.dataset_id"
                      " and still.key = t.key)", **self._given(self._missing),
                      in_datasets=[dataset for dataset, _ in there], keys=[key for _, key in there])
        model.insert_many("tombstone", ("dataset_id", "source", "key", "part", "missing_since"),
                          [(dataset, self._sources[dataset], key, part, self._now)
                           for dataset, keys in self._missing.items() for key, part in keys.items()
                           if key not in self._since[dataset]])

    def _given(self, datasets: Iterable[str]) -> dict[str, list[str]]:
        return {"datasets": list(datasets), "sources": [self._sources[dataset] for dataset in datasets]}


_GIVEN = "unnest(cast(:datasets as uuid[]), cast(:sources as text[])) as given (dataset_id, source)"


def empty(datasets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Dataset → the alarm of a complete listing without rows, for those of which rows are public."""
    return {str(row["dataset_id"]): {"kind": "empty", "rows": 0, "public": int(row["rows"])} for row in model.every(
        "select dataset_id, sum(rows) as rows from gkopen.public_part where dataset_id = any(cast(:datasets as uuid[]))"
        " and part <> :meta group by dataset_id having sum(rows) > 0", datasets=list(datasets),
        meta=changesets.METADATA)}


def buried(datasets: Sequence[str], source: str) -> dict[str, list[dict[str, Any]]]:
    """Dataset → rows that are gone from the source and still public: part, key, due; those that go first come first."""
    days = timedelta(days=Limits.configured().grace_days)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in model.every("select t.dataset_id, t.part, t.key, t.missing_since from gkopen.tombstone t"
                           " join gkopen.public_part p using (dataset_id, part)"      # it may have been withdrawn
                           " where t.dataset_id = any(cast(:datasets as uuid[])) and t.source = :s"
                           " order by t.missing_since, t.key", datasets=list(datasets), s=source):
        found.setdefault(str(row["dataset_id"]), []).append({
            "part": row["part"], "key": json.loads(row["key"]),
            "due": clock.told(row["missing_since"] + days)})
    return found


def _not_in(domain: Domain, table: pa.Table, other: pa.Table) -> pa.Table:
    """The rows whose key another table has not."""
    return table.filter(pc.invert(pc.is_in(parts.row_keys(domain, table), value_set=parts.row_keys(domain, other))))


def _missing(domain: Domain, changes: list[changesets.Change], contents: Mapping[str, bytes | None],
             listed: pa.Table, read: Callable[[str], bytes]) -> dict[str, _Missing]:
    """By part; a row that moved to another part is not missing."""
    keys: pa.Array | None = None
    found: dict[str, _Missing] = {}
    for change in changes:
        if change.part == changesets.METADATA or change.base is None or not change.removed:
            continue
        public = parts.read_part(domain, read(change.base))
        keys = parts.row_keys(domain, listed) if keys is None else keys
        gone = public.filter(pc.invert(pc.is_in(parts.row_keys(domain, public), value_set=keys)))
        if gone.num_rows:
            found[change.part] = _Missing(public, gone)
    return found


def _absent(missing: Mapping[str, _Missing], changes: list[changesets.Change]) -> int:
    """How many parts a listing does not have at all, where it lacks nothing of others: a table may hold the current
    period alone."""
    return len(missing) if missing.keys() <= {change.part for change in changes if change.new is None} else 0


def _came(domain: Domain, missing: Mapping[str, _Missing], apart: pa.Table | None) -> int:
    """How many missing rows are, or may be, among those that came and were set aside: one whose key cannot be read may
    be any of them. A few such rows, which many listings have, say nothing of many that are missing."""
    if apart is None or not apart.num_rows:
        return 0
    whole = apart.drop_null()
    keys = parts.row_keys(domain, whole)
    gone = sum(part.rows.num_rows for part in missing.values())
    known = sum(pc.sum(pc.is_in(parts.row_keys(domain, part.rows), value_set=keys)).as_py() or 0
                for part in missing.values())
    rest, nameless = gone - known, apart.num_rows - whole.num_rows
    return known + (min(rest, nameless) if 2 * nameless >= rest else 0)


def _keep(domain: Domain, part: str, public: pa.Table, kept: pa.Table, verdict: Verdict) -> None:
    """Put rows that stay for now back into a part, and compare it again with what is public."""
    [change] = [change for change in verdict.changes if change.part == part]
    data = verdict.contents[part]
    listed = parts.read_part(domain, data) if data is not None else domain.arrow_schema.empty_table()
    rows = parts.in_key_order(domain, pa.concat_tables([listed, kept]).combine_chunks())
    data = parts.write_part(domain, rows)
    new = hashlib.sha256(data).hexdigest()
    at = verdict.changes.index(change)
    if new == change.base:
        del verdict.contents[part], verdict.changes[at]
    else:
        verdict.contents[part] = data
        verdict.changes[at] = changesets.change_between(domain, part, (change.base, public), (new, rows))


def key_texts(domain: Domain, table: pa.Table) -> list[str]:
    """The key of each row as a JSON list of texts, null where the row has none."""
    columns = [table[name].cast(pa.string()).to_pylist() for name in domain.key]
    return [json.dumps(list(cells), ensure_ascii=False) for cells in zip(*columns, strict=True)]


def _jumps(domain: Domain, changes: list[changesets.Change], public: Mapping[str, Mapping[str, Any]],
           limits: Limits, read: Callable[[str], bytes]) -> list[dict[str, Any]]:
    """Money fields whose total moves by more than the number of rows explains.

    Twice the rows may hold twice the money; fewer rows are expected to hold what they held. Parts that stay as they are
    are read only where the others alone would be a jump.
    """
    touched = [change for change in changes if change.part != changesets.METADATA]
    if not any(change.base for change in touched):
        return []
    least = Decimal(limits.jump_yuan)
    moved = {name: _sums(touched, name) for name in (every.name for every in domain.money_fields)}
    suspicious = [name for name, (before, after) in moved.items() if abs(after - before) > least]
    if not suspicious:
        return []
    rest: dict[str, Decimal] = dict.fromkeys(suspicious, Decimal(0))
    for part in public.keys() - {change.part for change in touched}:
        for name, total in parts.count_part(domain, read(public[part]["sha256"]))[1].items():
            if name in rest:
                rest[name] += total or 0
    rows_before = sum(row["rows"] or 0 for row in public.values())
    rows_after = rows_before + sum(change.added - change.removed for change in touched)
    growth = Decimal(max(rows_after, rows_before)) / Decimal(rows_before or 1)
    alarms = []
    for name in suspicious:
        before, after = moved[name][0] + rest[name], moved[name][1] + rest[name]
        expected = before * growth
        if before and abs(after - expected) > max(least, abs(expected) * limits.jump_percent / 100):
            alarms.append({"kind": "jump", "field": name, "before": str(before), "after": str(after)})
    return alarms


def _sums(changes: list[changesets.Change], name: str) -> tuple[Decimal, Decimal]:
    pairs = [(change.totals or {}).get(name, (None, None)) for change in changes]
    return sum((Decimal(before or 0) for before, _ in pairs), Decimal(0)), sum(
        (Decimal(after or 0) for _, after in pairs), Decimal(0))
