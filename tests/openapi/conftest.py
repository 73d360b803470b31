"""A site on which every domain's example record is published, as the description of the interface shows it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ckan import model as ckan_model
from ckan.tests.helpers import CKANTestApp
from werkzeug.serving import make_server

from ckanext.gkopen.domains import domains
from ckanext.gkopen.publish import files
from tests.people import Cast, call, make_cast
from tests.races import crew


@pytest.fixture(scope="module")
def cast(servers: Any, fresh_site: Any) -> Cast:
    """One site for a module: its tests only read."""
    fresh_site.reset()
    made = make_cast()
    for domain in domains().values():
        outcome = call("gkopen_submission_create", made.officer, domain=domain.name, organization=made.body,
                       rows=[dict(domain.example)], filename="example.jsonl",
                       units={field.name: "元" for field in domain.money_fields})
        assert outcome["state"] == "held", (domain.name, json.dumps(outcome, ensure_ascii=False, default=str))
        crew.approve(made.office, outcome["revision_id"])
    crew.drain()
    for domain in domains().values():
        files.bring_up_bulk(domain, 1)
    ckan_model.Session.commit()
    return made


@pytest.fixture
def browser(web: object) -> CKANTestApp:
    return CKANTestApp(web)


@pytest.fixture(scope="module")
def address(web: Any) -> Iterator[str]:
    """The site on a free port of 127.0.0.1."""
    server = make_server("127.0.0.1", 0, web, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
