"""The change feed: rows added, changed and removed by every publication, in the order in which they became public.

No change is stored: a publication names the old and the new content of each part, and the lines are made of the two
when they are read (`kept`: once for whoever pages). Inside a publication all removals come first, so that a row that
moves from one part to another is one row for a reader who keeps a table by dataset and key. What a withdrawal has
sealed is one line a part: forget it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate
from typing import Any

import pyarrow as pa

from ckanext.gkopen import blobs, cursors, model
from ckanext.gkopen.clock import SHANGHAI
from ckanext.gkopen.domains import Domain, domains
from ckanext.gkopen.history import kept
from ckanext.gkopen.history.difference import PAIR, Difference, difference, differences, objects
from ckanext.gkopen.history.publications import PUBLICATION, kind_of, withdrawal_of
from ckanext.gkopen.review import sealing

BATCH = 2000
"""Lines that are made at once, at the most."""
PUBLICATIONS = 100
"""Publications that are looked up at once, at the most."""
FEW = 1 << 16
"""Bytes of a part that is drawn together with others of a large publication."""
TOGETHER = 1 << 22
"""Bytes of contents that are drawn together, those of several publications too."""
WITHDRAWN, REMOVED, ADDED, CHANGED, DONE = range(5)
OPS = ("withdrawn", "removed", "added", "changed")


class UnknownCursor(ValueError):
    """Not a cursor that an answer gave."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the feed: everything before it has been read.

    `step`, `part` and `line` lie inside the publication at `position`; `version` says of what the lines were made.
    """

    position: int
    step: int = DONE
    part: str = ""
    line: int = 0
    version: str = ""

    def __str__(self) -> str:
        inside = [] if self.step == DONE else [self.step, self.part, self.line, self.version]
        return cursors.write([self.position, *inside])

    @staticmethod
    def read(text: str) -> Place:
        """Raises UnknownCursor."""
        try:
            values = cursors.read(text)
            place = Place(*values)
            kinds = [type(value) for value in values]
        except (ValueError, TypeError) as error:
            raise UnknownCursor(text) from error
        if kinds not in ([int], [int, int, str, int, str]) or not (
                0 <= place.position < 1 << 62 and 0 <= place.step <= DONE and 0 <= place.line < 1 << 62):
            raise UnknownCursor(text)
        return place


def place_at(since: datetime | None) -> Place:
    """The place behind everything that was public by this time; None: the beginning."""
    if since is None:
        return Place(0)
    return Place(model.value("select coalesce(max(position), 0) from gkopen.feed where at <= :at", at=since))


def end() -> Place:
    return Place(model.value("select coalesce(max(position), 0) from gkopen.feed"))


def lines(place: Place, *, domain: str | None = None, until: Place | None = None,
          money_as_text: bool = False, most: int = BATCH) -> Iterator[list[bytes]]:
    """The lines (JSON, with a line end) behind a place, in batches. Each line holds the cursor that goes on after it.
    `most`: of one batch, where no more are wanted.

    Reads in CKAN's session; between two batches the caller may end its transaction.
    """
    end_position, most = (until or end()).position, min(most, BATCH)
    while True:
        # No more than a batch: a slow reader holds no list of what may be withdrawn meanwhile.
        rows = model.every(PUBLICATION + " where (f.position > :position or f.position = :position and not :done)"
                           " and f.position <= :end and (cast(:domain as text) is null or d.domain = :domain)"
                           " order by f.position limit :few",
                           position=place.position, done=place.step == DONE, end=end_position, domain=domain,
                           few=min(most, PUBLICATIONS))
        if not rows:
            return
        try:
            few = _few(rows, most)
            batch = _lines_of_few(few, place, money_as_text)
        except blobs.Sealed:                              # just now: one publication by itself looks again
            few, batch = [], []
        if batch:
            yield batch
        if not few and rows[0]["domain"] in domains():
            start = place if rows[0]["position"] == place.position else Place(rows[0]["position"], WITHDRAWN)
            yield from _lines_of(rows[0], start, money_as_text, most)
        place = Place(few[-1][0]["position"] if few else rows[0]["position"])


@dataclass(frozen=True, slots=True)
class _Content:
    """What happened to one part. `rows`, `size`: of the new content, sizes in bytes. `forget`: why all that a reader
    holds of it is to go, before rows are added."""

    part: str
    old: str | None
    new: str | None
    rows: int
    size: int
    old_size: int
    forget: str | None

    def may_have(self, step: int) -> bool:
        """Whether there can be lines of this kind, as far as one sees without reading."""
        if self.old is None or self.new is None:
            return step == (ADDED if self.old is None else REMOVED) and self.old != self.new
        return True

    def difference(self, domain: Domain, dataset_id: str, keep: bool) -> Difference:
        """`keep`: for the pages that follow. Raises blobs.Sealed for what was withdrawn since it was listed."""
        name = domain.version, self.old, self.new
        contents = [sha256 for sha256 in (self.old, self.new) if sha256]
        if found := kept.get(name):
            sealing.check(dataset_id, contents)
            return found
        data = dict(zip(contents, sealing.read(dataset_id, contents), strict=True))
        found = difference(domain, data.get(self.old or ""), data.get(self.new or ""))
        if keep:
            kept.put(name, found)
        return found


def _contents(rows: Sequence[Mapping[str, Any]]) -> list[list[_Content]]:
    """What happened to the parts of each of these publications."""
    found: dict[str, list[_Content]] = {row["revision"]: [] for row in rows}
    of = {row["revision"]: row for row in rows if row["domain"] in domains()}
    for part in model.every(
            "select revision_id::text as revision, part, base_sha256 as old, new_sha256 as new, p.rows,"
            " coalesce(n.size, 0) as new_size, coalesce(o.size, 0) as old_size,"
            " gkopen.is_sealed(u.dataset_id, base_sha256) as old_sealed,"
            " gkopen.is_sealed(u.dataset_id, new_sha256) as new_sealed"
            " from gkopen.publication u join gkopen.revision_part p using (revision_id)"
            " left join gkopen.blob n on n.sha256 = p.new_sha256 left join gkopen.blob o on o.sha256 = p.base_sha256"
            " where revision_id = any(cast(:ids as uuid[])) and part <> '~metadata' order by part collate \"C\"",
            ids=list(of)):
        row = of[part["revision"]]
        taken_back = row["decision"] == "withdraw"
        if taken_back or part["old_sealed"] or part["new_sealed"]:
            old, forget = None, row["reason"] if taken_back else withdrawal_of(
                row["dataset_id"], [part["old"], part["new"]]).reason
        else:
            old, forget = part["old"], None
        new = None if part["new_sealed"] else part["new"]
        found[row["revision"]].append(_Content(
            part["part"], old, new, part["rows"] or 0 if new else 0, part["new_size"] if new else 0,
            part["old_size"] if old else 0, forget))
    return list(found.values())


def _version(domain: Domain, contents: list[_Content]) -> str:
    """Names what lines these contents give: a reader inside a publication whose lines have become others since (a
    part was sealed, the domain has other columns) begins the publication again."""
    shapes = [(c.part, c.old is None, c.new is None, c.forget is None) for c in contents]
    return hashlib.sha256(f"{domain.version}{shapes}".encode()).hexdigest()[:8]


def _few(rows: Sequence[Mapping[str, Any]], most: int) -> list[tuple[Mapping[str, Any], list[_Content]]]:
    """The first of these publications, as many as make `most` lines and are drawn together."""
    totals = accumulate(row["added"] + row["changed"] + row["removed"] for row in rows)
    rows = [row for row, total in zip(rows, totals, strict=True) if total <= most]
    contents = _contents(rows) if rows else []
    sizes = accumulate(sum(content.old_size + content.size for content in of) for of in contents)
    return [(row, of) for row, of, size in zip(rows, contents, sizes, strict=True) if size <= TOGETHER]


def _lines_of_few(few: Sequence[tuple[Mapping[str, Any], list[_Content]]], place: Place,
                  money_as_text: bool) -> list[bytes]:
    """All lines of these publications behind a place. Raises blobs.Sealed for what was withdrawn just now."""
    named = {sha for _, contents in few for content in contents for sha in (content.old, content.new) if sha}
    data = dict(zip(named, map(blobs.reader(named), named), strict=True))
    texts: dict[tuple[int, str], dict[int, list[str]]] = {}
    for name in {row["domain"] for row, _ in few if row["domain"] in domains()}:
        several = [(row["position"], content) for row, contents in few if row["domain"] == name for content in contents]
        pairs = [(data.get(content.old or ""), data.get(content.new or "")) for _, content in several]
        found = _texts(domains()[name], pairs, money_as_text)
        texts |= {(position, content.part): each for (position, content), each in zip(several, found, strict=True)}
    lines: list[bytes] = []
    for row, contents in few:
        version = _version(domains()[row["domain"]], contents) if contents else ""
        inside = place.position == row["position"] and place.version in ("", version)
        start = place if inside else Place(row["position"], WITHDRAWN)
        for step in range(start.step, DONE):
            for content in contents:
                if (step, content.part) < (start.step, start.part):
                    continue
                first = start.line if (step, content.part) == (start.step, start.part) else 0
                at = Place(row["position"], step, content.part, 0, version)
                if step == WITHDRAWN:
                    told = [] if content.forget is None else [""]
                    lines += _spelt(row, at, told, reason=content.forget)[first:]
                else:
                    lines += _spelt(row, at, texts[row["position"], content.part][step])[first:]
    return lines


def _lines_of(row: Mapping[str, Any], start: Place, money_as_text: bool, most: int) -> Iterator[list[bytes]]:
    domain, contents = domains()[row["domain"]], _contents([row])[0]
    version = _version(domain, contents)
    if start.version not in ("", version):
        start = Place(row["position"], WITHDRAWN)
    at_hand: dict[str, Difference] = {}
    try:
        for step in range(start.step, DONE):
            left = [content for content in contents if step > start.step or content.part >= start.part]
            inside = step == start.step and start.line > 0 and left[:1] and left[0].part == start.part
            for run in _runs(left, step, 1 if inside else 0, most):
                content = run[0]
                at = Place(row["position"], step, content.part, 0, version)
                first = start.line if inside and content is left[0] else 0
                if len(run) > 1:
                    yield _new_parts(row, domain, run, at, money_as_text)
                elif step == WITHDRAWN:
                    if content.forget is not None and not first:
                        yield _spelt(row, at, [""], reason=content.forget)
                elif content.may_have(step):
                    if content.part not in at_hand:
                        at_hand.clear()  # one part at a time is in memory
                        # Who comes back in the midst of a part pages through it, and will come again.
                        at_hand[content.part] = content.difference(domain, row["dataset_id"], keep=first > 0)
                    yield from _rows(row, domain, at_hand[content.part], at, first, money_as_text, most)
    except blobs.Sealed:  # just now: what is told of this publication has changed
        yield from _lines_of(row, Place(row["position"], WITHDRAWN), money_as_text, most)


def _runs(contents: Sequence[_Content], step: int, alone: int, most: int) -> Iterator[list[_Content]]:
    """Each content by itself; small ones that are new together, as many as make `most` lines. `alone`: the first ones
    that stay by themselves."""
    run: list[_Content] = []
    for number, content in enumerate(contents):
        small = step == ADDED and number >= alone and content.old is None and content.rows > 0 and content.size <= FEW
        if run and not (small and sum(each.rows for each in run) + content.rows <= most):
            yield run
            run = []
        if small:
            run.append(content)
        else:
            yield [content]
    if run:
        yield run


def _new_parts(row: Mapping[str, Any], domain: Domain, run: Sequence[_Content], at: Place,
               money_as_text: bool) -> list[bytes]:
    """All lines of new parts: drawn at once, since a part costs more than a row."""
    datas = sealing.read(row["dataset_id"], [content.new or "" for content in run])
    texts = _texts(domain, [(None, data) for data in datas], money_as_text)
    return [line for content, told in zip(run, texts, strict=True)
            for line in _spelt(row, replace(at, part=content.part), told[ADDED])]


def _texts(domain: Domain, pairs: Sequence[tuple[bytes | None, bytes | None]],
           money_as_text: bool) -> list[dict[int, list[str]]]:
    """Of each pair of contents, old and new: step → what is told of each row."""
    found = differences(domain, pairs)
    texts: list[dict[int, list[str]]] = [{REMOVED: [], ADDED: [], CHANGED: []} for _ in pairs]
    for step in (REMOVED, ADDED, CHANGED):
        sides = _sides(found, step)
        of = next(iter(sides.values()))[PAIR].to_pylist()
        for pair, text in zip(of, _told(domain, sides, money_as_text), strict=True):
            texts[int(pair)][step].append(text)
    return texts


def _rows(row: Mapping[str, Any], domain: Domain, found: Difference, at: Place, first: int,
          money_as_text: bool, most: int) -> Iterator[list[bytes]]:
    sides = _sides(found, at.step)
    size = next(iter(sides.values())).num_rows
    for offset in range(first, size, most):
        slices = {name: table.slice(offset, most) for name, table in sides.items()}
        yield _spelt(row, replace(at, line=offset), _told(domain, slices, money_as_text))


def _sides(found: Difference, step: int) -> dict[str, pa.Table]:
    """What is told of the rows of a step: before, after or both."""
    return {REMOVED: {"before": found.removed}, ADDED: {"after": found.added},
            CHANGED: {"before": found.before, "after": found.after}}[step]


def _told(domain: Domain, sides: Mapping[str, pa.Table], money_as_text: bool) -> list[str]:
    """Of each row its key and its sides, the end of a line."""
    texts = [f',"key":{key}' for key in objects(domain, next(iter(sides.values())), domain.key)]
    for name, table in sides.items():
        shown = objects(domain, table, money_as_text=money_as_text)
        texts = [f'{text},"{name}":{one}' for text, one in zip(texts, shown, strict=True)]
    return texts


def _spelt(row: Mapping[str, Any], at: Place, texts: list[str], reason: str | None = None) -> list[bytes]:
    told = {"op": OPS[at.step], "domain": row["domain"], "dataset": row["name"], "dataset_id": row["dataset_id"],
            "part": at.part, "seq": row["seq"], "revision": row["revision"],
            "at": row["told_at"].astimezone(SHANGHAI).isoformat(timespec="microseconds"), "kind": kind_of(row),
            "reason": reason or row["reason"]}
    common = json.dumps(told, ensure_ascii=False)[1:-1]
    return [f'{{"cursor":"{replace(at, line=at.line + number)}",{common}{text}}}\n'.encode()
            for number, text in enumerate(texts, 1)]
