"""The published files: made from approved parts, kept by their sha256, found by their address below /open/.

Bytes lie in CKAN's file storage `gkopen_public` (publish/store.py), addresses in `gkopen.file`; the rows join the
caller's transaction, so that an address never names bytes that are not there. What was withdrawn keeps its address
without bytes. A part that did not change is copied from the file that is there (publish/forms/streams.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ckan.lib import files as storages
from ckan.plugins import toolkit

from ckanext.gkopen import blobs, changesets, clock, model
from ckanext.gkopen.domains import Domain, Text
from ckanext.gkopen.publish import behind, licences, served, store
from ckanext.gkopen.publish.forms.content import Content, PartRows, neighbours, together
from ckanext.gkopen.publish.forms.make import FORMS, Made, make, make_together, may_go_together
from ckanext.gkopen.publish.forms.streams import IDENTITY, MADE_BY, Damaged, Piece, chunks
from ckanext.gkopen.publish.table_sql import lock_key

log = logging.getLogger(__name__)

FORMAT = 3
"""Raised with every change of a form: files of another number are not copied from."""


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """`address` is below /open/, `size` in bytes."""

    address: str
    form: str
    sha256: str
    size: int
    rows: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """The parts (part → sha256) that the files of a dataset shall show at its publication `seq`; {}: no files."""

    dataset_id: str
    seq: int
    parts: Mapping[str, str]


def bring_up_datasets(
    domain: Domain, wanted: Sequence[Wanted], read_blob: Callable[[str], bytes]
) -> list[PublishedFile]:
    """Makes all forms of datasets of one domain from their parts. The caller commits.

    Files of a newer seq are left alone. The same parts give the same bytes: rows in order of part, then of key.
    """
    # What goes first: it needs the storage alone, which nobody gets who shares it with others that wait for the same.
    for one in wanted:
        if not one.parts:
            _withdraw("f.dataset_id = :it and f.seq <= :seq", "select reason from gkopen.dataset where id = :it",
                      one.seq, it=one.dataset_id)
    shown = [one for one in wanted if one.parts]
    if not shown:
        return []
    _share_storage()
    facts = _facts_of([one.dataset_id for one in shown])
    return _make_all([
        _Table(Content(domain=domain, whole=False, **facts[one.dataset_id], parts=together(
            [PartRows(domain, part, sha, read_blob) for part, sha in sorted(one.parts.items())])),
            f"{domain.name}/{facts[one.dataset_id]['name']}", one.dataset_id, one.seq) for one in shown])


def bring_up_bulk(
    domain: Domain, seq: int, read_blob: Callable[[str], bytes] | None = None
) -> list[PublishedFile]:
    """Makes all forms of a domain's table over all bodies, from what is public now. The caller commits.

    Where nothing of the domain is public any more its files are taken away, with the reason of the last withdrawal.
    """
    # Two makers at once: the later one waits, and then reads what is public at that time.
    model.execute("select pg_advisory_xact_lock(:key)", key=lock_key(f"bulk/{domain.name}"))
    shown = model.every(
        "select d.id::text as id, coalesce(g.title, '') as publisher, p.part, p.sha256, p.rows, u.at"
        " from gkopen.dataset d join gkopen.public_part p on p.dataset_id = d.id and p.part <> :metadata"
        " join gkopen.publication u on u.dataset_id = p.dataset_id and u.seq = p.seq"
        " left join public.\"group\" g on g.id = d.body_id"
        " where d.domain = :domain and d.state = 'published' order by d.id::text, p.part collate \"C\"",
        domain=domain.name, metadata=changesets.METADATA)
    if not shown:
        _withdraw("f.dataset_id is null and f.domain = :it",
                  "select d.reason from gkopen.dataset d join gkopen.publication u on u.dataset_id = d.id"
                  " and u.seq = d.seq where d.domain = :it and d.state = 'withdrawn' order by u.at desc limit 1",
                  seq, it=domain.name)
        return []
    _share_storage()
    read_blob = read_blob or blobs.reader(row["sha256"] for row in shown)
    parts = tuple(neighbours(
        PartRows(domain, row["part"], row["sha256"], read_blob, row["id"], row["publisher"], row["rows"])
        for row in shown))
    title = Text(f"全部机构{domain.title.zh}", f"All bodies: {domain.title.en}")
    content = Content(
        domain=domain, parts=parts, whole=True, name=domain.name, title=title,
        publisher=toolkit.config["ckan.site_title"], updated=clock.told(max(row["at"] for row in shown)),
        address=_site(f"/open/#{domain.name}"), **_licence(licences.shared(domain.name)))
    return _make_all([_Table(content, domain.name, None, seq)])


def sweep() -> list[str]:
    """Deletes bytes that no address names any more; returns their hashes. The caller commits."""
    _own_storage()
    rows = model.every("select address, dataset_id, domain, sha256, variants, updated_at from gkopen.file"
                       " where sha256 is not null")
    withheld = behind.files(rows)
    served.settle([row for row in rows if row["address"] not in withheld])
    served.hide(behind.files(rows))                       # what was withdrawn meanwhile
    named = {row["sha256"] for row in rows}
    unnamed = {sha256: places for sha256, places in store.held_files().items() if sha256 not in named}
    for places in unnamed.values():
        store.remove(places)
    return sorted(unnamed)


def _share_storage() -> None:
    """Until the caller's commit nobody takes away bytes whose row he cannot see yet."""
    model.execute("select pg_advisory_xact_lock_shared(:key)", key=lock_key(store.STORAGE))


