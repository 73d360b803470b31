"""`gkopen verify`: does everything that is stored still say what was approved? Yields one sentence a problem."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.lib import files, search
from ckanext.datastore.backend.postgres import get_read_engine

from ckanext.gkopen import blobs, changesets, ids, model, parts
from ckanext.gkopen.domains import domains, get_domain
from ckanext.gkopen.review import audit


def problems() -> Iterator[str]:
    """Raw files and revisions, public parts, published files, DataStore tables, the index, the audit chain."""
    yield from _blobs()
    yield from _rows()
    yield from _files()
    yield from _packages()
    yield from audit.broken()


def _blobs() -> Iterator[str]:
    for row in model.every("select sha256, size from gkopen.blob order by sha256"):
        try:
            data = blobs.read(row["sha256"], sealed=True)
        except blobs.Missing:
            yield f"stored content {row['sha256']} is missing from the private storage"
            continue
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            yield f"stored content {row['sha256']} was changed: it no longer has its sha256"


def _rows() -> Iterator[str]:
    """Each dataset's rows in the DataStore are those of its approved parts."""
    for dataset in model.every("select * from gkopen.dataset where seq > 0 order by name"):
        domain = get_domain(dataset["domain"])
        public = {part: sha for part, sha in changesets.public_parts(str(dataset["id"])).items()
                  if part != changesets.METADATA}
        pending = model.value("select 1 from gkopen.outbox where dataset_id = :d and sink = 'datastore'"
                              " and done_at is null", d=dataset["id"])
        if pending:
            yield f"{dataset['name']}: the DataStore is behind; a worker has to run"
            continue
        try:
            wanted = sum(parts.read_part(domain, blobs.read(sha)).num_rows for sha in public.values())
        except (blobs.Missing, blobs.Sealed) as error:
            yield f"{dataset['name']}: its approved content {error} cannot be read"
            continue
        found = _count(domain.name, str(dataset["id"]))
        if found != wanted:
            yield f"{dataset['name']}: {wanted} rows were approved, the DataStore shows {found}"


def _count(domain: str, dataset_id: str) -> int:
    """Rows of a dataset that the DataStore shows; a table that is not there shows none."""
    table = ids.table_id(domain)
    with get_read_engine().connect() as connection:
        if connection.execute(sa.text("select to_regclass(:name)"), {"name": f'public."{table}"'}).scalar() is None:
            return 0
        return connection.execute(sa.text(f'select count(*) from public."{table}" where dataset_id = :d'),
                                  {"d": dataset_id}).scalar() or 0


def _files() -> Iterator[str]:
    storage = files.get_storage("gkopen_public")
    for row in model.every("select address, sha256, size from gkopen.file where sha256 is not null order by address"):
        place = storage.prepare_location(blobs.location(row["sha256"]))
        try:
            data = storage.content(files.FileData(place, size=row["size"]))
        except files.exc.MissingFileError:
            yield f"/open/{row['address']} is missing from the public storage"
            continue
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            yield f"/open/{row['address']} was changed: it no longer has its sha256"


def _packages() -> Iterator[str]:
    """CKAN's packages are those of published datasets, and the index names the same ones."""
    published = {str(row["id"]) for row in model.every("select id from gkopen.dataset where state = 'published'")}
    bulk = {ids.bulk_id(name) for name in domains()}
    stored = {row[0] for row in ckan_model.Session.query(ckan_model.Package.id).filter_by(state="active")}
    yield from (f"dataset {id_} was approved but CKAN has no package of it" for id_ in sorted(published - stored))
    yield from (f"package {id_} is public but was never approved" for id_ in sorted(stored - published - bulk))
    indexed = set(search.query_for(ckan_model.Package).get_all_entity_ids(max_results=100_000))
    yield from (f"package {id_} is missing from the search index" for id_ in sorted(stored - indexed))
    yield from (f"the search index still shows {id_}" for id_ in sorted(indexed - stored))

