"""Row 40: twenty mixed requests a second while a source is harvested and published: no 5xx, and no exit falls behind.

The web server is the one of `make demo`, beside a worker. GKOPEN_MIXED_SECONDS sets how long the long form takes (1800:
the row's half an hour).
"""

from __future__ import annotations

import os
import random
import urllib.request
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from ckanext.gkopen import model
from ckanext.gkopen.embedded.demo import web_server
from ckanext.gkopen.embedded.keeping import listener_from
from ckanext.gkopen.embedded.places import PROJECT
from tests.races import crew
from tests.races.nursery import nursery
from tests.torture import source as at
from tests.torture.source import large
from tests.torture.traffic import RATE, Traffic, requests

SEED = 20261130
ROWS = 300
LONG = 600.0
FIRST_PORT = 15000
BEHIND = "select count(distinct (dataset_id, seq)) from gkopen.outbox where done_at is null"


@pytest.fixture
def url(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The tests' site as `make demo` serves it: gunicorn with two processes, and errors as a portal answers them."""
    ini = tmp_path / "mixed.ini"
    ini.write_text(f"[app:main]\nuse = config:{PROJECT / 'test.ini'}\ntesting = false\n", "utf-8")
    monkeypatch.setenv("CKAN_INI", str(ini))
    with listener_from(FIRST_PORT) as listener:
        server = web_server(listener, tmp_path / "web.log")
        try:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            urllib.request.urlopen(f"{address}/readyz", timeout=LONG).close()
            yield address
        finally:
            server.stop()


@pytest.mark.parametrize("seconds", [15, pytest.param(int(os.environ.get("GKOPEN_MIXED_SECONDS", "240")),
                                                      marks=pytest.mark.torture)])
def test_mixed_requests_while_harvesting(url: str, web: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                         bulk_at_once: None, seconds: int) -> None:
    dice, behind = random.Random(SEED), []
    traffic = Traffic(url)
    with large(tmp_path, ROWS, SEED, monkeypatch) as source, nursery(tmp_path / "workers.log") as workers:
        workers.start()
        harvest()
        crew.until(crew.nothing_waits, LONG)
        with web._wsgi_app.test_request_context():
            asked = requests(f"{at.BODY}-{at.DOMAIN}", at.BODY, at.NAME, dice, web._wsgi_app)
            questions = list(islice(asked, RATE * seconds))
        rounds = 0
        with traffic.of(questions):
            while sum(traffic.answered.values()) < len(questions):
                source.change(dice.sample(sorted(source.state), ROWS // 20), f"第{rounds}轮")
                harvest()
                behind.append(model.value(BEHIND))
                rounds += 1
        crew.until(crew.nothing_waits, LONG)
    found, lost, twice = at.exact(source)
    print(f"seed {SEED}: {len(questions)} requests ({dict(traffic.answered)}), statuses {dict(traffic.statuses)}, 5xx"
          f" {len(traffic.failed)}; {rounds} harvests published meanwhile, at most {max(behind)} publications behind,"
          f" at the end 0; shown {found}, lost {lost}, twice {twice}")
    assert traffic.failed == {}, "\n".join(traffic.failed)
    assert rounds > 1 and model.value("select seq from gkopen.dataset") == rounds + 1
    third = len(behind) // 3
    assert sum(behind[-third:]) <= sum(behind[:third]) + 2 * third, f"the exits fall behind: {behind}"
    crew.whole()


def harvest() -> None:
    run_id = at.trigger()
    crew.until(lambda: at.finished(run_id), LONG)
    assert at.approve_held() == 1
