"""What CKAN 2.12 needs to see in a table that it did not make; an upgrade that wants more fails here."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from ckanext.datastore.backend import DatastoreBackend
from ckanext.datastore.backend.postgres import _generate_index_name

from ckanext.gkopen import ids
from ckanext.gkopen.publish import table
from ckanext.gkopen.publish.table_sql import PLACE, TableSQL

from .sample import Blobs, canonical, domain, row

SAMPLE = domain()
TABLE = ids.table_id("sample")


def load(blobs: Blobs, described: Any = SAMPLE) -> None:
    sha = blobs.put(canonical([row("1", project_name="南通市停车场", award_amount="100.00")]))
    table.bring_up(described, "d-1", "财政局", 1, {"2024-05": sha}, blobs.read)


def test_ckan_describes_the_table(reader: Any, blobs: Blobs) -> None:
    load(blobs)
    backend = DatastoreBackend.get_active_backend()
    assert backend.resource_exists(TABLE)
    assert backend.resource_id_from_alias("sample") == (True, TABLE)
    info = backend.resource_fields(TABLE)
    assert info["meta"] | {"size": 0, "db_size": 0, "idx_size": 0} == {
        "id": TABLE, "count": 1, "table_type": "BASE TABLE", "size": 0, "db_size": 0, "idx_size": 0,
        "aliases": ["sample"]}
    columns = {column["id"]: column for column in info["fields"]}
    assert list(columns)[:4] == ["dataset_id", "part", "publisher", "notice_no"]
    assert columns["award_amount"]["info"]["label"] == "中标金额"
    assert columns["award_amount"]["info"]["unit"] == "元"
    assert columns["award_amount"]["type"] == "numeric"
    assert columns["project_name"]["info"]["notes"] == "采购项目的全称"
    assert columns["area"]["schema"]["is_index"]


def test_the_key_is_unique_over_a_dataset_and_named_as_ckan_names_it(reader: Any, blobs: Blobs) -> None:
    load(blobs)
    reader.execute("select i.relname, x.indisunique, x.indnullsnotdistinct from pg_index x"
                   " join pg_class i on i.oid = x.indexrelid where x.indrelid = %s::regclass", (f'public."{TABLE}"',))
    found = {name: (unique, together) for name, unique, together in reader.fetchall()}
    assert found[_generate_index_name(TABLE, '"dataset_id", "notice_no", "lot_no"')] == (True, True)
    assert found["gkopen_" + hashlib.sha1(TABLE.encode()).hexdigest()[:30]] == (False, False)


def test_parts_are_found_by_where_they_lie_and_numbers_go_on(reader: Any, blobs: Blobs) -> None:
    load(blobs)
    reader.execute("select m.amname from pg_class i join pg_am m on m.oid = i.relam where i.relname = %s",
                   (TableSQL(SAMPLE).index_name(PLACE),))
    assert reader.fetchone() == ("brin",)
    reader.execute("select cache_size from pg_sequences where sequencename = %s", (f"{TABLE}__id_seq",))
    assert reader.fetchone() == (1,)


def test_the_read_role_reads_the_table_and_nothing_of_the_bookkeeping(reader: Any, blobs: Blobs) -> None:
    load(blobs)
    reader.execute("select has_table_privilege(%s, 'select'), has_table_privilege('public.sample', 'select'),"
                   " has_schema_privilege('gkopen', 'usage'), has_schema_privilege('gkopen_build', 'usage'),"
                   " has_table_privilege(%s, 'insert')", (f'public."{TABLE}"',) * 2)
    assert reader.fetchone() == (True, True, False, False, False)


def test_set_permissions_finds_its_trigger_and_it_costs_nothing(reader: Any, blobs: Blobs) -> None:
    load(blobs)
    reader.execute("select tgname, tgqual is not null from pg_trigger where tgrelid = %s::regclass",
                   (f'public."{TABLE}"',))
    assert reader.fetchall() == [("zfulltext", True)]
    reader.execute("select count(*) from public.sample where _full_text is not null")
    assert reader.fetchone() == (0,)


def test_a_domain_without_search_and_filter_fields_has_a_table(reader: Any, blobs: Blobs) -> None:
    plain = replace(SAMPLE, fields=tuple(replace(f, search=False, filter=False) for f in SAMPLE.fields))
    load(blobs, plain)
    assert not any("gin" in statement for statement in TableSQL(plain).finish_build())
    reader.execute("select count(*) from public.sample")
    assert reader.fetchone() == (1,)
