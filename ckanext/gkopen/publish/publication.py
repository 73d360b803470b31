"""Publications: revisions, public parts, CKAN packages and the outbox, in the caller's one transaction.

DataStore, files, Solr and the bulk tables follow from the outbox (`publish.outbox`), each idempotent. One publication
is a batch of one: every table is written with one statement, however many datasets there are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import blobs, bodies, changesets, ids, model
from ckanext.gkopen.domains import Domain, get_domain
from ckanext.gkopen.metadata.package import Published, bulk_package_dict, package_dict
from ckanext.gkopen.publish import licences, outbox, packages, publisher
from ckanext.gkopen.review import roles


@dataclass(frozen=True, slots=True)
class Approved:
    """An approved revision (row of gkopen.revision with its `dataset`) and its rows of gkopen.revision_part."""

    revision: Mapping[str, Any]
    changes: Sequence[Mapping[str, Any]]

    @property
    def dataset_id(self) -> str:
        return str(self.revision["dataset_id"])

    @property
    def seq(self) -> int:
        """The number of its publication."""
        return self.revision["dataset"]["seq"] + 1


@dataclass(frozen=True, slots=True)
class Public:
    """A dataset (row of gkopen.dataset) that is public, with the number and the revision of its last publication."""

    dataset: Mapping[str, Any]
    seq: int
    revision_id: str

    @property
    def dataset_id(self) -> str:
        return str(self.dataset["id"])


def publish(approved: Sequence[Approved]) -> set[str]:
    """Make approved change-sets public, each of another dataset; the caller commits. Returns the ids of the datasets
    that are public now: the others are withdrawn."""
    model.insert_many("publication", ("dataset_id", "seq", "revision_id", "reason"),
                      [(one.dataset_id, one.seq, str(one.revision["id"]), one.revision["reason"]) for one in approved])
    _set_parts(approved)
    shown = _shown([one.dataset_id for one in approved])
    open_to_all = {dataset_id for dataset_id, rows in shown.items()
                   if any(row["part"] != changesets.METADATA for row in rows)}
    _set_states(approved, open_to_all)
    with publisher.door():
        _write_packages([one for one in approved if one.dataset_id in open_to_all], shown)
        for one in approved:
            if one.dataset_id not in open_to_all:
                _remove_package(one.dataset_id)
    for domain, urgent in sorted({(one.revision["dataset"]["domain"], _urgent(one)) for one in approved}):
        outbox.enqueue([(one.dataset_id, one.seq) for one in approved
                        if (one.revision["dataset"]["domain"], _urgent(one)) == (domain, urgent)],
                       domain, urgent=urgent)
    return open_to_all


def public_of(domain: Domain) -> list[str]:
    """The ids of its datasets that are public."""
    return [row["id"] for row in model.every("select id::text as id from gkopen.dataset where domain = :domain"
                                             " and state = 'published' order by id", domain=domain.name)]


def packages_of(dataset_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The packages of datasets that are public, as they have to be; these wait with their next publication until the
    caller ends its transaction. A dataset that was withdrawn has none."""
    public = [Public(row, row["seq"], str(row["revision_id"])) for row in model.every(
        "select d.*, u.revision_id from gkopen.dataset d join gkopen.publication u on u.dataset_id = d.id"
        " and u.seq = d.seq where d.id = any(cast(:ids as uuid[])) and d.state = 'published' order by d.id"
        " for share of d", ids=list(dataset_ids))]
    owners = {one.dataset["body_id"] for one in public}
    return _described(public, _shown([one.dataset_id for one in public]), bodies.of_ids(owners, deleted=owners))