def _own_storage() -> None:
    """Waits for every maker's commit: what no row names now, no row will name."""
    model.execute("select pg_advisory_xact_lock(:key)", key=lock_key(store.STORAGE))


def _withdraw(which: str, reason: str, seq: int, it: str) -> None:
    """The addresses stay and answer 410; bytes that no other address names go at once."""
    hidden = [row["address"] for row in model.every(
        f"select f.address from gkopen.file f where {which}", it=it, seq=seq)]
    served.hide(hidden)
    _own_storage()
    served.hide(hidden)          # whom this waited for, a sweep or a maker, may have shown them once more
    gone = {row["sha256"] for row in model.every(
        f"select f.sha256 from gkopen.file f where {which} and f.sha256 is not null", it=it, seq=seq)}
    model.execute(f"update gkopen.file f set sha256 = null, size = null, rows = null, layout = null, variants = '{{}}',"
                  f" seq = :seq, updated_at = case when sha256 is null then updated_at else now() end,"
                  f" reason = ({reason}) where {which}", it=it, seq=seq)
    named = {row["sha256"] for row in model.every("select sha256 from gkopen.file where sha256 = any(:gone)",
                                                  gone=list(gone))}
    for sha256 in gone - named:
        store.remove(store.places_of(sha256))


class _Table(NamedTuple):
    """One table on its way to its addresses, which begin alike; `dataset_id` None: over all bodies."""

    content: Content
    address: str
    dataset_id: str | None
    seq: int


def _make_all(tables: Sequence[_Table]) -> list[PublishedFile]:
    by = f"{FORMAT} {tables[0].content.domain.version} {MADE_BY}"
    kept: dict[str, list[Mapping[str, Any]]] = {table.address: [] for table in tables}
    for row in model.every(
            "select address, form, sha256, size, variants, layout -> 'pieces' as pieces from gkopen.file"
            " where address = any(:addresses) and layout ->> 'by' = :by and sha256 is not null",
            addresses=[f"{table.address}.{form}" for table in tables for form in FORMS], by=by):
        kept[row["address"].removesuffix(f".{row['form']}")].append(row)
    with store.making() as folder:
        return _publish([
            _Stored.of(made, f"{table.address}.{form}", form, FORMS[form], table.content.domain.name,
                       table.dataset_id, table.seq, by)
            for table, files in _made_all(tables, folder, kept) for form, made in files.items()])


