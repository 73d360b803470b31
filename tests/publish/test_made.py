"""Files as they are made: again, at once or in patches, large or in many parts, the same bytes; none too many."""

from __future__ import annotations

import hashlib
import io
import threading
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from ckan import model as ckan_model
from ckan.lib import files as storages
from ckan.tests.helpers import CKANTestApp

from ckanext.gkopen import blobs, model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish import files, store
from ckanext.gkopen.publish.forms import content, spool
from ckanext.gkopen.publish.forms.spool import Spool
from ckanext.gkopen.publish.forms.streams import IDENTITY
from ckanext.gkopen.publish.standards.bring_up import bring_up
from ckanext.gkopen.publish.table_sql import lock_key
from tests.people import Cast
from tests.publish.sample import address
from tests.races import crew
from tests.thread.test_thread import dataset_id

PROCUREMENT = get_domain("procurement")


def test_files_made_again_are_the_same_and_older_seqs_are_late(cast: Cast) -> None:
    parts = {row["part"]: row["sha256"] for row in model.every(
        "select part, sha256 from gkopen.public_part where part <> '~metadata'")}
    rows = "select address, sha256, updated_at from gkopen.file order by 1"
    before = model.every(rows)
    files.bring_up_datasets(PROCUREMENT, [files.Wanted(dataset_id(cast), 5, parts)], blobs.read)
    files.bring_up_bulk(PROCUREMENT, 5)
    assert model.every(rows) == before
    fewer = dict(list(parts.items())[:1])
    files.bring_up_datasets(PROCUREMENT, [files.Wanted(dataset_id(cast), 4, fewer)], blobs.read)
    assert model.every(rows) == before


def test_the_sweep_takes_only_what_no_address_names(cast: Cast, browser: CKANTestApp) -> None:
    storage = storages.get_storage(store.STORAGE)
    sha256 = hashlib.sha256(b"left over").hexdigest()
    blobs.write(store.STORAGE, sha256, b"left over", "text/plain")
    assert files.sweep() == [sha256]
    ckan_model.Session.commit()
    assert files.sweep() == []
    ckan_model.Session.commit()
    named = {row["sha256"] for row in model.every("select sha256 from gkopen.file")}
    assert {place.rsplit("/", 1)[-1].split(".")[0] for place in storage.scan()} == named


