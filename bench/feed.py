"""e: the DCAT feed of many datasets, page by page, beside ckanext-dcat's own on the same datasets and profile.

Ours is asked over the portal's WSGI application: cold (nothing kept), after a publication (the pages are void, the
datasets' pieces are kept) and warm. ckanext-dcat's action runs in the same process. A round counts when the graph of
each page is isomorphic to that of ckanext-dcat's page.
"""

from __future__ import annotations

import csv
import gc
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ckan import model as ckan_model
from ckanext.dcat import logic
from flask import current_app
from rdflib import BNode, Graph

from bench.measure import Figure, Wrong, must_equal
from bench.processor import READER
from ckanext.gkopen import bodies, model, pipeline
from ckanext.gkopen.dcat import kept
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.embedded.screen import Screen
from ckanext.gkopen.metadata.package import default_metadata
from ckanext.gkopen.publish import outbox
from ckanext.gkopen.review import decide
from ckanext.gkopen.simulator import generate

DOMAIN = "procurement"
AT_ONCE = 100
ROWS_EACH = 5
FORMS = {"ttl": "turtle", "xml": "xml", "jsonld": "json-ld"}
"""Form of the address → what rdflib calls it."""
CATALOGUE = {
    "res_code": "307010004/000017", "share_type": "无条件共享", "open": "是", "open_condition": "注明来源",
    "update_cycle": "每日", "disclosure_attribute": "主动公开", "stage": "执行公开、结果公开",
    "channel": "政府网站；发布会/听证会", "related_codes": "307010004/000018、307010004/000019",
    "source_system": "政府采购管理交易系统",
}
"""What the exchange platform's catalogue says of two datasets in three."""
STOCK, COLD, AGAIN, WARM = "ckanext-dcat", "cold", "after a publication", "warm"
TARGETS = {COLD: "≤ 2 ms a dataset", WARM: "≤ 0.1 ms a dataset"}


def e(datasets: int, rounds: int, folder: Path, screen: Screen) -> list[Figure]:
    screen.now(f"e: {datasets} datasets are published")
    published = publish(datasets, folder)
    sides: dict[str, tuple[Callable[[], object], Callable[[str], list[bytes]], int]] = {
        STOCK: (lambda: None, _stock, 1), COLD: (lambda: kept.forget(published), _ours, 1),
        AGAIN: (_void_pages, _ours, 1), WARM: (lambda: None, _ours, 10)}
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for number in range(rounds + 1):
        for form in FORMS:
            pages: dict[str, list[bytes]] = {}
            for side, (before, draw, times) in sides.items():
                screen.now(f"e round {number}/{rounds}: {form}, {side}")
                before()
                gc.collect()                               # nobody pays for the graphs of another side
                started = READER.now()
                for _ in range(times):
                    pages[side] = draw(form)
                ended = READER.now()
                if number:
                    taken.setdefault((form, side), []).append(
                        ((ended[0] - started[0]) / times, (ended[1] - started[1]) / times))
            screen.now(f"e round {number}/{rounds}: {form}, graphs compared")
            _check(pages, form)
    count = len(published) + 1                             # and the table over all bodies
    return [Figure("e", f"{form}, {count} datasets: {side}", [clock for clock, _ in seconds],
                   floor=None if side == STOCK else f"{form}, {count} datasets: {STOCK}", target=TARGETS.get(side, ""),
                   note=f"ms of processor (process and servers) a dataset, by round:"
                        f" {', '.join(f'{cpu / count * 1000:.2f}' for _, cpu in seconds)}",
                   more={"processor": [round(cpu, 3) for _, cpu in seconds]})
            for (form, side), seconds in taken.items()]


