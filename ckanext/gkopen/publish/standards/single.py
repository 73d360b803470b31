"""One process or one project by its identifier, made from the rows that are public at this moment."""

from __future__ import annotations

from ckanext.gkopen.domains import get_domain
from ckanext.gkopen.publish.standards import known, links, oc4ids, ocds, ocds_records
from ckanext.gkopen.publish.standards.bring_up import Processes, head, newest, projects_by_key
from ckanext.gkopen.publish.standards.exact import Row
from ckanext.gkopen.publish.standards.live import numbers_below, rows_where
from ckanext.gkopen.publish.standards.notices import Kinds
from ckanext.gkopen.publish.standards.packages import single
from ckanext.gkopen.publish.standards.prefix import prefix


class Gone(Exception):
    """What is known by this identifier is public no more; the text is the public reason, or empty."""


def process(name: str) -> str | None:
    """The record package of an ocid as JSON text; None where there never was one. :raises Gone: it is public no more"""
    start, domain = prefix("ocds"), get_domain("procurement")
    if start is None or not name.startswith(f"{start}-"):
        return None
    number = name[len(start) + 1:]
    rows = rows_where(domain, "project_no", [number])
    others = [other for _, other in links.candidates(number)]
    near = rows_where(domain, "project_no", others) if others and rows else []
    related = links.related(start, number, {row["project_no"] or "" for row in near},
                            {row["project_no"] or "" for row in near if row["method"] == "framework"})
    releases = ocds.releases(Kinds(domain), name, rows, related)
    if not releases:
        return _gone("ocds", name)
    return single(head(f"ocds/{name}.json", ocds.VERSION, domain.name), "records", ocds_records.record(releases),
                  newest(rows))


def project(name: str) -> str | None:
    """The project package of a project's id as JSON text; None where there never was one.

    :raises Gone: it is public no more
    """
    start, domain = prefix("oc4ids"), get_domain("project")
    if start is None or not name.startswith(f"{start}-"):
        return None
    key = name[len(start) + 1:]
    entry = known.entry("oc4ids", name)
    field, value = ("project_code", key) if not key.startswith("g-") else ("title", (entry or {}).get("known_by"))
    rows = projects_by_key(rows_where(domain, field, [value] if value else [])).get(key, [])
    events = links.with_ocids(rows_where(get_domain("project_event"), "project_code", [key]), prefix("ocds"))
    if not rows and not events:
        return _gone("oc4ids", name)
    made = oc4ids.project(domain, name, rows, events, processes_of(key, events).of_project(key))
    return single(head(f"oc4ids/{name}.json", oc4ids.VERSION, domain.name), "projects", made,
                  newest([*rows, *events]))


def processes_of(code: str, events: list[Row]) -> Processes:
    """The published contracting processes of one project: those that its events name, and those of its number."""
    found, start, domain = Processes(), prefix("ocds"), get_domain("procurement")
    if start is None:
        return found
    named = [ocid[len(start) + 1:] for event in events if (ocid := event["ocid"]) and ocid.startswith(f"{start}-")]
    for row in rows_where(domain, "project_no", sorted({*named, *numbers_below(domain, code)})):
        found.add(code, row["project_no"] or "", row)
    return found


def _gone(standard: str, name: str) -> None:
    entry = known.entry(standard, name)
    if entry is not None:
        raise Gone(known.reason(entry) or "")