def test_large_files_are_published_as_small_ones_are(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """They grow on the disk, and are moved to their place."""
    monkeypatch.setattr(spool, "SMALL", 100)
    published = "select address, form, sha256, size, variants from gkopen.file order by address"
    before = model.every(published)
    for row in before:
        store.remove(store.location(row["sha256"], coding) for coding in (IDENTITY, *row["variants"]))
    model.execute("update gkopen.file set layout = null")                  # nothing is copied
    parts = {row["part"]: row["sha256"] for row in model.every(
        "select part, sha256 from gkopen.public_part where part <> '~metadata'")}
    files.bring_up_datasets(PROCUREMENT, [files.Wanted(dataset_id(cast), 5, parts)], blobs.read)
    files.bring_up_bulk(PROCUREMENT, 5)
    bring_up("procurement")
    ckan_model.Session.commit()
    assert model.every(published) == before
    assert any(row["form"] == "ocds.json" for row in before)
    for row in before:
        data = store.open_file(row["sha256"], IDENTITY, row["size"]).read()
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        for coding, size in row["variants"].items():
            assert len(store.open_file(row["sha256"], coding, size).read()) == size


def test_half_a_file_is_replaced_and_a_whole_one_is_left_alone(site: Any) -> None:
    """A maker that was killed while it wrote leaves half a file where the whole one belongs."""
    data = b"the whole of it"
    sha256 = hashlib.sha256(data).hexdigest()
    folder = store.local_folder()
    assert folder is not None
    place = folder / store.location(sha256)
    for there, is_left in ((None, False), (b"", False), (data[:5], False), (data + b"!", False), (data, True)):
        with store.making() as making:
            made = Spool(making / "csv")
            made.write(data)
            made.close()
            place.unlink(missing_ok=True)
            if there is not None:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(there)
            before = place.stat().st_ino if there is not None else 0
            store.put(made, sha256, IDENTITY, "text/csv")
            assert place.read_bytes() == data
            assert (place.stat().st_ino == before) is is_left, there
    assert files.sweep() == [sha256]
    ckan_model.Session.commit()


def test_a_withdrawal_leaves_bytes_that_another_dataset_is_about_to_name(cast: Cast) -> None:
    """The bytes of two datasets are the same; one is being made while the other one is withdrawn."""
    row = model.one("select address, sha256 from gkopen.file where dataset_id is not null and form = 'csv'")
    assert row is not None
    ckan_model.Session.commit()
    with ckan_model.ensure_engine().connect() as other, other.begin():
        other.execute(sa.text("select pg_advisory_xact_lock_shared(:key)"), {"key": lock_key(store.STORAGE)})
        withdrawal = threading.Thread(target=crew.in_session, args=(
            lambda: (files.bring_up_datasets(PROCUREMENT, [files.Wanted(dataset_id(cast), 2, {})], blobs.read),
                     ckan_model.Session.commit()),))
        withdrawal.start()
        crew.until(crew.backends_waiting_for_advisory_locks)
        other.execute(sa.text(
            "insert into gkopen.file (address, domain, form, sha256, size, media_type, rows, seq)"
            " select 'copy.csv', domain, form, sha256, size, media_type, rows, 1 from gkopen.file where address = :a"),
            {"a": row["address"]})
    withdrawal.join()
    assert model.value("select sha256 from gkopen.file where address = :a", a=row["address"]) is None
    assert row["sha256"] in store.held_files()


def test_few_rows_in_many_parts_are_the_same_rows_written_at_once(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {r["part"]: r["sha256"] for r in model.every(
        "select part, sha256 from gkopen.public_part where part <> '~metadata'")}
    assert len(parts) > 1

    def bring_up(seq: int) -> dict[str, bytes]:
        made = files.bring_up_datasets(PROCUREMENT, [files.Wanted(dataset_id(cast), seq, parts)], blobs.read)
        return {file.form: store.open_file(file.sha256, IDENTITY, file.size).read() for file in made}

    at_once = bring_up(2)
    monkeypatch.setattr(content, "FEW_BYTES", 0)
    by_part = bring_up(3)
    assert {form for form in at_once if at_once[form] == by_part[form]} >= {"csv", "excel.csv", "jsonl"}
    sheets = [pd.read_excel(io.BytesIO(made["xlsx"]), dtype=str) for made in (at_once, by_part)]
    assert sheets[0].equals(sheets[1])                      # columns are as wide as the rows that came first
    assert pq.read_table(io.BytesIO(at_once["parquet"])).equals(pq.read_table(io.BytesIO(by_part["parquet"])))


def test_neighbours_stand_in_the_bulk_files_as_they_would_alone(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def bring_up() -> dict[str, bytes]:
        made = files.bring_up_bulk(PROCUREMENT, 2)
        return {file.form: store.open_file(file.sha256, IDENTITY, file.size).read() for file in made}

    together = bring_up()
    monkeypatch.setattr(content, "FEW_ROWS", -1)
    alone = bring_up()
    assert {form for form in together if together[form] == alone[form]} >= {"csv", "excel.csv", "jsonl"}
    assert pq.read_table(io.BytesIO(together["parquet"])).equals(pq.read_table(io.BytesIO(alone["parquet"])))
    layout = model.value("select count(*) from gkopen.file f, jsonb_object_keys(layout -> 'pieces')"
                         " where address = 'procurement.csv'")
    assert layout > 1


def test_a_changed_part_is_patched_into_files_that_are_byte_by_byte_those_made_anew(
        cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a published file that was changed on the disk is not copied from."""
    parts = {r["part"]: r["sha256"] for r in model.every(
        "select part, sha256 from gkopen.public_part where part <> '~metadata'")}
    monkeypatch.setattr(content, "FEW_BYTES", 0)           # as if they were large
    folder = store.local_folder()
    assert len(parts) > 1
    assert folder is not None

    def bring_up(seq: int) -> dict[Any, Any]:
        """Address and coding → bytes, and where each part lies in them."""
        files.bring_up_datasets(PROCUREMENT, [files.Wanted(dataset_id(cast), seq, parts)], blobs.read)
        ckan_model.Session.commit()
        rows = model.every("select address, sha256, variants, layout from gkopen.file where dataset_id is not null")
        places = {(r["address"], coding): store.location(r["sha256"], coding) for r in rows
                  for coding in (IDENTITY, *r["variants"])}
        return {key: (folder / place).read_bytes() for key, place in places.items()} | {
            r["address"]: r["layout"] for r in rows}

    def forget() -> None:
        model.execute("update gkopen.file set layout = null where dataset_id is not null")
        for row in model.every("select sha256 from gkopen.file where dataset_id is not null"):
            store.remove(place for place in store.places_of(row["sha256"]) if (folder / place).exists())

    before = bring_up(2)
    parts["2024-05"] = blobs.put(blobs.read(parts["2024-05"]).replace(b"NT-2024", b"NT-2023"), "text/csv")
    patched = bring_up(3)
    assert {key for key in before if isinstance(key, tuple) and before[key] == patched[key]} == set()
    forget()
    assert bring_up(4) == patched
    csv = folder / store.location(model.value("select sha256 from gkopen.file where dataset_id is not null and"
                                              " form = 'csv'"))
    csv.write_bytes(csv.read_bytes().replace("学校".encode(), "学院".encode()))
    parts["2024-05"] = blobs.put(blobs.read(parts["2024-05"]).replace(b"NT-2023", b"NT-2022"), "text/csv")
    made = bring_up(5)
    assert "学校".encode() in made[address(cast).removeprefix("/open/"), IDENTITY]
    forget()
    assert bring_up(6) == made
