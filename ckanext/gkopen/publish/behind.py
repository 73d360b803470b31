"""Exits that have not yet followed a withdrawal: what they still hold is shown to nobody from its commit on.

An exit needs a second, or longer where it is down. Until its row of the outbox is done, whoever reads from it asks here
what he may not show. Nearly always nothing waits, and the answer costs one look into an empty index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ckanext.gkopen import model

_PACKAGES = ("ocds/", "oc4ids/", "fiscal/")
"""How the addresses of the standards' packages begin."""


def datasets(sink: str) -> list[str]:
    """Ids of the datasets of which this exit still holds what was withdrawn."""
    return [str(row["dataset_id"]) for row in model.every(
        "select distinct dataset_id from gkopen.outbox where urgent and done_at is null and sink = :sink", sink=sink)]


def rows_shown() -> tuple[str, dict[str, str]] | None:
    """A condition on the rows of a DataStore table, with its parameter; None where all of them may be shown.

    All rows of a dataset are left out for that moment: which of them stay, the table learns with the difference.
    """
    gone = datasets("datastore")
    # One text: a list would not survive the literal binds of records_format=csv.
    return ("dataset_id <> all(cast(:gk_gone as text[]))", {"gk_gone": f"{{{','.join(gone)}}}"}) if gone else None


def packages_shown(search_params: dict[str, Any]) -> dict[str, Any]:
    """A search of packages, without the documents that the index has to lose."""
    gone = datasets("solr")
    if gone:
        search_params["fq_list"] = [*(search_params.get("fq_list") or []), f"-id:({' OR '.join(gone)})"]
    return search_params


def file_is(row: Mapping[str, Any]) -> bool:
    """Whether a published file (address, dataset_id, domain of a row of gkopen.file) still holds what was withdrawn."""
    return bool(files([row]))


def files(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Addresses of those published files (rows of gkopen.file) that still hold what was withdrawn."""
    waiting = model.every("select distinct o.sink, o.dataset_id, d.domain from gkopen.outbox o join gkopen.dataset d"
                          " on d.id = o.dataset_id where o.urgent and o.done_at is null")
    if not waiting:
        return set()
    of_each = {row["dataset_id"] for row in waiting if row["sink"] == "files"}
    of_all = {row["domain"] for row in waiting if row["sink"] == "bulk"}
    standards = any(row["sink"] == "standards" for row in waiting)

    def still(row: Mapping[str, Any]) -> bool:
        if row["dataset_id"]:
            return row["dataset_id"] in of_each
        # A package of a standard is made of several domains: it waits for all of them.
        return standards if row["address"].startswith(_PACKAGES) else row["domain"] in of_all

    return {row["address"] for row in rows if still(row)}
