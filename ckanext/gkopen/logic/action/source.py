"""Sources of harvests and their runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import bodies, clock, model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.harvest import breaker, ledger, progress, report
from ckanext.gkopen.harvesters.source import load_source
from ckanext.gkopen.logic import paging
from ckanext.gkopen.logic.action.common import OVERTAKEN, need, speaking, user_of, visible_names, visible_run
from ckanext.gkopen.logic.action.report import files_of_run, keeps_rows, severities_of_run
from ckanext.gkopen.oversight import health
from ckanext.gkopen.review import roles


@toolkit.side_effect_free
def gkopen_source_list(context: Any, data_dict: Any) -> dict[str, Any]:
    """Sources of the bodies that the caller may see, with their health. :param cursor: :param limit:"""
    names = visible_names(context)
    listed = _listed(
        context, data_dict,
        "select s.*, r.id as last_run, coalesce(r.decision, r.state) as last_state,"
        " r.finished_at as last_finished, r.counts as last_counts,"
        " r.error as last_error from gkopen.source s left join lateral (select * from gkopen.run r"
        " where r.source_id = s.id and not r.dry_run order by r.queued_at desc limit 1) r on true"
        " where (:all or s.organization = any(:names)) and (cast(:after_name as text) is null or s.name > :after_name)"
        " order by s.name limit :limit", {"name": str},
        lambda row: _source(row, names))
    _with_breakers(listed["results"])
    return listed


@toolkit.side_effect_free
def gkopen_source_show(context: Any, data_dict: Any) -> dict[str, Any]:
    """One source with its settings (the secret's name, never the secret). :param id: name or id"""
    with speaking():
        return _told(_own(context, data_dict, "gkopen_see"))


def gkopen_source_create(context: Any, data_dict: Any) -> dict[str, Any]:
    """Add a source. :param source: the text of a source file (interface.md)"""
    return _save(context, data_dict, replace=False)


def gkopen_source_update(context: Any, data_dict: Any) -> dict[str, Any]:
    """Change a source of the same name. :param source: the text of a source file"""
    return _save(context, data_dict, replace=True)


def gkopen_source_pause(context: Any, data_dict: Any) -> dict[str, Any]:
    """Let the schedule leave a source alone. :param id: name or id"""
    return _set_state(context, data_dict, "paused")


def gkopen_source_resume(context: Any, data_dict: Any) -> dict[str, Any]:
    """Take a source back into the schedule. :param id: name or id"""
    return _set_state(context, data_dict, "active")


def gkopen_run_create(context: Any, data_dict: Any) -> dict[str, Any]:
    """Queue a run now; while one is open, that one is the answer. :param source: name or id :param dry_run:"""
    toolkit.check_access("gkopen_desk", context, {})
    need(data_dict, "source")
    with speaking():
        source = _own(context, {"id": data_dict["source"]}, "gkopen_submit")
        try:
            run_id = ledger.enqueue(source, "manual", user_of(context),
                                    dry_run=toolkit.asbool(data_dict.get("dry_run")))
        except ledger.OtherRunOpen as error:
            raise toolkit.ValidationError({"source": [toolkit._(
                "Another kind of run (a trial, or a real one) of this source is open: wait for it, or cancel it: {run}."
            ).format(run=error.run_id)]}) from error
        ckan_model.Session.commit()
    return {"id": run_id, "source": source["name"]}


@toolkit.side_effect_free
def gkopen_run_list(context: Any, data_dict: Any) -> dict[str, Any]:
    """Runs, newest first. :param source: name or id :param state: also released, discarded or accepted, of those that
    were held or stopped and decided; held and stopped are those that nobody decided on and no later run `overtaken`
    :param cursor: :param limit:"""
    names = visible_names(context)
    return _listed(
        context, data_dict,
        f"select r.*, {OVERTAKEN} as overtaken, s.name as source, s.config->'title' as source_title, s.organization,"
        " s.domain from gkopen.run r join gkopen.source s on s.id = r.source_id"
        " where (:all or s.organization = any(:names))"
        " and (cast(:source as text) is null or :source in (s.name, cast(s.id as text)))"
        f" and (cast(:state as text) is null or coalesce(r.decision, r.state) = :state and not {OVERTAKEN})"
        " and (cast(:after_queued_at as timestamptz) is null or"
        " (r.queued_at, r.id) < (cast(:after_queued_at as timestamptz), cast(:after_id as uuid)))"
        " order by r.queued_at desc, r.id desc limit :limit",
        {"queued_at": paging.moment, "id": UUID}, lambda row: _run(row, names),
        source=data_dict.get("source"), state=data_dict.get("state"))


@toolkit.side_effect_free
def gkopen_run_show(context: Any, data_dict: Any) -> dict[str, Any]:
    """One run with its report, or how far it has come; of a source of many bodies, what is of the caller's.

    `waiting`: its revisions that wait for review now; `severities`: rule → the worst severity of its findings that are
    kept; `rows_kept`: whether rows that it set aside are (of runs that change nothing only the newest has them);
    `again`: whether its source is tried again by itself (`state`: again, paused) and when (`at`), None of a run that
    has a later one; `files`: rule → the dropped files (`file`, `number`) in which its findings are that are kept.
    :param id:
    """
    row, names = visible_run(context, data_dict), visible_names(context)
    whole = names is None or row["organization_column"] is None
    return _run(row, names) | {"progress": progress.shown(row, whole=whole), "waiting": _waiting(row, context),
                               "severities": severities_of_run(context, row["id"]),
                               "rows_kept": keeps_rows(context, row["id"]), "again": _again(row),
                               "files": files_of_run(context, row)}


def _again(run: dict[str, Any]) -> dict[str, Any] | None:
    """Whether the source of a run is tried again by itself; None where a later run was."""
    found = model.one(
        "select s.state, case when s.next_run_at > now() then s.next_run_at end as at from gkopen.source s"
        " where s.id = :source and not exists (select 1 from gkopen.run r where r.source_id = s.id and not r.dry_run"
        " and r.queued_at > :queued)", source=run["source_id"], queued=run["queued_at"])
    return found and {"state": "paused" if found["state"] == "paused" else "again",
                      "at": found["at"].isoformat() if found["at"] and found["state"] != "paused" else None}


def _waiting(run: dict[str, Any], context: Any) -> int:
    """How many revisions of a run wait for review now."""
    return model.value(
        "select count(*) from gkopen.revision r join gkopen.submission s on s.id = r.submission_id"
        " join gkopen.dataset d on d.id = r.dataset_id where s.run_id = :run and r.state = 'held'"
        " and (:all or d.body_id = any(:visible))",
        run=run["id"], **roles.seen_by(user_of(context)))


def _save(context: Any, data_dict: Any, *, replace: bool) -> dict[str, Any]:
    if not roles.is_administrator(user_of(context)):
        raise toolkit.NotAuthorized(toolkit._("Sources are kept by the portal administrator."))
    with speaking():
        need(data_dict, "source")
        source = load_source(str(data_dict["source"]), str(data_dict.get("filename") or ""),
                             platform=data_dict.get("platform"))
        get_domain(source.domain)
        body = bodies.find(source.organization)
        for name in source.organizations if source.organizations != ["all"] else ():
            bodies.find(name)
        try:
            source_id = ledger.save_source(source, user_of(context), replace=replace)
        except ValueError as error:
            raise toolkit.ValidationError({"source": [str(error)]}) from error
        model.execute("update gkopen.source set organization = :name where id = :id", name=body["name"], id=source_id)
        ckan_model.Session.commit()
        return _told(ledger.find_source(source_id))


def _set_state(context: Any, data_dict: Any, state: str) -> dict[str, Any]:
    with speaking():
        source = _own(context, data_dict, "gkopen_submit")
        ledger.set_state(source["name"], state)
        if state == "active":
            breaker.forget(source["name"])
        ckan_model.Session.commit()
        return _told(ledger.find_source(source["name"]))


def _own(context: Any, data_dict: Any, auth: str) -> dict[str, Any]:
    """The source, if the caller may; to whoever may not even see it, it does not exist, and neither do its names."""
    toolkit.check_access("gkopen_desk", context, {})
    need(data_dict, "id")
    names = visible_names(context)
    missing = toolkit.ObjectNotFound(toolkit._(
        "There is no source {id} that you may see: gkopen_source_list (gkopen source list) names them all.").format(
            id=data_dict["id"]))
    try:
        source = ledger.find_source(str(data_dict["id"]))
    except ledger.UnknownSource as error:
        raise missing from error
    if names is not None and source["organization"] not in names:
        raise missing
    toolkit.check_access(auth, context, {"body_id": bodies.find(source["organization"])["id"]})
    return source


def _listed(context: Any, data_dict: Any, sql: str, place: dict[str, Any],
            show: Callable[[dict[str, Any]], dict[str, Any]], **params: Any) -> dict[str, Any]:
    """A page of what belongs to the bodies that the caller may see: all of them (`:all`), or those of `:names`."""
    toolkit.check_access("gkopen_desk", context, {})
    names = visible_names(context)
    return paging.listed(data_dict, sql, place, show, all=names is None, names=sorted(names or ()), **params)


def _told(row: dict[str, Any]) -> dict[str, Any]:
    result = _source(row)
    _with_breakers([result])
    return result


def _with_breakers(sources: list[dict[str, Any]]) -> None:
    """What rests, for all of them in one query."""
    found = breaker.health({one["name"]: urlsplit(one["config"].get("url") or "").netloc for one in sources})
    for one in sources:
        one["breakers"] = [{**each, "open_until": clock.told(each["open_until"])} for each in found[one["name"]]]


def _source(row: dict[str, Any], names: set[str] | None = None) -> dict[str, Any]:
    result = {key: row[key] for key in ("name", "domain", "organization", "config", "state", "failures")}
    result |= {"id": str(row["id"])}
    for key in ("next_run_at", "last_good_at", "created_at", "last_finished"):
        result[key] = clock.told(row.get(key))
    result["health"] = health.of_source(row)
    result |= {"last_run": str(row["last_run"]) if row.get("last_run") else None, "last_state": row.get("last_state"),
               "last_counts": report.seen_by(row["last_counts"], names) if row.get("last_counts") else None,
               "last_error": row.get("last_error")}
    return result


def _run(row: dict[str, Any], names: set[str] | None) -> dict[str, Any]:
    result = {key: row[key] for key in ("source", "source_title", "organization", "domain", "state", "trigger",
                                        "requested_by", "dry_run", "stages", "error", "cancel_by", "decision",
                                        "decided_by", "overtaken")}
    result |= {"id": str(row["id"]), "counts": report.seen_by(row["counts"], names)}
    for key in ("queued_at", "started_at", "finished_at", "decided_at"):
        result[key] = clock.told(row[key])
    return result
