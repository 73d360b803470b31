"""Many revisions decided at once: the rules hold for each, and one that is refused stops none of the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from ckan import model as ckan_model

from ckanext.gkopen import model
from ckanext.gkopen.demo import make_body
from ckanext.gkopen.publish import outbox
from ckanext.gkopen.review import audit, decide
from tests.people import Cast, call, make_cast
from tests.races import crew

BODIES = 4


@pytest.fixture
def cast(site: Any) -> Iterator[Cast]:
    cast = make_cast()
    for number in range(BODIES):
        make_body(f"many-{number}", {"zh": f"第{number}局", "en": f"Bureau {number}"})
    ckan_model.Session.commit()
    yield cast
    ckan_model.Session.remove()


def held(cast: Cast, number: int, *rows: str) -> tuple[str, str]:
    """A held revision of a body with its digest."""
    revision = crew.submit(cast.admin, f"many-{number}", rows or [crew.row(number + 1)])
    return revision, model.value("select digest from gkopen.revision where id = :id", id=revision)


def state(revision: str) -> str:
    return model.value("select state from gkopen.revision where id = :id", id=revision)


def test_those_that_are_refused_stop_none_of_the_others(cast: Cast) -> None:
    good, own, changed, broken = (held(cast, number) for number in range(BODIES))
    second = held(cast, 0, crew.row(9, month="06"))         # of the same dataset
    crew.approve(cast.office, crew.submit(cast.admin, cast.other, [crew.row(11)]))
    stale = crew.submit(cast.admin, cast.other, [crew.row(11, "2.00")])
    call("gkopen_dataset_withdraw", cast.office, id=f"{cast.other}-procurement", reason="有误")
    model.execute("update gkopen.revision set submitted_by = :by where id = :id", by=cast.office, id=own[0])
    # Somebody else's package has the name: what cannot be written fails when it is written.
    ckan_model.Session.add(ckan_model.Package(name="many-3-procurement", title="x", type="dataset"))
    ckan_model.Session.commit()
    unknown = str(uuid4())
    outcome = call("gkopen_revisions_approve", cast.office, revisions=[
        {"id": good[0], "digest": good[1]}, {"id": own[0], "digest": own[1]}, {"id": changed[0], "digest": "0" * 64},
        {"id": broken[0], "digest": broken[1]}, {"id": unknown, "digest": good[1]},
        {"id": second[0], "digest": second[1]},
        {"id": stale, "digest": model.value("select digest from gkopen.revision where id = :id", id=stale)}])
    assert [(one["id"], one["state"]) for one in outcome["results"]] == [
        (good[0], "published"), (own[0], "held"), (changed[0], "held"), (broken[0], "held"), (unknown, "unknown"),
        (second[0], "published"), (stale, "stale")]
    assert [bool(one.get("error")) for one in outcome["results"]] == [False] + [True] * 4 + [False, True]
    assert [state(revision) for revision, _ in (good, own, changed, broken, second)] == [
        "published", "held", "held", "held", "published"]
    assert state(outcome["results"][6]["again"]) == "held"
    assert outcome["results"][5]["seq"] == 2                # another month, with the metadata that `good` made public
    assert {row["name"] for row in model.every("select name from gkopen.dataset where state = 'published'")} == {
        "many-0-procurement"}
    assert list(audit.broken()) == []
    crew.drain()
    assert call("datastore_search", "", resource_id="procurement", limit=0)["total"] == 2


def test_a_reviewer_decides_for_an_own_body_alone(cast: Cast) -> None:
    foreign = held(cast, 1)
    own = crew.submit(cast.officer, cast.body, [crew.row(7)])
    digest = model.value("select digest from gkopen.revision where id = :id", id=own)
    outcome = call("gkopen_revisions_approve", cast.reviewer, revisions=[
        {"id": foreign[0], "digest": foreign[1]}, {"id": own, "digest": digest}])
    assert [one["state"] for one in outcome["results"]] == ["unknown", "published"]
    assert state(foreign[0]) == "held"


def test_together_as_one_by_one(cast: Cast) -> None:
    """The same decisions leave the same publications, parts, exits on the list and entries of the audit."""
    def said() -> dict[str, Any]:
        return {
            "dataset": model.every("select name, seq, state, reason, header from gkopen.dataset order by name"),
            "publication": model.every("select d.name, u.seq, u.reason from gkopen.publication u join gkopen.dataset d"
                                       " on d.id = u.dataset_id order by 1, 2"),
            "public_part": model.every("select d.name, p.part, p.sha256, p.seq, p.rows from gkopen.public_part p"
                                       " join gkopen.dataset d on d.id = p.dataset_id where part <> '~metadata'"
                                       " order by 1, 2"),
            "outbox": model.every("select d.name, o.seq, o.sink from gkopen.outbox o join gkopen.dataset d"
                                  " on d.id = o.dataset_id order by 1, 2, 3"),
            "audit": sorted((row["actor"], row["action"]) for row in model.every("select * from gkopen.audit"))}

    waiting = [held(cast, number) for number in range(BODIES)]
    with ckan_model.Session.begin_nested() as savepoint:
        for revision, digest in waiting:
            decide.approve(revision, digest, cast.office, "月度更新")
        one_by_one = said()
        savepoint.rollback()
    assert decide.approve_all(waiting, cast.office, "月度更新") == [1] * BODIES
    assert said() == one_by_one
    ckan_model.Session.commit()
    for _ in outbox.drain():
        pass
    crew.whole()
