"""`gkopen verify`: does everything that is stored still say what was approved? Yields one sentence a problem."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Container, Iterator
from contextlib import closing
from itertools import islice

import pysolr
import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.lib import search
from ckan.plugins import toolkit
from ckanext.datastore.backend.postgres import get_read_engine

from ckanext.gkopen import blobs, changesets, ids, model
from ckanext.gkopen.domains import Domain, UnknownDomain, domains, get_domain
from ckanext.gkopen.history.difference import difference, text_rows
from ckanext.gkopen.publish import packages, publication, store
from ckanext.gkopen.publish.forms.streams import SUFFIX
from ckanext.gkopen.publish.table_rows import records
from ckanext.gkopen.publish.table_sql import TableSQL, literal, quoted
from ckanext.gkopen.review import audit

PACKAGES = 100
"""Packages that are compared in one transaction."""
TOGETHER = 100_000
"""Rows that are asked for at once, and held."""


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
    with closing(_Shown(domain, dataset_id)) as shown:
        yield from (f"the DataStore shows part {part}, which was not approved"
                    for part in sorted(shown.rows.keys() - public.keys()))
        lacking = shown.lacks if shown.rows else ()
        if lacking:                                       # the domain's file is newer than what was published last
            yield f"the DataStore's table {domain.name} has no {', '.join(lacking)}, which the domain has by now"
            return
        read = blobs.reader(sha256 for _, sha256 in sorted(public.items()))
        for part, sha256 in sorted(public.items()):
            approved, lines = read(sha256), shown.lines(part)
            header, _, rows = approved.partition(b"\n")
            if header != shown.header or sorted(records(rows)) != sorted(lines):
                yield from _differing(domain, part, approved, b"\n".join([shown.header, *lines, b""]))


def _differing(domain: Domain, part: str, approved: bytes, shown: bytes) -> Iterator[str]:
    """Cell by cell: the lines may differ and say the same."""
    wanted, there = text_rows(domain, approved).num_rows, text_rows(domain, shown).num_rows
    if wanted != there:
        yield f"part {part}: {wanted} rows were approved, the DataStore shows {there}"
        return
    told = difference(domain, approved, shown)
    if wrong := told.before.num_rows + told.removed.num_rows:
        yield f"part {part}: {wrong} rows are not in the DataStore as they were approved"


class _Shown:
    """The rows of one dataset as the DataStore has them, in one snapshot; small parts are asked for together, and read
    in the order of their names. `rows`: part → how many it has; `lacks`: fields that the table has not."""

    def __init__(self, domain: Domain, dataset_id: str) -> None:
        self.domain, self.dataset_id, self.header = domain, dataset_id, ",".join(domain.field_names).encode()
        self.rows: dict[str, int] = {}
        self.lacks: list[str] = []
        self._held: dict[str, list[bytes]] = {}
        self._connection = get_read_engine().raw_connection()
        self._cursor = self._connection.cursor()
        self._cursor.execute("set transaction isolation level repeatable read, read only")
        table = TableSQL(domain)
        self._cursor.execute("select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0"
                             " and not attisdropped", (table.name,))
        if columns := {name for (name,) in self._cursor.fetchall()}:
            self.lacks = [name for name in domain.field_names if name not in columns]
            self._cursor.execute(f"select part, count(*) from {table.name} where dataset_id = %s group by part",
                                 (dataset_id,))
            self.rows = dict(sorted(self._cursor.fetchall()))

    def lines(self, part: str) -> list[bytes]:
        """The records of a part, in the spelling of the canonical CSV; none of one that is not there."""
        if part in self.rows and part not in self._held:
            self._held = self._read(self._run(part))
        return self._held.pop(part, [])

    def _run(self, first: str) -> list[str]:
        run, rows = [first], self.rows[first]
        for part in [part for part in self.rows if part > first]:
            rows += self.rows[part]
            if rows > TOGETHER:
                break
            run.append(part)
        return run

    def _read(self, run: list[str]) -> dict[str, list[bytes]]:
        cells = ", ".join(f"{quoted(name)}::text as {quoted(name)}" for name in self.domain.field_names)
        written = io.BytesIO()
        self._cursor.copy_expert(
            f"copy (select {cells} from {TableSQL(self.domain).name} where dataset_id = {literal(self.dataset_id)} and"
            f" part in ({', '.join(map(literal, run))}) order by part collate \"C\") to stdout (format csv)", written)
        lines = iter(records(written.getvalue()))
        return {part: list(islice(lines, self.rows[part])) for part in run}

    def close(self) -> None:
        self._connection.close()


def _shown(domain: Domain, query: str, **params: str) -> set[str]:
    """What the DataStore's table of a domain answers; one that is not there shows nothing."""
    table = TableSQL(domain).name
    with get_read_engine().connect() as connection:
        if connection.execute(sa.text("select to_regclass(:name)"), {"name": table}).scalar() is None:
            return set()
        return set(connection.execute(sa.text(query.format(table=table)), params).scalars())


def _files() -> Iterator[str]:
    said = {"missing": "is missing from the public storage", "changed": "was changed: it no longer has its sha256"}
    for row in model.every("select address, sha256, size, variants from gkopen.file where sha256 is not null"
                           " order by address"):
        for coding, what in store.damaged(row["sha256"], row["size"], row["variants"]):
            yield f"/open/{row['address']}{SUFFIX[coding]} {said[what]}"


def _said_otherwise(stored: Container[str]) -> Iterator[str]:
    """Packages that are there and say other than what was approved, or name addresses of another site."""
    for domain in domains().values():
        public = [id_ for id_ in publication.public_of(domain) if id_ in stored]
        for start in range(0, len(public), PACKAGES):
            try:
                wanted = publication.packages_of(public[start:start + PACKAGES])
                found = packages.differing(wanted)
            except (blobs.Missing, blobs.Sealed) as error:
                yield f"packages of {domain.name}: the approved metadata {error} cannot be read"
            except toolkit.ValidationError as error:
                yield f"packages of {domain.name}: what they have to say does not pass the schema: {error.error_dict}"
            else:
                names = {package["id"]: package["name"] for package in wanted}
                yield from (f"package {names[id_]}: CKAN shows other {', '.join(columns)} than what was approved"
                            for id_, columns in sorted(found.items(), key=lambda item: names[item[0]]))
            ckan_model.Session.rollback()                 # the locks


def _packages() -> Iterator[str]:
    """CKAN's packages are those of published datasets, and the index names the same ones."""
    published = {str(row["id"]) for row in model.every("select id from gkopen.dataset where state = 'published'")}
    bulk = {ids.bulk_id(name) for name in domains()}
    stored = {row[0] for row in ckan_model.Session.query(ckan_model.Package.id).filter_by(state="active")}
    yield from (f"dataset {id_} was approved but CKAN has no package of it" for id_ in sorted(published - stored))
    yield from (f"package {id_} is public but was never approved" for id_ in sorted(stored - published - bulk))
    yield from _said_otherwise(stored)
    try:
        indexed = set(search.query_for(ckan_model.Package).get_all_entity_ids(max_results=100_000))
    except (pysolr.SolrError, search.SearchError, search.SolrConnectionError):
        yield "the search index does not answer and was not compared: look at Solr, then verify again"
        return
    yield from (f"package {id_} is missing from the search index" for id_ in sorted(stored - indexed))
    yield from (f"the search index still shows {id_}" for id_ in sorted(indexed - stored))

