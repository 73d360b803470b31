"""The feed put together of kept pieces is the graph that ckanext-dcat draws, also when Valkey was emptied."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.lib.redis import connect_to_redis
from ckan.plugins import toolkit
from ckanext.dcat import logic
from ckanext.dcat.profiles import SCHEMA
from rdflib import DCAT, BNode, Graph, Namespace
from rdflib.compare import isomorphic

from ckanext.gkopen.clock import SHANGHAI
from tests.people import call, make_cast
from tests.thread.test_thread import FIRST, approve, drain, submit, upload

HYDRA = Namespace("http://www.w3.org/ns/hydra/core#")
PARSED = {"ttl": "turtle", "n3": "n3", "xml": "xml", "rdf": "xml", "jsonld": "json-ld"}


@pytest.fixture
def published(site: Any) -> Any:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    drain()
    return cast


def read(text: str | bytes, form: str) -> Graph:
    return Graph().parse(data=text, format=PARSED[form])


def test_the_feed_is_the_graph_that_ckanext_dcat_draws(published: Any, app: Any) -> None:
    for form in PARSED:
        drawn, kept = (read(app.get(f"/catalog.{form}").data, form) for _ in range(2))
        with app.flask_app.test_request_context(f"/catalog.{form}"):
            theirs = logic.dcat_catalog_show({"ignore_auth": True}, {"format": form})
        assert isomorphic(drawn, read(theirs, form)), form
        assert isomorphic(kept, drawn), form
        assert len(drawn) > 200


def test_a_page_that_is_kept_goes_out_as_it_went_out_first(published: Any, app: Any) -> None:
    for form in PARSED:
        address = f"/catalog.{form}?page=1"
        drawn, kept = app.get(address), app.get(address)
        first, second = (sorted((name.lower(), value) for name, value in answer.headers) for answer in (drawn, kept))
        assert (kept.data, second) == (drawn.data, first), form
        [key] = connect_to_redis().keys(f"gkopen/rdf/{toolkit.config['ckan.site_id']}/page/{form}/*")
        connect_to_redis().set(key, "kept: 页")
        assert app.get(address).text == "kept: 页"
        assert app.get(f"/catalog.{form}?q=*:*").text != "kept: 页"


def test_a_dataset_alone_is_what_the_feed_says_of_it(published: Any, app: Any) -> None:
    name = f"{published.body}-procurement"
    for form in PARSED:
        alone = read(app.get(f"/dataset/{name}.{form}").data, form)
        theirs = logic.dcat_dataset_show({"ignore_auth": True}, {"id": name, "format": form})
        assert isomorphic(alone, read(theirs, form)), form
        feed = set(read(app.get(f"/catalog.{form}").data, form))
        assert {triple for triple in alone if not any(isinstance(node, BNode) for node in triple)} <= feed, form
        assert len(alone) > 100


def test_other_profiles_are_drawn_by_ckanext_dcat(published: Any, app: Any) -> None:
    for address in ("/catalog.ttl", f"/dataset/{published.body}-procurement.ttl"):
        told = read(app.get(f"{address}?profiles=schemaorg").data, "ttl")
        assert (None, None, SCHEMA.Dataset) in told


def test_who_may_not_read_a_dataset_reads_no_rdf_of_it(published: Any, app: Any) -> None:
    assert app.get("/dataset/no-such-thing.ttl").status_code == 404
    dataset = ckan_model.Package.get(f"{published.body}-procurement")
    assert dataset is not None
    dataset.private = True
    ckan_model.Session.commit()
    assert app.get(f"/dataset/{dataset.name}.ttl").status_code in (403, 404)


def test_an_emptied_valkey_costs_time_and_nothing_else(published: Any, app: Any) -> None:
    before = app.get("/catalog.ttl").data
    connect_to_redis().flushdb()
    assert app.get("/catalog.ttl").data == before


def test_a_publication_shows_in_the_feed(published: Any, app: Any) -> None:
    before = app.get("/catalog.ttl").data.decode()
    revision = submit(published, *FIRST[:2], FIRST[2].replace(",300,", ",301,"))["revision_id"]
    approve(published, revision)
    drain()
    after = app.get("/catalog.ttl").data.decode()
    assert "第 1 次发布" in before and "第 2 次发布" in after and "第 1 次发布" not in after


def test_only_pages_that_everybody_asks_for_are_kept(published: Any, app: Any) -> None:
    """Sessions live in the same memory: whoever asks a new question each time must not push them out."""
    pages = f"gkopen/rdf/{toolkit.config['ckan.site_id']}/page/*"
    connect_to_redis().flushdb()
    for asked in ("q=a", "q=b", "fq=domain:parking", "modified_since=2020-01-01", "page=1234567"):
        assert app.get(f"/catalog.ttl?{asked}").status_code == 200, asked
    assert not connect_to_redis().keys(pages)
    assert app.get("/catalog.ttl?page=1").data == app.get("/catalog.ttl").data
    assert len(connect_to_redis().keys(pages)) == 1


def test_a_page_of_a_past_state_does_not_stay_long(published: Any, app: Any) -> None:
    redis, start = connect_to_redis(), f"gkopen/rdf/{toolkit.config['ckan.site_id']}"
    redis.flushdb()
    app.get("/catalog.ttl")
    assert app.get(f"/dataset/{published.body}-procurement").status_code == 200
    pages, of_datasets, of_sites = (redis.keys(f"{start}/{kind}/*") for kind in ("page", "turtle", "schemaorg"))
    assert pages and all(0 < redis.ttl(key) <= 3600 for key in pages)
    assert of_datasets and of_sites and all(redis.ttl(key) > 6 * 86400 for key in (*of_datasets, *of_sites))


def test_the_feed_names_its_own_next_page(published: Any, app: Any) -> None:
    asked = app.get("/api/3/action/dcat_catalog_show?format=ttl").json["result"]
    feed = app.get("/catalog.ttl").text
    assert "/api/3/action/dcat_catalog_show?page=1" in asked
    assert "/catalog.ttl?page=1" in feed and "/api/3/action/dcat" not in feed


def test_what_is_published_while_a_reader_turns_pages_is_on_one_of_them(published: Any, app: Any, monkeypatch: Any
                                                                        ) -> None:
    """A harvester takes what it does not see for deleted."""
    publish_changed(published, published.other, "一")
    monkeypatch.setitem(toolkit.config, "ckanext.dcat.datasets_per_page", "1")
    bodies = {f"{body}-procurement": body for body in (published.body, published.other)}
    datasets = {call("package_show", "", id=name)["id"]: name for name in call("package_list", "")}
    for more in ("", "&profiles=euro_dcat_ap_3", "&modified_since=2020-01-01T00:00:00+08:00"):
        address, seen = f"/catalog.ttl?page=1{more}", []
        while address:
            page = read(app.get(address).data, "ttl")
            seen += [datasets[str(dataset).rpartition("/")[2]] for dataset in page.objects(None, DCAT.dataset)]
            if len(seen) == 2:
                unseen = set(bodies) - set(seen)
                publish_changed(published, bodies[min(unseen or bodies)], f"又{more}")
            following = str(next(page.objects(None, HYDRA.next), ""))
            address = following.partition(toolkit.config["ckan.site_url"])[2]
        assert sorted(seen) == sorted(datasets.values()), more


def test_a_time_whose_plus_sign_stands_bare_in_the_address_is_read_as_it_is(published: Any, app: Any) -> None:
    changed = max(datetime.fromisoformat(package["metadata_modified"]) for package in
                  call("package_search", "")["results"]).replace(tzinfo=UTC).astimezone(SHANGHAI)
    for moment, there in ((changed, True), (changed + timedelta(seconds=1), False)):
        page = read(app.get(f"/catalog.ttl?modified_since={moment.isoformat()}").data, "ttl")
        assert bool(list(page.objects(None, DCAT.dataset))) is there, moment


def publish_changed(cast: Any, body: str, title: str) -> None:
    rows = [row.replace("NT-", f"{body}-").replace("学校食堂", f"学校食堂{title}") for row in FIRST]
    submitter = cast.stranger if body == cast.other else cast.officer
    made = call("gkopen_submission_create", submitter, domain="procurement", organization=body, upload=upload(*rows))
    approve(cast, made["revision_id"], cast.office)
    drain()
