"""`/open/`: every published table in every form, for people, for machines, for downloads.

A file's address keeps working: what was withdrawn answers 410 with the public reason.
"""

from __future__ import annotations

from ckan.plugins import toolkit
from flask import Blueprint, Response

from ckanext.gkopen import model
from ckanext.gkopen.domains import domains
from ckanext.gkopen.publish import behind, listing
from ckanext.gkopen.publish.forms.make import FORMS
from ckanext.gkopen.views.download import cached, replaced, said, send

blueprint = Blueprint("gkopen_open", __name__)

FIRST, PER_PAGE = 20, 100
"""Datasets of a domain, where all domains are shown and where it is the only one."""


@blueprint.get("/open/", endpoint="index")
def index() -> str:
    """The page for people: every domain with its first datasets, or all of one, page by page."""
    domain, cursor = toolkit.request.args.get("domain"), None
    if not domain:
        tables = listing.first(FIRST)
    elif domain in domains():
        tables, cursor = listing.of_domain(domain, toolkit.request.args.get("cursor", ""), PER_PAGE)
    else:
        toolkit.abort(404)
    return toolkit.render("gkopen/open/index.html", {"tables": tables, "cursor": cursor, "only": domain})


@blueprint.get("/open/index.json", endpoint="index_json")
def index_json() -> Response:
    """The same for machines: what each table is, its columns, and address, size, sha256 and time of each file."""
    site = toolkit.config["ckan.site_url"].rstrip("/")
    said_of_all = {"site": site, "tables": listing.tables()}
    return cached(toolkit.h.dump_json(said_of_all, ensure_ascii=False), "application/json")


@blueprint.get("/open/<file>", endpoint="table")
def table(file: str) -> Response:
    """One table over all bodies: `procurement.csv`."""
    domain, _, form = file.partition(".")
    return _file(domain, file, form)


@blueprint.get("/open/<domain>/<file>", endpoint="dataset")
def dataset(domain: str, file: str) -> Response:
    """One dataset's table: `procurement/nantong-czj-procurement.excel.csv`."""
    return _file(domain, f"{domain}/{file}", file.partition(".")[2])


def _file(domain: str, address: str, form: str) -> Response:
    if domain not in domains():
        return said(404, f"没有名为 {domain} 的领域，可用：{'、'.join(domains())}。",
                     f"There is no domain {domain}; use one of: {', '.join(domains())}.")
    if form not in FORMS:
        return said(404, f"没有 .{form} 这种格式，可用：{'、'.join(FORMS)}。",
                     f"There is no form .{form}; use one of: {', '.join(FORMS)}.")
    row = model.one("select f.address, f.dataset_id, f.domain, f.form, f.sha256, f.size, f.media_type, f.variants,"
                    " f.updated_at, d.state = 'withdrawn' as withdrawn, coalesce(d.reason, f.reason, '') as reason"
                    " from gkopen.file f left join gkopen.dataset d on d.id = f.dataset_id where f.address = :address",
                    address=address)
    if row is None:
        return said(404, "这里没有已发布的数据；全部数据见 /open/。",
                     "Nothing is published here; /open/ lists everything that is.")
    if row["sha256"] is None or row["withdrawn"]:
        return said(410, f"该数据已撤回。{row['reason']}", f"These data were withdrawn. {row['reason']}")
    return replaced() if behind.file_is(row) else send(row)