def _shown(dataset_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Dataset → its public parts."""
    shown: dict[str, list[dict[str, Any]]] = {dataset_id: [] for dataset_id in dataset_ids}
    for row in model.every("select dataset_id::text as id, part, sha256, seq, rows from gkopen.public_part"
                           " where dataset_id = any(cast(:ids as uuid[]))", ids=list(shown)):
        shown[row.pop("id")].append(row)
    return shown


def _urgent(one: Approved) -> bool:
    return one.revision["kind"] == "withdraw"


def _set_parts(approved: Sequence[Approved]) -> None:
    changes = [(one, change) for one in approved for change in one.changes]
    gone = [(one.dataset_id, change["part"]) for one, change in changes if change["new_sha256"] is None]
    if gone:
        model.execute("delete from gkopen.public_part where (dataset_id, part) in (select * from"
                      " unnest(cast(:datasets as uuid[]), cast(:parts as text[])))",
                      datasets=[dataset_id for dataset_id, _ in gone], parts=[part for _, part in gone])
    new = [(one, change) for one, change in changes if change["new_sha256"] is not None]
    if not new:
        return
    sha256s = [change["new_sha256"] for _, change in new]
    model.execute("insert into gkopen.public_part (dataset_id, part, sha256, seq, rows)"
                  " select * from unnest(cast(:datasets as uuid[]), cast(:parts as text[]), cast(:sha256s as text[]),"
                  " cast(:seqs as int[]), cast(:rows as int[])) on conflict (dataset_id, part) do update"
                  " set sha256 = excluded.sha256, seq = excluded.seq, rows = excluded.rows",
                  datasets=[one.dataset_id for one, _ in new], seqs=[one.seq for one, _ in new],
                  parts=[change["part"] for _, change in new], sha256s=sha256s,
                  rows=[change["rows"] for _, change in new])
    # What was withdrawn once and is approved anew is the same bytes, and the exits must be able to read them.
    model.execute("update gkopen.blob set sealed_at = null where sha256 = any(cast(:sha256s as bpchar[]))"
                  " and sealed_at is not null", sha256s=sha256s)
    model.execute("delete from gkopen.sealed where (dataset_id, sha256) in (select * from"
                  " unnest(cast(:datasets as uuid[]), cast(:sha256s as bpchar[])))",
                  datasets=[one.dataset_id for one, _ in new], sha256s=sha256s)


def _set_states(approved: Sequence[Approved], open_to_all: Collection[str]) -> None:
    model.execute("update gkopen.revision set state = case when kind = 'withdraw' then 'withdrawn' else 'published' end"
                  " where id = any(cast(:ids as uuid[]))", ids=[str(one.revision["id"]) for one in approved])
    headers = [one.revision["header"] for one in approved]
    model.execute("update gkopen.dataset d set seq = new.seq, state = new.state,"
                  " header = coalesce(cast(new.header as jsonb), d.header), reason = new.reason"
                  " from unnest(cast(:ids as uuid[]), cast(:seqs as int[]), cast(:states as text[]),"
                  " cast(:headers as text[]), cast(:reasons as text[])) as new (id, seq, state, header, reason)"
                  " where d.id = new.id", ids=[one.dataset_id for one in approved],
                  seqs=[one.seq for one in approved],
                  states=["published" if one.dataset_id in open_to_all else "withdrawn" for one in approved],
                  headers=[None if header is None else model.dump(header) for header in headers],
                  reasons=[None if one.dataset_id in open_to_all else one.revision["reason"] for one in approved])


def sources_of(dataset_ids: Iterable[str]) -> dict[str, str]:
    """Dataset → the way by which the rows that are public came in. What changes the metadata alone says nothing of it.
    """
    return {row["id"]: row["source"] for row in model.every(
        "select distinct on (u.dataset_id) u.dataset_id::text as id, s.source from gkopen.publication u"
        " join gkopen.revision r on r.id = u.revision_id join gkopen.submission s on s.id = r.submission_id"
        " where u.dataset_id = any(cast(:ids as uuid[])) and s.kind in ('data', 'metadata')"
        " and exists (select 1 from gkopen.revision_part p where p.revision_id = r.id and p.part <> :metadata)"
        " order by u.dataset_id, u.seq desc", ids=list(dataset_ids), metadata=changesets.METADATA)}


def _write_packages(approved: Sequence[Approved], shown: Mapping[str, list[dict[str, Any]]]) -> None:
    if not approved:
        return
    # A body that was deleted publishes nothing more, but what it withdraws goes.
    known = bodies.of_ids((one.revision["dataset"]["body_id"] for one in approved),
                          deleted={one.revision["dataset"]["body_id"] for one in approved if _urgent(one)})
    packages.write(_described([Public(one.revision["dataset"], one.seq, str(one.revision["id"])) for one in approved],
                              shown, known))
    fallbacks = {one.revision["dataset"]["domain"]: known[one.revision["dataset"]["body_id"]] for one in approved}
    for name, body in sorted(fallbacks.items(), key=lambda item: item[0]):
        if not _is_there(ids.bulk_id(name)):
            # The first publication of a domain; two at once take turns, and the later one finds the package.
            model.execute("select pg_advisory_xact_lock(hashtextextended(:turn, 0))", turn=f"gkopen/first/{name}")
            if not _is_there(ids.bulk_id(name)):
                write_bulk_package(get_domain(name), body)


def _described(public: Sequence[Public], shown: Mapping[str, list[dict[str, Any]]],
               known: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The packages of datasets; `known`: their bodies."""
    dataset_ids = [one.dataset_id for one in public]
    times = {row["id"]: row for row in model.every(
        "select dataset_id::text as id, min(at) as first, max(at) as last from gkopen.publication"
        " where dataset_id = any(cast(:ids as uuid[])) group by dataset_id", ids=dataset_ids)}
    sources = sources_of(dataset_ids)
    described = {dataset_id: row["sha256"] for dataset_id in dataset_ids for row in shown[dataset_id]
                 if row["part"] == changesets.METADATA}
    read = blobs.reader(described.values())
    made = []
    for one in public:
        sha256 = described.get(one.dataset_id)
        metadata = json.loads(read(sha256)) if sha256 else {}
        published = _published(one, shown[one.dataset_id], times[one.dataset_id], sources.get(one.dataset_id, ""))
        made.append(package_dict(get_domain(one.dataset["domain"]), known[one.dataset["body_id"]], metadata, published,
                                 name=one.dataset["name"], site_url=_site_url()))
    return made


def _is_there(package_id: str) -> bool:
    return bool(model.value("select 1 from public.package where id = :id", id=package_id))


def _published(one: Public, shown: Iterable[Mapping[str, Any]], times: Mapping[str, Any], source: str) -> Published:
    """What a package says of its publication."""
    data = sorted((row for row in shown if row["part"] != changesets.METADATA), key=lambda row: row["part"])
    content = hashlib.sha256("".join(f"{row['part']} {row['sha256']}\n" for row in data).encode()).hexdigest()
    published = Published(seq=one.seq, rows=sum(row["rows"] or 0 for row in data),
                          parts=[row["part"] for row in data], published_at=times["last"].isoformat(),
                          first_published_at=times["first"].isoformat(), revision_id=one.revision_id,
                          sha256=content)
    if source.startswith("source:"):
        published["harvest_source"] = source.removeprefix("source:")
    return published


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
    packages.write([bulk_package_dict(domain, body, Published(
        seq=max(row["seq"] for row in rows), rows=sum(row["rows"] or 0 for row in rows),
        parts=sorted({row["part"] for row in rows}), published_at=max(row["at"] for row in rows).isoformat(),
        first_published_at=min(row["at"] for row in rows).isoformat()), site_url=_site_url(),
        license_id=licences.shared(domain.name))])


def _site_url() -> str:
    return toolkit.config["ckan.site_url"].rstrip("/")


def _remove_package(dataset_id: str) -> None:
    """Gone, not hidden: CKAN's soft delete would keep title, tags and resource ids readable."""
    package = ckan_model.Package.get(dataset_id)
    if package is None:
        return
    for member in ckan_model.Session.query(ckan_model.Member).filter(ckan_model.Member.table_id == package.id):
        member.purge()
    package.purge()
    ckan_model.Session.flush()
