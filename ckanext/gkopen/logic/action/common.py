"""What the actions share: turning our exceptions into CKAN's, and finding what a caller names."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from ckan import model as ckan_model
from ckan.plugins import toolkit
from ckan.types import ErrorDict

from ckanext.gkopen import blobs, bodies, model, pipeline
from ckanext.gkopen.domains import Domain, UnknownDomain, get_domain
from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvesters.lines import SourceError
from ckanext.gkopen.review import decide, roles

log = logging.getLogger(__name__)

FINDING_COUNTS = (
    "coalesce((select jsonb_object_agg(severity, n) from (select severity, count(*) as n from gkopen.finding f"
    " where f.revision_id = r.id group by severity) c), '{}') as findings")
"""A column of a query over `gkopen.revision r`: severity → number of its findings."""

_SEALED = ("select bool_and(gkopen.is_sealed(r.dataset_id, w.new_sha256)) from gkopen.revision_part w"
           " where w.revision_id = r.id and w.new_sha256 is not null and w.part {} '~metadata'")
WITHDRAWN = (f"r.state = 'published' and coalesce(({_SEALED.format('<>')}), ({_SEALED.format('=')}), false)"
             " as withdrawn")
"""A column of the same: whether all that a published revision brought was withdrawn later."""


STATE_WORDS = {"held": "waiting for review", "recalled": "taken back", "superseded": "replaced by a newer one",
               "stale": "overtaken", "frozen": "held for a decision", "stopped": "stopped: columns changed",
               "partly": "partly set aside", "released": "let through to review", "accepted": "columns accepted"}
"""States and decisions whose word is not their code. Msgids of templates/gkopen/parts/state.html."""


def need(data_dict: Mapping[str, Any], *names: str) -> None:
    """Raise ValidationError that names all missing values at once."""
    missing: ErrorDict = {name: [toolkit._("Missing value")] for name in names if data_dict.get(name) in (None, "")}
    if missing:
        raise toolkit.ValidationError(missing)


@contextmanager
def speaking() -> Iterator[None]:
    """Our exceptions become ValidationError, NotAuthorized or ObjectNotFound.

    Whatever ends the block early, CKAN's session is left clean: nothing of it is committed by who comes next.
    """
    try:
        yield
    except decide.Stale as error:
        ckan_model.Session.commit()                       # the comparison made anew is kept
        raise toolkit.ValidationError({"revision": [_say(error)], "stale": [error.revision_id or ""]}) from error
    except BaseException as error:
        ckan_model.Session.rollback()
        told = _told(error)
        if told is None:
            raise
        raise told from error


def _told(error: BaseException) -> Exception | None:
    """The exception of CKAN that says the same to a caller; None for one that is not ours."""
    match error:
        case decide.Refused():
            return toolkit.ValidationError({"revision": [_say(error)]})
        case blobs.Sealed():
            return toolkit.ValidationError({"revision": [toolkit._("This content was withdrawn and is sealed.")]})
        case bodies.InactiveBody():
            return toolkit.ValidationError({"organization": [toolkit._(
                "The body of this dataset was closed, so that nothing more of it is published: return what waits. What"
                " is public can be withdrawn.")]})
        case bodies.UnknownBody():
            return toolkit.ValidationError({"organization": [toolkit._(
                "Unknown body {name}: the portal administrator creates bodies first.").format(name=error.name)]})
        case UnknownDomain():
            return toolkit.ValidationError({"domain": [str(error)]})
        case pipeline.KeyReused():
            return toolkit.ValidationError({"idempotency_key": [toolkit._(
                "This key was used before with other content: choose a new one for new content.")]})
        case SourceError():
            return toolkit.ValidationError({"source": [str(error)]})
        case ledger.UnknownSource():
            return toolkit.ObjectNotFound(str(error))
    return None


def said(error: Exception) -> str:
    """Why one of several decisions was not taken, in the caller's language."""
    if isinstance(error, decide.Refused):
        return _say(error)
    told = _told(error) or error
    if isinstance(told, toolkit.ValidationError):
        return "; ".join(f"{field}: {words}" for field, words in told.error_summary.items())
    log.error("A revision could not be published", exc_info=error)
    return f"{type(error).__name__}: {error}"


def _say(error: decide.Refused) -> str:
    return toolkit._(error.message).format(**error.values | {
        name: state_named(error.values[name])["state"] for name in ("state", "decision") if error.values.get(name)})


