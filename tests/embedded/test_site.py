"""A fresh site for every test, cheaply, and really fresh."""

from typing import Any

import pytest
from ckan import model
from ckan.lib import files
from ckan.plugins import toolkit


def act(action: str, **data: Any) -> Any:
    context: Any = {"ignore_auth": True}
    return toolkit.get_action(action)(context, data)


@pytest.mark.parametrize("time", ["first", "second"])
def test_nothing_of_another_test_is_left(site, time):
    site_user = act("get_site_user")["name"]
    assert model.Session.query(model.User).filter(model.User.name != site_user).count() == 0
    assert list((site.storage / "private").iterdir()) == []
    assert act("package_search", include_private=True)["count"] == 0
    act("user_create", name="someone", email="a@example.com", password="12345678")
    (site.storage / "private" / "left").write_text("left")


def test_storages_lie_below_the_home(site):
    for name in ("private", "public"):
        assert files.get_storage(f"gkopen_{name}").settings.path == str(site.storage / name)


def test_readers_see_one_state(site):
    from ckanext.gkopen.embedded.databases import connected

    with connected(site.databases.read_url) as cursor:
        cursor.execute("SHOW default_transaction_isolation")
        assert cursor.fetchone() == ("repeatable read",)
        cursor.execute(
            "SELECT datcollate, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
        )
        assert cursor.fetchone() == ("C", "UTF8")


def test_reader_cannot_enter_the_site_database(site):
    import psycopg2

    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        psycopg2.connect(site.databases.read_url.replace("_datastore", "")).close()


def test_page(app):
    assert app.get("/about").status_code == 200
