"""The feed put together of kept pieces is the graph that ckanext-dcat draws, also when Valkey was emptied."""

from __future__ import annotations

from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.lib.redis import connect_to_redis
from ckan.plugins import toolkit
from ckanext.dcat import logic
from ckanext.dcat.profiles import SCHEMA
from rdflib import BNode, Graph
from rdflib.compare import isomorphic

from tests.people import make_cast
from tests.thread.test_thread import FIRST, approve, drain, submit

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
