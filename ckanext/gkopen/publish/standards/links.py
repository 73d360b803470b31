"""Which other process or project a process belongs to, as far as numbers say so (every rule: docs/standards.md)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ckanext.gkopen.publish.standards.exact import Object, Row

_AGAIN = re.compile(r"[-—_（(]?(?:重新?(?:招标|采购)?|第?[二三四]次(?:招标|采购)?|[2-4]次)[）)]?$")
_CUT = re.compile(r"[-_/—（(]")
_CODE = re.compile(r"^\d{4}-\d{6}-\d{2}-\d{2}-\d{6}")


def candidates(project_no: str) -> Iterator[tuple[str, str]]:
    """(relationship, project number) of processes that this one may follow: the same number without 重 or 二次 at its
    end, and the numbers of framework agreements that this one extends."""
    base = _AGAIN.sub("", project_no)
    if base and base != project_no:
        yield "unsuccessfulProcess", base
    for cut in _CUT.finditer(project_no):
        if cut.start() > 3 and project_no[:cut.start()] != base:
            yield "framework", project_no[:cut.start()]


def related(prefix: str, project_no: str, known: Iterable[str], frameworks: Iterable[str]) -> list[Object]:
    """Entries of `relatedProcesses`. `known`: published project numbers; `frameworks`: those that are framework
    agreements."""
    held = {"unsuccessfulProcess": known, "framework": frameworks}
    return [{"id": f"{relationship}-{number}", "relationship": [relationship], "scheme": "ocid",
             "identifier": f"{prefix}-{number}"}
            for relationship, number in candidates(project_no) if number in held[relationship]]


def with_ocids(events: Iterable[Row], prefix: str | None) -> list[Row]:
    """Events with the full ocid of the process that they name: sources give the bare project number too."""
    return [{**event, "ocid": full(prefix, event["ocid"])} if prefix and event.get("ocid") else event
            for event in events]


def full(prefix: str, text: str | None) -> str:
    return text if text and text.startswith(f"{prefix}-") else f"{prefix}-{text}"


def project_code(project_no: str | None, events: Mapping[str, str], ocid: str | None) -> str | None:
    """The construction project of a process: named by an event (`events`: ocid → project code), or the process's own
    number begins with the code that the approval platform gave."""
    if ocid and ocid in events:
        return events[ocid]
    match = _CODE.match(project_no or "")
    return match.group() if match else None
