"""`datastore_search`, `datastore_info` and the dump, over HTTP, for a domain's table and for one dataset's own id."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest

from ckanext.gkopen import blobs, ids, model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish import table
from tests.people import Cast, make_cast
from tests.thread.test_thread import FIRST, approve, dataset_id, drain, submit

PROCUREMENT = get_domain("procurement")
OTHER = "00000000-0000-0000-0000-000000000002"


@pytest.fixture
def cast(site: Any) -> Cast:
    """Three published rows of the finance bureau; another body's rows share the table."""
    made = make_cast()
    approve(made, submit(made, *FIRST)["revision_id"])
    drain()
    parts = {row["part"]: row["sha256"] for row in model.every(
        "select part, sha256 from gkopen.public_part where part <> '~metadata'")}
    table.bring_up(PROCUREMENT, OTHER, "住房和城乡建设局", 1, parts, blobs.read)
    return made


def search(app: Any, **data: Any) -> dict[str, Any]:
    answer = app.post("/api/3/action/datastore_search", json=data)
    assert answer.status_code == 200, answer.body
    return json.loads(answer.body, parse_float=Decimal)["result"]


def test_an_own_resource_id_shows_the_datasets_rows_only(cast: Cast, app_again: Any) -> None:
    own = ids.resource_id(dataset_id(cast))
    whole = search(app_again, resource_id="procurement")
    assert whole["total"] == 6
    assert whole["resource_id"] == ids.table_id("procurement")
    mine = search(app_again, resource_id=own)
    assert mine["total"] == 3
    assert mine["resource_id"] == own
    assert {row["dataset_id"] for row in mine["records"]} == {dataset_id(cast)}
    assert [field["id"] for field in mine["fields"]] == [field["id"] for field in whole["fields"]]
    assert "filters" not in mine
    filtered = search(app_again, resource_id=own, filters={"notice_type": "award"}, include_total=True)
    assert (filtered["total"], len(filtered["records"])) == (2, 2)
    elsewhere = search(app_again, resource_id=own, filters={"dataset_id": OTHER})
    assert (elsewhere["total"], elsewhere["records"]) == (0, [])
    assert search(app_again, resource_id=own, limit=1, offset=2)["total"] == 3
    buyers = search(app_again, resource_id=own, fields="buyer_name", distinct=True, sort="buyer_name")
    assert len(buyers["records"]) == buyers["total"] == 3


def test_amounts_are_exact_over_http(cast: Cast, app_again: Any) -> None:
    answer = app_again.post("/api/3/action/datastore_search", json={
        "resource_id": ids.resource_id(dataset_id(cast)), "filters": {"project_no": "NTCG-2024-002"}})
    assert '"award_amount": 1190000.50' in answer.body or '"award_amount":1190000.50' in answer.body


def test_words_are_found_inside_rows(cast: Cast, app_again: Any) -> None:
    own = ids.resource_id(dataset_id(cast))
    for resource, times in ((own, 1), ("procurement", 2)):
        assert search(app_again, resource_id=resource, q="车场收")["total"] == times
        assert search(app_again, resource_id=resource, q="停车 城市管理")["total"] == times
        assert search(app_again, resource_id=resource, q="停 不存在")["total"] == 0
        assert search(app_again, resource_id=resource, q={"project_name": "停车"})["total"] == times
        assert search(app_again, resource_id=resource, q={"buyer_name": "停车"})["total"] == 0
        assert search(app_again, resource_id=resource, full_text="停车")["total"] == times
    sorted_page = search(app_again, resource_id=own, q="南通", sort="project_no desc", limit=2)
    assert [row["project_no"] for row in sorted_page["records"]] == ["NTCG-2024-003", "NTCG-2024-002"]
    assert sorted_page["total"] == 3
    distinct = search(app_again, resource_id="procurement", q="停车", fields=["project_name"], distinct=True)
    assert distinct["records"] == [{"project_name": "停车场收费系统采购"}]
    assert distinct["total"] == 1
    text = search(app_again, resource_id=own, q="停车", records_format="csv", fields=["project_name"])
    assert text["records"].strip() == "停车场收费系统采购"
    assert "rank" not in [field["id"] for field in search(app_again, resource_id=own, q="停车")["fields"]]
    refused = app_again.post("/api/3/action/datastore_search",
                             json={"resource_id": own, "q": "停车", "fields": ["rank"]})
    assert refused.status_code == 409


