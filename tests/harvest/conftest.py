import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.plugins import toolkit

from ckanext.gkopen import demo
from ckanext.gkopen.embedded.accounts import Accounts
from ckanext.gkopen.harvest import ledger
from ckanext.gkopen.harvesters.source import load_source
from ckanext.gkopen.simulator.server import running
from tests.harvest.city import BODY, SECRET, City, approve, harvest
from tests.people import made_once


def copied(folder: Path) -> Path:
    shutil.copytree(str(files("ckanext.gkopen") / "simulator" / "city"), folder / "city")
    return folder / "city"


@pytest.fixture
def city(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[City]:
    """The whole demo city."""
    folder = copied(tmp_path)
    monkeypatch.setenv("GKOPEN_SECRET_DEMO", SECRET)
    with running(folder, SECRET) as (url, platform):
        demo.make_city(folder, url, Accounts(tmp_path / "accounts.txt"))
        yield City(folder, platform)


@made_once
def _townspeople() -> None:
    toolkit.get_action("get_site_user")({"ignore_auth": True}, {})
    demo.make_body(demo.OFFICE, {"zh": "江海市政务公开办公室", "en": "Disclosure Office"}, disclosure_office=True)
    demo.make_body(BODY, {"zh": "江海市城市管理局", "en": "City Management Bureau"})
    demo.make_body("jianghai-czj", {"zh": "江海市财政局", "en": "Finance Bureau"})
    for name, body, capacity in (("office", demo.OFFICE, "admin"), ("officer", BODY, "editor"),
                                 ("officer", "jianghai-czj", "editor"), ("reviewer", "jianghai-czj", "admin")):
        user = ckan_model.User.get(name) or ckan_model.User(name=name, email=f"{name}@example.com")
        ckan_model.Session.add(user)
        ckan_model.Session.flush()
        organization = ckan_model.Group.get(body)
        assert organization is not None
        ckan_model.Session.add(ckan_model.Member(table_name="user", table_id=user.id, group=organization,
                                                 capacity=capacity))
    ckan_model.Session.commit()


@pytest.fixture
def town(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[City]:
    """Two of its sources with their bodies and people, made in a moment."""
    folder = copied(tmp_path)
    monkeypatch.setenv("GKOPEN_SECRET_DEMO", SECRET)
    _townspeople()
    with running(folder, SECRET) as (url, platform):
        for name in ("cgj-parking", "czj-budget"):
            file = folder / "sources" / f"{name}.yaml"
            ledger.save_source(load_source(file.read_text("utf-8"), file.name, platform=url), "admin", replace=True)
        ckan_model.Session.commit()
        yield City(folder, platform)


@pytest.fixture
def public(town: City) -> City:
    """The town's car parks are public."""
    harvest()
    approve()
    return town
