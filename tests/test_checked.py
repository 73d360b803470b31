"""A file that was only checked is kept for two hours, in which it can be submitted without being sent again."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.lib import files
from ckan.plugins import toolkit
from ckan.tests import helpers

from ckanext.gkopen import blobs, checked, model
from ckanext.gkopen.harvest import worker
from tests.people import Cast, make_cast
from tests.thread.test_thread import FIRST, HEADER


@pytest.fixture
def cast(site: Any) -> Cast:
    return make_cast()


@pytest.fixture
def ask(web: Any, cast: Cast) -> Any:
    """Posts the form as the officer; the answer's page."""
    token = toolkit.get_action("api_token_create")({"user": cast.officer}, {"user": cast.officer, "name": "t"})["token"]
    app: Any = helpers.CKANTestApp(web)

    def post(**form: Any) -> str:
        answer = app.post("/office/submit", data={"domain": "procurement", "organization": cast.body, **form},
                          headers={"Authorization": token}, follow_redirects=False)
        assert answer.status_code in (200, 302)
        return answer.body

    return post


def check(ask: Any) -> str:
    """The ticket of a checked file."""
    page = ask(upload=(io.BytesIO("\r\n".join((HEADER, *FIRST, "")).encode("gb18030")), "采购公告.csv"))
    found = re.search(r'name="ticket" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def kept() -> list[str]:
    return sorted(place for place in files.get_storage(blobs.STORAGE).scan() if place.startswith("checked/"))


def test_it_is_submitted_from_the_page_of_its_findings_and_swept_afterwards(ask: Any) -> None:
    before, contents = kept(), model.value("select count(*) from gkopen.blob")
    ticket, other = check(ask), check(ask)
    assert len(kept()) == len(before) + 2
    assert model.value("select count(*) from gkopen.blob") == contents, "it is no content of the portal"
    ask(ticket=ticket, do="submit")
    assert model.value("select count(*) from gkopen.revision where state = 'held'") == 1
    worker.sweep()
    assert len(kept()) == len(before) + 2, "others are still being looked at"
    model.execute("update gkopen.checked set at = at - interval '2 hours'")
    ckan_model.Session.commit()
    worker.sweep()
    assert kept() == before and model.value("select count(*) from gkopen.checked") == 0
    assert "请选择文件" in ask(ticket=other, do="submit")
    raw = model.value("select raw_sha256 from gkopen.submission where kind = 'data'")
    assert blobs.read(raw).startswith(HEADER.encode("gb18030")[:8]), "what was submitted stays"


def test_a_sweep_that_was_cut_off_is_done_again(site: Any) -> None:
    name = checked.keep(b"x", "text/csv")
    assert checked.read(name) == b"x"
    model.execute("update gkopen.checked set at = at - interval '2 hours'")
    assert checked.sweep() == [name]
    ckan_model.Session.rollback()
    assert checked.read(name) is None and checked.sweep() == [], "its row is young again, its bytes are gone"
    model.execute("update gkopen.checked set at = at - interval '2 hours'")
    assert checked.sweep() == [name]
    ckan_model.Session.commit()