def test_order_and_distinct_hold_beyond_the_cap(cast: Cast, app_again: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ckanext.gkopen.datastore.chinese.CAP", 2)
    page = search(app_again, resource_id="procurement", q="南通", sort="project_no desc", limit=3)
    assert [row["project_no"] for row in page["records"]] == ["NTCG-2024-003", "NTCG-2024-003", "NTCG-2024-002"]
    assert (page["total"], page["total_was_estimated"]) == (2, True)
    names = search(app_again, resource_id="procurement", q="南通", fields="project_no", distinct=True,
                   sort="project_no")
    assert [row["project_no"] for row in names["records"]] == ["NTCG-2024-001", "NTCG-2024-002", "NTCG-2024-003"]
    assert names["total"] == 3
    paged = [search(app_again, resource_id="procurement", q="南通", limit=1, offset=n)["records"][0]["_id"]
             for n in range(6)]
    assert paged == sorted(set(paged))


def test_pages_of_rows_that_are_equal_hold_each_once(cast: Cast, app_again: Any) -> None:
    many = [FIRST[0].replace("-001", f"-{number:03}") for number in range(100, 180)]
    approve(cast, submit(cast, *many)["revision_id"])
    drain()
    for asked in ({}, {"q": "停车"}, {"filters": {"notice_type": "award"}}):
        paged = [row["_id"] for start in range(0, 99, 9) for row in search(
            app_again, resource_id="procurement", sort="buyer_name desc", limit=9, offset=start, **asked)["records"]]
        total = search(app_again, resource_id="procurement", limit=0, **asked)["total"]
        assert len(set(paged)) == len(paged) == total > 80


def test_an_offset_that_no_table_reaches_is_refused_without_the_sql(cast: Cast, app_again: Any) -> None:
    for offset in (1 << 31, 10 ** 20):
        answer = app_again.post("/api/3/action/datastore_search", json={"resource_id": "procurement", "offset": offset},
                                status=409)
        assert "2147483647" in answer.json["error"]["offset"][0] and "SELECT" not in answer.body
    assert search(app_again, resource_id="procurement", offset=2147483647)["records"] == []


def test_info_describes_the_dataset(cast: Cast, app_again: Any) -> None:
    own = ids.resource_id(dataset_id(cast))
    answer = app_again.post("/api/3/action/datastore_info", json={"resource_id": own})
    meta = answer.json["result"]["meta"]
    assert (meta["id"], meta["count"], meta["aliases"]) == (own, 3, [])
    labels = {field["id"]: field["info"]["label"] for field in answer.json["result"]["fields"]}
    assert labels["award_amount"] == PROCUREMENT.field("award_amount").title.zh
    whole = app_again.post("/api/3/action/datastore_info", json={"resource_id": "procurement"})
    assert whole.json["result"]["meta"]["count"] == 6


def test_unknown_and_unpublished_ids_are_not_found(cast: Cast, app_again: Any) -> None:
    for resource in (ids.resource_id(OTHER), OTHER, "nothing"):
        answer = app_again.post("/api/3/action/datastore_search", json={"resource_id": resource})
        assert answer.status_code == 404
        assert app_again.get(f"/datastore/dump/{resource}").status_code == 404


def test_the_dump_of_a_dataset_is_its_canonical_file(cast: Cast, app_again: Any) -> None:
    own = ids.resource_id(dataset_id(cast))
    dumped = app_again.get(f"/datastore/dump/{own}")
    file = app_again.get(f"/open/procurement/{cast.body}-procurement.csv")
    assert dumped.data == file.data
    assert dumped.headers["Content-Disposition"] == f'attachment; filename="{own}.csv"'
    assert "Set-Cookie" not in dumped.headers
    assert app_again.get(f"/datastore/dump/{own}?bom=true").data == b"\xef\xbb\xbf" + dumped.data
    whole = list(csv.reader(io.StringIO(app_again.get("/datastore/dump/procurement").get_data(as_text=True))))
    assert whole[0][:3] == ["dataset_id", "part", "publisher"]
    assert len(whole) == 7
    tabs = app_again.get(f"/datastore/dump/{own}?format=tsv").get_data(as_text=True)
    assert tabs.splitlines()[0].split("\t") == list(PROCUREMENT.field_names)


def test_the_dump_takes_filters_words_and_order(cast: Cast, app_again: Any) -> None:
    own = ids.resource_id(dataset_id(cast))

    def lines(query: str) -> list[str]:
        return app_again.get(f"/datastore/dump/{own}?fields=project_no&{query}").get_data(as_text=True).split()[1:]

    assert lines('filters={"notice_type":"award"}&sort=project_no desc') == ["NTCG-2024-002", "NTCG-2024-001"]
    assert lines("q=停车") == ["NTCG-2024-001"]
    assert lines("sort=project_no&limit=1&offset=1") == ["NTCG-2024-002"]
    assert lines("limit=0") == []


WRONG_DUMPS = (
    ("fields=project_no&fields=part", "fields once"),
    ("format=json", "tsv"), ("sort=nothing", "project_no"), ('filters={"award_amount":"x"}', "1234.56"),
    ("limit=x", "limit"), ("limit=-1", "from 0"), ("offset=-1", "from 0"), ('q={"nothing": "停车"}', "nothing"),
    ("fields=nothing", "project_no"), ("filters=[]", "object"), ("filters=" + "[" * 100_000, "nested"),
    ('filters={"published_at":{"gte":"yesterday"}}', "2026-01-31"), ('filters={"nothing":1}', "project_no"))
WRONG_FILTERS = (
    ('{"award_amount": NaN}', "1234.56"), ('{"award_amount": {"gte": Infinity}}', "1234.56"),
    ('{"award_amount": 1e400}', "1234.56"), ('{"award_amount": "abc"}', "1234.56"),
    ('{"award_amount": {"in": 5}}', "list"), ('{"award_amount": {"gte": [1]}}', "one value"),
    ('{"signed_on": {"gte": 20240101}}', "2026-01-31"), ('{"signed_on": "soon"}', "2026-01-31"),
    ('{"nothing": 1}', "award_amount"), ('{"award_amount": null}', "1234.56"),
    ('{"award_amount": {"about": 1}}', "gte"),
    ('{"award_amount"', "JSON"), ("[" * 2000, "JSON"), ("[]", "JSON"), ("1", "JSON"), ('"x"', "JSON"),
    ('[["a", 1]]', "JSON"))


def test_what_the_dump_refuses_it_refuses_in_words(cast: Cast, app_again: Any) -> None:
    for wrong, said in WRONG_DUMPS:
        answer = app_again.get(f"/datastore/dump/procurement?{wrong}")
        assert (answer.status_code, answer.mimetype) == (400, "text/plain"), wrong[:60]
        assert said in answer.get_data(as_text=True), wrong[:60]


def test_filters_that_no_column_has_are_refused_in_words(cast: Cast, app_again: Any) -> None:
    """By what is allowed, and not by PostgreSQL's own error with the statement; NaN cannot even be answered with."""
    own = ids.resource_id(dataset_id(cast))
    domain = {"domain": "procurement"}
    for action, name in (("datastore_search", {"resource_id": own}), ("gkopen_rows", domain),
                         ("datastore_search", {"resource_id": "procurement"}), ("gkopen_aggregate", domain)):
        for filters, said in WRONG_FILTERS:
            answer = app_again.get(f"/api/3/action/{action}", query_string={**name, "filters": filters})
            assert answer.status_code == 409, (action, filters[:60], answer.status_code)
            told = answer.json["error"]["filters"]
            assert isinstance(told, list) and said in " ".join(told), (action, filters[:60], told)
    for filters in ([], 7):
        answer = app_again.post("/api/3/action/datastore_search", json={"resource_id": own, "filters": filters})
        assert answer.status_code == 409 and "JSON" in answer.json["error"]["filters"][0]
    answer = app_again.post("/api/3/action/datastore_search", data=b"[" * 100_000, content_type="application/json")
    assert answer.status_code == 400 and "nested" in answer.get_data(as_text=True)


def test_a_domain_whose_first_rows_are_on_their_way(site: Any, app_again: Any) -> None:
    """Public, and in the table as soon as a worker has come to it."""
    made = make_cast()
    approve(made, submit(made, *FIRST)["revision_id"])
    for resource in ("procurement", ids.resource_id(dataset_id(made))):
        answer = app_again.get(f"/datastore/dump/{resource}")
        assert (answer.status_code, "on their way" in answer.text) == (404, True)
    drain()
    assert app_again.get("/datastore/dump/procurement").status_code == 200
