"""`/open/`: every published table in every form, for people, for machines, for downloads.

A file's address keeps working: its ETag is the sha256 of its bytes, ranges and conditions are honoured, and what was
withdrawn answers 410 with the public reason. No answer with data sets a cookie, so that caches may keep it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ckan.lib import files as storages
from ckan.plugins import toolkit
from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wsgi import wrap_file

from ckanext.gkopen import blobs, ids, model
from ckanext.gkopen.derive.dictionary import dictionary_rows
from ckanext.gkopen.domains import Domain, domains
from ckanext.gkopen.publish.files import FORMS, STORAGE
from ckanext.gkopen.publish.table_sql import SYSTEM_COLUMNS

blueprint = Blueprint("gkopen_open", __name__)

CACHE = "public, max-age=60, must-revalidate"
"""Not longer: a withdrawal has to reach every cache within a minute."""


class Cacheable(Response):
    """The same for everyone. CKAN sets its own caching, and the session its cookie, after the view has answered."""

    def get_wsgi_headers(self, environ: Any) -> Any:
        headers = super().get_wsgi_headers(environ)
        headers["Cache-Control"] = CACHE
        for name in ("Set-Cookie", "Vary"):
            headers.remove(name)
        return headers


@blueprint.get("/open/", endpoint="index")
def index() -> str:
    """The page for people."""
    return toolkit.render("gkopen/open/index.html", {"tables": _tables(), "forms": list(FORMS)})


@blueprint.get("/open/index.json", endpoint="index_json")
def index_json() -> Response:
    """The same for machines: what each table is, its columns, and address, size, sha256 and time of each file."""
    site = toolkit.config["ckan.site_url"].rstrip("/")
    return _cached(toolkit.h.dump_json({"site": site, "tables": _tables()}, ensure_ascii=False), "application/json")


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
        return _said(404, f"没有名为 {domain} 的领域，可用：{'、'.join(domains())}。",
                     f"There is no domain {domain}; use one of: {', '.join(domains())}.")
    if form not in FORMS:
        return _said(404, f"没有 .{form} 这种格式，可用：{'、'.join(FORMS)}。",
                     f"There is no form .{form}; use one of: {', '.join(FORMS)}.")
    row = model.one("select * from gkopen.file where address = :address", address=address)
    if row is None:
        return _said(404, "这里没有已发布的数据；全部数据见 /open/。",
                     "Nothing is published here; /open/ lists everything that is.")
    if row["sha256"] is None:
        reason = row["reason"] or ""
        return _said(410, f"该数据已撤回。{reason}", f"These data were withdrawn. {reason}")
    return _bytes(row)


def _bytes(row: Mapping[str, Any]) -> Response:
    storage = storages.get_storage(STORAGE)
    held = storages.FileData(storage.prepare_location(blobs.location(row["sha256"])), size=row["size"])
    content: Any = wrap_file(request.environ, storage.stream(held), 1 << 18)  # type: ignore[arg-type]
    response = Cacheable(content, direct_passthrough=True)
    response.headers["Content-Type"] = row["media_type"]
    response.content_length = row["size"]
    response.set_etag(row["sha256"])
    response.last_modified = row["updated_at"]
    _protect(response)
    response.headers["Content-Disposition"] = _disposition(row)
    try:
        response.make_conditional(request, accept_ranges=True, complete_length=row["size"])
    except RequestedRangeNotSatisfiable:
        response.close()
        response = _said(416, "所请求的范围超出文件大小。", f"The range lies outside the file's {row['size']} bytes.")
        response.headers["Content-Range"] = f"bytes */{row['size']}"
    return response


def _disposition(row: Mapping[str, Any]) -> str:
    """An ASCII name for everyone, and the Chinese title for browsers (RFC 6266, RFC 5987)."""
    title = domains()[row["domain"]].title.zh
    if row["dataset_id"]:
        title = model.value("select title from public.package where id = :id", id=str(row["dataset_id"])) or title
    plain = row["address"].rsplit("/", 1)[-1]
    named = quote(f"{title}.{row['form']}", safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{named}"


def _said(status: int, chinese: str, english: str) -> Response:
    return _cached(f"{chinese}\n{english}\n", "text/plain", status)


def _cached(text: str, media_type: str, status: int = 200) -> Response:
    response = Cacheable(text, status, content_type=f"{media_type}; charset=utf-8")
    _protect(response)
    if status == 200:
        response.add_etag()
        response.make_conditional(request)
    return response


def _protect(response: Response) -> None:
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Access-Control-Allow-Origin"] = "*"


def _tables() -> list[dict[str, Any]]:
    """One entry a domain that has files: the table over all bodies, then the datasets of single bodies."""
    rows = model.every(
        "select f.address, f.form, f.sha256, f.size, f.media_type, f.rows, f.updated_at, f.domain,"
        " f.dataset_id::text as dataset_id, p.name, p.title, p.license_id, g.title as publisher"
        " from gkopen.file f left join gkopen.dataset d on d.id = f.dataset_id"
        " left join public.package p on p.id = coalesce(f.dataset_id::text, :none)"
        " left join public.\"group\" g on g.id = d.body_id where f.sha256 is not null"
        " and f.form = any(:forms) order by f.address", none="", forms=list(FORMS))
    order = list(FORMS)
    rows.sort(key=lambda row: order.index(row["form"]))
    tables = []
    for domain in domains().values():
        own = [row for row in rows if row["domain"] == domain.name]
        if not own:
            continue
        datasets: dict[str, dict[str, Any]] = {}
        for row in own:
            if row["dataset_id"]:
                entry = datasets.setdefault(row["dataset_id"], {
                    "id": row["dataset_id"], "name": row["name"], "title": row["title"],
                    "publisher": row["publisher"], "licence": row["license_id"], "rows": row["rows"],
                    "resource_id": ids.resource_id(row["dataset_id"]), "files": []})
                entry["files"].append(_listed(row))
        whole = [_listed(row) for row in own if not row["dataset_id"]]
        tables.append({
            "name": domain.name, "title": {"zh": domain.title.zh, "en": domain.title.en},
            "description": {"zh": domain.description.zh, "en": domain.description.en},
            "rows": whole[0]["rows"] if whole else sum(entry["rows"] for entry in datasets.values()),
            "resource_id": ids.table_id(domain.name), "columns": _columns(domain), "files": whole,
            "datasets": sorted(datasets.values(), key=lambda entry: entry["name"] or ""),
        })
    return tables


def _listed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"form": row["form"], "url": f"/open/{row['address']}", "media_type": row["media_type"],
            "size": row["size"], "sha256": row["sha256"], "rows": row["rows"],
            "updated": row["updated_at"].isoformat(timespec="seconds")}


def _columns(domain: Domain) -> list[dict[str, Any]]:
    system = [{"name": name, "title": title.zh, "title_en": title.en, "type": "text", "unit": ""}
              for name, title in SYSTEM_COLUMNS.items()]
    described = zip(dictionary_rows(domain, "zh"), domain.fields, strict=True)
    return system + [{"name": row["name"], "title": row["title"], "title_en": field.title.en, "type": field.pg_type,
                      "unit": row["unit"]} for row, field in described]
