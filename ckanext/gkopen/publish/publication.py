"""One publication: revision, public parts, the CKAN package and the outbox, in the caller's one transaction.

The package is written with `defer_commit` and `return_id_only` (CKAN 2.12 then commits with the caller and leaves Solr
to us); DataStore, files, Solr and the bulk tables follow from the outbox (`publish.outbox`), each idempotent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import blobs, bodies, changesets, ids, model
from ckanext.gkopen.domains import Domain, get_domain
from ckanext.gkopen.metadata.package import Published, bulk_package_dict, package_dict
from ckanext.gkopen.publish import outbox, publisher
from ckanext.gkopen.review import audit, roles


def publish(revision: Mapping[str, Any], changes: list[dict[str, Any]], actor: str) -> int:
    """Make an approved change-set public. Returns the dataset's new seq; the caller commits."""
    dataset = revision["dataset"]
    dataset_id, seq = str(dataset["id"]), dataset["seq"] + 1
    model.execute("insert into gkopen.publication (dataset_id, seq, revision_id, reason)"
                  " values (:d, :seq, :r, :reason)", d=dataset_id, seq=seq, r=revision["id"], reason=revision["reason"])
    _set_parts(dataset_id, seq, changes)
    shown = model.every("select part, sha256, seq, rows from gkopen.public_part where dataset_id = :d", d=dataset_id)
    data_parts = [row for row in shown if row["part"] != changesets.METADATA]
    state = "published" if data_parts else "withdrawn"
    model.execute("update gkopen.revision set state = case when kind = 'withdraw' then 'withdrawn' else 'published' end"
                  " where id = :id", id=revision["id"])
    model.execute("update gkopen.dataset set seq = :seq, state = :state,"
                  " header = coalesce(cast(:header as jsonb), header), reason = :reason where id = :d",
                  seq=seq, state=state, d=dataset_id, reason=None if data_parts else revision["reason"],
                  header=model.dump(revision["header"]) if revision["header"] is not None else None)
    with publisher.door():
        if data_parts:
            _write_package(dataset | {"seq": seq}, revision, shown)
        else:
            _remove_package(dataset_id)
    outbox.enqueue(dataset_id, seq, dataset["domain"], urgent=revision["kind"] == "withdraw")
    audit.record(actor, "published" if data_parts else "withdrawn", dataset_id, seq=seq, revision=str(revision["id"]))
    return seq


def _set_parts(dataset_id: str, seq: int, changes: list[dict[str, Any]]) -> None:
    gone = [change["part"] for change in changes if change["new_sha256"] is None]
    if gone:
        model.execute("delete from gkopen.public_part where dataset_id = :d and part = any(:gone)", d=dataset_id,
                      gone=gone)
    new = [change for change in changes if change["new_sha256"] is not None]
    if not new:
        return
    sha256s = [change["new_sha256"] for change in new]
    model.execute("insert into gkopen.public_part (dataset_id, part, sha256, seq, rows)"
                  " select :d, part, sha256, :seq, rows from unnest(cast(:parts as text[]), cast(:sha256s as text[]),"
                  " cast(:rows as int[])) as new (part, sha256, rows) on conflict (dataset_id, part) do update"
                  " set sha256 = excluded.sha256, seq = excluded.seq, rows = excluded.rows",
                  d=dataset_id, seq=seq, parts=[change["part"] for change in new], sha256s=sha256s,
                  rows=[change["rows"] for change in new])
    # What was withdrawn once and is approved anew is the same bytes, and the exits must be able to read them.
    model.execute("update gkopen.blob set sealed_at = null where sha256 = any(cast(:sha256s as bpchar[]))"
                  " and sealed_at is not null", sha256s=sha256s)
    model.execute("delete from gkopen.sealed where dataset_id = :d and sha256 = any(cast(:sha256s as bpchar[]))",
                  d=dataset_id, sha256s=sha256s)


