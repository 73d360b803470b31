"""What changed and when: the feed of rows, and the publications of a dataset. For anyone to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import simplejson
from ckan.plugins import toolkit

from ckanext.gkopen import bodies, clock, model
from ckanext.gkopen.history import feed, publications
from ckanext.gkopen.logic.action.asked import domain_of, limit_of, money_as_text, whole_number
from ckanext.gkopen.logic.action.common import need

MOST_LINES = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """Which changes somebody wants."""

    place: feed.Place
    domain: str | None
    money_as_text: bool


def asked(data_dict: Mapping[str, Any]) -> Asked:
    """Raises ValidationError that says what is allowed."""
    domain = domain_of(data_dict).name if data_dict.get("domain") else None
    cursor = data_dict.get("cursor")
    try:
        place = feed.Place.read(str(cursor)) if cursor else feed.place_at(_since(data_dict.get("since")))
    except feed.UnknownCursor as error:
        raise toolkit.ValidationError({"cursor": [
            "无法识别的游标，请使用上一次回答中的 cursor / unknown cursor: take the one of the last line or answer"
        ]}) from error
    return Asked(place, domain, money_as_text(data_dict))


def _since(text: Any) -> datetime | None:
    if text in (None, ""):
        return None
    try:
        # In an address a plus sign means a blank.
        moment = datetime.fromisoformat(str(text).replace(" ", "+") if "T" in str(text) else str(text))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=clock.SHANGHAI)
        return moment.astimezone(clock.SHANGHAI)
    except (ValueError, OverflowError) as error:
        raise toolkit.ValidationError({"since": [
            "since 是时间，例如 2026-01-31 或 2026-01-31T08:00:00+08:00 / since is a time, such as 2026-01-31 or"
            " 2026-01-31T08:00:00+08:00"]}) from error


@toolkit.side_effect_free
def gkopen_change_list(context: Any, data_dict: Any) -> dict[str, Any]:
    """Rows added, changed, removed and withdrawn by publications, in the order in which they became public.

    `cursor` of the answer goes on after its last change: keep it and ask again later; it never skips or repeats.
    `more` says whether there is more now.

    :param since: ISO time: only what became public later; Shanghai time without an offset
    :param domain: only of this domain
    :param cursor: of an earlier answer, instead of `since`
    :param limit: 1 to 1000, default 100
    :param money: `text`: amounts as texts, for readers that have no exact numbers
    """
    toolkit.check_access("gkopen_public", context, {})
    wanted, request = limit_of(data_dict, 100, MOST_LINES), asked(data_dict)
    until = feed.end()
    found = feed.lines(request.place, domain=request.domain, until=until, money_as_text=request.money_as_text,
                       most=wanted + 1)
    lines = list(islice((line for batch in found for line in batch), wanted + 1))
    results = [simplejson.loads(line, use_decimal=True) for line in lines[:wanted]]
    more = len(lines) > wanted
    last = results[-1]["cursor"] if more else str(max(until, request.place))
    return {"results": results, "cursor": last, "more": more}


@toolkit.side_effect_free
def gkopen_publication_list(context: Any, data_dict: Any) -> dict[str, Any]:
    """The published revisions of a dataset, newest first: when, what kind, rows added, changed and removed, the public
    reason, and the address of the table as it was. What was withdrawn says why and shows nothing else.

    :param id: name or id of the dataset
    :param cursor: of the last answer :param limit: 1 to 1000, default 20
    """
    toolkit.check_access("gkopen_public", context, {})
    need(data_dict, "id")
    wanted = limit_of(data_dict, 20, 1000)
    before = whole_number(data_dict, "cursor", (1 << 31) - 1) if data_dict.get("cursor") else None
    dataset = published(str(data_dict["id"]))
    rows = publications.publication_list(str(dataset["id"]), before, wanted + 1)
    return {"dataset": dataset["name"], "domain": dataset["domain"],
            "organization": bodies.titles().get(dataset["body_id"], ""), "state": dataset["state"],
            "results": [_publication(dataset, row) for row in rows[:wanted]],
            "cursor": str(rows[wanted - 1]["seq"]) if len(rows) > wanted else None}


def published(name_or_id: str) -> dict[str, Any]:
    """A dataset of which something was public; every other one does not exist. Raises ObjectNotFound."""
    row = model.one("select * from gkopen.dataset where seq > 0 and :name in (name, id::text)", name=name_or_id)
    if row is None:
        raise toolkit.ObjectNotFound(toolkit._(
            "There is no dataset {id}: give the name at the end of its address, such as nantong-czj-procurement.")
            .format(id=name_or_id[:100]))
    return row


def _publication(dataset: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    gone = row["gone"]
    address = f"/open/{dataset['domain']}/{dataset['name']}@{row['seq']}.csv"
    return {**{name: row[name] for name in ("seq", "kind", "revision", "rows", "added", "changed", "removed",
                                            "metadata", "reason")},
            "at": clock.told(row["at"]), "current": row["seq"] == dataset["seq"],
            "withdrawn": None if gone is None else gone.reason, "url": None if gone else address}
