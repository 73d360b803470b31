"""What people do with runs: stop one, and decide on one that was held or that stopped at changed columns."""

from __future__ import annotations

from typing import Any

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import bodies
from ckanext.gkopen.harvest import holding, ledger
from ckanext.gkopen.logic.action.common import speaking, state_named, user_of, visible_run


def gkopen_run_cancel(context: Any, data_dict: Any) -> dict[str, Any]:
    """Stop a run: a queued one at once, a running one at its next page or table. :param id:"""
    run = _own(context, data_dict, "gkopen_submit")
    with speaking():
        try:
            ended = ledger.cancel(run, user_of(context))
        except ledger.NotOpen as error:
            state = state_named("frozen" if error.state == "held" else error.state)
            raise toolkit.ValidationError({"id": [toolkit._(
                "This run has ended already: it is {state}.").format(**state)]}) from error
        ckan_model.Session.commit()
    return {"id": run, "state": "cancelled" if ended else "running", "cancelled": ended}


def gkopen_run_release(context: Any, data_dict: Any) -> dict[str, Any]:
    """Let what a run holds through to review, removals included. :param id:"""
    run = _own(context, data_dict, "gkopen_see")
    with speaking():
        revisions = holding.release(run, user_of(context))
        ckan_model.Session.commit()
    return {"id": run, "revisions": revisions}


def gkopen_run_discard(context: Any, data_dict: Any) -> dict[str, Any]:
    """Drop what a run holds; what is public stays as it is. :param id:"""
    run = _own(context, data_dict, "gkopen_see")
    with speaking():
        holding.discard(run, user_of(context))
        ckan_model.Session.commit()
    return {"id": run}


def gkopen_run_accept(context: Any, data_dict: Any) -> dict[str, Any]:
    """Take the columns at which a run stopped as the source's new ones; names are mapped as proposed. :param id:"""
    run = _own(context, data_dict, "gkopen_submit")
    with speaking():
        mapping = holding.accept(run, user_of(context))
        ckan_model.Session.commit()
    return {"id": run, "mapping": mapping}


def _own(context: Any, data_dict: Any, auth: str) -> str:
    """The id of a run, for whoever passes the check `auth` for its source's body and for each body that it holds."""
    toolkit.check_access("gkopen_desk", context, {})
    row = visible_run(context, data_dict)
    names = {row["organization"], *(entry["body"] for entry in row["counts"].get("held", []))}
    for name in sorted(names):
        toolkit.check_access(auth, context, {"body_id": bodies.find(name)["id"]})
    return str(row["id"])
