"""What was found, and the rows that were set apart: of one revision, or of all that a run fetched."""

from __future__ import annotations

from typing import Any

from ckan.plugins import toolkit

from ckanext.gkopen import bodies, model
from ckanext.gkopen.logic import paging
from ckanext.gkopen.logic.action.common import need, user_of, visible_revision, visible_run
from ckanext.gkopen.logic.action.submission import described
from ckanext.gkopen.oversight.corrections import in_order, shown_row
from ckanext.gkopen.records import Finding
from ckanext.gkopen.review import roles

FINDINGS = 200
"""On one page, where the caller does not say how many."""
_OWN = " and (:all or t.dataset_id is null or d.body_id = any(:visible))"
"""A run may hold rows of many bodies: those of others are left out, those of a body that is not known are shown."""
_OF = " left join gkopen.dataset d on d.id = t.dataset_id left join gkopen.submission s on s.id = t.submission_id"


@toolkit.side_effect_free
def gkopen_finding_list(context: Any, data_dict: Any) -> dict[str, Any]:
    """All findings of a revision or of a run, in order; each of a run names its body and, of dropped files, its file.

    :param revision: or :param run: id :param cursor: :param limit:
    :param each: of a revision, only the first so many of each rule, all at once; each with the `number` of all of them
    """
    if not data_dict.get("run"):
        if data_dict.get("each"):
            return {"results": _of_each_rule(str(visible_revision(context, data_dict, "revision")["id"]),
                                             paging.limit({"limit": data_dict["each"]}, FINDINGS)), "cursor": None}
        return findings_of_revision(str(visible_revision(context, data_dict, "revision")["id"]), data_dict)
    run = visible_run(context, data_dict, "run")
    titles = bodies.titles()
    return paging.listed(
        data_dict, f"select t.*, d.body_id, s.filename from gkopen.finding t{_OF}"
        f" where t.run_id = :run{_OWN} and (cast(:after_id as bigint) is null or t.id > :after_id)"
        " order by t.id limit :limit",
        {"id": paging.number}, lambda row: _finding(row) | {
            "body": titles.get(row["body_id"], ""), "file": _file(run, row),
            "revision": str(row["revision_id"] or "") or None},
        default=FINDINGS, run=run["id"], **roles.seen_by(user_of(context)))


@toolkit.side_effect_free
def gkopen_revision_quarantine(context: Any, data_dict: Any) -> dict[str, Any]:
    """Rows of a revision that wait because of their findings, in line order; personal data in them is hidden.

    :param id: :param code: only rows with a finding of this rule :param cursor: :param limit:
    """
    row = visible_revision(context, data_dict)
    answer = paging.listed(
        data_dict, "select id, line, kind, row from gkopen.quarantine where revision_id = :revision"
        " and (cast(:after_line as bigint) is null or (line, id) > (cast(:after_line as bigint),"
        " cast(:after_id as bigint)))"
        " and (cast(:code as text) is null or exists (select 1 from gkopen.finding f where f.revision_id = :revision"
        " and f.line = quarantine.line and f.code = :code))"
        " order by line, id limit :limit", {"line": paging.number, "id": paging.number}, dict, revision=row["id"],
        code=data_dict.get("code") or None)
    found = model.every("select * from gkopen.finding where revision_id = :id and line = any(:lines) order by id",
                        id=row["id"], lines=[entry["line"] for entry in answer["results"]])
    for entry in answer["results"]:
        del entry["id"]
        entry["findings"] = [_finding(f) for f in found if f["line"] == entry["line"]]
        entry["row"] = shown_row(in_order(entry["row"], row["header"]), entry["findings"])
    return answer


