"""Visitors of every address: pages, files, dump, feeds, RDF, standards, trail, and the interface with odd values."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

from ckanext.gkopen import ids, model
from tests.leaks import crawl, odd

RATE = 20
"""Requests a second, of all visitors together."""
VISITORS = 8
PATIENCE = 120.0
"""Seconds for one answer; the machine may be busy."""


@dataclass(frozen=True)
class Request:
    kind: str
    path: str
    body: bytes | None = None


def requests(dataset: str, body: str, source: str, dice: random.Random, app: Any) -> Iterator[Request]:
    """Without end: each kind as often as the others, and of a kind each route and action as often as the others."""
    files = [f"/open/{row['address']}" for row in model.every("select address from gkopen.file order by address")]
    asked = {name: list(_asked_of_action(name, dataset)) for name in sorted(filter(crawl.reads, crawl.action_names()))}
    routes = _routes(dataset, body, source, app)
    while True:
        yield Request("file", dice.choice(files))
        yield dice.choice(asked[dice.choice(list(asked))])
        yield Request("route", dice.choice(routes[dice.choice(list(routes))]))
        query = {dice.choice(odd.QUERIES): dice.choice(odd.IN_ADDRESSES)}
        path = dice.choice(routes[dice.choice(list(routes))])
        yield Request("route with an odd query", f"{path}?{urlencode(query)}")


def _asked_of_action(name: str, dataset: str) -> Iterator[Request]:
    """What an address can say is asked by GET, the rest by POST."""
    for parameter, data in odd.questions(name, {"id": dataset, "resource_id": "procurement"}):
        if isinstance(data.get(parameter, ""), str):
            yield Request("action", f"/api/3/action/{name}?{urlencode(data)}")
        else:
            yield Request("action", f"/api/3/action/{name}", json.dumps(data).encode())


def _routes(dataset: str, body: str, source: str, app: Any) -> dict[str, list[str]]:
    """Endpoint → addresses."""
    one = crawl.call("datastore_search", "", resource_id="procurement", limit=1)["records"][0]
    package = crawl.call("package_show", "", id=dataset)["id"]
    nobody = str(uuid4())
    known: Any = SimpleNamespace(
        public_name=dataset, unpublished_name="never-published", withdrawn_name="gone", source=source, run=nobody,
        cast=SimpleNamespace(body=body, officer="officer"), public=package, withdrawn=ids.dataset_id("hotline", nobody),
        revisions=dict.fromkeys(("held", "frozen", "pushed", "other", "gone"), nobody),
        doors=SimpleNamespace(pushes=[nobody], keys=[one["record_id"]]))
    found = {"gkopen_trail.read": [f"/trail/process/{one['project_no']}"]}
    for endpoint, path, methods in crawl.addresses(known, app.url_map.iter_rules()):
        if "GET" in methods:
            found.setdefault(endpoint, []).append(quote(path, safe="/:@%"))
    return found


@dataclass
class Traffic:
    """`failed`: address → status of 500 and above, or what went wrong on the way."""

    url: str
    failed: dict[str, str] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)

    @contextmanager
    def of(self, questions: Sequence[Request]) -> Iterator[None]:
        """Visitors ask these, RATE of them a second at most, while the caller works; at the end all are answered."""
        began, lock, number = time.monotonic(), threading.Lock(), iter(range(len(questions)))

        def visitor() -> None:
            connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE)
            while True:
                with lock:
                    at = next(number, None)
                if at is None:
                    connection.close()
                    return
                time.sleep(max(0.0, began + at / RATE - time.monotonic()))
                self._ask(connection, questions[at], lock)

        visitors = [threading.Thread(target=visitor, daemon=True) for _ in range(VISITORS)]
        for each in visitors:
            each.start()
        yield
        for each in visitors:
            each.join()

    def _ask(self, connection: http.client.HTTPConnection, request: Request, lock: threading.Lock) -> None:
        headers = {"Content-Type": "application/json"} if request.body is not None else {}
        try:
            connection.request("GET" if request.body is None else "POST", request.path, request.body, headers)
            answer = connection.getresponse()
            answer.read()
            wrong = str(answer.status) if answer.status >= 500 else ""
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            answer, wrong = None, f"{type(error).__name__}: {error}"
        with lock:
            self.answered[request.kind] += 1
            self.statuses[answer.status if answer else 0] += 1
            if wrong:
                self.failed[f"{request.path} {(request.body or b'').decode()}"] = wrong
