from __future__ import annotations

from typing import Any

from ckan import model
from ckan.plugins import toolkit

from ckanext.gkopen.embedded.places import PROJECT
from tests.fresh import FreshSite
from tests.people import TABLES, call, make_cast
from tests.sharing import LONGEST, TOGETHER


def test_what_is_named_is_there() -> None:
    assert [name for name in (*TOGETHER, *LONGEST) if not (PROJECT / name).exists()] == []


def test_people_who_are_brought_back_are_those_who_were_made(site: Any, fresh_site: FreshSite) -> None:
    def rows() -> list[Any]:
        return [sorted(map(str, model.Session.execute(model.meta.metadata.tables[name.strip('"')].select())))
                for name in TABLES]

    make_cast()
    made = rows()
    fresh_site.reset()
    assert rows() == [[], [], [], []]
    cast = make_cast()
    assert rows() == made
    assert call("user_show", cast.admin, id=cast.officer)["name"] == cast.officer
    model.Session.rollback()
    fresh_site.reset()
    toolkit.get_action("get_site_user")({"ignore_auth": True}, {})
    assert make_cast() == cast, "a site that somebody was on before is made by the actions"
    assert [len(table) for table in rows()] == [len(table) for table in made]
