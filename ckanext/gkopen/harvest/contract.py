"""The schema contract of a source, of its dropped files, of pushes: the columns that were last accepted.

A listing whose columns were removed, renamed, retyped or exchanged (`drifting.compare`) stops at it, with a proposal,
and the public table stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ckanext.gkopen import changesets, model, reports
from ckanext.gkopen.domains import Domain
from ckanext.gkopen.harvest.drifting import CODES, Drift
from ckanext.gkopen.harvest.profiles import Column, Profile
from ckanext.gkopen.labels import fold
from ckanext.gkopen.records import Finding


def accepted(datasets: Sequence[str], source_id: str | None) -> dict[str, Profile]:
    """Dataset → the profile that holds: of the last listing that was published, or that an officer accepted. Empty for
    none. Without a source: of what was pushed."""
    found: dict[str, Profile] = {dataset: {} for dataset in datasets}
    # The newest that holds is looked for from the newest back: a source that is years old has a thousand of them.
    for row in model.every(
            "select d.id as dataset_id, p.columns from unnest(cast(:datasets as uuid[])) as d (id) cross join lateral ("
            "select p.columns from gkopen.profile p where p.dataset_id = d.id and p.source_id"
            f" {'is null' if source_id is None else '= cast(:s as uuid)'} and (p.accepted_by is not null or exists ("
            "select 1 from gkopen.revision own where own.submission_id = p.submission_id and own.dataset_id = d.id"
            " and (exists (select 1 from gkopen.publication u where u.revision_id = own.id)"
            # Or one that took its rows along: an officer's edit of metadata does.
            " or exists (select 1 from gkopen.revision later join gkopen.publication u on u.revision_id = later.id"
            " join gkopen.revision_part b on b.revision_id = later.id join gkopen.revision_part a"
            " on a.revision_id = own.id and a.part = b.part and a.new_sha256 = b.new_sha256"
            " where later.dataset_id = d.id and later.created_at >= own.created_at and a.part <> :metadata))))"
            " order by p.id desc limit 1) p",
            datasets=list(datasets), s=source_id, metadata=changesets.METADATA):
        columns = (Column(**{**column, "values": tuple(column["values"])}) for column in row["columns"]["columns"])
        found[str(row["dataset_id"])] = {fold(column.label): column for column in columns}
    return found


@dataclass(frozen=True, slots=True)
class Seen:
    """A listing's profile; it holds from the publication of its submission on, or when an officer accepts it."""

    dataset_id: str
    profile: Profile
    submission_id: str | None
    drifts: Sequence[Drift] = ()


def keep(run: Mapping[str, Any], seen: Sequence[Seen]) -> None:
    """Store profiles."""
    model.insert_many(
        "profile", ("dataset_id", "source_id", "run_id", "submission_id", "columns", "drift"),
        [(each.dataset_id, run["source_id"], run["id"], each.submission_id,
          model.dump({"labels": [column.label for column in each.profile.values()],
                      "columns": [column.as_dict() for column in each.profile.values()]}),
          model.dump([drift.as_dict() for drift in each.drifts])) for each in seen])


def forget(run: Mapping[str, Any], datasets: Sequence[str]) -> None:
    """A run that is resumed stops at its tables anew: what it kept of them before goes, once, before the first of them.
    """
    model.execute("delete from gkopen.profile where run_id = :run and dataset_id = any(cast(:datasets as uuid[]))"
                  " and submission_id is null", run=run["id"], datasets=list(datasets))
    model.execute("delete from gkopen.finding where run_id = :run and dataset_id = any(cast(:datasets as uuid[]))"
                  " and revision_id is null and code = any(:codes)", run=run["id"], datasets=list(datasets),
                  codes=list(CODES.values()))


def stop(dataset_id: str, domain: Domain, body: Mapping[str, Any], run: Mapping[str, Any], now: Profile,
         drifts: Sequence[Drift], found: list[Finding]) -> None:
    """Keep what stopped a table: its columns, the proposals and the findings."""
    changesets.open_dataset(domain, body)
    keep(run, [Seen(dataset_id, now, None, drifts)])
    reports.store_findings(found, dataset_id, None, str(run["id"]))


def accept(run_id: str, by: str) -> dict[str, dict[str, str]]:
    """Take the columns of a stopped run as the new contract. Returns dataset → what is to be added to the mapping."""
    mapped: dict[str, dict[str, str]] = {}
    read: list[dict[str, Any]] = []
    for row in model.every("update gkopen.profile set accepted_by = :by, accepted_at = now() where run_id = :run"
                           " and submission_id is null and accepted_by is null returning id, dataset_id, columns,"
                           " drift", by=by, run=run_id):
        wanted = mapped.setdefault(str(row["dataset_id"]), {})
        for drift in row["drift"]:
            if drift["kind"] == "renamed":
                wanted[drift["to"]] = drift["field"]
            elif drift["kind"] == "exchanged":
                wanted |= {drift["label"]: drift["to_field"], drift["to"]: drift["field"]}
        # From now on they bring these fields; what their cells are as such the next listing says.
        columns = [column | {"field": wanted[column["label"]], "kinds": {}} if column["label"] in wanted else column
                   for column in row["columns"]["columns"]]
        if wanted:
            read.append({"id": row["id"], "columns": row["columns"] | {"columns": columns}})
    if read:
        model.execute("update gkopen.profile p set columns = n.columns from jsonb_to_recordset(cast(:read as jsonb))"
                      " n (id bigint, columns jsonb) where p.id = n.id", read=model.dump(read))
    return mapped
