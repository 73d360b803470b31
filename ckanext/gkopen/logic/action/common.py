"""What the actions share: turning our exceptions into CKAN's, and finding what a caller names."""

from __future__ import annotations

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
from ckanext.gkopen.review import decide


def need(data_dict: Mapping[str, Any], *names: str) -> None:
    """Raise ValidationError that names all missing values at once."""
    missing: ErrorDict = {name: [toolkit._("Missing value")] for name in names if data_dict.get(name) in (None, "")}
    if missing:
        raise toolkit.ValidationError(missing)


@contextmanager
def speaking() -> Iterator[None]:
    """Our exceptions become ValidationError, NotAuthorized or ObjectNotFound; the transaction is rolled back."""
    try:
        yield
    except decide.Stale as error:
        ckan_model.Session.commit()                       # the comparison made anew is kept
        raise toolkit.ValidationError({"revision": [_say(error)], "stale": [error.revision_id or ""]}) from error
    except decide.Refused as error:
        ckan_model.Session.rollback()
        raise toolkit.ValidationError({"revision": [_say(error)]}) from error
    except blobs.Sealed as error:
        ckan_model.Session.rollback()
        raise toolkit.ValidationError({"revision": [toolkit._("This content was withdrawn and is sealed.")]}) from error
    except bodies.UnknownBody as error:
        ckan_model.Session.rollback()
        raise toolkit.ValidationError({"organization": [toolkit._(
            "Unknown body {name}: the portal administrator creates bodies first.").format(name=error.name)]}) from error
    except UnknownDomain as error:
        ckan_model.Session.rollback()
        raise toolkit.ValidationError({"domain": [str(error)]}) from error
    except pipeline.KeyReused as error:
        ckan_model.Session.rollback()
        raise toolkit.ValidationError({"idempotency_key": [toolkit._(
            "This key was used before with other content: choose a new one for new content.")]}) from error
    except SourceError as error:
        ckan_model.Session.rollback()
        raise toolkit.ValidationError({"source": [str(error)]}) from error
    except ledger.UnknownSource as error:
        raise toolkit.ObjectNotFound(str(error)) from error


def _say(error: decide.Refused) -> str:
    return toolkit._(error.message).format(**error.values)


def domain_of(data_dict: Mapping[str, Any]) -> Domain:
    need(data_dict, "domain")
    return get_domain(str(data_dict["domain"]))


def user_of(context: Any) -> str:
    return context.get("user") or ""


def uuid_of(data_dict: Mapping[str, Any], name: str = "id") -> str:
    """A UUID in the request; one that is none cannot exist."""
    need(data_dict, name)
    try:
        return str(UUID(str(data_dict[name])))
    except ValueError as error:
        raise toolkit.ObjectNotFound(toolkit._("Not found")) from error


def dataset_row(name_or_id: str) -> dict[str, Any]:
    row = model.one("select * from gkopen.dataset where name = :name or cast(id as text) = :name", name=name_or_id)
    if row is None:
        raise toolkit.ObjectNotFound(toolkit._("Not found"))
    return row
