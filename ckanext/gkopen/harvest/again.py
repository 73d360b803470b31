"""Tables that a source sends again as they were: what was made of them stands, and nothing is read or checked again.

A source of ten thousand bodies changes a hundred between two runs. The others cost a digest of their rows and a share
of a few statements.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ckanext.gkopen import clock, model
from ckanext.gkopen.pipeline import Outcome

# The last table of the source was the same and read alike, and what is public is what it asked for: it was published,
# or changed nothing at this publication. What was published after it was compared, in parts that it left alone, it may
# not have asked for. Rows that wait for their days of grace (tombstones) need a closer look.
_SAME = """
with last as (
  select s.* from unnest(cast(:datasets as uuid[])) as d (id) cross join lateral (
    select s.id, s.dataset_id, s.raw_sha256, s.options from gkopen.submission s
    where s.dataset_id = d.id and s.source = :source and s.kind = 'data' order by s.received_at desc limit 1) s)
select l.id, l.dataset_id, l.options -> 'outcome' as outcome, r.id as revision_id,
  r.rows_in, r.rows_ok, r.rows_quarantined, r.rows_duplicate
from last l
join unnest(cast(:datasets as uuid[]), cast(:fingerprints as text[])) now (dataset_id, sha256)
  on now.dataset_id = l.dataset_id and now.sha256 = l.raw_sha256
join gkopen.dataset d on d.id = l.dataset_id and d.state = 'published'
join gkopen.publication u on u.dataset_id = d.id and u.seq = d.seq
left join gkopen.revision r on r.id = u.revision_id and r.submission_id = l.id
  and r.summary @> jsonb_build_object('compared_at', d.seq - 1)
where l.options @> jsonb_build_object('read_by', cast(:read_by as text))
  and (r.id is not null or (l.options -> 'outcome' ->> 'state' = 'unchanged'
       and l.options @> jsonb_build_object('seq', d.seq)))
  and not exists (select 1 from gkopen.tombstone t where t.dataset_id = d.id and t.source = :source)
"""


def unchanged(run: Mapping[str, Any], source: str, read_by: str,
              fingerprints: Mapping[str, str]) -> dict[str, Outcome]:
    """Dataset → outcome, for those of which this table was the last one too and is what is public.

    `fingerprints`: dataset → sha256 of its rows as they came; `read_by`: how they are read (`pipeline.read_by`).
    Findings and rows that were set apart are listed under this run, and the submission says when it was seen. The
    caller commits.
    """
    rows = model.every(_SAME, source=source, read_by=read_by, datasets=list(fingerprints),
                       fingerprints=list(fingerprints.values()))
    if not rows:
        return {}
    # The first day of each month is kept: the ledger asks when in a period a table was there (oversight/ledger.py).
    day = clock.today().isoformat()
    model.execute("update gkopen.submission set options = options || jsonb_build_object('seen', jsonb_build_object("
                  "'run', cast(:run as text), 'at', now()), 'seen_in', jsonb_build_object(cast(:month as text),"
                  " cast(:day as text)) || coalesce(options -> 'seen_in', '{}')) where id = any(:ids)",
                  run=str(run["id"]), month=day[:7], day=day, ids=[row["id"] for row in rows])
    counts = _refer(run, [row["dataset_id"] for row in rows],
                    [row["revision_id"] for row in rows if row["revision_id"]])
    found = {}
    for row in rows:
        told, dataset = row if row["revision_id"] else row["outcome"], str(row["dataset_id"])
        found[dataset] = Outcome("unchanged", str(row["id"]), None, dataset, told["rows_in"], told["rows_ok"],
                                 told["rows_quarantined"], told["rows_duplicate"], counts.get(dataset, {}))
    return found


def _refer(run: Mapping[str, Any], datasets: list[Any], revisions: list[Any]) -> dict[str, dict[str, int]]:
    """Findings and rows set apart, of these revisions or of the source's runs before, under this run.

    Returns dataset → code → number. Only the newest run that changed nothing keeps them (`reports.of_run`).
    """
    own = ("t.revision_id is null and t.dataset_id = any(:datasets) and t.run_id in (select id from gkopen.run"
           " where source_id = :source)")
    of_revisions = "dataset_id in (select dataset_id from gkopen.revision where id = any(:revisions))"
    for table, columns, which in (
            ("finding", "submission_id, code, severity, line, field, label, value, params, sheet",
             # Nor what was told of one night: where, and how spelt, its rows were public then (moved.py, respelt.py).
             "and code not like 'meta\\_%' and code not in ('row-moved', 'key-respelt', 'rows-replaced')"),
            ("quarantine", "submission_id, kind, line, row", "")):
        model.execute(f"delete from gkopen.{table} t where {own} and {of_revisions}", datasets=datasets,
                      source=run["source_id"], revisions=revisions)
        model.execute(f"update gkopen.{table} t set run_id = :run where {own}", run=run["id"], datasets=datasets,
                      source=run["source_id"])
        model.execute(f"insert into gkopen.{table} (run_id, dataset_id, {columns}) select :run, dataset_id, {columns}"
                      f" from gkopen.{table} where revision_id = any(:revisions) {which} order by id",
                      run=run["id"], revisions=revisions)
    counts: dict[str, dict[str, int]] = {}
    for row in model.every("select dataset_id, code, count(*) as n from gkopen.finding where run_id = :run"
                           " and revision_id is null and dataset_id = any(:datasets) group by 1, 2",
                           run=run["id"], datasets=datasets):
        counts.setdefault(str(row["dataset_id"]), {})[row["code"]] = row["n"]
    return counts
