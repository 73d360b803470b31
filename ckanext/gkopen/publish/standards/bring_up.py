"""Brings the packages of the standards to what is public now. The caller commits.

Every package is made whole: what a process or project says depends on the rows of all bodies. They are made as often
as the tables over all bodies, and only the newest is kept.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ckan.plugins import toolkit

from ckanext.gkopen import blobs, changesets, clock, model
from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish import files, licences, store
from ckanext.gkopen.publish.forms.make import Made
from ckanext.gkopen.publish.forms.streams import Stream
from ckanext.gkopen.publish.standards import STANDARDS, fiscal, known, links, oc4ids, ocds, ocds_records
from ckanext.gkopen.publish.standards.exact import Object, Row, dumps
from ckanext.gkopen.publish.standards.groups import Gathered
from ckanext.gkopen.publish.standards.notices import Kinds
from ckanext.gkopen.publish.standards.packages import CODINGS, Package, closed
from ckanext.gkopen.publish.standards.prefix import prefix

JSON = "application/json"
Gather = Callable[[str], Gathered]
"""Domain → its rows over all bodies, read when they are asked for first."""


def bring_up(domain: str) -> None:
    """Every standard that rows of this domain go into."""
    standards = STANDARDS.get(domain, ())
    for standard in sorted(standards):
        model.execute("select pg_advisory_xact_lock(hashtextextended(:turn, 0))", turn=f"gkopen/standards/{standard}")
    with ExitStack() as opened:
        # Read once for all standards, under the locks of all: who waited reads what is newest.
        gathered = cache(lambda name: opened.enter_context(Gathered(get_domain(name), _parts(name))))
        for standard in standards:
            _MAKE[standard](gathered)


def _parts(domain: str) -> Iterator[tuple[str, str, bytes]]:
    shown = model.every(
        "select d.id::text as id, p.sha256, u.at from gkopen.dataset d"
        " join gkopen.public_part p on p.dataset_id = d.id and p.part <> :metadata"
        " join gkopen.publication u on u.dataset_id = p.dataset_id and u.seq = p.seq"
        " where d.domain = :domain and d.state = 'published' order by d.id, p.part",
        domain=domain, metadata=changesets.METADATA)
    read = blobs.reader(row["sha256"] for row in shown)
    for row in shown:
        yield row["id"], clock.told(row["at"]), read(row["sha256"])


def site(path: str) -> str:
    """The address of a path as a URI: the standards' checkers refuse 采购〔2024〕1号 and square brackets in one."""
    return toolkit.config["ckan.site_url"].rstrip("/") + quote(path)


def head(place: str, version: str, domain: str) -> Object:
    """What stands before the list of a package, without its date."""
    package = {"uri": site(f"/open/{place}"), "version": version,
               "publisher": {"name": toolkit.config["ckan.site_title"], "uri": site("/")}}
    licence = licence_of(domain).get("path")
    return {**package, "license": licence} if licence else package


def licence_of(domain: str) -> dict[str, str]:
    """Title and address of the licence of the table over all bodies, where it has one."""
    title, address = licences.described(licences.shared(domain))
    return {key: value for key, value in {"title": title, "path": address}.items() if value}


class _Packages:
    """Packages of one standard in the making, by the name of their file."""

    def __init__(self, folder: Path, standard: str, version: str, domain: str) -> None:
        self.folder, self.standard, self.version, self.domain = folder, standard, version, domain
        self.open: dict[str, Package] = {}

    def add(self, items: str, year: str | None, text: str, public_at: str) -> None:
        """Into the whole package of these items, and into that of the year where there is one."""
        for name in (f"{items}.json", f"{items}-{year}.json") if year else (f"{items}.json",):
            if name not in self.open:
                place = f"{self.standard}/{name}"
                self.open[name] = Package(self.folder / name, head(place, self.version, self.domain), items)
            self.open[name].add(text, public_at)

    def publish(self) -> None:
        made = {f"{self.standard}/{name}": package.close() for name, package in self.open.items()}
        _publish(made, f"{self.standard}.json", JSON, self.domain)


def _publish(made: Mapping[str, Made], form: str, media_type: str, domain: str) -> None:
    files.withdraw_packages(form, list(made))
    for place, file in made.items():
        files.publish_package(file, place, form, media_type, domain)


def _make_ocds(gathered: Gather) -> None:
    start = prefix("ocds")
    if start is None:
        files.withdraw_packages("ocds.json", [])
        return
    kinds = Kinds(get_domain("procurement"))
    rows = gathered("procurement")
    with store.making() as folder, known.Ids("ocds") as seen:
        packages = _Packages(folder, "ocds", ocds.VERSION, "procurement")
        numbers, frameworks = rows.values("project_no"), rows.values("project_no", method="framework")
        for number, own in rows.by("project_no"):
            name = ocds.ocid(start, number)
            made = ocds.releases(kinds, name, own, links.related(start, number, numbers, frameworks))
            if not made:
                continue
            seen.add(name, number, own[0]["dataset_id"] or "")
            public_at = newest(own)
            texts = [dumps(release) for release in made]
            for release, text in zip(made, texts, strict=True):
                packages.add("releases", release["date"][:4], text, public_at)
            record = f'{{"ocid":{dumps(name)},"releases":[{",".join(texts)}],"compiledRelease":'
            packages.add("records", made[0]["date"][:4], record + dumps(ocds_records.compiled(made)) + "}", public_at)
        packages.publish()


