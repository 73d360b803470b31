"""The published files: made from approved parts, kept by their sha256, found by their address below /open/.

Bytes lie in CKAN's file storage `gkopen_public`, addresses in `gkopen.file`; the rows join the caller's transaction,
so that an address never names bytes that are not there. What was withdrawn keeps its address without bytes.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from ckan import model as ckan_model
from ckan.lib import files as storages
from ckan.plugins import toolkit

from ckanext.gkopen import blobs, changesets, ids, model
from ckanext.gkopen.domains import Domain, Text
from ckanext.gkopen.publish.forms import excel_csv, jsonl, package_zip, xlsx
from ckanext.gkopen.publish.forms.content import Content, columns, write_canonical, write_dataset_rows
from ckanext.gkopen.publish.table_sql import lock_key

STORAGE = "gkopen_public"
SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Form:
    media_type: str
    write: Callable[[Content, BinaryIO], None]


def _copy(content: Content, out: BinaryIO) -> None:
    with content.csv.open("rb") as file:
        shutil.copyfileobj(file, out, 1 << 20)


FORMS: dict[str, Form] = {
    "csv": Form("text/csv; charset=utf-8", _copy),
    "excel.csv": Form("text/csv; charset=utf-8", excel_csv.write),
    "xlsx": Form("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", xlsx.write),
    "jsonl": Form("application/x-ndjson", jsonl.write),
    "zip": Form("application/zip", package_zip.write),
}
"""Ending of an address → what lies there."""


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """`address` is below /open/, `size` in bytes."""

    address: str
    form: str
    sha256: str
    size: int
    rows: int


def bring_up_dataset(
    domain: Domain, dataset_id: str, seq: int, parts: Mapping[str, str], read_blob: Callable[[str], bytes]
) -> list[PublishedFile]:
    """Makes all forms of one dataset from its parts (part → sha256); {} takes its files away. The caller commits.

    Files of a newer seq are left alone. The same parts give the same bytes.
    """
    _share_storage()
    if not parts:
        _withdraw(dataset_id, seq)
        return []
    facts = _dataset_facts(dataset_id)
    with tempfile.TemporaryDirectory(prefix="gkopen-") as folder:
        csv = Path(folder) / "table.csv"
        with csv.open("wb") as out:
            rows = write_canonical(domain, ((part, read_blob(sha)) for part, sha in sorted(parts.items())), out)
        content = Content(domain=domain, csv=csv, rows=rows, whole=False, **facts)
        return _make_all(content, f"{domain.name}/{facts['name']}", dataset_id, seq)


def bring_up_bulk(
    domain: Domain, seq: int, read_blob: Callable[[str], bytes] = blobs.read
) -> list[PublishedFile]:
    """Makes all forms of a domain's table over all bodies, from what is public now. The caller commits."""
    _share_storage()
    # Two makers at once: the later one waits, and then reads what is public at that time.
    model.execute("select pg_advisory_xact_lock(:key)", key=lock_key(f"bulk/{domain.name}"))
    shown = model.every(
        "select d.id::text as id, coalesce(g.title, '') as publisher,"
        " array_agg(array[p.part, p.sha256] order by p.part) as parts, max(u.at) as updated"
        " from gkopen.dataset d join gkopen.public_part p on p.dataset_id = d.id and p.part <> :metadata"
        " join gkopen.publication u on u.dataset_id = p.dataset_id and u.seq = p.seq"
        " left join public.\"group\" g on g.id = d.body_id"
        " where d.domain = :domain and d.state = 'published' group by d.id, g.title order by d.id::text",
        domain=domain.name, metadata=changesets.METADATA)
    with tempfile.TemporaryDirectory(prefix="gkopen-") as folder:
        csv, rows = Path(folder) / "table.csv", 0
        with csv.open("wb") as out:
            out.write((",".join(column.name for column in columns(domain, whole=True)) + "\n").encode())
            for dataset in shown:
                parts = ((part, read_blob(sha)) for part, sha in dataset["parts"])
                rows += write_dataset_rows(domain, dataset["id"], dataset["publisher"], parts, out)
        title = Text(f"全部机构{domain.title.zh}", f"All bodies: {domain.title.en}")
        content = Content(
            domain=domain, csv=csv, rows=rows, whole=True, name=domain.name, title=title,
            publisher=toolkit.config["ckan.site_title"], updated=_iso(max((d["updated"] for d in shown), default=None)),
            address=_site(f"/open/#{domain.name}"), **_licence(_bulk_licence(domain)))
        return _make_all(content, domain.name, None, seq)


def sweep() -> list[str]:
    """Deletes bytes that no address names any more; returns their hashes. The caller commits."""
    model.execute("select pg_advisory_xact_lock(:key)", key=lock_key(STORAGE))
    storage = storages.get_storage(STORAGE)
    held = {Path(place).name: place for place in storage.scan()}
    return _remove_unnamed(held)


def _remove_unnamed(held: Mapping[str, str]) -> list[str]:
    storage = storages.get_storage(STORAGE)
    named = {row["sha256"] for row in model.every(
        "select sha256 from gkopen.file where sha256 = any(:held)", held=list(held))}
    unnamed = sorted(set(held) - named)
    for sha256 in unnamed:
        storage.remove(storages.FileData(storage.prepare_location(held[sha256])))
    return unnamed


def _share_storage() -> None:
    """Until the caller's commit no sweep takes away bytes whose row it cannot see yet."""
    model.execute("select pg_advisory_xact_lock_shared(:key)", key=lock_key(STORAGE))


