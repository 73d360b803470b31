"""Roles are an account's own, by its name first: an account may call itself as another one's id reads."""

from __future__ import annotations

from typing import Any

from ckan import model as ckan_model

from ckanext.gkopen.review import roles
from tests.people import make_cast


def test_a_name_that_is_anothers_id_has_none_of_its_roles(site: Any) -> None:
    cast = make_cast()
    for person in (cast.admin, cast.office, cast.officer):
        held = roles.roles_of(person)
        assert held != roles.Roles() and roles.roles_of(held.identity) == held
        assert held.identity
        user = ckan_model.User(name=held.identity, email=f"of-{person}@example.com")
        ckan_model.Session.add(user)
        ckan_model.Session.commit()
        impostor = roles.roles_of(held.identity)
        assert impostor == roles.Roles(identity=user.id)
        assert roles.roles_of(person) == held


def test_an_account_that_was_closed_has_none(site: Any) -> None:
    cast = make_cast()
    assert roles.roles_of(cast.officer).officer
    user = ckan_model.User.get(cast.officer)
    assert user is not None
    user.state = "deleted"
    ckan_model.Session.commit()
    assert roles.roles_of(cast.officer) == roles.Roles() == roles.roles_of(None) == roles.roles_of("")