def publish_package(made: Made, address: str, form: str, media_type: str, domain: str) -> PublishedFile:
    """Publishes a file of a standard, made in `store.making()`, at an address of all bodies. The caller commits."""
    _share_storage()
    return _publish([_Stored.of(made, address, form, media_type, domain, None, 0, "")])[0]


def withdraw_packages(form: str, kept: Collection[str]) -> None:
    """Takes away the packages of a form (`ocds.json`) that are none of `kept`; before others are published in the same
    transaction (locks). The caller commits.
    """
    gone = [row["address"] for row in model.every(
        "select address from gkopen.file where form = :form and sha256 is not null and address <> all(:kept)",
        form=form, kept=list(kept))]
    for address in gone:
        # What was withdrawn since the package was last made, a part too; where nothing was, its rows were taken out.
        _withdraw("f.address = :it", "select u.reason from gkopen.publication u join gkopen.dataset d"
                  " on d.id = u.dataset_id join gkopen.revision r on r.id = u.revision_id where d.domain = f.domain"
                  " and r.kind = 'withdraw' and u.at > f.made_at order by u.at desc limit 1", 0, it=address)


class _Stored(NamedTuple):
    """A file whose bytes are in the storage: a row of gkopen.file. `variants` and `layout` are JSON."""

    address: str
    dataset_id: str | None
    domain: str
    form: str
    sha256: str
    size: int
    media_type: str
    rows: int
    seq: int
    variants: str
    layout: str | None

    @classmethod
    def of(cls, made: Made, address: str, form: str, media_type: str, domain: str, dataset_id: str | None, seq: int,
           by: str) -> _Stored:
        """Takes the bytes over."""
        variants = {coding: file.size for coding, file in made.variants.items()}
        for coding, file in {IDENTITY: made.file, **made.variants}.items():
            store.put(file, made.sha256, coding, media_type)
        layout = model.dump({"by": by, "pieces": {key: piece.as_json() for key, piece in made.pieces.items()}})
        return cls(address, dataset_id, domain, form, made.sha256, made.file.size, media_type, made.rows, seq,
                   model.dump(variants), layout if made.pieces else None)


_TYPES = ("text", "uuid", "text", "text", "text", "bigint", "text", "int", "int", "text", "text")
"""Of the columns of `_Stored`."""


def _publish(stored: Sequence[_Stored]) -> list[PublishedFile]:
    """Puts the files at their addresses, all in one statement."""
    columns = dict(zip(_Stored._fields, zip(*stored, strict=True), strict=True))
    arrays = ", ".join(f"cast(:{name} as {kind}[])" for name, kind in zip(columns, _TYPES, strict=True))
    changed = model.every(
        "insert into gkopen.file (address, dataset_id, domain, form, sha256, size, media_type, rows, seq,"
        " variants, layout) select address, dataset_id, domain, form, sha256, size, media_type, rows, seq,"
        f" cast(variants as jsonb), cast(layout as jsonb) from unnest({arrays}) as new ({', '.join(columns)})"
        " on conflict (address) do update set sha256 = excluded.sha256, size = excluded.size,"
        " rows = excluded.rows, seq = excluded.seq, reason = null, media_type = excluded.media_type,"
        " variants = excluded.variants, layout = excluded.layout, made_at = now(),"
        # The time of an address is that of its bytes: making the same file again changes nothing for readers.
        " updated_at = case when file.sha256 = excluded.sha256 then file.updated_at else now() end"
        " where file.seq <= excluded.seq or file.dataset_id is null"
        " returning address, dataset_id, domain, sha256, variants, updated_at",
        **{name: list(values) for name, values in columns.items()})
    _show(changed)
    return [PublishedFile(one.address, one.form, one.sha256, one.size, one.rows) for one in stored]


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    """Gives files (rows of gkopen.file) to the web server in front, but for those that were made before a withdrawal:
    who follows it makes them anew. One that is committed just now hides its files after this, or is seen at the end.
    """
    if served.folder() is None:
        return
    withheld = behind.files(rows)
    for row in rows:
        if row["address"] not in withheld:
            served.show(row["address"], row["sha256"], row["variants"], row["updated_at"].timestamp())
    served.hide(behind.files(rows))


