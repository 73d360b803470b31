"""Tables on their way in: examined, compared with what is public, and held. Many of one domain go together.

    examine → what each dataset shall hold → changes → guard → contents kept → revisions, findings, rows

A step does its work for all tables before the next one begins, with one statement a table of the database, not one a
dataset. What comes out for a table is what it would be alone; a table alone is a list of one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ckanext.gkopen import blast, blobs, changesets, model, overwritten, reports, respelt
from ckanext.gkopen.changesets import COUNTS, Change, Contents, Proposed
from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.examine import File, examine_all
from ckanext.gkopen.records import Examined, Finding, Options, Unreadable
from ckanext.gkopen.review import waiting


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a submission. `state`: held, returned (nothing in it can be published), unchanged, repeated,
    frozen (a harvest that a person has to let through before it is reviewed: `alarms` says why, see `blast`)."""

    state: str
    submission_id: str
    revision_id: str | None
    dataset_id: str
    rows_in: int = 0
    rows_ok: int = 0
    rows_quarantined: int = 0
    rows_duplicate: int = 0
    findings: Mapping[str, int] = field(default_factory=dict)
    added: int = 0
    changed: int = 0
    removed: int = 0
    alarms: tuple[Mapping[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Proposal(NamedTuple):
    """Metadata for a dataset that has none in public, and what is to be settled before it can be public."""

    metadata: Mapping[str, Any]
    asked: Sequence[Finding]


@dataclass(slots=True)
class Table:
    """A table whose submission is written and whose dataset is locked.

    `freeze`, `grace`: whether the blast-radius guard may freeze it, and keep what it lacks for now.
    """

    dataset: Mapping[str, Any]
    submission_id: str
    path: Path
    filename: str
    options: Options
    scope: changesets.Scope
    source: str
    submitted_by: str
    proposal: Proposal | None
    run_id: str | None = None
    freeze: bool = True
    grace: bool = True

    @property
    def dataset_id(self) -> str:
        return str(self.dataset["id"])

    @property
    def harvested(self) -> bool:
        return self.source.startswith("source:")


@dataclass(slots=True)
class _Step:
    """What is known of a table so far. `noted`: its outcome where it gets no revision; `known`: the revision that says
    the same already; `returned`: nothing in it can be published; `told`: for the run, where no revision keeps it."""

    table: Table
    examined: Examined | None = None
    findings: Sequence[Finding] = ()
    contents: Contents | None = None
    changes: list[Change] = field(default_factory=list)
    alarms: tuple[Mapping[str, Any], ...] = ()
    returned: bool = False
    noted: Outcome | None = None
    told: bool = False

    @property
    def frozen(self) -> bool:
        return bool(self.alarms) and self.table.freeze

    def outcome(self, state: str, revision_id: str | None, alarms: tuple[Mapping[str, Any], ...] = ()) -> Outcome:
        counts = {name: getattr(self.examined, name) if self.examined else 0 for name in COUNTS}
        rows = [change for change in self.changes if change.part != changesets.METADATA]
        sums = {name: sum(getattr(change, name) for change in rows) for name in ("added", "changed", "removed")}
        return Outcome(state, self.table.submission_id, revision_id, self.table.dataset_id, **counts,
                       findings=dict(Counter(finding.code for finding in self.findings)), **sums, alarms=alarms)


def take_in(domain: Domain, tables: Sequence[Table]) -> list[Outcome]:
    """Examine and hold tables of different datasets, in the caller's transaction. Their outcomes, in the same order."""
    examined = examine_all(domain, [File(table.path, table.filename, table.options) for table in tables])
    base = changesets.public_parts_of([table.dataset_id for table in tables])
    steps = [_Step(table, None, found.findings) if isinstance(found, Unreadable) else _Step(
        table, found, found.findings) for table, found in zip(tables, examined, strict=True)]
    read = blobs.reader(sha256 for table in tables for sha256 in base[table.dataset_id].values())
    _compare(domain, [step for step in steps if step.examined is not None], base, read)
    _judge(domain, [step for step in steps if step.table.harvested], read)
    for step in steps:
        if step.contents is not None:
            step.findings = [*step.findings, *overwritten.findings(domain, step.changes, step.contents.parts, read)]
    changesets.keep_all((step.changes, step.contents.parts) for step in steps if step.contents is not None)
    for step in steps:
        _settle(step)
    revisions = _hold(domain, [step for step in steps if step.noted is None])
    _tell(domain, steps, revisions)
    _supersede(steps, revisions)
    _note([step.noted for step in steps if step.noted is not None])
    return [step.noted or _outcome(step, revisions[step.table.submission_id]) for step in steps]


def _compare(domain: Domain, steps: Sequence[_Step], base: Mapping[str, Mapping[str, str]],
             read: Callable[[str], bytes]) -> None:
    carried = _carried([step.table for step in steps if step.table.scope == "changes"])
    found = changesets.contents(domain, [
        changesets.Asked(step.examined, base[step.table.dataset_id], step.table.scope,
                         carried.get(step.table.submission_id, ())) for step in steps if step.examined is not None])
    for step, contents in zip(steps, found, strict=True):
        if step.table.proposal is not None:
            contents.parts[changesets.METADATA] = changesets.canonical_json(step.table.proposal.metadata)
        step.contents = contents
        step.changes = changesets.changes_of(domain, base[step.table.dataset_id], contents, read)


def _judge(domain: Domain, steps: Sequence[_Step], read: Callable[[str], bytes]) -> None:
    """The blast-radius guard looks at harvests. One of whose rows none is good says nothing of what is missing."""
    guard = blast.Guard(domain, {step.table.dataset_id: step.table.source for step in steps}, read)
    for step in steps:
        table, examined, contents = step.table, step.examined, step.contents
        if examined is not None and contents is not None and examined.rows_ok:
            verdict = guard.judge(table.dataset_id, examined.table, contents.parts, step.changes,
                                  complete=table.scope in ("complete", "periods"), freeze=table.freeze,
                                  grace=table.grace, apart=examined.apart)
            step.changes, step.alarms = verdict.changes, tuple(verdict.alarms)
            told = ((respelt.CODE, verdict.respelt), (respelt.REPLACED, verdict.replaced))
            step.findings = [*step.findings, *(Finding(code, severity_of(code), params=params)
                                               for code, params in told if params)]
    guard.bury()


def _settle(step: _Step) -> None:
    """Is there anything to hold? Sets `noted` where there is not, `returned` where nothing can be published."""
    table, examined = step.table, step.examined
    if examined is None:
        empty = table.harvested and table.scope == "complete" and {f.code for f in step.findings} & {"file-empty",
                                                                                                     "no-rows"}
        alarm = blast.empty([table.dataset_id]).get(table.dataset_id) if empty else None
        if alarm:          # a listing without rows, where rows are public: nothing is changed, and a person is told
            step.noted = Outcome("frozen", table.submission_id, None, table.dataset_id, alarms=(alarm,))
        step.told, step.returned = bool(alarm), not alarm
        return
    of_rows = any(change.part != changesets.METADATA for change in step.changes)
    if not of_rows and not (step.changes and examined.rows_ok):
        if not examined.rows_ok and examined.rows_in:
            step.returned, step.changes = True, []
            return
        if not step.changes:
            step.noted, step.told = step.outcome("unchanged", None), True
            return
    if step.frozen and (known := _known(table.dataset_id, step.changes)):
        step.noted, step.told = step.outcome(known["state"], str(known["id"]),
                                             step.alarms if known["state"] == "frozen" else ()), True


def _known(dataset_id: str, changes: Sequence[Change]) -> dict[str, Any] | None:
    """The same change-set, frozen before or let through already: a source that stays as it is asks nobody twice."""
    return model.one("select id, state from gkopen.revision where dataset_id = :d and digest = :digest"
                     " and state in ('held', 'frozen') order by created_at desc limit 1", d=dataset_id,
                     digest=changesets.digest(dataset_id, "publish", changes))


def _hold(domain: Domain, steps: Sequence[_Step]) -> dict[str, str]:
    """Submission → revision, held, frozen or returned: then it is kept, with all findings, and goes back."""
    proposed = [Proposed(step.table.dataset, step.table.submission_id, step.changes, step.table.submitted_by,
                         counts={name: getattr(step.examined, name) for name in COUNTS} if step.examined else {},
                         header=list(step.examined.header) if step.examined and not step.returned else None,
                         alarms=step.alarms if not step.returned else (), frozen=step.frozen, returned=step.returned)
                for step in steps]
    revisions = changesets.hold(domain, proposed) if proposed else []
    return {step.table.submission_id: revision_id for step, revision_id in zip(steps, revisions, strict=True)}


def _tell(domain: Domain, steps: Sequence[_Step], revisions: Mapping[str, str]) -> None:
    of_revisions, of_runs = [], {}
    for step in steps:
        table = step.table
        revision_id = revisions.get(table.submission_id)
        if revision_id is not None:
            if table.proposal and not step.returned:
                step.findings = [*step.findings, *table.proposal.asked]
            of_revisions.append(reports.Told(table.dataset_id, revision_id, table.run_id, step.findings, step.examined,
                                             table.submission_id))
        elif step.told:
            of_runs.setdefault(table.run_id, []).append(
                reports.Told(table.dataset_id, None, table.run_id, step.findings, step.examined, table.submission_id))
    reports.store(of_revisions)
    for run_id, told in of_runs.items():
        reports.of_run(run_id, told)


def _supersede(steps: Sequence[_Step], revisions: Mapping[str, str]) -> None:
    replaced: list[Replaced] = []
    for step in steps:
        table, revision_id = step.table, revisions.get(step.table.submission_id)
        if step.frozen and revision_id and not step.returned:
            model.execute("update gkopen.revision set state = 'superseded', superseded_by = :id where dataset_id = :d"
                          " and state = 'frozen' and id <> :id and submitted_by = :by", d=table.dataset_id,
                          id=revision_id, by=table.submitted_by)
        # A source that says again what is public wants nothing else any more: what it sent meanwhile does not wait on.
        elif step.contents is not None and not step.returned and (revision_id or not step.changes):
            replaced.append(Replaced(table.dataset_id, table.submission_id, revision_id,
                                     step.contents.spoken | {changesets.METADATA}, table.scope))
    supersede(replaced)


def _outcome(step: _Step, revision_id: str) -> Outcome:
    if step.returned:
        return step.outcome("returned", revision_id)
    return step.outcome("frozen" if step.frozen else "held", revision_id, step.alarms if step.frozen else ())


def _note(outcomes: Sequence[Outcome]) -> None:
    """Kept with submissions that have no revision of their own: a run that is resumed answers the same."""
    if outcomes:
        model.execute("update gkopen.submission s set options = s.options || jsonb_build_object('outcome', o.outcome)"
                      " from jsonb_to_recordset(cast(:outcomes as jsonb)) o (id uuid, outcome jsonb) where s.id = o.id",
                      outcomes=model.dump([{"id": outcome.submission_id, "outcome": outcome.as_dict()}
                                           for outcome in outcomes]))


def _carried(tables: Sequence[Table]) -> dict[str, list[dict[str, Any]]]:
    """Submission → changes of parts that the same source sent and nobody has decided yet, and those of this very
    submission where it is compared again: a source of changes sends each of them once."""
    found: dict[str, list[dict[str, Any]]] = {}
    if not tables:
        return found
    for row in model.every(
            "select p.*, mine.id as mine from gkopen.submission mine join gkopen.revision r using (dataset_id)"
            " join gkopen.submission s on s.id = r.submission_id join gkopen.revision_part p on p.revision_id = r.id"
            " where mine.id = any(cast(:mine as uuid[])) and r.kind = 'publish' and p.part <> :metadata"
            " and s.source = mine.source and (r.state in ('held', 'frozen') or (r.state = 'stale' and s.id = mine.id))"
            " order by r.created_at, p.part",
            mine=[table.submission_id for table in tables], metadata=changesets.METADATA):
        found.setdefault(str(row["mine"]), []).append(row)
    return found


@dataclass(frozen=True, slots=True)
class Replaced:
    """A submission that takes the place of what its source sent before. `touched`: the parts that a file of some
    parts speaks for; `revision_id` None: what is public already says the same."""

    dataset_id: str
    submission_id: str
    revision_id: str | None
    touched: set[str]
    scope: changesets.Scope


def supersede(replaced: Sequence[Replaced]) -> None:
    """What the same source sent before and nobody has decided yet is replaced by what it sends now, or carried in it.

    A push also takes the place of what came by a token that is good no more: the business system has another one now.
    Lists of changes do not: they would carry the rows of the other token past whoever made that one.
    """
    if not replaced:
        return
    done = model.execute(
        "update gkopen.revision r set state = 'superseded', superseded_by = n.revision"
        " from gkopen.submission s, gkopen.submission mine,"
        " jsonb_to_recordset(cast(:replaced as jsonb)) n (dataset uuid, submission uuid, revision uuid, whole boolean,"
        "  changes boolean, touched jsonb)"
        " where r.submission_id = s.id and mine.id = n.submission and (s.source = mine.source or not n.changes"
        "  and starts_with(mine.source, 'push:') and s.source in (select 'push:' || t.name from gkopen.push_token t"
        "   where t.revoked_at is not null or t.expires_at <= now()))"
        " and r.dataset_id = n.dataset and r.state in ('held', 'frozen') and r.kind = 'publish'"
        " and r.id is distinct from n.revision"
        " and (n.whole or not exists (select 1 from gkopen.revision_part p where p.revision_id = r.id"
        "      and not jsonb_exists(n.touched, p.part)))",
        replaced=model.dump([{"dataset": each.dataset_id, "submission": each.submission_id,
                              "revision": each.revision_id, "whole": each.scope in ("complete", "changes"),
                              "changes": each.scope == "changes", "touched": sorted(each.touched)}
                             for each in replaced]))
    if done.rowcount:
        waiting.carry([each.revision_id for each in replaced if each.revision_id])
