"""`gkopen verify`: does everything that is stored still say what was approved? Yields one sentence a problem."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import closing

import pysolr
import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.lib import search
from ckanext.datastore.backend.postgres import get_read_engine

from ckanext.gkopen import blobs, changesets, ids, model
from ckanext.gkopen.domains import Domain, UnknownDomain, domains, get_domain
from ckanext.gkopen.history.difference import difference, text_rows
from ckanext.gkopen.publish import store
from ckanext.gkopen.publish.forms.streams import SUFFIX
from ckanext.gkopen.publish.table_sql import TableSQL, literal, quoted
from ckanext.gkopen.review import audit


def problems() -> Iterator[str]:
    """Raw files and revisions, public parts, published files, DataStore tables, the index, the audit chain."""
    yield from _blobs()
    yield from _rows()
    yield from _rows_of_nobody()
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
    """Each dataset's rows in the DataStore are those of its approved parts, cell by cell."""
    for dataset in model.every("select * from gkopen.dataset where seq > 0 order by name"):
        name = dataset["name"]
        try:
            domain = get_domain(dataset["domain"])
        except UnknownDomain:
            yield f"{name}: there is no domain {dataset['domain']}; bring its file back, or withdraw the dataset first"
            continue
        pending = model.value("select 1 from gkopen.outbox where dataset_id = :d and sink = 'datastore'"
                              " and done_at is null", d=dataset["id"])
        if pending:
            yield f"{name}: the DataStore is behind; a worker has to run"
            continue
        public = {part: sha for part, sha in changesets.public_parts(str(dataset["id"])).items()
                  if part != changesets.METADATA}
        try:
            yield from (f"{name}: {said}" for said in _compared(domain, str(dataset["id"]), public))
        except (blobs.Missing, blobs.Sealed) as error:
            yield f"{name}: its approved content {error} cannot be read"


def _rows_of_nobody() -> Iterator[str]:
    known = {str(row["id"]) for row in model.every("select id from gkopen.dataset where seq > 0")}
    for domain in domains().values():
        strange = _shown(domain, "select distinct dataset_id from {table}") - known
        yield from (f"the DataStore's table {domain.name} shows rows of {id_}, which is no dataset" for id_ in
                    sorted(strange))


def _compared(domain: Domain, dataset_id: str, public: dict[str, str]) -> Iterator[str]:
    found = _shown(domain, "select distinct part from {table} where dataset_id = :d", d=dataset_id)
    yield from (f"the DataStore shows part {part}, which was not approved" for part in sorted(found - public.keys()))
    columns = _columns(domain) if found else set(domain.field_names)
    lacking = [name for name in domain.field_names if name not in columns]
    if lacking:                                           # the domain's file is newer than what was published last
        yield f"the DataStore's table {domain.name} has no {', '.join(lacking)}, which the domain has by now"
        return
    for part, sha256 in sorted(public.items()):
        approved = blobs.read(sha256)
        shown = _csv(domain, dataset_id, part) if part in found else None
        wanted, there = text_rows(domain, approved).num_rows, text_rows(domain, shown).num_rows
        if wanted != there:
            yield f"part {part}: {wanted} rows were approved, the DataStore shows {there}"
            continue
        told = difference(domain, approved, shown)
        wrong = told.before.num_rows + told.removed.num_rows
        if wrong:
            yield f"part {part}: {wrong} rows are not in the DataStore as they were approved"


def _shown(domain: Domain, query: str, **params: str) -> set[str]:
    """What the DataStore's table of a domain answers; one that is not there shows nothing."""
    table = TableSQL(domain).name
    with get_read_engine().connect() as connection:
        if connection.execute(sa.text("select to_regclass(:name)"), {"name": table}).scalar() is None:
            return set()
        return set(connection.execute(sa.text(query.format(table=table)), params).scalars())


def _columns(domain: Domain) -> set[str]:
    with get_read_engine().connect() as connection:
        return {column["name"] for column in sa.inspect(connection).get_columns(TableSQL(domain).id, schema="public")}


def _csv(domain: Domain, dataset_id: str, part: str) -> bytes:
    """Rows of a part as the DataStore has them, in the form of the approved content."""
    cells = ", ".join(f"{quoted(name)}::text as {quoted(name)}" for name in domain.field_names)
    written = io.BytesIO()
    with closing(get_read_engine().raw_connection()) as connection:
        connection.cursor().copy_expert(
            f"copy (select {cells} from {TableSQL(domain).name} where dataset_id = {literal(dataset_id)} and part ="
            f" {literal(part)}) to stdout (format csv, header)", written)
    return written.getvalue()


def _files() -> Iterator[str]:
    said = {"missing": "is missing from the public storage", "changed": "was changed: it no longer has its sha256"}
    for row in model.every("select address, sha256, size, variants from gkopen.file where sha256 is not null"
                           " order by address"):
        for coding, what in store.damaged(row["sha256"], row["size"], row["variants"]):
            yield f"/open/{row['address']}{SUFFIX[coding]} {said[what]}"


def _packages() -> Iterator[str]:
    """CKAN's packages are those of published datasets, and the index names the same ones."""
    published = {str(row["id"]) for row in model.every("select id from gkopen.dataset where state = 'published'")}
    bulk = {ids.bulk_id(name) for name in domains()}
    stored = {row[0] for row in ckan_model.Session.query(ckan_model.Package.id).filter_by(state="active")}
    yield from (f"dataset {id_} was approved but CKAN has no package of it" for id_ in sorted(published - stored))
    yield from (f"package {id_} is public but was never approved" for id_ in sorted(stored - published - bulk))
    try:
        indexed = set(search.query_for(ckan_model.Package).get_all_entity_ids(max_results=100_000))
    except (pysolr.SolrError, search.SearchError, search.SolrConnectionError):
        yield "the search index does not answer and was not compared: look at Solr, then verify again"
        return
    yield from (f"package {id_} is missing from the search index" for id_ in sorted(stored - indexed))
    yield from (f"the search index still shows {id_}" for id_ in sorted(indexed - stored))