def _made_all(tables: Sequence[_Table], folder: Path, kept: Mapping[str, Sequence[Mapping[str, Any]]]
              ) -> Iterator[tuple[_Table, dict[str, Made]]]:
    """The forms of each table, which are taken before the next one's are made: small tables together."""
    small: list[_Table] = []
    for table in tables:
        content, published = table.content, kept[table.address]
        if may_go_together(content) and not any(content.parts[0].key in row["pieces"] for row in published):
            small.append(table)
        else:
            yield table, _made(table, folder, published)
    yield from zip(small, make_together([table.content for table in small], folder), strict=True)


def _made(table: _Table, folder: Path, published: Sequence[Mapping[str, Any]]) -> dict[str, Made]:
    """Copies what it can from what is published; where that was changed, all is made anew."""
    with ExitStack() as open_files:
        kept = {row["form"]: open_files.enter_context(_Kept(row)) for row in published}
        try:
            return make(table.content, folder, kept)
        except (Damaged, storages.exc.MissingFileError) as error:
            log.error("the published files of %s were changed or are missing (%s): all of them are made anew",
                      table.address, error)
    return make(table.content, folder, {})


class _Kept(ExitStack):
    """The pieces of a published file; its bytes are opened when the first of them is read."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        super().__init__()
        self.row = row
        self.pieces: Mapping[str, Piece] = {key: Piece.from_json(said) for key, said in row["pieces"].items()}
        self.files: dict[str, BinaryIO] = {}

    def read(self, coding: str, offset: int, length: int) -> Iterator[bytes]:
        # What is compressed inside a workbook lies in the workbook itself.
        place = coding if coding in self.row["variants"] else IDENTITY
        if place not in self.files:
            size = self.row["size"] if place == IDENTITY else self.row["variants"][place]
            self.files[place] = self.enter_context(store.open_file(self.row["sha256"], place, size))
        self.files[place].seek(offset)
        yield from chunks(self.files[place].read, length)


def _facts_of(dataset_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the packages say; the time is that of the publication which the rows come from."""
    rows = model.every(
        "select d.id::text as id, d.name, coalesce(p.title, d.name) as title,"
        " coalesce(p.extras ->> 'title_en', p.title, d.name) as title_en,"
        " coalesce(g.title, '') as publisher, p.license_id,"
        " (select max(u.at) from gkopen.public_part s join gkopen.publication u using (dataset_id, seq)"
        "  where s.dataset_id = d.id and s.part <> :metadata) as updated"
        " from gkopen.dataset d left join public.package p on p.id = d.id::text"
        " left join public.\"group\" g on g.id = d.body_id where d.id = any(cast(:ids as uuid[]))",
        ids=list(dataset_ids), metadata=changesets.METADATA)
    if missing := set(dataset_ids) - {row["id"] for row in rows}:
        raise LookupError(f"there is no dataset {missing.pop()}")
    return {row["id"]: {
        "name": row["name"], "title": Text(row["title"], row["title_en"]), "publisher": row["publisher"],
        "updated": clock.told(row["updated"]) or "", "address": _site(f"/dataset/{row['name']}"),
        **_licence(row["license_id"]),
    } for row in rows}


def _licence(license_id: str | None) -> dict[str, str]:
    title, address = licences.described(license_id)
    return {"licence": title or "以各数据集标明的许可为准 / as each dataset states", "licence_url": address}


def _site(path: str) -> str:
    return toolkit.config["ckan.site_url"].rstrip("/") + path