def state_named(state: str | None) -> dict[str, str]:
    """`{state}` of a sentence: the word that pages have for the state of a revision or run."""
    return {"state": toolkit._(STATE_WORDS.get(state, state))} if state else {}


def domain_of(data_dict: Mapping[str, Any]) -> Domain:
    need(data_dict, "domain")
    return get_domain(str(data_dict["domain"]))


def user_of(context: Any) -> str:
    return context.get("user") or ""


def uuid_of(data_dict: Mapping[str, Any], missing: toolkit.ObjectNotFound, name: str = "id") -> str:
    """A UUID in the request; one that is none cannot exist: `missing` is raised."""
    need(data_dict, name)
    try:
        return str(UUID(str(data_dict[name])))
    except ValueError as error:
        raise missing from error


def visible_revision(context: Any, data_dict: Mapping[str, Any], name: str = "id") -> dict[str, Any]:
    """The revision with its dataset's name, domain and body, for whoever may see it; else as if it did not exist."""
    missing = toolkit.ObjectNotFound(toolkit._(
        "There is no revision {id} that you may see: gkopen_revision_list (gkopen review list) names them all.").format(
            id=data_dict.get(name)))
    revision_id = uuid_of(data_dict, missing, name)
    row = model.one(f"select r.*, d.name, d.domain, d.body_id, {FINDING_COUNTS}, {WITHDRAWN} from gkopen.revision r"
                    " join gkopen.dataset d on d.id = r.dataset_id where r.id = :id", id=revision_id)
    if row is None or not roles.may_see(user_of(context), row["body_id"]):
        toolkit.check_access("gkopen_desk", context, {})
        raise missing
    return row


OVERTAKEN = (
    "(r.decision is null and not r.dry_run and r.state in ('held', 'stopped')"
    " and exists (select 1 from gkopen.run n where n.source_id = r.source_id and n.epoch > r.epoch and not n.dry_run"
    " and n.state in ('done', 'partly', 'held'))"
    " and not exists (select 1 from jsonb_array_elements(coalesce(r.counts->'held', '[]')) as held join gkopen.revision"
    " f on f.id = cast(held.value->>'revision' as uuid) where f.state = 'frozen'))")
"""Of a run `r`: whether somebody would be asked to decide on it in vain, since a later run took its place. As
`harvest.holding` refuses it."""


def visible_run(context: Any, data_dict: Mapping[str, Any], name: str = "id") -> dict[str, Any]:
    """The run with its source's name, domain and body, for whoever may see them; else as if it did not exist."""
    missing = toolkit.ObjectNotFound(toolkit._(
        "There is no run {id} that you may see: gkopen_run_list (gkopen run list) names them all.").format(
            id=data_dict.get(name)))
    row = model.one(f"select r.*, {OVERTAKEN} as overtaken, s.name as source, s.organization, s.domain,"
                    " s.config->'title' as source_title, s.config->>'transport' as transport,"
                    " s.config->>'organization_column' as organization_column from gkopen.run r join gkopen.source s"
                    " on s.id = r.source_id where r.id = :id", id=uuid_of(data_dict, missing, name))
    names = visible_names(context)
    if row is None or (names is not None and row["organization"] not in names):
        toolkit.check_access("gkopen_desk", context, {})
        raise missing
    return row


def visible_names(context: Any) -> set[str] | None:
    """Names of the bodies whose held content the caller may see; None means all."""
    visible = roles.visible_bodies(user_of(context))
    return None if visible is None else {bodies.find(body)["name"] for body in visible}


def dataset_row(context: Any, name_or_id: str, auth: str) -> dict[str, Any]:
    """The dataset, for whoever passes the check `auth` for its body.

    One of which nothing was ever public does not exist for those who may not see its revisions.
    """
    row = model.one("select * from gkopen.dataset where name = :name or cast(id as text) = :name", name=name_or_id)
    if row is None or (row["seq"] == 0 and not roles.may_see(user_of(context), row["body_id"])):
        toolkit.check_access("gkopen_desk", context, {})
        raise toolkit.ObjectNotFound(toolkit._(
            "There is no dataset {id}: give the name at the end of its address, such as nantong-czj-procurement.")
            .format(id=name_or_id))
    toolkit.check_access(auth, context, {"body_id": row["body_id"]})
    return row
