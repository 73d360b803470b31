"""The feed put together of kept pieces is the graph that ckanext-dcat draws, also when Valkey was emptied."""

from __future__ import annotations

from typing import Any

import pytest
from ckan.lib.redis import connect_to_redis
from ckan.plugins import toolkit
from ckanext.dcat import logic
from rdflib import Graph
from rdflib.compare import isomorphic

from tests.people import make_cast
from tests.thread.test_thread import FIRST, approve, drain, submit

PARSED = {"ttl": "turtle", "n3": "n3", "xml": "xml", "jsonld": "json-ld"}


@pytest.fixture
def published(site: Any) -> Any:
    cast = make_cast()
    approve(cast, submit(cast, *FIRST)["revision_id"])
    drain()
    return cast



@pytest.mark.parametrize("form", PARSED)
def test_the_feed_is_the_graph_that_ckanext_dcat_draws(published: Any, app: Any, form: str) -> None:
    drawn, kept = (Graph().parse(data=app.get(f"/catalog.{form}").data, format=PARSED[form]) for _ in range(2))
    with app.flask_app.test_request_context(f"/catalog.{form}"):
        text = logic.dcat_catalog_show({"ignore_auth": True}, {"format": form})
    assert isomorphic(drawn, Graph().parse(data=text, format=PARSED[form]))
    assert isomorphic(kept, drawn)
    assert len(drawn) > 200


def test_an_emptied_valkey_costs_time_and_nothing_else(published: Any, app: Any) -> None:
    before = app.get("/catalog.ttl").data
    connect_to_redis().flushdb()
    after = app.get("/catalog.ttl").data
    assert isomorphic(*(Graph().parse(data=text, format="turtle") for text in (before, after)))


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
    for asked in ("q=a", "q=b", "fq=domain:parking", "modified_since=2020-01-01", "page=12345678"):
        assert app.get(f"/catalog.ttl?{asked}").status_code == 200, asked
    assert not connect_to_redis().keys(pages)
    assert app.get("/catalog.ttl?page=1").data == app.get("/catalog.ttl").data
    assert len(connect_to_redis().keys(pages)) == 1