@toolkit.side_effect_free
def gkopen_run_quarantine(context: Any, data_dict: Any) -> dict[str, Any]:
    """Rows that a run set apart, whatever became of its tables: body, file (of dropped ones), line, kind, row (personal
    data in it is hidden), their findings and the codes of these.

    Of the runs of a source that changed nothing only the newest still has them.

    :param id: :param code: only rows with a finding of this rule :param cursor: :param limit:
    """
    need(data_dict, "id")
    run = visible_run(context, data_dict)
    titles = bodies.titles()

    def shown(row: dict[str, Any]) -> dict[str, Any]:
        return {"body": titles.get(row["body_id"], ""), "file": _file(run, row)} | {
            name: row[name] for name in ("line", "kind", "row", "dataset_id", "submission_id", "header")}

    answer = paging.listed(
        data_dict, f"select t.*, d.body_id, d.header, s.filename from gkopen.quarantine t{_OF}"
        f" where t.run_id = :run{_OWN} and (cast(:after_id as bigint) is null or t.id > :after_id)"
        " and (cast(:code as text) is null or exists (select 1 from gkopen.finding f where f.run_id = t.run_id"
        " and f.line = t.line and f.dataset_id is not distinct from t.dataset_id"
        " and f.submission_id is not distinct from t.submission_id and f.code = :code))"
        " order by t.id limit :limit", {"id": paging.number}, shown, default=FINDINGS, run=run["id"],
        code=data_dict.get("code") or None, **roles.seen_by(user_of(context)))
    found: dict[tuple[Any, Any, int], list[dict[str, Any]]] = {}
    for finding in model.every("select * from gkopen.finding where run_id = :run and line = any(:lines) order by id",
                               run=run["id"], lines=[entry["line"] for entry in answer["results"]]):
        of = finding["dataset_id"], finding["submission_id"], finding["line"]
        found.setdefault(of, []).append(_finding(finding))
    for entry in answer["results"]:
        entry["findings"] = found.get((entry.pop("dataset_id"), entry.pop("submission_id"), entry["line"]), [])
        entry["codes"] = sorted({finding["code"] for finding in entry["findings"]})
        entry["row"] = shown_row(in_order(entry["row"], entry.pop("header")), entry["findings"])
    return answer


def _of_each_rule(revision_id: str, shown: int) -> list[dict[str, Any]]:
    """The first findings of each rule and severity of a revision, with the `number` that there are."""
    return [_finding(row) | {"number": row["number"]} for row in model.every(
        "select * from (select f.*, count(*) over rule as number, row_number() over (rule order by id) as place"
        " from gkopen.finding f where revision_id = :revision window rule as (partition by code, severity)) as numbered"
        " where place <= :shown order by id", revision=revision_id, shown=shown)]


def severities_of_run(context: Any, run_id: Any) -> dict[str, str]:
    """Code → the worst severity of its findings that are kept of a run, of bodies that the caller may see."""
    return {row["code"]: row["severity"] for row in model.every(
        f"select distinct on (t.code) t.code, t.severity from gkopen.finding t{_OF} where t.run_id = :run{_OWN}"
        " order by t.code, array_position(array['error', 'warning', 'info'], t.severity)", run=run_id,
        **roles.seen_by(user_of(context)))}


def files_of_run(context: Any, run: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Code → the dropped files (`file`, `number`) in which its findings are that are kept, those with the most first;
    nothing of tables that were fetched, which are no files."""
    found: dict[str, list[dict[str, Any]]] = {}
    if run["transport"] == "filedrop":
        for row in model.every(
                "select t.code, coalesce(s.filename, t.params ->> 'name') as file, count(*) as number"
                f" from gkopen.finding t{_OF} where t.run_id = :run{_OWN}"
                " and coalesce(s.filename, t.params ->> 'name') is not null"
                " group by 1, 2 order by number desc, file", run=run["id"], **roles.seen_by(user_of(context))):
            found.setdefault(row["code"], []).append({"file": row["file"], "number": row["number"]})
    return found


def keeps_rows(context: Any, run_id: Any) -> bool:
    """Whether rows that a run set aside are kept, of bodies that the caller may see."""
    return model.value(f"select exists (select 1 from gkopen.quarantine t{_OF} where t.run_id = :run{_OWN})",
                       run=run_id, **roles.seen_by(user_of(context)))


def findings_of_revision(revision_id: str, data_dict: Any) -> dict[str, Any]:
    """One page of the findings of a revision that the caller may see."""
    return paging.listed(
        data_dict, "select * from gkopen.finding where revision_id = :revision"
        " and (cast(:after_id as bigint) is null or id > :after_id) order by id limit :limit",
        {"id": paging.number}, _finding, default=FINDINGS, revision=revision_id)


def _file(run: dict[str, Any], row: dict[str, Any]) -> str | None:
    """The name of the dropped file; a table that was fetched has none."""
    return row["filename"] if run["transport"] == "filedrop" else None


def _finding(row: dict[str, Any]) -> dict[str, Any]:
    return described(Finding(row["code"], row["severity"], row["line"], row["field"], row["label"], row["value"],
                             row["params"], row["sheet"]))
