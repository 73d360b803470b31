"""The documents of a batch are those that CKAN sends for each package alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pysolr
import pytest
from ckan import logic
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import ids, model
from ckanext.gkopen.demo import make_body
from ckanext.gkopen.publish import index
from tests.people import Cast, make_cast
from tests.races import crew


@pytest.fixture
def published(site: Any) -> Iterator[Cast]:
    cast = make_cast()
    make_body("third", {"zh": "第三局", "en": "Third Bureau"}, short_names=["三局"])
    ckan_model.Session.commit()
    for number, body in enumerate((cast.body, cast.other, "third")):
        crew.approve(cast.office, crew.submit(cast.admin, body, [crew.row(number + 1), crew.row(number + 5)]))
    model.execute("update gkopen.outbox set not_before = now()")
    ckan_model.Session.commit()
    crew.drain()
    yield cast
    ckan_model.Session.rollback()


def test_documents_are_those_of_ckan(published: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, Any] = {}
    known = {package.id: package for package in ckan_model.Session.query(ckan_model.Package)}
    assert ids.bulk_id("procurement") in known and len(known) == 4
    with monkeypatch.context() as patch:                 # what goes over the wire, document by document
        patch.setattr(pysolr.Solr, "add", lambda _self, docs, **_: sent.update((doc["id"], doc) for doc in docs))
        for package_id in known:
            logic.index_update_package({"ignore_auth": True}, package_id)
    assert {document["id"]: document for document in index.documents(known)} == sent


def test_the_index_follows_the_database(published: Cast) -> None:
    one, other = (crew.dataset_of(body) for body in (published.body, published.other))
    model.execute("update public.package set state = 'deleted' where id = :id", id=one)
    model.execute("update public.package set title = '更正后的标题' where id = :id", id=other)
    ckan_model.Session.expire_all()
    index.bring_up([one, other])
    found = toolkit.get_action("package_search")({"ignore_auth": True}, {"fl": "id,title", "rows": 10})["results"]
    titles = {package["id"]: package["title"] for package in found}
    assert one not in titles
    assert titles[other] == "更正后的标题"
    assert len(titles) == 3
