"""Standing approvals (常设批准): given, listed and revoked by those who review the body."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import bodies, clock, model
from ckanext.gkopen.checks.catalogue import catalogue, render
from ckanext.gkopen.domains import domains
from ckanext.gkopen.logic import language, paging
from ckanext.gkopen.logic.action.common import dataset_row, need, speaking, user_of, uuid_of
from ckanext.gkopen.oversight import standing
from ckanext.gkopen.records import Finding
from ckanext.gkopen.review import roles


def gkopen_standing_grant(context: Any, data_dict: Any) -> dict[str, Any]:
    """Approve routine data of a dataset in advance. :param dataset: name or id :param until: last day, within a year
    :param reason: why it is routine"""
    need(data_dict, "dataset", "until", "reason")
    with speaking():
        row = dataset_row(context, str(data_dict["dataset"]), "gkopen_review")
        try:
            until = date.fromisoformat(str(data_dict["until"]))
        except ValueError as error:
            raise toolkit.ValidationError({"until": [toolkit._("Give a day such as 2026-01-31.")]}) from error
        standing_id = standing.grant(row, user_of(context), until, str(data_dict["reason"]))
        ckan_model.Session.commit()
    return {"id": standing_id, "dataset": row["name"], "until": until.isoformat()}


@toolkit.side_effect_free
def gkopen_standing_list(context: Any, data_dict: Any) -> dict[str, Any]:
    """Standing approvals of the bodies that the caller may see, the newest first, with what was published under each
    and why the last revision was not. :param dataset: name or id :param cursor: :param limit:"""
    toolkit.check_access("gkopen_desk", context, {})
    titles = bodies.titles()
    return paging.listed(
        data_dict, "select s.*, d.name, d.domain, d.body_id, (select count(*) from gkopen.standing_use u"
        " where u.standing_id = s.id and u.published) as published,"
        " l.revision_id as declined, l.reasons, l.at as declined_at"
        " from gkopen.standing s join gkopen.dataset d on d.id = s.dataset_id"
        " left join lateral (select * from gkopen.standing_use u where u.standing_id = s.id and not u.published"
        " order by u.at desc limit 1) l on true"
        " where (:all or d.body_id = any(:visible))"
        " and (cast(:dataset as text) is null or :dataset in (d.name, cast(d.id as text)))"
        " and (cast(:after_id as uuid) is null or (s.granted_at, s.id) < (:after_granted_at, cast(:after_id as uuid)))"
        " order by s.granted_at desc, s.id desc limit :limit", {"granted_at": paging.moment, "id": paging.uuid},
        lambda row: _plain(row, titles), **roles.seen_by(user_of(context)),
        dataset=data_dict.get("dataset"))


def gkopen_standing_revoke(context: Any, data_dict: Any) -> dict[str, Any]:
    """End a standing approval now. :param id:"""
    missing = toolkit.ObjectNotFound(toolkit._(
        "There is no standing approval {id} that you may see: gkopen_standing_list names them all.").format(
            id=data_dict.get("id")))
    with speaking():
        standing_id = uuid_of(data_dict, missing)
        row = model.one("select d.* from gkopen.standing s join gkopen.dataset d on d.id = s.dataset_id"
                        " where s.id = :id", id=standing_id)
        if row is None or not roles.may_see(user_of(context), row["body_id"]):
            toolkit.check_access("gkopen_desk", context, {})
            raise missing
        toolkit.check_access("gkopen_review", context, {"body_id": row["body_id"]})
        standing.revoke(standing_id, user_of(context))
        ckan_model.Session.commit()
    return {"id": standing_id, "dataset": row["name"]}


def _plain(row: dict[str, Any], titles: dict[str, str]) -> dict[str, Any]:
    over = row["revoked_at"] is not None or row["ends_on"] < clock.today()
    return {"id": str(row["id"]), "dataset": row["name"], "domain": row["domain"],
            "organization": titles.get(row["body_id"], ""), "reason": row["reason"], "granted_by": row["granted_by"],
            "granted_at": clock.told(row["granted_at"]), "until": row["ends_on"].isoformat(),
            "revoked_by": row["revoked_by"], "revoked_at": clock.told(row["revoked_at"]), "active": not over,
            "void": not over and not roles.may_review(row["granted_by"], row["body_id"]),
            "published": row["published"],
            "declined": {"revision": str(row["declined"]), "at": clock.told(row["declined_at"]),
                         "reasons": [objection(reason, row["domain"]) for reason in row["reasons"]]}
            if row["declined"] else None}


def objection(reason: dict[str, Any], domain_name: str) -> str:
    """Why a revision was not routine, in the caller's language: rules and columns by their titles."""
    lang, domain, told = language.reader(), domains().get(domain_name), dict(reason)
    if "codes" in reason:
        known = catalogue()
        told["codes"] = ("、" if lang.startswith("zh") else ", ").join(
            render(Finding(code, "warning"), lang)["title"] if code in known else code
            for code in reason["codes"].split(", "))
    if "field" in reason and domain is not None and reason["field"] in domain.field_names:
        told["field"] = domain.field(reason["field"]).title.get(lang)
    told |= {side: f"{Decimal(reason[side]).normalize():,f}" for side in ("before", "after") if side in reason}
    sentence = standing.WORDS[reason["why"]]
    return toolkit._(sentence).format(**told)
