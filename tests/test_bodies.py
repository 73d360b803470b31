"""A body is found by the same labels one by one and for a whole listing."""

from __future__ import annotations

from typing import Any

import pytest
from ckan import model
from sqlalchemy import delete

from ckanext.gkopen import bodies


@pytest.fixture
def groups(site: Any):
    made: list[Any] = [
        model.Group(name="czj", title="某市财政局", type="organization", is_organization=True),
        model.Group(name="jtj", title="交通运输局", type="organization", is_organization=True),
        model.Group(name="jtj-2", title="交通运输局", type="organization", is_organization=True),
        model.Group(name="jyj", title="某区教育局（本级）", type="organization", is_organization=True),
        model.Group(name="gone", title="已撤销局", type="organization", is_organization=True),
        model.Group(name="topic", title="财政", type="group", is_organization=False),
    ]
    made[0].extras, made[2].extras = {"uscc": "11320600014156789X"}, {"uscc": "jtj"}
    made[4].state = "deleted"
    model.Session.add_all(made)
    model.Session.commit()
    yield made
    model.Session.execute(delete(model.Group).where(model.Group.id.in_([group.id for group in made])))
    model.Session.commit()


def test_the_same_body_one_by_one_and_for_a_listing(groups):
    find = bodies.finder()
    for name in ("czj", groups[0].id, "某市财政局", "11320600014156789X", "jtj", "jtj-2", " 某市财政局\u3000",
                 "某市\u200b财政局", "１１３２０６０００１４１５６７８９Ｘ", "某区教育局(本级)", "某区教育局（本级）"):
        assert find(name) == bodies.find(name)
    for name in ("交通运输局", "gone", "已撤销局", "topic", "财政", "", "nobody"):
        with pytest.raises(bodies.UnknownBody):
            find(name)
        with pytest.raises(bodies.UnknownBody):
            bodies.find(name)
