"""A fresh site for every test, cheaply, and really fresh."""

import pytest
from ckan import model
from ckan.plugins import toolkit


@pytest.mark.parametrize("time", ["first", "second"])
def test_nothing_of_another_test_is_left(site, time):
    site_user = toolkit.get_action("get_site_user")({"ignore_auth": True}, {})["name"]
    context = {"user": site_user, "ignore_auth": True}
    assert model.Session.query(model.User).filter(model.User.name != site_user).count() == 0
    toolkit.get_action("user_create")(context, {"name": "someone", "email": "a@example.com", "password": "12345678"})
    (site.storage / "private" / "left").write_text("left")
    assert [path.name for path in (site.storage / "private").iterdir()] == ["left"]


def test_page(app):
    assert app.get("/").status_code == 200


def test_page_again(app):
    assert app.get("/dataset/").status_code == 200