def publish(datasets: int, folder: Path) -> list[str]:
    """Datasets of as many new bodies, through the pipeline into the index; their ids."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"bench-feed-{number}" for number in range(datasets)]
    for number, name in enumerate(names):       # straight into the table: not part of what is measured
        group: Any = ckan_model.Group(name=name, title=f"基准测试第{number}局", type="organization",
                                      is_organization=True)
        group.extras = {"title_en": f"Bureau {number} of the benchmark", "tier": "city", "contact_name": "办公室",
                        "contact_phone": f"0513-8521{number:04}", "contact_email": f"office{number}@example.gov.cn"}
        ckan_model.Session.add(group)
    ckan_model.Session.commit()
    domain, made = get_domain(DOMAIN), []
    for start in range(0, datasets, AT_ONCE):
        known = [bodies.find(name) for name in names[start:start + AT_ONCE]]
        outcomes = pipeline.submit_all([pipeline.Submission(
            domain=DOMAIN, body=body, path=_table(folder, start + place, body["title"]), filename="公告.csv",
            source="upload:bench", submitted_by="bench-officer",
            metadata=default_metadata(domain, body, CATALOGUE if place % 3 else None))
            for place, body in enumerate(known)])
        ckan_model.Session.commit()
        done = decide.approve_all([(outcome.revision_id or "", decide.lock(outcome.revision_id or "")["digest"])
                                   for outcome in outcomes], "bench-reviewer")
        ckan_model.Session.commit()
        must_equal("revisions that were not published", [one for one in done if not isinstance(one, int)], [])
        made += [outcome.dataset_id for outcome in outcomes]
    while outbox.work_batch(sinks=("solr",)):
        pass
    return made


def _table(folder: Path, number: int, buyer: str) -> Path:
    path = folder / f"{number}.csv"
    records = list(generate.records(DOMAIN, ROWS_EACH, start=number * ROWS_EACH))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(records[0]))
        writer.writeheader()
        writer.writerows(record | {"采购单位": buyer} for record in records)
    return path


def _ours(form: str) -> list[bytes]:
    client = current_app.test_client()
    pages = []
    for address in _addresses(form):
        answer = client.get(address)
        must_equal(f"answer to {address}", answer.status_code, 200)
        pages.append(answer.data)
    return pages


def _stock(form: str) -> list[bytes]:
    pages = []
    for number, address in enumerate(_addresses(form), 1):
        with current_app.test_request_context(address):
            pages.append(logic.dcat_catalog_show({"ignore_auth": True}, {"format": form, "page": number}).encode())
    return pages


def _addresses(form: str) -> Iterable[str]:
    datasets: Any = model.value("select count(*) from public.package where state = 'active'")
    return (f"/catalog.{form}?page={page + 1}" for page in range(-(-datasets // logic.DATASETS_PER_PAGE)))


def _void_pages() -> None:
    model.execute("update gkopen.public_state set generation = generation + 1")
    ckan_model.Session.commit()


def _check(pages: dict[str, list[bytes]], form: str) -> None:
    for side in (AGAIN, WARM):
        must_equal(f"pages of {form}, {side}, are those that were cold", pages[side] == pages[COLD], True)
    for number, texts in enumerate(zip(pages[COLD], pages[STOCK], strict=True), 1):
        ours, stock = (_facts(Graph().parse(data=text, format=FORMS[form])) for text in texts)
        must_equal(f"page {number} of {form}: triples on one side alone", list((ours - stock) + (stock - ours))[:5], [])


def _facts(graph: Graph) -> Counter[tuple[Any, ...]]:
    """The triples with the blank nodes that they lead to unfolded: two graphs whose blank nodes are each led to by one
    triple, as all of these are, are isomorphic where these are equal. rdflib's own comparison takes minutes a page.
    """
    led_to = Counter(value for value in graph.objects() if isinstance(value, BNode))
    blank = {subject for subject in graph.subjects() if isinstance(subject, BNode)}
    if any(count > 1 for count in led_to.values()) or blank - set(led_to):
        raise Wrong("a blank node is led to by no triple, or by several: the graphs cannot be compared")

    def unfolded(node: Any) -> Any:
        if not isinstance(node, BNode):
            return node.n3()
        return tuple(sorted((predicate, repr(unfolded(value))) for predicate, value in graph.predicate_objects(node)))

    return Counter((subject.n3(), predicate, unfolded(value)) for subject, predicate, value in graph
                   if not isinstance(subject, BNode))
