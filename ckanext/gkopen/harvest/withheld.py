"""What a source no longer gives although it is public: a body that a complete listing does not name, and everything,
where its catalogue entry says that the data are not open any more.

Each is an alarm of the blast-radius guard: the run is held, and what is public stays until a person decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ckanext.gkopen import blast, bodies, changesets, ids, model, reports
from ckanext.gkopen.checks.catalogue import severity_of
from ckanext.gkopen.domains import Domain, get_domain
from ckanext.gkopen.harvest.report import Report
from ckanext.gkopen.harvesters.source import Source
from ckanext.gkopen.records import Finding
from ckanext.gkopen.review import audit

NOT_OPEN = "source-not-open"


def bodies_not_named(source: Source, domain: Domain, listed: set[str], report: Report) -> None:
    """Bodies that this source fed before and that a complete listing does not name at all (`listed`: their ids)."""
    gone = {str(row["id"]): row["body_id"] for row in _fed(source, domain) if row["body_id"] not in listed}
    if not gone:
        return
    known, alarms = bodies.every(), blast.empty(list(gone))        # a body that was deleted since is among them
    for dataset, body in gone.items():
        if dataset in alarms:
            report.hold(known[body]["name"], dataset, None, [alarms[dataset]])


def not_open(run: Mapping[str, Any], source: Source, report: Report) -> bool:
    """Called where the catalogue entry says 否 (是否向社会开放): hold what of this source is public. False: nothing is.

    What waits for review was sent while the data were open: it is frozen, unless a person let it through after an
    earlier such run. The caller commits.
    """
    known, domain = bodies.every(), get_domain(source.domain)
    public = {str(row["id"]): row["body_id"] for row in _fed(source, domain)}
    if source.organization_column is None:                # also where an upload made it public
        body = bodies.find(source.organization)
        public[ids.dataset_id(domain.name, body["id"])] = body["id"]
    alarms = {dataset: {**alarm, "kind": "not_open"} for dataset, alarm in sorted(blast.empty(list(public)).items())}
    for dataset in alarms:                                # all of them, in their one order, before the audit's chain
        changesets.lock_dataset(dataset)
    model.execute("delete from gkopen.finding f using gkopen.run r where f.run_id = r.id and r.source_id = :source"
                  " and f.code = :code", source=run["source_id"], code=NOT_OPEN)
    for dataset, alarm in alarms.items():
        name = known[public[dataset]]["name"]
        for revision in _freeze(run, source, dataset, alarm) or [None]:
            report.hold(name, dataset, revision, [alarm])
        found = Finding(NOT_OPEN, severity_of(NOT_OPEN), params={"rows": alarm["public"]})
        reports.store_findings([found], dataset, None, str(run["id"]))
        report.count(name, {NOT_OPEN: 1})
    return bool(alarms)


def _fed(source: Source, domain: Domain) -> list[dict[str, Any]]:
    """Id and body_id of the published datasets of which this source ever sent something."""
    return model.every("select d.id, d.body_id from gkopen.dataset d where d.domain = :domain"
                       " and d.state = 'published' and exists (select 1 from gkopen.submission s"
                       " where s.dataset_id = d.id and s.source = :source) order by d.id",
                       source=f"source:{source.name}", domain=domain.name)


def _freeze(run: Mapping[str, Any], source: Source, dataset_id: str, alarm: Mapping[str, Any]) -> list[str]:
    """The frozen revisions that the source sent of a locked dataset, with those that were waiting until now."""
    of_source = "s.id = r.submission_id and s.source = :source and r.dataset_id = :d and r.kind = 'publish'"
    for row in model.every(
            "update gkopen.revision r set state = 'frozen', summary = r.summary || cast(:alarms as jsonb)"
            f" from gkopen.submission s where {of_source} and r.state = 'held'"
            " and not s.options @> '{\"released\": true}' returning r.id", source=f"source:{source.name}",
            d=dataset_id, alarms=model.dump({"alarms": [alarm]})):
        audit.record(changesets.SYSTEM, "revision.frozen", str(row["id"]), run=str(run["id"]))
    return [str(row["id"]) for row in model.every(
        f"select r.id from gkopen.revision r, gkopen.submission s where {of_source} and r.state = 'frozen'"
        " order by r.created_at", source=f"source:{source.name}", d=dataset_id)]
