"""What changed and how it was: the change feed, its Atom form, and every published revision of a dataset as a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from ckan import model as ckan_model
from ckan.plugins import toolkit
from flask import Blueprint, Response, request, stream_with_context
from werkzeug.wsgi import wrap_file

from ckanext.gkopen import blobs, bodies, model
from ckanext.gkopen.clock import SHANGHAI
from ckanext.gkopen.domains import Domain, domains
from ckanext.gkopen.history import feed, files, publications
from ckanext.gkopen.logic.action.asked import limit_of
from ckanext.gkopen.logic.action.change import asked
from ckanext.gkopen.views import atom
from ckanext.gkopen.views.answers import asked_once, refused
from ckanext.gkopen.views.atom import add
from ckanext.gkopen.views.download import Cacheable, cached, conditional, protect, said

blueprint = Blueprint("gkopen_changes", __name__)
MOST_LINES = 1_000_000
MOST_ENTRIES = 200
KINDS = {"first": ("首次发布", "First publication"), "addition": ("新增", "Rows added"), "update": ("更新", "Update"),
         "correction": ("更正", "Correction"), "rollback": ("恢复到以前的版本", "Brought back to an earlier revision"),
         "withdrawal": ("撤回", "Withdrawal"), "metadata": ("说明信息更新", "Metadata")}


@blueprint.get("/open/changes.jsonl", endpoint="feed")
def change_feed() -> Response:
    """Every change behind `since` or `cursor`, a JSON object a line, each with the cursor that goes on after it.

    Without `limit` it ends with what is public now; with one, after so many lines.
    """
    try:
        args = asked_once()
        wanted, of = limit_of(args, 0, MOST_LINES), asked(args)
    except toolkit.ValidationError as error:
        return refused(error)
    until = feed.end()
    response = Cacheable(stream_with_context(_stream(of, until, wanted)), content_type="application/x-ndjson")
    protect(response)
    if not wanted:  # where the whole answer ends, for whoever gets no line
        response.headers["X-Gkopen-Cursor"] = str(max(until, of.place))
    return response


def _stream(of: Any, until: feed.Place, wanted: int) -> Iterator[bytes]:
    """A slow reader holds no transaction: it ends before each batch is sent."""
    left = wanted or None
    try:
        for batch in feed.lines(of.place, domain=of.domain, until=until, money_as_text=of.money_as_text,
                                most=wanted or feed.BATCH):
            ckan_model.Session.rollback()
            yield b"".join(batch[:left])
            if left is not None:
                left -= len(batch)
                if left <= 0:
                    return
    finally:
        ckan_model.Session.remove()


@blueprint.get("/open/changes.atom", endpoint="atom")
def publications_feed() -> Response:
    """Publications, newest first, for feed readers. `domain`, `limit`."""
    try:
        args = asked_once()
        wanted, of = limit_of(args, 50, MOST_ENTRIES), asked(args)
    except toolkit.ValidationError as error:
        return refused(error)
    rows = model.every(publications.PUBLICATION + " where (cast(:domain as text) is null or d.domain = :domain)"
                       " and f.position > :position order by f.position desc limit :limit",
                       domain=of.domain, position=of.place.position, limit=wanted)
    return cached(_atom(rows, of.domain), "application/atom+xml")


def _atom(rows: list[dict[str, Any]], domain: str | None) -> str:
    site, titles = toolkit.config["ckan.site_url"].rstrip("/"), bodies.titles()
    root = atom.feed()
    here = f"{site}/open/changes.atom" + (f"?domain={domain}" if domain else "")
    add(root, "id", here)
    add(root, "title", f"{toolkit.config['ckan.site_title']} · {domains()[domain].title.zh if domain else '数据变更'}")
    add(root, "updated", rows[0]["told_at"].astimezone(SHANGHAI).isoformat() if rows else "2026-01-01T00:00:00+08:00")
    add(root, "link", rel="self", href=here)
    add(root, "link", rel="alternate", type="application/x-ndjson", href=f"{site}/open/changes.jsonl")
    author = add(root, "author")
    add(author, "name", toolkit.config["ckan.site_title"])
    for row in rows:
        described, kind = domains().get(row["domain"]), publications.kind_of(row)
        body = titles.get(row["body_id"], "")
        subject = f"{body}{described.title.zh if described else row['domain']}"
        entry = add(root, "entry")
        add(entry, "id", f"{site}/dataset/{row['name']}#revision-{row['seq']}")
        add(entry, "title", f"{subject} 第{row['seq']}版：{KINDS[kind][0]}")
        add(entry, "updated", row["told_at"].astimezone(SHANGHAI).isoformat())
        add(entry, "link", rel="alternate", href=f"{site}/dataset/{row['name']}")
        add(entry, "category", term=kind, label=f"{KINDS[kind][0]} / {KINDS[kind][1]}")
        add(entry, "category", term=row["domain"])
        add(entry, "summary", _summary(row, kind))
    return atom.written(root)


def _summary(row: dict[str, Any], kind: str) -> str:
    """Counts, unless what they count was withdrawn; then, as for every withdrawal, the public reason."""
    if kind == "withdrawal" or row["touches_sealed"]:
        state = publications.state_of(row["dataset_id"], row["seq"])
        gone = state.reason if isinstance(state, publications.Withdrawal) else row["reason"] or publications.GONE
        return f"已撤回 / withdrawn: {gone}"
    told = f"新增 {row['added']}，变更 {row['changed']}，删除 {row['removed']} 行"
    return f"{told}；{row['reason']}" if row["reason"] else told


@blueprint.get("/open/<domain>/<dataset>@<int:seq>.<form>", endpoint="revision")
def revision(domain: str, dataset: str, seq: int, form: str) -> Response:
    """A dataset as publication `seq` made it."""
    row = model.one("select id::text as id, seq, domain, name from gkopen.dataset where name = :name"
                    " and domain = :domain and seq > 0", name=dataset, domain=domain)
    if row is None or domain not in domains():
        return said(404, "这里没有已发布的数据；全部数据见 /open/。",
                    "Nothing is published here; /open/ lists everything that is.")
    if form not in files.FORMS:
        return said(404, f"历史版本没有 .{form} 格式，可用：{'、'.join(files.FORMS)}。",
                    f"Earlier revisions have no form .{form}; use one of: {', '.join(files.FORMS)}.")
    if not 1 <= seq <= row["seq"]:
        return said(404, f"没有第 {seq} 版，已发布的版本为 1 到 {row['seq']}。",
                    f"There is no revision {seq}; those published are 1 to {row['seq']}.")
    state = publications.state_of(row["id"], seq)
    if isinstance(state, publications.Withdrawal):
        return said(410, f"该版本已撤回。{state.reason}", f"This revision was withdrawn. {state.reason}")
    described = domains()[domain]
    response = _named(Cacheable(), described, row, seq, state, form)
    response.automatically_set_content_length = False
    environ = {name: value for name, value in request.environ.items() if name != "HTTP_RANGE"}
    # What the asker has, or did not ask for, is not made.
    if response.make_conditional(environ).status_code == 304 or request.method == "HEAD":
        return response
    try:
        content, size = files.make(described, state, form)
    except blobs.Sealed:
        return said(410, "该版本已撤回。", "This revision was withdrawn.")
    response = _named(Cacheable(wrap_file(request.environ, content, 1 << 18), direct_passthrough=True),
                      described, row, seq, state, form)
    response.content_length = size
    return conditional(response, size)


def _named(response: Cacheable, domain: Domain, dataset: dict[str, Any], seq: int, state: Any,
           form: str) -> Cacheable:
    """With all that is said of a revision's file beside its bytes."""
    protect(response)
    response.headers["Content-Type"] = files.FORMS[form]
    response.headers["Accept-Ranges"] = "bytes"
    response.set_etag(files.tag(domain, state, form))
    response.last_modified = model.value("select at from gkopen.publication where dataset_id = :d and seq = :seq",
                                         d=dataset["id"], seq=seq)
    name = f"{dataset['name']}@{seq}.{form}"
    response.headers["Content-Disposition"] = f"attachment; filename=\"{name}\"; filename*=UTF-8''{quote(name)}"
    return response