def _published(dataset: Mapping[str, Any], shown: list[dict[str, Any]], revision: Mapping[str, Any]) -> Published:
    """What a package says of its publication."""
    times = model.one("select min(at) as first, max(at) as last from gkopen.publication where dataset_id = :d",
                      d=dataset["id"])
    assert times is not None
    source = source_of(str(dataset["id"])) or ""
    data = sorted((row for row in shown if row["part"] != changesets.METADATA), key=lambda row: row["part"])
    content = hashlib.sha256("".join(f"{row['part']} {row['sha256']}\n" for row in data).encode()).hexdigest()
    published = Published(seq=dataset["seq"], rows=sum(row["rows"] or 0 for row in data),
                          parts=[row["part"] for row in data], published_at=times["last"].isoformat(),
                          first_published_at=times["first"].isoformat(), revision_id=str(revision["id"]),
                          sha256=content)
    if source.startswith("source:"):
        published["harvest_source"] = source.removeprefix("source:")
    return published


def source_of(dataset_id: str) -> str | None:
    """The way by which the rows that are public came in; what changes the metadata alone says nothing of it."""
    return model.value(
        "select s.source from gkopen.publication u join gkopen.revision r on r.id = u.revision_id"
        " join gkopen.submission s on s.id = r.submission_id where u.dataset_id = :d and s.kind in ('data', 'metadata')"
        " and exists (select 1 from gkopen.revision_part p where p.revision_id = r.id and p.part <> :metadata)"
        " order by u.seq desc limit 1", d=dataset_id, metadata=changesets.METADATA)


def _write_package(dataset: Mapping[str, Any], revision: Mapping[str, Any], shown: list[dict[str, Any]]) -> None:
    domain = get_domain(dataset["domain"])
    body = bodies.find(dataset["body_id"])
    sha256 = next((row["sha256"] for row in shown if row["part"] == changesets.METADATA), None)
    metadata = json.loads(blobs.read(sha256)) if sha256 else {}
    _save(package_dict(domain, body, metadata, _published(dataset, shown, revision), site_url=_site_url()))
    if ckan_model.Package.get(ids.bulk_id(domain.name)) is None:
        write_bulk_package(domain, body)


def write_bulk_package(domain: Domain, fallback: Mapping[str, Any] | None = None) -> None:
    """The package that presents all bodies of a domain; it belongs to the disclosure office where there is one.

    It is gone where nothing of the domain is public any more.
    Must run inside the publisher's door; the caller commits.
    """
    rows = model.every(
        "select p.part, p.rows, u.at, u.seq from gkopen.dataset d join gkopen.public_part p on p.dataset_id = d.id"
        " and p.part <> '~metadata' join gkopen.publication u on u.dataset_id = d.id and u.seq = p.seq"
        " where d.domain = :domain", domain=domain.name)
    if not rows:
        _remove_package(ids.bulk_id(domain.name))
        return
    offices = sorted(roles.disclosure_offices())
    body = bodies.find(offices[0]) if offices else fallback
    if body is None:
        return
    _save(bulk_package_dict(domain, body, Published(
        seq=max(row["seq"] for row in rows), rows=sum(row["rows"] or 0 for row in rows),
        parts=sorted({row["part"] for row in rows}), published_at=max(row["at"] for row in rows).isoformat(),
        first_published_at=min(row["at"] for row in rows).isoformat()), site_url=_site_url()))


def _site_url() -> str:
    return toolkit.config["ckan.site_url"].rstrip("/")


def _save(package: dict[str, Any]) -> None:
    existing = ckan_model.Package.get(package["id"])
    action = "package_update" if existing is not None and existing.state == "active" else "package_create"
    site_user = toolkit.config["ckan.site_id"]
    context: Any = {"user": site_user, "ignore_auth": True, "defer_commit": True, "return_id_only": True}
    toolkit.get_action(action)(context, package)


def _remove_package(dataset_id: str) -> None:
    """Gone, not hidden: CKAN's soft delete would keep title, tags and resource ids readable."""
    package = ckan_model.Package.get(dataset_id)
    if package is None:
        return
    for member in ckan_model.Session.query(ckan_model.Member).filter(ckan_model.Member.table_id == package.id):
        member.purge()
    package.purge()
    ckan_model.Session.flush()