def _make_oc4ids(gathered: Gather) -> None:
    start = prefix("oc4ids")
    if start is None:
        files.withdraw_packages("oc4ids.json", [])
        return
    domain = get_domain("project")
    events = gathered("project_event")
    with store.making() as folder, known.Ids("oc4ids") as seen:
        said = projects_by_key(gathered("project").rows())
        processes = Processes.of(events.rows("ocid"), gathered("procurement"))
        packages = _Packages(folder, "oc4ids", oc4ids.VERSION, "project")
        for key, own, named in _joined(said, events):
            name = oc4ids.identifier(start, key)
            happened = links.with_ocids(named, prefix("ocds"))
            made = oc4ids.project(domain, name, own, happened, processes.of_project(key))
            title = own[0]["title"] if own else None
            seen.add(name, (title if key.startswith("g-") else key) or key, (own or happened)[0]["dataset_id"] or "")
            packages.add("projects", oc4ids.year(key, own), dumps(made), newest([*own, *happened]))
        packages.publish()


def _joined(said: Mapping[str, list[Row]], events: Gathered) -> Iterator[tuple[str, list[Row], list[Row]]]:
    """Key, rows and events of every project, in the order of the keys."""
    both = heapq.merge(((key, said[key], []) for key in sorted(said)),
                       ((code, [], happened) for code, happened in events.by("project_code")), key=itemgetter(0))
    for key, entries in itertools.groupby(both, itemgetter(0)):
        listed = list(entries)
        yield key, [row for _, own, _ in listed for row in own], [row for _, _, own in listed for row in own]


def projects_by_key(rows: list[Row]) -> dict[str, list[Row]]:
    """Rows of single projects by what a project is known by; summary lines are no projects."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["record_type"] == "project":
            found.setdefault(oc4ids.key(row), []).append(row)
    return found


class Processes:
    """The published contracting processes of projects: project code → (address, releases, compiled release)."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, list[Row]]] = {}

    @classmethod
    def of(cls, events: list[Row], notices: Gathered) -> Processes:
        """Processes that an event names or whose number begins with a project's code."""
        made, start = cls(), prefix("ocds")
        if start is None:
            return made
        named = {event["ocid"]: event["project_code"] or "" for event in links.with_ocids(events, start)
                 if event["ocid"]}
        wanted = {number: code for number in notices.values("project_no")
                  if (code := links.project_code(number, named, ocds.ocid(start, number)))}
        for row in notices.rows("project_no", sorted(wanted)):
            number = row["project_no"] or ""
            made.add(wanted[number], number, row)
        return made

    def add(self, code: str, number: str, row: Row) -> None:
        self._rows.setdefault(code, {}).setdefault(number, []).append(row)

    def of_project(self, code: str) -> Iterator[tuple[str, list[Object], Object]]:
        start, kinds = prefix("ocds"), Kinds(get_domain("procurement"))
        for number, rows in sorted(self._rows.get(code, {}).items()):
            name = ocds.ocid(start or "", number)
            if releases := ocds.releases(kinds, name, rows):
                yield process_address(name), releases, ocds_records.compiled(releases)


def process_address(ocid: str) -> str:
    return site(f"/open/ocds/{ocid}.json")


def newest(rows: list[Row]) -> str:
    return max((row.get("public_at") or "" for row in rows), default="")


def _make_fiscal(gathered: Gather) -> None:
    domain = get_domain("budget")
    with store.making() as folder:
        tables: dict[str, fiscal.Table] = {}
        for year, own in gathered("budget").by("fiscal_year"):
            for name in ("budget.csv", f"budget-{year}.csv"):
                if name not in tables:
                    tables[name] = fiscal.Table(domain, folder / name)
                tables[name].add(own)
        made = {f"fiscal/{name}": table.close() for name, table in tables.items()}
        described: dict[str, Made] = {}
        for name, table in tables.items():
            package = Path(name.replace("budget", "datapackage")).with_suffix(".json").name
            described[f"fiscal/{package}"] = _written(folder / package, fiscal.descriptor(
                domain, name, made[f"fiscal/{name}"], _about(name, table.newest)))
        _publish(made, "fiscal.csv", "text/csv; charset=utf-8", "budget")
        _publish(described, "fiscal.json", JSON, "budget")


def _about(name: str, created: str) -> dict[str, Any]:
    year = name.removesuffix(".csv").removeprefix("budget").strip("-")
    licence = licence_of("budget")
    return {
        "title": f"{year + '年' if year else ''}财政预决算", "title_en": f"Budgets and final accounts {year}".strip(),
        "homepage": site("/open/fiscal/"), "created": created, **({"fiscalYear": year} if year else {}),
        "contributors": [{"title": toolkit.config["ckan.site_title"], "role": "publisher"}],
        "licenses": [licence or {"name": "notspecified"}]}


def _written(path: Path, data: dict[str, Any]) -> Made:
    stream = Stream(path, CODINGS)
    stream.begin()
    stream.write((dumps(data) + "\n").encode())
    return closed(stream, 0)


_MAKE: dict[str, Callable[[Gather], None]] = {"ocds": _make_ocds, "oc4ids": _make_oc4ids, "fiscal": _make_fiscal}