def _withdraw(dataset_id: str, seq: int) -> None:
    """The addresses stay and answer 410; bytes that no other address names go at once."""
    gone = model.every(
        "update gkopen.file f set sha256 = null, size = null, rows = null, seq = :seq, updated_at = now(),"
        " reason = d.reason from gkopen.dataset d, gkopen.file old"
        " where f.dataset_id = :dataset and d.id = f.dataset_id and f.seq <= :seq and old.address = f.address"
        " returning old.sha256", dataset=dataset_id, seq=seq)
    _remove_unnamed({row["sha256"]: blobs.location(row["sha256"]) for row in gone if row["sha256"]})


def _make_all(content: Content, address: str, dataset_id: str | None, seq: int) -> list[PublishedFile]:
    made = []
    for form, (path, sha256) in _written(content).items():
        kind = FORMS[form]
        file = PublishedFile(f"{address}.{form}", form, sha256, path.stat().st_size, content.rows)
        _store(path, file, kind.media_type)
        path.unlink()
        made.append(file)
        _record(file, kind.media_type, content.domain.name, dataset_id, seq)
    return made


def publish(path: Path, address: str, form: str, media_type: str, domain: str, rows: int, seq: int) -> PublishedFile:
    """Publishes a file made elsewhere at an address that belongs to no single dataset. The caller commits."""
    _share_storage()
    file = PublishedFile(address, form, _sha256(path), path.stat().st_size, rows)
    _store(path, file, media_type)
    _record(file, media_type, domain, None, seq)
    return file


def _record(file: PublishedFile, media_type: str, domain: str, dataset_id: str | None, seq: int) -> None:
    model.execute(
        "insert into gkopen.file (address, dataset_id, domain, form, sha256, size, media_type, rows, seq)"
        " values (:address, :dataset, :domain, :form, :sha256, :size, :media_type, :rows, :seq)"
        " on conflict (address) do update set sha256 = excluded.sha256, size = excluded.size,"
        " rows = excluded.rows, seq = excluded.seq, reason = null, media_type = excluded.media_type,"
        # The time of an address is that of its bytes: making the same file again changes nothing for readers.
        " updated_at = case when file.sha256 = excluded.sha256 then file.updated_at else now() end"
        " where file.seq <= excluded.seq or file.dataset_id is null",
        address=file.address, dataset=dataset_id, domain=domain, form=file.form, sha256=file.sha256,
        size=file.size, media_type=media_type, rows=file.rows, seq=seq)


def _written(content: Content) -> dict[str, tuple[Path, str]]:
    """Form → its file and the sha256 of it. Two forms at a time: what they do to columns and bytes leaves Python free.

    Nothing here touches the database, which belongs to the caller's thread.
    """
    def write(form: str) -> tuple[Path, str]:
        path = content.csv
        if form != "csv":
            path = content.csv.with_name(f"form.{form}")
            with path.open("wb") as out:
                FORMS[form].write(content, out)
        return path, _sha256(path)

    longest_first = sorted(FORMS, key=lambda form: form != "xlsx")
    with ThreadPoolExecutor(2, "form") as threads:
        written = dict(zip(longest_first, threads.map(write, longest_first), strict=True))
    return {form: written[form] for form in FORMS}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _store(path: Path, file: PublishedFile, media_type: str) -> None:
    """Bytes that are there whole are left alone: somebody may be reading them."""
    storage = storages.get_storage(STORAGE)
    place = storage.prepare_location(blobs.location(file.sha256))
    held = storages.FileData(place, size=file.size)
    if storage.exists(held) and storage.size(place) == file.size:
        return
    with path.open("rb") as source:
        storage.upload(place, storages.Upload(source, file.sha256, file.size, media_type))


def _dataset_facts(dataset_id: str) -> dict[str, Any]:
    """What the package says; the time is that of the publication which the rows come from."""
    row = model.one(
        "select d.name, coalesce(p.title, d.name) as title,"
        " coalesce(p.extras ->> 'title_en', p.title, d.name) as title_en,"
        " coalesce(g.title, '') as publisher, p.license_id,"
        " (select max(u.at) from gkopen.public_part s join gkopen.publication u using (dataset_id, seq)"
        "  where s.dataset_id = d.id and s.part <> :metadata) as updated"
        " from gkopen.dataset d left join public.package p on p.id = d.id::text"
        " left join public.\"group\" g on g.id = d.body_id where d.id = :id",
        id=dataset_id, metadata=changesets.METADATA)
    if row is None:
        raise LookupError(f"there is no dataset {dataset_id}")
    return {
        "name": row["name"], "title": Text(row["title"], row["title_en"]), "publisher": row["publisher"],
        "updated": _iso(row["updated"]), "address": _site(f"/dataset/{row['name']}"), **_licence(row["license_id"]),
    }


def _bulk_licence(domain: Domain) -> str | None:
    """The licence of the package over all bodies, where there is one already."""
    return model.value("select license_id from public.package where id = :id", id=ids.bulk_id(domain.name))


def _licence(license_id: str | None) -> dict[str, str]:
    licence = ckan_model.Package.get_license_register().get(license_id) if license_id else None
    return {"licence": getattr(licence, "title", None) or license_id or "",
            "licence_url": getattr(licence, "url", None) or ""}


def _site(path: str) -> str:
    return toolkit.config["ckan.site_url"].rstrip("/") + path


def _iso(at: Any) -> str:
    return at.astimezone(SHANGHAI).isoformat(timespec="seconds") if at else ""
